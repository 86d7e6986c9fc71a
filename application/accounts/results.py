"""Answers of the commands about accounts. None holds a secret.

The answer to an idempotent command is kept for a day, so those hold no personal data either; only signing in, which
is never repeated under a key, answers with the owner's own data.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from application.shared.command import Outcome
from domain.accounts.roles import AccountKind, AccountStatus, Role


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """An account came into being. `session_id` and `session_expires_at` are `None` when it is not signed in yet."""

    account_id: UUID
    role: Role
    status: AccountStatus
    kind: AccountKind
    registered_at: datetime
    session_id: UUID | None = None
    session_expires_at: datetime | None = None


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A session was opened. Name, email and phone are the owner's, `None` when there are none."""

    account_id: UUID
    role: Role
    status: AccountStatus
    kind: AccountKind
    session_id: UUID
    session_expires_at: datetime
    email: str | None
    name: str | None
    phone: str | None
    registered: bool = False
    """Whether the account is new: somebody signed in by a phone that nobody had before."""

    def __repr__(self) -> str:
        """Without personal data."""
        return f"SignedIn({self.account_id}, {self.role}, session {self.session_id})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("account_id", self.account_id), ("role", self.role), ("session_id", self.session_id)]


class AccountOutcome(Outcome, frozen=True, kw_only=True):
    """How an account stands now, and what ended with the change: sessions and API keys that open nothing any more."""

    account_id: UUID
    role: Role
    status: AccountStatus
    kind: AccountKind
    ended_sessions: tuple[UUID, ...] = ()
    revoked_keys: tuple[UUID, ...] = ()

    @property
    def stream_id(self) -> UUID:
        """The account's."""
        return self.account_id


class Refreshed(Outcome, frozen=True, kw_only=True):
    """The pair of tokens by which a session goes on; role is that of now.

    `number` counts the session's pairs. When `reused`, there is none: the token had been used before, and the session is
    over.
    """

    account_id: UUID
    session_id: UUID
    role: Role
    number: int
    refresh_token_id: UUID
    access_token_id: UUID
    expires_at: datetime
    reused: bool = False

    @property
    def stream_id(self) -> UUID:
        """The session's."""
        return self.session_id


class ResetTicket(msgspec.Struct, frozen=True, kw_only=True):
    """By this token a new password can be set, once, until `expires_at`. It is given to its owner and kept nowhere."""

    token: str
    expires_at: datetime

    def __repr__(self) -> str:
        """Without the token."""
        return f"ResetTicket(expires_at={self.expires_at})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("expires_at", self.expires_at)]


class SellerDecision(msgspec.Struct, frozen=True, kw_only=True):
    """How a seller's application stands."""

    account_id: UUID
    status: AccountStatus


class SuperAdmin(msgspec.Struct, frozen=True, kw_only=True):
    """The super admin of an email address; `created` tells whether the account is new."""

    account_id: UUID
    created: bool
