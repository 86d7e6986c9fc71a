"""The statements of the catalogue's questions, put together from fixed parts.

Whatever a visitor typed is a bound value in them.
"""

from collections.abc import Mapping
from typing import Any, Final, LiteralString
from uuid import UUID

from projections.listings.catalogue_places import behind, order_by
from projections.listings.catalogue_questions import ListingFilter, Order
from projections.listings.lexemes import filed_under
from projections.listings.standing import Standing
from projections.shared.words import QUERY_WORDS_MAXIMUM

IN_LEAD: Final[Mapping[int, LiteralString]] = {
    1006: "all_exact",
    1005: "all_whole",
    1004: "all_in_name",
    1003: "all_in_short",
    1002: "all_in_lead",
}
"""Scores of listings with all words, not in the description only, and the queries of `Sought` that lead to them.

Who has one has the next ones, too.
"""

_WORDS: Final[LiteralString] = "(w.lead || w.described)"
"""All words of a listing, as they are indexed."""


def _has(query: LiteralString) -> LiteralString:
    """The condition on `w` that a query of `Sought` matches, to be answered by the index.

    Written as a query of its own, for the planner is not to see the words: it would rather read a small catalogue whole
    than ask the index for dozens of words, not knowing that long texts take long to read.
    """
    return f"{_WORDS} @@ (SELECT %({query})s::tsquery)"


_ALL_WORDS: Final = _has("all_words")


def _number(name: LiteralString) -> LiteralString:
    """A whole number that the planner does not see: it would make a new plan for each, and gain less by it than it takes."""
    return f"(SELECT %({name})s::bigint)"


_SCORE: Final[LiteralString] = """
    CASE
        WHEN w.lead @@ %(all_exact)s::tsquery THEN 1006
        WHEN w.lead @@ %(all_whole)s::tsquery THEN 1005
        WHEN w.lead @@ %(all_in_name)s::tsquery THEN 1004
        WHEN w.lead @@ %(all_in_short)s::tsquery THEN 1003
        WHEN w.lead @@ %(all_in_lead)s::tsquery THEN 1002
        ELSE 1001
    END
"""

_EACH_WORD: Final[tuple[LiteralString, ...]] = (
    "word_0",
    "word_1",
    "word_2",
    "word_3",
    "word_4",
    "word_5",
    "word_6",
    "word_7",
    "word_8",
    "word_9",
    "word_10",
    "word_11",
    "word_12",
    "word_13",
    "word_14",
    "word_15",
)
assert len(_EACH_WORD) == QUERY_WORDS_MAXIMUM

_BEST: Final[LiteralString] = "w.average_rating DESC, w.created_at DESC, w.listing_id DESC"
_JOINED: Final[LiteralString] = "JOIN catalogue_search AS s ON s.listing_id = w.listing_id"
_LOOKED_UP: Final[LiteralString] = """
    CROSS JOIN LATERAL (
        SELECT * FROM catalogue_search AS f WHERE f.listing_id = w.listing_id OFFSET 0
    ) AS s
"""
_WALK: Final[LiteralString] = f"""
    (SELECT * FROM catalogue_words AS w WHERE w.shown ORDER BY {_BEST} LIMIT {_number("walk")}) AS w
"""  # noqa: S608 - fixed text
_WALK_ON: Final[LiteralString] = f"""
    (
        SELECT *
        FROM catalogue_words AS w
        WHERE w.shown
            AND (w.average_rating, w.created_at, w.listing_id) < (%(at_rating)s, %(at_created)s, %(at_id)s)
        ORDER BY {_BEST}
        LIMIT {_number("walk")}
    ) AS w
"""  # noqa: S608 - fixed text
_BETTER: Final[LiteralString] = """
    SELECT CASE score
        WHEN 1005 THEN %(all_exact)s::tsquery
        WHEN 1004 THEN %(all_whole)s::tsquery
        WHEN 1003 THEN %(all_in_name)s::tsquery
        WHEN 1002 THEN %(all_in_short)s::tsquery
    END
    FROM last
"""
_BEHIND_PLACE: Final[LiteralString] = """
    WHERE (score, average_rating, created_at, listing_id) < (%(at_score)s, %(at_rating)s, %(at_created)s, %(at_id)s)
"""
_BEST_FOUND: Final[LiteralString] = (
    "found.score DESC, found.average_rating DESC, found.created_at DESC, found.listing_id DESC"
)
_CARD: Final[LiteralString] = """
    s.listing_id, s.name, s.name_key, s.slug, s.status, s.price_minor, s.compare_price_minor, s.currency, s.available,
    s.product_type, s.average_rating, s.review_count, s.view_count, s.created_at, s.published_at, s.seller_id,
    s.category_id, t.short_description, t.tags, coalesce(a.business_name, a.name) AS seller_name,
    a.avatar_url AS seller_avatar_url, c.name AS category_name, c.slug AS category_slug
"""
_NAMES_OF_CARD: Final[LiteralString] = """
    LEFT JOIN account_directory AS a ON a.account_id = s.seller_id
    LEFT JOIN category_list AS c ON c.category_id = s.category_id
"""


