"""What is shown of listings and their stock."""

from decimal import Decimal
from uuid import UUID

from api.envelope import ResponseBody
from api.money import MoneyView
from domain.inventory.stock import Stock
from domain.listings.fields import Dimensions, LicenceTerms, ProductType
from domain.listings.listing import Listing, ListingStatus
from domain.shared.money import Money, round_half_even


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
            discount_percentage=discount_percentage(listing.price, listing.compare_price),
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


def discount_percentage(price: Money, compare_price: Money | None) -> int:
    """By how many per cent the price is below the one shown struck through; 0 without such a one (LST-17)."""
    if compare_price is None or compare_price.minor <= price.minor:
        return 0
    return round_half_even((compare_price.minor - price.minor) * 100, compare_price.minor)
