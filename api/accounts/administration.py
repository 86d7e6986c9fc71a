"""What admins do with accounts: look, and decide on sellers (requirements §45.6, ADM-01, ADM-02, ADM-05)."""

from datetime import datetime, time, tzinfo
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from api.accounts.requests import RejectSellerRequest
from api.accounts.views import (
    AccountView,
    DashboardStatsView,
    SellerApplicationView,
    SellerDecisionView,
)
from api.assembly import services_of
from api.envelope import Envelope, Page, envelope
from api.openapi import errors
from api.paging import numbered, wanted
from api.requests import PageRequest
from api.submission import submit
from application.accounts.commands import ApproveSeller, RejectSeller
from domain.accounts.account import AccountNotFound
from domain.accounts.roles import AccountStatus, Role
from projections.accounts.account_questions import SEARCH_CHARACTERS_MAXIMUM, Accounts
from projections.accounts.admin_dashboard import AdminDashboard

AnyRequest = Request[Any, Any, Any]
Decided = Response[Envelope[SellerDecisionView]]

KIND = "account"


def start_of_day(moment: datetime, zone: tzinfo) -> datetime:
    """When the day began that it is there at this moment."""
    return datetime.combine(moment.astimezone(zone).date(), time(), zone)


Search = Annotated[
    str | None,
    QueryParameter(
        max_length=SEARCH_CHARACTERS_MAXIMUM, description="Part of a name, business name or email address."
    ),
]


class AdminAccountsController(Controller):
    """Who has an account."""

    path = "/admin/accounts"
    tags = ("Administration",)

    @get("/", summary="List accounts")
    async def list_accounts(
        self,
        request: AnyRequest,
        page_request: NamedDependency[PageRequest],
        role: FromQuery[Role | None] = None,
        status: FromQuery[AccountStatus | None] = None,
        search: Search = None,
    ) -> Page[AccountView]:
        """All accounts, newest first, or those of a role, of a status, or that are found by a part of their name."""
        accounts = Accounts(services_of(request).reader)
        found = await accounts.page(wanted(page_request), role=role, status=status, search=search)
        return numbered(found, AccountView.of)

    @get("/{account_id:uuid}", summary="Show an account", responses=errors("RESOURCE_NOT_FOUND"))
    async def account(self, request: AnyRequest, account_id: FromPath[UUID]) -> Envelope[AccountView]:
        """One account with all that is kept of it, but for its secrets."""
        account = await Accounts(services_of(request).reader).by_id(account_id)
        if account is None:
            raise AccountNotFound(f"No account {account_id}.")
        return envelope(AccountView.of(account))


class DashboardController(Controller):
    """How many use the marketplace."""

    path = "/admin/dashboard"
    tags = ("Administration",)

    @get("/stats", summary="Show how many use the marketplace")
    async def stats(self, request: AnyRequest) -> Envelope[DashboardStatsView]:
        """How many accounts there are, and who was here today; the day begins at midnight in `SCHEDULER_TIMEZONE`."""
        services = services_of(request)
        day_began = start_of_day(services.clock(), services.settings.scheduler_timezone)
        dashboard = AdminDashboard(services.reader)
        counts = await dashboard.accounts()
        active = await dashboard.active_since(day_began)
        return envelope(DashboardStatsView.of(counts, active_today=active, day_began_at=day_began))


class SellersController(Controller):
    """Who wants to sell here, and who may."""

    path = "/admin/sellers"
    tags = ("Administration",)

    @get("/", summary="List sellers' applications")
    async def list_applications(
        self,
        request: AnyRequest,
        page_request: NamedDependency[PageRequest],
        status: FromQuery[AccountStatus | None] = None,
    ) -> Page[SellerApplicationView]:
        """Applications, newest first; with `status=pending` those that wait for a decision."""
        found = await Accounts(services_of(request).reader).applications(wanted(page_request), status=status)
        return numbered(found, SellerApplicationView.of)

    @post(
        "/{account_id:uuid}/approve",
        status_code=200,
        summary="Approve a seller",
        responses=errors("RESOURCE_NOT_FOUND", SELLER_NOT_PENDING=409),
    )
    async def approve_seller(self, request: AnyRequest, account_id: FromPath[UUID]) -> Decided:
        """Let a seller in, who is told by email. Approving twice is approving once."""
        command = ApproveSeller(account_id=account_id)
        return await submit(request, command, SellerDecisionView.of, kind=KIND, entity=account_id)

    @post(
        "/{account_id:uuid}/reject",
        status_code=200,
        summary="Reject a seller",
        responses=errors("RESOURCE_NOT_FOUND", SELLER_NOT_PENDING=409),
    )
    async def reject_seller(
        self, request: AnyRequest, account_id: FromPath[UUID], data: JSONBody[RejectSellerRequest]
    ) -> Decided:
        """Turn an application down for a reason that the applicant is told by email."""
        command = RejectSeller(account_id=account_id, reason=data.reason)
        return await submit(request, command, SellerDecisionView.of, kind=KIND, entity=account_id)