class Filters:
    """Which listings are wanted, whatever their words: conditions that all hold."""

    def __init__(self, wanted: ListingFilter, status: Standing | None, category_id: UUID | None) -> None:
        """`status` is what the viewer may see of the one that is wanted."""
        self.values: dict[str, Any] = {}
        self.shown = status in {Standing.ACTIVE, Standing.OUT_OF_STOCK}
        """Whether only what is on the shelf is wanted; written out, so that the indexes of that are used."""

        self.of_seller = wanted.seller_id is not None
        """Whether one seller's are wanted, which can be few."""

        self._facts: list[LiteralString] = []
        self._price: list[LiteralString] = []
        self._category: list[LiteralString] = []
        self._add_status(status)
        if wanted.seller_id is not None:
            self._facts.append("s.seller_id = %(seller_id)s")
            self.values["seller_id"] = wanted.seller_id
        if wanted.in_stock:
            self._facts.append("s.available > 0")
        if wanted.currency is not None:
            self._facts.append("s.currency = %(currency)s")
            self.values["currency"] = wanted.currency.lower()
        if wanted.min_price is not None:
            self._price.append("s.price_minor >= %(min_price)s")
            self.values["min_price"] = wanted.min_price
        if wanted.max_price is not None:
            self._price.append("s.price_minor <= %(max_price)s")
            self.values["max_price"] = wanted.max_price
        if category_id is not None:
            self._category.append("s.category_id = %(category_id)s")
            self.values["category_id"] = category_id
            self.values["filed_under"] = f"'{filed_under(category_id)}'"

    def _add_status(self, status: Standing | None) -> None:
        match status:
            case None | Standing.ACTIVE:
                pass
            case Standing.OUT_OF_STOCK:
                self._facts.append("s.available <= 0")
            case _:
                self._facts.append("s.status = %(status)s")
                self.values["status"] = status.value

    @property
    def any(self) -> bool:
        """Whether there are more than that it is on the shelf."""
        return not self.shown or bool(self._facts or self._price or self._category)

    @property
    def of_facets(self) -> bool:
        """Whether a facet disregards one of them."""
        return bool(self._price or self._category)

    def without_those_of_facets(self) -> "Filters":
        """All but price and category."""
        wider = Filters(ListingFilter(), Standing.ACTIVE if self.shown else None, None)
        wider._facts = self._facts
        wider.values = self.values
        return wider

    @property
    def price(self) -> LiteralString:
        """The condition on the price of `s`."""
        return all_of(self._price)

    @property
    def category(self) -> LiteralString:
        """The condition on the category of `s`."""
        return all_of(self._category)

    def facts(self, *more: LiteralString) -> LiteralString:
        """FROM and WHERE of those wanted, as `s`."""
        conditions = [*self._on_the_shelf("s.status = 'active'"), *self._facts, *self._price, *self._category]
        return f"FROM catalogue_search AS s WHERE {all_of([*conditions, *more])}"

    def words(self, *more: LiteralString, source: LiteralString = "catalogue_words AS w") -> LiteralString:
        """FROM and WHERE of those wanted, as `w`; their facts are looked at only where a condition is on them."""
        conditions = self._on_the_shelf("w.shown")
        if self._category:
            conditions.append(_has("filed_under"))
        joined: LiteralString = ""
        if not self.shown or self._facts or self._price:
            joined = self._joined()
            conditions += [*self._on_the_shelf("s.status = 'active'"), *self._facts, *self._price]
        return f"FROM {source} {joined} WHERE {all_of([*conditions, *more])}"

    def words_with_facts(self, *more: LiteralString) -> LiteralString:
        """FROM and WHERE of those wanted, as `w` and `s`."""
        conditions = [*self._on_the_shelf("w.shown"), *self._on_the_shelf("s.status = 'active'")]
        conditions += [*self._facts, *self._price]
        if self._category:
            conditions.append(_has("filed_under"))
        return f"FROM catalogue_words AS w {self._joined()} WHERE {all_of([*conditions, *more])}"

    def _joined(self) -> LiteralString:
        # Looked up for each listing that has the words, however many these are thought to be: else the planner reads
        # the facts of the whole catalogue, which takes longer than to look up a tenth of them.
        return _JOINED if self.of_seller or not self.shown else _LOOKED_UP

    def _on_the_shelf(self, condition: LiteralString) -> list[LiteralString]:
        return [condition] if self.shown else []


