"""Orders with a seller's listings."""

import pytest

from domain.orders.events import OrderRefunded
from domain.shared.money import Money
from projections.orders.seller_orders import SellerOrders, SellerOrdersProjection
from projections.shared.paging import PageRequest, SliceRequest
from tests.projections.orders.makers import (
    ADA,
    NOON,
    OTHER_SELLER,
    SELLER,
    Log,
    an_id,
    cancelled,
    confirmed,
    line,
    placed,
    showing,
)

pytestmark = pytest.mark.services

MIXED = placed(
    line(1, "lamp", price=300, quantity=2),
    line(2, "rug", price=900, seller_id=OTHER_SELLER),
    line(3, "vase", price=50),
)


async def test_a_seller_sees_their_own_lines_and_what_those_cost(database_url: str) -> None:
    async with showing(database_url, Log().tell("order", MIXED), SellerOrdersProjection()) as reader:
        [mine] = (await SellerOrders(reader).page(SELLER, PageRequest())).items
        [theirs] = (await SellerOrders(reader).page(OTHER_SELLER, PageRequest())).items
        nobodys = await SellerOrders(reader).page(ADA, PageRequest())
    assert ([sold.name for sold in mine.lines], mine.subtotal) == (["Lamp", "Vase"], Money(650, "usd"))
    assert ([sold.line_no for sold in theirs.lines], theirs.subtotal) == ([2], Money(900, "usd"))
    assert (mine.is_whole, theirs.is_whole) == (False, False)
    assert nobodys.items == []


async def test_a_seller_of_the_whole_order_is_told_so(database_url: str) -> None:
    async with showing(database_url, Log().tell("order", placed()), SellerOrdersProjection()) as reader:
        [order] = (await SellerOrders(reader).page(SELLER, PageRequest())).items
    assert order.is_whole


async def test_every_seller_of_an_order_sees_its_new_status(database_url: str) -> None:
    log = Log().tell("order", MIXED)
    async with showing(database_url, log, SellerOrdersProjection()):
        pass
    later = Log().tell("order", MIXED)
    later.tell("order", confirmed())
    later.tell(
        "order",
        OrderRefunded(payment_id=an_id("payment"), refunded=Money(1_550, "usd"), refunded_at=NOON),
    )
    later.events = later.events[1:]
    async with showing(database_url, later, SellerOrdersProjection()) as reader:
        sellers = SellerOrders(reader)
        seen = [(await sellers.page(who, PageRequest())).items[0].status for who in (SELLER, OTHER_SELLER)]
    assert seen == ["refunded", "refunded"]


async def test_a_seller_filters_by_status_and_reads_on_from_a_cursor(database_url: str) -> None:
    log = Log()
    for number in range(5):
        log.tell(f"order {number}", placed(number=f"ORD-{number}"))
        if number % 2:
            log.tell(f"order {number}", cancelled())
    async with showing(database_url, log, SellerOrdersProjection()) as reader:
        sellers = SellerOrders(reader)
        called_off = await sellers.page(SELLER, PageRequest(), status="cancelled")
        first = await sellers.slice(SELLER, SliceRequest(limit=2), status="pending")
        rest = await sellers.slice(SELLER, SliceRequest(limit=2, cursor=first.next_cursor), status="pending")
    assert {order.order_number for order in called_off.items} == {"ORD-1", "ORD-3"}
    seen = [order.order_number for order in [*first.items, *rest.items]]
    assert sorted(seen) == ["ORD-0", "ORD-2", "ORD-4"]
    assert (first.has_more, rest.has_more) == (True, False)
