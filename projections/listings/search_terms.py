"""What is searched for: the words that were typed, and the words of the catalogue that they stand for.

A word stands for every word that begins so, and for those with the same English stem. These are looked up in the
vocabulary and put into the full-text query one by one: an index finds words some three times as fast as beginnings.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec

from projections.listings.lexemes import DESCRIPTION, NAME, PLACES, SHORT, TAG, filed_under, whole_name
from projections.listings.vocabulary import Vocabulary
from projections.shared.reader import Reader

ALL_WHOLE: Final = 1005
"""The score of listings with all words whole in their names, but more words than these."""

ALL_IN_NAME: Final = 1004
"""The score of listings with all words in their names, some of which only begin so."""

FEW: Final = 500
"""So many matches are found and sorted as soon as by any other way."""

FORMS_MAXIMUM: Final = 32
"""A beginning of more words than these is asked of the index as such."""

_NOTHING: Final = "'-'"
"""A query that no listing matches: its words have no signs."""

_LAST_LETTER: Final = "\U0010ffff"


class Term(msgspec.Struct, kw_only=True):
    """One word, and what it stands for.

    `alike` are the words with the same stem, `begun` those that begin so (not all of them when there are `many`), each with
    the letters of its places; `categories` those with such a word in their name. About as many `listings` as that have one
    of these words in name, tags, short description or category; so many of them have one in their `names`, and the word
    itself or one with its stem in `whole_names`. One that has two of them counts twice. `listings_of_one` on the shelf, not
    one less, have the one of them that most have. `telling` is false of words that English texts are full of.
    """

    word: str
    telling: bool
    alike: dict[str, str]
    begun: dict[str, str]
    many: bool
    categories: list[UUID]
    listings: int
    listings_of_one: int
    names: int
    whole_names: int
    in_categories: bool

    @property
    def is_known(self) -> bool:
        """Whether a listing or a category has such a word where corrections are taken from."""
        return self.listings > 0 or self.in_categories

    @property
    def is_there(self) -> bool:
        """Whether such a word is anywhere in the catalogue, be it in a description or a draft."""
        return bool(self.alike or self.begun)

    @property
    def forms(self) -> dict[str, str]:
        """The words of the catalogue that it stands for, and their places (not all of them when there are `many`)."""
        return {**self.alike, **self.begun}

    @property
    def whole_forms(self) -> dict[str, str]:
        """Those of them that are the word itself or have its stem."""
        return {**self.alike, **{word: places for word, places in self.begun.items() if word == self.word}}

    def whole(self) -> str:
        """This word in a name, or one with the same stem."""
        return _either(f"'{NAME}{word}'" for word, known in self.whole_forms.items() if NAME in known)

    def anywhere(self, places: str) -> str:
        """This word in one of these places, words with the same stem, and words that begin so.

        Only where each of them is known to be: an index takes time to say of a place that it has none.
        """
        words = self.whole_forms if self.many else self.forms
        forms = [f"'{place}{word}'" for place in places for word, known in words.items() if place in known]
        if self.many:
            forms += [f"'{place}{self.word}':*" for place in places]
        if TAG in places:
            forms += [f"'{filed_under(category_id)}'" for category_id in self.categories]
        return _either(forms)


def _either(forms: Iterable[str]) -> str:
    return f"({' | '.join(forms) or _NOTHING})"


_LEAD: Final = NAME + SHORT + TAG


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """A search as full-text queries, from the best match to the least.

    `corrected` is what is searched for instead of what was typed, if it is something else. `catalogue_size` is about how
    many listings there are, on the shelf or not.
    """

    terms: list[Term]
    words: list[str]
    corrected: str | None
    catalogue_size: int

    @property
    def exact_name(self) -> str:
        """Nothing but these words in the name; no listing has it when the words are too many."""
        whole = whole_name(self.words)
        return _NOTHING if whole is None else f"'{whole}'"

    @property
    def whole_in_name(self) -> str:
        """All words in the name, whole."""
        return " & ".join(term.whole() for term in self.terms)

    def all_in(self, places: str) -> str:
        """All words in one of these places each."""
        return " & ".join(term.anywhere(places) for term in self.terms)

    def tiers(self) -> dict[str, str]:
        """All words in wider and wider places, as the statements name it."""
        return {
            "all_exact": self.exact_name,
            "all_whole": self.whole_in_name,
            "all_in_name": self.all_in(NAME),
            "all_in_short": self.all_in(NAME + SHORT),
            "all_in_lead": self.all_in(_LEAD),
            "all_words": self.all_in(PLACES),
        }

    def to_be_counted(self) -> tuple[int, str]:
        """How many listings on the shelf are known to have all words, and a query that all others match and none of these.

        One word of the catalogue alone is counted in the vocabulary already, where it is not in a description only.
        """
        [term, *others] = self.terms
        if others or term.many or term.categories or len(term.forms) != 1:
            return 0, self.all_in(PLACES)
        return term.listings, term.anywhere(DESCRIPTION)

    @property
    def has_several_words(self) -> bool:
        """Whether some of the words could be found without the others."""
        return len(self.terms) > 1

    def worthwhile_walk(self, wanted: int) -> int:
        """See below, for those that have all words."""
        return self._worthwhile_walk(wanted, [term.listings for term in self.terms])

    def worthwhile_walk_of_names(self, wanted: int) -> tuple[int, int]:
        """A score, and a walk for those who have it: all words whole in their names, or else words that begin so."""
        whole = self._worthwhile_walk(wanted, [term.whole_names for term in self.terms])
        if whole:
            return ALL_WHOLE, whole
        return ALL_IN_NAME, self._worthwhile_walk(wanted, [term.names for term in self.terms])

    def _worthwhile_walk(self, wanted: int, each: Sequence[int]) -> int:
        """So many listings have each word; how many have all is guessed as if words had nothing to do with each other."""
        expected = float(self.catalogue_size)
        for listings in each:
            expected *= min(1.0, listings / self.catalogue_size)
        return worthwhile_walk(wanted, expected, self.catalogue_size)

    def candidates(self, listings: int) -> "Candidates":
        """By which words to look for listings that have only some of them, to come by so many of these."""
        rare: list[Term] = []
        for term in sorted(self.terms, key=lambda term: term.listings):
            if sum(each.listings for each in rare) + term.listings > listings:
                return Candidates(sought=self, rare=rare, common=term)
            rare.append(term)
        return Candidates(sought=self, rare=rare, common=None)


def worthwhile_walk(wanted: int, expected: float, catalogue_size: int) -> int:
    """Through how many listings to walk to meet so many as are wanted, of as many as are expected, in their order.

    One walks past `catalogue_size * wanted / expected`, more or less; to find and sort all instead takes some five times as
    long for each, but then there are `expected` of them. 0 when that is shorter, as it is for few.
    """
    if expected <= FEW or expected * expected < wanted * catalogue_size:
        return 0
    return math.ceil(3 * wanted * catalogue_size / expected)


class Candidates(msgspec.Struct, frozen=True, kw_only=True):
    """Listings with some of the words only: all that have one of the `rare` ones, and the best that have a `common` one."""

    sought: Sought
    rare: list[Term]
    common: Term | None

    @property
    def at_least(self) -> int:
        """So many there are on the shelf for sure, with or without the other words."""
        words = self.rare if self.common is None else [*self.rare, self.common]
        return max(term.listings_of_one for term in words)

    def queries(self) -> dict[str, str]:
        """What they are found and ranked by, as the statements name it."""
        terms = self.sought.terms
        words = self.rare if self.common is None else [*self.rare, self.common]
        common = _NOTHING if self.common is None else self.common.anywhere(_LEAD)
        others = " | ".join(term.anywhere(PLACES) for term in terms if term is not self.common)
        return {
            "some_rare": " | ".join(term.anywhere(_LEAD) for term in self.rare) or _NOTHING,
            "some_common": common,
            "some_common_of_two": f"{_either([common])} & {_either([others])}",
            "some_in_lead": " | ".join(term.anywhere(_LEAD) for term in words),
            "some_in_description": " | ".join(term.anywhere(DESCRIPTION) for term in words),
            "some_anywhere": " | ".join(term.anywhere(PLACES) for term in words),
            "any_in_name": " | ".join(term.anywhere(NAME) for term in terms),
            "any_in_short": " | ".join(term.anywhere(NAME + SHORT) for term in terms),
            **{f"word_{number}": term.anywhere(PLACES) for number, term in enumerate(terms)},
        }


# How many words there are stands in queries of their own, where the planner does not see it: else it would make a new plan
# for each search, hoping to gain by the number, and that takes twice as long as to look up the words.
_LOOK_UP: Final[LiteralString] = """
    SELECT asked.word AS asked, (ts_lexize('english_stem', asked.word))[1] AS stem, found.word, found.begun,
        found.places, found.listings, found.names, found.categories,
        (SELECT reltuples FROM pg_class WHERE oid = 'catalogue_words'::regclass) AS catalogue_size
    FROM unnest((SELECT %(words)s::text[]), (SELECT %(beyond)s::text[])) AS asked (word, beyond)
    LEFT JOIN LATERAL (
        (
            SELECT word, true AS begun, places, listings, names, categories
            FROM catalogue_vocabulary
            WHERE word >= asked.word AND word < asked.beyond
            ORDER BY word
            LIMIT (SELECT %(limit)s::bigint)
        )
        UNION ALL
        (
            SELECT word, false AS begun, places, listings, names, categories
            FROM catalogue_vocabulary
            WHERE stem = (ts_lexize('english_stem', asked.word))[1]
            ORDER BY word
            LIMIT (SELECT %(limit)s::bigint)
        )
    ) AS found ON true
    LIMIT 10000
