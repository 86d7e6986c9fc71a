"""What is shown of accounts, and to whom: allow-lists, never a filtered record (requirements ACC-21)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from api.envelope import ResponseBody, Timestamp, timestamp
from application.accounts.results import AccountOutcome, Registered, ResetTicket, SellerDecision, SignedIn
from domain.accounts.account import Account
from domain.accounts.presentation import InfluencerProfile, SalonProfile
from domain.accounts.roles import AccountKind, AccountStatus, Role
from projections.accounts import account_questions as directory
from projections.accounts.admin_dashboard import AccountCount

Token = Annotated[str, msgspec.Meta(description="A JSON Web Token")]
ExpiresIn = Annotated[int, msgspec.Meta(description="For how many seconds the access token is good", ge=0)]


class UserView(ResponseBody, frozen=True, kw_only=True):
    """An account as its owner sees it; email, name and phone are null once they are erased."""

    id: UUID
    email: str | None
    name: str | None
    phone: str | None
    role: Role
    status: AccountStatus
    kind: AccountKind

    def __repr__(self) -> str:
        """Without personal data."""
        return f"UserView(id={self.id})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("id", self.id)]

    @classmethod
    def of(cls, account: Account | SignedIn) -> "UserView":
        """Show an account to its owner."""
        return cls(
            id=account.account_id,
            email=account.email,
            name=account.name,
            phone=account.phone,
            role=account.role,
            status=account.status,
            kind=account.kind,
        )

    @classmethod
    def of_new(cls, new: Registered, *, email: str, name: str, phone: str | None) -> "UserView":
        """Show an account to whoever has just registered it with these data, as they are kept."""
        return cls(
            id=new.account_id,
            email=email,
            name=name,
            phone=phone,
            role=new.role,
            status=new.status,
            kind=new.kind,
        )


class SignedInView(ResponseBody, frozen=True, kw_only=True):
    """Somebody is signed in: send `accessToken` as `Authorization: Bearer`, keep both tokens where no script finds them."""

    user: UserView
    access_token: Token
    refresh_token: Token
    expires_in: ExpiresIn
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme (RFC 6750)

    def __repr__(self) -> str:
        """Without the tokens."""
        return f"SignedInView(user={self.user!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("user", self.user)]


class RegisteredView(ResponseBody, frozen=True, kw_only=True):
    """A new account. A customer is signed in at once; a seller waits for an admin's word and gets no tokens."""

    user: UserView
    access_token: Token | UnsetType = UNSET
    refresh_token: Token | UnsetType = UNSET
    expires_in: ExpiresIn | UnsetType = UNSET
    token_type: Literal["Bearer"] | UnsetType = UNSET

    def __repr__(self) -> str:
        """Without the tokens."""
        return f"RegisteredView(user={self.user!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("user", self.user)]


class SignedUpView(ResponseBody, frozen=True, kw_only=True):
    """A new account whose owner verifies the email address before signing in."""

    user_id: UUID
    email: str

    def __repr__(self) -> str:
        """Without personal data."""
        return f"SignedUpView(user_id={self.user_id})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("user_id", self.user_id)]


class TokensView(ResponseBody, frozen=True, kw_only=True):
    """The pair by which a session goes on. The refresh token that it was had by is good no more."""

    access_token: Token
    refresh_token: Token
    expires_in: ExpiresIn
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the name of a scheme (RFC 6750)

    def __repr__(self) -> str:
        """Without the tokens."""
        return "TokensView(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return []


class CodeSentView(ResponseBody, frozen=True, kw_only=True):
    """A code is on its way."""

    expires_at: Timestamp


class ResetTicketView(ResponseBody, frozen=True, kw_only=True):
    """The code was right: `resetToken` lets one new password be set, until `expiresAt`."""

    reset_token: Annotated[str, msgspec.Meta(description="For `POST /auth/reset-password`, once")]
    expires_at: Timestamp

    def __repr__(self) -> str:
        """Without the token."""
        return f"ResetTicketView(expires_at={self.expires_at})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("expires_at", self.expires_at)]

    @classmethod
    def of(cls, ticket: ResetTicket) -> "ResetTicketView":
        """Give a ticket to its owner."""
        return cls(reset_token=ticket.token, expires_at=timestamp(ticket.expires_at))


