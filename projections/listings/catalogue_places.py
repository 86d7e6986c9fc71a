"""Orders of the catalogue, and the places in them from which a list goes on."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final, LiteralString, TypeVar
from uuid import UUID

import msgspec

from projections.listings.catalogue_questions import Direction, Order, SortField, invalid
from projections.shared.paging import PageRequest, SliceRequest, decode_cursor, encode_cursor

_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Rating = Annotated[int, msgspec.Meta(ge=0, le=999)]
_P = TypeVar("_P", bound=msgspec.Struct)


class NumberPlace(msgspec.Struct, frozen=True, array_like=True):
    """A place in an order by price or views."""

    order: str
    number: _Whole
    listing_id: UUID


class NamePlace(msgspec.Struct, frozen=True, array_like=True):
    """A place in an order by name."""

    order: str
    name_key: str
    listing_id: UUID


class TimePlace(msgspec.Struct, frozen=True, array_like=True):
    """A place in an order by age."""

    order: str
    created_at: _Time
    listing_id: UUID


class RatingPlace(msgspec.Struct, frozen=True, array_like=True):
    """A place in an order by rating, which is in hundredths: a decimal from outside could be of any length."""

    order: str
    rating: _Rating
    created_at: _Time
    listing_id: UUID


class RelevancePlace(msgspec.Struct, frozen=True, array_like=True):
    """A place in an order by relevance."""

    order: str
    score: _Whole
    rating: _Rating
    created_at: _Time
    listing_id: UUID

    @property
    def key(self) -> tuple[int, Decimal, datetime, UUID]:
        """What it is compared by."""
        return self.score, Decimal(self.rating) / 100, self.created_at, self.listing_id


Place = NumberPlace | NamePlace | TimePlace | RatingPlace | RelevancePlace


class Sorting(msgspec.Struct, frozen=True):
    """One order in SQL, by columns of `catalogue_search AS s`: all ascending, or all descending."""

    ascending: LiteralString
    descending: LiteralString
    after: LiteralString
    """Behind a place, ascending."""

    before: LiteralString
    """Behind a place, descending."""


_SORTINGS: Final[Mapping[SortField, Sorting]] = {
    SortField.CREATED_AT: Sorting(
        "s.created_at, s.listing_id",
        "s.created_at DESC, s.listing_id DESC",
        "(s.created_at, s.listing_id) > (%(at_created)s, %(at_id)s)",
        "(s.created_at, s.listing_id) < (%(at_created)s, %(at_id)s)",
    ),
    SortField.PRICE: Sorting(
        "s.price_minor, s.listing_id",
        "s.price_minor DESC, s.listing_id DESC",
        "(s.price_minor, s.listing_id) > (%(at_number)s, %(at_id)s)",
        "(s.price_minor, s.listing_id) < (%(at_number)s, %(at_id)s)",
    ),
    SortField.VIEW_COUNT: Sorting(
        "s.view_count, s.listing_id",
        "s.view_count DESC, s.listing_id DESC",
        "(s.view_count, s.listing_id) > (%(at_number)s, %(at_id)s)",
        "(s.view_count, s.listing_id) < (%(at_number)s, %(at_id)s)",
    ),
    SortField.NAME: Sorting(
        "s.name_key, s.listing_id",
        "s.name_key DESC, s.listing_id DESC",
        "(s.name_key, s.listing_id) > (%(at_name)s, %(at_id)s)",
        "(s.name_key, s.listing_id) < (%(at_name)s, %(at_id)s)",
    ),
    SortField.AVERAGE_RATING: Sorting(
        "s.average_rating, s.created_at, s.listing_id",
        "s.average_rating DESC, s.created_at DESC, s.listing_id DESC",
        "(s.average_rating, s.created_at, s.listing_id) > (%(at_rating)s, %(at_created)s, %(at_id)s)",
        "(s.average_rating, s.created_at, s.listing_id) < (%(at_rating)s, %(at_created)s, %(at_id)s)",
    ),
}


def order_by(order: Order) -> LiteralString:
    """What follows ORDER BY; relevance is none of these."""
    sorting = _SORTINGS[order.field]
    return sorting.ascending if order.direction is Direction.ASC else sorting.descending


def behind(order: Order) -> LiteralString:
    """The condition that a listing comes behind a place, whose `place_values` go with it."""
    sorting = _SORTINGS[order.field]
    return sorting.after if order.direction is Direction.ASC else sorting.before


def place_of(request: PageRequest | SliceRequest, order: Order) -> Place | None:
    """The place behind which the list goes on, `None` at its beginning.

    Raises:
        InvalidInput: the cursor is none of this list's.
    """
    if not isinstance(request, SliceRequest) or request.cursor is None:
        return None
    match order.field:
        case SortField.RELEVANCE:
            return _decoded(request.cursor, RelevancePlace, order)
        case SortField.AVERAGE_RATING:
            return _decoded(request.cursor, RatingPlace, order)
        case SortField.CREATED_AT:
            return _decoded(request.cursor, TimePlace, order)
        case SortField.NAME:
            return _decoded(request.cursor, NamePlace, order)
        case SortField.PRICE | SortField.VIEW_COUNT:
            return _decoded(request.cursor, NumberPlace, order)


def _decoded(cursor: str, shape: type[_P], order: Order) -> _P:
    place = decode_cursor(cursor, shape)
    if getattr(place, "order") != _key(order):  # noqa: B009 - each of the shapes has it
        raise invalid("cursor", "The cursor is of another order; begin again without one.", "cursor")
    return place


def place_values(place: Place | None) -> dict[str, Any]:
    """A place as parameters of the condition that a listing comes behind it."""
    match place:
        case None:
            return {}
        case RelevancePlace():
            return {
                "at_score": place.score,
                "at_rating": Decimal(place.rating) / 100,
                "at_created": place.created_at,
                "at_id": place.listing_id,
            }
        case RatingPlace():
            return {
                "at_rating": Decimal(place.rating) / 100,
                "at_created": place.created_at,
                "at_id": place.listing_id,
            }
        case TimePlace():
            return {"at_created": place.created_at, "at_id": place.listing_id}
        case NamePlace():
            return {"at_name": place.name_key, "at_id": place.listing_id}
        case NumberPlace():
            return {"at_number": place.number, "at_id": place.listing_id}


def cursor_after(row: Mapping[str, Any], order: Order) -> str:
    """Where the list goes on behind this row, which has the columns that it is sorted by."""
    key, listing_id = _key(order), row["listing_id"]
    place: Place
    match order.field:
        case SortField.RELEVANCE:
            place = RelevancePlace(key, row["score"], _hundredths(row), row["created_at"], listing_id)
        case SortField.AVERAGE_RATING:
            place = RatingPlace(key, _hundredths(row), row["created_at"], listing_id)
        case SortField.CREATED_AT:
            place = TimePlace(key, row["created_at"], listing_id)
        case SortField.NAME:
            place = NamePlace(key, row["name_key"], listing_id)
        case SortField.PRICE:
            place = NumberPlace(key, row["price_minor"], listing_id)
        case SortField.VIEW_COUNT:
            place = NumberPlace(key, row["view_count"], listing_id)
    return encode_cursor(place)


def _hundredths(row: Mapping[str, Any]) -> int:
    return int(row["average_rating"] * 100)


def _key(order: Order) -> str:
    return f"{order.field.value}:{order.direction.value}"
