"""Figures over time: the marketplace's for staff, a seller's own for the seller (requirements ANL-02 to ANL-04)."""

from datetime import date, timedelta
from typing import Annotated, Any, Final

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.assembly import AppServices, services_of
from api.envelope import Envelope, ResponseBody, envelope
from api.money import MoneyView
from api.orders.pages import FromDay, ToDay
from api.payouts.controller import CurrencyFilter
from application.shared.caller import Caller
from projections.analytics.period import Granularity, Period
from projections.analytics.sales_daily import SalesDaily, SalesFigures
from projections.analytics.seller_daily import SellerDaily, SellerFigures

DEFAULT_DAYS: Final = 30

GranularityParameter = Annotated[
    Granularity, QueryParameter(description="What one figure covers: a day, a week from Monday, a month.")
]


class SalesFiguresView(ResponseBody, frozen=True, kw_only=True):
    """The figures of the day, week or month that begins at `startsOn`, in one currency; only days that were asked for.

    `gross` is the sum of confirmed orders' totals, of which `subtotal`, `tax`, `shipping` and `discount` are the parts;
    `cancelled` and `refunded` are what of it was called off and given back on these days; `commission` is the house's
    share of what was delivered, `sellerNet` the sellers'.
    """

    starts_on: date
    currency: str
    orders_placed: int
    orders_confirmed: int
    orders_cancelled: int
    orders_refunded: int
    units: int
    gross: MoneyView
    subtotal: MoneyView
    tax: MoneyView
    shipping: MoneyView
    discount: MoneyView
    cancelled: MoneyView
    refunded: MoneyView
    commission: MoneyView
    seller_net: MoneyView

    @classmethod
    def of(cls, figures: SalesFigures) -> "SalesFiguresView":
        """Show figures."""
        return cls(
            starts_on=figures.starts_on,
            currency=figures.currency,
            orders_placed=figures.orders_placed,
            orders_confirmed=figures.orders_confirmed,
            orders_cancelled=figures.orders_cancelled,
            orders_refunded=figures.orders_refunded,
            units=figures.units,
            gross=MoneyView.of(figures.gross),
            subtotal=MoneyView.of(figures.subtotal),
            tax=MoneyView.of(figures.tax),
            shipping=MoneyView.of(figures.shipping),
            discount=MoneyView.of(figures.discount),
            cancelled=MoneyView.of(figures.cancelled),
            refunded=MoneyView.of(figures.refunded),
            commission=MoneyView.of(figures.commission),
            seller_net=MoneyView.of(figures.seller_net),
        )


class SellerFiguresView(ResponseBody, frozen=True, kw_only=True):
    """A seller's figures of the day, week or month that begins at `startsOn`, in one currency.

    `gross` is the sum of the seller's lines on confirmed orders; `commission` and `net` come from what was delivered.
    """

    starts_on: date
    currency: str
    orders_placed: int
    orders_confirmed: int
    orders_cancelled: int
    orders_refunded: int
    units: int
    gross: MoneyView
    cancelled: MoneyView
    refunded: MoneyView
    commission: MoneyView
    net: MoneyView

    @classmethod
    def of(cls, figures: SellerFigures) -> "SellerFiguresView":
        """Show figures."""
        return cls(
            starts_on=figures.starts_on,
            currency=figures.currency,
            orders_placed=figures.orders_placed,
            orders_confirmed=figures.orders_confirmed,
            orders_cancelled=figures.orders_cancelled,
            orders_refunded=figures.orders_refunded,
            units=figures.units,
            gross=MoneyView.of(figures.gross),
            cancelled=MoneyView.of(figures.cancelled),
            refunded=MoneyView.of(figures.refunded),
            commission=MoneyView.of(figures.commission),
            net=MoneyView.of(figures.net),
        )


class SalesSeriesView(ResponseBody, frozen=True, kw_only=True):
    """The marketplace's figures from one day to another, both included; days on which nothing happened are left out."""

    first_day: date
    last_day: date
    granularity: Granularity
    series: list[SalesFiguresView]


class SellerSeriesView(ResponseBody, frozen=True, kw_only=True):
    """A seller's figures from one day to another, both included; days on which nothing happened are left out."""

    first_day: date
    last_day: date
    granularity: Granularity
    series: list[SellerFiguresView]


class AnalyticsController(Controller):
    """The marketplace's figures."""

    path = "/analytics"
    tags = ("Analytics",)

    @get("/sales", summary="Show sales over time")
    async def show_sales(
        self,
        request: Request[Any, Any, Any],
        from_: FromDay = None,
        to: ToDay = None,
        granularity: GranularityParameter = Granularity.DAY,
        currency: CurrencyFilter = None,
    ) -> Envelope[SalesSeriesView]:
        """What was sold in the whole marketplace; the last 30 days by default, at most 366."""
        services = services_of(request)
        period = _period(services, from_, to, granularity)
        series = await SalesDaily(services.reader).series(period, currency=currency)
        return envelope(
            SalesSeriesView(
                first_day=period.first,
                last_day=period.last,
                granularity=period.granularity,
                series=[SalesFiguresView.of(figures) for figures in series],
            )
        )


class SellerDashboardController(Controller):
    """A seller's own figures."""

    path = "/seller/dashboard"
    tags = ("Analytics",)

    @get("/", summary="Show own sales over time")
    async def show(
        self,
        request: Request[Any, Any, Any],
        caller: NamedDependency[Caller],
        from_: FromDay = None,
        to: ToDay = None,
        granularity: GranularityParameter = Granularity.DAY,
        currency: CurrencyFilter = None,
    ) -> Envelope[SellerSeriesView]:
        """What the seller sold; the last 30 days by default, at most 366."""
        assert caller.actor_id is not None, "whoever is signed in has an account"
        services = services_of(request)
        period = _period(services, from_, to, granularity)
        series = await SellerDaily(services.reader).series(caller.actor_id, period, currency=currency)
        return envelope(
            SellerSeriesView(
                first_day=period.first,
                last_day=period.last,
                granularity=period.granularity,
                series=[SellerFiguresView.of(figures) for figures in series],
            )
        )


def _period(services: AppServices, from_: date | None, to: date | None, granularity: Granularity) -> Period:
    last = services.clock().date() if to is None else to
    first = from_
    if first is None:
        days = min(DEFAULT_DAYS, last.toordinal())
        first = last - timedelta(days=days - 1)
    return Period(first=first, last=last, granularity=granularity)


CONTROLLERS: tuple[type[Controller], ...] = (AnalyticsController, SellerDashboardController)
