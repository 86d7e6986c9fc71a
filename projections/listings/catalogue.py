"""Questions to the catalogue: lists, search, neighbours (requirements SRCH-01 to SRCH-07, CAT-03, LST-24).

Every statement is put together from fixed parts; whatever a visitor typed is a bound value in it.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Final, LiteralString
from uuid import UUID

import msgspec

from domain.listings.fields import ProductType
from domain.shared.errors import InvalidInput, Problem
from domain.shared.money import Money
from projections.listings.listing_detail import category_summary
from projections.listings.standing import (
    PUBLIC,
    CategorySummary,
    SellerSummary,
    Standing,
    Viewer,
    discount_percent,
    standing_of,
)
from projections.listings.vocabulary import Vocabulary
from projections.listings.words import query_words
from projections.shared.paging import PageRequest, SliceRequest, decode_cursor, encode_cursor
from projections.shared.reader import Reader

ENOUGH: Final = 100
"""When so many listings have all words of a search, those that have only some of them are left out."""

FACET_CATEGORIES_MAXIMUM: Final = 50
RELATED_DEFAULT: Final = 8
RELATED_MAXIMUM: Final = 24
REMEMBERED_STEMS_MAXIMUM: Final = 10_000


class SortField(StrEnum):
    """By what a list is sorted (requirement SRCH-02). `relevance` needs words to search for."""

    RELEVANCE = "relevance"
    CREATED_AT = "createdAt"
    PRICE = "price"
    AVERAGE_RATING = "averageRating"
    NAME = "name"
    VIEW_COUNT = "viewCount"


class Direction(StrEnum):
    """Upwards or downwards."""

    ASC = "asc"
    DESC = "desc"


class SearchOrder(StrEnum):
    """The orders of a search (requirement SRCH-06)."""

    RELEVANCE = "relevance"
    PRICE_LOW = "price_low"
    PRICE_HIGH = "price_high"
    RATING = "rating"
    NEWEST = "newest"


class Order(msgspec.Struct, frozen=True):
    """How a list is sorted. Relevance knows one direction, downwards."""

    field: SortField = SortField.CREATED_AT
    direction: Direction = Direction.DESC


NEWEST: Final = Order()
RELEVANCE: Final = Order(SortField.RELEVANCE)

SEARCH_ORDERS: Final[Mapping[SearchOrder, Order]] = {
    SearchOrder.RELEVANCE: RELEVANCE,
    SearchOrder.PRICE_LOW: Order(SortField.PRICE, Direction.ASC),
    SearchOrder.PRICE_HIGH: Order(SortField.PRICE, Direction.DESC),
    SearchOrder.RATING: Order(SortField.AVERAGE_RATING, Direction.DESC),
    SearchOrder.NEWEST: NEWEST,
}


class ListingFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which listings are wanted.

    `text` is what a visitor typed. `category` is an id or a slug. Prices are minor units of `currency`, both ends
    included. `status` other than active, or `None` for any, is honoured for those who manage the listings of
    `seller_id` (SRCH-03); all others see what is on the shelf. `in_stock` leaves out what is sold out.
    """

    text: str | None = None
    category: UUID | str | None = None
    min_price: int | None = None
    max_price: int | None = None
    currency: str | None = None
    seller_id: UUID | None = None
    status: Standing | None = Standing.ACTIVE
    in_stock: bool = False


class CatalogueItem(msgspec.Struct, frozen=True, kw_only=True):
    """A listing's card. `average_rating` is 0 while `review_count` is."""

    listing_id: UUID
    name: str
    slug: str
    short_description: str | None
    status: Standing
    price: Money
    compare_price: Money | None
    discount_percent: int
    available: int
    in_stock: bool
    product_type: ProductType
    tags: list[str]
    average_rating: Decimal
    review_count: int
    view_count: int
    created_at: datetime
    published_at: datetime | None
    seller: SellerSummary
    category: CategorySummary | None


