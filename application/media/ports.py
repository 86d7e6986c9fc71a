"""What media need from outside: a store of files, somebody who redraws pictures, and the log."""

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

import msgspec

from application.shared.caller import Caller
from application.shared.command import Command, Done, Unavailable
from domain.media.image_files import ImageType
from domain.shared.events import Recorded


class FilesAway(Unavailable):
    """The object store cannot be reached, or has no place for us: files can be neither kept nor shown now."""

    code = "UPSTREAM_UNAVAILABLE"


class Files(Protocol):
    """Bytes under keys of ours. Every method may raise `FilesAway`; none takes longer than seconds."""

    async def put(self, storage_key: str, content: bytes, content_type: str) -> None:
        """Keep a file; one of the same key is replaced."""
        ...

    async def get(self, storage_key: str) -> bytes | None:
        """A file; `None` when there is none."""
        ...

    async def delete(self, storage_key: str) -> None:
        """Take a file away; nothing happens when there is none."""
        ...

    async def delete_all(self, beginning: str) -> int:
        """Take away all files whose keys begin like that; returns how many there were."""
        ...


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """An image as it is kept and shown; measures in pixels."""

    content: bytes
    content_type: str
    width: int
    height: int

    def __repr__(self) -> str:
        """Without the picture."""
        return f"Picture({self.content_type}, {self.width}x{self.height})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("content_type", self.content_type), ("width", self.width), ("height", self.height)]


class Portraits(Protocol):
    """Draws pictures of people anew, so that nothing is left of what was sent but what can be seen."""

    async def draw(self, content: bytes, image_type: ImageType) -> Picture:
        """The picture upright, of a modest size, without anything hidden in it. Of a moving one its first frame.

        Raises:
            InvalidFileType: it cannot be decoded as what it is said to be.
            FileTooLarge: it has too many pixels.
            Overloaded: too many pictures wait already.
        """
        ...


class History(Protocol):
    """The log as workflows read it."""

    async def stream(self, stream_id: UUID, upto_version: int) -> Sequence[Recorded]:
        """The history of one stream up to a version, oldest first.

        Raises:
            Unavailable: the log is away.
        """
        ...


class Commands(Protocol):
    """Where commands are decided: the command loop."""

    async def submit(self, command: Command, caller: Caller) -> Done[Any]:
        """Have a command decided; returns once its events are durable."""
        ...
