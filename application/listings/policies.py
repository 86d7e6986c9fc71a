"""What the end of an account means for what it sold (requirements ACC-28, LST-19)."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final, Protocol
from uuid import UUID

from application.listings.commands import ArchiveListing
from application.shared.caller import Caller
from application.shared.command import Command, Done
from domain.accounts.events import AccountDeleted
from domain.listings.listing import ListingIsArchived
from domain.shared.events import DomainEvent, Recorded

CHUNK: Final = 100
"""So many listings are archived at a time: a seller may have tens of thousands, and others want to trade meanwhile."""

REASON: Final = "account_deleted"

ENDS: Final[tuple[type[DomainEvent], ...]] = (AccountDeleted,)
"""The facts after which a seller's shelves are cleared."""


class Shelves(Protocol):
    """Which listings a seller has."""

    async def unarchived(self, seller_id: UUID, *, at: int, after: UUID | None, limit: int) -> Sequence[UUID]:
        """The first `limit` of a seller's listings that are not archived, by id, beyond `after`.

        It shows the log up to position `at` at least.

        Raises:
            Unavailable: it has not come so far yet, or cannot be reached.
        """
        ...


class Commands(Protocol):
    """Where commands are decided: the command loop."""

    async def submit(self, command: Command, caller: Caller) -> Done[Any]:
        """Have a command decided; returns once its events are durable."""
        ...


class ArchiveWhenAccountDeleted:
    """Whenever an account was deleted, archive all that it sells. Asked again, it goes on where it was."""

    def __init__(self, shelves: Shelves, commands: Commands) -> None:
        """Collaborators only; nothing is opened."""
        self._shelves = shelves
        self._commands = commands

    async def follow(self, recorded: Recorded, caller: Caller) -> int:
        """Archive what is left of the shelves of whoever a fact is about; returns how many listings that were.

        `caller` is the system, on the occasion of the fact.

        Raises:
            Unavailable: the shelves or the log are away, or the queue is full: ask again.
        """
        if not isinstance(recorded.event, AccountDeleted):
            return 0
        archived = 0
        after: UUID | None = None
        while True:
            listing_ids = await self._shelves.unarchived(
                recorded.stream_id, at=recorded.position, after=after, limit=CHUNK
            )
            await asyncio.gather(*(self._archive(each, caller) for each in listing_ids))
            archived += len(listing_ids)
            if len(listing_ids) < CHUNK:
                return archived
            after = listing_ids[-1]

    async def _archive(self, listing_id: UUID, caller: Caller) -> None:
        # The shelves may show what has been archived a moment ago, by the seller or by us.
        with suppress(ListingIsArchived):
            await self._commands.submit(ArchiveListing(listing_id=listing_id, reason=REASON), caller)
