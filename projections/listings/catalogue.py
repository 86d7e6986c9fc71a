"""Questions to the catalogue: lists, search, neighbours (requirements SRCH-01 to SRCH-07, CAT-03, LST-24)."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.shared.money import Money
from projections.listings import catalogue_statements as statements
from projections.listings.catalogue_answers import (
    FACET_CATEGORIES_MAXIMUM,
    CatalogueItem,
    CatalogueResult,
    CategoryFacet,
    Facets,
    PriceFacet,
    item_of,
)
from projections.listings.catalogue_places import (
    Place,
    RelevancePlace,
    cursor_after,
    place_of,
    place_values,
)
from projections.listings.catalogue_questions import (
    NEWEST,
    RELEVANCE,
    ListingFilter,
    Order,
    SortField,
    invalid,
)
from projections.listings.catalogue_statements import Filters
from projections.listings.listing_detail import category_summary
from projections.listings.relevance import Relevance
from projections.listings.search_terms import SearchTerms, Sought
from projections.listings.standing import PUBLIC, Standing, Viewer
from projections.listings.vocabulary import Vocabulary
from projections.shared.paging import PageRequest, SliceRequest
from projections.shared.reader import Reader
from projections.shared.turns import Turns
from projections.shared.words import query_words

FINDING_AT_ONCE: Final = 4
"""So many lists and searches a process has the database make at the same time; its own work for them leaves time for no more."""

PATIENCE_SECONDS: Final = 5.0
"""How long one waits for its turn."""

RELATED_DEFAULT: Final = 8
RELATED_MAXIMUM: Final = 24

Rows = list[dict[str, Any]]


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    """Cards of a part of a list, in its order; `has_more` after them, `total` of the whole list if it was counted."""

    cards: Rows
    has_more: bool
    cursor: str | None
    total: int | None = None
    facets: Facets | None = None


class Catalogue:
    """Questions to the catalogue."""

    def __init__(self, reader: Reader, *, vocabulary: Vocabulary | None = None) -> None:
        """Reads `catalogue_search` and its tables, `account_directory` and `category_list`."""
        self._reader = reader
        self._terms = SearchTerms(reader, vocabulary or Vocabulary(reader))
        self._turns = Turns(FINDING_AT_ONCE, patience_seconds=PATIENCE_SECONDS)

    async def find(
        self,
        wanted: ListingFilter,
        request: PageRequest | SliceRequest,
        *,
        order: Order | None = None,
        viewer: Viewer = PUBLIC,
        with_facets: bool = False,
    ) -> CatalogueResult:
        """Listings as wanted, by number of the page or onwards from a cursor; each answer's cursor leads on from it.

        Without an order a search is sorted by relevance and a list by age, newest first. A search for nothing but signs
        finds nothing; one without text is a list.

        Relevance: listings with all words come before those with some, which only fill the list up to
        `relevance.ENOUGH`; then a name that is exactly these words, a name with all of them whole, a name with words that
        begin so, then the short description, then tags, category and description; ties by rating, then the newest
        (SRCH-06).

        Raises:
            InvalidInput: the cursor is none of this list's, a price is asked for without its currency, or the lowest is
                above the highest.
            TooManyAsk: too many others are before it.
        """
        text = wanted.text.strip() if wanted.text is not None else ""
        order = order or (RELEVANCE if text else NEWEST)
        if order.field is SortField.RELEVANCE and not text:
            order = NEWEST
        wanted.check_prices()
        place = place_of(request, order)
        async with self._turns.one():
            filters = await self._filters(wanted, viewer)
            words = query_words(text)
            sought = None
            if filters is None or (text and not words):
                part = _nothing(with_facets=with_facets)
            elif not text:
                part = await self._shelf(filters, request, order, place, with_facets=with_facets)
            else:
                sought = await self._terms.sought(words, correct=filters.shown)
                part = await self._search(filters, sought, request, order, place, with_facets=with_facets)
        numbered = isinstance(request, PageRequest)
        return CatalogueResult(
            items=[item_of(row) for row in part.cards],
            limit=request.limit,
            has_more=part.has_more,
            next_cursor=part.cursor,
            total=part.total if numbered else None,
            page=request.page if isinstance(request, PageRequest) else None,
            query=wanted.text,
            corrected_query=None if sought is None else sought.corrected,
            facets=part.facets,
        )

    async def related(self, listing_id: UUID, limit: int = RELATED_DEFAULT) -> list[CatalogueItem]:
        """Other listings on the shelf in the same category, best rated first, then the newest (LST-24).

        Raises:
            InvalidInput: the limit is not 1 to `RELATED_MAXIMUM`.
        """
        if not 1 <= limit <= RELATED_MAXIMUM:
            raise invalid("limit", f"From 1 to {RELATED_MAXIMUM} related listings are shown.", "range")
        rows = await self._reader.all(statements.related(), {"listing_id": listing_id, "limit": limit})
        return [item_of(row) for row in rows]

    # --- filters -------------------------------------------------------------------------------------------

    async def _filters(self, wanted: ListingFilter, viewer: Viewer) -> Filters | None:
        """The filters but those on words; `None` when nothing can pass them."""
        if wanted.currency is not None and not (wanted.currency.isascii() and wanted.currency.isalpha()):
            return None
        category_id = None
        if wanted.category is not None:
            category_id = await self._category_id(wanted.category)
            if category_id is None:
                return None
        return Filters(wanted, _status(wanted, viewer), category_id)

    async def _category_id(self, reference: UUID | str) -> UUID | None:
        if isinstance(reference, UUID):
            row = await self._reader.one(
                "SELECT category_id FROM catalogue_categories WHERE category_id = %(category_id)s LIMIT 1",
                {"category_id": reference},
            )
        elif reference.isascii() and reference.isprintable():
            row = await self._reader.one(
                "SELECT category_id FROM category_list WHERE slug = %(slug)s ORDER BY category_id LIMIT 1",
                {"slug": reference},
            )
        else:
            row = None
        return None if row is None else row["category_id"]

    # --- lists ---------------------------------------------------------------------------------------------

    async def _shelf(
        self,
        filters: Filters,
        request: PageRequest | SliceRequest,
        order: Order,
        place: Place | None,
        *,
        with_facets: bool,
    ) -> _Part:
        part = await self._list(filters, request, order, place)
        if not with_facets:
            return part
        wider = filters.without_those_of_facets()
        return msgspec.structs.replace(
            part, facets=await self._facets(filters, wider.facts(), filters.values)
        )

    async def _list(
        self, filters: Filters, request: PageRequest | SliceRequest, order: Order, place: Place | None
    ) -> _Part:
        rows = await self._reader.all(
            statements.sorted_facts(filters, order, onwards=place is not None),
            {**filters.values, **place_values(place), **_span(request)},
        )
        total = await self._total(request, rows, statements.count_facts(filters), filters.values)
        return _part(rows, request, order, total=total)

    async def _total(
        self, request: PageRequest | SliceRequest, rows: Rows, count: str, values: Mapping[str, Any]
    ) -> int | None:
        """The length of the whole list when a numbered page is asked for; counted only when the rows do not tell."""
        if isinstance(request, SliceRequest):
            return None
        if len(rows) <= request.limit and (rows or request.page == 1):
            return request.offset + len(rows)
        row = await self._reader.one(count, values)
        return 0 if row is None else int(row["total"])

    # --- search --------------------------------------------------------------------------------------------

    async def _search(
        self,
        filters: Filters,
        sought: Sought,
        request: PageRequest | SliceRequest,
        order: Order,
        place: Place | None,
        *,
        with_facets: bool,
    ) -> _Part:
        relevance = Relevance(self._reader, filters, sought)
        ids = None
        if order.field is SortField.RELEVANCE:
            assert place is None or isinstance(place, RelevancePlace), "places are of their order"
            part = await self._by_relevance(relevance, request, order, place)
        else:
            ids = await relevance.filled_up()
            if ids is None:
                part = await self._sorted_words(filters, sought, request, order, place)
            else:
                part = await self._sorted_ids(ids, request, order, place)
        if not with_facets:
            return part
        if order.field is SortField.RELEVANCE:
            ids = await relevance.filled_up(part.total)
        return msgspec.structs.replace(part, facets=await self._facets_of_search(filters, sought, ids))

    async def _by_relevance(
        self,
        relevance: Relevance,
        request: PageRequest | SliceRequest,
        order: Order,
        place: RelevancePlace | None,
    ) -> _Part:
        total = None
        if place is not None:
            rows = await relevance.onwards(place, request.limit + 1)
        else:
            offset = request.offset if isinstance(request, PageRequest) else 0
            found = await relevance.page(offset, request.limit + 1)
            rows, total = found.rows, found.total
        return _part(rows, request, order, total=total)

    async def _sorted_ids(
        self, ids: list[UUID], request: PageRequest | SliceRequest, order: Order, place: Place | None
    ) -> _Part:
        rows = await self._reader.all(
            statements.sorted_ids(order, onwards=place is not None),
            {"ids": ids, **place_values(place), **_span(request)},
        )
        return _part(rows, request, order, total=len(ids))

    async def _sorted_words(
        self,
        filters: Filters,
        sought: Sought,
        request: PageRequest | SliceRequest,
        order: Order,
        place: Place | None,
    ) -> _Part:
        values = {**filters.values, **sought.tiers(), **place_values(place), **_span(request)}
        wanted = values["offset"] + values["limit"]
        walk = sought.worthwhile_walk(3 * wanted)
        rows: Rows = []
        if walk:
            statement = statements.sorted_words(filters, order, onwards=place is not None, walking=True)
            rows = await self._reader.all(statement, {**values, "walk": walk})
        if len(rows) < values["limit"]:
            statement = statements.sorted_words(filters, order, onwards=place is not None, walking=False)
            rows = await self._reader.all(statement, values)
        counted = {**values, "to_be_counted": values["all_words"]}
        total = await self._total(request, rows, statements.count_words(filters), counted)
        return _part(rows, request, order, total=total)

    # --- facets --------------------------------------------------------------------------------------------

    async def _facets_of_search(self, filters: Filters, sought: Sought, ids: list[UUID] | None) -> Facets:
        """`ids` are those found when they were filled up with some that have not all words."""
        wider = filters.without_those_of_facets()
        values = {**filters.values, **sought.tiers()}
        if ids is None:
            return await self._facets(filters, statements.found_by_words(wider), values)
        if filters.of_facets:
            # What the filters hide is filled up, too.
            ids = ids + (await Relevance(self._reader, wider, sought).filled_up() or [])
        source = statements.found_by_words_or_ids(wider)
        return await self._facets(filters, source, {**values, "ids": ids})

    async def _facets(self, filters: Filters, source: str, values: Mapping[str, Any]) -> Facets:
        rows = await self._reader.all(statements.facets(filters, source), values)
        categories = [
            CategoryFacet(category=category_summary(row), listings=row["listings"])
            for row in rows
            if row["currency"] is None and (row["category_id"] is None or row["category_name"] is not None)
        ][:FACET_CATEGORIES_MAXIMUM]
        prices = [
            PriceFacet(
                lowest=Money(row["lowest"], row["currency"]),
                highest=Money(row["highest"], row["currency"]),
                listings=row["listings"],
            )
            for row in rows
            if row["currency"] is not None
        ]
        return Facets(categories=categories, prices=prices)


def _status(wanted: ListingFilter, viewer: Viewer) -> Standing | None:
    """The status that is listed: everybody may ask for what is on the shelf, sold out or not."""
    if wanted.status in {Standing.ACTIVE, Standing.OUT_OF_STOCK} or viewer.manages(wanted.seller_id):
        return wanted.status
    return Standing.ACTIVE


def _span(request: PageRequest | SliceRequest) -> dict[str, int]:
    """One row more than is asked for tells whether there are more."""
    offset = request.offset if isinstance(request, PageRequest) else 0
    return {"limit": request.limit + 1, "offset": offset}


def _part(rows: Rows, request: PageRequest | SliceRequest, order: Order, *, total: int | None) -> _Part:
    shown = rows[: request.limit]
    has_more = len(rows) > request.limit
    return _Part(
        cards=shown,
        has_more=has_more,
        cursor=cursor_after(shown[-1], order) if has_more else None,
        total=total,
    )


def _nothing(*, with_facets: bool) -> _Part:
    facets = Facets(categories=[], prices=[]) if with_facets else None
    return _Part(cards=[], has_more=False, cursor=None, total=0, facets=facets)
