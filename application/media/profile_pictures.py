"""From a file that somebody sent to the wish to show it as their picture (requirements ACC-32, MED-08)."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from uuid import UUID

import msgspec

from application.media.commands import SetAvatar
from application.media.ports import Files, FilesAway, Portraits
from application.shared.ports import NewId
from domain.media.image_files import check_image


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file as a client sent it. Nothing that it says of it is to be believed; the name often names a person."""

    file_name: str
    declared_type: str
    content: bytes

    def as_bytes(self) -> bytes:
        """What tells it from other files, however it was packed."""
        return b"\0".join(
            (
                self.file_name.encode("utf-8", "surrogatepass"),
                self.declared_type.encode("utf-8", "surrogatepass"),
                self.content,
            )
        )

    def __repr__(self) -> str:
        """Without name and content."""
        return f"Upload({len(self.content)} bytes)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("bytes", len(self.content))]


class ProfilePictures:
    """Checks pictures, draws them anew and puts them into the store, before the log says that they are shown."""

    def __init__(
        self, *, files: Files, portraits: Portraits, new_id: NewId, address_of: Callable[[UUID], str]
    ) -> None:
        """`address_of` gives the URL at which a file is shown, by its id."""
        self._files = files
        self._portraits = portraits
        self._new_id = new_id
        self._address_of = address_of

    async def take_in(self, upload: Upload, account_id: UUID) -> SetAvatar:
        """Put a picture into the store; what is returned is to be submitted, or else handed to `give_up`.

        Raises:
            InvalidFileType, FileExtensionMismatch, FileTooLarge: see `check_image` and `Portraits`.
            FilesAway: the store is away.
            Overloaded: too many pictures wait already.
        """
        image_type = check_image(
            file_name=upload.file_name, declared_type=upload.declared_type, content=upload.content
        )
        picture = await self._portraits.draw(upload.content, image_type)
        media_id = self._new_id()
        storage_key = f"{folder_of(account_id)}{media_id}"
        await self._files.put(storage_key, picture.content, picture.content_type)
        return SetAvatar(
            account_id=account_id,
            media_id=media_id,
            content_type=picture.content_type,
            size_bytes=len(picture.content),
            sha256=hashlib.sha256(picture.content).hexdigest(),
            storage_key=storage_key,
            url=self._address_of(media_id),
            width=picture.width,
            height=picture.height,
        )

    async def give_up(self, command: SetAvatar) -> None:
        """Take a picture back that nobody will be shown."""
        # Nothing points to it. If it stays, it goes with its account at the latest.
        with suppress(FilesAway):
            await self._files.delete(command.storage_key)


def folder_of(account_id: UUID) -> str:
    """How the keys of all profile pictures of an account begin."""
    return f"avatars/{account_id}/"
