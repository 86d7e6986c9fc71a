"""An account: who somebody is here, in which role, and whether they may act (requirements ACC)."""

import unicodedata
from typing import Any, Final, assert_never
from uuid import UUID

import msgspec

from domain.accounts.email import normalise_email
from domain.accounts.events import (
    AccountEvent,
    AccountLoggedIn,
    AccountRegistered,
    SellerApplicationSubmitted,
    SellerApproved,
    SellerRejected,
)
from domain.accounts.name import normalise_name
from domain.accounts.phone import normalise_phone
from domain.accounts.roles import AccountKind, AccountStatus, LoginMethod, RegistrationChannel, Role
from domain.shared.errors import (
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    Problem,
    RuleViolation,
)
from domain.shared.events import State
from domain.shared.personal import OptionalPersonalText

REASON_CHARACTERS_MAXIMUM: Final = 1000


class AccountNotFound(NotFound):
    """There is no such account."""


class UserExists(RuleViolation):
    """Somebody has an account with this email address already (requirements D-07)."""

    code = "USER_EXISTS"


class RegistrationInvalid(InvalidInput):
    """Nobody registers like that."""


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


class SellerNotPending(RuleViolation):
    """There is no seller's application to decide on, or it was decided otherwise."""

    code = "SELLER_NOT_PENDING"


class ReasonInvalid(InvalidInput):
    """Whoever is turned down is told why, in words that can be read."""

    def __init__(self, message: str, rule: str) -> None:
        """`message` says what a reason is; `rule` is a stable word."""
        super().__init__(message, problems=[Problem("reason", message, rule)])


class Account(State, frozen=True, kw_only=True):
    """One account as it stands. Orders copy its name, email and phone (ORD-04); erased, they are `None`."""

    account_id: UUID
    role: Role
    status: AccountStatus
    kind: AccountKind
    email: OptionalPersonalText = None
    name: OptionalPersonalText = None
    phone: OptionalPersonalText = None

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

    @classmethod
    def register(
        cls,
        *,
        kind: AccountKind,
        email: str,
        name: str,
        phone: str | None = None,
        business_name: str | None = None,
    ) -> list[AccountEvent]:
        """Begin an account. A customer may act at once, a seller waits for an admin (requirements ACC-26).

        Raises:
            EmailInvalid, NameInvalid, PhoneInvalid: see there.
            RegistrationInvalid: nobody makes themselves staff (ACC-01), and only sellers have a business name.
        """
        match kind:
            case AccountKind.CUSTOMER:
                role, status = Role.CUSTOMER, AccountStatus.APPROVED
                if business_name is not None:
                    message = "Only sellers have a business name."
                    raise RegistrationInvalid(message, problems=[Problem("businessName", message, "kind")])
            case AccountKind.SELLER:
                role, status = Role.SELLER, AccountStatus.PENDING
            case AccountKind.STAFF:
                message = "An account is a customer's or a seller's."
                raise RegistrationInvalid(message, problems=[Problem("kind", message, "enum")])
            case _:
                assert_never(kind)
        registered = AccountRegistered(
            email=normalise_email(email),
            name=normalise_name(name),
            phone=None if phone is None else normalise_phone(phone),
            role=role,
            status=status,
            kind=kind,
            channel=RegistrationChannel.PASSWORD,
        )
        if kind is AccountKind.CUSTOMER:
            return [registered]
        business = None if business_name is None else normalise_name(business_name, field="businessName")
        return [registered, SellerApplicationSubmitted(business_name=business)]

    @classmethod
    def bootstrap_super_admin(cls, *, email: str, name: str) -> list[AccountEvent]:
        """Begin the account from which all other admins come (requirements ACC-30).

        Raises:
            EmailInvalid, NameInvalid: see there.
        """
        return [
            AccountRegistered(
                email=normalise_email(email),
                name=normalise_name(name),
                role=Role.SUPER_ADMIN,
                status=AccountStatus.APPROVED,
                kind=AccountKind.STAFF,
                channel=RegistrationChannel.BOOTSTRAP,
            )
        ]

    def log_in(self, *, session_id: UUID, method: LoginMethod) -> list[AccountEvent]:
        """Let the owner in, who has just proved who they are: the status is told to nobody else.

        Raises:
            AccountIsSuspended, AccountIsPending, AccountIsRejected: as things stand, not now.
            InvalidCredentials: the account is deleted, as if it had never been.
        """
        match self.status:
            case AccountStatus.APPROVED:
                return [AccountLoggedIn(session_id=session_id, method=method)]
            case AccountStatus.SUSPENDED:
                raise AccountIsSuspended("This account is suspended.")
            case AccountStatus.PENDING:
                raise AccountIsPending("This account waits for approval.")
            case AccountStatus.REJECTED:
                raise AccountIsRejected("The application of this account was turned down.")
            case AccountStatus.DELETED:
                raise InvalidCredentials
            case _:
                assert_never(self.status)

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
        reason = _reason(reason)
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


def _reason(text: str) -> str:
    reason = text.strip()
    if not 1 <= len(reason) <= REASON_CHARACTERS_MAXIMUM:
        raise ReasonInvalid(f"A reason has 1 to {REASON_CHARACTERS_MAXIMUM} characters.", "length")
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\r\t" for c in reason):
        raise ReasonInvalid("A reason has no control characters in it but the ends of lines.", "characters")
    return reason


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
        )
    assert account is not None, f"stream {stream_id} of an account begins with AccountRegistered"
    match event:
        case SellerApproved():
            return msgspec.structs.replace(account, status=AccountStatus.APPROVED)
        case SellerRejected():
            return msgspec.structs.replace(account, status=AccountStatus.REJECTED)
        case SellerApplicationSubmitted() | AccountLoggedIn():
            return account
        case _:
            assert_never(event)
