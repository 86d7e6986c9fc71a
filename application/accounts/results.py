"""Answers of the commands about accounts. None holds a secret.

The answer to an idempotent command is kept for a day, so those hold no personal data either; only signing in, which
is never repeated under a key, answers with the owner's own data.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

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

    def __repr__(self) -> str:
        """Without personal data."""
        return f"SignedIn({self.account_id}, {self.role}, session {self.session_id})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("account_id", self.account_id), ("role", self.role), ("session_id", self.session_id)]


class SellerDecision(msgspec.Struct, frozen=True, kw_only=True):
    """How a seller's application stands."""

    account_id: UUID
    status: AccountStatus


class SuperAdmin(msgspec.Struct, frozen=True, kw_only=True):
    """The super admin of an email address; `created` tells whether the account is new."""

    account_id: UUID
    created: bool
