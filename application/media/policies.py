"""What becomes of pictures that nobody shows any more (requirements ACC-28, ES-17)."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from application.media.commands import DeleteMedia
from application.media.ports import Commands, Files, History
from application.media.profile_pictures import folder_of
from application.shared.caller import Caller
from domain.accounts.events import AccountDeleted, AvatarChanged
from domain.media.events import MediaDeleted, MediaUploaded
from domain.shared.events import DomainEvent, Recorded

FOLLOWED: Final[tuple[type[DomainEvent], ...]] = (AvatarChanged, AccountDeleted, MediaDeleted)
"""The facts after which something is to be cleared away."""


class ClearAway:
    """Whenever a picture was replaced, or its account deleted, delete it; whenever a file was deleted, empty its place.

    Asked again, it does again what changes nothing the second time. A store that is away is waited for: a picture of a
    person who is to be forgotten must not become a dead letter.
    """

    def __init__(self, *, history: History, commands: Commands, files: Files) -> None:
        """Collaborators only; nothing is opened."""
        self._history = history
        self._commands = commands
        self._files = files

    async def follow(self, recorded: Recorded, caller: Caller) -> None:
        """Do what follows from a fact. `caller` is the system, on the occasion of it.

        Raises:
            Unavailable: the log or the object store is away: ask again.
        """
        match recorded.event:
            case AvatarChanged():
                shown = await self._shown_before(recorded)
                if shown and shown[-1] is not None:
                    await self._delete(shown[-1], recorded.stream_id, caller)
            case AccountDeleted(by=by):
                for media_id in await self._shown_before(recorded):
                    if media_id is not None:
                        await self._delete(media_id, by, caller)
                # Also what was sent, and never came to be shown.
                await self._files.delete_all(folder_of(recorded.stream_id))
            case MediaDeleted():
                for each in await self._history.stream(recorded.stream_id, recorded.version):
                    if isinstance(each.event, MediaUploaded):
                        await self._files.delete(each.event.storage_key)
            case _:
                return

    async def _shown_before(self, recorded: Recorded) -> Sequence[UUID | None]:
        """The pictures that an account had before a fact, oldest first; `None` for those that lie elsewhere, or none."""
        history = await self._history.stream(recorded.stream_id, recorded.version - 1)
        return [each.event.media_id for each in history if isinstance(each.event, AvatarChanged)]

    async def _delete(self, media_id: UUID, by: UUID, caller: Caller) -> None:
        await self._commands.submit(DeleteMedia(media_id=media_id, by=by), caller)
