"""The catalogue lists and finds what is on the shelf, best first, whatever was typed."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

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
from domain.listings.fields import ProductType
from domain.shared.errors import InvalidInput
from domain.shared.events import DomainEvent, Recorded
from domain.shared.money import Money
from infrastructure.identity import new_id
from projections.listings import relevance
from projections.listings.catalogue import FINDING_AT_ONCE, Catalogue
from projections.listings.catalogue_answers import CatalogueItem, CatalogueResult
from projections.listings.catalogue_questions import (
    NEWEST,
    SEARCH_ORDERS,
    Direction,
    ListingFilter,
    Order,
    SearchOrder,
    SortField,
)
from projections.listings.catalogue_search import CatalogueSearch
from projections.listings.standing import PUBLIC, Standing, Viewer
from projections.listings.vocabulary import Vocabulary
from projections.shared.paging import PageRequest, SliceRequest
from projections.shared.reader import Reader
from projections.shared.rebuild import create_missing
from projections.shared.runner import project_all
from projections.shared.tracking import begin_generation, physical_names
from projections.shared.turns import TooManyAsk
from projections.shared.words import words_of
from tests.projections.listings.shop import NOON, Shop

pytestmark = pytest.mark.services
ADMIN = Viewer(manages_all=True)


async def search(shop: Shop, text: str, order: SearchOrder | None = None) -> CatalogueResult:
    chosen = None if order is None else SEARCH_ORDERS[order]
    return await Catalogue(shop.reader).find(ListingFilter(text=text), PageRequest(), order=chosen)


async def found(shop: Shop, text: str, order: SearchOrder | None = None) -> list[str]:
    return names(await search(shop, text, order))


async def listed(
    shop: Shop, wanted: ListingFilter, order: Order = NEWEST, viewer: Viewer = PUBLIC
) -> list[str]:
    result = await Catalogue(shop.reader).find(wanted, PageRequest(), order=order, viewer=viewer)
    assert result.total == len(result.items)
    return names(result)


def names(result: CatalogueResult) -> list[str]:
    return [item.name for item in result.items]


class TestRelevance:
    async def test_name_comes_before_short_description_before_the_rest(self, shop: Shop) -> None:
        shop.listing("In the name: lamp")
        shop.listing("Short", short_description="A kind of lamp.")
        shop.listing("Tagged", tags=("lamp",))
        shop.listing("Described", description="Goes with any lamp.")
        # Newest last, so that age alone would show the opposite.
        assert await found(shop, "lamp") == ["In the name: lamp", "Short", "Tagged", "Described"]

    async def test_the_very_name_comes_before_whole_words_before_beginnings(self, shop: Shop) -> None:
        shop.listing("Car")
        shop.listing("Toy car")
        shop.listing("Carpet")
        assert await found(shop, "car") == ["Car", "Toy car", "Carpet"]

    async def test_ties_go_to_the_better_rated_then_to_the_newer(self, shop: Shop) -> None:
        for name, rating in (("Lamp a", "3.50"), ("Lamp b", "4.75"), ("Lamp c", "3.50")):
            shop.rate(shop.listing(name), rating)
        assert await found(shop, "lamp") == ["Lamp b", "Lamp c", "Lamp a"]

    async def test_all_words_come_before_some_of_them(self, shop: Shop) -> None:
        shop.listing("Shelf", description="Holds red wine and shoes.")
        shop.listing("Red hat")
        shop.listing("Shoes")
        shop.listing("Blue hat")
        result = await search(shop, "red shoes")
        assert names(result) == ["Shelf", "Shoes", "Red hat"]
        assert result.total == 3

    async def test_more_of_the_words_come_before_fewer(self, shop: Shop) -> None:
        shop.listing("Rack", description="For red leather.")
        shop.listing("Shoes")
        assert await found(shop, "red leather shoes") == ["Rack", "Shoes"]

    async def test_with_enough_listings_that_have_all_words_the_others_are_left_out(
        self, shop: Shop, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(relevance, "ENOUGH", 2)
        for name in ("Red shoes", "Shoes in red", "Red hat"):
            shop.listing(name)
        assert await found(shop, "red shoes") == ["Red shoes", "Shoes in red"]

    @pytest.mark.parametrize(
        ("order", "expected"),
        [
            (SearchOrder.PRICE_LOW, ["Lamp b", "Lamp c", "Lamp a"]),
            (SearchOrder.PRICE_HIGH, ["Lamp a", "Lamp c", "Lamp b"]),
            (SearchOrder.RATING, ["Lamp c", "Lamp b", "Lamp a"]),
            (SearchOrder.NEWEST, ["Lamp c", "Lamp b", "Lamp a"]),
        ],
    )
    async def test_a_search_is_sorted_as_asked(
        self, shop: Shop, order: SearchOrder, expected: list[str]
    ) -> None:
        for name, price, rating in (("Lamp a", 300, "2"), ("Lamp b", 100, "3"), ("Lamp c", 200, "4")):
            shop.rate(shop.listing(name, price=Money(price, "usd")), rating)
        assert await found(shop, "lamp", order) == expected


class TestWords:
    @pytest.mark.parametrize("typed", ["batteries", "Battery", "BATT", "battery for the lamp"])
    async def test_other_forms_and_beginnings_find_it(self, shop: Shop, typed: str) -> None:
        shop.listing("Lamp battery")
        assert await found(shop, typed) == ["Lamp battery"]

    @pytest.mark.parametrize("typed", ["ozbek", "O'zbek", "o‘zbek cho"])
    async def test_letters_typed_in_another_way_find_it(self, shop: Shop, typed: str) -> None:
        shop.listing("Oʻzbek choyi")
        assert await found(shop, typed) == ["Oʻzbek choyi"]

    @pytest.mark.parametrize("typed", ["чайник", "ЧАЙНИКИ 5", "чай"])
    async def test_other_scripts_are_found(self, shop: Shop, typed: str) -> None:
        shop.listing("Чайник 5л")
        assert await found(shop, typed.split(" ", maxsplit=1)[0][:6]) == ["Чайник 5л"]

    async def test_a_category_is_found_by_its_new_name_only(self, shop: Shop) -> None:
        lights = shop.category("Lights", "lights")
        shop.listing("Glow", category_id=lights)
        assert await found(shop, "lights") == ["Glow"]
        shop.happened(lights, CategoryRenamed(name="Lanterns", slug="lanterns"))
        assert await found(shop, "lantern") == ["Glow"]
        assert await found(shop, "lights") == []

    async def test_a_listing_that_moved_is_found_by_its_new_category_only(self, shop: Shop) -> None:
        lights, gifts = shop.category("Lights", "lights"), shop.category("Gifts", "gifts")
        listing = shop.listing("Glow", category_id=lights)
        shop.happened(listing, ListingRecategorised(category_id=gifts))
        assert await found(shop, "gifts") == ["Glow"]
        assert await found(shop, "lights") == []
        assert await listed(shop, ListingFilter(category="gifts")) == ["Glow"]
        shop.happened(listing, ListingRecategorised(category_id=None))
        assert await found(shop, "gifts") == []
        assert await listed(shop, ListingFilter(category="gifts")) == []

    async def test_a_deleted_category_is_forgotten(self, shop: Shop) -> None:
        lights = shop.category("Lights", "lights")
        shop.listing("Glow", category_id=lights)
        shop.happened(lights, CategoryDeleted(by=None))
        assert await found(shop, "lights") == []
        [item] = (await search(shop, "glow")).items
        assert item.category is None

    async def test_revised_words_replace_the_old_ones(self, shop: Shop) -> None:
        listing = shop.listing("Kettle")
        shop.happened(listing, ListingDescriptionRevised(name="Samovar"))
        assert await found(shop, "samovar") == ["Samovar"]
        assert await found(shop, "kettle") == []

    @pytest.mark.parametrize(
        "typed",
        [
            "'; DROP TABLE catalogue_search; --",
            "' OR '1'='1",
            "%' OR name LIKE '%",
            "%",
            "_",
            "lamp:*A & !x",
            "!(|&:*)",
            "a\\'b",
            "{}{0}%s%(match)s",
            "\0lamp\0",
            "\ud800",
            "🦆🦆",
            "x" * 10_000,
            "a b c d e f g h i j k l m n o p q r s t u v w x y z " * 3,
        ],
    )
    async def test_signs_in_a_search_are_harmless(self, shop: Shop, typed: str) -> None:
        shop.listing("Kettle")
        result = await search(shop, typed)
        assert names(result) == []
        assert (result.total, result.query) == (0, typed)
        assert await listed(shop, ListingFilter()) == ["Kettle"]


class Asked:
    """Counts the questions to the database."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.questions = 0

    async def all(self, *question: Any) -> list[dict[str, Any]]:
        self.questions += 1
        return await self._reader.all(*question)

    async def one(self, *question: Any) -> dict[str, Any] | None:
        self.questions += 1
        return await self._reader.one(*question)


