"""However a search is answered, it finds what a reader of all texts would, in the same order."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from random import Random
from uuid import UUID

import pytest

from domain.categories.events import CategoryCreated
from domain.listings.events import ListingCreated, ListingPublished
from domain.listings.fields import ProductType
from domain.shared.events import DomainEvent, Recorded
from domain.shared.money import Money
from infrastructure.identity import new_id
from projections.listings import relevance, search_terms
from projections.listings.catalogue import Catalogue
from projections.listings.catalogue_questions import ListingFilter, Order, SortField
from projections.shared.paging import PageRequest, SliceRequest
from tests.projections.listings.shop import NOON, Shop

pytestmark = pytest.mark.services

STEMS = {
    "lamp": "lamp",
    "lamps": "lamp",
    "lampshade": "lampshad",
    "battery": "batteri",
    "batteries": "batteri",
    "red": "red",
    "чай": "чай",
    "b7": "b7",
    "b": "b",
    "the": None,
}
WORDS = list(STEMS)
SEARCHES = [
    "lamp",
    "lam",
    "lamps red",
    "the",
    "the lamp",
    "b",
    "ч",
    "red batt",
    "batteries lamp red",
    "red lampshade b7 чай",
]
RATINGS = ["0", "0", "3.50", "4.75"]


@dataclass
class Thing:
    """A listing, and where it has which words."""

    name: list[str]
    short: list[str]
    tags: list[str]
    category: list[str]
    description: list[str]
    rating: str
    listing_id: UUID = field(default_factory=new_id)
    at: int = 0

    @property
    def rank(self) -> tuple[Decimal, int, UUID]:
        return Decimal(self.rating), self.at, self.listing_id


def stocked(shop: Shop, choose: Random) -> list[Thing]:
    """So many listings with few words between them; some in a category."""

    def some(most: int) -> list[str]:
        return choose.choices(WORDS, k=choose.randrange(most + 1))

    named = some(2) or ["red"]
    category_id = new_id()
    things = [
        Thing(
            some(3) or ["lamp"], some(2), some(1), choose.choice(([], named)), some(2), choose.choice(RATINGS)
        )
        for _ in range(choose.randrange(6, 14))
    ]
    told: list[tuple[UUID, DomainEvent]] = [(category_id, CategoryCreated(name=" ".join(named), slug="c"))]
    for thing in things:
        thing.at = len(told)
        created = ListingCreated(
            seller_id=category_id,
            name=" ".join(thing.name).title(),
            slug=thing.listing_id.hex,
            price=Money(choose.randrange(100, 900), "usd"),
            product_type=ProductType.PHYSICAL,
            category_id=category_id if thing.category else None,
            short_description=" ".join(thing.short) or None,
            tags=tuple(thing.tags),
            description=" ".join(thing.description) or None,
        )
        told += [(thing.listing_id, created), (thing.listing_id, ListingPublished())]
    shop.follow(
        [
            Recorded(
                position=at,
                stream_id=stream,
                version=at,
                event=event,
                recorded_at=NOON + timedelta(minutes=at),
            )
            for at, (stream, event) in enumerate(told)
        ]
    )
    for thing in things:
        shop.rate(thing.listing_id, thing.rating)
    return things


def alike(typed: str, word: str) -> bool:
    return word == typed or (STEMS.get(typed) is not None and STEMS[word] == STEMS[typed])


def begun(typed: str, word: str) -> bool:
    return alike(typed, word) or (word.startswith(typed) and not (len(typed) == 1 and typed.isascii()))


def score(thing: Thing, typed: list[str], telling: list[str]) -> int:
    """How well a listing matches, by reading it; 0 when it does not."""
    name, short = thing.name, thing.name + thing.short
    lead = short + thing.tags + thing.category

    def every(match: Callable[[str, str], bool], words: list[str]) -> bool:
        return all(any(match(one, word) for word in words) for one in telling)

    def any_of(words: list[str]) -> bool:
        return any(begun(one, word) for one in telling for word in words)

    everywhere = lead + thing.description
    if every(begun, everywhere):
        if list(dict.fromkeys(name)) == typed:
            return 1006
        if every(alike, name):
            return 1005
        return next(
            (points for points, words in ((1004, name), (1003, short), (1002, lead)) if every(begun, words)),
            1001,
        )
    count = sum(any(begun(one, word) for word in everywhere) for one in telling)
    if not count:
        return 0
    return 10 * count + (3 if any_of(name) else 2 if any_of(short) else 1)


def expected(things: list[Thing], search: str, enough: int) -> list[UUID]:
    """All that is found, best first."""
    typed = list(dict.fromkeys(search.split()))
    telling = [word for word in typed if STEMS.get(word, word) is not None] or typed
    scored = sorted(((score(thing, typed, telling), thing.rank) for thing in things), reverse=True)
    complete = [rank[-1] for points, rank in scored if points > 1000]
    partial = [rank[-1] for points, rank in scored if 0 < points < 1000]
    return complete + partial[: max(0, enough - len(complete))]


@pytest.mark.parametrize("walk", [None, 1, 4, 100])
@pytest.mark.parametrize("forms", [1, 32])
async def test_every_way_of_searching_finds_the_same(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, walk: int | None, forms: int
) -> None:
    enough = 3
    monkeypatch.setattr(relevance, "ENOUGH", enough)
    monkeypatch.setattr(search_terms, "FORMS_MAXIMUM", forms)
    if walk is not None:
        # As if many were expected, so that the catalogue is walked through, far enough or not.
        monkeypatch.setattr(relevance, "FEW", enough)
        for module in (relevance, search_terms):
            monkeypatch.setattr(module, "worthwhile_walk", lambda *_: walk)
    choose = Random(f"{walk} {forms}")
    catalogue = Catalogue(shop.reader)
    lengths = set()
    for _ in range(3):
        shop.connection.execute(
            "TRUNCATE catalogue_search, catalogue_words, catalogue_text, catalogue_categories, catalogue_vocabulary"
        )
        things = stocked(shop, choose)
        for search in SEARCHES:
            wanted = ListingFilter(text=search)
            found = expected(things, search, enough)
            lengths.add(len(found))
            numbered: list[UUID] = []
            for page in range(1, len(found) // 2 + 2):
                part = await catalogue.find(wanted, PageRequest(page=page, limit=2))
                if part.corrected_query is not None:
                    break
                assert part.total == len(found), search
                numbered += [item.listing_id for item in part.items]
            else:
                assert numbered == found, search
                assert await walked(catalogue, wanted) == found, search
                by_price = await catalogue.find(wanted, PageRequest(limit=50), order=Order(SortField.PRICE))
                assert by_price.total == len(found)
                assert {item.listing_id for item in by_price.items} == set(found)
                prices = [item.price.minor for item in by_price.items]
                assert prices == sorted(prices, reverse=True)
    assert len(lengths) > 5, "searches find few and many"


async def walked(catalogue: Catalogue, wanted: ListingFilter) -> list[UUID]:
    """All that is found, two at a time, from cursor to cursor."""
    part = await catalogue.find(wanted, SliceRequest(limit=2))
    found = [item.listing_id for item in part.items]
    while part.next_cursor is not None:
        part = await catalogue.find(wanted, SliceRequest(limit=2, cursor=part.next_cursor))
        found += [item.listing_id for item in part.items]
    return found


async def test_of_many_with_a_common_word_none_with_a_rare_one_is_left_out(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relevance, "CANDIDATES", 2)
    shop.listing("Rare zeppelin")
    for _ in range(4):
        shop.listing("Common lamp")
    shop.listing("Lamp of a zeppelin")
    found = await Catalogue(shop.reader).find(ListingFilter(text="lamp zeppelin museum"), PageRequest())
    assert [item.name for item in found.items] == [
        "Lamp of a zeppelin",
        "Common lamp",
        "Common lamp",
        "Rare zeppelin",
    ]
    assert found.total == 4


async def test_of_many_with_a_common_word_those_with_another_one_come_first_however_well_rated_the_others_are(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relevance, "CANDIDATES", 2)
    shop.listing("Oak lamp")
    for rating in ("4.00", "5.00"):
        shop.rate(shop.listing(f"Lamp of {rating[0]} stars"), rating)
    for _ in range(4):
        shop.listing("Oak table")
        shop.listing("Kitchen table")
    found = await Catalogue(shop.reader).find(ListingFilter(text="oak lamp kitchen"), PageRequest())
    assert [item.name for item in found.items] == ["Oak lamp", "Lamp of 5 stars", "Lamp of 4 stars"]
