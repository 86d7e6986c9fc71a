"""Wishes about API keys."""

from typing import Any
from uuid import UUID

from application.shared.command import Command
from domain.accounts.permissions import Permission


class IssueApiKey(Command, frozen=True, kw_only=True):
    """Let a program act for the caller (requirements KEY-01).

    `digest` is the SHA-256 of the key in hex; the key itself is made before, shown to its owner, and kept nowhere.
    `display_prefix` is its beginning. Without `expires_in_days` it is good until it is revoked.
    """

    key_id: UUID
    name: str
    permissions: tuple[Permission, ...]
    digest: str
    display_prefix: str
    expires_in_days: int | None = None

    def __repr__(self) -> str:
        """Without the digest."""
        return f"IssueApiKey(key_id={self.key_id})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("key_id", self.key_id)]


class RevokeApiKey(Command, frozen=True, kw_only=True):
    """Take a key of the caller's own back (requirements KEY-08)."""

    key_id: UUID
