"""What is shown of listings and their stock."""

from decimal import Decimal
from typing import Literal
from uuid import UUID

from msgspec import UNSET, UnsetType

from api.envelope import ResponseBody, Timestamp, timestamp
from api.money import MoneyView
from domain.inventory.stock import Stock
from domain.listings.fields import Dimensions, LicenceTerms, ProductType
from domain.listings.listing import Listing, ListingStatus
from domain.shared.money import Money
from projections.listings.catalogue_answers import CatalogueItem, CatalogueResult, Facets
from projections.listings.listing_detail import ListingDetail
from projections.listings.standing import CategorySummary, SellerSummary, Standing, discount_percent


class DimensionsView(ResponseBody, frozen=True, kw_only=True):
    """The outer size of a parcel."""

    length: Decimal
    width: Decimal
    height: Decimal

    @classmethod
    def of(cls, dimensions: Dimensions | None) -> "DimensionsView | None":
        """Show a size, if there is one."""
        if dimensions is None:
            return None
        return cls(length=dimensions.length, width=dimensions.width, height=dimensions.height)


class LicenceTermsView(ResponseBody, frozen=True, kw_only=True):
    """On how many devices and for how many days a licence is good."""

    max_activations: int
    valid_days: int | None

    @classmethod
    def of(cls, terms: LicenceTerms | None) -> "LicenceTermsView | None":
        """Show terms, if there are any."""
        if terms is None:
            return None
        return cls(max_activations=terms.max_activations, valid_days=terms.valid_days)


class WrittenListingView(ResponseBody, frozen=True, kw_only=True):
    """A listing as a change left it, for those who may change it. Its stock is answered by its own routes."""

    listing_id: UUID
    seller_id: UUID
    category_id: UUID | None
    status: ListingStatus
    name: str
    slug: str
    product_type: ProductType
    price: MoneyView
    compare_price: MoneyView | None
    cost_price: MoneyView | None
    discount_percentage: int
    sku: str | None
    description: str | None
    short_description: str | None
    tags: tuple[str, ...]
    seo_title: str | None
    seo_description: str | None
    weight: Decimal | None
    dimensions: DimensionsView | None
    licence_terms: LicenceTermsView | None
    credit_amount: MoneyView | None

    @classmethod
    def of(cls, listing: Listing) -> "WrittenListingView":
        """Show the state of a listing."""
        return cls(
            listing_id=listing.listing_id,
            seller_id=listing.seller_id,
            category_id=listing.category_id,
            status=listing.status,
            name=listing.name,
            slug=listing.slug,
            product_type=listing.product_type,
            price=MoneyView.of(listing.price),
            compare_price=money_view(listing.compare_price),
            cost_price=money_view(listing.cost_price),
            discount_percentage=discount_percent(
                listing.price.minor, None if listing.compare_price is None else listing.compare_price.minor
            ),
            sku=listing.sku,
            description=listing.description,
            short_description=listing.short_description,
            tags=listing.tags,
            seo_title=listing.seo_title,
            seo_description=listing.seo_description,
            weight=listing.weight,
            dimensions=DimensionsView.of(listing.dimensions),
            licence_terms=LicenceTermsView.of(listing.licence_terms),
            credit_amount=money_view(listing.credit_amount),
        )


class StockView(ResponseBody, frozen=True, kw_only=True):
    """What is at hand of a listing, and how much of it orders hold."""

    listing_id: UUID
    quantity: int
    reserved: int
    available: int
    low_stock_threshold: int
    in_stock: bool
    low_stock: bool

    @classmethod
    def of(cls, stock: Stock) -> "StockView":
        """Show the state of a stock."""
        return cls(
            listing_id=stock.listing_id,
            quantity=stock.quantity,
            reserved=stock.reserved,
            available=stock.available,
            low_stock_threshold=stock.threshold,
            in_stock=stock.available > 0,
            low_stock=stock.available <= stock.threshold,
        )


