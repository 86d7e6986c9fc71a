"""Which listings a search finds, best first (requirement SRCH-06).

Few matches are all scored. Where many have all words, scoring each would take long for the sake of the first page: then the
best listings of the catalogue are walked through until enough have been met, and the rest are only counted.
"""

from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec

from projections.listings import catalogue_statements as statements
from projections.listings.catalogue_places import RelevancePlace, place_values
from projections.listings.catalogue_statements import IN_LEAD, Filters
from projections.listings.search_terms import FEW, Sought, worthwhile_walk
from projections.shared.reader import Reader

ENOUGH: Final = 100
"""When so many listings have all words of a search, those that have only some of them are left out.

Else the best of these fill the list up to so many.
"""

CANDIDATES: Final = 300
"""So many listings with some of the words are scored, to find the best of them."""

Rows = list[dict[str, Any]]


class Ranked(msgspec.Struct, frozen=True):
    """A part of what was found: cards, best first, and how many there are in all."""

    rows: Rows
    total: int


class Relevance:
    """One search among the listings that pass the filters."""

    def __init__(self, reader: Reader, filters: Filters, sought: Sought) -> None:
        """Reads `catalogue_words`, and `catalogue_search` for filters."""
        self._reader = reader
        self._filters = filters
        self._sought = sought
        self._values: dict[str, Any] = {**filters.values, **sought.tiers()}

    async def page(self, offset: int, limit: int) -> Ranked:
        """The listings from `offset` on, and the number of all."""
        if self._filters.any:
            return await self._filled_up(await self._few(limit, offset=offset), offset, limit)
        if self._sought.has_several_words:
            found = await self._few(limit, offset=offset, upto=FEW)
            if found.total < FEW:
                return await self._filled_up(found, offset, limit)
        tier, walk = self._sought.worthwhile_walk_of_names(offset + limit)
        if walk:
            met = await self._walk(statements.named(self._filters, tier), limit, offset, walk, tier=tier)
            if len(met.rows) == limit:
                return met
        walk = self._sought.worthwhile_walk(offset + limit)
        if walk:
            met = await self._walk(statements.first(self._filters), limit, offset, walk)
            if len(met.rows) == limit:
                return met
        return await self._few(limit, offset=offset)

    async def onwards(self, place: RelevancePlace, limit: int) -> Rows:
        """The listings behind a place."""
        walk = self._sought.worthwhile_walk(limit)
        if walk and place.score in IN_LEAD and not self._filters.any:
            alike = await self._next_alike(place, limit, walk)
            if len(alike) == limit:
                return alike
        found = await self._few(limit, place=place)
        if not self._is_to_be_filled(found) or len(found.rows) == limit:
            return found.rows
        some = await self._some(ENOUGH - found.total, limit - len(found.rows), place=place)
        return found.rows + some.rows

    async def filled_up(self, total: int | None = None) -> list[UUID] | None:
        """All listings that are found, when so few have all words that they are filled up; else `None`.

        Their `total`, where it is known, spares a question.
        """
        if not self._sought.has_several_words or (total is not None and total > ENOUGH):
            return None
        found = await self._few(ENOUGH, upto=ENOUGH)
        if not self._is_to_be_filled(found):
            return None
        some = await self._some(ENOUGH - found.total, ENOUGH)
        return [row["listing_id"] for row in found.rows + some.rows]

    def _is_to_be_filled(self, found: Ranked) -> bool:
        return self._sought.has_several_words and found.total < ENOUGH

    async def _filled_up(self, found: Ranked, offset: int, limit: int) -> Ranked:
        if not self._is_to_be_filled(found):
            return found
        room = ENOUGH - found.total
        if offset + limit <= found.total:
            return Ranked(found.rows, found.total + await self._count_some(found.total, room))
        some = await self._some(room, limit - len(found.rows), offset=max(0, offset - found.total))
        return Ranked(found.rows + some.rows, found.total + some.total)

    async def _few(
        self, limit: int, *, offset: int = 0, place: RelevancePlace | None = None, upto: int | None = None
    ) -> Ranked:
        values = {**self._values, **place_values(place), "limit": limit, "offset": offset, "few": upto}
        rows = await self._reader.all(statements.few(self._filters, onwards=place is not None), values)
        return _ranked(rows)

    async def _walk(
        self, statement: LiteralString, limit: int, offset: int, walk: int, *, tier: int | None = None
    ) -> Ranked:
        known, query = self._sought.to_be_counted()
        values = {
            **self._values,
            "limit": limit,
            "offset": offset,
            "walk": walk,
            "tier": tier,
            "to_be_counted": query,
        }
        found = _ranked(await self._reader.all(statement, values))
        return Ranked(found.rows, known + found.total)

    async def _next_alike(self, place: RelevancePlace, limit: int, walk: int) -> Rows:
        values = {**self._values, **place_values(place), "limit": limit, "offset": 0, "walk": walk}
        return _found(await self._reader.all(statements.next_alike(self._filters, place.score), values))

    async def _some(
        self, room: int, limit: int, *, offset: int = 0, place: RelevancePlace | None = None
    ) -> Ranked:
        words = len(self._sought.terms)
        candidates = self._sought.candidates(CANDIDATES)
        common = candidates.common
        walk = (
            0 if common is None else worthwhile_walk(CANDIDATES, common.listings, self._sought.catalogue_size)
        )
        values = {
            **self._values,
            **candidates.queries(),
            **place_values(place),
            "candidates": CANDIDATES,
            "walk": walk,
            "room": room,
            "words": words,
            "limit": limit,
            "offset": offset,
        }
        statement = statements.some(self._filters, words=words, walking=walk > 0, onwards=place is not None)
        return _ranked(await self._reader.all(statement, values))

    async def _count_some(self, found: int, room: int) -> int:
        """How many `_some` finds, when so many were found with all words."""
        candidates = self._sought.candidates(CANDIDATES)
        if not self._filters.any and candidates.at_least - found >= room:
            return room
        values = {**self._values, **candidates.queries(), "room": room}
        row = await self._reader.one(statements.count_some(self._filters), values)
        return 0 if row is None else int(row["total"])


def _ranked(rows: Rows) -> Ranked:
    return Ranked(_found(rows), int(rows[0]["total"]))


def _found(rows: Rows) -> Rows:
    return [row for row in rows if row["listing_id"] is not None]
