"""What sellers earned, over HTTP (requirements OUT-06)."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, get
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter

from api.assembly import services_of
from api.envelope import CursorPage, Envelope, Page, ResponseBody, Timestamp, envelope, timestamp
from api.money import MoneyView
from api.orders.pages import ListRequest, answer_list, provide_list
from application.shared.caller import Caller
from projections.payouts.seller_earnings import Earning, Earnings, SellerEarnings

CurrencyFilter = Annotated[
    str | None, QueryParameter(pattern="^[a-z]{3}$", description="Only this currency: ISO 4217, lower case.")
]


class EarningsView(ResponseBody, frozen=True, kw_only=True):
    """What a seller earned in one currency.

    `gross` less `commission` is `net`; `due` is net less what was taken back for refunds. `lines` counts order lines.
    """

    currency: str
    lines: int
    gross: MoneyView
    commission: MoneyView
    net: MoneyView
    reversed_gross: MoneyView
    reversed_commission: MoneyView
    reversed_net: MoneyView
    due: MoneyView

    @classmethod
    def of(cls, earnings: Earnings) -> "EarningsView":
        """Show sums."""
        return cls(
            currency=earnings.currency,
            lines=earnings.lines,
            gross=MoneyView.of(earnings.gross),
            commission=MoneyView.of(earnings.commission),
            net=MoneyView.of(earnings.net),
            reversed_gross=MoneyView.of(earnings.reversed_gross),
            reversed_commission=MoneyView.of(earnings.reversed_commission),
            reversed_net=MoneyView.of(earnings.reversed_net),
            due=MoneyView.of(earnings.due),
        )


class EarningView(ResponseBody, frozen=True, kw_only=True):
    """What one delivered order line earned. `commissionRate` is in basis points."""

    order_id: UUID
    order_number: str | None
    line_no: int
    commission_rate: int
    gross: MoneyView
    commission: MoneyView
    net: MoneyView
    reversed_net: MoneyView
    due: MoneyView
    earned_at: Timestamp
    reversed_at: Timestamp | None

    @classmethod
    def of(cls, earning: Earning) -> "EarningView":
        """Show one line's earning."""
        return cls(
            order_id=earning.order_id,
            order_number=earning.order_number,
            line_no=earning.line_no,
            commission_rate=earning.commission_rate,
            gross=MoneyView.of(earning.gross),
            commission=MoneyView.of(earning.commission),
            net=MoneyView.of(earning.net),
            reversed_net=MoneyView.of(earning.reversed_net),
            due=MoneyView.of(earning.due),
            earned_at=timestamp(earning.earned_at),
            reversed_at=None if earning.reversed_at is None else timestamp(earning.reversed_at),
        )


class SellerEarningsController(Controller):
    """What a seller earned."""

    path = "/seller/earnings"
    tags = ("Earnings",)
    dependencies = {"list_request": Provide(provide_list, sync_to_thread=False)}  # noqa: RUF012 - as Litestar has it

    @get("/", summary="Show own earnings")
    async def show(
        self, request: Request[Any, Any, Any], caller: NamedDependency[Caller]
    ) -> Envelope[list[EarningsView]]:
        """The sums over everything that was delivered, one for each currency."""
        totals = await SellerEarnings(services_of(request).reader).totals(_seller(caller))
        return envelope([EarningsView.of(earnings) for earnings in totals])

    @get("/entries", summary="List own earnings")
    async def list_entries(
        self,
        request: Request[Any, Any, Any],
        caller: NamedDependency[Caller],
        list_request: NamedDependency[ListRequest],
        currency: CurrencyFilter = None,
    ) -> Page[EarningView] | CursorPage[EarningView]:
        """The delivered order lines that the sums come from, newest first."""
        seller_id = _seller(caller)
        earnings = SellerEarnings(services_of(request).reader)
        return await answer_list(
            list_request,
            EarningView.of,
            by_page=lambda part: earnings.page(seller_id, part, currency=currency),
            by_cursor=lambda part: earnings.slice(seller_id, part, currency=currency),
        )


def _seller(caller: Caller) -> UUID:
    assert caller.actor_id is not None, "whoever is signed in has an account"
    return caller.actor_id


CONTROLLERS: tuple[type[Controller], ...] = (SellerEarningsController,)
