"""The figures of one seller, day by day and currency by currency (requirements ANL-03)."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from domain.orders.events import OrderCancelled, OrderConfirmed, OrderPlaced, OrderRefunded
from domain.payouts.events import EarningAccrued, EarningReversed
from domain.shared.events import Recorded
from domain.shared.money import Money
from projections.analytics.period import Period, utc_day
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.rows import Rows
from projections.shared.table import Table


class SellerDayRow(msgspec.Struct):
    """What happened to one seller's lines on one UTC day in one currency; amounts in minor units.

    The day of a figure is that of the fact itself, as in `sales_daily`. An order counts once for each of its sellers.
    Amounts are sums of the seller's own lines: no tax, shipping or discount, which belong to whole orders.

    - `orders_placed`, `orders_confirmed`, `orders_cancelled`, `orders_refunded`: orders with a line of the seller's that
      came into that state; cancelled ones were paid or not.
    - `units`, `gross`: pieces and amounts of the orders that were confirmed.
    - `cancelled`: amounts of the orders called off that had been confirmed before, on whatever day.
    - `refunded`: amounts of the orders that were given back in full. What is given back in part is no seller's until it is
      taken from their earnings.
    - `commission`, `net`: the house's share of delivered lines and the seller's, less what was taken back.
    """

    seller_id: UUID
    day: date
    currency: str
    orders_placed: int = 0
    orders_confirmed: int = 0
    orders_cancelled: int = 0
    orders_refunded: int = 0
    units: int = 0
    gross_minor: int = 0
    cancelled_minor: int = 0
    refunded_minor: int = 0
    commission_minor: int = 0
    net_minor: int = 0


class SellerShare(msgspec.Struct, frozen=True):
    """One seller's part of an order."""

    seller_id: UUID
    units: int
    subtotal_minor: int


class SharedOrderRow(msgspec.Struct):
    """What later facts about an order do not repeat."""

    order_id: UUID
    currency: str
    shares: list[SellerShare]
    is_confirmed: bool = False


DAYS = Table(
    "seller_daily",
    SellerDayRow,
    key=("seller_id", "day", "currency"),
    columns="""
        seller_id uuid NOT NULL,
        day date NOT NULL,
        currency text NOT NULL,
        orders_placed bigint NOT NULL,
        orders_confirmed bigint NOT NULL,
        orders_cancelled bigint NOT NULL,
        orders_refunded bigint NOT NULL,
        units bigint NOT NULL,
        gross_minor bigint NOT NULL,
        cancelled_minor bigint NOT NULL,
        refunded_minor bigint NOT NULL,
        commission_minor bigint NOT NULL,
        net_minor bigint NOT NULL
    """,
)

ORDERS = Table(
    "seller_daily_orders",
    SharedOrderRow,
    key=("order_id",),
    columns="""
        order_id uuid NOT NULL,
        currency text NOT NULL,
        shares jsonb NOT NULL,
        is_confirmed boolean NOT NULL
    """,
)


class SellerDailyProjection(Projection):
    """Adds each fact to its day, for each seller that it concerns."""

    name = "seller_daily"
    tables = (DAYS, ORDERS)
    events = (OrderPlaced, OrderConfirmed, OrderCancelled, OrderRefunded, EarningAccrued, EarningReversed)

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        event = recorded.event
        days = batch.rows(DAYS)
        match event:
            case OrderPlaced():
                order = SharedOrderRow(recorded.stream_id, event.total.currency, _shares(event))
                batch.rows(ORDERS).put(order)
                for _, day in _days(days, order, utc_day(event.placed_at)):
                    day.orders_placed += 1
            case OrderConfirmed() | OrderCancelled() | OrderRefunded():
                known = batch.rows(ORDERS).change(recorded.stream_id)
                if known is not None:
                    _follow(days, known, event)
            case EarningAccrued() | EarningReversed():
                at = recorded.at
                sign = 1 if isinstance(event, EarningAccrued) else -1
                earned = _day(days, event.seller_id, utc_day(at), event.gross.currency)
                earned.commission_minor += sign * event.commission.minor
                earned.net_minor += sign * event.net.minor
            case _:
                pass