def money_view(money: Money | None) -> MoneyView | None:
    """Show an amount, if there is one."""
    return None if money is None else MoneyView.of(money)


class SellerSummaryView(ResponseBody, frozen=True, kw_only=True):
    """The seller of a listing, by the business name where there is one."""

    id: UUID
    name: str | None
    avatar_url: str | None

    @classmethod
    def of(cls, seller: SellerSummary) -> "SellerSummaryView":
        """Show a seller."""
        return cls(id=seller.account_id, name=seller.name, avatar_url=seller.avatar_url)


class CategorySummaryView(ResponseBody, frozen=True, kw_only=True):
    """The category of a listing."""

    id: UUID
    name: str
    slug: str

    @classmethod
    def of(cls, category: CategorySummary | None) -> "CategorySummaryView | None":
        """Show a category, if there is one."""
        if category is None:
            return None
        return cls(id=category.category_id, name=category.name, slug=category.slug)


class ImageView(ResponseBody, frozen=True, kw_only=True):
    """A picture of a listing."""

    url: str
    alt_text: str | None


class ListingView(ResponseBody, frozen=True, kw_only=True):
    """A listing's page. `costPrice`, `quantity`, `reserved`, `lowStockThreshold` are for its seller and admins only."""

    listing_id: UUID
    seller: SellerSummaryView
    category: CategorySummaryView | None
    name: str
    slug: str
    description: str | None
    short_description: str | None
    status: Standing
    product_type: ProductType
    price: MoneyView
    compare_price: MoneyView | None
    discount_percentage: int
    sku: str | None
    available: int
    in_stock: bool
    low_stock: bool
    tags: list[str]
    weight: Decimal | None
    dimensions: DimensionsView | None
    seo_title: str | None
    seo_description: str | None
    licence_terms: LicenceTermsView | None
    credit_amount: MoneyView | None
    images: list[ImageView]
    average_rating: Decimal
    review_count: int
    view_count: int
    created_at: Timestamp
    updated_at: Timestamp
    published_at: Timestamp | None
    cost_price: MoneyView | UnsetType | None = UNSET
    quantity: int | UnsetType = UNSET
    reserved: int | UnsetType = UNSET
    low_stock_threshold: int | UnsetType = UNSET

    @classmethod
    def of(cls, listing: ListingDetail) -> "ListingView":
        """Show a listing to the viewer that it was read for."""
        manages = listing.manager_view
        return cls(
            listing_id=listing.listing_id,
            seller=SellerSummaryView.of(listing.seller),
            category=CategorySummaryView.of(listing.category),
            name=listing.name,
            slug=listing.slug,
            description=listing.description,
            short_description=listing.short_description,
            status=listing.status,
            product_type=listing.product_type,
            price=MoneyView.of(listing.price),
            compare_price=money_view(listing.compare_price),
            discount_percentage=listing.discount_percent,
            sku=listing.sku,
            available=listing.available,
            in_stock=listing.in_stock,
            low_stock=listing.low_stock,
            tags=listing.tags,
            weight=listing.weight,
            dimensions=DimensionsView.of(listing.dimensions),
            seo_title=listing.seo_title,
            seo_description=listing.seo_description,
            licence_terms=LicenceTermsView.of(listing.licence_terms),
            credit_amount=money_view(listing.credit_amount),
            images=[ImageView(url=image.url, alt_text=image.alt_text) for image in listing.images],
            average_rating=listing.average_rating,
            review_count=listing.review_count,
            view_count=listing.view_count,
            created_at=timestamp(listing.created_at),
            updated_at=timestamp(listing.updated_at),
            published_at=None if listing.published_at is None else timestamp(listing.published_at),
            cost_price=money_view(listing.cost_price) if manages else UNSET,
            quantity=listing.quantity if manages else UNSET,
            reserved=listing.reserved if manages else UNSET,
            low_stock_threshold=listing.low_stock_threshold if manages else UNSET,
        )


