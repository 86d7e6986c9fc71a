"""Questions about accounts: by id and email, lists for admins, public profiles (ACC-20, ACC-31, ACC-34, ADM-02)."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

from domain.accounts.presentation import InfluencerProfile, SalonProfile
from domain.accounts.roles import AccountKind, AccountStatus, Role
from projections.shared.paging import Filter, NewestFirst, Page, PageRequest, Slice, SliceRequest
from projections.shared.reader import Reader
from projections.shared.words import fold

SEARCH_CHARACTERS_MAXIMUM: Final = 100
"""What is typed beyond that narrows nothing."""


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
    email_verified: bool
    verified_phone: str | None
    suspended_at: datetime | None
    suspended_by: UUID | None
    suspension_reason: str | None
    deleted_at: datetime | None
    influencer: InfluencerProfile | None
    salon: SalonProfile | None
    last_seen_at: datetime | None

    def __repr__(self) -> str:
        """Without personal data."""
        return f"AccountView({self.account_id}, {self.role}, {self.status})"


class PublicProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody who is signed in may know of somebody: no email, no phone, no status (ACC-31).

    `influencer` and `salon` are there for what somebody is now, not for what they were before.
    """

    account_id: UUID
    role: Role
    registered_at: datetime
    name: str | None
    business_name: str | None
    avatar_url: str | None
    influencer: InfluencerProfile | None
    salon: SalonProfile | None

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
                account_id, role, status, account_directory.kind, registered_at, email, name, phone, last_login_at,
                business_name, avatar_url, email_verified, verified_phone, suspended_at, suspended_by, suspension_reason, deleted_at,
                influencer, salon, seen.at AS last_seen_at
            """,
            table="account_directory LEFT JOIN last_seen AS seen ON seen.kind = 'account' AND seen.id = account_id",
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
            SELECT account_id, role, status, account_directory.kind, registered_at, email, name, phone,
                last_login_at, business_name, avatar_url, email_verified, verified_phone, suspended_at, suspended_by,
                suspension_reason, deleted_at, influencer, salon, seen.at AS last_seen_at
            FROM account_directory
            LEFT JOIN last_seen AS seen ON seen.kind = 'account' AND seen.id = account_id
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
            SELECT account_id, role, status, account_directory.kind, registered_at, email, name, phone,
                last_login_at, business_name, avatar_url, email_verified, verified_phone, suspended_at, suspended_by,
                suspension_reason, deleted_at, influencer, salon, seen.at AS last_seen_at
            FROM account_directory
            LEFT JOIN last_seen AS seen ON seen.kind = 'account' AND seen.id = account_id
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
            SELECT account_id, role, registered_at, name, business_name, avatar_url, influencer, salon
            FROM account_directory
            WHERE account_id = %(account_id)s AND status <> 'deleted'
            """,
            {"account_id": account_id},
        )
        if row is None:
            return None
        role, influencer, salon = Role(row["role"]), *_presented(row)
        return PublicProfile(
            **{
                **row,
                "role": role,
                "influencer": influencer if role is Role.INFLUENCER else None,
                "salon": salon if role is Role.SALON else None,
            }
        )

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
        pattern = like_pattern(fold(search.strip()[:SEARCH_CHARACTERS_MAXIMUM]))
        wanted.add(r"find_text LIKE %(pattern)s ESCAPE '\'", pattern=pattern)
    return wanted


def like_pattern(text: str) -> str:
    r"""A LIKE pattern for texts that contain this one as it is; the escape character is `\`."""
    escaped = text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def _presented(row: dict[str, Any]) -> tuple[InfluencerProfile | None, SalonProfile | None]:
    return (
        msgspec.convert(row["influencer"], InfluencerProfile | None),
        msgspec.convert(row["salon"], SalonProfile | None),
    )


def _view(row: dict[str, Any]) -> AccountView:
    influencer, salon = _presented(row)
    return AccountView(
        **{
            **row,
            "influencer": influencer,
            "salon": salon,
            "role": Role(row["role"]),
            "status": AccountStatus(row["status"]),
            "kind": AccountKind(row["kind"]),
        }
    )


def _application(row: dict[str, Any]) -> SellerApplication:
    return SellerApplication(**{**row, "status": AccountStatus(row["status"])})
