"""Wishes about accounts and sessions. Those that carry secrets or personal data never show them when printed."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from application.shared.command import Command
from domain.accounts.events import LoginFailureClass
from domain.accounts.roles import AccountKind, LoginMethod


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session to open: its id, the hash of the refresh token that will prolong it, until when it is good."""

    session_id: UUID
    refresh_jti_hash: str
    expires_at: datetime


class _Discreet(Command, frozen=True, kw_only=True):
    """A command that shows only which account it is about."""

    account_id: UUID

    def __repr__(self) -> str:
        """Without secrets and personal data."""
        return f"{type(self).__name__}(account_id={self.account_id})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("account_id", self.account_id)]


class RegisterAccount(_Discreet, frozen=True, kw_only=True):
    """Give somebody an account; a customer is signed in at once, a seller is not (requirements ACC-01, ACC-26).

    `password_hash` is the bcrypt hash, made before: it is kept beside the log, never in it.
    """

    kind: AccountKind
    email: str
    name: str
    password_hash: bytes
    session: NewSession
    phone: str | None = None
    business_name: str | None = None


class LogIn(_Discreet, frozen=True, kw_only=True):
    """Open a session for an account whose owner has just proved who they are.

    `password_hash` replaces the kept one when that was made at a lower cost than today's (ACC-04).
    """

    method: LoginMethod
    session: NewSession
    password_hash: bytes | None = None


class RecordLoginFailure(Command, frozen=True, kw_only=True):
    """Note that somebody was not let in; `identifier_hash` is a keyed hash of what they called themselves."""

    identifier_hash: str
    reason_class: LoginFailureClass


class LogOut(Command, frozen=True, kw_only=True):
    """End one session of the caller's own."""

    session_id: UUID


class ApproveSeller(Command, frozen=True, kw_only=True):
    """Let a seller in."""

    account_id: UUID


class RejectSeller(Command, frozen=True, kw_only=True):
    """Turn a seller's application down, for a reason that they are told."""

    account_id: UUID
    reason: str


class BootstrapSuperAdmin(_Discreet, frozen=True, kw_only=True):
    """See to it that there is a super admin with this email address (requirements ACC-30)."""

    email: str
    name: str
    password_hash: bytes
