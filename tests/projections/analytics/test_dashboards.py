"""The figures of the marketplace and of a seller."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from domain.orders.events import OrderRefunded
from domain.shared.errors import InvalidInput
from domain.shared.money import Money
from projections.analytics.period import Granularity, Period, utc_day
from projections.analytics.sales_daily import SalesDaily, SalesDailyProjection
from projections.analytics.seller_daily import SellerDaily, SellerDailyProjection
from tests.projections.orders.makers import (
    NOON,
    OTHER_SELLER,
    SELLER,
    Log,
    accrued,
    an_id,
    cancelled,
    confirmed,
    line,
    placed,
    refunded,
    showing,
    taken_back,
)

services = pytest.mark.services

DAY = timedelta(days=1)
MAY = Period(first=date(2026, 5, 1), last=date(2026, 5, 31))

MIXED = placed(
    line(1, "lamp", price=300, quantity=2),
    line(2, "rug", price=900, seller_id=OTHER_SELLER),
    tax=120,
    shipping=80,
)


def usd(minor: int) -> Money:
    """Cents."""
    return Money(minor, "usd")


def story() -> Log:
    """Four orders: sold, given back after that, called off after payment, called off before."""
    log = Log()
    for name in ("sold", "given back", "called off", "never paid"):
        log.tell(name, MIXED)
    for name in ("sold", "given back", "called off"):
        log.tell(name, confirmed(f"payment of {name}", at=NOON + DAY))
    log.tell("called off", cancelled(at=NOON + 2 * DAY)).tell("never paid", cancelled(at=NOON + 2 * DAY))
    log.tell("payment of called off", refunded("a", amount=1_700, so_far=1_700, full=True, at=NOON + 3 * DAY))
    log.tell("payment of given back", refunded("b", amount=700, so_far=700, full=False, at=NOON + 3 * DAY))
    log.tell("payment of given back", refunded("c", amount=1_000, so_far=1_700, full=True, at=NOON + 4 * DAY))
    log.tell(
        "given back",
        OrderRefunded(
            payment_id=an_id("payment of given back"), refunded=usd(1_700), refunded_at=NOON + 4 * DAY
        ),
    )
    log.tell("a payment that came too late", refunded("d", amount=55, so_far=55, full=True, at=NOON))
    log.tell("ledger", accrued("sold", 1, 600), at=NOON + 5 * DAY)
    log.tell("other ledger", accrued("sold", 2, 900, seller_id=OTHER_SELLER), at=NOON + 5 * DAY)
    log.tell("ledger", taken_back("sold", 1, 100), at=NOON + 6 * DAY)
    return log


@services
async def test_each_figure_counts_on_the_day_of_its_fact(database_url: str) -> None:
    async with showing(database_url, story(), SalesDailyProjection()) as reader:
        days = {figures.starts_on.day: figures for figures in await SalesDaily(reader).series(MAY)}
    assert {day: f.orders_placed for day, f in days.items() if f.orders_placed} == {1: 4}
    assert {day: f.orders_confirmed for day, f in days.items() if f.orders_confirmed} == {2: 3}
    assert {day: f.orders_cancelled for day, f in days.items() if f.orders_cancelled} == {3: 2}
    assert {day: f.orders_refunded for day, f in days.items() if f.orders_refunded} == {5: 1}
    paid = days[2]
    assert (paid.units, paid.gross, paid.subtotal, paid.tax, paid.shipping, paid.discount) == (
        9,
        usd(5_100),
        usd(4_500),
        usd(360),
        usd(240),
        usd(0),
    )
    assert {day: f.cancelled for day, f in days.items() if f.cancelled} == {3: usd(1_700)}
    assert {day: f.refunded for day, f in days.items() if f.refunded} == {4: usd(2_400), 5: usd(1_000)}
    assert [(days[6].commission, days[6].seller_net), (days[7].commission, days[7].seller_net)] == [
        (usd(150), usd(1_350)),
        (usd(-10), usd(-90)),
    ]


@services
async def test_a_seller_sees_the_figures_of_their_own_lines(database_url: str) -> None:
    async with showing(database_url, story(), SellerDailyProjection()) as reader:
        series = await SellerDaily(reader).series(SELLER, MAY)
        others = await SellerDaily(reader).series(OTHER_SELLER, MAY)
    days = {figures.starts_on.day: figures for figures in series}
    assert (days[1].orders_placed, days[2].orders_confirmed, days[3].orders_cancelled) == (4, 3, 2)
    assert (days[2].units, days[2].gross) == (6, usd(1_800))
    assert (days[3].cancelled, days[5].orders_refunded, days[5].refunded) == (usd(600), 1, usd(600))
    assert (days[6].commission, days[6].net) == (usd(60), usd(540))
    assert (days[7].commission, days[7].net) == (usd(-10), usd(-90))
    assert [f.gross for f in others if f.gross] == [usd(2_700)]


@services
async def test_days_are_summed_to_weeks_from_monday_and_to_months(database_url: str) -> None:
    log = Log()
    # The first of May 2026 is a Friday.
    for number, day in enumerate((date(2026, 5, 1), date(2026, 5, 3), date(2026, 5, 4), date(2026, 6, 1))):
        at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
        log.tell(f"order {number}", placed(at=at), confirmed(f"payment {number}", at=at))
    projections = (SalesDailyProjection(), SellerDailyProjection())
    async with showing(database_url, log, *projections) as reader:
        for granularity, wanted in (
            (Granularity.WEEK, [(date(2026, 4, 27), 2), (date(2026, 5, 4), 1), (date(2026, 6, 1), 1)]),
            (Granularity.MONTH, [(date(2026, 5, 1), 3), (date(2026, 6, 1), 1)]),
        ):
            period = Period(first=date(2026, 5, 1), last=date(2026, 6, 30), granularity=granularity)
            market = await SalesDaily(reader).series(period)
            mine = await SellerDaily(reader).series(SELLER, period)
            assert [(f.starts_on, f.orders_confirmed) for f in market] == wanted
            assert [(f.starts_on, f.gross) for f in mine] == [(day, usd(1_000 * n)) for day, n in wanted]
        cut = Period(first=date(2026, 5, 3), last=date(2026, 5, 3), granularity=Granularity.WEEK)
        [only_sunday] = await SalesDaily(reader).series(cut)
        assert only_sunday.orders_confirmed == 1


@services
async def test_currencies_are_never_added_up(database_url: str) -> None:
    log = Log()
    for number, currency in enumerate(("usd", "uzs")):
        log.tell(
            f"order {number}",
            placed(line(1, "lamp", currency=currency)),
            confirmed(f"payment {number}"),
        )
    async with showing(database_url, log, SalesDailyProjection()) as reader:
        both = await SalesDaily(reader).series(MAY)
        one = await SalesDaily(reader).series(MAY, currency="uzs")
    assert [figures.gross for figures in both] == [usd(1_000), Money(1_000, "uzs")]
    assert [figures.currency for figures in one] == ["uzs"]


def test_the_day_is_that_of_utc() -> None:
    tashkent = timezone(timedelta(hours=5))
    assert utc_day(datetime(2026, 5, 2, 4, 59, tzinfo=tashkent)) == date(2026, 5, 1)
    assert utc_day(datetime(2026, 5, 1, 23, 59, tzinfo=UTC)) == date(2026, 5, 1)


def test_a_period_has_at_most_366_days() -> None:
    first = date(2026, 1, 1)
    assert Period(first=first, last=first + 365 * DAY).granularity is Granularity.DAY
    for last in (first + 366 * DAY, first - DAY):
        with pytest.raises(InvalidInput) as refusal:
            Period(first=first, last=last)
        assert [(p.field, p.rule) for p in refusal.value.problems] == [("to", "range")]
