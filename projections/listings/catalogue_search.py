"""The tables behind the catalogue and its search (requirements §8, LST-24, LST-27); `catalogue.py` asks them.

What changes with every order (`available`) is apart from what is costly to index (the words): `catalogue_search` holds
facts to filter and sort by, `catalogue_words` what a search looks at, `catalogue_text` what else is shown.
`catalogue_vocabulary` knows every word there is: a search asks the index for words, not for beginnings and stems, which
cost it several times as much. Misspelt words are corrected to those of listings on the shelf only, so that a correction
never tells of a draft.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from domain.categories.events import CategoryCreated, CategoryDeleted, CategoryRenamed
from domain.inventory.events import StockAdjusted, StockReleased, StockReserved
from domain.listings.events import (
    ListingArchived,
    ListingCreated,
    ListingDeactivated,
    ListingDescriptionRevised,
    ListingPriceChanged,
    ListingPublished,
    ListingRecategorised,
)
from domain.shared.events import DomainEvent, Recorded
from projections.listings.lexemes import NAME, PLACES, Lexemes, lexemes_of, refiled, told_lexemes
from projections.listings.standing import ACTIVE
from projections.shared.projection import Batch, Projection
from projections.shared.rows import Rows
from projections.shared.table import Table
from projections.shared.words import words_of


class FactsRow(msgspec.Struct, gc=False):
    """What a listing is filtered and sorted by, and what else its card shows.

    `name_key` is the name as it is sorted, whatever the database's locale. `average_rating` is 0 without reviews.
    """

    listing_id: UUID
    seller_id: UUID
    category_id: UUID | None
    name: str
    name_key: str
    slug: str
    product_type: str
    price_minor: int
    compare_price_minor: int | None
    currency: str
    created_at: datetime
    published_at: datetime | None = None
    status: str = "draft"
    available: int = 0
    average_rating: Decimal = Decimal(0)
    review_count: int = 0
    view_count: int = 0


CATALOGUE_SEARCH = Table(
    "catalogue_search",
    FactsRow,
    key=("listing_id",),
    columns="""
        listing_id uuid NOT NULL,
        seller_id uuid NOT NULL,
        category_id uuid,
        name text NOT NULL,
        name_key text COLLATE "C" NOT NULL,
        slug text NOT NULL,
        product_type text NOT NULL,
        price_minor bigint NOT NULL,
        compare_price_minor bigint,
        currency text NOT NULL,
        created_at timestamptz NOT NULL,
        published_at timestamptz,
        status text NOT NULL,
        available bigint NOT NULL,
        average_rating numeric(3, 2) NOT NULL,
        review_count bigint NOT NULL,
        view_count bigint NOT NULL
    """,
    # `available` is in none of them: an order's update stays within the row's page (heap-only tuples).
    indexes={
        "newest": "(created_at, listing_id) WHERE status = 'active'",
        "price": "(price_minor, listing_id) WHERE status = 'active'",
        "rating": "(average_rating, created_at, listing_id) WHERE status = 'active'",
        "name": "(name_key, listing_id) WHERE status = 'active'",
        "views": "(view_count, listing_id) WHERE status = 'active'",
        "category": "(category_id, status, created_at, listing_id)",
        "seller": "(seller_id, status, created_at, listing_id)",
        "related": "(category_id, average_rating, created_at, listing_id) WHERE status = 'active'",
    },
)


class WordsRow(msgspec.Struct, gc=False):
    """What a search looks at: a listing's words (`lexemes.py`) and by what those found are put in order.

    `described` are words of the description only. `shown` is whether it is on the shelf, sold out or not.
    """

    listing_id: UUID
    created_at: datetime
    lead: str
    described: str
    shown: bool = False
    average_rating: Decimal = Decimal(0)


CATALOGUE_WORDS = Table(
    "catalogue_words",
    WordsRow,
    key=("listing_id",),
    # Narrow, for a search for a broad word visits the rows of all that have it, if only to count them. The words of the
    # description are the most and rank last: apart from the others they can be stored out of the row's line, and only
    # the index looks at them.
    columns="""
        listing_id uuid NOT NULL,
        created_at timestamptz NOT NULL,
        shown boolean NOT NULL,
        average_rating numeric(3, 2) NOT NULL,
        lead tsvector NOT NULL,
        described tsvector NOT NULL
    """,
    indexes={
        "words": "USING gin ((lead || described)) WITH (fastupdate = off) WHERE shown",
        "best": "(average_rating, created_at, listing_id) WHERE shown",
    },
)


class TextRow(msgspec.Struct):
    """What else a listing's card shows."""

    listing_id: UUID
    tags: list[str]
    short_description: str | None


