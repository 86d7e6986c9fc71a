"""Categories: created, renamed, deleted, and never deleted from under a listing."""

from functools import partial
from uuid import UUID

from domain.categories import category, category_use
from domain.categories.category import Category, CategoryInUse, CategoryMissing, CategoryNotFound
from domain.categories.category_use import CategoryUse, category_use_id
from domain.categories.events import (
    CategoryCreated,
    CategoryDeleted,
    CategoryRenamed,
    ListingFiled,
    ListingUnfiled,
)
from tests.support.given import STREAM, given

ADMIN = UUID("01890000-0000-7000-8000-0000000000ad")
TEAPOT = UUID("01890000-0000-7000-8000-0000000000b1")
KETTLE = UUID("01890000-0000-7000-8000-0000000000b2")

given_category = partial(given, category.evolve)
given_use = partial(given, category_use.evolve, stream_id=category_use_id(STREAM))
created = CategoryCreated(name="Kitchen", slug="kitchen")
deleted = CategoryDeleted(by=ADMIN)
teapot_filed = ListingFiled(category_id=STREAM, listing_id=TEAPOT)
kettle_filed = ListingFiled(category_id=STREAM, listing_id=KETTLE)
teapot_unfiled = ListingUnfiled(category_id=STREAM, listing_id=TEAPOT)


class TestRenaming:
    def test_a_new_name_alone_keeps_the_slug(self) -> None:
        given_category(created).when(Category.rename, name="Kitchenware").then(
            CategoryRenamed(name="Kitchenware", slug="kitchen")
        )

    def test_a_new_slug_alone_keeps_the_name(self) -> None:
        given_category(created).when(Category.rename, slug="kitchenware").then(
            CategoryRenamed(name="Kitchen", slug="kitchenware")
        )

    def test_the_same_name_is_no_change(self) -> None:
        given_category(created).when(Category.rename, name="Kitchen", slug="kitchen").then()

    def test_a_deleted_category_cannot_be_renamed(self) -> None:
        given_category(created, deleted).when(Category.rename, name="Kitchenware").refused(CategoryNotFound)


class TestDeleting:
    def test_an_empty_category_is_deleted(self) -> None:
        given_category(created).when(Category.delete, by=ADMIN, live_listings=0).then(deleted)

    def test_a_category_with_a_listing_is_kept(self) -> None:
        refusal = (
            given_category(created).when(Category.delete, by=ADMIN, live_listings=1).refused(CategoryInUse)
        )
        assert refusal.code == "CATEGORY_IN_USE"
        assert refusal.details["listings"] == 1

    def test_a_deleted_category_is_not_there_to_be_deleted(self) -> None:
        given_category(created, deleted).when(Category.delete, by=ADMIN, live_listings=0).refused(
            CategoryNotFound
        )


class TestCounting:
    def test_listings_are_counted_in_and_out(self) -> None:
        use = given_use(teapot_filed, kettle_filed, teapot_unfiled).state
        assert use == CategoryUse(category_id=STREAM, live=1)
        assert use.stream_id == category_use_id(STREAM)

    def test_a_listing_is_filed_and_unfiled(self) -> None:
        assert CategoryUse.file(STREAM, TEAPOT) == [teapot_filed]
        given_use(teapot_filed).when(CategoryUse.unfile, listing_id=TEAPOT).then(teapot_unfiled)


def test_a_reference_to_a_missing_category_names_the_field() -> None:
    refusal = CategoryMissing(STREAM)
    assert refusal.code == "VALIDATION_ERROR"
    assert [(problem.field, problem.rule) for problem in refusal.problems] == [("categoryId", "exists")]