class ListingCardView(ResponseBody, frozen=True, kw_only=True):
    """A listing in a list."""

    listing_id: UUID
    seller: SellerSummaryView
    category: CategorySummaryView | None
    name: str
    slug: str
    short_description: str | None
    status: Standing
    product_type: ProductType
    price: MoneyView
    compare_price: MoneyView | None
    discount_percentage: int
    available: int
    in_stock: bool
    tags: list[str]
    average_rating: Decimal
    review_count: int
    view_count: int
    created_at: Timestamp
    published_at: Timestamp | None

    @classmethod
    def of(cls, item: CatalogueItem) -> "ListingCardView":
        """Show a card."""
        return cls(
            listing_id=item.listing_id,
            seller=SellerSummaryView.of(item.seller),
            category=CategorySummaryView.of(item.category),
            name=item.name,
            slug=item.slug,
            short_description=item.short_description,
            status=item.status,
            product_type=item.product_type,
            price=MoneyView.of(item.price),
            compare_price=money_view(item.compare_price),
            discount_percentage=item.discount_percent,
            available=item.available,
            in_stock=item.in_stock,
            tags=item.tags,
            average_rating=item.average_rating,
            review_count=item.review_count,
            view_count=item.view_count,
            created_at=timestamp(item.created_at),
            published_at=None if item.published_at is None else timestamp(item.published_at),
        )


class CategoryFacetView(ResponseBody, frozen=True, kw_only=True):
    """How many of what was found are in a category; null: in none."""

    category: CategorySummaryView | None
    listings: int


class PriceFacetView(ResponseBody, frozen=True, kw_only=True):
    """Between which prices what was found is, in one currency."""

    lowest: MoneyView
    highest: MoneyView
    listings: int


class FacetsView(ResponseBody, frozen=True, kw_only=True):
    """How what was found spreads; each facet disregards the filter on itself."""

    categories: list[CategoryFacetView]
    prices: list[PriceFacetView]

    @classmethod
    def of(cls, facets: Facets) -> "FacetsView":
        """Show facets."""
        return cls(
            categories=[
                CategoryFacetView(category=CategorySummaryView.of(each.category), listings=each.listings)
                for each in facets.categories
            ],
            prices=[
                PriceFacetView(
                    lowest=MoneyView.of(each.lowest),
                    highest=MoneyView.of(each.highest),
                    listings=each.listings,
                )
                for each in facets.prices
            ],
        )


class CatalogueMeta(ResponseBody, frozen=True, kw_only=True):
    """Which part of the catalogue this is, and how to go on.

    A numbered page has `page`, `total` and `totalPages`; one that was read on from a cursor has not. `nextCursor` leads on
    from either, null at the end. A search repeats its `query`, and says as `correctedQuery` what was found in its stead.
    """

    limit: int
    next_cursor: str | None
    has_more: bool
    page: int | UnsetType = UNSET
    total: int | UnsetType = UNSET
    total_pages: int | UnsetType = UNSET
    query: str | UnsetType = UNSET
    corrected_query: str | UnsetType | None = UNSET
    facets: FacetsView | UnsetType = UNSET


class CataloguePage(ResponseBody, frozen=True, kw_only=True):
    """A part of the catalogue."""

    success: Literal[True] = True
    data: list[ListingCardView]
    meta: CatalogueMeta

    @classmethod
    def of(cls, found: CatalogueResult) -> "CataloguePage":
        """Show what was found."""
        total = found.total
        return cls(
            data=[ListingCardView.of(item) for item in found.items],
            meta=CatalogueMeta(
                limit=found.limit,
                next_cursor=found.next_cursor,
                has_more=found.has_more,
                page=UNSET if found.page is None else found.page,
                total=UNSET if total is None else total,
                total_pages=UNSET if total is None else -(-total // found.limit),
                query=UNSET if found.query is None else found.query,
                corrected_query=UNSET if found.query is None else found.corrected_query,
                facets=UNSET if found.facets is None else FacetsView.of(found.facets),
            ),
        )
