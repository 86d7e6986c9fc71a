"""Who has an account: look-ups by id and email, lists for admins, public profiles (ACC-20, ACC-31, ACC-34, ADM-02)."""

import unicodedata
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from domain.accounts.events import (
    AccountLoggedIn,
    AccountRegistered,
    SellerApplicationSubmitted,
    SellerApproved,
    SellerRejected,
)
from domain.accounts.roles import AccountKind, AccountStatus, Role
from domain.shared.events import Recorded
from projections.shared.paging import Filter, NewestFirst, Page, PageRequest, Slice, SliceRequest
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.table import Table

SEARCH_CHARACTERS_MAXIMUM: Final = 100
"""What is typed beyond that narrows nothing."""


class AccountRow(msgspec.Struct):
    """One account. `find_text` is all that it is found by, folded; what was erased is null."""

    account_id: UUID
    role: str
    status: str
    kind: str
    registered_at: datetime
    email: str | None = None
    name: str | None = None
    phone: str | None = None
    find_text: str = ""
    last_login_at: datetime | None = None
    business_name: str | None = None
    avatar_url: str | None = None
    applied_at: datetime | None = None
    decided_at: datetime | None = None
    decided_by: UUID | None = None
    rejection_reason: str | None = None

    def __repr__(self) -> str:
        """Without personal data."""
        return f"AccountRow({self.account_id}, {self.role}, {self.status})"


ACCOUNT_DIRECTORY = Table(
    "account_directory",
    AccountRow,
    key=("account_id",),
    columns="""
        account_id uuid NOT NULL,
        role text NOT NULL,
        status text NOT NULL,
        kind text NOT NULL,
        registered_at timestamptz NOT NULL,
        email text,
        name text,
        phone text,
        find_text text NOT NULL,
        last_login_at timestamptz,
        business_name text,
        avatar_url text,
        applied_at timestamptz,
        decided_at timestamptz,
        decided_by uuid,
        rejection_reason text
    """,
    indexes={
        "email": "(email)",
        "role": "(role, status, registered_at, account_id)",
        "status": "(status, registered_at, account_id)",
        "registered": "(registered_at, account_id)",
    },
)


class AccountDirectory(Projection):
    """Keeps the directory in step with the facts; may be rebuilt from zero."""

    name = "account_directory"
    tables = (ACCOUNT_DIRECTORY,)
    events = (
        AccountRegistered,
        AccountLoggedIn,
        SellerApplicationSubmitted,
        SellerApproved,
        SellerRejected,
    )
    personal = True

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        rows = batch.rows(ACCOUNT_DIRECTORY)
        event = recorded.event
        at = recorded.at
        if isinstance(event, AccountRegistered):
            rows.put(
                AccountRow(
                    account_id=recorded.stream_id,
                    role=event.role.value,
                    status=event.status.value,
                    kind=event.kind.value,
                    registered_at=at,
                    email=event.email,
                    name=event.name,
                    phone=event.phone,
                    find_text=_find_text(event.name, event.email),
                )
            )
            return
        row = rows.change(recorded.stream_id)
        if row is None:
            return
        match event:
            case AccountLoggedIn():
                row.last_login_at = at
            case SellerApplicationSubmitted():
                row.business_name = event.business_name
                row.find_text = _find_text(row.name, row.email, row.business_name)
                row.applied_at = at
            case SellerApproved():
                row.status = AccountStatus.APPROVED.value
                row.decided_at = at
                row.decided_by = event.approved_by
            case SellerRejected():
                row.status = AccountStatus.REJECTED.value
                row.decided_at = at
                row.decided_by = event.rejected_by
                row.rejection_reason = event.reason
            case _:
                pass


# --- queries -----------------------------------------------------------------------------------------------


class AccountView(msgspec.Struct, frozen=True, kw_only=True):
    """An account, for its owner and for admins. `business_name` is a seller's."""

    account_id: UUID
    role: Role
    status: AccountStatus
    kind: AccountKind
    registered_at: datetime
    email: str | None
    name: str | None
    phone: str | None
    last_login_at: datetime | None
    business_name: str | None
    avatar_url: str | None

    def __repr__(self) -> str:
        """Without personal data."""
        return f"AccountView({self.account_id}, {self.role}, {self.status})"


class PublicProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody who is signed in may know of somebody: no email, no phone, no status (ACC-31)."""

    account_id: UUID
    role: Role
    registered_at: datetime
    name: str | None
    business_name: str | None
    avatar_url: str | None

    def __repr__(self) -> str:
        """Without personal data."""
        return f"PublicProfile({self.account_id}, {self.role})"


class SellerApplication(msgspec.Struct, frozen=True, kw_only=True):
    """A seller's wish to sell here and what became of it; for admins. Undecided: `decided_at` is `None`."""

    account_id: UUID
    status: AccountStatus
    registered_at: datetime
    email: str | None
    name: str | None
    phone: str | None
    business_name: str | None
    applied_at: datetime | None
    decided_at: datetime | None
    decided_by: UUID | None
    rejection_reason: str | None

    def __repr__(self) -> str:
        """Without personal data."""
        return f"SellerApplication({self.account_id}, {self.status})"


