"""A listing's page shows it as it stands, with its stock, to those who may see it."""

from decimal import Decimal

import pytest

from domain.categories.events import CategoryRenamed
from domain.inventory.events import (
    StockAdjusted,
    StockCommitted,
    StockDepleted,
    StockReleased,
    StockReserved,
)
from domain.listings.events import (
    CostPriceChanged,
    ListingArchived,
    ListingDeactivated,
    ListingDescriptionRevised,
    ListingPriceChanged,
    ListingPublished,
    ListingRecategorised,
    ListingSkuChanged,
    PackagingChanged,
)
from domain.listings.fields import Dimensions, LicenceTerms, ProductType
from domain.shared.money import Money
from infrastructure.identity import new_id
from projections.listings.listing_detail import ListingDetail, ListingDetails
from projections.listings.standing import Standing, Viewer, discount_percent
from tests.projections.listings.shop import Shop

pytestmark = pytest.mark.services
ADMIN = Viewer(account_id=new_id(), manages_all=True)
ORDER = new_id()


async def page_of(shop: Shop, listing_id: object, viewer: Viewer = ADMIN) -> ListingDetail:
    detail = await ListingDetails(shop.reader).by_id(listing_id, viewer)  # type: ignore[arg-type]
    assert detail is not None
    return detail


class TestPage:
    async def test_it_shows_seller_and_category_by_name(self, shop: Shop) -> None:
        seller = shop.seller("Amina", business="Amina Silk")
        silk = shop.category("Silk", "silk")
        listing = shop.listing("Scarf", seller=seller, category_id=silk, slug="scarf")
        shop.happened(silk, CategoryRenamed(name="Silks", slug="silks"))
        detail = await ListingDetails(shop.reader).by_slug("scarf")
        assert detail is not None
        assert (detail.listing_id, detail.seller.account_id) == (listing, seller)
        assert detail.seller.name == "Amina Silk"
        assert detail.category is not None
        assert (detail.category.name, detail.category.slug) == ("Silks", "silks")

    async def test_every_change_of_the_listing_shows(self, shop: Shop) -> None:
        books = shop.category("Books", "books")
        listing = shop.draft(
            "Old", description="Old words.", licence_terms=LicenceTerms(max_activations=3), sku="OLD"
        )
        size = Dimensions(length=Decimal("1.50"), width=Decimal(2), height=Decimal(3))
        shop.happened(
            listing,
            ListingDescriptionRevised(
                name="New", short_description="Short words.", tags=("a", "b"), seo_title="T"
            ),
            ListingPriceChanged(
                old_price=Money(1000, "usd"), new_price=Money(750, "usd"), compare_price=Money(1000, "usd")
            ),
            CostPriceChanged(cost_price=Money(300, "usd")),
            ListingRecategorised(category_id=books),
            ListingSkuChanged(sku="NEW"),
            PackagingChanged(weight=Decimal("2.25"), dimensions=size),
            ListingPublished(),
        )
        detail = await page_of(shop, listing)
        assert (detail.name, detail.description, detail.tags) == ("New", None, ["a", "b"])
        assert (detail.price, detail.compare_price, detail.cost_price) == (
            Money(750, "usd"),
            Money(1000, "usd"),
            Money(300, "usd"),
        )
        assert detail.discount_percent == 25
        assert detail.category is not None
        assert (detail.sku, detail.weight, detail.dimensions) == ("NEW", Decimal("2.25"), size)
        assert detail.licence_terms == LicenceTerms(max_activations=3)
        assert (detail.version, detail.seo_title, detail.product_type) == (8, "T", ProductType.PHYSICAL)
        assert detail.published_at == detail.updated_at
        assert detail.updated_at > detail.created_at

    async def test_stock_follows_every_order(self, shop: Shop) -> None:
        listing = shop.listing("Scarf", stock=5)
        shop.stock(
            listing,
            StockReserved(listing_id=listing, order_id=ORDER, quantity=3),
            StockCommitted(listing_id=listing, order_id=ORDER, quantity=2),
            StockReleased(listing_id=listing, order_id=ORDER, quantity=1, reason="expired"),
        )
        detail = await page_of(shop, listing)
        assert (detail.quantity, detail.reserved, detail.available) == (3, 0, 3)
        assert (detail.in_stock, detail.low_stock, detail.stock_version) == (True, False, 5)

    async def test_an_active_listing_without_stock_is_out_of_stock_until_filled_up(self, shop: Shop) -> None:
        seller = new_id()
        listing = shop.listing("Scarf", seller=seller, stock=2)
        shop.stock(
            listing,
            StockReserved(listing_id=listing, order_id=ORDER, quantity=2),
            StockDepleted(listing_id=listing),
        )
        sold_out = await page_of(shop, listing, Viewer())
        assert (sold_out.status, sold_out.in_stock, sold_out.low_stock) == (
            Standing.OUT_OF_STOCK,
            False,
            True,
        )
        assert sold_out.stock_version == 4
        shop.stock(
            listing,
            StockAdjusted(listing_id=listing, seller_id=seller, delta=8, new_quantity=10, reason="delivery"),
        )
        filled = await page_of(shop, listing, Viewer())
        assert (filled.status, filled.available) == (Standing.ACTIVE, 8)

    def test_a_discount_is_rounded_to_whole_percents(self) -> None:
        assert discount_percent(667, 1000) == 33
        assert discount_percent(995, 1000) == 1
        assert discount_percent(1000, 1000) == discount_percent(1000, None) == 0