CATALOGUE_TEXT = Table(
    "catalogue_text",
    TextRow,
    key=("listing_id",),
    columns="""
        listing_id uuid NOT NULL,
        tags text[] NOT NULL,
        short_description text
    """,
)


class CategoryNameRow(msgspec.Struct):
    """The words of a category's name, by which the listings that are filed under it are found."""

    category_id: UUID
    words: list[str]


CATALOGUE_CATEGORIES = Table(
    "catalogue_categories",
    CategoryNameRow,
    key=("category_id",),
    columns="category_id uuid NOT NULL, words text[] NOT NULL",
    indexes={"words": "USING gin (words)"},
)


class WordRow(msgspec.Struct, gc=False):
    """A word of the catalogue. `changed_at` is a log position.

    So many `listings` on the shelf have it in name, tags or short description, and so many `categories` in their names:
    these are what misspelt words are corrected to. Words that are in descriptions or drafts only have neither. So many of
    the listings have it in their `names`. `places` are the letters of all places that it ever had in a listing, on the shelf
    or not: it need not be looked for anywhere else. A word and its places are kept when the last text that had it is gone.
    """

    word: str
    changed_at: int
    listings: int = 0
    names: int = 0
    categories: int = 0
    places: str = ""


CATALOGUE_VOCABULARY = Table(
    "catalogue_vocabulary",
    WordRow,
    key=("word",),
    # The English stem leads from a word to its other forms ("batteries", "battery"); words that English texts are full
    # of ("the", "with") have none.
    columns="""
        word text COLLATE "C" NOT NULL,
        changed_at bigint NOT NULL,
        listings bigint NOT NULL,
        names bigint NOT NULL,
        categories bigint NOT NULL,
        places text COLLATE "C" NOT NULL,
        stem text COLLATE "C" GENERATED ALWAYS AS (
            (ts_lexize('english_stem'::regdictionary, word))[1]
        ) STORED
    """,
    indexes={"stem": "(stem)"},
)


class CatalogueSearch(Projection):
    """Keeps the catalogue in step with the facts; may be rebuilt from zero."""

    name = "catalogue_search"
    tables = (CATALOGUE_SEARCH, CATALOGUE_WORDS, CATALOGUE_TEXT, CATALOGUE_CATEGORIES, CATALOGUE_VOCABULARY)
    events = (
        ListingCreated,
        ListingDescriptionRevised,
        ListingPriceChanged,
        ListingRecategorised,
        ListingPublished,
        ListingDeactivated,
        ListingArchived,
        StockAdjusted,
        StockReserved,
        StockReleased,
        CategoryCreated,
        CategoryRenamed,
        CategoryDeleted,
    )

    def __init__(self) -> None:
        """Knows nothing but, during a batch, what the dry run has found out."""
        self._desk = _Desk()

    def begin(
        self, taken: Sequence[Recorded], connection: psycopg.Connection[Any], physical: Mapping[str, str]
    ) -> Batch:
        """Ask for the rows that facts which concern it will change."""
        self._desk = _Desk()
        return super().begin(taken, connection, physical)

    def fold(self, taken: Sequence[Recorded], batch: Batch) -> None:
        """Change the rows that were asked for, in memory."""
        super().fold(taken, batch)
        self._desk = _Desk()

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        event = recorded.event
        match event:
            case StockReserved():
                _move_available(batch, event.listing_id, -event.quantity)
            case StockReleased():
                _move_available(batch, event.listing_id, event.quantity)
            case StockAdjusted():
                _move_available(batch, event.listing_id, event.delta)
            case ListingCreated():
                _create(batch, event, recorded, self._desk)
            case ListingPublished():
                _move(batch, recorded, ACTIVE)
            case ListingDeactivated():
                _move(batch, recorded, "inactive")
            case ListingArchived():
                _move(batch, recorded, "archived")
            case ListingPriceChanged():
                _change_price(batch, event, recorded)
            case ListingRecategorised():
                _file(batch, event, recorded)
            case ListingDescriptionRevised():
                _revise(batch, event, recorded, self._desk)
            case CategoryCreated() | CategoryRenamed() | CategoryDeleted():
                _name_category(batch, event, recorded)
            case _:
                pass


