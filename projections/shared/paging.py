"""Parts of long lists: by number of the page, or onwards from a cursor (requirements API-07, API-08)."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, LiteralString, TypeVar

import msgspec

from domain.shared.errors import InvalidInput, Problem
from projections.shared.reader import Reader

T = TypeVar("T")
C = TypeVar("C", bound=msgspec.Struct)

DEFAULT_LIMIT: Final = 20
MAX_LIMIT: Final = 100

MAX_OFFSET: Final = 10_000
"""Skipping rows costs as much as reading them; beyond so many, a cursor is the way."""

MAX_CURSOR_LENGTH: Final = 4_000
"""Characters; the longest sort value is a name."""


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One numbered page; `page` counts from 1, `total` is the length of the whole filtered list."""

    items: list[T]
    total: int
    page: int
    limit: int


class Slice(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """The next items of a list; `next_cursor` leads on, `None` at the end."""

    items: list[T]
    next_cursor: str | None
    has_more: bool


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which numbered page is wanted.

    Raises:
        InvalidInput: the limit is not 1 to `MAX_LIMIT`, the page is below 1, or it begins beyond `MAX_OFFSET`.
    """

    page: int = 1
    limit: int = DEFAULT_LIMIT

    def __post_init__(self) -> None:
        """Refuse what no list answers."""
        _check_limit(self.limit)
        if self.page < 1:
            raise _invalid("page", "Pages are counted from 1.", "range")
        if self.offset > MAX_OFFSET:
            message = f"Pages end after {MAX_OFFSET} entries; read on with a cursor, or narrow the filter."
            raise _invalid("page", message, "range")

    @property
    def offset(self) -> int:
        """How many rows come before the page."""
        return (self.page - 1) * self.limit

    def page_of(self, items: list[T], total: int) -> Page[T]:
        """The answer to this request."""
        return Page(items=items, total=total, page=self.page, limit=self.limit)


class SliceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """How many items are wanted, after which cursor; the first ones when there is none.

    Raises:
        InvalidInput: the limit is not 1 to `MAX_LIMIT`.
    """

    limit: int = DEFAULT_LIMIT
    cursor: str | None = None

    def __post_init__(self) -> None:
        """Refuse what no list answers."""
        _check_limit(self.limit)

    def after(self, shape: type[C]) -> C | None:
        """Where to go on, `None` at the beginning.

        Raises:
            InvalidInput: the cursor is none of this list's.
        """
        return None if self.cursor is None else decode_cursor(self.cursor, shape)

    def slice_of(self, items: Sequence[T], cursor_of: Callable[[T], msgspec.Struct]) -> Slice[T]:
        """The answer to this request, from up to `limit + 1` items: the one too many tells that there are more."""
        shown = list(items[: self.limit])
        has_more = len(items) > self.limit
        return Slice(
            items=shown,
            next_cursor=encode_cursor(cursor_of(shown[-1])) if has_more else None,
            has_more=has_more,
        )


def encode_cursor(place: msgspec.Struct) -> str:
    """A place in a list as an opaque word: the sort values of its last item and its id.

    Declare the struct with `array_like=True`, which keeps the word short; times in it with `msgspec.Meta(tz=True)`.
    """
    return urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def decode_cursor(cursor: str, shape: type[C]) -> C:
    """The place that a cursor names.

    Raises:
        InvalidInput: it is malformed, or belongs to a list with another order.
    """
    if len(cursor) <= MAX_CURSOR_LENGTH:
        try:
            raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
            place = msgspec.json.decode(raw, type=shape)
        except ValueError:  # Not ASCII, not base64, not JSON, or not of this shape: all are kinds of it.
            pass
        else:
            if not any(isinstance(value, str) and "\0" in value for value in msgspec.structs.astuple(place)):
                return place
    raise _invalid("cursor", "The cursor is none of this list's; begin again without one.", "cursor")


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_LIMIT:
        raise _invalid("limit", f"A page has 1 to {MAX_LIMIT} entries.", "range")


def _invalid(field: str, message: str, rule: str) -> InvalidInput:
    return InvalidInput(message, problems=[Problem(field, message, rule)])


class Filter:
    """Which rows of a list are wanted: conditions that all hold. SQL is fixed text, values are parameters."""

    def __init__(self) -> None:
        """Without conditions all rows are."""
        self._conditions: list[LiteralString] = []
        self.values: dict[str, Any] = {}

    def add(self, condition: LiteralString, **values: Any) -> "Filter":
        """One more condition; `%(name)s` in it stands for the value of that name."""
        self._conditions.append(condition)
        self.values.update(values)
        return self

    def where(self, *more: LiteralString) -> LiteralString:
        """The WHERE clause, empty without conditions."""
        conditions = [*self._conditions, *more]
        return "WHERE " + " AND ".join(conditions) if conditions else ""


class NewestFirst(Generic[T, C]):
    """A list in descending order of some columns that tell every row apart: a time, then ids.

    An index that begins with the columns of the filter and goes on with these, descending, answers it in order.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        columns: LiteralString,
        table: LiteralString,
        order: Sequence[LiteralString],
        place: type[C],
        place_of: Callable[[T], C],
        item_of: Callable[[dict[str, Any]], T],
    ) -> None:
        """`place` is the cursor's struct, with one field for each column of `order`; `table` may have an alias."""
        self._reader = reader
        self._table = table
        self._rows: LiteralString = f"SELECT {columns} FROM {table}"  # noqa: S608 - fixed text
        self._order: LiteralString = "ORDER BY " + ", ".join([f"{column} DESC" for column in order])
        marks = [f"%(after_{number})s" for number in range(len(order))]
        self._beyond: LiteralString = f"({', '.join(order)}) < ({', '.join(marks)})"
        self._place = place
        self._place_of = place_of
        self._item_of = item_of

    async def page(self, wanted: Filter, request: PageRequest) -> Page[T]:
        """One numbered page and the number of all rows that are wanted."""
        rows = await self._reader.all(
            f"{self._rows} {wanted.where()} {self._order} LIMIT %(limit)s OFFSET %(offset)s",
            {**wanted.values, "limit": request.limit, "offset": request.offset},
        )
        if len(rows) < request.limit and (rows or request.page == 1):
            total = request.offset + len(rows)
        else:
            total = await self.count(wanted)
        return request.page_of([self._item_of(row) for row in rows], total)

    async def slice(self, wanted: Filter, request: SliceRequest) -> Slice[T]:
        """The next items after the request's cursor.

        Raises:
            InvalidInput: the cursor is none of this list's.
        """
        after = request.after(self._place)
        values = {**wanted.values, "limit": request.limit + 1}
        where = wanted.where()
        if after is not None:
            where = wanted.where(self._beyond)
            for number, value in enumerate(msgspec.structs.astuple(after)):
                values[f"after_{number}"] = value
        rows = await self._reader.all(f"{self._rows} {where} {self._order} LIMIT %(limit)s", values)
        return request.slice_of([self._item_of(row) for row in rows], self._place_of)

    async def count(self, wanted: Filter) -> int:
        """How many rows are wanted."""
        row = await self._reader.one(
            f"SELECT count(*) AS total FROM {self._table} {wanted.where()}",  # noqa: S608 - fixed text
            wanted.values,
        )
        return int(row["total"]) if row is not None else 0