"""

_MANY: Final[LiteralString] = """
    SELECT asked.word AS asked, coalesce(sum(begun.listings), 0)::bigint AS listings,
        coalesce(sum(begun.names), 0)::bigint AS names, coalesce(max(begun.listings), 0) AS listings_of_one
    FROM unnest(%(words)s::text[], %(beyond)s::text[]) AS asked (word, beyond)
    CROSS JOIN LATERAL (
        SELECT listings, names
        FROM catalogue_vocabulary
        WHERE word >= asked.word AND word < asked.beyond
        ORDER BY word
        LIMIT 5000
    ) AS begun
    GROUP BY asked.word
    LIMIT 100
"""

_CATEGORIES: Final[LiteralString] = """
    SELECT filed.asked, filed.category_id, coalesce(l.live_listings, 0) AS listings
    FROM (
        SELECT forms.asked, c.category_id
        FROM unnest(%(asked)s::text[], %(words)s::text[]) AS forms (asked, word)
        JOIN catalogue_categories AS c ON c.words @> ARRAY[forms.word]
        UNION
        SELECT many.asked, c.category_id
        FROM unnest(%(many)s::text[], %(beyond)s::text[]) AS many (asked, beyond)
        CROSS JOIN catalogue_categories AS c
        CROSS JOIN LATERAL unnest(c.words) AS named (word)
        WHERE named.word COLLATE "C" >= many.asked AND named.word COLLATE "C" < many.beyond
    ) AS filed
    LEFT JOIN category_list AS l ON l.category_id = filed.category_id
    LIMIT 10000
