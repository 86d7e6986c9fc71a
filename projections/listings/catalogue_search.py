"""The tables behind the catalogue and its search (requirements §8, LST-24, LST-27); `catalogue.py` asks them.

What changes with every order (`available`) is apart from what is costly to index (the words): `catalogue_search` holds
facts to filter and sort by, `catalogue_text` the words. `catalogue_vocabulary` knows which words there are, to correct
misspelt ones; it knows those of listings on the shelf only, so that a correction never tells of a draft.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

import msgspec

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
from projections.listings.standing import ACTIVE
from projections.listings.words import folded_words, words_of
from projections.shared.projection import Batch, Projection
from projections.shared.rows import Rows
from projections.shared.table import Table


class FactsRow(msgspec.Struct):
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


class TextRow(msgspec.Struct):
    """The words of a listing, folded, with single spaces between them; `tags` and `short_description` as they are shown."""

    listing_id: UUID
    tags: list[str]
    short_description: str | None
    name_words: str
    tag_words: str
    category_words: str
    short_words: str
    description_words: str


CATALOGUE_TEXT = Table(
    "catalogue_text",
    TextRow,
    key=("listing_id",),
    # Both forms of each word: the plain one for beginnings of words, other languages and article numbers, the English
    # stem so that "batteries" finds "battery". `document` is what is found, all words without places, so that its index
    # answers alone; `lead` is what is ranked by, small enough to stay in its row: name A, tags and category B, short
    # description C. What is only in the description (weight D) ranks last without being looked at.
    columns="""
        listing_id uuid NOT NULL,
        tags text[] NOT NULL,
        short_description text,
        name_words text NOT NULL,
        tag_words text NOT NULL,
        category_words text NOT NULL,
        short_words text NOT NULL,
        description_words text NOT NULL,
        lead tsvector NOT NULL GENERATED ALWAYS AS (
            setweight(
                to_tsvector('simple'::regconfig, name_words) || to_tsvector('english'::regconfig, name_words), 'A'
            )
            || setweight(
                to_tsvector('simple'::regconfig, tag_words || ' ' || category_words)
                || to_tsvector('english'::regconfig, tag_words || ' ' || category_words), 'B'
            )
            || setweight(
                to_tsvector('simple'::regconfig, short_words)
                || to_tsvector('english'::regconfig, short_words), 'C'
            )
        ) STORED,
        document tsvector NOT NULL GENERATED ALWAYS AS (
            strip(
                to_tsvector(
                    'simple'::regconfig,
                    name_words || ' ' || tag_words || ' ' || category_words || ' ' || short_words || ' '
                    || description_words
                )
                || to_tsvector(
                    'english'::regconfig,
                    name_words || ' ' || tag_words || ' ' || category_words || ' ' || short_words || ' '
                    || description_words
                )
            )
        ) STORED
    """,
    indexes={"document": "USING gin (document) WITH (fastupdate = off)"},
)


class CategoryNameRow(msgspec.Struct):
    """The words of a category's name, for listings that are filed under it later."""

    category_id: UUID
    words: str


CATALOGUE_CATEGORIES = Table(
    "catalogue_categories",
    CategoryNameRow,
    key=("category_id",),
    columns="category_id uuid NOT NULL, words text NOT NULL",
)


class WordRow(msgspec.Struct):
    """A word of so many `listings` on the shelf and of so many `categories`. `changed_at` is a log position."""

    word: str
    changed_at: int
    listings: int = 0
    categories: int = 0


CATALOGUE_VOCABULARY = Table(
    "catalogue_vocabulary",
    WordRow,
    key=("word",),
    columns="""
        word text COLLATE "C" NOT NULL,
        changed_at bigint NOT NULL,
        listings bigint NOT NULL,
        categories bigint NOT NULL
    """,
)


class CatalogueSearch(Projection):
    """Keeps the catalogue in step with the facts; may be rebuilt from zero."""

    name = "catalogue_search"
    tables = (CATALOGUE_SEARCH, CATALOGUE_TEXT, CATALOGUE_CATEGORIES, CATALOGUE_VOCABULARY)
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
                _create(batch, event, recorded)
            case ListingPublished():
                _move(batch, recorded, ACTIVE)
            case ListingDeactivated():
                _move(batch, recorded, "inactive")
            case ListingArchived():
                _move(batch, recorded, "archived")
            case CategoryCreated() | CategoryRenamed() | CategoryDeleted():
                _name_category(batch, event, recorded)
            case _:
                _revise(batch, event, recorded)


def _move_available(batch: Batch, listing_id: UUID, by: int) -> None:
    facts = batch.rows(CATALOGUE_SEARCH).change(listing_id)
    if facts is not None:
        facts.available += by


def _create(batch: Batch, event: ListingCreated, recorded: Recorded) -> None:
    batch.rows(CATALOGUE_SEARCH).put(
        FactsRow(
            listing_id=recorded.stream_id,
            seller_id=event.seller_id,
            category_id=event.category_id,
            name=event.name,
            name_key=folded_words(event.name),
            slug=event.slug,
            product_type=event.product_type.value,
            price_minor=event.price.minor,
            compare_price_minor=None if event.compare_price is None else event.compare_price.minor,
            currency=event.price.currency,
            created_at=recorded.at,
        )
    )
    text = TextRow(
        listing_id=recorded.stream_id,
        tags=list(event.tags),
        short_description=event.short_description,
        name_words=folded_words(event.name),
        tag_words=folded_words(" ".join(event.tags)),
        category_words=_category_words(batch, event.category_id),
        short_words=folded_words(event.short_description),
        description_words=folded_words(event.description),
    )
    batch.rows(CATALOGUE_TEXT).put(text)
    _foresee(batch, text)