class InfluencerView(ResponseBody, frozen=True, kw_only=True):
    """How an influencer wants to be found."""

    display_name: str
    bio: str | None
    categories: tuple[str, ...]
    region: str

    def __repr__(self) -> str:
        """Without personal data."""
        return "InfluencerView(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return []

    @classmethod
    def of(cls, profile: InfluencerProfile | None) -> "InfluencerView | None":
        """Show a profile, if there is one."""
        if profile is None:
            return None
        return cls(
            display_name=profile.display_name,
            bio=profile.bio,
            categories=profile.categories,
            region=profile.region,
        )


class SalonView(ResponseBody, frozen=True, kw_only=True):
    """How a salon wants to be found."""

    business_name: str
    description: str | None
    categories: tuple[str, ...]
    region: str
    address: str | None

    def __repr__(self) -> str:
        """Without personal data."""
        return "SalonView(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return []

    @classmethod
    def of(cls, profile: SalonProfile | None) -> "SalonView | None":
        """Show a profile, if there is one."""
        if profile is None:
            return None
        return cls(
            business_name=profile.business_name,
            description=profile.description,
            categories=profile.categories,
            region=profile.region,
            address=profile.address,
        )


class OwnProfileView(ResponseBody, frozen=True, kw_only=True):
    """An account with all that its owner says of themselves, and what of it they have proved."""

    id: UUID
    email: str | None
    email_verified: bool
    name: str | None
    phone: str | None
    phone_verified: Annotated[bool, msgspec.Meta(description="Whether one can sign in by the phone")]
    avatar_url: str | None
    role: Role
    status: AccountStatus
    kind: AccountKind
    influencer: Annotated[InfluencerView | None, msgspec.Meta(description="Null until onboarded as one")]
    salon: Annotated[SalonView | None, msgspec.Meta(description="Null until onboarded as one")]

    def __repr__(self) -> str:
        """Without personal data."""
        return f"OwnProfileView(id={self.id})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("id", self.id)]

    @classmethod
    def of(cls, account: Account) -> "OwnProfileView":
        """Show an account to its owner."""
        return cls(
            id=account.account_id,
            email=account.email,
            email_verified=account.email_verified,
            name=account.name,
            phone=account.phone,
            phone_verified=account.phone is not None and account.phone == account.verified_phone,
            avatar_url=account.avatar_url,
            role=account.role,
            status=account.status,
            kind=account.kind,
            influencer=InfluencerView.of(account.influencer),
            salon=SalonView.of(account.salon),
        )


class SellerDecisionView(ResponseBody, frozen=True, kw_only=True):
    """How a seller's application stands now."""

    account_id: UUID
    status: AccountStatus

    @classmethod
    def of(cls, decision: SellerDecision) -> "SellerDecisionView":
        """Show a decision."""
        return cls(account_id=decision.account_id, status=decision.status)


class AdministeredView(ResponseBody, frozen=True, kw_only=True):
    """How an account stands after an admin has seen to it, and how many of its sessions and API keys ended with that."""

    account_id: UUID
    role: Role
    status: AccountStatus
    ended_sessions: Annotated[int, msgspec.Meta(ge=0)]
    revoked_keys: Annotated[int, msgspec.Meta(ge=0)]

    @classmethod
    def of(cls, outcome: AccountOutcome) -> "AdministeredView":
        """Show what became of an account."""
        return cls(
            account_id=outcome.account_id,
            role=outcome.role,
            status=outcome.status,
            ended_sessions=len(outcome.ended_sessions),
            revoked_keys=len(outcome.revoked_keys),
        )


class PublicProfileView(ResponseBody, frozen=True, kw_only=True):
    """What everybody who is signed in may know of somebody: no email, no phone, no status (requirements ACC-31)."""

    id: UUID
    name: str | None
    role: Role
    business_name: str | None
    avatar_url: str | None
    registered_at: Timestamp
    influencer: Annotated[
        InfluencerView | None, msgspec.Meta(description="Null unless they are one, and onboarded")
    ]
    salon: Annotated[SalonView | None, msgspec.Meta(description="Null unless they are one, and onboarded")]

    @classmethod
    def of(cls, profile: directory.PublicProfile) -> "PublicProfileView":
        """Show a profile."""
        return cls(
            id=profile.account_id,
            name=profile.name,
            role=profile.role,
            business_name=profile.business_name,
            avatar_url=profile.avatar_url,
            registered_at=timestamp(profile.registered_at),
            influencer=InfluencerView.of(profile.influencer),
            salon=SalonView.of(profile.salon),
        )


