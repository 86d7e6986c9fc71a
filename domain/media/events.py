"""Facts about media (requirements §46.2). The files themselves lie in the object store, never in the log."""

from enum import StrEnum
from typing import ClassVar, TypeAlias
from uuid import UUID

from domain.shared.events import DomainEvent
from domain.shared.personal import ERASED, PersonalText


class MediaKind(StrEnum):
    """What one sees of it."""

    IMAGE = "image"
    VIDEO = "video"


class MediaUploaded(DomainEvent, frozen=True, kw_only=True):
    """A file of `owner_id` lies in the object store under `storage_key` and is shown at `url`.

    Type, bytes, hash and measures (in pixels) are those of the file as it is kept, not as it was sent; `duration_ms` is a
    video's. The hash is personal: whoever has the picture of a person could find their account by it.
    """

    subject_field: ClassVar[str | None] = "owner_id"

    owner_id: UUID
    kind: MediaKind
    content_type: str
    size_bytes: int
    sha256: PersonalText = ERASED
    storage_key: str
    url: str
    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None


class MediaDeleted(DomainEvent, frozen=True, kw_only=True):
    """Nobody is shown the file any more; it is taken out of the object store. `by` is the account that had it so."""

    by: UUID


MediaEvent: TypeAlias = MediaUploaded | MediaDeleted
