"""Facts about accounts, their sessions and failed attempts to sign in (requirements §46.2).

No password, token or hash of a password is ever in one (requirements ES-18).
"""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar, TypeAlias
from uuid import UUID

from domain.accounts.roles import (
    AccountKind,
    AccountStatus,
    LoginMethod,
    MailedProof,
    RegistrationChannel,
    Role,
)
from domain.shared.events import DomainEvent
from domain.shared.personal import (
    ERASED,
    ERASED_TEXTS,
    OptionalPersonalText,
    PersonalText,
    PersonalTexts,
)

# --- account: one stream an account ------------------------------------------------------------------------


class AccountRegistered(DomainEvent, frozen=True, kw_only=True):
    """Somebody has an account from now on. `email` is lower case, `phone` E.164; at least one of them is there.

    `session_id` is the session that came with it, `locale` the language that they were addressed in.
    """

    email: OptionalPersonalText = None
    name: OptionalPersonalText = None
    phone: OptionalPersonalText = None
    role: Role
    status: AccountStatus
    kind: AccountKind
    channel: RegistrationChannel
    terms_accepted_at: datetime | None = None
    locale: str | None = None
    session_id: UUID | None = None


class EmailVerificationRequested(DomainEvent, frozen=True, kw_only=True):
    """A link or a code is on its way to the account's email address; by it the address can be verified until then.

    A newer link makes the older ones void.
    """

    method: MailedProof
    expires_at: datetime


class EmailVerified(DomainEvent, frozen=True, kw_only=True):
    """The owner has shown that the mailbox is theirs."""

    method: MailedProof


class PhoneVerified(DomainEvent, frozen=True, kw_only=True):
    """The owner has shown that this phone is theirs: they sign in by it, and nobody else does."""

    phone: OptionalPersonalText = None


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
    """The owner proved who they are and got a new session.

    `over` are sessions that the account need not keep in mind any more: they ended before.
    """

    session_id: UUID
    method: LoginMethod
    over: tuple[UUID, ...] = ()


class PasswordChangedBy(StrEnum):
    """Who changed a password that was known."""

    SELF = "self"


class PasswordChanged(DomainEvent, frozen=True, kw_only=True):
    """The owner, who knew the old password, signs in with a new one. Only the session they did it in goes on."""

    by: PasswordChangedBy
    kept_session_id: UUID | None = None


class PasswordResetRequested(DomainEvent, frozen=True, kw_only=True):
    """Somebody said that they forgot the password: a link or a code is on its way to the account's email address.

    It makes all earlier ones void, and is good until `expires_at` itself.
    """

    channel: MailedProof
    expires_at: datetime


class PasswordResetPermitted(DomainEvent, frozen=True, kw_only=True):
    """The code was right: whoever gave it got a ticket, by which a new password can be set until `expires_at`."""

    expires_at: datetime


class PasswordReset(DomainEvent, frozen=True, kw_only=True):
    """A new password was set by a link or a ticket. All sessions are over."""

    channel: MailedProof


class AccountRenamed(DomainEvent, frozen=True, kw_only=True):
    """The owner wants to be called otherwise."""

    name: OptionalPersonalText = None


class AvatarChanged(DomainEvent, frozen=True, kw_only=True):
    """The owner has another picture; none, when `url` is `None`. `media_id` is there when the picture lies with us.

    A picture shows a person, and its address often names one: it is personal data.
    """

    media_id: UUID | None = None
    url: OptionalPersonalText = None


class ContactPhoneChanged(DomainEvent, frozen=True, kw_only=True):
    """The owner can be called at another number, which nobody has verified; at none, when it is `None`."""

    phone: OptionalPersonalText = None


class AccountSuspended(DomainEvent, frozen=True, kw_only=True):
    """An admin took it from an account to do anything. All its sessions are over."""

    by: UUID
    reason: str | None = None


class AccountUnsuspended(DomainEvent, frozen=True, kw_only=True):
    """An admin gave a suspended account back what it was before."""

    by: UUID


class AccountRoleChanged(DomainEvent, frozen=True, kw_only=True):
    """A super admin made an account something else. All its sessions are over."""

    old_role: Role
    new_role: Role
    by: UUID


class AccountDeleted(DomainEvent, frozen=True, kw_only=True):
    """An account is no more: its person is forgotten, its email address and phone are free for others."""

    by: UUID
    reason: str | None = None


class PaymentCustomerLinked(DomainEvent, frozen=True, kw_only=True):
    """A payment provider knows the account's owner by this id from now on, and by no other that it had before.

    The provider keeps names and cards under it, so it is as personal as they are.
    """

    provider: str
    provider_customer_id: OptionalPersonalText = None


