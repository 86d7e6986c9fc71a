"""Paying for orders, told as a shopkeeper would: through the real command loop, over the in-memory store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import pytest

from application.payments import handlers as payments
from application.payments.commands import (
    AssignProviderReference,
    CancelPayment,
    InitiatePayment,
    RecordPaymentFailure,
    RecordPaymentSuccess,
    RecordRefund,
    RecordRefundFailure,
    RequestRefund,
    ShowPayment,
)
from application.payments.desk import PaymentDesk
from application.payments.handlers import RecordedSuccess, SuccessOutcome
from application.payments.ports import (
    BegunPayment,
    GatewayRegistry,
    PaymentRequest,
    ProviderAway,
    ProviderState,
    ProviderStatus,
    ProviderTimedOut,
    RefundResult,
    RefundState,
)
from application.payments.refunding import request_refund_in
from application.shared.caller import SYSTEM, ActorKind, Caller
from application.shared.command import Command, IdempotencyKey
from application.shared.loop import CommandLoop, Handler
from application.shared.store import Kind
from application.shared.unit import Unit
from domain.inventory import stock as stock_of
from domain.inventory.events import StockCommitted
from domain.inventory.stock import Stock, stock_id
from domain.orders import order as order_of
from domain.orders.amounts import OrderTerms
from domain.orders.events import OrderCancelled, OrderConfirmed, OrderEvent, OrderRefunded, Party
from domain.orders.lines import frozen_line
from domain.orders.order import Order, OrderNotFound, OrderStatus
from domain.payments.events import (
    PaymentCancelled,
    PaymentFailed,
    PaymentInitiated,
    PaymentMismatchDetected,
    PaymentRefunded,
    PaymentSucceeded,
    ProviderReferenceAssigned,
    RefundFailed,
    RefundRequested,
)
from domain.payments.payment import (
    OrderNotPayable,
    Payment,
    PaymentNotCancellable,
    PaymentNotFound,
    PaymentNotRefundable,
    PaymentProviderUnavailable,
    PaymentStatus,
    ProviderReferenceTaken,
    RefundExceedsPayment,
    RefundNotFound,
    RefundStatus,
)
from domain.shared.claims import ValueClaimed
from domain.shared.errors import DomainError, NotAuthenticated, NotPermitted
from domain.shared.events import DomainEvent
from domain.shared.money import Money
from domain.shared.personal import ERASED_ADDRESS
from infrastructure.identity import new_id
from infrastructure.payments.patient import PatientGateway
from infrastructure.payments.sandbox import SandboxGateway
from tests.support.commands import CLAIMS, NOON, Shop, admin, customer, shop

BUYER = customer(UUID(int=1))
STRANGER = customer(UUID(int=2))
ADMIN = admin(UUID(int=3))
WEBHOOK = Caller(actor_kind=ActorKind.WEBHOOK)
SELLER_ID = UUID(int=4)
LISTING, OTHER_LISTING = UUID(int=5), UUID(int=6)
ORDER, OTHER_ORDER = UUID(int=7), UUID(int=8)
PAYMENT, SECOND_PAYMENT = UUID(int=9), UUID(int=10)
REFUND, OTHER_REFUND = UUID(int=11), UUID(int=12)
TOTAL = Money(20_00, "usd")


class GiveBack(Command, frozen=True, kw_only=True):
    """Stands for any use case that has to return a payment's money in its own commit."""

    payment_id: UUID


def give_back(command: GiveBack, unit: Unit) -> Payment:
    return request_refund_in(unit, command.payment_id, None, "order_cancelled")


class Till(Shop):
    """A shop with goods on the shelf and orders that wait to be paid."""

    def happened(self, stream_id: UUID, *events: DomainEvent) -> None:
        self.store.streams.setdefault(stream_id, []).extend(events)
        self.loop.forget(stream_id)

    def order(self, order_id: UUID = ORDER) -> Order:
        state: Order | None = None
        for event in self.store.streams[order_id]:
            state = order_of.evolve(state, event, order_id)  # type: ignore[arg-type]
        assert state is not None
        return state

    def stock(self, listing_id: UUID) -> Stock:
        state: Stock | None = None
        for event in self.store.streams[stock_id(listing_id)]:
            state = stock_of.evolve(state, event, stock_id(listing_id))  # type: ignore[arg-type]
        assert state is not None
        return state

    async def payment(self, payment_id: UUID = PAYMENT) -> Payment:
        state: Payment = (await self.ask(ShowPayment(payment_id=payment_id))).result
        return state

    async def pay(
        self, payment_id: UUID = PAYMENT, received: Money = TOTAL, transaction: str | None = None
    ) -> RecordedSuccess:
        command = RecordPaymentSuccess(
            payment_id=payment_id,
            provider_transaction_id=transaction or f"t-{payment_id}",
            received=received,
        )
        result: RecordedSuccess = (await self.ask(command, WEBHOOK)).result
        return result


