"""The shape of every answer (requirements API-03): success with data, failure with a coded error.

Names are camelCase on the wire. Times are texts, made by `timestamp`, so that they always have milliseconds and `Z`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from infrastructure.logging import rfc3339

T = TypeVar("T")

TIMESTAMP_DESCRIPTION: Final = "RFC 3339, UTC, with milliseconds"

Timestamp = Annotated[
    str, msgspec.Meta(description=TIMESTAMP_DESCRIPTION, examples=["2026-05-01T12:00:00.000Z"])
]


def timestamp(moment: datetime) -> Timestamp:
    """An aware time as it is shown: `2026-05-01T12:00:00.123Z`."""
    return rfc3339(moment)


class RequestBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """What a caller sends; fields that are not expected are refused (requirements SEC-14)."""

    json_schema: ClassVar[Mapping[str, Any]] = {}
    """What else a JSON Schema can say: of the fields together, or more exactly than the edge looks at one."""


class ResponseBody(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a caller gets."""


class Meta(ResponseBody, frozen=True, kw_only=True, omit_defaults=True):
    """Where a command left the log and the thing that it changed; see `X-Min-Position` and `If-Match`."""

    position: int | UnsetType = UNSET
    version: int | UnsetType = UNSET


class Envelope(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A successful answer."""

    success: Literal[True] = True
    data: T
    message: str | UnsetType = UNSET
    meta: Meta | UnsetType = UNSET


class PageMeta(ResponseBody, frozen=True, kw_only=True):
    """Which page of a list this is; `page` counts from 1."""

    page: int
    limit: int
    total: int
    total_pages: int


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One numbered page of a list (requirements API-07)."""

    success: Literal[True] = True
    data: list[T]
    meta: PageMeta


class CursorMeta(ResponseBody, frozen=True, kw_only=True):
    """How to go on: `nextCursor` is sent back as `cursor`; it is null at the end."""

    limit: int
    next_cursor: str | None
    has_more: bool


class CursorPage(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list that is read on from a cursor (requirements API-08)."""

    success: Literal[True] = True
    data: list[T]
    meta: CursorMeta


class ErrorBody(ResponseBody, frozen=True, kw_only=True):
    """What went wrong: `code` for programs, `message` for people, `requestId` for those who help."""

    code: str
    message: str
    details: Any | UnsetType = UNSET
    request_id: str


class FailureBody(ResponseBody, frozen=True, kw_only=True):
    """An answer that is not the one asked for."""

    success: Literal[False] = False
    error: ErrorBody


def envelope(data: T, *, message: str | None = None, meta: Meta | None = None) -> Envelope[T]:
    """Wrap the answer to a question."""
    return Envelope(
        data=data,
        message=UNSET if message is None else message,
        meta=UNSET if meta is None else meta,
    )


def page(data: Sequence[T], *, number: int, limit: int, total: int) -> Page[T]:
    """Wrap one numbered page; `total` counts the whole list."""
    meta = PageMeta(page=number, limit=limit, total=total, total_pages=-(-total // limit))
    return Page(data=list(data), meta=meta)


def cursor_page(data: Sequence[T], *, limit: int, next_cursor: str | None) -> CursorPage[T]:
    """Wrap one page that is read on from `next_cursor`, `None` at the end."""
    meta = CursorMeta(limit=limit, next_cursor=next_cursor, has_more=next_cursor is not None)
    return CursorPage(data=list(data), meta=meta)