class _Desk:
    """What is worked out of a batch's facts, and not twice."""

    def __init__(self) -> None:
        self._texts: dict[int, tuple[DomainEvent, _Texts]] = {}
        self._asked: set[str] = set()
        self._known: set[str] = set()

    def texts_of(self, event: ListingCreated | ListingDescriptionRevised, position: int) -> "_Texts":
        """The words of its texts; of one and the same event at a position they are the same in either run."""
        known = self._texts.get(position)
        if known is not None and known[0] is event:
            return known[1]
        name = words_of(event.name)
        lexemes = lexemes_of(
            name=name,
            short=words_of(event.short_description or ""),
            tags=words_of(" ".join(event.tags)),
            description=words_of(event.description or ""),
        )
        texts = _Texts(" ".join(name), lexemes)
        self._texts[position] = (event, texts)
        return texts

    def learn(self, batch: Batch, lexemes: Lexemes, position: int) -> None:
        """Every word is in the vocabulary with all its places, or no search would look for it there."""
        vocabulary = batch.rows(CATALOGUE_VOCABULARY)
        if batch.is_dry:
            new = {*lexemes.told, *lexemes.described} - self._asked
            self._asked |= new
            vocabulary.asked.update([(lexeme[1:],) for lexeme in new])
            return
        new = {*lexemes.told, *lexemes.described} - self._known
        self._known |= new
        for lexeme in new:
            place, word = lexeme[0], lexeme[1:]
            row = vocabulary.get(word)
            if row is None:
                vocabulary.put(WordRow(word=word, changed_at=position, places=place))
            elif place not in row.places:
                vocabulary.change(word)
                row.places = "".join(each for each in PLACES if each == place or each in row.places)


def _move_available(batch: Batch, listing_id: UUID, by: int) -> None:
    facts = batch.rows(CATALOGUE_SEARCH).change(listing_id)
    if facts is not None:
        facts.available += by


def _create(batch: Batch, event: ListingCreated, recorded: Recorded, desk: _Desk) -> None:
    texts = desk.texts_of(event, recorded.position)
    desk.learn(batch, texts.lexemes, recorded.position)
    if batch.is_dry:
        batch.rows(CATALOGUE_SEARCH).get(recorded.stream_id)
        batch.rows(CATALOGUE_WORDS).get(recorded.stream_id)
        batch.rows(CATALOGUE_TEXT).get(recorded.stream_id)
        return
    batch.rows(CATALOGUE_SEARCH).put(
        FactsRow(
            listing_id=recorded.stream_id,
            seller_id=event.seller_id,
            category_id=event.category_id,
            name=event.name,
            name_key=texts.name_key,
            slug=event.slug,
            product_type=event.product_type.value,
            price_minor=event.price.minor,
            compare_price_minor=None if event.compare_price is None else event.compare_price.minor,
            currency=event.price.currency,
            created_at=recorded.at,
        )
    )
    batch.rows(CATALOGUE_WORDS).put(
        WordsRow(
            listing_id=recorded.stream_id,
            created_at=recorded.at,
            lead=texts.lexemes.lead(event.category_id),
            described=texts.lexemes.rest(),
        )
    )
    batch.rows(CATALOGUE_TEXT).put(
        TextRow(
            listing_id=recorded.stream_id,
            tags=list(event.tags),
            short_description=event.short_description,
        )
    )


def _move(batch: Batch, recorded: Recorded, status: str) -> None:
    """Onto the shelf, or off it: its words come into the vocabulary, or leave it."""
    facts = batch.rows(CATALOGUE_SEARCH).change(recorded.stream_id)
    words = batch.rows(CATALOGUE_WORDS).get(recorded.stream_id)
    if facts is None or words is None:
        return
    facts.status = status
    is_shown = status == ACTIVE
    if is_shown:
        facts.published_at = recorded.at
    if words.shown != is_shown:
        batch.rows(CATALOGUE_WORDS).change(recorded.stream_id)
        words.shown = is_shown
        told = told_lexemes(words.lead)
        _count(batch, recorded.position, gone=() if is_shown else told, come=told if is_shown else ())


