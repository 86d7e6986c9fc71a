"""What the catalogue answers: cards of listings, and how they spread (requirements SRCH-01 to SRCH-07, LST-24)."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.listings.fields import ProductType
from domain.shared.money import Money
from projections.listings.listing_detail import category_summary
from projections.listings.standing import (
    CategorySummary,
    SellerSummary,
    Standing,
    discount_percent,
    standing_of,
)

FACET_CATEGORIES_MAXIMUM: Final = 50


class CatalogueItem(msgspec.Struct, frozen=True, kw_only=True):
    """A listing's card. `average_rating` is 0 while `review_count` is."""

    listing_id: UUID
    name: str
    slug: str
    short_description: str | None
    status: Standing
    price: Money
    compare_price: Money | None
    discount_percent: int
    available: int
    in_stock: bool
    product_type: ProductType
    tags: list[str]
    average_rating: Decimal
    review_count: int
    view_count: int
    created_at: datetime
    published_at: datetime | None
    seller: SellerSummary
    category: CategorySummary | None


class CategoryFacet(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the listings found are in a category; `category` of `None`: in none."""

    category: CategorySummary | None
    listings: int


class PriceFacet(msgspec.Struct, frozen=True, kw_only=True):
    """Lowest and highest price of what was found, in one currency."""

    lowest: Money
    highest: Money
    listings: int


class Facets(msgspec.Struct, frozen=True, kw_only=True):
    """How what was found spreads. Each facet disregards the filter on itself, so that it shows what else there is."""

    categories: list[CategoryFacet]
    prices: list[PriceFacet]


class CatalogueResult(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the catalogue.

    `total` (of the whole filtered set) and `page` are there when a numbered page was asked for. `query` repeats what was
    searched for; `corrected_query` is what was found instead, when words of it were misspelt.
    """

    items: list[CatalogueItem]
    limit: int
    has_more: bool
    next_cursor: str | None
    total: int | None = None
    page: int | None = None
    query: str | None = None
    corrected_query: str | None = None
    facets: Facets | None = None


def item_of(row: dict[str, Any]) -> CatalogueItem:
    """A card from its row."""
    currency, available = row["currency"], row["available"]
    compare = row["compare_price_minor"]
    standing = standing_of(row["status"], available)
    return CatalogueItem(
        listing_id=row["listing_id"],
        name=row["name"],
        slug=row["slug"],
        short_description=row["short_description"],
        status=standing,
        price=Money(row["price_minor"], currency),
        compare_price=None if compare is None else Money(compare, currency),
        discount_percent=discount_percent(row["price_minor"], compare),
        available=available,
        in_stock=available > 0,
        product_type=ProductType(row["product_type"]),
        tags=row["tags"],
        average_rating=row["average_rating"],
        review_count=row["review_count"],
        view_count=row["view_count"],
        created_at=row["created_at"],
        published_at=row["published_at"],
        seller=SellerSummary(
            account_id=row["seller_id"], name=row["seller_name"], avatar_url=row["seller_avatar_url"]
        ),
        category=category_summary(row),
    )
