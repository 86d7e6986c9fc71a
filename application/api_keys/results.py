"""Answers of the commands about API keys. None holds a key or its digest."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from application.shared.command import Done, Outcome
from domain.accounts.permissions import Permission
from domain.accounts.roles import Role


class IssuedApiKey(Outcome, frozen=True, kw_only=True):
    """A key that was issued, by all that is ever shown of it again."""

    key_id: UUID
    name: str
    display_prefix: str
    permissions: tuple[Permission, ...]
    issued_at: datetime
    expires_at: datetime | None

    @property
    def stream_id(self) -> UUID:
        """The key's."""
        return self.key_id


class NewApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key on its way to its owner. `plain` is shown this once, and `None` when the command was a repeat."""

    done: Done[IssuedApiKey]
    plain: str | None

    def __repr__(self) -> str:
        """Without the key."""
        return f"NewApiKey({self.done.result.key_id})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("key_id", self.done.result.key_id)]


class KeyBearer(msgspec.Struct, frozen=True, kw_only=True):
    """A program that showed a good key: for whom it acts, in which role, and what it may do.

    `unrestricted` says that it may do all that its owner may do without being there in person.
    """

    key_id: UUID
    owner_id: UUID
    role: Role
    permissions: frozenset[Permission]
    unrestricted: bool
