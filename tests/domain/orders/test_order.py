"""An order goes its way step by step, and only its own people move it."""

from collections.abc import Callable
from datetime import date
from functools import partial
from typing import Any

import msgspec
import pytest

from domain.orders.actor import THE_HOUSE, Actor
from domain.orders.events import (
    NoteVisibility,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderEvent,
    OrderNoteAdded,
    OrderPlaced,
    OrderProcessingStarted,
    OrderRefunded,
    OrderShipped,
    OrderTrackingUpdated,
    Party,
)
from domain.orders.order import (
    InvalidOrderState,
    ListingUnavailable,
    Order,
    OrderAccessDenied,
    OrderNotFound,
    OrderStatus,
    OrderTextInvalid,
    evolve,
)
from domain.orders.tracking import Tracking, TrackingInvalid
from domain.shared.money import Money
from domain.shared.personal import ERASED
from tests.domain.orders.makers import (
    ADMIN,
    CUP,
    CUSTOMER,
    ORDER,
    OTHER_SELLER,
    PAYMENT,
    SELLER,
    STRANGER,
    line,
    placed,
)
from tests.support.commands import NOON
from tests.support.given import Given, fold, given

given_order = partial(given, evolve, stream_id=ORDER)

CONFIRMED = OrderConfirmed(payment_id=PAYMENT, confirmed_at=NOON)
PROCESSING = OrderProcessingStarted(by=Party.SELLER)
SHIPPED = OrderShipped(by=Party.SELLER, shipped_at=NOON)
DELIVERED = OrderDelivered(by=Party.SELLER, delivered_at=NOON)
CANCELLED = OrderCancelled(by=Party.CUSTOMER, reason="too slow", cancelled_at=NOON)
REFUNDED = OrderRefunded(payment_id=PAYMENT, refunded=Money(27_00), refunded_at=NOON)

HISTORIES: dict[OrderStatus, list[OrderEvent]] = {
    OrderStatus.PENDING: [],
    OrderStatus.CONFIRMED: [CONFIRMED],
    OrderStatus.PROCESSING: [CONFIRMED, PROCESSING],
    OrderStatus.SHIPPED: [CONFIRMED, SHIPPED],
    OrderStatus.DELIVERED: [CONFIRMED, SHIPPED, DELIVERED],
    OrderStatus.CANCELLED: [CANCELLED],
    OrderStatus.REFUNDED: [CONFIRMED, REFUNDED],
}

confirm = partial(Order.confirm, payment_id=PAYMENT, at=NOON)
process = partial(Order.start_processing, by=SELLER)
ship = partial(Order.ship, by=SELLER, tracking=Tracking(), at=NOON)
track = partial(Order.update_tracking, by=SELLER, tracking=Tracking(number="1"))
deliver = partial(Order.deliver, by=SELLER, at=NOON)
cancel = partial(Order.cancel, by=CUSTOMER, reason="too slow", at=NOON)
refund = partial(Order.mark_refunded, payment_id=PAYMENT, refunded=Money(27_00), at=NOON)

S = OrderStatus
LEGAL: dict[str, tuple[Callable[..., Any], set[OrderStatus]]] = {
    "confirm": (partial(confirm, payment_id=ORDER), {S.PENDING}),
    "process": (process, {S.CONFIRMED}),
    "ship": (ship, {S.CONFIRMED, S.PROCESSING}),
    "track": (track, {S.SHIPPED, S.DELIVERED}),
    "deliver": (deliver, {S.SHIPPED}),
    "cancel": (partial(cancel, by=ADMIN), {S.PENDING, S.CONFIRMED}),
}


def order_in(status: OrderStatus) -> Given:
    return given_order(*placed(), *HISTORIES[status])


