"""Facts about listings (requirements §46.2). Stock has facts of its own, see domain.inventory."""

from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from domain.listings.fields import Dimensions, LicenceTerms, ProductType
from domain.shared.events import DomainEvent
from domain.shared.money import Money


class ListingCreated(DomainEvent, frozen=True, kw_only=True):
    """A seller wrote a listing; it is a draft that only the seller and admins see.

    `credit_amount` is the store credit that one piece of a listing of type `credits` tops up.
    """

    seller_id: UUID
    name: str
    slug: str
    price: Money
    product_type: ProductType
    category_id: UUID | None = None
    description: str | None = None
    short_description: str | None = None
    compare_price: Money | None = None
    cost_price: Money | None = None
    sku: str | None = None
    weight: Decimal | None = None
    dimensions: Dimensions | None = None
    tags: tuple[str, ...] = ()
    seo_title: str | None = None
    seo_description: str | None = None
    licence_terms: LicenceTerms | None = None
    credit_amount: Money | None = None


class ListingDescriptionRevised(DomainEvent, frozen=True, kw_only=True):
    """The words about the thing are these now, all of them; its slug stays."""

    name: str
    description: str | None = None
    short_description: str | None = None
    tags: tuple[str, ...] = ()
    seo_title: str | None = None
    seo_description: str | None = None


class ListingPriceChanged(DomainEvent, frozen=True, kw_only=True):
    """From now on it costs `new_price`, shown beside `compare_price` where there is one. Placed orders keep theirs."""

    old_price: Money
    new_price: Money
    compare_price: Money | None = None


class CostPriceChanged(DomainEvent, frozen=True, kw_only=True):
    """What the seller pays for one piece; not for strangers."""

    cost_price: Money | None = None


class ListingRecategorised(DomainEvent, frozen=True, kw_only=True):
    """It stands in another category, or in none."""

    category_id: UUID | None = None


class ListingSkuChanged(DomainEvent, frozen=True, kw_only=True):
    """The seller's article number is another one, or none."""

    sku: str | None = None


class PackagingChanged(DomainEvent, frozen=True, kw_only=True):
    """The parcel has this weight and size now."""

    weight: Decimal | None = None
    dimensions: Dimensions | None = None


class ListingPublished(DomainEvent, frozen=True, kw_only=True):
    """Everybody can see it and buy it."""


class ListingDeactivated(DomainEvent, frozen=True, kw_only=True):
    """It is off the shelf until it is published again."""

    reason: str | None = None


class ListingArchived(DomainEvent, frozen=True, kw_only=True):
    """It is off the shelf for good; orders, reviews and licences still refer to it. `by` of `None` is the system."""

    by: UUID | None
    reason: str | None = None


ListingEvent: TypeAlias = (
    ListingCreated
    | ListingDescriptionRevised
    | ListingPriceChanged
    | CostPriceChanged
    | ListingRecategorised
    | ListingSkuChanged
    | PackagingChanged
    | ListingPublished
    | ListingDeactivated
    | ListingArchived
)