def _change_price(batch: Batch, event: ListingPriceChanged, recorded: Recorded) -> None:
    facts = batch.rows(CATALOGUE_SEARCH).change(recorded.stream_id)
    if facts is not None:
        facts.price_minor = event.new_price.minor
        facts.compare_price_minor = None if event.compare_price is None else event.compare_price.minor


def _file(batch: Batch, event: ListingRecategorised, recorded: Recorded) -> None:
    """Under another category."""
    facts = batch.rows(CATALOGUE_SEARCH).change(recorded.stream_id)
    words = batch.rows(CATALOGUE_WORDS).change(recorded.stream_id)
    if facts is not None and words is not None:
        facts.category_id = event.category_id
        words.lead = refiled(words.lead, event.category_id)


def _revise(batch: Batch, event: ListingDescriptionRevised, recorded: Recorded, desk: _Desk) -> None:
    texts = desk.texts_of(event, recorded.position)
    desk.learn(batch, texts.lexemes, recorded.position)
    facts = batch.rows(CATALOGUE_SEARCH).change(recorded.stream_id)
    text = batch.rows(CATALOGUE_TEXT).change(recorded.stream_id)
    words = batch.rows(CATALOGUE_WORDS).change(recorded.stream_id)
    if facts is None or text is None or words is None:
        return
    before = told_lexemes(words.lead)
    facts.name = event.name
    facts.name_key = texts.name_key
    text.tags = list(event.tags)
    text.short_description = event.short_description
    words.lead = texts.lexemes.lead(facts.category_id)
    words.described = texts.lexemes.rest()
    if words.shown:
        after = set(texts.lexemes.told)
        _count(batch, recorded.position, gone=before - after, come=after - before)


def _name_category(
    batch: Batch, event: CategoryCreated | CategoryRenamed | CategoryDeleted, recorded: Recorded
) -> None:
    categories = batch.rows(CATALOGUE_CATEGORIES)
    known = categories.get(recorded.stream_id)
    before = set(known.words) if known is not None else set()
    if isinstance(event, CategoryDeleted):
        after = set()
        categories.delete(recorded.stream_id)
        batch.execute(
            "UPDATE {catalogue_search} SET category_id = NULL WHERE category_id = %(category_id)s",
            {"category_id": recorded.stream_id},
        )
    else:
        after = set(words_of(event.name))
        categories.put(CategoryNameRow(category_id=recorded.stream_id, words=sorted(after)))
    vocabulary = batch.rows(CATALOGUE_VOCABULARY)
    for word in before - after:
        _tell(vocabulary, word, recorded.position, categories=-1)
    for word in after - before:
        _tell(vocabulary, word, recorded.position, categories=1)


class _Texts(msgspec.Struct, frozen=True, gc=False):
    """The words of a listing's texts."""

    name_key: str
    lexemes: Lexemes


def _count(batch: Batch, position: int, *, gone: Iterable[str], come: Iterable[str]) -> None:
    """Lexemes that left the shelf, or came there."""
    vocabulary = batch.rows(CATALOGUE_VOCABULARY)
    # Words of texts that the dry run could not know are read here, all in one query.
    vocabulary.load([(lexeme[1:],) for lexeme in (*gone, *come)])
    for lexeme in gone:
        _tell(vocabulary, lexeme[1:], position, listings=-1, names=-int(lexeme[0] == NAME))
    for lexeme in come:
        _tell(vocabulary, lexeme[1:], position, listings=1, names=int(lexeme[0] == NAME))


def _tell(
    vocabulary: Rows[WordRow],
    word: str,
    position: int,
    *,
    listings: int = 0,
    names: int = 0,
    categories: int = 0,
) -> None:
    row = vocabulary.change(word)
    if row is None:
        row = WordRow(word=word, changed_at=position)
        vocabulary.put(row)
    row.changed_at = position
    row.listings += listings
    row.names += names
    row.categories += categories