def _move(batch: Batch, recorded: Recorded, status: str) -> None:
    """Onto the shelf, or off it: its words come into the vocabulary, or leave it."""
    facts = batch.rows(CATALOGUE_SEARCH).change(recorded.stream_id)
    text = batch.rows(CATALOGUE_TEXT).get(recorded.stream_id)
    if facts is None or text is None:
        return
    was_shown, is_shown = facts.status == ACTIVE, status == ACTIVE
    facts.status = status
    if is_shown:
        facts.published_at = recorded.at
    if was_shown != is_shown:
        words = _words(text)
        _count(batch, recorded.position, gone=() if is_shown else words, come=words if is_shown else ())


def _revise(batch: Batch, event: DomainEvent, recorded: Recorded) -> None:
    facts = batch.rows(CATALOGUE_SEARCH).change(recorded.stream_id)
    match event:
        case ListingPriceChanged():
            if facts is not None:
                facts.price_minor = event.new_price.minor
                facts.compare_price_minor = None if event.compare_price is None else event.compare_price.minor
        case ListingRecategorised():
            words = _category_words(batch, event.category_id)
            text = batch.rows(CATALOGUE_TEXT).change(recorded.stream_id)
            if facts is not None and text is not None:
                facts.category_id = event.category_id
                text.category_words = words
        case ListingDescriptionRevised():
            text = batch.rows(CATALOGUE_TEXT).change(recorded.stream_id)
            if facts is None or text is None:
                return
            before = _words(text)
            facts.name = event.name
            facts.name_key = folded_words(event.name)
            text.tags = list(event.tags)
            text.short_description = event.short_description
            text.name_words = facts.name_key
            text.tag_words = folded_words(" ".join(event.tags))
            text.short_words = folded_words(event.short_description)
            text.description_words = folded_words(event.description)
            if facts.status == ACTIVE:
                after = _words(text)
                _count(batch, recorded.position, gone=before - after, come=after - before)
        case _:
            pass


def _name_category(
    batch: Batch, event: CategoryCreated | CategoryRenamed | CategoryDeleted, recorded: Recorded
) -> None:
    categories = batch.rows(CATALOGUE_CATEGORIES)
    known = categories.get(recorded.stream_id)
    before = known.words if known is not None else ""
    after = "" if isinstance(event, CategoryDeleted) else " ".join(words_of(event.name))
    if isinstance(event, CategoryDeleted):
        categories.delete(recorded.stream_id)
    else:
        categories.put(CategoryNameRow(category_id=recorded.stream_id, words=after))
    old, new = set(before.split()), set(after.split())
    vocabulary = batch.rows(CATALOGUE_VOCABULARY)
    for word in old - new:
        _tell(vocabulary, word, recorded.position, categories=-1)
    for word in new - old:
        _tell(vocabulary, word, recorded.position, categories=1)
    values = {"category_id": recorded.stream_id, "words": after}
    if not isinstance(event, CategoryCreated) and before != after:
        batch.execute(
            """
            UPDATE {catalogue_text} AS t
            SET category_words = %(words)s
            FROM {catalogue_search} AS s
            WHERE s.listing_id = t.listing_id AND s.category_id = %(category_id)s
            """,
            values,
        )
    if isinstance(event, CategoryDeleted):
        batch.execute(
            "UPDATE {catalogue_search} SET category_id = NULL WHERE category_id = %(category_id)s", values
        )


def _category_words(batch: Batch, category_id: UUID | None) -> str:
    category = None if category_id is None else batch.rows(CATALOGUE_CATEGORIES).get(category_id)
    return "" if category is None else category.words


def _words(text: TextRow) -> set[str]:
    """What corrections are taken from: the listing's own words, but those of its description, which few search for."""
    return {*text.name_words.split(), *text.tag_words.split(), *text.short_words.split()}


def _foresee(batch: Batch, text: TextRow) -> None:
    """Have words read with the rest of the batch: a rebuild sees most listings on the shelf soon after their creation."""
    batch.rows(CATALOGUE_VOCABULARY).asked.update([(word,) for word in _words(text)])


def _count(batch: Batch, position: int, *, gone: Iterable[str], come: Iterable[str]) -> None:
    vocabulary = batch.rows(CATALOGUE_VOCABULARY)
    # Words of texts that the dry run could not know are read here, all in one query.
    vocabulary.load([(word,) for word in (*gone, *come)])
    for word in gone:
        _tell(vocabulary, word, position, listings=-1)
    for word in come:
        _tell(vocabulary, word, position, listings=1)


def _tell(
    vocabulary: Rows[WordRow], word: str, position: int, *, listings: int = 0, categories: int = 0
) -> None:
    row = vocabulary.change_or_new(lambda: WordRow(word=word, changed_at=position), word)
    row.changed_at = position
    row.listings += listings
    row.categories += categories
    if row.listings == 0 and row.categories == 0:
        vocabulary.delete(word)