class CategoryFacet(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the listings found are in a category; `category` of `None`: in none."""

    category: CategorySummary | None
    listings: int


class PriceFacet(msgspec.Struct, frozen=True, kw_only=True):
    """Lowest and highest price of what was found, in one currency."""

    lowest: Money
    highest: Money
    listings: int


class Facets(msgspec.Struct, frozen=True, kw_only=True):
    """How what was found spreads. Each facet disregards the filter on itself, so that it shows what else there is."""

    categories: list[CategoryFacet]
    prices: list[PriceFacet]


class CatalogueResult(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the catalogue.

    `total` (of the whole filtered set) and `page` are there when a numbered page was asked for. `query` repeats what was
    searched for; `corrected_query` is what was found instead, when words of it were misspelt.
    """

    items: list[CatalogueItem]
    limit: int
    has_more: bool
    next_cursor: str | None
    total: int | None = None
    page: int | None = None
    query: str | None = None
    corrected_query: str | None = None
    facets: Facets | None = None


# --- orders ------------------------------------------------------------------------------------------------

_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
_Rating = Annotated[int, msgspec.Meta(ge=0, le=999)]


class _NumberPlace(msgspec.Struct, frozen=True, array_like=True):
    order: str
    number: _Whole
    listing_id: UUID


class _NamePlace(msgspec.Struct, frozen=True, array_like=True):
    order: str
    name_key: str
    listing_id: UUID


class _TimePlace(msgspec.Struct, frozen=True, array_like=True):
    order: str
    created_at: _Time
    listing_id: UUID


class _RatingPlace(msgspec.Struct, frozen=True, array_like=True):
    """A rating in hundredths: a decimal from outside could be of any length."""

    order: str
    rating: _Rating
    created_at: _Time
    listing_id: UUID


class _RelevancePlace(msgspec.Struct, frozen=True, array_like=True):
    order: str
    any_word: bool
    score: _Whole
    rating: _Rating
    created_at: _Time
    listing_id: UUID


class _Sorting(msgspec.Struct, frozen=True):
    """One order in SQL. `columns` go on from `place`, and are all ascending or all descending."""

    place: type[msgspec.Struct]
    ascending: LiteralString
    descending: LiteralString
    onwards: tuple[LiteralString, LiteralString]
    """Behind a cursor: ascending, descending."""


_SORTINGS: Final[Mapping[SortField, _Sorting]] = {
    SortField.CREATED_AT: _Sorting(
        _TimePlace,
        "s.created_at, s.listing_id",
        "s.created_at DESC, s.listing_id DESC",
        (
            "(s.created_at, s.listing_id) > (%(at_created)s, %(at_id)s)",
            "(s.created_at, s.listing_id) < (%(at_created)s, %(at_id)s)",
        ),
    ),
    SortField.PRICE: _Sorting(
        _NumberPlace,
        "s.price_minor, s.listing_id",
        "s.price_minor DESC, s.listing_id DESC",
        (
            "(s.price_minor, s.listing_id) > (%(at_number)s, %(at_id)s)",
            "(s.price_minor, s.listing_id) < (%(at_number)s, %(at_id)s)",
        ),
    ),
    SortField.VIEW_COUNT: _Sorting(
        _NumberPlace,
        "s.view_count, s.listing_id",
        "s.view_count DESC, s.listing_id DESC",
        (
            "(s.view_count, s.listing_id) > (%(at_number)s, %(at_id)s)",
            "(s.view_count, s.listing_id) < (%(at_number)s, %(at_id)s)",
        ),
    ),
    SortField.NAME: _Sorting(
        _NamePlace,
        "s.name_key, s.listing_id",
        "s.name_key DESC, s.listing_id DESC",
        (
            "(s.name_key, s.listing_id) > (%(at_name)s, %(at_id)s)",
            "(s.name_key, s.listing_id) < (%(at_name)s, %(at_id)s)",
        ),
    ),
    SortField.AVERAGE_RATING: _Sorting(
        _RatingPlace,
        "s.average_rating, s.created_at, s.listing_id",
        "s.average_rating DESC, s.created_at DESC, s.listing_id DESC",
        (
            "(s.average_rating, s.created_at, s.listing_id) > (%(at_rating)s, %(at_created)s, %(at_id)s)",
            "(s.average_rating, s.created_at, s.listing_id) < (%(at_rating)s, %(at_created)s, %(at_id)s)",
        ),
    ),
}


class _Match(msgspec.Struct, frozen=True, kw_only=True):
    """Search words as the database's full-text queries: words that are only letters, digits and marks."""

    corrected: str | None
    words: list[str]
    all_words: str
    any_word: str
    values: dict[str, Any]


class Catalogue:
    """Questions to the catalogue."""

    def __init__(self, reader: Reader, *, vocabulary: Vocabulary | None = None) -> None:
        """Reads `catalogue_search` and its tables, `account_directory` and `category_list`."""
        self._reader = reader
        self._vocabulary = vocabulary or Vocabulary(reader)
        self._stems: OrderedDict[str, list[str]] = OrderedDict()

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

        Relevance: listings with all words come before those with some (which are left out when `ENOUGH` have all); then
        a name that is exactly these words, a name with all of them whole, a name with words that begin so, then the
        short description, then tags, category and description; ties by rating, then the newest (SRCH-06).

        Raises:
            InvalidInput: the cursor is none of this list's, a price is asked for without its currency, or the lowest is
                above the highest.
        """
        text = wanted.text.strip() if wanted.text is not None else ""
        filters = await self._filter(wanted, viewer)
        if not text:
            return await self._answer(wanted, request, order or NEWEST, filters, None, with_facets)
        words = query_words(text)
        if not words or filters is None:
            return await self._answer(wanted, request, order or RELEVANCE, None, None, with_facets)
        shown_only = _status(wanted, viewer) in {Standing.ACTIVE, Standing.OUT_OF_STOCK}
        match = await self._match(words, correct=shown_only)
        return await self._answer(wanted, request, order or RELEVANCE, filters, match, with_facets)

    async def related(self, listing_id: UUID, limit: int = RELATED_DEFAULT) -> list[CatalogueItem]:
        """Other listings on the shelf in the same category, best rated first, then the newest (LST-24).

        Raises:
            InvalidInput: the limit is not 1 to `RELATED_MAXIMUM`.
        """
        if not 1 <= limit <= RELATED_MAXIMUM:
            raise _invalid("limit", f"From 1 to {RELATED_MAXIMUM} related listings are shown.", "range")
        inner: LiteralString = """
            SELECT s.listing_id
            FROM catalogue_search AS s
            WHERE s.status = 'active'
                AND s.category_id = (
                    SELECT category_id FROM catalogue_search WHERE listing_id = %(listing_id)s
                )
                AND s.listing_id <> %(listing_id)s
            ORDER BY s.average_rating DESC, s.created_at DESC, s.listing_id DESC
            LIMIT %(limit)s
        """
        order: LiteralString = "s.average_rating DESC, s.created_at DESC, s.listing_id DESC"
        rows = await self._reader.all(_cards(inner, order), {"listing_id": listing_id, "limit": limit})
        return [_item(row) for row in rows]

    # --- filters -------------------------------------------------------------------------------------------

    async def _filter(self, wanted: ListingFilter, viewer: Viewer) -> "_Filters | None":
        """The filters but those on words; `None` when nothing can pass them."""
        _check_prices(wanted)
        filters = _Filters()
        _add_status(filters, _status(wanted, viewer))
        if wanted.seller_id is not None:
            filters.common.append("s.seller_id = %(seller_id)s")
            filters.values["seller_id"] = wanted.seller_id
        if wanted.in_stock:
            filters.common.append("s.available > 0")
        if wanted.currency is not None:
            if not (wanted.currency.isascii() and wanted.currency.isalpha()):
                return None
            filters.common.append("s.currency = %(currency)s")
            filters.values["currency"] = wanted.currency.lower()
        if wanted.min_price is not None:
            filters.price.append("s.price_minor >= %(min_price)s")
            filters.values["min_price"] = wanted.min_price
        if wanted.max_price is not None:
            filters.price.append("s.price_minor <= %(max_price)s")
            filters.values["max_price"] = wanted.max_price
        if wanted.category is not None:
            category_id = await self._category_id(wanted.category)
            if category_id is None:
                return None
            filters.category.append("s.category_id = %(category_id)s")
            filters.values["category_id"] = category_id
        return filters

    async def _category_id(self, reference: UUID | str) -> UUID | None:
        if isinstance(reference, UUID):
            return reference
        if not (reference.isascii() and reference.isprintable()):
            return None
        row = await self._reader.one(
            "SELECT category_id FROM category_list WHERE slug = %(slug)s ORDER BY category_id LIMIT 1",
            {"slug": reference},
        )
        return None if row is None else row["category_id"]

    # --- words ---------------------------------------------------------------------------------------------

    async def _match(self, words: list[str], *, correct: bool) -> _Match:
        stems = await self._look_up(words)
        corrected = words
        if correct:
            corrected = [await self._corrected(word, stems[word]) for word in words]
            if corrected != words:
                corrected = list(dict.fromkeys(corrected))
                stems = await self._look_up(corrected)
        # What English texts are full of ("the", "with") is searched for only when there is nothing else.
        telling = [word for word in corrected if stems[word]] or corrected
        terms = [_Term(word, stems[word]) for word in telling]
        values: dict[str, Any] = {
            "exact_name": " ".join(corrected),
            "all_in_name_whole": " & ".join(term.whole("A") for term in terms),
            "all_in_name": " & ".join(term.begun("A") for term in terms),
            "all_in_short": " & ".join(term.begun("AC") for term in terms),
            "all_in_lead": " & ".join(term.begun() for term in terms),
            "any_in_name": " | ".join(term.begun("A") for term in terms),
            "any_in_short": " | ".join(term.begun("AC") for term in terms),
            # Written as an array's text, which is read once; the driver's own arrays would be cast for every row.
            "each": "{" + ",".join(f'"{term.begun()}"' for term in terms) + "}",
        }
        return _Match(
            corrected=" ".join(corrected) if corrected != words else None,
            words=telling,
            all_words=" & ".join(term.begun() for term in terms),
            any_word=" | ".join(term.begun() for term in terms),
            values=values,
        )

    async def _look_up(self, words: list[str]) -> dict[str, list[str]]:
        """The English stems of words; none for words that English texts are full of."""
        missing = [word for word in words if word not in self._stems]
        if missing:
            rows = await self._reader.all(
                """
                SELECT w.word, ts_lexize('english_stem', w.word) AS stems
                FROM unnest(%(words)s::text[]) AS w (word)
                LIMIT 100
                """,
                {"words": missing},
            )
            for row in rows:
                stems = row["stems"]
                self._stems[row["word"]] = [row["word"]] if stems is None else list(stems)
        found: dict[str, list[str]] = {}
        for word in words:
            self._stems.move_to_end(word)
            found[word] = self._stems[word]
        while len(self._stems) > REMEMBERED_STEMS_MAXIMUM:
            self._stems.popitem(last=False)
        return found

    async def _corrected(self, word: str, stems: list[str]) -> str:
        """The word itself when the catalogue has it, or words that begin so; else the one that was probably meant."""
        if not stems or await self._is_known(word, stems):
            return word
        return await self._vocabulary.correct(word) or word

    async def _is_known(self, word: str, stems: list[str]) -> bool:
        row = await self._reader.one(
            """
            SELECT EXISTS (
                SELECT
                FROM catalogue_vocabulary
                WHERE word >= %(word)s AND word < %(word)s || chr(1114111)
            ) AS known
            """,
            {"word": word},
        )
        if row is not None and row["known"]:
            return True
        # Materialised, or the planner, hoping for an early hit, reads the whole catalogue for a word that is not there.
        row = await self._reader.one(
            """
            WITH found AS MATERIALIZED (
                SELECT t.listing_id
                FROM catalogue_text AS t
                WHERE t.document @@ %(match)s::tsquery
            )
            SELECT EXISTS (
                SELECT
                FROM found
                JOIN catalogue_search AS s ON s.listing_id = found.listing_id
                WHERE s.status = 'active'
            ) AS known
            """,
            {"match": _Term(word, stems).begun()},
        )
        return row is not None and bool(row["known"])

    # --- answers -------------------------------------------------------------------------------------------

    async def _answer(
        self,
        wanted: ListingFilter,
        request: PageRequest | SliceRequest,
        order: Order,
        filters: "_Filters | None",
        match: _Match | None,
        with_facets: bool,
    ) -> CatalogueResult:
        if order.field is SortField.RELEVANCE and match is None and filters is not None:
            order = NEWEST
        key = f"{order.field.value}:{order.direction.value}"
        place = _place(request, order, key)
        if filters is None:
            nothing = Facets(categories=[], prices=[]) if with_facets else None
            return _result(wanted, request, [], 0, None, match, nothing)
        any_word = False
        if match is not None:
            any_word = (
                place.any_word if isinstance(place, _RelevancePlace) else await self._too_few(filters, match)
            )
        query = _Query(filters, match, order, any_word=any_word)
        rows, total = await self._rows(query, request, place)
        limit = request.limit
        cursor = _cursor(rows[limit - 1], order, key, any_word=any_word) if len(rows) > limit else None
        facets = await self._facets(query) if with_facets else None
        return _result(wanted, request, rows[:limit], total, cursor, match, facets)

    async def _too_few(self, filters: "_Filters", match: _Match) -> bool:
        """Whether so few listings have all the words that those with some are shown, too."""
        if len(match.words) == 1:
            return False
        query = _Query(filters, match, NEWEST, any_word=False)
        row = await self._reader.one(query.count(), query.values)
        return row is None or row["total"] < ENOUGH

    async def _rows(
        self, query: "_Query", request: PageRequest | SliceRequest, place: msgspec.Struct | None
    ) -> tuple[list[dict[str, Any]], int | None]:
        """One row more than is asked for, and the total when a numbered page is."""
        if isinstance(request, SliceRequest):
            values = {**query.values, "limit": request.limit + 1, "offset": 0, **_place_values(place)}
            return await self._reader.all(query.cards(onwards=place is not None), values), None
        values = {**query.values, "limit": request.limit + 1, "offset": request.offset}
        rows = await self._reader.all(query.cards(counting=True), values)
        if len(rows) <= request.limit and (rows or request.page == 1):
            return rows, request.offset + len(rows)
        if rows and query.searches:
            return rows, int(rows[0]["total"])
        counted = await self._reader.one(query.count(), query.values)
        return rows, 0 if counted is None else int(counted["total"])

    async def _facets(self, query: "_Query") -> Facets:
        rows = await self._reader.all(query.facets(), query.values)
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


class _Filters:
    """Conditions that all hold: fixed text with places for values. Prices and categories apart, for the facets."""

    def __init__(self) -> None:
        self.common: list[LiteralString] = []
        self.price: list[LiteralString] = []
        self.category: list[LiteralString] = []
        self.values: dict[str, Any] = {}


class _Term(msgspec.Struct, frozen=True):
    """One word as part of a full-text query."""

    word: str
    stems: list[str]

    def begun(self, weights: LiteralString = "") -> str:
        """Words that begin so, or have the same stem; a single letter or digit stands for itself only."""
        prefix = "" if len(self.word) == 1 and self.word.isascii() else "*"
        return self._either(prefix + weights, weights)

    def whole(self, weights: LiteralString = "") -> str:
        """This word, or one with the same stem."""
        return self._either(weights, weights)

    def _either(self, of_word: str, of_stem: str) -> str:
        forms = {f"'{self.word}':{of_word}" if of_word else f"'{self.word}'": None}
        forms |= {f"'{stem}':{of_stem}" if of_stem else f"'{stem}'": None for stem in self.stems}
        return f"({' | '.join(forms)})"


_SCORE_ALL: Final[LiteralString] = """
    CASE
        WHEN t.name_words = %(exact_name)s THEN 6
        WHEN t.lead @@ %(all_in_name_whole)s::tsquery THEN 5
        WHEN t.lead @@ %(all_in_name)s::tsquery THEN 4
        WHEN t.lead @@ %(all_in_short)s::tsquery THEN 3
        WHEN t.lead @@ %(all_in_lead)s::tsquery THEN 2
        ELSE 1
    END
"""

_SCORE_ANY: Final[LiteralString] = f"""
    CASE
        WHEN t.document @@ %(all_words)s::tsquery THEN 1000 + {_SCORE_ALL}
        ELSE 10 * (
            SELECT count(*) FROM unnest(%(each)s::tsquery[]) AS e (word) WHERE t.document @@ e.word
        )
        + CASE
            WHEN t.lead @@ %(any_in_name)s::tsquery THEN 3
            WHEN t.lead @@ %(any_in_short)s::tsquery THEN 2
            ELSE 1
        END
    END
"""  # noqa: S608 - fixed text
"""Listings with more of the words come first; 16 words score far below 1000."""


class _Query:
    """The statements of one question."""

    def __init__(self, filters: _Filters, match: _Match | None, order: Order, *, any_word: bool) -> None:
        self._filters = filters
        self._order = order
        self._score: LiteralString = _SCORE_ANY if any_word else _SCORE_ALL
        self.searches = match is not None
        self._from: LiteralString = "FROM catalogue_search AS s"
        self._conditions = list(filters.common)
        self.values: dict[str, Any] = dict(filters.values)
        if match is not None:
            self._from = "FROM catalogue_text AS t JOIN catalogue_search AS s ON s.listing_id = t.listing_id"
            self._conditions.append("t.document @@ %(match)s::tsquery")
            self.values |= match.values
            self.values["all_words"] = match.all_words
            self.values["match"] = match.any_word if any_word else match.all_words

    def cards(self, *, onwards: bool = False, counting: bool = False) -> LiteralString:
        """A part of the list with all that its cards show.

        What a search finds is all looked at in any case, so `counting` it (in the column `total`) costs little; a list
        is read off an index and counted by itself.
        """
        counts = counting and self.searches
        total: LiteralString = ", count(*) OVER () AS total" if counts else ""
        shown: LiteralString = "found.total, " if counts else ""
        if self._order.field is SortField.RELEVANCE:
            further: LiteralString = (
                """
                WHERE (f.score, f.average_rating, f.created_at, f.listing_id)
                    < (%(at_score)s, %(at_rating)s, %(at_created)s, %(at_id)s)
                """
                if onwards
                else ""
            )
            inner: LiteralString = f"""
                SELECT f.listing_id, f.score{total}
                FROM (
                    SELECT s.listing_id, s.average_rating, s.created_at, {self._score} AS score
                    {self._from}
                    {self._where()}
                ) AS f
                {further}
                ORDER BY f.score DESC, f.average_rating DESC, f.created_at DESC, f.listing_id DESC
                LIMIT %(limit)s OFFSET %(offset)s
            """  # noqa: S608 - fixed text
            return _cards(
                inner,
                "found.score DESC, s.average_rating DESC, s.created_at DESC, s.listing_id DESC",
                more=f"found.score, {shown}",
            )
        sorting = _SORTINGS[self._order.field]
        ascending = self._order.direction is Direction.ASC
        order = sorting.ascending if ascending else sorting.descending
        more = (sorting.onwards[0 if ascending else 1],) if onwards else ()
        inner = f"""
            SELECT s.listing_id{total}
            {self._from}
            {self._where(*more)}
            ORDER BY {order}
            LIMIT %(limit)s OFFSET %(offset)s
        """
        return _cards(inner, order, more=shown)

    def count(self) -> LiteralString:
        """How many there are in all."""
        return f"SELECT count(*) AS total {self._from} {self._where()}"

    def facets(self) -> LiteralString:
        """Counts by category, and prices by currency, each without regard to the filter on itself."""
        price, category = _all_of(self._filters.price), _all_of(self._filters.category)
        return f"""
            SELECT f.category_id, c.name AS category_name, c.slug AS category_slug, f.currency, f.listings,
                f.lowest, f.highest
            FROM (
                SELECT s.category_id, s.currency,
                    CASE
                        WHEN grouping(s.currency) = 1 THEN count(*) FILTER (WHERE {price})
                        ELSE count(*) FILTER (WHERE {category})
                    END AS listings,
                    min(s.price_minor) FILTER (WHERE {category}) AS lowest,
                    max(s.price_minor) FILTER (WHERE {category}) AS highest
                {self._from}
                WHERE {_all_of(self._conditions)}
                GROUP BY GROUPING SETS ((s.category_id), (s.currency))
            ) AS f
            LEFT JOIN category_list AS c ON c.category_id = f.category_id
            WHERE f.listings > 0
            ORDER BY f.currency IS NULL, f.listings DESC, f.currency, f.category_id
            LIMIT 500
        """  # noqa: S608 - fixed text

    def _where(self, *more: LiteralString) -> LiteralString:
        filters = self._filters
        return "WHERE " + _all_of([*self._conditions, *filters.price, *filters.category, *more])


def _all_of(conditions: list[LiteralString]) -> LiteralString:
    return " AND ".join(conditions) if conditions else "true"


def _cards(inner: LiteralString, order: LiteralString, *, more: LiteralString = "") -> LiteralString:
    """What a card shows of the few listings that `inner` names; the names of others are joined to those only."""
    return f"""
        SELECT {more}s.listing_id, s.name, s.name_key, s.slug, s.status, s.price_minor, s.compare_price_minor,
            s.currency, s.available, s.product_type, s.average_rating, s.review_count, s.view_count, s.created_at,
            s.published_at, s.seller_id, s.category_id, t.short_description, t.tags,
            coalesce(a.business_name, a.name) AS seller_name, a.avatar_url AS seller_avatar_url,
            c.name AS category_name, c.slug AS category_slug
        FROM ({inner}) AS found
        JOIN catalogue_search AS s ON s.listing_id = found.listing_id
        JOIN catalogue_text AS t ON t.listing_id = found.listing_id
        LEFT JOIN account_directory AS a ON a.account_id = s.seller_id
        LEFT JOIN category_list AS c ON c.category_id = s.category_id
        ORDER BY {order}
    """  # noqa: S608 - fixed text


def _status(wanted: ListingFilter, viewer: Viewer) -> Standing | None:
    """The status that is listed: everybody may ask for what is on the shelf, sold out or not."""
    if wanted.status in {Standing.ACTIVE, Standing.OUT_OF_STOCK} or viewer.manages(wanted.seller_id):
        return wanted.status
    return Standing.ACTIVE


def _add_status(filters: _Filters, status: Standing | None) -> None:
    match status:
        case None:
            pass
        case Standing.OUT_OF_STOCK:
            filters.common.append("s.status = 'active' AND s.available <= 0")
        case Standing.ACTIVE:
            # Written out, so that the indexes of what is on the shelf are used.
            filters.common.append("s.status = 'active'")
        case _:
            filters.common.append("s.status = %(status)s")
            filters.values["status"] = status.value


def _check_prices(wanted: ListingFilter) -> None:
    low, high = wanted.min_price, wanted.max_price
    if (low is not None or high is not None) and wanted.currency is None:
        raise _invalid("currency", "A price is of a currency.", "required")
    if low is not None and high is not None and low > high:
        raise _invalid("minPrice", "The lowest price is above the highest.", "range")


def _place(request: PageRequest | SliceRequest, order: Order, key: str) -> msgspec.Struct | None:
    if not isinstance(request, SliceRequest) or request.cursor is None:
        return None
    shape = _RelevancePlace if order.field is SortField.RELEVANCE else _SORTINGS[order.field].place
    place = decode_cursor(request.cursor, shape)
    if getattr(place, "order") != key:  # noqa: B009 - each of the shapes has it
        raise _invalid("cursor", "The cursor is of another order; begin again without one.", "cursor")
    return place


def _place_values(place: msgspec.Struct | None) -> dict[str, Any]:
    match place:
        case None:
            return {}
        case _RelevancePlace():
            return {
                "at_score": place.score,
                "at_rating": Decimal(place.rating) / 100,
                "at_created": place.created_at,
                "at_id": place.listing_id,
            }
        case _RatingPlace():
            return {
                "at_rating": Decimal(place.rating) / 100,
                "at_created": place.created_at,
                "at_id": place.listing_id,
            }
        case _TimePlace():
            return {"at_created": place.created_at, "at_id": place.listing_id}
        case _NamePlace():
            return {"at_name": place.name_key, "at_id": place.listing_id}
        case _NumberPlace():
            return {"at_number": place.number, "at_id": place.listing_id}
        case _:
            raise TypeError(type(place))


def _cursor(row: dict[str, Any], order: Order, key: str, *, any_word: bool) -> str:
    """Where the list goes on after this row."""
    listing_id = row["listing_id"]
    rating = int(row["average_rating"] * 100)
    match order.field:
        case SortField.RELEVANCE:
            return encode_cursor(
                _RelevancePlace(key, any_word, row["score"], rating, row["created_at"], listing_id)
            )
        case SortField.AVERAGE_RATING:
            return encode_cursor(_RatingPlace(key, rating, row["created_at"], listing_id))
        case SortField.CREATED_AT:
            return encode_cursor(_TimePlace(key, row["created_at"], listing_id))
        case SortField.NAME:
            return encode_cursor(_NamePlace(key, row["name_key"], listing_id))
        case SortField.PRICE:
            return encode_cursor(_NumberPlace(key, row["price_minor"], listing_id))
        case SortField.VIEW_COUNT:
            return encode_cursor(_NumberPlace(key, row["view_count"], listing_id))


def _result(
    wanted: ListingFilter,
    request: PageRequest | SliceRequest,
    rows: list[dict[str, Any]],
    total: int | None,
    cursor: str | None,
    match: _Match | None,
    facets: Facets | None,
) -> CatalogueResult:
    numbered = isinstance(request, PageRequest)
    return CatalogueResult(
        items=[_item(row) for row in rows],
        limit=request.limit,
        has_more=cursor is not None,
        next_cursor=cursor,
        total=total if numbered else None,
        page=request.page if isinstance(request, PageRequest) else None,
        query=wanted.text,
        corrected_query=None if match is None else match.corrected,
        facets=facets,
    )


def _item(row: dict[str, Any]) -> CatalogueItem:
    currency, available = row["currency"], row["available"]
    compare = row["compare_price_minor"]
    standing = standing_of(row["status"], available)
    return CatalogueItem(
        listing_id=row["listing_id"],
        name=row["name"],
        slug=row["slug"],
        short_description=row["short_description"],
        status=standing,
        price=Money(row["price_minor"], currency),
        compare_price=None if compare is None else Money(compare, currency),
        discount_percent=discount_percent(row["price_minor"], compare),
        available=available,
        in_stock=available > 0,
        product_type=ProductType(row["product_type"]),
        tags=row["tags"],
        average_rating=row["average_rating"],
        review_count=row["review_count"],
        view_count=row["view_count"],
        created_at=row["created_at"],
        published_at=row["published_at"],
        seller=SellerSummary(
            account_id=row["seller_id"], name=row["seller_name"], avatar_url=row["seller_avatar_url"]
        ),
        category=category_summary(row),
    )


def _invalid(field: str, message: str, rule: str) -> InvalidInput:
    return InvalidInput(message, problems=[Problem(field, message, rule)])
