"""Categories are listed by name with the number of their live listings; deleted ones are gone."""

import pytest

from domain.categories.category_use import category_use_id
from domain.categories.events import CategoryDeleted, CategoryRenamed, ListingFiled, ListingUnfiled
from infrastructure.identity import new_id
from projections.categories.category_list import Categories
from projections.shared.paging import PageRequest
from tests.projections.listings.shop import Shop

pytestmark = pytest.mark.services


class TestCategories:
    async def test_they_are_listed_by_name_in_any_case(self, shop: Shop) -> None:
        for name, slug in (("books", "books"), ("Zebras", "zebras"), ("Apples", "apples")):
            shop.category(name, slug)
        page = await Categories(shop.reader).page(PageRequest(limit=2))
        assert [category.name for category in page.items] == ["Apples", "books"]
        assert page.total == 3
        rest = await Categories(shop.reader).page(PageRequest(page=2, limit=2))
        assert [category.name for category in rest.items] == ["Zebras"]

    async def test_live_listings_are_counted(self, shop: Shop) -> None:
        books = shop.category("Books", "books")
        one, two = new_id(), new_id()
        use = category_use_id(books)
        shop.happened(use, ListingFiled(category_id=books, listing_id=one))
        shop.happened(
            use,
            ListingFiled(category_id=books, listing_id=two),
            ListingUnfiled(category_id=books, listing_id=one),
        )
        category = await Categories(shop.reader).by_id(books)
        assert category is not None
        assert category.live_listings == 1

    async def test_a_renamed_one_is_found_by_its_new_slug_only(self, shop: Shop) -> None:
        books = shop.category("Books", "books")
        shop.happened(books, CategoryRenamed(name="Reading", slug="reading"))
        categories = Categories(shop.reader)
        found = await categories.by_id_or_slug("reading")
        assert found is not None
        assert (found.category_id, found.name, found.version) == (books, "Reading", 2)
        assert await categories.by_slug("books") is None

    async def test_a_deleted_one_is_gone(self, shop: Shop) -> None:
        books = shop.category("Books", "books")
        shop.happened(books, CategoryDeleted(by=None))
        categories = Categories(shop.reader)
        assert (await categories.page(PageRequest())).total == 0
        assert await categories.by_id_or_slug(books) is None

    @pytest.mark.parametrize("slug", ["", "' OR 1=1 --", "a\0b", "книги", "\ud800"])
    async def test_what_is_no_slug_finds_nothing(self, shop: Shop, slug: str) -> None:
        shop.category("Books", "books")
        assert await Categories(shop.reader).by_slug(slug) is None