def place(order_id: UUID, listings: tuple[UUID, ...], payment_id: UUID | None = None) -> list[OrderEvent]:
    return Order.place(
        order_number=f"ORD-20260501-{order_id.int:05}",
        customer_id=BUYER.actor_id or order_id,
        customer_name="Buyer",
        customer_email=None,
        customer_phone=None,
        lines=[
            frozen_line(
                line_no=number,
                listing_id=listing,
                seller_id=SELLER_ID,
                name="Tea",
                product_type="physical",
                sku=None,
                unit_price=Money(5_00, "usd"),
                quantity=2,
                commission_rate=1_000,
            )
            for number, listing in enumerate(listings, start=1)
        ],
        terms=OrderTerms(tax_rate=0, commission_rate=1_000, shipping_fees={}),
        payment_method="sandbox",
        payment_id=payment_id,
        shipping_address=ERASED_ADDRESS,
        billing_address=None,
        notes=None,
        at=NOON,
    )


KINDS: list[Kind[Any]] = [
    *payments.KINDS,
    Kind("order", Order, order_of.evolve),
    Kind("stock", Stock, stock_of.evolve),
]
HANDLERS: dict[type[Command], Handler] = {**payments.HANDLERS, GiveBack: give_back}


@asynccontextmanager
async def till() -> AsyncIterator[Till]:
    async with shop(HANDLERS, KINDS) as opened:
        marketplace = Till(opened.loop, opened.store, opened.clock)
        for listing in (LISTING, OTHER_LISTING):
            stream = stock_id(listing)
            marketplace.happened(stream, *Stock.open(listing, SELLER_ID, 10, 0))
            for order_id in (ORDER, OTHER_ORDER):
                marketplace.happened(stream, *marketplace.stock(listing).reserve(order_id, 2))
        for order_id in (ORDER, OTHER_ORDER):
            marketplace.happened(order_id, *place(order_id, (LISTING, OTHER_LISTING)))
        yield marketplace


@asynccontextmanager
async def another_process(first: Till) -> AsyncIterator[Till]:
    loop = CommandLoop(
        first.store, handlers=HANDLERS, kinds=[*KINDS, CLAIMS], clock=first.clock, new_id=new_id
    )
    async with loop:
        yield Till(loop, first.store, first.clock)


def begin(
    payment_id: UUID = PAYMENT,
    order_id: UUID = ORDER,
    provider: str = "sandbox",
    reference: str | None = None,
    currencies: frozenset[str] | None = None,
) -> InitiatePayment:
    return InitiatePayment(
        payment_id=payment_id,
        order_id=order_id,
        provider=provider,
        reference=reference,
        currencies=currencies,
    )


def order_cancelled() -> OrderCancelled:
    return OrderCancelled(by=Party.CUSTOMER, reason="too slow", cancelled_at=NOON)


