"""Long lists in either form: by number of the page, or onwards from a cursor (requirements API-07, API-08)."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, TypeVar

import msgspec
from litestar.params import QueryParameter

from api.envelope import CursorPage, Page, cursor_page, page
from api.requests import (
    CURSOR_MAXIMUM,
    CURSOR_PATTERN,
    LIMIT_DEFAULT,
    PAGE_DESCRIPTION,
    PAGE_MAXIMUM,
    Limit,
)
from projections.shared import paging

T = TypeVar("T")
V = TypeVar("V")

FromDay = Annotated[date | None, QueryParameter(name="from", description="The first day, UTC.")]
ToDay = Annotated[date | None, QueryParameter(name="to", description="The last day, UTC; it is included.")]


class ListRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a list is asked for. With a cursor, also an empty one, the list is read on from there."""

    page: int
    limit: int
    cursor: str | None


def provide_list(
    page: Annotated[int, QueryParameter(ge=1, le=PAGE_MAXIMUM, description=PAGE_DESCRIPTION)] = 1,
    limit: Limit = LIMIT_DEFAULT,
    cursor: Annotated[
        str | None,
        QueryParameter(
            max_length=CURSOR_MAXIMUM,
            pattern=CURSOR_PATTERN,
            description="`meta.nextCursor` of the page before, empty for the first; takes the place of `page`.",
        ),
    ] = None,
) -> ListRequest:
    """The dependency `list_request`, from the query parameters `page`, `limit` and `cursor`."""
    return ListRequest(page=page, limit=limit, cursor=cursor)


async def answer_list(
    wanted: ListRequest,
    view: Callable[[T], V],
    *,
    by_page: Callable[[paging.PageRequest], Awaitable[paging.Page[T]]],
    by_cursor: Callable[[paging.SliceRequest], Awaitable[paging.Slice[T]]],
) -> Page[V] | CursorPage[V]:
    """Ask for the part that is wanted, in its form, and show it.

    Raises:
        InvalidInput: the cursor is none of this list's, or the page is too far down.
    """
    if wanted.cursor is not None:
        request = paging.SliceRequest(limit=wanted.limit, cursor=wanted.cursor or None)
        part = await by_cursor(request)
        return cursor_page(
            [view(item) for item in part.items], limit=wanted.limit, next_cursor=part.next_cursor
        )
    found = await by_page(paging.PageRequest(page=wanted.page, limit=wanted.limit))
    return page([view(item) for item in found.items], number=found.page, limit=found.limit, total=found.total)


def beginning_of(day: date | None) -> datetime | None:
    """Midnight, UTC, at which a day begins."""
    return None if day is None else datetime.combine(day, time.min, tzinfo=UTC)


def end_of(day: date | None) -> datetime | None:
    """Midnight, UTC, at which a day ends; the last day there is never ends."""
    if day is None or day == date.max:
        return None
    return beginning_of(day + timedelta(days=1))
