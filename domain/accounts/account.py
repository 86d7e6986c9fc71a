"""An account: who somebody is here, in which role, and whether they may act (requirements ACC)."""

from collections.abc import Collection
from datetime import datetime
from typing import Annotated, Any, Final, assert_never
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.accounts.events import (
    AccountDeleted,
    AccountEvent,
    AccountLoggedIn,
    AccountRegistered,
    AccountRenamed,
    AccountRoleChanged,
    AccountSuspended,
    AccountUnsuspended,
    AvatarChanged,
    ContactPhoneChanged,
    EmailVerificationRequested,
    EmailVerified,
    InfluencerOnboardingCompleted,
    InfluencerProfileRevised,
    PasswordChanged,
    PasswordReset,
    PasswordResetPermitted,
    PasswordResetRequested,
    PaymentCustomerLinked,
    PhoneVerified,
    SalonOnboardingCompleted,
    SalonProfileRevised,
    SellerApplicationSubmitted,
    SellerApproved,
    SellerRejected,
)
from domain.accounts.presentation import InfluencerProfile, SalonProfile, influencer_in, salon_in
from domain.accounts.roles import (
    AccountKind,
    AccountStatus,
    LoginMethod,
    MailedProof,
    Role,
)
from domain.shared.errors import (
    NotAuthenticated,
    NotFound,
    NotPermitted,
    RuleViolation,
)
from domain.shared.events import State
from domain.shared.personal import PERSONAL, OptionalPersonalText
from domain.shared.reasons import clean_reason

SESSIONS_MAXIMUM: Final = 50
"""How many sessions an account may have at a time; whoever signs in beyond that ends one that lay idle."""


class AccountNotFound(NotFound):
    """There is no such account."""


class UserExists(RuleViolation):
    """Somebody has an account with this email address or this verified phone already (requirements D-07)."""

    code = "USER_EXISTS"


class InvalidCredentials(NotAuthenticated):
    """Unknown, wrong or gone: which of them is not told (requirements ACC-17)."""

    code = "INVALID_CREDENTIALS"

    def __init__(self) -> None:
        """The same words always."""
        super().__init__("Email or password is wrong.")


class LoginRefused(NotPermitted):
    """The owner proved who they are, and may not sign in as things stand (requirements ACC-18)."""


class AccountIsSuspended(LoginRefused):
    """An admin suspended the account."""

    code = "ACCOUNT_SUSPENDED"


class AccountIsPending(LoginRefused):
    """The seller's application waits for an admin."""

    code = "ACCOUNT_PENDING"


class AccountIsRejected(LoginRefused):
    """The seller's application was turned down."""

    code = "ACCOUNT_REJECTED"


class EmailNotVerified(LoginRefused):
    """Not before the email address is verified: accounts of some kinds do not sign in (ACC-13, D-08), none is onboarded."""

    code = "EMAIL_NOT_VERIFIED"


class AccountIsGone(NotAuthenticated):
    """The account that asks was deleted."""

    code = "USER_NOT_FOUND"


class SellerNotPending(RuleViolation):
    """There is no seller's application to decide on, or it was decided otherwise."""

    code = "SELLER_NOT_PENDING"


