"""Wishes about media."""

from typing import Any
from uuid import UUID

from application.shared.command import Command


class SetAvatar(Command, frozen=True, kw_only=True):
    """Show this picture, which lies in the store already, as the caller's (requirements ACC-32, MED-08).

    `media_id` is new; `storage_key` and `url` are where it lies and where it is shown.
    """

    account_id: UUID
    media_id: UUID
    content_type: str
    size_bytes: int
    sha256: str
    storage_key: str
    url: str
    width: int
    height: int

    def __repr__(self) -> str:
        """Without what tells the picture from others."""
        return f"SetAvatar(account_id={self.account_id}, media_id={self.media_id})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("account_id", self.account_id), ("media_id", self.media_id)]


class DeleteMedia(Command, frozen=True, kw_only=True):
    """Show a file to nobody any more, since what showed it is gone. `by` is the account that had it so."""

    media_id: UUID
    by: UUID
