"""Sellers earn when their goods arrive: once, to the unit, each their own."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.payouts import handlers as payouts
from application.payouts.commands import AccrueEarnings
from application.payouts.policies import accrue_when_delivered
from application.shared.caller import Caller
from application.shared.command import Command
from application.shared.store import Kind
from domain.orders import order as order_of
from domain.orders.amounts import OrderTerms
from domain.orders.events import (
    OrderConfirmed,
    OrderDelivered,
    OrderLine,
    OrderRefunded,
    OrderShipped,
    Party,
)
from domain.orders.lines import frozen_line
from domain.orders.order import Order, OrderNotFound
from domain.payouts.events import EarningAccrued
from domain.payouts.seller_ledger import OrderNotDelivered, SellerLedger, evolve, seller_ledger_id
from domain.shared.errors import NotPermitted
from domain.shared.events import DomainEvent, Recorded
from domain.shared.money import Money
from domain.shared.personal import ERASED_ADDRESS
from tests.support.commands import NOON, Shop, admin, customer, seller, shop
from tests.support.given import fold

ORDER, OTHER_ORDER = UUID(int=1), UUID(int=2)
SELLER, OTHER_SELLER, BUYER = UUID(int=3), UUID(int=4), UUID(int=5)
PAYMENT = UUID(int=6)

paid = OrderConfirmed(payment_id=PAYMENT, confirmed_at=NOON)
shipped = OrderShipped(by=Party.SELLER, shipped_at=NOON)
delivered = OrderDelivered(by=Party.SELLER, delivered_at=NOON)


def line(number: int, seller_id: UUID, minor: int, quantity: int = 1, rate: int = 1_000) -> OrderLine:
    return frozen_line(
        line_no=number,
        listing_id=UUID(int=100 + number),
        seller_id=seller_id,
        name="Tea",
        product_type="physical",
        sku=None,
        unit_price=Money(minor, "uzs"),
        quantity=quantity,
        commission_rate=rate,
    )


def happened(office: Shop, order_id: UUID, lines: Sequence[OrderLine], *then: DomainEvent) -> None:
    """An order with tax and shipping, of which sellers earn nothing."""
    placed = Order.place(
        order_number=f"ORD-20260501-{order_id.int:05}",
        customer_id=BUYER,
        customer_name="Buyer",
        customer_email=None,
        customer_phone=None,
        lines=lines,
        terms=OrderTerms(tax_rate=800, commission_rate=1_000, shipping_fees={"uzs": 15_000_00}),
        payment_method="sandbox",
        payment_id=PAYMENT,
        shipping_address=ERASED_ADDRESS,
        billing_address=None,
        notes=None,
        at=NOON,
    )
    office.store.streams[order_id] = [*placed, *then]


@asynccontextmanager
async def office() -> AsyncIterator[Shop]:
    async with shop(payouts.HANDLERS, [*payouts.KINDS, Kind("order", Order, order_of.evolve)]) as opened:
        yield opened


def ledger(office: Shop, seller_id: UUID) -> SellerLedger:
    stream_id = seller_ledger_id(seller_id, "uzs")
    state: SellerLedger = fold(evolve, office.store.streams[stream_id], stream_id)
    return state


async def test_each_seller_earns_their_own_lines_less_commission() -> None:
    async with office() as opened:
        lines = [line(1, SELLER, 333, 3), line(2, OTHER_SELLER, 1_000, rate=500), line(3, SELLER, 5)]
        happened(opened, ORDER, lines, paid, shipped, delivered)
        done = await opened.ask(AccrueEarnings(order_id=ORDER))
        assert done.result.lines == 3
        mine, others = ledger(opened, SELLER), ledger(opened, OTHER_SELLER)
        assert (mine.gross_minor, mine.commission_minor) == (999 + 5, 100 + 0)
        assert (others.gross_minor, others.commission_minor) == (1_000, 50)
        assert opened.store.appends == 1


async def test_a_delivery_told_many_times_earns_once() -> None:
    async with office() as opened:
        happened(opened, ORDER, [line(1, SELLER, 1_000), line(2, SELLER, 10)], paid, shipped, delivered)
        answers = await asyncio.gather(*(opened.ask(AccrueEarnings(order_id=ORDER)) for _ in range(20)))
        assert sorted(done.result.lines for done in answers) == [0] * 19 + [2]
        assert (await opened.ask(AccrueEarnings(order_id=ORDER))).position == 0
        assert len(opened.store.events(EarningAccrued)) == 2


async def test_a_repeat_is_known_also_by_a_process_that_remembers_nothing() -> None:
    async with office() as opened:
        happened(opened, ORDER, [line(1, SELLER, 1_000)], paid, shipped, delivered)
        await opened.ask(AccrueEarnings(order_id=ORDER))
        for stream_id in list(opened.store.streams):
            opened.loop.forget(stream_id)
        assert (await opened.ask(AccrueEarnings(order_id=ORDER))).result.lines == 0


async def test_earnings_of_many_orders_meet_in_one_ledger() -> None:
    async with office() as opened:
        for order_id in (ORDER, OTHER_ORDER):
            happened(opened, order_id, [line(1, SELLER, 1_000)], paid, shipped, delivered)
        await asyncio.gather(
            *(opened.ask(AccrueEarnings(order_id=order_id)) for order_id in (ORDER, OTHER_ORDER))
        )
        assert ledger(opened, SELLER).accrued == Money(1_800, "uzs")


async def test_goods_that_have_not_arrived_earn_nothing() -> None:
    for history in ([], [paid], [paid, shipped]):
        async with office() as opened:
            happened(opened, ORDER, [line(1, SELLER, 1_000)], *history)
            with pytest.raises(OrderNotDelivered):
                await opened.ask(AccrueEarnings(order_id=ORDER))
            assert opened.store.log == []


async def test_an_order_that_was_refunded_first_earns_nothing() -> None:
    async with office() as opened:
        refunded = OrderRefunded(payment_id=PAYMENT, refunded=Money(1, "uzs"), refunded_at=NOON)
        happened(opened, ORDER, [line(1, SELLER, 1_000)], paid, shipped, delivered, refunded)
        done = await opened.ask(AccrueEarnings(order_id=ORDER))
        assert (done.result.lines, done.position) == (0, 0)


async def test_nobody_credits_themselves() -> None:
    async with office() as opened:
        happened(opened, ORDER, [line(1, SELLER, 1_000)], paid, shipped, delivered)
        for caller in (seller(SELLER), admin(UUID(int=9)), customer(BUYER), Caller()):
            with pytest.raises(NotPermitted):
                await opened.ask(AccrueEarnings(order_id=ORDER), caller)


async def test_an_unknown_order_earns_nothing() -> None:
    async with office() as opened:
        with pytest.raises(OrderNotFound):
            await opened.ask(AccrueEarnings(order_id=ORDER))


async def test_an_invoice_of_a_thousand_lines_is_credited_in_one_commit() -> None:
    async with office() as opened:
        lines = [line(number, (SELLER, OTHER_SELLER)[number % 2], number) for number in range(1, 1_201)]
        happened(opened, ORDER, lines, paid, shipped, delivered)
        assert (await opened.ask(AccrueEarnings(order_id=ORDER))).result.lines == 1_200
        assert opened.store.appends == 1
        assert (await opened.ask(AccrueEarnings(order_id=ORDER))).result.lines == 0


LINES = st.lists(
    st.tuples(
        st.sampled_from([SELLER, OTHER_SELLER]),
        st.integers(min_value=0, max_value=10**9),
        st.integers(min_value=1, max_value=100),
        st.integers(min_value=0, max_value=9_999),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(LINES)
def test_what_sellers_and_house_get_is_what_the_goods_cost(drawn: list[tuple[UUID, int, int, int]]) -> None:
    async def deliver() -> None:
        async with office() as opened:
            lines = [
                line(number, seller_id, minor, quantity, rate)
                for number, (seller_id, minor, quantity, rate) in enumerate(drawn, start=1)
            ]
            happened(opened, ORDER, lines, paid, shipped, delivered)
            await opened.ask(AccrueEarnings(order_id=ORDER))
            ledgers = [ledger(opened, seller_id) for seller_id in {entry[0] for entry in drawn}]
            gross = sum(entry.gross_minor for entry in ledgers)
            assert gross == sum(each.subtotal.minor for each in lines)
            assert sum(entry.accrued.minor + entry.commission_minor for entry in ledgers) == gross

    asyncio.run(deliver())


def recorded(event: DomainEvent) -> Recorded:
    return Recorded(position=1, stream_id=ORDER, version=4, event=event, recorded_at=NOON)


def test_a_delivery_asks_for_the_earnings_and_nothing_else_does() -> None:
    asked: list[Command] = accrue_when_delivered(recorded(delivered))
    assert asked == [AccrueEarnings(order_id=ORDER)]
    assert accrue_when_delivered(recorded(shipped)) == []
