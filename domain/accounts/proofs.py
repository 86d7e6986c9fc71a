"""What an owner proves by their mailbox or their old password, and what it opens (ACC-13 to ACC-15, ACC-23 to ACC-25).

Links and tickets are told apart by a number that counts what was asked for: of several only the newest opens anything,
and only once. Whether a token is genuine and a code right is found out before the decision.
"""

from datetime import datetime
from uuid import UUID

from domain.accounts.account import Account, AccountNotFound
from domain.accounts.events import (
    AccountEvent,
    EmailVerificationRequested,
    EmailVerified,
    PasswordChanged,
    PasswordChangedBy,
    PasswordReset,
    PasswordResetPermitted,
    PasswordResetRequested,
)
from domain.accounts.roles import AccountKind, AccountStatus, MailedProof
from domain.shared.errors import InvalidInput


class VerificationTokenInvalid(InvalidInput):
    """The link is unknown, used, too old, or a newer one was asked for: which of them is not told."""

    code = "VERIFICATION_TOKEN_INVALID"

    def __init__(self) -> None:
        """The same words always."""
        super().__init__("This link is not good any more. Ask for a new one.")


class ResetTokenInvalid(InvalidInput):
    """The link or ticket is unknown, used, too old, or a newer one was asked for: which of them is not told."""

    code = "RESET_TOKEN_INVALID"

    def __init__(self) -> None:
        """The same words always."""
        super().__init__("This link or code is not good any more. Ask for a new one.")


class InvalidCurrentPassword(InvalidInput):
    """Whoever wants a new password did not know the old one (requirements ACC-23)."""

    code = "INVALID_CURRENT_PASSWORD"

    def __init__(self) -> None:
        """The same words always."""
        super().__init__("The current password is wrong.")


def proof_of(kind: AccountKind) -> MailedProof:
    """How accounts of a kind verify their email address (requirements D-08)."""
    return MailedProof.OTP if kind in {AccountKind.INFLUENCER, AccountKind.SALON} else MailedProof.LINK


def can_be_mailed(account: Account) -> bool:
    """Whether there is a mailbox to prove anything by."""
    return account.email is not None and account.status is not AccountStatus.DELETED


# --- verifying the email address -----------------------------------------------------------------------------


def request_verification(
    account: Account, *, method: MailedProof, expires_at: datetime
) -> list[AccountEvent]:
    """Have a link or a code sent. An address that is verified needs none.

    Raises:
        AccountNotFound: there is no mailbox.
    """
    if not can_be_mailed(account):
        raise AccountNotFound(f"No account {account.account_id}.")
    if account.email_verified:
        return []
    return [EmailVerificationRequested(method=method, expires_at=expires_at)]


def verify_by_link(account: Account, *, number: int, at: datetime) -> list[AccountEvent]:
    """Take a link that was followed for the proof that it is.

    Raises:
        VerificationTokenInvalid: it is not the newest, was used, or is too old.
    """
    pending = account.verification
    if pending is None or pending.number != number or pending.expires_at <= at:
        raise VerificationTokenInvalid
    return [EmailVerified(method=MailedProof.LINK)]


def verify_by_code(account: Account) -> list[AccountEvent]:
    """Take a code that was right for the proof that it is. Verified twice is verified once.

    Raises:
        AccountNotFound: there is no mailbox.
    """
    if not can_be_mailed(account):
        raise AccountNotFound(f"No account {account.account_id}.")
    return [] if account.email_verified else [EmailVerified(method=MailedProof.OTP)]


# --- the password -------------------------------------------------------------------------------------------


def request_reset(account: Account, *, channel: MailedProof, expires_at: datetime) -> list[AccountEvent]:
    """Have a link or a code sent by which a new password can be set. All earlier ones are void.

    Raises:
        AccountNotFound: there is no mailbox.
    """
    if not can_be_mailed(account):
        raise AccountNotFound(f"No account {account.account_id}.")
    return [PasswordResetRequested(channel=channel, expires_at=expires_at)]


def permit_reset(account: Account, *, expires_at: datetime) -> list[AccountEvent]:
    """Give out a ticket for a code that was right.

    Raises:
        ResetTokenInvalid: what was asked for last was no code, or it has led to a new password before.
    """
    if account.reset is None or account.reset.channel is not MailedProof.OTP:
        raise ResetTokenInvalid
    return [PasswordResetPermitted(expires_at=expires_at)]


def reset_password(account: Account, *, number: int, at: datetime) -> list[AccountEvent]:
    """Set a new password by a link or a ticket.

    Raises:
        ResetTokenInvalid: it is not the newest, was used, or is too old.
    """
    pending = account.reset
    if pending is None or pending.number != number or pending.expires_at <= at:
        raise ResetTokenInvalid
    return [PasswordReset(channel=pending.channel)]


def change_password(
    account: Account, *, password_generation: int, session_id: UUID | None
) -> list[AccountEvent]:
    """Set a new password by the old one; the session that it is done in goes on, all others end.

    `password_generation` is that of the password which was shown: when another was set meanwhile, it is not the current
    one any more.

    Raises:
        InvalidCurrentPassword: so it is.
        AccountIsSuspended, AccountIsPending, AccountIsRejected, AccountIsGone: the account may not act.
    """
    account.check_may_act()
    if password_generation != account.password_generation:
        raise InvalidCurrentPassword
    return [PasswordChanged(by=PasswordChangedBy.SELF, kept_session_id=session_id)]
