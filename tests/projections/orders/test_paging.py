"""Parts of long lists."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.shared.errors import InvalidInput
from projections.shared.paging import PageRequest, SliceRequest, decode_cursor, encode_cursor


class Place(msgspec.Struct, frozen=True, array_like=True):
    """A place in some list."""

    name: str
    at: Annotated[datetime, msgspec.Meta(tz=True)]
    id: UUID


def problems(refusal: pytest.ExceptionInfo[InvalidInput]) -> list[tuple[str, str]]:
    """What was wrong."""
    return [(problem.field, problem.rule) for problem in refusal.value.problems]


@given(
    st.builds(
        Place,
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300),
        st.datetimes(timezones=st.just(UTC)),
        st.uuids(),
    )
)
def test_a_cursor_leads_back_to_its_place(place: Place) -> None:
    assert decode_cursor(encode_cursor(place), Place) == place


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: urlsafe_b64encode(raw).decode()))
def test_whatever_is_sent_as_a_cursor_is_refused_politely(cursor: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        decode_cursor(cursor, Place)
    assert problems(refusal) == [("cursor", "cursor")]


@pytest.mark.parametrize(
    "raw",
    [
        b'["a\\u0000b", "2026-05-01T12:00:00Z", "01890000-0000-7000-8000-000000000001"]',
        b'["a", "2026-05-01T12:00:00", "01890000-0000-7000-8000-000000000001"]',
        b'["\\ud800", "2026-05-01T12:00:00Z", "01890000-0000-7000-8000-000000000001"]',
        b'["a", "2026-05-01T12:00:00Z"]',
        b"[" * 2_000,
    ],
    ids=["NUL", "a time of nowhere", "half a character", "too short", "too deep"],
)
def test_a_cursor_that_the_database_could_not_read_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidInput):
        decode_cursor(urlsafe_b64encode(raw).decode(), Place)


def test_a_very_long_cursor_is_refused_unread() -> None:
    place = Place("a" * 4_000, datetime(2026, 5, 1, tzinfo=UTC), UUID(int=0))
    with pytest.raises(InvalidInput):
        decode_cursor(encode_cursor(place), Place)


@pytest.mark.parametrize("limit", [0, -1, 101])
def test_a_page_has_1_to_100_entries(limit: int) -> None:
    for request in (PageRequest, SliceRequest):
        with pytest.raises(InvalidInput) as refusal:
            request(limit=limit)
        assert problems(refusal) == [("limit", "range")]


def test_pages_end_after_ten_thousand_entries() -> None:
    assert PageRequest(page=101, limit=100).offset == 10_000
    for page, limit in ((102, 100), (0, 20), (10**30, 1)):
        with pytest.raises(InvalidInput) as refusal:
            PageRequest(page=page, limit=limit)
        assert problems(refusal) == [("page", "range")]
