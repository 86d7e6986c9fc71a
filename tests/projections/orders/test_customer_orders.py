"""My orders, and the list of all orders."""

from datetime import timedelta

import pytest

from domain.orders.events import OrderProcessingStarted, Party
from domain.shared.errors import InvalidInput
from domain.shared.money import Money
from projections.orders.customer_orders import (
    CustomerOrders,
    CustomerOrdersProjection,
    OrderedItem,
    OrderFilter,
)
from projections.shared.paging import PageRequest, SliceRequest
from tests.projections.orders.makers import (
    ADA,
    BEN,
    NOON,
    Log,
    an_id,
    cancelled,
    confirmed,
    line,
    placed,
    showing,
)

pytestmark = pytest.mark.services


def many(count: int, *, customer_id: object = ADA) -> Log:
    """Orders of one customer, a minute apart; two in a row at the same minute."""
    log = Log()
    for number in range(count):
        at = NOON + timedelta(minutes=number // 2)
        log.tell(f"order {number}", placed(number=f"ORD-{number:03}", at=at))
    return log


async def test_an_order_is_listed_with_its_items_and_total(database_url: str) -> None:
    log = Log().tell("order", placed(line(1, "lamp", price=250, quantity=4), line(2, "rug"), tax=160))
    async with showing(database_url, log, CustomerOrdersProjection()) as reader:
        page = await CustomerOrders(reader).page(OrderFilter(customer_id=ADA), PageRequest())
    [order] = page.items
    assert (page.total, page.page, page.limit) == (1, 1, 20)
    assert (order.order_id, order.order_number, order.status) == (
        an_id("order"),
        "ORD-20260501-00001",
        "pending",
    )
    assert order.total == Money(21_60, "usd")
    assert order.items == [
        OrderedItem(an_id("lamp"), "Lamp", 4, 1_000),
        OrderedItem(an_id("rug"), "Rug", 1, 1_000),
    ]
    assert order.placed_at == NOON


async def test_customers_see_their_own_orders_only_and_staff_all(database_url: str) -> None:
    log = Log().tell("a", placed()).tell("b", placed(number="ORD-2", customer_id=BEN))
    async with showing(database_url, log, CustomerOrdersProjection()) as reader:
        orders = CustomerOrders(reader)
        mine = await orders.page(OrderFilter(customer_id=BEN), PageRequest())
        everybodys = await orders.page(OrderFilter(), PageRequest())
    assert [order.order_id for order in mine.items] == [an_id("b")]
    assert everybodys.total == 2


async def test_orders_are_filtered_by_the_status_they_have_now(database_url: str) -> None:
    log = Log()
    for name in ("pending", "confirmed", "processing", "cancelled"):
        log.tell(name, placed(number=name))
    log.tell("confirmed", confirmed()).tell("cancelled", cancelled())
    log.tell("processing", confirmed(), OrderProcessingStarted(by=Party.ADMIN))
    async with showing(database_url, log, CustomerOrdersProjection()) as reader:
        orders = CustomerOrders(reader)
        for status in ("pending", "confirmed", "processing", "cancelled"):
            page = await orders.page(OrderFilter(customer_id=ADA, status=status), PageRequest())
            assert [order.order_number for order in page.items] == [status]
            assert page.total == 1
        nothing = await orders.page(OrderFilter(status="'; DROP TABLE customer_orders; --"), PageRequest())
        assert (nothing.items, nothing.total) == ([], 0)


async def test_staff_find_orders_by_number_and_by_when_they_were_placed(database_url: str) -> None:
    log = many(6)
    async with showing(database_url, log, CustomerOrdersProjection()) as reader:
        orders = CustomerOrders(reader)
        found = await orders.page(OrderFilter(order_number="ORD-003"), PageRequest())
        minute = timedelta(minutes=1)
        within = OrderFilter(placed_from=NOON + minute, placed_before=NOON + 2 * minute)
        placed_then = await orders.page(within, PageRequest())
    assert [order.order_id for order in found.items] == [an_id("order 3")]
    assert {order.order_number for order in placed_then.items} == {"ORD-002", "ORD-003"}


async def test_pages_and_cursors_give_every_order_once_newest_first(database_url: str) -> None:
    async with showing(database_url, many(25), CustomerOrdersProjection()) as reader:
        orders = CustomerOrders(reader)
        mine = OrderFilter(customer_id=ADA)
        pages = [await orders.page(mine, PageRequest(page=page, limit=10)) for page in (1, 2, 3, 4)]
        by_page = [order for page in pages for order in page.items]
        by_cursor = []
        request = SliceRequest(limit=10)
        sizes = []
        while True:
            part = await orders.slice(mine, request)
            by_cursor += part.items
            sizes.append((len(part.items), part.has_more))
            if part.next_cursor is None:
                break
            request = SliceRequest(limit=10, cursor=part.next_cursor)
    assert [page.total for page in pages] == [25] * 4
    assert sizes == [(10, True), (10, True), (5, False)]
    assert by_cursor == by_page
    assert len({order.order_id for order in by_page}) == 25
    assert by_page == sorted(by_page, key=lambda order: (order.placed_at, order.order_id), reverse=True)


async def test_a_cursor_that_is_none_is_refused(database_url: str) -> None:
    async with showing(database_url, many(1), CustomerOrdersProjection()) as reader:
        with pytest.raises(InvalidInput) as refusal:
            await CustomerOrders(reader).slice(OrderFilter(), SliceRequest(cursor="bm90IG1pbmU"))
    assert [(p.field, p.rule) for p in refusal.value.problems] == [("cursor", "cursor")]