def _follow(
    days: Rows[SellerDayRow], order: SharedOrderRow, event: OrderConfirmed | OrderCancelled | OrderRefunded
) -> None:
    match event:
        case OrderConfirmed(confirmed_at=confirmed_at):
            order.is_confirmed = True
            for share, day in _days(days, order, utc_day(confirmed_at)):
                day.orders_confirmed += 1
                day.units += share.units
                day.gross_minor += share.subtotal_minor
        case OrderCancelled(cancelled_at=cancelled_at):
            for share, day in _days(days, order, utc_day(cancelled_at)):
                day.orders_cancelled += 1
                day.cancelled_minor += share.subtotal_minor if order.is_confirmed else 0
        case OrderRefunded(refunded_at=refunded_at):
            for share, day in _days(days, order, utc_day(refunded_at)):
                day.orders_refunded += 1
                day.refunded_minor += share.subtotal_minor


def _shares(event: OrderPlaced) -> list[SellerShare]:
    units: dict[UUID, int] = {}
    minor: dict[UUID, int] = {}
    for line in event.items:
        units[line.seller_id] = units.get(line.seller_id, 0) + line.quantity
        minor[line.seller_id] = minor.get(line.seller_id, 0) + line.subtotal.minor
    return [SellerShare(seller_id, units[seller_id], minor[seller_id]) for seller_id in units]


def _days(
    days: Rows[SellerDayRow], order: SharedOrderRow, day: date
) -> list[tuple[SellerShare, SellerDayRow]]:
    """The rows of all sellers of an order. They are read in one query, for only `OrderPlaced` names them beforehand."""
    if len(order.shares) > 1:
        days.load([(share.seller_id, day, order.currency) for share in order.shares])
    return [(share, _day(days, share.seller_id, day, order.currency)) for share in order.shares]


def _day(days: Rows[SellerDayRow], seller_id: UUID, day: date, currency: str) -> SellerDayRow:
    return days.change_or_new(lambda: SellerDayRow(seller_id, day, currency), seller_id, day, currency)


class SellerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of `SellerDayRow` over the day, week or month that begins at `starts_on`, in one currency.

    Only days within the period that was asked for are summed, also where it cuts a week or month in two.
    """

    starts_on: date
    currency: str
    orders_placed: int
    orders_confirmed: int
    orders_cancelled: int
    orders_refunded: int
    units: int
    gross: Money
    cancelled: Money
    refunded: Money
    commission: Money
    net: Money


class SellerDaily:
    """A seller's figures over time."""

    def __init__(self, reader: Reader) -> None:
        """Reads `seller_daily`."""
        self._reader = reader

    async def series(
        self, seller_id: UUID, period: Period, *, currency: str | None = None
    ) -> list[SellerFigures]:
        """The figures of a period by time, then currency; days on which nothing happened are left out."""
        rows = await self._reader.all(
            """
            SELECT date_trunc(%(granularity)s, day::timestamp)::date AS starts_on, currency,
                sum(orders_placed)::bigint AS orders_placed,
                sum(orders_confirmed)::bigint AS orders_confirmed,
                sum(orders_cancelled)::bigint AS orders_cancelled,
                sum(orders_refunded)::bigint AS orders_refunded,
                sum(units)::bigint AS units,
                sum(gross_minor)::bigint AS gross,
                sum(cancelled_minor)::bigint AS cancelled,
                sum(refunded_minor)::bigint AS refunded,
                sum(commission_minor)::bigint AS commission,
                sum(net_minor)::bigint AS net
            FROM seller_daily
            WHERE seller_id = %(seller_id)s
                AND day BETWEEN %(first)s AND %(last)s
                AND (%(currency)s::text IS NULL OR currency = %(currency)s)
            GROUP BY 1, 2
            ORDER BY 1, 2
            """,
            {
                "seller_id": seller_id,
                "granularity": period.granularity.value,
                "first": period.first,
                "last": period.last,
                "currency": currency,
            },
        )
        return [_figures(row) for row in rows]


_AMOUNTS = ("gross", "cancelled", "refunded", "commission", "net")


def _figures(row: dict[str, Any]) -> SellerFigures:
    amounts: dict[str, Any] = {name: Money(row.pop(name), row["currency"]) for name in _AMOUNTS}
    return SellerFigures(**row, **amounts)