# --- words, by relevance -----------------------------------------------------------------------------------


def few(filters: Filters, *, onwards: bool) -> LiteralString:
    """A part of those with all words, and in `total` how many there are, up to `%(few)s`: each of them is scored."""
    return f"""
        WITH few AS MATERIALIZED (
            SELECT w.listing_id, w.average_rating, w.created_at, {_SCORE} AS score
            {filters.words(_ALL_WORDS)}
            LIMIT {_number("few")}
        )
        {_part("SELECT count(*) AS total FROM few", f"SELECT * FROM few {_BEHIND_PLACE if onwards else ''}")}
    """  # noqa: S608 - fixed text


def named(filters: Filters, tier: int) -> LiteralString:
    """A part of those with all words, where many have them in their names, and in `total` how many are `to_be_counted`.

    The best rated and newest `%(walk)s` listings of the catalogue are walked through until so many of a `tier`, a score of
    `IN_LEAD`, are met that the part is full; the better ones, wherever they are, are found by their words. When too few are
    met, the part is not full, and `first` or `few` must be asked.
    """
    of_tier: LiteralString = "w.lead @@ %(" + IN_LEAD[tier] + ")s::tsquery"
    of_better: LiteralString = "w.lead @@ %(" + IN_LEAD[tier + 1] + ")s::tsquery"
    return f"""
        WITH better AS MATERIALIZED (
            SELECT w.listing_id, {_SCORE} AS score, w.average_rating, w.created_at
            {filters.words(_has(IN_LEAD[tier + 1]))}
        ),
        met AS MATERIALIZED (
            SELECT w.listing_id, %(tier)s::int AS score, w.average_rating, w.created_at
            {filters.words(of_tier, f"NOT {of_better}", source=_WALK)}
            ORDER BY {_BEST}
            LIMIT {_number("limit")} + {_number("offset")}
        )
        {
        _part(
            f"SELECT count(*) AS total {filters.words(_has('to_be_counted'))}",
            "SELECT * FROM (SELECT * FROM better UNION ALL SELECT * FROM met) AS either",
        )
    }
    """  # noqa: S608 - fixed text