class TestVisibility:
    async def test_a_draft_is_there_for_its_seller_and_admins_only(self, shop: Shop) -> None:
        seller = new_id()
        draft = shop.draft("Secret", seller=seller, slug="secret")
        details = ListingDetails(shop.reader)
        assert await details.by_id(draft) is None
        assert await details.by_slug("secret") is None
        assert await details.by_id(draft, Viewer(account_id=new_id())) is None
        for viewer in (ADMIN, Viewer(account_id=seller)):
            seen = await details.by_id(draft, viewer)
            assert seen is not None
            assert seen.status is Standing.DRAFT

    @pytest.mark.parametrize("ending", [ListingDeactivated(), ListingArchived(by=None)])
    async def test_what_is_off_the_shelf_is_gone_for_buyers(
        self, shop: Shop, ending: ListingDeactivated | ListingArchived
    ) -> None:
        listing = shop.listing("Scarf")
        shop.happened(listing, ending)
        assert await ListingDetails(shop.reader).by_id(listing) is None

    async def test_the_cost_price_is_for_the_seller_and_admins_only(self, shop: Shop) -> None:
        seller = new_id()
        listing = shop.listing("Scarf", seller=seller, cost_price=Money(100, "usd"))
        assert (await page_of(shop, listing, Viewer(account_id=new_id()))).cost_price is None
        assert (await page_of(shop, listing, Viewer(account_id=seller))).cost_price == Money(100, "usd")
        assert (await page_of(shop, listing, ADMIN)).cost_price == Money(100, "usd")
        [everybodys] = (await ListingDetails(shop.reader).many([listing])).values()
        assert (everybodys.cost_price, everybodys.manager_view) == (None, False)

    async def test_a_cart_sees_what_is_gone_too(self, shop: Shop) -> None:
        shown, gone = shop.listing("Shown"), shop.listing("Gone")
        shop.happened(gone, ListingArchived(by=None))
        many = await ListingDetails(shop.reader).many([shown, gone, new_id()])
        assert {listing_id: detail.status for listing_id, detail in many.items()} == {
            shown: Standing.ACTIVE,
            gone: Standing.ARCHIVED,
        }
        assert await ListingDetails(shop.reader).many([]) == {}

    @pytest.mark.parametrize("slug", ["", "' OR 1=1 --", "a\0b", "ŝarf"])
    async def test_what_is_no_slug_finds_nothing(self, shop: Shop, slug: str) -> None:
        shop.listing("Scarf", slug="scarf")
        assert await ListingDetails(shop.reader).by_slug(slug) is None