class AccountView(ResponseBody, frozen=True, kw_only=True):
    """An account as admins see it; what was erased is null."""

    id: UUID
    email: str | None
    name: str | None
    phone: str | None
    role: Role
    status: AccountStatus
    kind: AccountKind
    business_name: str | None
    avatar_url: str | None
    registered_at: Timestamp
    last_login_at: Timestamp | None
    last_seen_at: Timestamp | None
    email_verified: bool
    phone_verified: bool
    suspended_at: Timestamp | None
    suspended_by: UUID | None
    suspension_reason: str | None
    deleted_at: Timestamp | None
    influencer: InfluencerView | None
    salon: SalonView | None

    @classmethod
    def of(cls, account: directory.AccountView) -> "AccountView":
        """Show an account to an admin."""
        return cls(
            id=account.account_id,
            email=account.email,
            name=account.name,
            phone=account.phone,
            role=account.role,
            status=account.status,
            kind=account.kind,
            business_name=account.business_name,
            avatar_url=account.avatar_url,
            registered_at=timestamp(account.registered_at),
            last_login_at=_moment(account.last_login_at),
            last_seen_at=_moment(account.last_seen_at),
            email_verified=account.email_verified,
            phone_verified=account.verified_phone is not None,
            suspended_at=_moment(account.suspended_at),
            suspended_by=account.suspended_by,
            suspension_reason=account.suspension_reason,
            deleted_at=_moment(account.deleted_at),
            influencer=InfluencerView.of(account.influencer),
            salon=SalonView.of(account.salon),
        )


def _moment(at: datetime | None) -> Timestamp | None:
    return None if at is None else timestamp(at)


class SellerApplicationView(ResponseBody, frozen=True, kw_only=True):
    """A seller's wish to sell here, and what became of it; undecided ones have no `decidedAt`."""

    account_id: UUID
    status: AccountStatus
    email: str | None
    name: str | None
    phone: str | None
    business_name: str | None
    applied_at: Timestamp | None
    decided_at: Timestamp | None
    decided_by: UUID | None
    rejection_reason: str | None

    @classmethod
    def of(cls, application: directory.SellerApplication) -> "SellerApplicationView":
        """Show an application to an admin."""
        return cls(
            account_id=application.account_id,
            status=application.status,
            email=application.email,
            name=application.name,
            phone=application.phone,
            business_name=application.business_name,
            applied_at=None if application.applied_at is None else timestamp(application.applied_at),
            decided_at=None if application.decided_at is None else timestamp(application.decided_at),
            decided_by=application.decided_by,
            rejection_reason=application.rejection_reason,
        )


class AccountCountView(ResponseBody, frozen=True, kw_only=True):
    """How many accounts have a role and a status."""

    role: Role
    status: AccountStatus
    accounts: Annotated[int, msgspec.Meta(ge=1)]


class DashboardStatsView(ResponseBody, frozen=True, kw_only=True):
    """How many use the marketplace.

    `totalUsers` counts accounts that are not deleted; `accounts` has them by role and status, deleted ones as well.
    `activeToday` counts those who have asked for anything since `dayBeganAt`; it is up to five minutes late.
    """

    total_users: Annotated[int, msgspec.Meta(ge=0)]
    active_today: Annotated[int, msgspec.Meta(ge=0)]
    day_began_at: Timestamp
    accounts: list[AccountCountView]

    @classmethod
    def of(
        cls, counts: Sequence[AccountCount], *, active_today: int, day_began_at: datetime
    ) -> "DashboardStatsView":
        """Show counts."""
        return cls(
            total_users=sum(each.accounts for each in counts if each.status is not AccountStatus.DELETED),
            active_today=active_today,
            day_began_at=timestamp(day_began_at),
            accounts=[
                AccountCountView(role=each.role, status=each.status, accounts=each.accounts)
                for each in counts
            ],
        )
