"""What sellers may ask of their listings, with the limits of each field (requirements §7).

Fields that are `UNSET` stay as they are; `None` takes a value away.
"""

from decimal import Decimal
from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from application.shared.command import Command
from domain.inventory.stock import DEFAULT_LOW_STOCK_THRESHOLD
from domain.listings.fields import MAX_SKU_LENGTH, MIN_SKU_LENGTH, Dimensions, LicenceTerms, ProductType
from domain.listings.slugs import MAX_SLUG_LENGTH, MIN_SLUG_LENGTH, SLUG_PATTERN
from domain.shared.money import Money

# PostgreSQL cannot keep U+0000 in a text, so no text of a listing may hold it.
_TEXT = r"^[^\x00]*$"
_VISIBLE_TEXT = r"^[^\x00]*[^\s\x00][^\x00]*$"

ListingName = Annotated[str, Meta(min_length=2, max_length=255, pattern=_VISIBLE_TEXT)]
ListingSlug = Annotated[
    str, Meta(min_length=MIN_SLUG_LENGTH, max_length=MAX_SLUG_LENGTH, pattern=SLUG_PATTERN)
]
Description = Annotated[str, Meta(min_length=10, max_length=10_000, pattern=_TEXT)]
ShortDescription = Annotated[str, Meta(min_length=10, max_length=500, pattern=_TEXT)]
Sku = Annotated[str, Meta(min_length=MIN_SKU_LENGTH, max_length=MAX_SKU_LENGTH, pattern=_TEXT)]
Tag = Annotated[str, Meta(min_length=1, max_length=50, pattern=_VISIBLE_TEXT)]
Tags = Annotated[tuple[Tag, ...], Meta(max_length=20)]
SeoTitle = Annotated[str, Meta(max_length=255, pattern=_TEXT)]
SeoDescription = Annotated[str, Meta(max_length=500, pattern=_TEXT)]
Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=_TEXT)]
Pieces = Annotated[int, Meta(ge=0)]


class CreateListing(Command, frozen=True, kw_only=True):
    """Write a draft with its opening stock; the caller becomes the seller.

    `price_ceiling` is the highest amount that the marketplace allows, in minor units of the currency of `price`.
    Without a slug one is made from the name.
    """

    listing_id: UUID
    name: ListingName
    price: Money
    price_ceiling: int
    slug: ListingSlug | None = None
    product_type: ProductType = ProductType.PHYSICAL
    category_id: UUID | None = None
    description: Description | None = None
    short_description: ShortDescription | None = None
    compare_price: Money | None = None
    cost_price: Money | None = None
    sku: Sku | None = None
    stock_quantity: Pieces = 0
    low_stock_threshold: Pieces = DEFAULT_LOW_STOCK_THRESHOLD
    weight: Decimal | None = None
    dimensions: Dimensions | None = None
    tags: Tags = ()
    seo_title: SeoTitle | None = None
    seo_description: SeoDescription | None = None
    licence_terms: LicenceTerms | None = None
    credit_amount: Money | None = None


class ReviseListing(Command, frozen=True, kw_only=True):
    """Make any set of changes in one commit, each recorded as the fact that it is.

    `price_ceiling` is in minor units of the currency of the amounts given; without an amount it does not matter.
    """

    listing_id: UUID
    price_ceiling: int
    name: ListingName | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    short_description: ShortDescription | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    seo_title: SeoTitle | UnsetType | None = UNSET
    seo_description: SeoDescription | UnsetType | None = UNSET
    price: Money | UnsetType = UNSET
    compare_price: Money | UnsetType | None = UNSET
    cost_price: Money | UnsetType | None = UNSET
    category_id: UUID | UnsetType | None = UNSET
    sku: Sku | UnsetType | None = UNSET
    weight: Decimal | UnsetType | None = UNSET
    dimensions: Dimensions | UnsetType | None = UNSET
    low_stock_threshold: Pieces | UnsetType = UNSET


class ReviseListingDescription(Command, frozen=True, kw_only=True):
    """Put a listing in other words; its slug stays."""

    listing_id: UUID
    name: ListingName | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    short_description: ShortDescription | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    seo_title: SeoTitle | UnsetType | None = UNSET
    seo_description: SeoDescription | UnsetType | None = UNSET


class ChangeListingPrice(Command, frozen=True, kw_only=True):
    """Change the price, the compare price, or both. `price_ceiling` is in minor units of their currency."""

    listing_id: UUID
    price_ceiling: int
    price: Money | UnsetType = UNSET
    compare_price: Money | UnsetType | None = UNSET


class ChangeCostPrice(Command, frozen=True, kw_only=True):
    """Note what one piece costs the seller. `price_ceiling` is in minor units of its currency."""

    listing_id: UUID
    price_ceiling: int
    cost_price: Money | None


class RecategoriseListing(Command, frozen=True, kw_only=True):
    """Stand a listing in another category, or in none."""

    listing_id: UUID
    category_id: UUID | None


class ChangeListingSku(Command, frozen=True, kw_only=True):
    """Give a listing another article number, or none; the old one is free again."""

    listing_id: UUID
    sku: Sku | None


class ChangePackaging(Command, frozen=True, kw_only=True):
    """Correct the weight or the size of the parcel."""

    listing_id: UUID
    weight: Decimal | UnsetType | None = UNSET
    dimensions: Dimensions | UnsetType | None = UNSET


class PublishListing(Command, frozen=True, kw_only=True):
    """Put a listing on the shelf."""

    listing_id: UUID


class DeactivateListing(Command, frozen=True, kw_only=True):
    """Take a listing off the shelf until it is published again."""

    listing_id: UUID
    reason: Reason | None = None


class ArchiveListing(Command, frozen=True, kw_only=True):
    """Take a listing off the shelf for good. It keeps its slug, for orders link to it; its SKU is free again."""

    listing_id: UUID
    reason: Reason | None = None