class TestPlacing:
    def test_prices_and_rates_are_frozen_on_the_order(self) -> None:
        (event,) = placed(line(), line(line_no=2, listing_id=CUP, unit_price=Money(1_00), quantity=1))
        assert isinstance(event, OrderPlaced)
        assert (event.subtotal, event.tax, event.total) == (Money(26_00), Money(2_08), Money(28_08))
        assert event.tax_rate == 800
        assert [each.commission_rate for each in event.items] == [1000, 1000]

    def test_a_new_order_waits_to_be_paid(self) -> None:
        order = fold(evolve, placed(), ORDER)
        assert (order.status, order.payment_id, order.paid_payment_id) == (S.PENDING, PAYMENT, None)
        assert (order.total, order.currency) == (Money(27_00), "usd")

    def test_nobody_buys_from_themselves(self) -> None:
        with pytest.raises(ListingUnavailable) as caught:
            placed(line(), line(listing_id=CUP, seller_id=CUSTOMER.account_id))
        assert caught.value.details == {"listingId": str(CUP)}

    def test_a_person_who_was_forgotten_leaves_the_order_standing(self) -> None:
        (event,) = placed()
        kept = msgspec.to_builtins(event)
        for name in ("customer_name", "customer_email", "shipping_address"):
            del kept[name]
        forgotten = msgspec.convert(kept, OrderPlaced)
        assert forgotten.customer_name == forgotten.shipping_address.city == ERASED
        assert fold(evolve, [forgotten], ORDER) == fold(evolve, [event], ORDER)

    def test_an_order_knows_nothing_personal(self) -> None:
        kept = msgspec.json.encode(fold(evolve, placed(notes="ring twice"), ORDER))
        for word in (b"Zebo", b"zebo@", b"Karimova", b"Temur", b"ring twice"):
            assert word not in kept

    def test_an_order_survives_being_kept_as_json(self) -> None:
        order = given_order(*placed(), CONFIRMED, SHIPPED).state
        assert msgspec.json.decode(msgspec.json.encode(order), type=Order) == order


class TestTheWay:
    @pytest.mark.parametrize("step", LEGAL)
    @pytest.mark.parametrize("status", list(OrderStatus))
    def test_a_step_is_taken_from_where_it_leads_on_and_nowhere_else(
        self, step: str, status: OrderStatus
    ) -> None:
        decision, legal = LEGAL[step]
        order = order_in(status)
        assert order.state.status is status
        if status in legal:
            assert len(decision(order.state)) == 1
        else:
            refusal = order.when(decision).refused(InvalidOrderState)
            assert refusal.details == {"status": status.value}

    def test_steps_are_recorded_with_who_and_when(self) -> None:
        order_in(S.PENDING).when(confirm).then(CONFIRMED)
        order_in(S.CONFIRMED).when(process).then(PROCESSING)
        order_in(S.CONFIRMED).when(ship).then(SHIPPED)
        order_in(S.SHIPPED).when(deliver).then(DELIVERED)
        order_in(S.SHIPPED).when(deliver, by=THE_HOUSE).then(
            OrderDelivered(by=Party.SYSTEM, delivered_at=NOON)
        )
        order_in(S.PENDING).when(cancel, reason="  too slow ").then(CANCELLED)


class TestPaying:
    @pytest.mark.parametrize("status", [S.CONFIRMED, S.PROCESSING, S.SHIPPED, S.DELIVERED, S.REFUNDED])
    def test_being_told_again_of_the_same_payment_changes_nothing(self, status: OrderStatus) -> None:
        order_in(status).when(confirm).then()

    def test_a_cancelled_order_does_not_come_back_to_life(self) -> None:
        order_in(S.CANCELLED).when(confirm).refused(InvalidOrderState)

    @pytest.mark.parametrize("status", [S.CONFIRMED, S.PROCESSING, S.SHIPPED, S.DELIVERED])
    def test_money_given_back_in_full_refunds_the_order(self, status: OrderStatus) -> None:
        order_in(status).when(refund).then(REFUNDED)

    @pytest.mark.parametrize("status", list(OrderStatus))
    def test_another_payment_given_back_leaves_the_order_as_it_is(self, status: OrderStatus) -> None:
        order_in(status).when(refund, payment_id=ORDER).then()

    def test_a_cancelled_order_stays_cancelled_when_its_money_goes_back(self) -> None:
        given_order(*placed(), CONFIRMED, CANCELLED).when(refund).then()

    def test_an_order_is_refunded_once(self) -> None:
        order_in(S.REFUNDED).when(refund).refused(InvalidOrderState)


