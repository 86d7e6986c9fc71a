"""Listings as sellers use them: through the command loop, with stock, categories, slugs and SKUs."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from application.categories import handlers as categories
from application.categories.commands import CreateCategory, DeleteCategory
from application.listings import handlers as listings
from application.listings.commands import (
    ArchiveListing,
    ChangeCostPrice,
    ChangeListingPrice,
    ChangeListingSku,
    ChangePackaging,
    CreateListing,
    DeactivateListing,
    PublishListing,
    RecategoriseListing,
    ReviseListing,
    ReviseListingDescription,
)
from application.shared.caller import SYSTEM, Caller
from application.shared.command import Command, IdempotencyKey, StaleVersion
from application.shared.loop import CommandLoop
from application.shared.store import Kind
from domain.categories.category import CategoryInUse, CategoryMissing
from domain.categories.events import CategoryDeleted, ListingFiled, ListingUnfiled
from domain.inventory import stock as inventory
from domain.inventory.events import LowStockThresholdSet, StockAdjusted
from domain.inventory.stock import StockQuantityInvalid, stock_id
from domain.listings.events import (
    CostPriceChanged,
    ListingArchived,
    ListingCreated,
    ListingDeactivated,
    ListingDescriptionRevised,
    ListingPriceChanged,
    ListingPublished,
    ListingRecategorised,
    ListingSkuChanged,
    PackagingChanged,
)
from domain.listings.fields import ProductType
from domain.listings.listing import Listing, ListingIsArchived, ListingNotFound, SkuTaken
from domain.listings.pricing import ListingCurrencyFixed, PriceInvalid
from domain.listings.slugs import NUMBERED_SLUGS, SlugTaken
from domain.shared.claims import ClaimReleased, ValueClaimed
from domain.shared.errors import AccessDenied, DomainError, NotAuthenticated, NotPermitted
from domain.shared.money import Money
from infrastructure.identity import new_id
from tests.support.commands import CLAIMS, Shop, admin, customer, seller, shop

HANDLERS = {**categories.HANDLERS, **listings.HANDLERS}
KINDS = (
    *categories.KINDS,
    *listings.KINDS,
    Kind("stock", inventory.Stock, inventory.evolve),
)
CEILING = 99_999_999
SELLER = seller(new_id())
RIVAL = seller(new_id())
ADMIN = admin(new_id())


@pytest.fixture
async def market() -> AsyncIterator[Shop]:
    async with shop(HANDLERS, KINDS) as market:
        yield market


def draft(**fields: Any) -> CreateListing:
    standard = {
        "listing_id": new_id(),
        "name": "Teapot",
        "price": Money(12_50),
        "price_ceiling": CEILING,
    }
    return CreateListing(**(standard | fields))


async def write(market: Shop, by: Caller = SELLER, **fields: Any) -> Listing:
    done = await market.ask(draft(**fields), by)
    listing: Listing = done.result
    return listing


async def write_and_publish(market: Shop, **fields: Any) -> Listing:
    listing = await write(market, **fields)
    done = await market.ask(PublishListing(listing_id=listing.listing_id), SELLER)
    published: Listing = done.result
    return published


async def category(market: Shop, name: str = "Kitchen") -> UUID:
    category_id = new_id()
    await market.ask(CreateCategory(category_id=category_id, name=name), ADMIN)
    return category_id


def revise(listing: Listing, **changes: Any) -> ReviseListing:
    return ReviseListing(listing_id=listing.listing_id, price_ceiling=CEILING, **changes)


class TestWriting:
    async def test_the_caller_becomes_the_seller_and_stock_opens_in_one_commit(self, market: Shop) -> None:
        kitchen = await category(market)
        command = draft(sku=" TP-6 ", category_id=kitchen, stock_quantity=5, low_stock_threshold=2)
        before = market.store.appends
        events = await market.events_of(command, SELLER)
        assert market.store.appends == before + 1
        assert SELLER.actor_id is not None
        assert events == [
            ListingFiled(category_id=kitchen, listing_id=command.listing_id),
            ValueClaimed(kind="listing_slug", owner_id=command.listing_id),
            ValueClaimed(kind="sku", owner_id=command.listing_id),
            ListingCreated(
                seller_id=SELLER.actor_id,
                name="Teapot",
                slug="teapot",
                price=Money(12_50),
                product_type=ProductType.PHYSICAL,
                category_id=kitchen,
                sku="TP-6",
            ),
            StockAdjusted(
                listing_id=command.listing_id,
                seller_id=SELLER.actor_id,
                delta=5,
                new_quantity=5,
                reason="opening",
            ),
            LowStockThresholdSet(listing_id=command.listing_id, threshold=2),
        ]

    async def test_a_listing_starts_with_no_stock_and_a_threshold_of_ten(self, market: Shop) -> None:
        events = await market.events_of(draft(), SELLER)
        assert [e.new_quantity for e in events if isinstance(e, StockAdjusted)] == [0]
        assert [e.threshold for e in events if isinstance(e, LowStockThresholdSet)] == [10]

    async def test_everything_that_a_new_listing_reads_is_loaded_in_one_round(self, market: Shop) -> None:
        kitchen = await category(market)
        market.loop._cache.clear()
        before = market.loop.statistics.loads
        await market.ask(draft(category_id=kitchen, sku="TP-6"), SELLER)
        assert market.loop.statistics.loads == before + 1

    async def test_an_admin_who_writes_a_listing_is_its_seller(self, market: Shop) -> None:
        assert (await write(market, by=ADMIN)).seller_id == ADMIN.actor_id

    @pytest.mark.parametrize(
        ("caller", "refusal"),
        [(Caller(), NotAuthenticated), (SYSTEM, NotAuthenticated), (customer(new_id()), NotPermitted)],
    )
    async def test_nobody_else_writes_listings(
        self, market: Shop, caller: Caller, refusal: type[DomainError]
    ) -> None:
        with pytest.raises(refusal):
            await market.ask(draft(), caller)
        assert market.store.log == []

    async def test_a_missing_category_is_refused_by_name(self, market: Shop) -> None:
        with pytest.raises(CategoryMissing) as refused:
            await write(market, category_id=new_id())
        assert [problem.field for problem in refused.value.problems] == ["categoryId"]
        assert market.store.log == []

    async def test_a_deleted_category_is_refused_like_a_missing_one(self, market: Shop) -> None:
        kitchen = await category(market)
        await market.ask(DeleteCategory(category_id=kitchen), ADMIN)
        with pytest.raises(CategoryMissing):
            await write(market, category_id=kitchen)

    async def test_an_impossible_listing_leaves_no_trace(self, market: Shop) -> None:
        kitchen = await category(market)
        before = len(market.store.log)
        with pytest.raises(PriceInvalid):
            await write(market, price=Money(0), sku="TP-6", slug="teapot", category_id=kitchen)
        with pytest.raises(StockQuantityInvalid):
            await write(market, stock_quantity=-1, sku="TP-6", slug="teapot", category_id=kitchen)
        assert len(market.store.log) == before
        assert (await write(market, sku="TP-6", slug="teapot")).sku == "TP-6"

    async def test_a_repeated_request_is_answered_with_the_first_listing(self, market: Shop) -> None:
        key = IdempotencyKey(new_id(), "once", b"hash")
        command = draft(
            sku="TP-6", weight=Decimal("1.50"), tags=("tea",), compare_price=Money(20_00), slug="pot"
        )
        first = await market.ask(command, SELLER, key=key)
        again = await market.ask(msgspec.structs.replace(command, listing_id=new_id()), SELLER, key=key)
        assert again.replayed
        assert again.result == first.result
        assert (again.version, again.position) == (first.version, first.position)
        assert len(market.store.events(ListingCreated)) == 1


class TestSlugs:
    async def test_a_second_listing_of_the_same_name_gets_a_number(self, market: Shop) -> None:
        assert [(await write(market)).slug for _ in range(3)] == ["teapot", "teapot-2", "teapot-3"]

    async def test_a_hundred_sellers_of_one_name_at_once_get_a_hundred_addresses(self, market: Shop) -> None:
        written = await asyncio.gather(*(write(market) for _ in range(100)))
        slugs = {listing.slug for listing in written}
        assert len(slugs) == 100
        numbered = {"teapot", *(f"teapot-{number}" for number in range(2, NUMBERED_SLUGS + 1))}
        assert numbered <= slugs
        for listing in written:
            assert listing.slug in numbered or listing.slug == f"teapot-{listing.listing_id.hex[-8:]}"

    async def test_a_slug_that_is_taken_is_refused_to_others(self, market: Shop) -> None:
        await write(market, slug="best-teapot")
        with pytest.raises(SlugTaken) as refused:
            await write(market, by=RIVAL, slug="best-teapot")
        assert refused.value.code == "SLUG_TAKEN"

    async def test_an_archived_listing_keeps_its_address(self, market: Shop) -> None:
        listing = await write(market)
        await market.ask(ArchiveListing(listing_id=listing.listing_id), SELLER)
        with pytest.raises(SlugTaken):
            await write(market, slug="teapot")

    async def test_listings_and_categories_do_not_share_addresses(self, market: Shop) -> None:
        await category(market, "Teapot")
        assert (await write(market)).slug == "teapot"


class TestSkus:
    async def test_a_sku_is_unique_over_the_whole_marketplace(self, market: Shop) -> None:
        await write(market, sku="TP-6")
        with pytest.raises(SkuTaken) as refused:
            await write(market, by=RIVAL, sku=" TP-6 ")
        assert refused.value.code == "SKU_TAKEN"
        assert (await write(market, by=RIVAL, sku="tp-6")).sku == "tp-6"

    async def test_of_many_who_ask_for_one_sku_at_once_one_gets_it(self, market: Shop) -> None:
        answers = await asyncio.gather(
            *(write(market, sku="TP-6") for _ in range(20)), return_exceptions=True
        )
        assert len([answer for answer in answers if isinstance(answer, Listing)]) == 1
        assert len([answer for answer in answers if isinstance(answer, SkuTaken)]) == 19

    async def test_a_changed_sku_frees_the_old_one(self, market: Shop) -> None:
        listing = await write(market, sku="TP-6")
        change = ChangeListingSku(listing_id=listing.listing_id, sku="TP-7")
        assert await market.events_of(change, SELLER) == [
            ListingSkuChanged(sku="TP-7"),
            ValueClaimed(kind="sku", owner_id=listing.listing_id),
            ClaimReleased(kind="sku", owner_id=listing.listing_id),
        ]
        assert (await write(market, by=RIVAL, sku="TP-6")).sku == "TP-6"

    async def test_a_sku_of_another_listing_is_refused(self, market: Shop) -> None:
        listing = await write(market, sku="TP-6")
        await write(market, by=RIVAL, sku="TP-7")
        with pytest.raises(SkuTaken):
            await market.ask(ChangeListingSku(listing_id=listing.listing_id, sku="TP-7"), SELLER)

    async def test_an_archived_listing_gives_its_sku_back(self, market: Shop) -> None:
        listing = await write(market, sku="TP-6")
        await market.ask(ArchiveListing(listing_id=listing.listing_id), SELLER)
        assert (await write(market, sku="TP-6")).sku == "TP-6"


class TestSingleChanges:
    async def test_each_kind_of_change_is_a_fact_of_its_own(self, market: Shop) -> None:
        kitchen = await category(market)
        listing_id = (await write(market)).listing_id
        asked: list[tuple[Command, Any]] = [
            (
                ReviseListingDescription(listing_id=listing_id, name="Samovar"),
                ListingDescriptionRevised(name="Samovar"),
            ),
            (
                ChangeListingPrice(listing_id=listing_id, price=Money(9_99), price_ceiling=CEILING),
                ListingPriceChanged(old_price=Money(12_50), new_price=Money(9_99)),
            ),
            (
                ChangeCostPrice(listing_id=listing_id, cost_price=Money(5_00), price_ceiling=CEILING),
                CostPriceChanged(cost_price=Money(5_00)),
            ),
            (
                RecategoriseListing(listing_id=listing_id, category_id=kitchen),
                ListingRecategorised(category_id=kitchen),
            ),
            (
                ChangePackaging(listing_id=listing_id, weight=Decimal("2.5")),
                PackagingChanged(weight=Decimal("2.5")),
            ),
            (PublishListing(listing_id=listing_id), ListingPublished()),
            (
                DeactivateListing(listing_id=listing_id, reason="sold out"),
                ListingDeactivated(reason="sold out"),
            ),
        ]
        for command, fact in asked:
            assert (await market.events_of(command, SELLER))[-1] == fact
            assert await market.events_of(command, SELLER) == [], "asking again adds nothing"

    async def test_an_old_version_is_not_changed(self, market: Shop) -> None:
        listing = await write_and_publish(market)
        change = ChangeListingPrice(listing_id=listing.listing_id, price=Money(1), price_ceiling=CEILING)
        with pytest.raises(StaleVersion):
            await market.ask(change, SELLER, expected_version=1)
        assert (await market.ask(change, SELLER, expected_version=2)).version == 3


class TestRevisingManyThings:
    async def test_all_changes_are_made_in_one_commit_and_answered_as_one_listing(self, market: Shop) -> None:
        old, new = await category(market, "Kitchen"), await category(market, "Garden")
        listing = await write(market, category_id=old, sku="TP-6")
        appends = market.store.appends
        before = len(market.store.log)
        done = await market.ask(
            revise(
                listing,
                name="Samovar",
                price=Money(30_00),
                compare_price=Money(40_00),
                cost_price=Money(20_00),
                category_id=new,
                sku="SM-1",
                weight=Decimal(4),
                low_stock_threshold=3,
            ),
            SELLER,
        )
        assert market.store.appends == appends + 1
        assert [type(recorded.event) for recorded in market.store.log[before:]] == [
            ListingDescriptionRevised,
            ListingPriceChanged,
            CostPriceChanged,
            ListingUnfiled,
            ListingFiled,
            ListingRecategorised,
            ListingSkuChanged,
            ValueClaimed,
            ClaimReleased,
            PackagingChanged,
            LowStockThresholdSet,
        ]
        revised = done.result
        assert (revised.name, revised.slug, revised.sku) == ("Samovar", "teapot", "SM-1")
        assert (revised.price, revised.compare_price, revised.cost_price) == (
            Money(30_00),
            Money(40_00),
            Money(20_00),
        )
        assert (revised.category_id, revised.weight) == (new, Decimal(4))
        assert done.version == 7

    async def test_what_already_is_as_asked_adds_nothing(self, market: Shop) -> None:
        kitchen = await category(market)
        listing = await write(market, category_id=kitchen, sku="TP-6", weight=Decimal(1))
        same = revise(
            listing,
            name="Teapot",
            description=None,
            price=Money(12_50),
            compare_price=None,
            cost_price=None,
            category_id=kitchen,
            sku="TP-6",
            weight=Decimal("1.00"),
            low_stock_threshold=10,
        )
        assert await market.events_of(same, SELLER) == []
        assert await market.events_of(revise(listing), SELLER) == []

    async def test_one_impossible_change_undoes_all(self, market: Shop) -> None:
        listing = await write(market)
        before = len(market.store.log)
        for impossible in (
            {"price": Money(0)},
            {"price": Money(1, "eur")},
            {"category_id": new_id()},
            {"low_stock_threshold": -1},
        ):
            with pytest.raises((PriceInvalid, ListingCurrencyFixed, CategoryMissing, StockQuantityInvalid)):
                await market.ask(revise(listing, name="Samovar", **impossible), SELLER)
        assert len(market.store.log) == before

    async def test_a_revision_loads_what_it_reads_in_two_rounds(self, market: Shop) -> None:
        old, new = await category(market, "Kitchen"), await category(market, "Garden")
        listing = await write(market, category_id=old, sku="TP-6")
        market.loop._cache.clear()
        before = market.loop.statistics.loads
        await market.ask(revise(listing, category_id=new, sku="SM-1", low_stock_threshold=1), SELLER)
        assert market.loop.statistics.loads == before + 2

    async def test_an_archived_listing_refuses_even_an_empty_revision(self, market: Shop) -> None:
        listing = await write(market)
        await market.ask(ArchiveListing(listing_id=listing.listing_id), SELLER)
        for changes in ({}, {"low_stock_threshold": 1}, {"name": "Samovar"}):
            with pytest.raises(ListingIsArchived):
                await market.ask(revise(listing, **changes), SELLER)


def every_change(listing_id: UUID) -> list[Command]:
    return [
        ReviseListing(listing_id=listing_id, price_ceiling=CEILING, name="Samovar"),
        ReviseListingDescription(listing_id=listing_id, name="Samovar"),
        ChangeListingPrice(listing_id=listing_id, price=Money(1), price_ceiling=CEILING),
        ChangeCostPrice(listing_id=listing_id, cost_price=Money(1), price_ceiling=CEILING),
        RecategoriseListing(listing_id=listing_id, category_id=None),
        ChangeListingSku(listing_id=listing_id, sku="SM-1"),
        ChangePackaging(listing_id=listing_id, weight=Decimal(1)),
        PublishListing(listing_id=listing_id),
        DeactivateListing(listing_id=listing_id),
        ArchiveListing(listing_id=listing_id),
    ]


class TestOwnership:
    def test_every_use_case_is_among_those_tested_here(self) -> None:
        assert {type(command) for command in every_change(new_id())} | {CreateListing} == set(
            listings.HANDLERS
        )

    async def refused(self, market: Shop, listing_id: UUID, by: Caller, refusal: type[DomainError]) -> None:
        before = len(market.store.log)
        for command in every_change(listing_id):
            with pytest.raises(refusal) as caught:
                await market.ask(command, by)
            assert type(caught.value) is refusal
        assert len(market.store.log) == before

    async def test_who_is_not_signed_in_is_asked_to(self, market: Shop) -> None:
        listing = await write_and_publish(market)
        await self.refused(market, listing.listing_id, Caller(), NotAuthenticated)

    @pytest.mark.parametrize(
        "stranger", [RIVAL, customer(new_id()), Caller(actor_id=new_id(), role="courier")]
    )
    async def test_a_stranger_may_not_change_what_everybody_sees(
        self, market: Shop, stranger: Caller
    ) -> None:
        listing = await write_and_publish(market)
        await self.refused(market, listing.listing_id, stranger, AccessDenied)

    async def test_a_stranger_does_not_learn_of_a_draft(self, market: Shop) -> None:
        listing = await write(market)
        await self.refused(market, listing.listing_id, RIVAL, ListingNotFound)

    async def test_a_stranger_does_not_learn_of_what_is_off_the_shelf(self, market: Shop) -> None:
        listing = await write_and_publish(market)
        await market.ask(DeactivateListing(listing_id=listing.listing_id), SELLER)
        await self.refused(market, listing.listing_id, RIVAL, ListingNotFound)
        await market.ask(ArchiveListing(listing_id=listing.listing_id), SELLER)
        await self.refused(market, listing.listing_id, RIVAL, ListingNotFound)

    async def test_a_listing_that_never_was_is_not_found(self, market: Shop) -> None:
        await self.refused(market, new_id(), SELLER, ListingNotFound)

    async def test_its_writer_who_is_no_seller_any_more_may_not_change_it(self, market: Shop) -> None:
        assert SELLER.actor_id is not None
        listing = await write(market)
        await self.refused(market, listing.listing_id, customer(SELLER.actor_id), AccessDenied)

    @pytest.mark.parametrize("caller", [ADMIN, Caller(actor_id=new_id(), role="super_admin"), SYSTEM])
    async def test_admins_and_the_system_may_change_everything(self, market: Shop, caller: Caller) -> None:
        listing = await write(market)
        for command in every_change(listing.listing_id):
            await market.ask(command, caller)
        [archived] = market.store.events(ListingArchived)
        assert archived == ListingArchived(by=caller.actor_id)


class TestCategoriesInUse:
    async def test_a_category_with_a_live_listing_is_not_deleted(self, market: Shop) -> None:
        kitchen = await category(market)
        await write(market, category_id=kitchen)
        with pytest.raises(CategoryInUse) as refused:
            await market.ask(DeleteCategory(category_id=kitchen), ADMIN)
        assert refused.value.details == {"categoryId": str(kitchen), "listings": 1}

    async def test_it_is_deleted_once_its_listings_moved_on(self, market: Shop) -> None:
        kitchen = await category(market)
        first = await write(market, category_id=kitchen)
        second = await write(market, category_id=kitchen)
        await market.ask(ArchiveListing(listing_id=first.listing_id), SELLER)
        await market.ask(RecategoriseListing(listing_id=second.listing_id, category_id=None), SELLER)
        await market.ask(DeleteCategory(category_id=kitchen), ADMIN)
        assert market.store.events(CategoryDeleted) == [CategoryDeleted(by=ADMIN.actor_id)]

    async def test_an_inactive_listing_still_counts(self, market: Shop) -> None:
        kitchen = await category(market)
        listing = await write_and_publish(market, category_id=kitchen)
        await market.ask(DeactivateListing(listing_id=listing.listing_id), SELLER)
        with pytest.raises(CategoryInUse):
            await market.ask(DeleteCategory(category_id=kitchen), ADMIN)

    async def test_two_processes_never_leave_a_listing_in_a_deleted_category(self, market: Shop) -> None:
        """One process files a listing while another, which knows nothing of it yet, deletes the category."""
        kitchen = await category(market)
        other = CommandLoop(
            market.store, handlers=HANDLERS, kinds=[*KINDS, CLAIMS], clock=market.clock, new_id=new_id
        )
        async with other:
            filed, deleted = await asyncio.gather(
                market.ask(draft(category_id=kitchen), SELLER),
                other.submit(DeleteCategory(category_id=kitchen), ADMIN),
                return_exceptions=True,
            )
        assert isinstance(filed, CategoryMissing) != isinstance(deleted, CategoryInUse)

    @settings(max_examples=30, deadline=None)
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["write", "move", "archive", "delete"]),
                st.integers(0, 3),
                st.sampled_from([None, 0, 1]),
            ),
            max_size=25,
        )
    )
    async def test_a_deleted_category_holds_no_live_listing_whatever_is_asked(
        self, asked: list[tuple[str, int, int | None]]
    ) -> None:
        async with shop(HANDLERS, KINDS) as market:
            shelves = [await category(market, "Kitchen"), await category(market, "Garden")]
            ids = [new_id() for _ in range(4)]
            live: dict[UUID, UUID | None] = {}
            deleted: set[UUID] = set()
            for what, which, where in asked:
                listing_id = ids[which]
                shelf = None if where is None else shelves[where]
                if what == "delete" and shelf is not None:
                    allowed = shelf not in live.values() and shelf not in deleted
                    if await self.happens(market, DeleteCategory(category_id=shelf), ADMIN, allowed):
                        deleted.add(shelf)
                elif what == "write" and listing_id not in live:
                    ids[which] = listing_id = new_id()
                    command: Command = draft(listing_id=listing_id, category_id=shelf)
                    if await self.happens(market, command, SELLER, shelf not in deleted):
                        live[listing_id] = shelf
                elif what == "move" and listing_id in live:
                    command = RecategoriseListing(listing_id=listing_id, category_id=shelf)
                    if await self.happens(market, command, SELLER, shelf not in deleted):
                        live[listing_id] = shelf
                elif what == "archive" and listing_id in live:
                    assert await self.happens(market, ArchiveListing(listing_id=listing_id), SELLER, True)
                    del live[listing_id]

    @staticmethod
    async def happens(market: Shop, command: Command, by: Caller, expected: bool) -> bool:
        try:
            await market.ask(command, by)
        except DomainError:
            happened = False
        else:
            happened = True
        assert happened == expected
        return happened


class TestStock:
    async def test_the_threshold_is_set_on_the_stock_of_the_listing(self, market: Shop) -> None:
        listing = await write(market, stock_quantity=50)
        events = await market.events_of(revise(listing, low_stock_threshold=3), SELLER)
        assert events == [LowStockThresholdSet(listing_id=listing.listing_id, threshold=3)]
        assert market.store.log[-1].stream_id == stock_id(listing.listing_id)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "   "),
        ("name", "x"),
        ("name", "Tea\x00pot"),
        ("name", "x" * 256),
        ("description", "too short"),
        ("short_description", "x" * 501),
        ("tags", ["tea"] * 21),
        ("tags", ["x" * 51]),
        ("tags", [" "]),
        ("seo_title", "x" * 256),
        ("seo_description", "x" * 501),
        ("stock_quantity", -1),
        ("slug", "Tea Pot"),
        ("sku", "x"),
    ],
)
def test_the_limits_of_each_field_stand_in_the_command(field: str, value: object) -> None:
    fields = msgspec.to_builtins(draft())
    msgspec.convert(fields, CreateListing)
    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert(fields | {field: value}, CreateListing)