class TestManyAtOnce:
    async def test_each_gets_its_answer_and_few_are_asked_for_at_a_time(self, shop: Shop) -> None:
        shop.listing("Red kettle")
        counting = AtOnce(shop.reader)
        catalogue = Catalogue(counting)  # type: ignore[arg-type]
        found = await asyncio.gather(
            *(catalogue.find(ListingFilter(text="kettle"), PageRequest()) for _ in range(40))
        )
        assert [names(each) for each in found] == [["Red kettle"]] * 40
        assert counting.most == FINDING_AT_ONCE

    async def test_who_waits_too_long_is_told_so(self, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("projections.listings.catalogue.PATIENCE_SECONDS", 0.05)
        counting = AtOnce(shop.reader)
        catalogue = Catalogue(counting)  # type: ignore[arg-type]
        counting.open.clear()
        held = [
            asyncio.create_task(catalogue.find(ListingFilter(), PageRequest()))
            for _ in range(FINDING_AT_ONCE)
        ]
        await asyncio.sleep(0.01)
        with pytest.raises(TooManyAsk):
            await catalogue.find(ListingFilter(), PageRequest())
        counting.open.set()
        assert all(names(each) == [] for each in await asyncio.gather(*held))


class AtOnce(Asked):
    """Notices how many ask at the same time; while it is not open, all wait."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(reader)
        self.now = self.most = 0
        self.open = asyncio.Event()
        self.open.set()

    async def all(self, *question: Any) -> list[dict[str, Any]]:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.open.wait()
            return await super().all(*question)
        finally:
            self.now -= 1


class TestCorrections:
    @pytest.mark.parametrize(
        ("typed", "meant"),
        [("batery", "battery"), ("abttery", "battery"), ("Lmap", "lamp"), ("kettel", "kettle")],
    )
    async def test_a_misspelt_word_is_corrected_and_said_so(self, shop: Shop, typed: str, meant: str) -> None:
        for name in ("Battery", "Lamp", "Kettle"):
            shop.listing(name)
        result = await search(shop, typed)
        assert (result.query, result.corrected_query) == (typed, meant)
        assert [name.lower() for name in names(result)] == [meant]

    async def test_only_the_misspelt_word_of_several_is_changed(self, shop: Shop) -> None:
        shop.listing("Red lamp battery")
        assert (await search(shop, "red batery")).corrected_query == "red battery"

    async def test_what_is_there_is_not_corrected(self, shop: Shop) -> None:
        shop.listing("Batter", description="Ingredients for pancakes.")
        shop.listing("Battery")
        for typed in ("batter", "batt", "ingredient", "the batter"):
            assert (await search(shop, typed)).corrected_query is None

    async def test_a_correction_goes_to_the_more_usual_word(self, shop: Shop) -> None:
        shop.listing("Cane")
        for _ in range(2):
            shop.listing("Cake")
        assert (await search(shop, "cafe")).corrected_query == "cake"

    async def test_words_of_drafts_are_not_told(self, shop: Shop) -> None:
        draft = shop.draft("Zeppelin")
        assert (await search(shop, "zepelin")).corrected_query is None
        shop.happened(draft, ListingPublished())
        assert (await search(shop, "zepelin")).corrected_query == "zeppelin"
        shop.happened(draft, ListingDeactivated())
        assert (await search(shop, "zepelin")).corrected_query is None

    async def test_what_is_like_nothing_finds_nothing(self, shop: Shop) -> None:
        shop.listing("Battery")
        result = await search(shop, "qqqqqqqq")
        assert (names(result), result.corrected_query) == ([], None)

    async def test_what_was_meant_the_last_time_is_looked_up_along_with_it(self, shop: Shop) -> None:
        shop.listing("Red kettle")
        asked = Asked(shop.reader)
        catalogue = Catalogue(asked)  # type: ignore[arg-type]

        async def questions() -> int:
            asked.questions = 0
            result = await catalogue.find(ListingFilter(text="red ketle"), PageRequest())
            assert (names(result), result.corrected_query) == (["Red kettle"], "red kettle")
            return asked.questions

        at_first = await questions()
        again = await questions()
        assert again == await questions()
        assert again < at_first
        now = await catalogue.find(ListingFilter(text="red kettle"), PageRequest())
        assert now.corrected_query is None

    async def test_new_words_are_known_once_the_old_ones_have_aged(self, shop: Shop) -> None:
        now = [0.0]
        vocabulary = Vocabulary(shop.reader, clock=lambda: now[0])
        shop.listing("Battery")
        assert await vocabulary.correct("ketle") is None
        shop.listing("Kettle")
        assert await vocabulary.correct("ketle") is None
        now[0] = 30.0
        assert await vocabulary.correct("ketle") == "kettle"


class TestLists:
    async def test_drafts_and_what_was_taken_off_are_hidden(self, shop: Shop) -> None:
        seller = new_id()
        shop.draft("Draft", seller=seller)
        shop.listing("Shown", seller=seller)
        shop.happened(shop.listing("Inactive", seller=seller), ListingDeactivated())
        shop.happened(shop.listing("Archived", seller=seller), ListingArchived(by=None))
        assert await listed(shop, ListingFilter()) == ["Shown"]
        for status in (Standing.DRAFT, Standing.INACTIVE, Standing.ARCHIVED, None):
            mine = ListingFilter(seller_id=seller, status=status)
            for stranger in (Viewer(), Viewer(account_id=new_id())):
                assert await listed(shop, mine, viewer=stranger) == ["Shown"]
                assert await listed(shop, ListingFilter(status=status), viewer=stranger) == ["Shown"]
        for viewer in (ADMIN, Viewer(account_id=seller)):
            drafts = ListingFilter(seller_id=seller, status=Standing.DRAFT)
            assert await listed(shop, drafts, viewer=viewer) == ["Draft"]
            every = ListingFilter(seller_id=seller, status=None)
            assert await listed(shop, every, viewer=viewer) == ["Archived", "Inactive", "Shown", "Draft"]
        assert await listed(shop, ListingFilter(status=Standing.DRAFT), viewer=ADMIN) == ["Draft"]
        own = ListingFilter(seller_id=seller, status=Standing.DRAFT, text="draft")
        assert await listed(shop, own, viewer=Viewer(account_id=seller)) == ["Draft"]
        assert await listed(shop, own) == []

    async def test_each_filter_narrows_the_list_and_its_total(self, shop: Shop) -> None:
        books, seller = shop.category("Books", "books"), new_id()
        shop.listing("Cheap", price=Money(500, "usd"), category_id=books, seller=seller)
        shop.listing("Dear", price=Money(9_000, "usd"), category_id=books)
        shop.listing("Foreign", price=Money(500, "eur"), stock=0)
        assert await listed(shop, ListingFilter(category=books)) == ["Dear", "Cheap"]
        assert await listed(shop, ListingFilter(category="books", seller_id=seller)) == ["Cheap"]
        assert await listed(shop, ListingFilter(category="none")) == []
        assert await listed(shop, ListingFilter(category="bo\0ks")) == []
        assert await listed(shop, ListingFilter(currency="EUR")) == ["Foreign"]
        assert await listed(shop, ListingFilter(min_price=500, max_price=500, currency="usd")) == ["Cheap"]
        assert await listed(shop, ListingFilter(min_price=501, currency="usd")) == ["Dear"]
        assert await listed(shop, ListingFilter(min_price=10**30, currency="usd")) == []
        assert await listed(shop, ListingFilter(in_stock=True)) == ["Dear", "Cheap"]
        assert await listed(shop, ListingFilter(status=Standing.OUT_OF_STOCK)) == ["Foreign"]

    @pytest.mark.parametrize(
        "wanted",
        [ListingFilter(min_price=1), ListingFilter(min_price=2, max_price=1, currency="usd")],
    )
    async def test_impossible_prices_are_refused(self, shop: Shop, wanted: ListingFilter) -> None:
        with pytest.raises(InvalidInput):
            await listed(shop, wanted)

    async def test_orders_move_listings_in_and_out_of_stock(self, shop: Shop) -> None:
        listing, seller, order = shop.listing("Lamp", stock=1), new_id(), new_id()
        wanted = ListingFilter(in_stock=True)
        shop.stock(listing, StockReserved(listing_id=listing, order_id=order, quantity=1))
        assert await listed(shop, wanted) == []
        assert (await search(shop, "lamp")).items[0].status is Standing.OUT_OF_STOCK
        shop.stock(listing, StockReleased(listing_id=listing, order_id=order, quantity=1, reason="expired"))
        assert await listed(shop, wanted) == ["Lamp"]
        shop.stock(
            listing,
            StockAdjusted(listing_id=listing, seller_id=seller, delta=-1, new_quantity=0, reason="lost"),
        )
        assert await listed(shop, wanted) == []

    async def test_a_price_change_shows(self, shop: Shop) -> None:
        listing = shop.listing("Lamp", price=Money(1_000, "usd"))
        shop.happened(
            listing,
            ListingPriceChanged(
                old_price=Money(1_000, "usd"), new_price=Money(900, "usd"), compare_price=Money(1_200, "usd")
            ),
        )
        [item] = (await search(shop, "lamp")).items
        assert (item.price, item.compare_price) == (Money(900, "usd"), Money(1_200, "usd"))
        assert item.discount_percent == 25

    async def test_a_card_shows_seller_and_category(self, shop: Shop) -> None:
        seller, books = shop.seller("Amina"), shop.category("Books", "books")
        shop.listing(
            "Novel", seller=seller, category_id=books, tags=("New!",), short_description="A long story."
        )
        [item] = (await search(shop, "novel")).items
        assert (item.seller.account_id, item.seller.name) == (seller, "Amina")
        assert item.category is not None
        assert (item.category.category_id, item.category.slug) == (books, "books")
        assert (item.tags, item.short_description) == (["New!"], "A long story.")

    async def test_a_page_far_behind_the_last_is_empty_with_the_true_total(self, shop: Shop) -> None:
        for n in range(3):
            shop.listing(f"Lamp {n}")
        for text in (None, "lamp"):
            result = await Catalogue(shop.reader).find(ListingFilter(text=text), PageRequest(page=5, limit=2))
            assert (result.items, result.total, result.has_more) == ([], 3, False)

    async def test_related_are_others_of_the_category_best_first(self, shop: Shop) -> None:
        books = shop.category("Books", "books")
        one = shop.listing("One", category_id=books)
        for name, rating in (("Good", "4"), ("Newer", "3"), ("Best", "5")):
            shop.rate(shop.listing(name, category_id=books), rating)
        shop.draft("Draft", category_id=books)
        shop.listing("Elsewhere")
        related = await Catalogue(shop.reader).related(one)
        assert [item.name for item in related] == ["Best", "Good", "Newer"]
        assert [item.name for item in await Catalogue(shop.reader).related(one, limit=1)] == ["Best"]
        assert await Catalogue(shop.reader).related(shop.listing("Alone")) == []
        with pytest.raises(InvalidInput):
            await Catalogue(shop.reader).related(one, limit=0)


class TestOrders:
    EVERY = tuple(
        Order(field, direction)
        for field in SortField
        if field is not SortField.RELEVANCE
        for direction in Direction
    )

    async def stocked(self, shop: Shop) -> list[UUID]:
        ids = []
        for n, (name, price, rating) in enumerate(
            [("Lamp b", 300, "2"), ("lamp a", 100, "4.25"), ("Lamp C", 100, "4.25"), ("Lamp b", 200, "0")] * 2
        ):
            ids.append(
                shop.listing(name, price=Money(price + n // 4, "usd"), short_description="It is a lamp.")
            )
            shop.rate(ids[-1], rating)
        return ids

    async def test_every_order_is_upwards_or_downwards(self, shop: Shop) -> None:
        await self.stocked(shop)
        keys = {
            SortField.CREATED_AT: lambda item: item.created_at,
            SortField.PRICE: lambda item: item.price.minor,
            SortField.AVERAGE_RATING: lambda item: item.average_rating,
            SortField.NAME: lambda item: item.name.lower(),
            SortField.VIEW_COUNT: lambda item: item.view_count,
        }
        for order in self.EVERY:
            result = await Catalogue(shop.reader).find(ListingFilter(), PageRequest(), order=order)
            seen = [keys[order.field](item) for item in result.items]
            assert seen == sorted(seen, reverse=order.direction is Direction.DESC)

    @pytest.mark.parametrize("text", [None, "lamp", "lamp chair"])
    async def test_a_cursor_leads_through_every_order_as_pages_do(self, shop: Shop, text: str | None) -> None:
        await self.stocked(shop)
        catalogue = Catalogue(shop.reader)
        wanted = ListingFilter(text=text)
        for order in (None, *self.EVERY):
            whole = await catalogue.find(wanted, PageRequest(), order=order)
            assert whole.total == 8
            walked: list[CatalogueItem] = []
            part = await catalogue.find(wanted, PageRequest(limit=3), order=order)
            while True:
                walked += part.items
                if part.next_cursor is None:
                    break
                part = await catalogue.find(
                    wanted, SliceRequest(limit=3, cursor=part.next_cursor), order=order
                )
                assert part.total is None
            assert walked == whole.items

    async def test_a_cursor_of_another_order_is_refused(self, shop: Shop) -> None:
        await self.stocked(shop)
        catalogue = Catalogue(shop.reader)
        cursor = (await catalogue.find(ListingFilter(), PageRequest(limit=1))).next_cursor
        for order in (Order(SortField.CREATED_AT, Direction.ASC), Order(SortField.PRICE)):
            with pytest.raises(InvalidInput) as refused:
                await catalogue.find(ListingFilter(), SliceRequest(cursor=cursor), order=order)
            assert refused.value.problems[0].field == "cursor"


class TestFacets:
    async def test_each_facet_shows_what_its_own_filter_hides(self, shop: Shop) -> None:
        books, toys = shop.category("Books", "books"), shop.category("Toys", "toys")
        for name, category_id, price in (
            ("Lamp a", books, Money(100, "usd")),
            ("Lamp b", books, Money(900, "usd")),
            ("Lamp c", toys, Money(500, "usd")),
            ("Lamp d", None, Money(700, "eur")),
            ("Other", toys, Money(1, "usd")),
        ):
            shop.listing(name, category_id=category_id, price=price)
        catalogue = Catalogue(shop.reader)
        result = await catalogue.find(
            ListingFilter(text="lamp", category=books), PageRequest(), with_facets=True
        )
        assert result.facets is not None
        counts = {
            facet.category and facet.category.slug: facet.listings for facet in result.facets.categories
        }
        assert counts == {"books": 2, "toys": 1, None: 1}
        [usd] = result.facets.prices
        assert (usd.lowest, usd.highest, usd.listings) == (Money(100, "usd"), Money(900, "usd"), 2)
        priced = await catalogue.find(
            ListingFilter(text="lamp", min_price=500, currency="usd"), PageRequest(), with_facets=True
        )
        assert priced.facets is not None
        assert {
            facet.category and facet.category.slug: facet.listings for facet in priced.facets.categories
        } == {
            "books": 1,
            "toys": 1,
        }
        assert [(facet.lowest.minor, facet.highest.minor) for facet in priced.facets.prices] == [(100, 900)]


# --- a rebuild shows the same --------------------------------------------------------------------------------

LISTINGS = [new_id() for _ in range(3)]
CATEGORIES = [new_id() for _ in range(2)]
TABLES = (
    "catalogue_search",
    "catalogue_words",
    "catalogue_text",
    "catalogue_categories",
    "catalogue_vocabulary",
)
WORDS = st.lists(st.sampled_from(["Lamp", "red", "Café", "5", "oʻq"]), max_size=4).map(" ".join)
NAMES = WORDS.map(lambda words: f"It {words}")

_births = st.builds(
    lambda name, short, tags, category: ListingCreated(
        seller_id=LISTINGS[0],
        name=name,
        slug="it",
        price=Money(100, "usd"),
        product_type=ProductType.PHYSICAL,
        category_id=category,
        description=name,
        short_description=short,
        tags=tuple(tags),
    ),
    NAMES,
    st.none() | WORDS,
    st.lists(WORDS, max_size=2),
    st.none() | st.sampled_from(CATEGORIES),
)
_category_births = st.builds(CategoryCreated, name=NAMES, slug=st.just("it"))
_listing_facts = st.one_of(
    st.just(ListingPublished()),
    st.builds(ListingDescriptionRevised, name=NAMES, short_description=st.none() | WORDS),
    st.builds(ListingRecategorised, category_id=st.none() | st.sampled_from(CATEGORIES)),
    st.just(ListingDeactivated()),
    st.just(ListingArchived(by=None)),
)
_category_facts = st.builds(CategoryRenamed, name=NAMES, slug=st.just("it")) | st.just(
    CategoryDeleted(by=None)
)
_stock_facts = st.builds(
    lambda listing_id, quantity, back: (
        StockReleased(listing_id=listing_id, order_id=listing_id, quantity=quantity, reason="expired")
        if back
        else StockReserved(listing_id=listing_id, order_id=listing_id, quantity=quantity)
    ),
    st.sampled_from(LISTINGS),
    st.integers(1, 3),
    st.booleans(),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Recorded]:
    """Every stream begins with its birth, then anything happens; nothing happens to a category after its end."""
    told: list[tuple[UUID, DomainEvent]] = [(stream, draw(_category_births)) for stream in CATEGORIES]
    told += [(stream, draw(_births)) for stream in LISTINGS]
    told += [(stream, ListingPublished()) for stream in draw(st.sets(st.sampled_from(LISTINGS)))]
    told += draw(
        st.lists(
            st.tuples(st.sampled_from(LISTINGS), _listing_facts)
            | st.tuples(st.sampled_from(CATEGORIES), _category_facts)
            | st.tuples(st.just(LISTINGS[0]), _stock_facts),
            min_size=5,
            max_size=20,
        )
    )
    gone: set[UUID] = set()
    recorded: list[Recorded] = []
    for stream_id, event in told:
        if stream_id not in gone:
            at = len(recorded) + 1
            recorded.append(
                Recorded(position=at, stream_id=stream_id, version=at, event=event, recorded_at=NOON)
            )
        if isinstance(event, CategoryDeleted):
            gone.add(stream_id)
    return recorded


class TestRebuilding:
    @settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(recorded=histories())
    def test_history_in_one_batch_shows_what_fact_by_fact_does(
        self, rebuilt: psycopg.Connection[Any], recorded: list[Recorded]
    ) -> None:
        screen = CatalogueSearch()
        names = physical_names(screen, 2, live=False)
        for table in TABLES:
            rebuilt.execute(f"TRUNCATE {table}, {names[table]}")
        for one in recorded:
            project_all(screen, [one], rebuilt)
        screen.apply(recorded, rebuilt, names)
        for table in TABLES:
            live = rebuilt.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
            again = rebuilt.execute(f"SELECT * FROM {names[table]} ORDER BY 1").fetchall()
            assert again == live
        counted: Counter[str] = Counter()
        in_names: Counter[str] = Counter()
        for name, tags, short in rebuilt.execute(
            """
            SELECT s.name, t.tags, t.short_description
            FROM catalogue_text AS t
            JOIN catalogue_search AS s ON s.listing_id = t.listing_id
            WHERE s.status = 'active'
            """
        ).fetchall():
            counted.update(set(words_of(" ".join([name, *tags, short or ""]))))
            in_names.update(set(words_of(name)))
        named: Counter[str] = Counter()
        for (words,) in rebuilt.execute("SELECT words FROM catalogue_categories").fetchall():
            named.update(set(words))
        kept = rebuilt.execute(
            """
            SELECT word, listings, names, categories
            FROM catalogue_vocabulary
            WHERE listings > 0 OR names > 0 OR categories > 0
            """
        ).fetchall()
        assert {word: counts for word, *counts in kept} == {
            word: [counted[word], in_names[word], named[word]] for word in {*counted, *named}
        }
        searched: set[str] = set()
        for (lexemes,) in rebuilt.execute(
            "SELECT tsvector_to_array(lead || described) FROM catalogue_words"
        ).fetchall():
            searched.update(lexeme for lexeme in lexemes if lexeme[0] in "NSTD")
        known = rebuilt.execute("SELECT word, places FROM catalogue_vocabulary").fetchall()
        assert searched <= {place + word for word, places in known for place in places}


@pytest.fixture
def rebuilt(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The live tables and, beside them, those of a rebuild."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        create_missing(connection, [CatalogueSearch()])
        begin_generation(connection, CatalogueSearch(), 2, live=False)
        yield connection