def first(filters: Filters) -> LiteralString:
    """A part of those with all words, where many have them, and in `total` how many are `to_be_counted`.

    The best rated and newest `%(walk)s` listings of the catalogue are walked through. Of those that have the words (not
    in the description only), the one that would be the last of the part tells by its score which matches are worse than
    all of it. All better ones are then found by their words, for they can be anywhere; and those of this very score have
    been met in their order. When too few are met, nothing is found, and `few` must be asked.
    """
    return f"""
        WITH met AS MATERIALIZED (
            SELECT w.listing_id, {_SCORE} AS score, w.average_rating, w.created_at
            {filters.words("w.lead @@ %(all_in_lead)s::tsquery", source=_WALK)}
            ORDER BY {_BEST}
            LIMIT {_number("limit")} + {_number("offset")} + 200
        ),
        last AS MATERIALIZED (
            SELECT score FROM met ORDER BY score DESC LIMIT 1 OFFSET {_number("limit")} + {
        _number("offset")
    } - 1
        ),
        better AS MATERIALIZED (
            SELECT w.listing_id, {_SCORE} AS score, w.average_rating, w.created_at
            {filters.words(f"{_WORDS} @@ ({_BETTER})")}
        )
        {
        _part(
            f"SELECT count(*) AS total {filters.words(_has('to_be_counted'))}",
            '''
            SELECT *
            FROM (
                SELECT * FROM better
                UNION ALL
                SELECT * FROM met WHERE score = (SELECT score FROM last)
            ) AS either
            ''',
        )
    }
    """  # noqa: S608 - fixed text


def next_alike(filters: Filters, score: int) -> LiteralString:
    """The next `%(limit)s` of a score of `IN_LEAD` behind a place, of the `%(walk)s` that are walked through from there."""
    conditions: list[LiteralString] = ["w.lead @@ %(" + IN_LEAD[score] + ")s::tsquery"]
    if score + 1 in IN_LEAD:
        conditions.append("NOT w.lead @@ %(" + IN_LEAD[score + 1] + ")s::tsquery")
    return _part(
        "SELECT NULL::bigint AS total",
        f"""
        SELECT w.listing_id, %(at_score)s AS score, w.average_rating, w.created_at
        {filters.words(*conditions, source=_WALK_ON)}
        """,
    )


def some(filters: Filters, *, words: int, walking: bool, onwards: bool) -> LiteralString:
    """A part of the best `%(room)s` of those with some of the words, where few have all, and in `total` how many these are:
    looked for among all with rare words, the best rated and newest `%(candidates)s` with a common one (of more than two
    words first those that have another one, too), and as many that have a word in the description only.

    When `walking`, those with the common word are met among the best `%(walk)s` of the catalogue. More of the `words` come
    first, then where they are.
    """
    of_nearly: list[LiteralString] = []
    nearly: LiteralString = "SELECT * FROM rare WHERE false"
    if words > 2 and not walking:
        nearly = _candidates(filters, _has("some_common_of_two"), "NOT w.lead @@ %(some_rare)s::tsquery")
        of_nearly = [
            "(SELECT count(*) FROM nearly) < %(candidates)s",
            "w.listing_id NOT IN (SELECT listing_id FROM nearly)",
        ]
    how_many: LiteralString = " + ".join(
        ["(c.words @@ %(" + name + ")s::tsquery)::int" for name in _EACH_WORD[:words]]
    )
    common: LiteralString = "w.lead @@ %(some_common)s::tsquery"
    return f"""
        WITH rare AS (
            SELECT w.listing_id, w.average_rating, w.created_at, w.lead, w.described
            {filters.words(_has("some_rare"))}
        ),
        nearly AS MATERIALIZED ({nearly}),
        common AS MATERIALIZED (
            {
        _candidates(
            filters,
            common if walking else _has("some_common"),
            "NOT w.lead @@ %(some_rare)s::tsquery",
            *of_nearly,
            source=_WALK if walking else "catalogue_words AS w",
        )
    }
        ),
        rest AS (
            {
        _candidates(
            filters,
            _has("some_in_description"),
            "NOT w.lead @@ %(some_in_lead)s::tsquery",
            "(SELECT count(*) FROM nearly) + (SELECT count(*) FROM common) < %(candidates)s",
        )
    }
        ),
        best AS MATERIALIZED (
            SELECT b.listing_id, b.average_rating, b.created_at,
                10 * b.how_many
                + CASE
                    WHEN b.lead @@ %(any_in_name)s::tsquery THEN 3
                    WHEN b.lead @@ %(any_in_short)s::tsquery THEN 2
                    ELSE 1
                END AS score
            FROM (
                SELECT c.listing_id, c.average_rating, c.created_at, c.lead, {how_many} AS how_many
                FROM (
                    SELECT u.listing_id, u.average_rating, u.created_at, u.lead, u.lead || u.described AS words
                    FROM (
                        SELECT * FROM rare
                        UNION ALL
                        SELECT * FROM nearly
                        UNION ALL
                        SELECT * FROM common
                        UNION ALL
                        SELECT * FROM rest
                    ) AS u
                    OFFSET 0
                ) AS c
                OFFSET 0
            ) AS b
            WHERE b.how_many < %(words)s
            ORDER BY score DESC, average_rating DESC, created_at DESC, listing_id DESC
            LIMIT {_number("room")}
        )
        {
        _part("SELECT count(*) AS total FROM best", f"SELECT * FROM best {_BEHIND_PLACE if onwards else ''}")
    }
    """  # noqa: S608 - fixed text