class TestBeginningToPay:
    async def test_the_order_is_paid_in_full_and_in_its_own_currency(self) -> None:
        async with till() as shop_:
            done = await shop_.ask(begin(reference="sbx_1"), BUYER)
            assert done.result.amount == TOTAL
            assert done.result.reference == "sbx_1"
            assert done.version == 1
            kinds = [type(event) for event in shop_.store.events()]
            assert kinds == [ValueClaimed, ValueClaimed, PaymentInitiated]

    async def test_a_name_that_a_gateway_made_of_our_own_id_needs_no_claim(self) -> None:
        async with till() as shop_:
            done = await shop_.ask(begin(reference=f"sbx_{PAYMENT.hex}"), BUYER)
            assert done.result.reference == f"sbx_{PAYMENT.hex}"
            claims = [event.kind for event in shop_.store.events(ValueClaimed)]
            assert claims == ["open_payment"]

    async def test_the_payment_that_came_with_the_order_is_the_answer_while_it_is_open(self) -> None:
        async with till() as shop_:
            order_id = UUID(int=55)
            shop_.happened(order_id, *place(order_id, (LISTING,), PAYMENT))
            shop_.happened(
                PAYMENT,
                PaymentInitiated(
                    order_id=order_id,
                    order_number="ORD-20260501-00055",
                    customer_id=BUYER.actor_id or order_id,
                    provider="sandbox",
                    amount=Money(10_00, "usd"),
                    method="card",
                ),
            )
            done = await shop_.ask(begin(SECOND_PAYMENT, order_id), BUYER)
            assert (done.result.payment_id, done.position) == (PAYMENT, 0)
            await shop_.ask(RecordPaymentFailure(payment_id=PAYMENT), WEBHOOK)
            done = await shop_.ask(begin(SECOND_PAYMENT, order_id), BUYER)
            assert done.result.payment_id == SECOND_PAYMENT
            assert (await shop_.ask(begin(UUID(int=77), order_id), BUYER)).result.payment_id == SECOND_PAYMENT

    async def test_a_second_call_answers_the_first_payment(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            done = await shop_.ask(begin(SECOND_PAYMENT), BUYER)
            assert done.result.payment_id == PAYMENT
            assert done.position == 0

    async def test_two_calls_at_once_open_one_payment(self) -> None:
        async with till() as shop_:
            first, second = await asyncio.gather(
                shop_.ask(begin(), BUYER), shop_.ask(begin(SECOND_PAYMENT), BUYER)
            )
            assert first.result.payment_id == second.result.payment_id == PAYMENT
            assert len(shop_.store.events(PaymentInitiated)) == 1

    async def test_another_provider_may_be_tried_beside(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            done = await shop_.ask(begin(SECOND_PAYMENT, provider="stripe"), BUYER)
            assert done.result.payment_id == SECOND_PAYMENT

    @pytest.mark.parametrize(
        "ending",
        [
            RecordPaymentFailure(payment_id=PAYMENT),
            CancelPayment(payment_id=PAYMENT, reason="expired"),
        ],
    )
    async def test_an_attempt_that_came_to_nothing_makes_room_for_a_new_one(self, ending: Command) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            await shop_.ask(ending, WEBHOOK)
            done = await shop_.ask(begin(SECOND_PAYMENT), BUYER)
            assert done.result.payment_id == SECOND_PAYMENT
            assert done.result.status is PaymentStatus.PENDING

    async def test_strangers_learn_nothing_of_an_order(self) -> None:
        async with till() as shop_:
            with pytest.raises(OrderNotFound):
                await shop_.ask(begin(), STRANGER)
            with pytest.raises(OrderNotFound):
                await shop_.ask(begin(order_id=UUID(int=99)), BUYER)
            with pytest.raises(NotAuthenticated):
                await shop_.ask(begin(), Caller())
            assert shop_.store.log == []

    async def test_only_a_pending_order_can_be_paid(self) -> None:
        async with till() as shop_:
            shop_.happened(ORDER, order_cancelled())
            with pytest.raises(OrderNotPayable) as caught:
                await shop_.ask(begin(), BUYER)
            assert caught.value.details == {"status": "cancelled"}

    async def test_a_provider_that_does_not_take_the_currency_is_not_available(self) -> None:
        async with till() as shop_:
            with pytest.raises(PaymentProviderUnavailable):
                await shop_.ask(begin(provider="payme", currencies=frozenset({"uzs"})), BUYER)
            assert shop_.store.log == []

    async def test_a_providers_name_belongs_to_one_payment(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(reference="sbx_1"), BUYER)
            with pytest.raises(ProviderReferenceTaken):
                await shop_.ask(begin(SECOND_PAYMENT, OTHER_ORDER, reference="sbx_1"), BUYER)
            await shop_.ask(begin(SECOND_PAYMENT, OTHER_ORDER), BUYER)
            with pytest.raises(ProviderReferenceTaken):
                await shop_.ask(AssignProviderReference(payment_id=SECOND_PAYMENT, reference="sbx_1"), SYSTEM)


class TestMoneyComesIn:
    async def test_the_order_is_confirmed_and_its_goods_are_sold_in_the_same_commit(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            appends = shop_.store.appends
            recorded = await shop_.pay()
            assert recorded.outcome is SuccessOutcome.ORDER_CONFIRMED
            assert recorded.payment.status is PaymentStatus.SUCCEEDED
            assert shop_.store.appends == appends + 1
            assert shop_.order().paid_payment_id == PAYMENT
            assert len(shop_.store.events(StockCommitted)) == 2
            assert (shop_.stock(LISTING).quantity, shop_.stock(LISTING).reserved) == (8, 2)

    async def test_a_repeat_changes_nothing(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            await shop_.pay()
            before = len(shop_.store.log)
            assert (await shop_.pay()).outcome is SuccessOutcome.KNOWN
            assert len(shop_.store.log) == before

    async def test_a_hundred_callbacks_at_once_confirm_once(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            outcomes = [r.outcome for r in await asyncio.gather(*(shop_.pay() for _ in range(100)))]
            assert outcomes.count(SuccessOutcome.ORDER_CONFIRMED) == 1
            assert outcomes.count(SuccessOutcome.KNOWN) == 99
            assert len(shop_.store.events(OrderConfirmed)) == 1

    async def test_two_processes_told_at_once_confirm_once(self) -> None:
        async with till() as shop_, another_process(shop_) as twin:
            await shop_.ask(begin(), BUYER)
            outcomes = await asyncio.gather(*(each.pay() for each in (shop_, twin) * 5))
            assert [r.outcome for r in outcomes].count(SuccessOutcome.ORDER_CONFIRMED) == 1
            assert len(shop_.store.events(PaymentSucceeded)) == 1
            assert len(shop_.store.events(StockCommitted)) == 2

    async def test_two_processes_asked_at_once_open_one_payment(self) -> None:
        async with till() as shop_, another_process(shop_) as twin:
            first, second = await asyncio.gather(
                shop_.ask(begin(), BUYER), twin.ask(begin(SECOND_PAYMENT), BUYER)
            )
            assert first.result.payment_id == second.result.payment_id
            assert len(shop_.store.events(PaymentInitiated)) == 1

    async def test_an_idempotent_repeat_gets_the_first_answer(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            key = IdempotencyKey(scope=UUID(int=50), key="evt_1", request_hash=b"x")
            command = RecordPaymentSuccess(
                payment_id=PAYMENT, provider_transaction_id="t", received=TOTAL, provider_event_id="evt_1"
            )
            first = await shop_.ask(command, WEBHOOK, key=key)
            again = await shop_.ask(command, WEBHOOK, key=key)
            assert again.replayed
            assert again.result == first.result

    @pytest.mark.parametrize("received", [Money(19_99, "usd"), Money(20_01, "usd"), Money(20_00, "uzs")])
    async def test_another_amount_or_currency_confirms_nothing(self, received: Money) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            recorded = await shop_.pay(received=received)
            assert recorded.outcome is SuccessOutcome.MISMATCHED
            assert shop_.order().status is OrderStatus.PENDING
            (mismatch,) = shop_.store.events(PaymentMismatchDetected)
            assert mismatch == PaymentMismatchDetected(expected=TOTAL, received=received)
            assert (await shop_.pay()).outcome is SuccessOutcome.ORDER_CONFIRMED

    async def test_success_after_failure_wins(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            await shop_.ask(RecordPaymentFailure(payment_id=PAYMENT), WEBHOOK)
            assert (await shop_.pay()).outcome is SuccessOutcome.ORDER_CONFIRMED

    async def test_money_for_a_cancelled_order_goes_back_by_itself(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            shop_.happened(ORDER, order_cancelled())
            recorded = await shop_.pay()
            assert recorded.outcome is SuccessOutcome.REFUND_REQUESTED
            (request,) = shop_.store.events(RefundRequested)
            assert isinstance(request, RefundRequested)
            assert (request.amount, request.reason, request.by) == (TOTAL, "order_cancelled", None)
            assert shop_.order().status is OrderStatus.CANCELLED
            assert shop_.stock(LISTING).quantity == 10
            assert (await shop_.pay()).outcome is SuccessOutcome.KNOWN
            assert len(shop_.store.events(RefundRequested)) == 1

    async def test_an_order_paid_twice_is_paid_once_and_refunded_once(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            await shop_.ask(begin(SECOND_PAYMENT, provider="stripe"), BUYER)
            await shop_.pay()
            recorded = await shop_.pay(SECOND_PAYMENT)
            assert recorded.outcome is SuccessOutcome.REFUND_REQUESTED
            assert recorded.payment.refunds[0].reason == "order_already_paid"
            done = await shop_.ask(
                RecordRefund(payment_id=SECOND_PAYMENT, refund_id=recorded.payment.refunds[0].refund_id),
                WEBHOOK,
            )
            assert done.result.status is PaymentStatus.REFUNDED
            assert shop_.order().status is OrderStatus.CONFIRMED

    async def test_one_transaction_never_pays_two_orders(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            await shop_.ask(begin(SECOND_PAYMENT, OTHER_ORDER), BUYER)
            await shop_.pay(transaction="txn")
            with pytest.raises(ProviderReferenceTaken):
                await shop_.pay(SECOND_PAYMENT, transaction="txn")
            assert shop_.order(OTHER_ORDER).status is OrderStatus.PENDING

    @pytest.mark.parametrize("first", [PAYMENT, SECOND_PAYMENT])
    async def test_nor_does_one_that_is_named_after_a_payment(self, first: UUID) -> None:
        second = SECOND_PAYMENT if first == PAYMENT else PAYMENT
        named_after_the_first_opened = f"sbx_{PAYMENT.hex}"
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            await shop_.ask(begin(SECOND_PAYMENT, OTHER_ORDER), BUYER)
            for payment_id in (first, second):
                with suppress(ProviderReferenceTaken):
                    await shop_.pay(payment_id, transaction=named_after_the_first_opened)
            assert shop_.order().status is OrderStatus.CONFIRMED
            assert shop_.order(OTHER_ORDER).status is OrderStatus.PENDING

    async def test_an_unknown_payment_is_not_found(self) -> None:
        async with till() as shop_:
            with pytest.raises(PaymentNotFound):
                await shop_.pay(UUID(int=99))


class TestWhoMaySayWhat:
    @pytest.mark.parametrize("caller", [BUYER, STRANGER, ADMIN, Caller()])
    @pytest.mark.parametrize(
        "command",
        [
            RecordPaymentSuccess(payment_id=PAYMENT, provider_transaction_id="t", received=TOTAL),
            RecordPaymentFailure(payment_id=PAYMENT),
            AssignProviderReference(payment_id=PAYMENT, reference="r"),
            RecordRefund(payment_id=PAYMENT, refund_id=REFUND),
            RecordRefundFailure(payment_id=PAYMENT, refund_id=REFUND, reason="no"),
        ],
    )
    async def test_people_do_not_report_what_happened_to_money(
        self, command: Command, caller: Caller
    ) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            before = len(shop_.store.log)
            with pytest.raises(NotPermitted):
                await shop_.ask(command, caller)
            assert len(shop_.store.log) == before

    async def test_a_payment_is_shown_to_its_customer_and_to_admins_only(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            for caller in (BUYER, ADMIN, SYSTEM, WEBHOOK):
                assert (await shop_.ask(ShowPayment(payment_id=PAYMENT), caller)).position == 0
            with pytest.raises(PaymentNotFound):
                await shop_.ask(ShowPayment(payment_id=PAYMENT), STRANGER)
            with pytest.raises(NotAuthenticated):
                await shop_.ask(ShowPayment(payment_id=PAYMENT), Caller())

    async def test_a_payment_is_called_off_by_its_customer_or_an_admin(self) -> None:
        for caller in (BUYER, ADMIN, SYSTEM):
            async with till() as shop_:
                await shop_.ask(begin(), BUYER)
                cancel = CancelPayment(payment_id=PAYMENT, reason="no")
                with pytest.raises(PaymentNotFound):
                    await shop_.ask(cancel, STRANGER)
                assert (await shop_.ask(cancel, caller)).result.status is PaymentStatus.CANCELLED
                assert (await shop_.ask(cancel, caller)).position == 0
                assert len(shop_.store.events(PaymentCancelled)) == 1

    async def test_a_paid_payment_is_not_called_off_but_its_providers_late_word_is_ignored(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            await shop_.pay()
            cancel = CancelPayment(payment_id=PAYMENT, reason="expired")
            with pytest.raises(PaymentNotCancellable):
                await shop_.ask(cancel, BUYER)
            assert (await shop_.ask(cancel, WEBHOOK)).result.status is PaymentStatus.SUCCEEDED
            assert (await shop_.ask(RecordPaymentFailure(payment_id=PAYMENT), WEBHOOK)).position == 0
            assert shop_.store.events(PaymentFailed) == []


class TestMoneyGoesBack:
    async def test_a_full_refund_makes_the_order_refunded(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            await shop_.pay()
            done = await shop_.ask(RequestRefund(payment_id=PAYMENT, refund_id=REFUND), ADMIN)
            (refund,) = done.result.refunds
            assert (refund.amount, refund.reason) == (TOTAL, "requested_by_customer")
            (request,) = shop_.store.events(RefundRequested)
            assert isinstance(request, RefundRequested)
            assert request.by == ADMIN.actor_id
            done = await shop_.ask(RecordRefund(payment_id=PAYMENT, refund_id=REFUND), WEBHOOK)
            assert done.result.status is PaymentStatus.REFUNDED
            assert shop_.order().status is OrderStatus.REFUNDED
            assert len(shop_.store.events(OrderRefunded)) == 1
            again = await shop_.ask(RecordRefund(payment_id=PAYMENT, refund_id=REFUND), WEBHOOK)
            assert again.position == 0

    async def test_parts_add_up_to_a_full_refund(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            await shop_.pay()
            part = RequestRefund(payment_id=PAYMENT, refund_id=REFUND, amount=Money(5_00, "usd"))
            await shop_.ask(part, ADMIN)
            done = await shop_.ask(RecordRefund(payment_id=PAYMENT, refund_id=REFUND), WEBHOOK)
            assert done.result.status is PaymentStatus.PARTIALLY_REFUNDED
            assert shop_.order().status is OrderStatus.CONFIRMED
            rest = RequestRefund(payment_id=PAYMENT, refund_id=OTHER_REFUND, amount=Money(15_00, "usd"))
            await shop_.ask(rest, ADMIN)
            await shop_.ask(RecordRefund(payment_id=PAYMENT, refund_id=OTHER_REFUND), WEBHOOK)
            assert shop_.order().status is OrderStatus.REFUNDED
            assert [event.full for event in shop_.store.events(PaymentRefunded)] == [False, True]  # type: ignore[attr-defined]

    async def test_two_admins_at_once_cannot_give_back_more_than_came_in(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            await shop_.pay()
            answers = await asyncio.gather(
                *(
                    shop_.ask(
                        RequestRefund(payment_id=PAYMENT, refund_id=new_id(), amount=Money(8_00, "usd")),
                        ADMIN,
                    )
                    for _ in range(5)
                ),
                return_exceptions=True,
            )
            assert sum(isinstance(answer, RefundExceedsPayment) for answer in answers) == 3
            assert len(shop_.store.events(RefundRequested)) == 2

    async def test_a_failed_refund_can_be_asked_for_anew(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            await shop_.pay()
            await shop_.ask(RequestRefund(payment_id=PAYMENT, refund_id=REFUND), ADMIN)
            failure = RecordRefundFailure(payment_id=PAYMENT, refund_id=REFUND, reason="card closed")
            await shop_.ask(failure, WEBHOOK)
            assert len(shop_.store.events(RefundFailed)) == 1
            done = await shop_.ask(RequestRefund(payment_id=PAYMENT, refund_id=OTHER_REFUND), ADMIN)
            assert done.result.refundable == Money(0, "usd")

    async def test_only_admins_and_the_house_give_money_back(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            await shop_.pay()
            for caller in (BUYER, STRANGER, WEBHOOK, Caller()):
                with pytest.raises(NotPermitted):
                    await shop_.ask(RequestRefund(payment_id=PAYMENT, refund_id=REFUND), caller)

    async def test_a_payment_that_never_succeeded_is_not_refundable(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            with pytest.raises(PaymentNotRefundable):
                await shop_.ask(RequestRefund(payment_id=PAYMENT, refund_id=REFUND), ADMIN)
            with pytest.raises(PaymentNotRefundable):
                await shop_.ask(GiveBack(payment_id=PAYMENT))

    async def test_a_rule_of_the_house_asks_once_and_only_for_what_is_left(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            await shop_.pay()
            part = RequestRefund(payment_id=PAYMENT, refund_id=REFUND, amount=Money(5_00, "usd"))
            await shop_.ask(part, ADMIN)
            await shop_.ask(GiveBack(payment_id=PAYMENT))
            assert (await shop_.ask(GiveBack(payment_id=PAYMENT))).position == 0
            amounts = [event.amount.minor for event in shop_.store.events(RefundRequested)]  # type: ignore[attr-defined]
            assert amounts == [5_00, 15_00]

    async def test_a_rule_of_the_house_is_content_when_all_is_underway_already(self) -> None:
        async with till() as shop_:
            await shop_.ask(begin(), BUYER)
            await shop_.pay()
            await shop_.ask(RequestRefund(payment_id=PAYMENT, refund_id=REFUND), ADMIN)
            assert (await shop_.ask(GiveBack(payment_id=PAYMENT))).position == 0


class Provider:
    """A stand-in provider: answers as it is set, counts what it is asked."""

    def __init__(self) -> None:
        self.status = ProviderStatus(state=ProviderState.PENDING)
        self.refund_result = RefundResult(state=RefundState.SUCCEEDED, provider_refund_id="re_1")
        self.silent = False
        self.refunds: list[tuple[UUID, Money]] = []

    @property
    def name(self) -> str:
        return "stripe"

    @property
    def currencies(self) -> frozenset[str] | None:
        return frozenset({"usd"})

    def reference_for(self, payment_id: UUID) -> str | None:
        return None

    async def begin(self, payment: PaymentRequest) -> BegunPayment:
        await self._answer()
        return BegunPayment(reference=f"pi_{payment.payment_id.int}", client_secret="shh")

    async def check(self, payment: PaymentRequest) -> ProviderStatus:
        await self._answer()
        return self.status

    async def cancel(self, payment: PaymentRequest) -> ProviderStatus:
        await self._answer()
        return self.status

    async def refund(
        self, payment: PaymentRequest, refund_id: UUID, amount: Money, reason: str
    ) -> RefundResult:
        await self._answer()
        self.refunds.append((refund_id, amount))
        return self.refund_result

    async def _answer(self) -> None:
        if self.silent:
            await asyncio.Event().wait()


PAID = ProviderStatus(state=ProviderState.SUCCEEDED, provider_transaction_id="pi_9", received=TOTAL)


@asynccontextmanager
async def desk() -> AsyncIterator[tuple[Till, Provider, PaymentDesk]]:
    provider = Provider()
    async with till() as shop_:
        await shop_.ask(begin(provider="stripe"), BUYER)
        patient = PatientGateway(provider, seconds=0.05)
        gateways = GatewayRegistry([patient, SandboxGateway(b"a key for tests only")])
        yield shop_, provider, PaymentDesk(gateways, shop_.loop)


class TestTheDesk:
    async def test_the_providers_name_is_learned_and_the_secret_is_not_kept(self) -> None:
        async with desk() as (shop_, _, counter):
            begun = await counter.begin(await shop_.payment(), BUYER)
            assert begun.client_secret == "shh"
            assert (await shop_.payment()).reference == begun.reference == "pi_9"
            again = await counter.begin(await shop_.payment(), BUYER)
            assert again == begun
            assert len(shop_.store.events(ProviderReferenceAssigned)) == 1
            assert not any("shh" in repr(event) for event in shop_.store.events())

    async def test_a_provider_that_was_switched_off_is_not_available(self) -> None:
        async with desk() as (shop_, _, _counter):
            nothing = PaymentDesk(GatewayRegistry([]), shop_.loop)
            with pytest.raises(PaymentProviderUnavailable):
                await nothing.begin(await shop_.payment(), BUYER)

    async def test_two_providers_of_one_name_are_a_fault_of_assembly(self) -> None:
        with pytest.raises(ValueError, match="stripe"):
            GatewayRegistry([Provider(), Provider()])

    async def test_a_silent_provider_is_not_waited_for(self) -> None:
        async with desk() as (shop_, provider, counter):
            provider.silent = True
            before = len(shop_.store.log)
            with pytest.raises(ProviderTimedOut):
                await counter.begin(await shop_.payment(), BUYER)
            with pytest.raises(ProviderTimedOut):
                await counter.recheck(PAYMENT, BUYER)
            assert len(shop_.store.log) == before

    async def test_asking_the_provider_now_is_as_good_as_its_callback(self) -> None:
        async with desk() as (shop_, provider, counter):
            assert (await counter.recheck(PAYMENT, BUYER)).status is PaymentStatus.PENDING
            provider.status = PAID
            assert (await counter.recheck(PAYMENT, BUYER)).status is PaymentStatus.SUCCEEDED
            assert shop_.order().status is OrderStatus.CONFIRMED
            await counter.recheck(PAYMENT, BUYER)
            assert len(shop_.store.events(PaymentSucceeded)) == 1
            success = next(new for new in shop_.store.log if isinstance(new.event, PaymentSucceeded))
            assert success.envelope.metadata.actor_kind == "webhook"

    @pytest.mark.parametrize("state", [ProviderState.FAILED, ProviderState.CANCELLED])
    async def test_the_providers_no_is_recorded(self, state: ProviderState) -> None:
        async with desk() as (_, provider, counter):
            provider.status = ProviderStatus(state=state, reason="declined")
            assert (await counter.recheck(PAYMENT, BUYER)).status.value == state.value

    async def test_strangers_cannot_have_payments_rechecked_or_called_off(self) -> None:
        async with desk() as (_, provider, counter):
            provider.status = PAID
            with pytest.raises(PaymentNotFound):
                await counter.recheck(PAYMENT, STRANGER)
            with pytest.raises(PaymentNotFound):
                await counter.cancel(PAYMENT, STRANGER, "no")

    async def test_calling_off_reaches_the_provider_first(self) -> None:
        async with desk() as (shop_, provider, counter):
            with pytest.raises(ProviderAway):
                await counter.cancel(PAYMENT, BUYER, "no")
            assert (await shop_.payment()).status is PaymentStatus.PENDING
            provider.status = ProviderStatus(state=ProviderState.CANCELLED)
            assert (await counter.cancel(PAYMENT, BUYER, "no")).result.status is PaymentStatus.CANCELLED

    async def test_money_that_came_meanwhile_is_recorded_instead(self) -> None:
        async with desk() as (shop_, provider, counter):
            provider.status = PAID
            for _ in range(2):
                with pytest.raises(PaymentNotCancellable):
                    await counter.cancel(PAYMENT, BUYER, "no")
            assert shop_.order().status is OrderStatus.CONFIRMED

    async def test_a_refund_is_carried_out_once(self) -> None:
        async with desk() as (shop_, provider, counter):
            await shop_.pay()
            part = RequestRefund(payment_id=PAYMENT, refund_id=REFUND, amount=Money(5_00, "usd"))
            await shop_.ask(part, ADMIN)
            for _ in range(2):
                payment = await counter.carry_out_refund(PAYMENT, REFUND)
                assert payment.refunded_minor == 5_00
            assert provider.refunds == [(REFUND, Money(5_00, "usd"))]

    async def test_a_refund_that_the_provider_still_works_on_stays_requested(self) -> None:
        async with desk() as (shop_, provider, counter):
            provider.refund_result = RefundResult(state=RefundState.PENDING)
            await shop_.pay()
            await shop_.ask(RequestRefund(payment_id=PAYMENT, refund_id=REFUND), ADMIN)
            payment = await counter.carry_out_refund(PAYMENT, REFUND)
            assert payment.refunds[0].status is RefundStatus.REQUESTED

    async def test_a_refund_that_the_provider_refuses_has_failed(self) -> None:
        async with desk() as (shop_, provider, counter):
            provider.refund_result = RefundResult(state=RefundState.FAILED, reason="card closed")
            await shop_.pay()
            await shop_.ask(RequestRefund(payment_id=PAYMENT, refund_id=REFUND), ADMIN)
            payment = await counter.carry_out_refund(PAYMENT, REFUND)
            assert payment.refunds[0].status is RefundStatus.FAILED

    async def test_a_refund_that_nobody_asked_for_is_not_carried_out(self) -> None:
        async with desk() as (shop_, provider, counter):
            await shop_.pay()
            with pytest.raises(RefundNotFound):
                await counter.carry_out_refund(PAYMENT, REFUND)
            assert provider.refunds == []

    async def test_the_sandbox_goes_the_same_way(self) -> None:
        async with desk() as (shop_, _, counter):
            done = await shop_.ask(begin(SECOND_PAYMENT, OTHER_ORDER), BUYER)
            begun = await counter.begin(done.result, BUYER)
            assert begun.reference == f"sbx_{SECOND_PAYMENT.hex}"
            done = await counter.cancel(SECOND_PAYMENT, BUYER, "no")
            assert done.result.status is PaymentStatus.CANCELLED


def test_refusals_have_the_codes_that_programs_know() -> None:
    codes: dict[type[DomainError], str] = {
        OrderNotPayable: "ORDER_NOT_PAYABLE",
        PaymentNotRefundable: "PAYMENT_NOT_REFUNDABLE",
        RefundExceedsPayment: "REFUND_EXCEEDS_PAYMENT",
        PaymentProviderUnavailable: "PAYMENT_PROVIDER_UNAVAILABLE",
    }
    assert {refusal: refusal.code for refusal in codes} == codes