# What somebody writes of themselves in their own words may name them, or where they live, whatever the field is called:
# all of it is sealed, also what §46.2 does not mark (a salon's description, categories, the region).


class InfluencerOnboardingCompleted(DomainEvent, frozen=True, kw_only=True):
    """An influencer has said for the first time how they want to be found: salons find them from now on.

    `phone`, when it is given, is where they can be called from now on, as in `ContactPhoneChanged`.
    """

    display_name: PersonalText = ERASED
    bio: OptionalPersonalText = None
    categories: PersonalTexts = ERASED_TEXTS
    region: PersonalText = ERASED
    phone: OptionalPersonalText = None


class SalonOnboardingCompleted(DomainEvent, frozen=True, kw_only=True):
    """A salon has said for the first time how it wants to be found: influencers find it from now on.

    `phone`, when it is given, is where it can be called from now on, as in `ContactPhoneChanged`.
    """

    business_name: PersonalText = ERASED
    description: OptionalPersonalText = None
    categories: PersonalTexts = ERASED_TEXTS
    region: PersonalText = ERASED
    address: OptionalPersonalText = None
    phone: OptionalPersonalText = None


class InfluencerProfileRevised(DomainEvent, frozen=True, kw_only=True):
    """An influencer presents themselves otherwise; this is the whole of it from now on."""

    display_name: PersonalText = ERASED
    bio: OptionalPersonalText = None
    categories: PersonalTexts = ERASED_TEXTS
    region: PersonalText = ERASED


class SalonProfileRevised(DomainEvent, frozen=True, kw_only=True):
    """A salon presents itself otherwise; this is the whole of it from now on."""

    business_name: PersonalText = ERASED
    description: OptionalPersonalText = None
    categories: PersonalTexts = ERASED_TEXTS
    region: PersonalText = ERASED
    address: OptionalPersonalText = None


AccountEvent: TypeAlias = (
    AccountRegistered
    | EmailVerificationRequested
    | EmailVerified
    | PhoneVerified
    | SellerApplicationSubmitted
    | SellerApproved
    | SellerRejected
    | AccountLoggedIn
    | PasswordChanged
    | PasswordResetRequested
    | PasswordResetPermitted
    | PasswordReset
    | AccountRenamed
    | AvatarChanged
    | ContactPhoneChanged
    | AccountSuspended
    | AccountUnsuspended
    | AccountRoleChanged
    | AccountDeleted
    | PaymentCustomerLinked
    | InfluencerOnboardingCompleted
    | SalonOnboardingCompleted
    | InfluencerProfileRevised
    | SalonProfileRevised
)

# --- session: one stream a session -------------------------------------------------------------------------


class SessionEnding(StrEnum):
    """Why a session is over before its time."""

    LOGOUT = "logout"
    ALL_SESSIONS = "all_sessions"
    SUSPENDED = "suspended"
    PASSWORD = "password"  # noqa: S105 - the name of a reason
    ROLE = "role"
    REUSE = "reuse"
    DELETED = "deleted"
    ADMIN = "admin"
    LIMIT = "limit"
    """The account signed in more often than it may have sessions, and this one was prolonged the longest ago."""


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


class RefreshTokenRotated(DomainEvent, frozen=True, kw_only=True):
    """The session is prolonged until `expires_at`: its refresh token was used, and the next one takes its place."""

    old_jti_hash: str
    new_jti_hash: str
    expires_at: datetime
    rotated_at: datetime


class RefreshTokenReuseDetected(DomainEvent, frozen=True, kw_only=True):
    """A refresh token was shown that had been used before: somebody has a copy of it (requirements TOK-10)."""

    jti_hash: str


class SessionRevoked(DomainEvent, frozen=True, kw_only=True):
    """No token of this session opens any door from now on."""

    account_id: UUID
    reason: SessionEnding


SessionEvent: TypeAlias = SessionOpened | RefreshTokenRotated | RefreshTokenReuseDetected | SessionRevoked

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


class ProofPurpose(StrEnum):
    """What a link or a code by mail is for."""

    VERIFICATION = "verification"
    RESET = "reset"


class ProofDenied(DomainEvent, frozen=True, kw_only=True):
    """Somebody asked to have a link or a code mailed to an address that gets none; they were answered as if it did.

    Whether the identifier has an account is not told. The address that it came from is sealed as in `LoginFailed`.
    """

    identifier_hash: str
    purpose: ProofPurpose
    ip: OptionalPersonalText = None


SecurityLogEvent: TypeAlias = LoginFailed | ProofDenied
