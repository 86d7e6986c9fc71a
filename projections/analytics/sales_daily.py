"""The figures of the whole marketplace, day by day and currency by currency (requirements ANL-02)."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from domain.orders.events import OrderCancelled, OrderConfirmed, OrderPlaced, OrderRefunded
from domain.payments.events import PaymentRefunded
from domain.payouts.events import EarningAccrued, EarningReversed
from domain.shared.events import Recorded
from domain.shared.money import Money
from projections.analytics.period import Period, utc_day
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.rows import Rows
from projections.shared.table import Table


class SalesDayRow(msgspec.Struct):
    """What happened on one UTC day in one currency; amounts in minor units.

    The day of a figure is that of the fact itself, so a day's figures never change afterwards: an order that is placed on
    Monday, paid on Tuesday and called off on Wednesday counts in three days.

    - `orders_placed`, `orders_confirmed`, `orders_cancelled`, `orders_refunded`: orders that came into that state;
      cancelled ones were paid or not.
    - `units`, `gross`, `subtotal`, `tax`, `shipping`, `discount`: pieces and amounts of the orders that were confirmed;
      gross is the sum of their totals, which is subtotal + tax + shipping - discount.
    - `cancelled`: totals of the orders called off that had been confirmed before, on whatever day. Their money counts as
      refunded, too, when it goes back.
    - `refunded`: what providers gave back, in full or in part, of payments that had paid an order. Money that came for an
      order that could not use it was never gross, so that its return does not count.
    - `commission`, `seller_net`: what the house and the sellers earned of delivered lines, less what was taken back.
    """

    day: date
    currency: str
    orders_placed: int = 0
    orders_confirmed: int = 0
    orders_cancelled: int = 0
    orders_refunded: int = 0
    units: int = 0
    gross_minor: int = 0
    subtotal_minor: int = 0
    tax_minor: int = 0
    shipping_minor: int = 0
    discount_minor: int = 0
    cancelled_minor: int = 0
    refunded_minor: int = 0
    commission_minor: int = 0
    seller_net_minor: int = 0


class SoldOrderRow(msgspec.Struct):
    """What later facts about an order do not repeat."""

    order_id: UUID
    currency: str
    units: int
    total_minor: int
    subtotal_minor: int
    tax_minor: int
    shipping_minor: int
    discount_minor: int
    is_confirmed: bool = False


class SoldPaymentRow(msgspec.Struct):
    """A payment that paid an order."""

    payment_id: UUID
    order_id: UUID


DAYS = Table(
    "sales_daily",
    SalesDayRow,
    key=("day", "currency"),
    columns="""
        day date NOT NULL,
        currency text NOT NULL,
        orders_placed bigint NOT NULL,
        orders_confirmed bigint NOT NULL,
        orders_cancelled bigint NOT NULL,
        orders_refunded bigint NOT NULL,
        units bigint NOT NULL,
        gross_minor bigint NOT NULL,
        subtotal_minor bigint NOT NULL,
        tax_minor bigint NOT NULL,
        shipping_minor bigint NOT NULL,
        discount_minor bigint NOT NULL,
        cancelled_minor bigint NOT NULL,
        refunded_minor bigint NOT NULL,
        commission_minor bigint NOT NULL,
        seller_net_minor bigint NOT NULL
    """,
)

ORDERS = Table(
    "sales_daily_orders",
    SoldOrderRow,
    key=("order_id",),
    columns="""
        order_id uuid NOT NULL,
        currency text NOT NULL,
        units bigint NOT NULL,
        total_minor bigint NOT NULL,
        subtotal_minor bigint NOT NULL,
        tax_minor bigint NOT NULL,
        shipping_minor bigint NOT NULL,
        discount_minor bigint NOT NULL,
        is_confirmed boolean NOT NULL
    """,
)

PAYMENTS = Table(
    "sales_daily_payments",
    SoldPaymentRow,
    key=("payment_id",),
    columns="payment_id uuid NOT NULL, order_id uuid NOT NULL",
)


class SalesDailyProjection(Projection):
    """Adds each fact to its day."""

    name = "sales_daily"
    tables = (DAYS, ORDERS, PAYMENTS)
    events = (
        OrderPlaced,
        OrderConfirmed,
        OrderCancelled,
        OrderRefunded,
        PaymentRefunded,
        EarningAccrued,
        EarningReversed,
    )

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        event = recorded.event
        days = batch.rows(DAYS)
        match event:
            case OrderPlaced():
                batch.rows(ORDERS).put(_order(event, recorded.stream_id))
                _day(days, utc_day(event.placed_at), event.total.currency).orders_placed += 1
            case OrderConfirmed():
                batch.rows(PAYMENTS).put(SoldPaymentRow(event.payment_id, recorded.stream_id))
                order = batch.rows(ORDERS).change(recorded.stream_id)
                if order is not None:
                    order.is_confirmed = True
                    _add_sale(_day(days, utc_day(event.confirmed_at), order.currency), order)
            case OrderCancelled():
                order = batch.rows(ORDERS).get(recorded.stream_id)
                if order is not None:
                    day = _day(days, utc_day(event.cancelled_at), order.currency)
                    day.orders_cancelled += 1
                    if order.is_confirmed:
                        day.cancelled_minor += order.total_minor
            case OrderRefunded():
                _day(days, utc_day(event.refunded_at), event.refunded.currency).orders_refunded += 1
            case PaymentRefunded():
                if batch.rows(PAYMENTS).get(recorded.stream_id) is not None:
                    day = _day(days, utc_day(event.refunded_at), event.amount.currency)
                    day.refunded_minor += event.amount.minor
            case EarningAccrued() | EarningReversed():
                at = recorded.at
                sign = 1 if isinstance(event, EarningAccrued) else -1
                day = _day(days, utc_day(at), event.gross.currency)
                day.commission_minor += sign * event.commission.minor
                day.seller_net_minor += sign * event.net.minor
            case _:
                pass


def _day(days: Rows[SalesDayRow], day: date, currency: str) -> SalesDayRow:
    return days.change_or_new(lambda: SalesDayRow(day, currency), day, currency)


def _order(event: OrderPlaced, order_id: UUID) -> SoldOrderRow:
    return SoldOrderRow(
        order_id,
        event.total.currency,
        sum([line.quantity for line in event.items]),
        event.total.minor,
        event.subtotal.minor,
        event.tax.minor,
        event.shipping.minor,
        event.discount.minor,
    )


def _add_sale(day: SalesDayRow, order: SoldOrderRow) -> None:
    day.orders_confirmed += 1
    day.units += order.units
    day.gross_minor += order.total_minor
    day.subtotal_minor += order.subtotal_minor
    day.tax_minor += order.tax_minor
    day.shipping_minor += order.shipping_minor
    day.discount_minor += order.discount_minor


class SalesFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The sums of `SalesDayRow` over the day, week or month that begins at `starts_on`, in one currency.

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
    subtotal: Money
    tax: Money
    shipping: Money
    discount: Money
    cancelled: Money
    refunded: Money
    commission: Money
    seller_net: Money


class SalesDaily:
    """The marketplace's figures over time."""

    def __init__(self, reader: Reader) -> None:
        """Reads `sales_daily`."""
        self._reader = reader

    async def series(self, period: Period, *, currency: str | None = None) -> list[SalesFigures]:
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
                sum(subtotal_minor)::bigint AS subtotal,
                sum(tax_minor)::bigint AS tax,
                sum(shipping_minor)::bigint AS shipping,
                sum(discount_minor)::bigint AS discount,
                sum(cancelled_minor)::bigint AS cancelled,
                sum(refunded_minor)::bigint AS refunded,
                sum(commission_minor)::bigint AS commission,
                sum(seller_net_minor)::bigint AS seller_net
            FROM sales_daily
            WHERE day BETWEEN %(first)s AND %(last)s
                AND (%(currency)s::text IS NULL OR currency = %(currency)s)
            GROUP BY 1, 2
            ORDER BY 1, 2
            """,
            {
                "granularity": period.granularity.value,
                "first": period.first,
                "last": period.last,
                "currency": currency,
            },
        )
        return [_figures(row) for row in rows]


_AMOUNTS = (
    "gross",
    "subtotal",
    "tax",
    "shipping",
    "discount",
    "cancelled",
    "refunded",
    "commission",
    "seller_net",
)


def _figures(row: dict[str, Any]) -> SalesFigures:
    amounts: dict[str, Any] = {name: Money(row.pop(name), row["currency"]) for name in _AMOUNTS}
    return SalesFigures(**row, **amounts)