"""

# All matches are asked for, or the planner, hoping for an early hit, reads the whole catalogue for one that is not there.
_IS_SHOWN: Final[LiteralString] = """
    SELECT EXISTS (
        SELECT
        FROM (
            SELECT
            FROM catalogue_words AS w
            WHERE w.shown AND (w.lead || w.described) @@ (SELECT %(match)s::tsquery)
            OFFSET 0
        ) AS found
    ) AS shown
"""


class SearchTerms:
    """Looks up what words stand for."""

    def __init__(self, reader: Reader, vocabulary: Vocabulary) -> None:
        """Reads `catalogue_vocabulary`, `catalogue_categories`, `catalogue_words` and `category_list`."""
        self._reader = reader
        self._vocabulary = vocabulary

    async def sought(self, words: Sequence[str], *, correct: bool) -> Sought:
        """What is searched for with these words, of which there is at least one.

        With `correct`, a word that nothing on the shelf has is taken for the one that was probably meant.
        """
        # The usual mistakes are made again and again: what was meant then is looked up along with them.
        meant = [self._vocabulary.remembered(word) for word in words] if correct else []
        terms, size = await self._look_up(list(dict.fromkeys([*words, *filter(None, meant)])))
        corrected = list(words)
        if correct:
            corrected = list(dict.fromkeys([await self._meant(terms[word]) for word in words]))
            more, _ = await self._look_up([word for word in corrected if word not in terms])
            terms |= more
        # What English texts are full of ("the", "with") is searched for only when there is nothing else.
        telling = [terms[word] for word in corrected if terms[word].telling]
        return Sought(
            terms=telling or [terms[word] for word in corrected],
            words=corrected,
            corrected=None if corrected == list(words) else " ".join(corrected),
            catalogue_size=max(size, *(term.listings for term in terms.values()), 1),
        )

    async def _look_up(self, words: Sequence[str]) -> tuple[dict[str, Term], int]:
        """The terms, and about how many listings there are: the planner's own guess, -1 when it has none yet."""
        if not words:
            return {}, 0
        rows = await self._reader.all(
            _LOOK_UP,
            {"words": list(words), "beyond": [_beyond(word) for word in words], "limit": FORMS_MAXIMUM + 1},
        )
        found: dict[str, list[dict[str, Any]]] = {word: [] for word in words}
        for row in rows:
            found[row["asked"]].append(row)
        terms = {word: _term(word, of_word) for word, of_word in found.items()}
        filed = [row for row in rows if row["categories"]]
        many = [word for word, term in terms.items() if term.many]
        values = {
            "asked": [row["asked"] for row in filed],
            "words": [row["word"] for row in filed],
            "many": many,
            "beyond": [_beyond(word) for word in many],
        }
        if many:
            for row in await self._reader.all(_MANY, {"words": many, "beyond": values["beyond"]}):
                term = terms[row["asked"]]
                term.listings = max(term.listings, row["listings"])
                term.names = max(term.names, row["names"])
                term.listings_of_one = max(term.listings_of_one, row["listings_of_one"])
        if filed or many:
            for row in await self._reader.all(_CATEGORIES, values):
                term = terms[row["asked"]]
                term.categories.append(row["category_id"])
                term.listings += row["listings"]
        return terms, int(rows[0]["catalogue_size"])

    async def _meant(self, term: Term) -> str:
        """The word itself when the shelf has it, or words that begin so; else the one that was probably meant."""
        if not term.telling or term.is_known or (term.is_there and await self._is_shown(term)):
            return term.word
        return await self._vocabulary.correct(term.word) or term.word

    async def _is_shown(self, term: Term) -> bool:
        row = await self._reader.one(_IS_SHOWN, {"match": term.anywhere(PLACES)})
        return row is not None and bool(row["shown"])


def _term(word: str, rows: Sequence[dict[str, Any]]) -> Term:
    """A word from its rows: one for each word that begins so, one for each of the same stem; at least one, if an empty one."""
    forms = {row["word"]: row for row in rows if row["word"] is not None}
    begun = {row["word"]: row["places"] for row in rows if row["begun"]}
    alike = {row["word"]: row["places"] for row in rows if row["begun"] is False}
    return Term(
        word=word,
        telling=rows[0]["stem"] is not None,
        alike=alike,
        begun=begun,
        many=len(begun) > FORMS_MAXIMUM,
        categories=[],
        listings=sum(row["listings"] for row in forms.values()),
        listings_of_one=max((row["listings"] for row in forms.values()), default=0),
        names=sum(row["names"] for row in forms.values()),
        whole_names=sum(
            row["names"] for row in forms.values() if row["word"] == word or row["word"] in alike
        ),
        in_categories=any(row["categories"] for row in forms.values()),
    )


def _beyond(word: str) -> str:
    """What comes after all words that begin so; a single letter or digit stands for itself only."""
    return word + (" " if len(word) == 1 and word.isascii() else _LAST_LETTER)
