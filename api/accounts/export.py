"""All that is kept of oneself, to take along (requirement ES-17): one document, for its owner in person.

It is read from the log, where one asks about oneself, and from the read models. Data of others is not in it: what a seller was told of
customers is theirs. Secrets are nobody's to take along: no hashes, no digests, no tokens.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

from litestar import Controller, Response, get
from litestar.di import NamedDependency
from msgspec import Meta

from api.accounts.answers import AnyRequest, note
from api.accounts.current import current_account
from api.accounts.sessions import OpenSessionView
from api.accounts.views import OwnProfileView
from api.api_keys.controller import KnownApiKeyView
from api.assembly import AppServices, services_of
from api.envelope import Envelope, ResponseBody, Timestamp, envelope, timestamp
from api.orders.views import OrderDetailView
from api.payments.views import PaymentDetailView
from api.payouts.controller import EarningsView
from application.shared.caller import Caller
from projections.accounts.account_questions import Accounts
from projections.accounts.account_sessions import Sessions
from projections.api_keys.api_keys import ApiKeys
from projections.orders.order_detail import OrderDetails
from projections.payments.payment_ledger import PaymentFilter, PaymentLedger, PaymentView
from projections.payouts.seller_earnings import SellerEarnings
from projections.shared.paging import MAX_LIMIT, PageRequest, SliceRequest

T = TypeVar("T")

ENTRIES_MAXIMUM: Final = 5_000
"""Of each kind in one document, so that nobody fills the memory by asking for their own data."""

FILE_NAME: Final = "daftar-export.json"


class ExportView(ResponseBody, frozen=True, kw_only=True):
    """Everything about one person. Where a list has as many entries as fit, `complete` is false: the rest is in that list's own route."""

    exported_at: Timestamp
    complete: Annotated[bool, Meta(description="Whether all lists are whole.")]
    profile: OwnProfileView
    registered_at: Timestamp | None
    last_login_at: Timestamp | None
    last_seen_at: Timestamp | None
    business_name: str | None
    sessions: list[OpenSessionView]
    api_keys: list[KnownApiKeyView]
    orders: list[OrderDetailView]
    payments: list[PaymentDetailView]
    earnings: list[EarningsView]

    def __repr__(self) -> str:
        """Without personal data."""
        return f"ExportView({self.profile.id})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("id", self.profile.id)]


class ExportController(Controller):
    """One's own data."""

    path = "/profile/me/export"
    tags = ("Accounts",)

    @get("/", summary="Export my data")
    async def export(
        self, request: AnyRequest, caller: NamedDependency[Caller]
    ) -> Response[Envelope[ExportView]]:
        """All that is kept of the caller, as a file: profile, sessions, API keys, orders with their addresses, payments, earnings."""
        assert caller.actor_id is not None, "whoever is signed in has an account"
        services = services_of(request)
        view = await _export(services, caller.actor_id, caller.session_id)
        note(request, "account_exported", caller.actor_id, caller.role)
        return Response(
            envelope(view), headers={"Content-Disposition": f'attachment; filename="{FILE_NAME}"'}
        )


async def _export(services: AppServices, account_id: UUID, session_id: UUID | None) -> ExportView:
    reader, now = services.reader, services.clock()
    account = (await current_account(services.store, account_id)).account
    known = await Accounts(reader).by_id(account_id)
    sessions = (await Sessions(reader).open_of(account_id, now, PageRequest(limit=MAX_LIMIT))).items
    used = await services.session_use.last_used([each.session_id for each in sessions])
    keys = (await ApiKeys(reader).of(account_id, PageRequest(limit=MAX_LIMIT))).items
    details, ledger = OrderDetails(reader), PaymentLedger(reader)
    orders = await _all(
        lambda last: details.bought_by(
            account_id, after=None if last is None else last.order_id, limit=MAX_LIMIT
        )
    )
    payments: list[PaymentView] = []
    cursor: str | None = None
    while len(payments) < ENTRIES_MAXIMUM:
        part = await ledger.slice(
            PaymentFilter(customer_id=account_id), SliceRequest(limit=MAX_LIMIT, cursor=cursor)
        )
        payments += part.items
        cursor = part.next_cursor
        if cursor is None:
            break
    return ExportView(
        exported_at=timestamp(now),
        complete=cursor is None and len(orders) < ENTRIES_MAXIMUM,
        profile=OwnProfileView.of(account),
        registered_at=None if known is None else timestamp(known.registered_at),
        last_login_at=None
        if known is None or known.last_login_at is None
        else timestamp(known.last_login_at),
        last_seen_at=None if known is None or known.last_seen_at is None else timestamp(known.last_seen_at),
        business_name=None if known is None else known.business_name,
        sessions=[
            OpenSessionView.of(
                each, current=each.session_id == session_id, last_used_at=used.get(each.session_id)
            )
            for each in sessions
        ],
        api_keys=[KnownApiKeyView.of(each, now) for each in keys],
        orders=[OrderDetailView.of(each) for each in orders],
        payments=[PaymentDetailView.of(each) for each in payments],
        earnings=[EarningsView.of(each) for each in await SellerEarnings(reader).totals(account_id)],
    )


async def _all(next_after: Callable[[T | None], Awaitable[list[T]]]) -> list[T]:
    """One part after the other, until there are no more, or as many as fit."""
    found: list[T] = []
    while len(found) < ENTRIES_MAXIMUM:
        part = await next_after(found[-1] if found else None)
        found += part
        if len(part) < MAX_LIMIT:
            break
    return found
