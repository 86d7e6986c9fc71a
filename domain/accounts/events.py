"""Facts about accounts, their sessions and failed attempts to sign in (requirements §46.2).

No password, token or hash of a password is ever in one (requirements ES-18).
"""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, TypeAlias
from uuid import UUID

from domain.accounts.roles import AccountKind, AccountStatus, LoginMethod, RegistrationChannel, Role
from domain.shared.events import DomainEvent
from domain.shared.personal import OptionalPersonalText

# --- account: one stream an account ------------------------------------------------------------------------


class AccountRegistered(DomainEvent, frozen=True, kw_only=True):
    """Somebody has an account from now on. `email` is lower case, `phone` E.164; at least one of them is there."""

    email: OptionalPersonalText = None
    name: OptionalPersonalText = None
    phone: OptionalPersonalText = None
    role: Role
    status: AccountStatus
    kind: AccountKind
    channel: RegistrationChannel


class SellerApplicationSubmitted(DomainEvent, frozen=True, kw_only=True):
    """Somebody wants to sell here and waits for an admin's word."""

    business_name: OptionalPersonalText = None


class SellerApproved(DomainEvent, frozen=True, kw_only=True):
    """An admin let a seller in: they may sign in and sell."""

    approved_by: UUID


class SellerRejected(DomainEvent, frozen=True, kw_only=True):
    """An admin turned a seller's application down, for a reason that the applicant is told."""

    rejected_by: UUID
    reason: str


class AccountLoggedIn(DomainEvent, frozen=True, kw_only=True):
    """The owner proved who they are and got a new session."""

    session_id: UUID
    method: LoginMethod


AccountEvent: TypeAlias = (
    AccountRegistered | SellerApplicationSubmitted | SellerApproved | SellerRejected | AccountLoggedIn
)

# --- session: one stream a session -------------------------------------------------------------------------


class SessionEnding(StrEnum):
    """Why a session is over before its time."""

    LOGOUT = "logout"


class SessionOpened(DomainEvent, frozen=True, kw_only=True):
    """An account may act in this session until `expires_at`, when it is not prolonged.

    `refresh_jti_hash` is the SHA-256 of the id of the one refresh token that prolongs it (requirements TOK-13).
    """

    subject_field: ClassVar[str | None] = "account_id"

    account_id: UUID
    refresh_jti_hash: str
    expires_at: datetime
    ip: OptionalPersonalText = None
    user_agent: OptionalPersonalText = None


class SessionRevoked(DomainEvent, frozen=True, kw_only=True):
    """No token of this session opens any door from now on."""

    account_id: UUID
    reason: SessionEnding


SessionEvent: TypeAlias = SessionOpened | SessionRevoked

# --- security log: one stream an identifier and day --------------------------------------------------------


class LoginFailureClass(StrEnum):
    """Why nobody was let in. Whether the account exists is not told."""

    CREDENTIALS = "credentials"
    STATUS = "status"


class LoginFailed(DomainEvent, frozen=True, kw_only=True):
    """Somebody tried to sign in and was not let in.

    `identifier_hash` is a keyed hash of what they called themselves. The address is personal data of a stranger,
    perhaps not of the account's owner, so it is sealed under the key of this stream: destroying that key ends
    its retention, and whether the identifier has an account cannot be told from whose key it is.
    """

    identifier_hash: str
    reason_class: LoginFailureClass
    ip: OptionalPersonalText = None


SecurityLogEvent: TypeAlias = LoginFailed