class TestFulfilling:
    mixed = placed(line(), line(line_no=2, listing_id=CUP, seller_id=OTHER_SELLER.account_id))

    @pytest.mark.parametrize("decision", [process, ship, deliver, track])
    @pytest.mark.parametrize("by", [STRANGER, OTHER_SELLER])
    def test_strangers_learn_nothing(self, decision: Callable[..., Any], by: Actor) -> None:
        given_order(*placed()).when(decision, by=by).refused(OrderNotFound)

    @pytest.mark.parametrize("decision", [process, ship, deliver, track])
    def test_customers_fulfil_nothing(self, decision: Callable[..., Any]) -> None:
        given_order(*placed()).when(decision, by=CUSTOMER).refused(OrderAccessDenied)

    @pytest.mark.parametrize("by", [SELLER, OTHER_SELLER])
    def test_an_order_of_several_sellers_is_no_single_ones_to_ship(self, by: Actor) -> None:
        given_order(*self.mixed, CONFIRMED).when(ship, by=by).refused(OrderAccessDenied)

    def test_an_admin_ships_an_order_of_several_sellers(self) -> None:
        given_order(*self.mixed, CONFIRMED).when(ship, by=ADMIN).then(
            OrderShipped(by=Party.ADMIN, shipped_at=NOON)
        )

    def test_the_house_itself_ships_nothing(self) -> None:
        order_in(S.CONFIRMED).when(ship, by=THE_HOUSE).refused(OrderAccessDenied)

    def test_tracking_is_recorded_and_can_be_corrected(self) -> None:
        first = Tracking(number="1", url="https://t.example/1", estimated_delivery=date(2026, 5, 4))
        shipped = OrderShipped(
            tracking_number="1",
            tracking_url="https://t.example/1",
            estimated_delivery=date(2026, 5, 4),
            by=Party.SELLER,
            shipped_at=NOON,
        )
        order_in(S.CONFIRMED).when(ship, tracking=first).then(shipped)
        sent = given_order(*placed(), CONFIRMED, shipped)
        sent.when(track, tracking=first).then()
        sent.when(track, tracking=Tracking(number="2")).then(OrderTrackingUpdated(tracking_number="2"))

    def test_a_tracking_page_that_is_none_is_refused(self) -> None:
        bad = Tracking(url="http://t.example")
        order_in(S.CONFIRMED).when(ship, tracking=bad).refused(TrackingInvalid)
        order_in(S.SHIPPED).when(track, tracking=bad).refused(TrackingInvalid)


class TestCancelling:
    def test_a_customer_who_cancels_twice_cancels_once(self) -> None:
        order_in(S.CANCELLED).when(cancel).then()

    def test_strangers_learn_nothing(self) -> None:
        order_in(S.CANCELLED).when(cancel, by=STRANGER).refused(OrderNotFound)

    def test_sellers_do_not_cancel(self) -> None:
        order_in(S.PENDING).when(cancel, by=SELLER).refused(OrderAccessDenied)

    def test_the_house_may(self) -> None:
        order_in(S.CONFIRMED).when(cancel, by=THE_HOUSE, reason="fraud").then(
            OrderCancelled(by=Party.SYSTEM, reason="fraud", cancelled_at=NOON)
        )

    @pytest.mark.parametrize("reason", ["", " \n", "x" * 501])
    def test_a_reason_is_some_words(self, reason: str) -> None:
        order_in(S.PENDING).when(cancel, reason=reason).refused(OrderTextInvalid)

    def test_what_nobody_paid_in_time_is_called_off(self) -> None:
        order_in(S.PENDING).when(Order.cancel_unpaid, at=NOON).then(
            OrderCancelled(by=Party.SYSTEM, reason="payment_timeout", cancelled_at=NOON)
        )

    @pytest.mark.parametrize("status", [status for status in OrderStatus if status is not S.PENDING])
    def test_what_was_paid_in_the_last_moment_stays(self, status: OrderStatus) -> None:
        order_in(status).when(Order.cancel_unpaid, at=NOON).then()


class TestNotes:
    add = partial(Order.add_note, visibility=NoteVisibility.CUSTOMER, text=" ring twice ")

    @pytest.mark.parametrize(
        ("by", "party"),
        [
            (CUSTOMER, Party.CUSTOMER),
            (SELLER, Party.SELLER),
            (ADMIN, Party.ADMIN),
            (THE_HOUSE, Party.SYSTEM),
        ],
    )
    def test_whoever_has_a_part_in_it_may_write(self, by: Actor, party: Party) -> None:
        order_in(S.DELIVERED).when(self.add, by=by).then(
            OrderNoteAdded(
                customer_id=CUSTOMER.account_id,
                visibility=NoteVisibility.CUSTOMER,
                text="ring twice",
                by=party,
            )
        )

    def test_strangers_learn_nothing(self) -> None:
        order_in(S.PENDING).when(self.add, by=STRANGER).refused(OrderNotFound)

    def test_customers_write_no_internal_notes(self) -> None:
        order_in(S.PENDING).when(self.add, by=CUSTOMER, visibility=NoteVisibility.INTERNAL).refused(
            OrderAccessDenied
        )

    @pytest.mark.parametrize("text", ["", "  ", "x" * 2001])
    def test_a_note_is_some_words(self, text: str) -> None:
        order_in(S.PENDING).when(self.add, by=SELLER, text=text).refused(OrderTextInvalid)
