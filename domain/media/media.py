"""One file in the object store: whose it is, where it lies, and whether it is still shown (requirements MED)."""

from uuid import UUID

from msgspec.structs import replace

from domain.media.events import MediaDeleted, MediaEvent, MediaKind, MediaUploaded
from domain.shared.errors import NotFound
from domain.shared.events import State


class MediaNotFound(NotFound):
    """There is no such file, or not any more."""


class Media(State, frozen=True, kw_only=True):
    """What has to be known to show a file, or to take it away."""

    media_id: UUID
    owner_id: UUID
    kind: MediaKind
    content_type: str
    storage_key: str
    deleted: bool = False

    @property
    def stream_id(self) -> UUID:
        """The file's own id."""
        return self.media_id

    @property
    def subject_id(self) -> UUID | None:
        """Nobody's: what is personal about a file is in its first event alone."""
        return None

    @staticmethod
    def upload(
        *,
        owner_id: UUID,
        kind: MediaKind,
        content_type: str,
        size_bytes: int,
        sha256: str,
        storage_key: str,
        url: str,
        width: int,
        height: int,
    ) -> list[MediaEvent]:
        """Note that a file lies in the store, where it was put a moment ago."""
        return [
            MediaUploaded(
                owner_id=owner_id,
                kind=kind,
                content_type=content_type,
                size_bytes=size_bytes,
                sha256=sha256,
                storage_key=storage_key,
                url=url,
                width=width,
                height=height,
            )
        ]

    def delete(self, *, by: UUID) -> list[MediaEvent]:
        """Show it to nobody any more. Deleting twice is deleting once."""
        return [] if self.deleted else [MediaDeleted(by=by)]


def evolve(media: Media | None, event: MediaEvent, stream_id: UUID) -> Media:
    """Fold one recorded fact into the state."""
    if isinstance(event, MediaUploaded):
        return Media(
            media_id=stream_id,
            owner_id=event.owner_id,
            kind=event.kind,
            content_type=event.content_type,
            storage_key=event.storage_key,
        )
    assert media is not None, f"stream {stream_id} of a file begins with MediaUploaded"
    return replace(media, deleted=True)
