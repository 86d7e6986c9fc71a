"""Categories as admins use them: through the command loop."""

from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from application.categories import handlers as categories
from application.categories.commands import CreateCategory, DeleteCategory, RenameCategory
from application.shared.caller import Caller
from domain.categories.category import Category, CategoryNotFound
from domain.categories.events import CategoryCreated, CategoryDeleted, CategoryRenamed
from domain.listings.slugs import SlugInvalid, SlugTaken
from domain.shared.claims import ClaimReleased, ValueClaimed
from domain.shared.errors import DomainError, NotAuthenticated, NotPermitted
from infrastructure.identity import new_id
from tests.support.commands import Shop, admin, customer, seller, shop

ADMIN = admin(new_id())


@pytest.fixture
async def market() -> AsyncIterator[Shop]:
    async with shop(categories.HANDLERS, categories.KINDS) as market:
        yield market


async def create(market: Shop, name: str = "Kitchen", slug: str | None = None) -> Category:
    done = await market.ask(CreateCategory(category_id=new_id(), name=name, slug=slug), ADMIN)
    category: Category = done.result
    return category


class TestCreating:
    async def test_an_admin_creates_a_category_and_its_slug_is_reserved(self, market: Shop) -> None:
        category_id = new_id()
        events = await market.events_of(CreateCategory(category_id=category_id, name="Tea & Coffee"), ADMIN)
        assert events == [
            ValueClaimed(kind="category_slug", owner_id=category_id),
            CategoryCreated(name="Tea & Coffee", slug="tea-coffee"),
        ]

    async def test_the_system_creates_categories_too(self, market: Shop) -> None:
        done = await market.ask(CreateCategory(category_id=new_id(), name="Kitchen"))
        assert done.result.slug == "kitchen"

    async def test_a_second_category_of_the_same_name_gets_a_number(self, market: Shop) -> None:
        slugs = [(await create(market)).slug for _ in range(3)]
        assert slugs == ["kitchen", "kitchen-2", "kitchen-3"]

    async def test_a_slug_that_was_asked_for_is_given_or_refused(self, market: Shop) -> None:
        assert (await create(market, slug="cook")).slug == "cook"
        with pytest.raises(SlugTaken) as refused:
            await create(market, slug="cook")
        assert refused.value.code == "SLUG_TAKEN"
        with pytest.raises(SlugInvalid):
            await create(market, slug="Cook!")

    @pytest.mark.parametrize(
        ("caller", "refusal"),
        [
            (Caller(), NotAuthenticated),
            (customer(new_id()), NotPermitted),
            (seller(new_id()), NotPermitted),
        ],
    )
    async def test_nobody_else_manages_categories(
        self, market: Shop, caller: Caller, refusal: type[DomainError]
    ) -> None:
        category_id = (await create(market)).category_id
        before = len(market.store.log)
        for command in (
            CreateCategory(category_id=new_id(), name="Kitchen"),
            RenameCategory(category_id=category_id, name="Garden"),
            DeleteCategory(category_id=category_id),
        ):
            with pytest.raises(refusal):
                await market.ask(command, caller)
        assert len(market.store.log) == before


class TestRenaming:
    async def test_a_new_name_keeps_the_slug(self, market: Shop) -> None:
        category = await create(market)
        events = await market.events_of(
            RenameCategory(category_id=category.category_id, name="Cooking"), ADMIN
        )
        assert events == [CategoryRenamed(name="Cooking", slug="kitchen")]

    async def test_a_new_slug_frees_the_old_one(self, market: Shop) -> None:
        category = await create(market)
        rename = RenameCategory(category_id=category.category_id, slug="cooking")
        assert await market.events_of(rename, ADMIN) == [
            ValueClaimed(kind="category_slug", owner_id=category.category_id),
            ClaimReleased(kind="category_slug", owner_id=category.category_id),
            CategoryRenamed(name="Kitchen", slug="cooking"),
        ]
        assert (await create(market, slug="kitchen")).slug == "kitchen"

    async def test_a_slug_of_another_category_is_refused(self, market: Shop) -> None:
        category = await create(market)
        await create(market, name="Garden")
        with pytest.raises(SlugTaken):
            await market.ask(RenameCategory(category_id=category.category_id, slug="garden"), ADMIN)

    async def test_a_name_that_it_has_already_is_no_fact(self, market: Shop) -> None:
        category = await create(market)
        rename = RenameCategory(category_id=category.category_id, name="Kitchen", slug="kitchen")
        assert await market.events_of(rename, ADMIN) == []

    async def test_a_category_that_never_was_is_not_found(self, market: Shop) -> None:
        with pytest.raises(CategoryNotFound) as refused:
            await market.ask(RenameCategory(category_id=new_id(), name="Cooking"), ADMIN)
        assert refused.value.code == "RESOURCE_NOT_FOUND"


class TestDeleting:
    async def test_an_empty_category_is_deleted_and_its_slug_is_free(self, market: Shop) -> None:
        category = await create(market)
        events = await market.events_of(DeleteCategory(category_id=category.category_id), ADMIN)
        assert CategoryDeleted(by=ADMIN.actor_id) in events
        assert (await create(market, slug="kitchen")).slug == "kitchen"

    async def test_a_deleted_category_is_not_found(self, market: Shop) -> None:
        category_id: UUID = (await create(market)).category_id
        await market.ask(DeleteCategory(category_id=category_id), ADMIN)
        for command in (
            DeleteCategory(category_id=category_id),
            RenameCategory(category_id=category_id, slug="x1"),
        ):
            with pytest.raises(CategoryNotFound):
                await market.ask(command, ADMIN)