def _part(counted: LiteralString, found: LiteralString) -> LiteralString:
    """Cards of `%(limit)s` of the listings `found`, best first, from `%(offset)s` on, and the total that is `counted`.

    One row without a listing tells of a part that is empty. Each card is looked up, however many are expected.
    """
    return f"""
        SELECT counted.total, found.score, card.*
        FROM ({counted}) AS counted
        LEFT JOIN (
            {found}
            ORDER BY score DESC, average_rating DESC, created_at DESC, listing_id DESC
            LIMIT {_number("limit")} OFFSET {_number("offset")}
        ) AS found ON true
        LEFT JOIN LATERAL (
            SELECT {_CARD}
            FROM catalogue_search AS s
            JOIN catalogue_text AS t ON t.listing_id = s.listing_id
            {_NAMES_OF_CARD}
            WHERE s.listing_id = found.listing_id
            OFFSET 0
        ) AS card ON true
        ORDER BY {_BEST_FOUND}
    """  # noqa: S608 - fixed text


def _candidates(
    filters: Filters, *conditions: LiteralString, source: LiteralString = "catalogue_words AS w"
) -> LiteralString:
    # The inner query is planned as if all of it were wanted, which leads to the words' index.
    return f"""
        SELECT *
        FROM (
            SELECT w.listing_id, w.average_rating, w.created_at, w.lead, w.described
            {filters.words(*conditions, source=source)}
            OFFSET 0
        ) AS w
        ORDER BY {_BEST}
        LIMIT {_number("candidates")}
    """  # noqa: S608 - fixed text


def count_some(filters: Filters) -> LiteralString:
    """How many `some` would find."""
    complete: LiteralString = f"SELECT w.listing_id {filters.words(_ALL_WORDS)}"
    matching = filters.words(_has("some_anywhere"), f"w.listing_id NOT IN ({complete})")
    # The inner query is planned as if all of it were wanted: the words' index tells sooner than a look at every row.
    return f"""
        SELECT count(*) AS total
        FROM (
            SELECT FROM (SELECT {matching} OFFSET 0) AS matching LIMIT %(room)s
        ) AS found
    """  # noqa: S608 - fixed text


# --- other orders ------------------------------------------------------------------------------------------


def count_words(filters: Filters) -> LiteralString:
    """How many are `to_be_counted`."""
    return f"SELECT count(*) AS total {filters.words(_has('to_be_counted'))}"


def sorted_words(filters: Filters, order: Order, *, onwards: bool, walking: bool) -> LiteralString:
    """Cards of a part of those with all words, in an order that is not relevance.

    When `walking`, of the first `%(walk)s` listings of that order.
    """
    more: list[LiteralString] = [behind(order)] if onwards else []
    if walking:
        source: LiteralString = f"""
            FROM (SELECT s.* {filters.facts(*more)} ORDER BY {order_by(order)} LIMIT %(walk)s) AS s
            CROSS JOIN LATERAL (
                SELECT FROM catalogue_words AS w WHERE w.listing_id = s.listing_id AND {_ALL_WORDS} OFFSET 0
            ) AS found_words
        """  # noqa: S608 - fixed text
    else:
        source = filters.words_with_facts(_ALL_WORDS, *more)
    return _sorted(source, order)


