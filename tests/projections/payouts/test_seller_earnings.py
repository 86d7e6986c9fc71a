"""What a seller has earned."""

from datetime import timedelta

import pytest

from domain.shared.money import Money
from projections.orders.customer_orders import CustomerOrdersProjection
from projections.payouts.seller_earnings import SellerEarnings, SellerEarningsProjection
from projections.shared.paging import PageRequest, SliceRequest
from tests.projections.orders.makers import (
    ADA,
    NOON,
    OTHER_SELLER,
    SELLER,
    Log,
    accrued,
    placed,
    showing,
    taken_back,
)

pytestmark = pytest.mark.services

MINUTE = timedelta(minutes=1)


def season() -> Log:
    """Two currencies, two sellers, one line taken back in two parts."""
    log = Log().tell("order", placed(number="ORD-7"))
    log.tell("usd ledger", accrued("order", 1, 1_000), at=NOON)
    log.tell("usd ledger", accrued("second order", 2, 505), at=NOON + MINUTE)
    log.tell("uzs ledger", accrued("third order", 1, 70_000, currency="uzs"), at=NOON + 2 * MINUTE)
    log.tell("other ledger", accrued("third order", 2, 99, seller_id=OTHER_SELLER, currency="uzs"))
    log.tell("usd ledger", taken_back("order", 1, 300), taken_back("order", 1, 200), at=NOON + 3 * MINUTE)
    return log


async def test_earnings_are_summed_for_each_currency(database_url: str) -> None:
    async with showing(database_url, season(), SellerEarningsProjection()) as reader:
        usd, uzs = await SellerEarnings(reader).totals(SELLER)
        nothing = await SellerEarnings(reader).totals(ADA)
    assert (usd.currency, usd.lines, usd.gross, usd.commission, usd.net) == (
        "usd",
        2,
        Money(1_505, "usd"),
        Money(150, "usd"),
        Money(1_355, "usd"),
    )
    assert (usd.reversed_gross, usd.reversed_commission, usd.reversed_net) == (
        Money(500, "usd"),
        Money(50, "usd"),
        Money(450, "usd"),
    )
    assert (usd.due, uzs.due) == (Money(905, "usd"), Money(63_000, "uzs"))
    assert nothing == []


async def test_each_order_line_is_told_with_what_was_taken_back_of_it(database_url: str) -> None:
    log = season()
    async with showing(database_url, log, SellerEarningsProjection(), CustomerOrdersProjection()) as reader:
        page = await SellerEarnings(reader).page(SELLER, PageRequest(), currency="usd")
    assert [(entry.order_number, entry.line_no, entry.gross, entry.due) for entry in page.items] == [
        (None, 2, Money(505, "usd"), Money(455, "usd")),
        ("ORD-7", 1, Money(1_000, "usd"), Money(450, "usd")),
    ]
    assert [(entry.commission_rate, entry.reversed_at) for entry in page.items] == [
        (1_000, None),
        (1_000, NOON + 3 * MINUTE),
    ]
    assert page.total == 2


async def test_the_entries_are_read_on_from_a_cursor(database_url: str) -> None:
    log = Log()
    for number in range(5):
        log.tell("usd ledger", *(accrued(f"order {number}", line_no, 100) for line_no in (1, 2)))
    async with showing(database_url, log, SellerEarningsProjection(), CustomerOrdersProjection()) as reader:
        earnings = SellerEarnings(reader)
        whole = await earnings.slice(SELLER, SliceRequest(limit=100))
        parts = []
        cursor = None
        while True:
            part = await earnings.slice(SELLER, SliceRequest(limit=3, cursor=cursor))
            parts += part.items
            if (cursor := part.next_cursor) is None:
                break
    assert len(whole.items) == 10
    assert parts == whole.items