class Pending(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the newest link or code that was asked for stands for; `number` tells it from all others of the account."""

    number: int
    channel: MailedProof
    expires_at: datetime


class PaymentCustomer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Who the owner of an account is to one payment provider."""

    provider: str
    customer_id: str

    def __repr__(self) -> str:
        """Without the id."""
        return f"PaymentCustomer({self.provider})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("provider", self.provider)]


class Account(State, frozen=True, kw_only=True):
    """One account as it stands. Orders copy its name, email and phone (ORD-04); erased, they are `None`.

    `password_generation` counts how often the password was set anew; `sessions` are those that may not be over, at most
    `SESSIONS_MAXIMUM`; `requests` counts links and codes; `suspended_from` is what a suspended account was before.
    `avatar_id` is there when its picture lies with us; `payment_customers` has one entry a provider at most. `influencer`
    and `salon` are what it has been onboarded as, also where its role has changed since.
    """

    account_id: UUID
    role: Role
    status: AccountStatus
    kind: AccountKind
    email: OptionalPersonalText = None
    name: OptionalPersonalText = None
    phone: OptionalPersonalText = None
    avatar_url: OptionalPersonalText = None
    avatar_id: UUID | None = None
    verified_phone: OptionalPersonalText = None
    email_verified: bool = False
    locale: str | None = None
    password_generation: int = 0
    sessions: tuple[UUID, ...] = ()
    requests: int = 0
    verification: Pending | None = None
    reset: Pending | None = None
    suspended_from: AccountStatus | None = None
    payment_customers: Annotated[tuple[PaymentCustomer, ...], msgspec.Meta(extra=PERSONAL)] = ()
    influencer: Annotated[InfluencerProfile | None, msgspec.Meta(extra=PERSONAL)] = None
    salon: Annotated[SalonProfile | None, msgspec.Meta(extra=PERSONAL)] = None

    @property
    def stream_id(self) -> UUID:
        """An account's own id."""
        return self.account_id

    def __repr__(self) -> str:
        """Without personal data."""
        return f"Account({self.account_id}, {self.role}, {self.status})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("account_id", self.account_id), ("role", self.role), ("status", self.status)]

    def check_may_act(self) -> None:
        """Let the owner go on.

        Raises:
            AccountIsSuspended, AccountIsPending, AccountIsRejected: as things stand, not now.
            AccountIsGone: the account is deleted.
        """
        match self.status:
            case AccountStatus.APPROVED:
                return
            case AccountStatus.SUSPENDED:
                raise AccountIsSuspended("This account is suspended.")
            case AccountStatus.PENDING:
                raise AccountIsPending("This account waits for approval.")
            case AccountStatus.REJECTED:
                raise AccountIsRejected("The application of this account was turned down.")
            case AccountStatus.DELETED:
                raise AccountIsGone("This account does not exist any more.")
            case _:
                assert_never(self.status)

    def check_may_log_in(
        self, *, must_verify: Collection[AccountKind] = (), password_generation: int | None = None
    ) -> None:
        """Let the owner in, who has just proved who they are: what stands against it is told to nobody else.

        `must_verify` are the kinds of account that need a verified email address; `password_generation` is that of the
        password which was shown, `None` for who came in otherwise.

        Raises:
            InvalidCredentials: the account is deleted, as if it had never been; or the password has been set anew since.
            AccountIsSuspended, AccountIsPending, AccountIsRejected: as things stand, not now.
            EmailNotVerified: the email address has to be verified first.
        """
        if self.status is AccountStatus.DELETED:
            raise InvalidCredentials
        if password_generation is not None and password_generation != self.password_generation:
            raise InvalidCredentials
        self.check_may_act()
        if self.kind in must_verify:
            self.check_is_verified()

    def check_is_verified(self) -> None:
        """Let the owner go on who has shown that they can be reached: who has no email address came in by their phone.

        Raises:
            EmailNotVerified: the email address has to be verified first.
        """
        if self.email is not None and not self.email_verified:
            raise EmailNotVerified("Verify your email address first.")

    def log_in(
        self,
        *,
        session_id: UUID,
        method: LoginMethod,
        must_verify: Collection[AccountKind] = (),
        password_generation: int | None = None,
        over: tuple[UUID, ...] = (),
    ) -> list[AccountEvent]:
        """Let the owner in. `over` are sessions of the account that have ended.

        Raises:
            As `check_may_log_in`.
        """
        self.check_may_log_in(must_verify=must_verify, password_generation=password_generation)
        return [AccountLoggedIn(session_id=session_id, method=method, over=over)]

    def approve_seller(self, *, by: UUID) -> list[AccountEvent]:
        """Let a seller in. Approving twice is approving once.

        Raises:
            SellerNotPending: it is no seller, or the application was turned down.
        """
        self._check_application(decided=AccountStatus.APPROVED)
        if self.status is AccountStatus.APPROVED:
            return []
        return [SellerApproved(approved_by=by)]

    def reject_seller(self, *, by: UUID, reason: str) -> list[AccountEvent]:
        """Turn a seller's application down. Doing so twice is doing so once, for the first reason.

        Raises:
            ReasonInvalid: there is none, it is longer than 1000 characters, or holds control characters.
            SellerNotPending: it is no seller, or one who was let in.
        """
        reason = clean_reason(reason)
        self._check_application(decided=AccountStatus.REJECTED)
        if self.status is AccountStatus.REJECTED:
            return []
        return [SellerRejected(rejected_by=by, reason=reason)]

    def _check_application(self, *, decided: AccountStatus) -> None:
        if self.kind is not AccountKind.SELLER or self.status not in {AccountStatus.PENDING, decided}:
            raise SellerNotPending(
                f"Account {self.account_id} is {self.status}: there is no application to decide on.",
                details={"accountId": str(self.account_id), "status": self.status.value},
            )


def evolve(account: Account | None, event: AccountEvent, stream_id: UUID) -> Account:
    """Fold one recorded fact into the state."""
    if isinstance(event, AccountRegistered):
        return Account(
            account_id=stream_id,
            role=event.role,
            status=event.status,
            kind=event.kind,
            email=event.email,
            name=event.name,
            phone=event.phone,
            locale=event.locale,
            sessions=() if event.session_id is None else (event.session_id,),
        )
    assert account is not None, f"stream {stream_id} of an account begins with AccountRegistered"
    match event:
        case SellerApplicationSubmitted():
            return account
        case AccountLoggedIn():
            kept = tuple(each for each in account.sessions if each not in event.over)
            return replace(account, sessions=(*kept, event.session_id))
        case AccountRenamed():
            return replace(account, name=event.name)
        case AvatarChanged():
            return replace(account, avatar_url=event.url, avatar_id=event.media_id)
        case PhoneVerified():
            return replace(account, phone=event.phone, verified_phone=event.phone)
        case ContactPhoneChanged():
            return _to_be_called_at(account, event.phone)
        case PaymentCustomerLinked():
            return replace(account, payment_customers=_with_customer(account, event))
    if isinstance(event, _Decided):
        return _decided(account, event)
    if isinstance(event, _Presented):
        return _presented(account, event)
    return _proved(account, event)


def _to_be_called_at(account: Account, phone: str | None) -> Account:
    same = phone is not None and phone == account.verified_phone
    return replace(account, phone=phone, verified_phone=phone if same else None)


def _with_customer(account: Account, event: PaymentCustomerLinked) -> tuple[PaymentCustomer, ...]:
    others = tuple(each for each in account.payment_customers if each.provider != event.provider)
    if event.provider_customer_id is None:
        return others
    return (*others, PaymentCustomer(provider=event.provider, customer_id=event.provider_customer_id))


_Decided = (
    SellerApproved
    | SellerRejected
    | AccountSuspended
    | AccountUnsuspended
    | AccountRoleChanged
    | AccountDeleted
)

_Presented = (
    InfluencerOnboardingCompleted | SalonOnboardingCompleted | InfluencerProfileRevised | SalonProfileRevised
)


def _presented(account: Account, event: _Presented) -> Account:
    """How it wants to be found."""
    match event:
        case InfluencerOnboardingCompleted() | InfluencerProfileRevised():
            account = replace(account, influencer=influencer_in(event))
        case SalonOnboardingCompleted() | SalonProfileRevised():
            account = replace(account, salon=salon_in(event))
        case _:
            assert_never(event)
    if (
        isinstance(event, InfluencerOnboardingCompleted | SalonOnboardingCompleted)
        and event.phone is not None
    ):
        return _to_be_called_at(account, event.phone)
    return account


def _decided(account: Account, event: _Decided) -> Account:
    """What admins made of it."""
    match event:
        case SellerApproved():
            return replace(account, status=AccountStatus.APPROVED)
        case SellerRejected():
            return replace(account, status=AccountStatus.REJECTED)
        case AccountSuspended():
            return replace(
                account, status=AccountStatus.SUSPENDED, suspended_from=account.status, sessions=()
            )
        case AccountUnsuspended():
            return replace(
                account, status=account.suspended_from or AccountStatus.APPROVED, suspended_from=None
            )
        case AccountRoleChanged():
            return replace(account, role=event.new_role, sessions=())
        case AccountDeleted():
            return Account(
                account_id=account.account_id,
                role=account.role,
                status=AccountStatus.DELETED,
                kind=account.kind,
                password_generation=account.password_generation,
                requests=account.requests,
            )
        case _:
            assert_never(event)


def _proved(
    account: Account,
    event: EmailVerificationRequested
    | EmailVerified
    | PasswordResetRequested
    | PasswordResetPermitted
    | PasswordReset
    | PasswordChanged,
) -> Account:
    """What its owner has to prove, or has proved."""
    match event:
        case EmailVerificationRequested():
            asked = replace(account, requests=account.requests + 1)
            if event.method is not MailedProof.LINK:
                # Whether a code is right is known where it is kept.
                return asked
            return replace(asked, verification=_pending(asked, event.method, event.expires_at))
        case EmailVerified():
            return replace(account, email_verified=True, verification=None)
        case PasswordResetRequested():
            asked = replace(account, requests=account.requests + 1)
            return replace(asked, reset=_pending(asked, event.channel, event.expires_at))
        case PasswordResetPermitted():
            asked = replace(account, requests=account.requests + 1)
            return replace(asked, reset=_pending(asked, MailedProof.OTP, event.expires_at))
        case PasswordReset():
            return _with_new_password(account, sessions=())
        case PasswordChanged():
            kept = tuple(each for each in account.sessions if each == event.kept_session_id)
            return _with_new_password(account, sessions=kept)
        case _:
            assert_never(event)


def _pending(account: Account, channel: MailedProof, expires_at: datetime) -> Pending:
    return Pending(number=account.requests, channel=channel, expires_at=expires_at)


def _with_new_password(account: Account, *, sessions: tuple[UUID, ...]) -> Account:
    generation = account.password_generation + 1
    return replace(account, password_generation=generation, sessions=sessions, reset=None)