def sorted_ids(order: Order, *, onwards: bool) -> LiteralString:
    """Cards of a part of the listings `%(ids)s`, in an order that is not relevance."""
    more: list[LiteralString] = [behind(order)] if onwards else []
    wanted = all_of(["s.listing_id = ANY(%(ids)s)", *more])
    return _sorted(f"FROM catalogue_search AS s WHERE {wanted}", order)


def sorted_facts(filters: Filters, order: Order, *, onwards: bool) -> LiteralString:
    """Cards of a part of the listings that are wanted, whatever their words."""
    more: list[LiteralString] = [behind(order)] if onwards else []
    return _sorted(filters.facts(*more), order)


def count_facts(filters: Filters) -> LiteralString:
    """How many are wanted, whatever their words."""
    return f"SELECT count(*) AS total {filters.facts()}"


def _sorted(source: LiteralString, order: Order) -> LiteralString:
    return cards(
        f"""
        SELECT s.listing_id
        {source}
        ORDER BY {order_by(order)}
        LIMIT %(limit)s OFFSET %(offset)s
        """,
        order_by(order),
    )


def related() -> LiteralString:
    """Cards of the best listings in the same category as another one."""
    return cards(
        """
        SELECT s.listing_id
        FROM catalogue_search AS s
        WHERE s.status = 'active'
            AND s.category_id = (
                SELECT category_id FROM catalogue_search WHERE listing_id = %(listing_id)s
            )
            AND s.listing_id <> %(listing_id)s
        ORDER BY s.average_rating DESC, s.created_at DESC, s.listing_id DESC
        LIMIT %(limit)s
        """,
        "s.average_rating DESC, s.created_at DESC, s.listing_id DESC",
    )


# --- what is shown -----------------------------------------------------------------------------------------


def cards(inner: LiteralString, order: LiteralString) -> LiteralString:
    """What a card shows of the few listings that `inner` names; the names of others are joined to those only."""
    return f"""
        SELECT {_CARD}
        FROM ({inner}) AS found
        JOIN catalogue_search AS s ON s.listing_id = found.listing_id
        JOIN catalogue_text AS t ON t.listing_id = found.listing_id
        {_NAMES_OF_CARD}
        ORDER BY {order}
    """  # noqa: S608 - fixed text


def facets(filters: Filters, source: LiteralString) -> LiteralString:
    """Counts by category, and prices by currency, each without regard to the filter on itself.

    `source` is FROM and WHERE of listings `s` that pass all other filters.
    """
    price, category = filters.price, filters.category
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
            {source}
            GROUP BY GROUPING SETS ((s.category_id), (s.currency))
        ) AS f
        LEFT JOIN category_list AS c ON c.category_id = f.category_id
        WHERE f.listings > 0
        ORDER BY f.currency IS NULL, f.listings DESC, f.currency, f.category_id
        LIMIT 500
    """  # noqa: S608 - fixed text


def found_by_words(filters: Filters) -> LiteralString:
    """For facets: those with all words."""
    return filters.words_with_facts(_ALL_WORDS)


def found_by_words_or_ids(filters: Filters) -> LiteralString:
    """For facets: those with all words, and the listings `%(ids)s`."""
    return f"""
        FROM (
            SELECT w.listing_id
            {filters.words(_ALL_WORDS)}
            UNION
            SELECT unnest(%(ids)s::uuid[])
        ) AS found
        JOIN catalogue_search AS s ON s.listing_id = found.listing_id
    """


def all_of(conditions: list[LiteralString]) -> LiteralString:
    """All conditions together."""
    return " AND ".join(conditions) if conditions else "true"