class _Place(msgspec.Struct, frozen=True, array_like=True):
    registered_at: Annotated[datetime, msgspec.Meta(tz=True)]
    account_id: UUID


class Accounts:
    """Questions about accounts. Who may ask which one is for the edge to decide."""

    def __init__(self, reader: Reader) -> None:
        """`reader` may be behind the log."""
        self._reader = reader
        self._newest = NewestFirst(
            reader,
            columns="""
                account_id, role, status, kind, registered_at, email, name, phone, last_login_at, business_name,
                avatar_url
            """,
            table="account_directory",
            order=("registered_at", "account_id"),
            place=_Place,
            place_of=lambda account: _Place(account.registered_at, account.account_id),
            item_of=_view,
        )
        self._applications = NewestFirst(
            reader,
            columns="""
                account_id, status, registered_at, email, name, phone, business_name, applied_at, decided_at,
                decided_by, rejection_reason
            """,
            table="account_directory",
            order=("registered_at", "account_id"),
            place=_Place,
            place_of=lambda application: _Place(application.registered_at, application.account_id),
            item_of=_application,
        )

    async def by_id(self, account_id: UUID) -> AccountView | None:
        """One account with all that its owner and admins may see."""
        row = await self._reader.one(
            """
            SELECT account_id, role, status, kind, registered_at, email, name, phone, last_login_at,
                business_name, avatar_url
            FROM account_directory
            WHERE account_id = %(account_id)s
            """,
            {"account_id": account_id},
        )
        return None if row is None else _view(row)

    async def by_email(self, email: str) -> AccountView | None:
        """The account with a normalised address, as of a moment ago: to decide on, ask the claims instead."""
        if not email.isascii() or "\0" in email:
            return None
        row = await self._reader.one(
            """
            SELECT account_id, role, status, kind, registered_at, email, name, phone, last_login_at,
                business_name, avatar_url
            FROM account_directory
            WHERE email = %(email)s
            ORDER BY registered_at DESC, account_id DESC
            LIMIT 1
            """,
            {"email": email.lower()},
        )
        return None if row is None else _view(row)

    async def public_profile(self, account_id: UUID) -> PublicProfile | None:
        """What one account shows to others; a deleted one shows nothing."""
        row = await self._reader.one(
            """
            SELECT account_id, role, registered_at, name, business_name, avatar_url
            FROM account_directory
            WHERE account_id = %(account_id)s AND status <> 'deleted'
            """,
            {"account_id": account_id},
        )
        return None if row is None else PublicProfile(**{**row, "role": Role(row["role"])})

    async def page(
        self,
        request: PageRequest,
        *,
        role: Role | None = None,
        status: AccountStatus | None = None,
        search: str | None = None,
    ) -> Page[AccountView]:
        """Accounts, newest first, for admins. `search` is part of a name, business name or email address."""
        return await self._newest.page(_wanted(role, status, search), request)

    async def slice(
        self,
        request: SliceRequest,
        *,
        role: Role | None = None,
        status: AccountStatus | None = None,
        search: str | None = None,
    ) -> Slice[AccountView]:
        """The same list, onwards from a cursor."""
        return await self._newest.slice(_wanted(role, status, search), request)

    async def applications(
        self, request: PageRequest, *, status: AccountStatus | None = None
    ) -> Page[SellerApplication]:
        """Sellers and their applications, newest account first, for admins."""
        return await self._applications.page(_wanted(Role.SELLER, status, None), request)

    async def applications_slice(
        self, request: SliceRequest, *, status: AccountStatus | None = None
    ) -> Slice[SellerApplication]:
        """The same list, onwards from a cursor."""
        return await self._applications.slice(_wanted(Role.SELLER, status, None), request)


def _wanted(role: Role | None, status: AccountStatus | None, search: str | None) -> Filter:
    wanted = Filter()
    if role is not None:
        wanted.add("role = %(role)s", role=role.value)
    if status is not None:
        wanted.add("status = %(status)s", status=status.value)
    if search is not None and search.strip():
        pattern = like_pattern(_fold(search.strip()[:SEARCH_CHARACTERS_MAXIMUM]))
        wanted.add(r"find_text LIKE %(pattern)s ESCAPE '\'", pattern=pattern)
    return wanted


def like_pattern(text: str) -> str:
    r"""A LIKE pattern for texts that contain this one as it is; the escape character is `\`."""
    escaped = text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def _find_text(*texts: str | None) -> str:
    return "\n".join([_fold(text) for text in texts if text])


def _fold(text: str) -> str:
    # The database's own case rules depend on its locale. It stores neither NUL nor lone surrogates.
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\0", "")
    return folded if folded.isascii() else folded.encode("utf-8", "ignore").decode()


def _view(row: dict[str, Any]) -> AccountView:
    return AccountView(
        **{
            **row,
            "role": Role(row["role"]),
            "status": AccountStatus(row["status"]),
            "kind": AccountKind(row["kind"]),
        }
    )


def _application(row: dict[str, Any]) -> SellerApplication:
    return SellerApplication(**{**row, "status": AccountStatus(row["status"])})
