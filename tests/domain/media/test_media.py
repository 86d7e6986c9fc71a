"""One file: it is uploaded, and deleted once."""

from functools import partial
from uuid import UUID

from domain.media.events import MediaDeleted, MediaKind, MediaUploaded
from domain.media.media import Media, evolve
from tests.support.given import STREAM, given

OWNER = UUID("01890000-0000-7000-8000-00000000000a")
uploaded = MediaUploaded(
    owner_id=OWNER,
    kind=MediaKind.IMAGE,
    content_type="image/webp",
    size_bytes=7,
    sha256="ab",
    storage_key="avatars/1/2",
    url="https://shop.uz/2",
    width=1,
    height=1,
)
deleted = MediaDeleted(by=OWNER)
given_media = partial(given, evolve)


def test_a_file_is_where_it_was_put() -> None:
    media = given_media(uploaded).state
    assert (media.stream_id, media.owner_id, media.storage_key) == (STREAM, OWNER, "avatars/1/2")
    assert not media.deleted


def test_deleting_twice_is_deleting_once() -> None:
    given_media(uploaded).when(Media.delete, by=OWNER).then(deleted)
    given_media(uploaded, deleted).when(Media.delete, by=OWNER).then()


def test_what_is_deleted_still_says_where_it_lay() -> None:
    media = given_media(uploaded, deleted).state
    assert media.deleted
    assert media.storage_key == "avatars/1/2"


def test_what_tells_a_picture_from_others_is_not_remembered() -> None:
    assert given_media(uploaded).state.subject_id is None
    assert "sha256" not in Media.__struct_fields__
