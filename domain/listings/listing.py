"""A listing: one thing for sale by one seller, from draft to archive (requirements §7)."""

from decimal import Decimal
from enum import StrEnum
from itertools import chain
from typing import TypeVar, assert_never
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from domain.listings.events import (
    CostPriceChanged,
    ListingArchived,
    ListingCreated,
    ListingDeactivated,
    ListingDescriptionRevised,
    ListingEvent,
    ListingPriceChanged,
    ListingPublished,
    ListingRecategorised,
    ListingSkuChanged,
    PackagingChanged,
)
from domain.listings.fields import (
    Dimensions,
    LicenceTerms,
    ListingInvalid,
    ProductType,
    check_licence_terms,
    check_packaging,
    clean_sku,
)
from domain.listings.pricing import (
    ListingCurrencyFixed,
    compare_price_problems,
    cost_price_problems,
    credit_amount_problems,
    pair_problems,
    price_problems,
    refuse,
)
from domain.listings.slugs import check_slug
from domain.shared.errors import NotFound, Problem, RuleViolation
from domain.shared.events import State
from domain.shared.money import Money

T = TypeVar("T")


class ListingStatus(StrEnum):
    """Where a listing is in its life. *Out of stock* is a view of an active one, see domain.inventory."""

    DRAFT = "draft"
    ACTIVE = "active"
    INACTIVE = "inactive"
    ARCHIVED = "archived"


class ListingNotFound(NotFound):
    """There is no such listing, or only its seller may know of it."""


class ListingIsArchived(RuleViolation):
    """What is archived stays as it was."""

    code = "LISTING_ARCHIVED"


class ListingNotActive(RuleViolation):
    """Only what is on the shelf can be taken off it."""

    code = "LISTING_NOT_ACTIVE"


class SkuTaken(RuleViolation):
    """Another listing of the marketplace has this article number."""

    code = "SKU_TAKEN"


class Listing(State, frozen=True, kw_only=True):
    """One thing for sale, as it stands. It holds no stock.

    It keeps its texts, for revising them to what they already are is no fact, and the answer to a write shows them.
    `cost_price` is for the seller and admins only.
    """

    listing_id: UUID
    seller_id: UUID
    status: ListingStatus
    name: str
    slug: str
    product_type: ProductType
    price: Money
    compare_price: Money | None
    cost_price: Money | None
    sku: str | None
    category_id: UUID | None
    description: str | None
    short_description: str | None
    tags: tuple[str, ...]
    seo_title: str | None
    seo_description: str | None
    weight: Decimal | None
    dimensions: Dimensions | None
    licence_terms: LicenceTerms | None
    credit_amount: Money | None

    @property
    def stream_id(self) -> UUID:
        """The listing's own id."""
        return self.listing_id

    @property
    def currency(self) -> str:
        """The one currency of all its amounts, fixed at its creation (ISO 4217, lower case)."""
        return self.price.currency

    @property
    def is_active(self) -> bool:
        """Whether everybody can see it; whether it can be bought depends on its stock, too."""
        return self.status is ListingStatus.ACTIVE

    # --- life ----------------------------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        *,
        seller_id: UUID,
        name: str,
        slug: str,
        price: Money,
        price_ceiling: int,
        product_type: ProductType = ProductType.PHYSICAL,
        category_id: UUID | None = None,
        description: str | None = None,
        short_description: str | None = None,
        compare_price: Money | None = None,
        cost_price: Money | None = None,
        sku: str | None = None,
        weight: Decimal | None = None,
        dimensions: Dimensions | None = None,
        tags: tuple[str, ...] = (),
        seo_title: str | None = None,
        seo_description: str | None = None,
        licence_terms: LicenceTerms | None = None,
        credit_amount: Money | None = None,
    ) -> list[ListingEvent]:
        """Write a draft. Its currency is that of `price`, for ever.

        Raises:
            SlugInvalid: the slug could not stand in an address.
            PriceInvalid: an amount is out of range or in another currency, or the compare price is not above the price.
            ListingInvalid: the SKU, packaging, licence terms or credit amount is not possible.
        """
        check_slug(slug)
        _check_new_amounts(price, compare_price, cost_price, credit_amount, price_ceiling)
        check_packaging(weight, dimensions)
        check_licence_terms(licence_terms, product_type)
        if credit_amount is not None and product_type is not ProductType.CREDITS:
            message = "Only a listing of type credits has a credit amount."
            raise ListingInvalid(message, problems=[Problem("creditAmount", message, "product_type")])
        return [
            ListingCreated(
                seller_id=seller_id,
                name=name,
                slug=slug,
                price=price,
                product_type=product_type,
                category_id=category_id,
                description=description,
                short_description=short_description,
                compare_price=compare_price,
                cost_price=cost_price,
                sku=None if sku is None else clean_sku(sku),
                weight=weight,
                dimensions=dimensions,
                tags=tags,
                seo_title=seo_title,
                seo_description=seo_description,
                licence_terms=licence_terms,
                credit_amount=credit_amount,
            )
        ]

    def publish(self) -> list[ListingEvent]:
        """Put it on the shelf. Publishing what is published changes nothing.

        Raises:
            ListingIsArchived: it is gone for good.
        """
        self.check_not_archived()
        return [] if self.is_active else [ListingPublished()]

    def deactivate(self, reason: str | None = None) -> list[ListingEvent]:
        """Take it off the shelf until it is published again. Doing so twice is doing so once.

        Raises:
            ListingNotActive: it is a draft that never was on the shelf.
            ListingIsArchived: it is gone for good.
        """
        self.check_not_archived()
        if self.status is ListingStatus.DRAFT:
            raise ListingNotActive(f"Listing {self.listing_id} is a draft.", details={"status": self.status})
        return [ListingDeactivated(reason=reason)] if self.is_active else []

    def archive(self, *, by: UUID | None, reason: str | None = None) -> list[ListingEvent]:
        """Take it off the shelf for good.

        Raises:
            ListingIsArchived: it is already.
        """
        self.check_not_archived()
        return [ListingArchived(by=by, reason=reason)]

    # --- changes -------------------------------------------------------------------------------------------

    def revise_description(
        self,
        *,
        name: str | UnsetType = UNSET,
        description: str | UnsetType | None = UNSET,
        short_description: str | UnsetType | None = UNSET,
        tags: tuple[str, ...] | UnsetType = UNSET,
        seo_title: str | UnsetType | None = UNSET,
        seo_description: str | UnsetType | None = UNSET,
    ) -> list[ListingEvent]:
        """Put it in other words; what is left unset stays. The slug stays in any case, so that links do.

        Raises:
            ListingIsArchived: it is gone for good.
        """
        self.check_not_archived()
        revised = ListingDescriptionRevised(
            name=_or(name, self.name),
            description=_or(description, self.description),
            short_description=_or(short_description, self.short_description),
            tags=_or(tags, self.tags),
            seo_title=_or(seo_title, self.seo_title),
            seo_description=_or(seo_description, self.seo_description),
        )
        standing = ListingDescriptionRevised(
            name=self.name,
            description=self.description,
            short_description=self.short_description,
            tags=self.tags,
            seo_title=self.seo_title,
            seo_description=self.seo_description,
        )
        return [] if revised == standing else [revised]

    def change_price(
        self,
        *,
        price: Money | UnsetType = UNSET,
        compare_price: Money | UnsetType | None = UNSET,
        price_ceiling: int,
    ) -> list[ListingEvent]:
        """Change the price, the compare price or both; what is left unset stays.

        The two are checked as a pair whichever changed. An amount that stays is not measured against the ceiling, so that
        lowering the ceiling does not lock old listings.

        Raises:
            PriceInvalid: an amount is out of range, or the compare price would not be above the price.
            ListingCurrencyFixed: an amount is in another currency than the listing.
            ListingIsArchived: it is gone for good.
        """
        self.check_not_archived()
        new_price = _or(price, self.price)
        new_compare = _or(compare_price, self.compare_price)
        if new_price == self.price and new_compare == self.compare_price:
            return []
        self._check_currency(new_price, new_compare)
        refuse(
            chain(
                price_problems(new_price, price_ceiling) if new_price != self.price else (),
                compare_price_problems(new_compare, price_ceiling)
                if new_compare is not None and new_compare != self.compare_price
                else (),
                pair_problems(new_price, new_compare),
            )
        )
        return [ListingPriceChanged(old_price=self.price, new_price=new_price, compare_price=new_compare)]

    def change_cost_price(self, cost_price: Money | None, *, price_ceiling: int) -> list[ListingEvent]:
        """Note what the seller pays for one piece; `None` when that is not known.

        Raises:
            PriceInvalid: it is negative or above the ceiling.
            ListingCurrencyFixed: it is in another currency than the listing.
            ListingIsArchived: it is gone for good.
        """
        self.check_not_archived()
        if cost_price == self.cost_price:
            return []
        self._check_currency(cost_price)
        if cost_price is not None:
            refuse(cost_price_problems(cost_price, price_ceiling))
        return [CostPriceChanged(cost_price=cost_price)]

    def recategorise(self, category_id: UUID | None) -> list[ListingEvent]:
        """Stand it in another category, or in none. Whether the category exists is not for the listing to know.

        Raises:
            ListingIsArchived: it is gone for good.
        """
        self.check_not_archived()
        return [] if category_id == self.category_id else [ListingRecategorised(category_id=category_id)]

    def change_sku(self, sku: str | None) -> list[ListingEvent]:
        """Give it another article number, or none. Whether another listing has it is not for this one to know.

        Raises:
            ListingInvalid: it is too short or too long.
            ListingIsArchived: it is gone for good.
        """
        self.check_not_archived()
        cleaned = None if sku is None else clean_sku(sku)
        return [] if cleaned == self.sku else [ListingSkuChanged(sku=cleaned)]

    def change_packaging(
        self,
        *,
        weight: Decimal | UnsetType | None = UNSET,
        dimensions: Dimensions | UnsetType | None = UNSET,
    ) -> list[ListingEvent]:
        """Correct the weight or the size of the parcel; what is left unset stays.

        Raises:
            ListingInvalid: no parcel is like that.
            ListingIsArchived: it is gone for good.
        """
        self.check_not_archived()
        new_weight = _or(weight, self.weight)
        new_dimensions = _or(dimensions, self.dimensions)
        check_packaging(new_weight, new_dimensions)
        if new_weight == self.weight and new_dimensions == self.dimensions:
            return []
        return [PackagingChanged(weight=new_weight, dimensions=new_dimensions)]

    # --- inside --------------------------------------------------------------------------------------------

    def check_not_archived(self) -> None:
        """Refuse to change what is gone for good.

        Raises:
            ListingIsArchived: it is.
        """
        if self.status is ListingStatus.ARCHIVED:
            raise ListingIsArchived(f"Listing {self.listing_id} is archived.")

    def _check_currency(self, *amounts: Money | None) -> None:
        for amount in amounts:
            if amount is not None and amount.currency != self.currency:
                raise ListingCurrencyFixed(
                    f"Listing {self.listing_id} is priced in {self.currency}, not in {amount.currency}.",
                    details={"currency": self.currency, "given": amount.currency},
                )


def _check_new_amounts(
    price: Money,
    compare_price: Money | None,
    cost_price: Money | None,
    credit_amount: Money | None,
    ceiling: int,
) -> None:
    others = {"comparePrice": compare_price, "costPrice": cost_price, "creditAmount": credit_amount}
    refuse(
        Problem(field, f"The amount is in {amount.currency}, the price in {price.currency}.", "currency")
        for field, amount in others.items()
        if amount is not None and amount.currency != price.currency
    )
    refuse(
        chain(
            price_problems(price, ceiling),
            () if compare_price is None else compare_price_problems(compare_price, ceiling),
            () if cost_price is None else cost_price_problems(cost_price, ceiling),
            () if credit_amount is None else credit_amount_problems(credit_amount, ceiling),
            pair_problems(price, compare_price),
        )
    )


def _or(new: T | UnsetType, standing: T) -> T:
    return standing if new is UNSET else new


def evolve(listing: Listing | None, event: ListingEvent, stream_id: UUID) -> Listing:
    """Fold one recorded fact into the state."""
    if isinstance(event, ListingCreated):
        return Listing(
            listing_id=stream_id,
            seller_id=event.seller_id,
            status=ListingStatus.DRAFT,
            name=event.name,
            slug=event.slug,
            product_type=event.product_type,
            price=event.price,
            compare_price=event.compare_price,
            cost_price=event.cost_price,
            sku=event.sku,
            category_id=event.category_id,
            description=event.description,
            short_description=event.short_description,
            tags=event.tags,
            seo_title=event.seo_title,
            seo_description=event.seo_description,
            weight=event.weight,
            dimensions=event.dimensions,
            licence_terms=event.licence_terms,
            credit_amount=event.credit_amount,
        )
    assert listing is not None, f"stream {stream_id} of a listing begins with ListingCreated"
    replace = msgspec.structs.replace
    match event:
        case ListingDescriptionRevised():
            return replace(
                listing,
                name=event.name,
                description=event.description,
                short_description=event.short_description,
                tags=event.tags,
                seo_title=event.seo_title,
                seo_description=event.seo_description,
            )
        case ListingPriceChanged():
            return replace(listing, price=event.new_price, compare_price=event.compare_price)
        case CostPriceChanged():
            return replace(listing, cost_price=event.cost_price)
        case ListingRecategorised():
            return replace(listing, category_id=event.category_id)
        case ListingSkuChanged():
            return replace(listing, sku=event.sku)
        case PackagingChanged():
            return replace(listing, weight=event.weight, dimensions=event.dimensions)
        case ListingPublished():
            return replace(listing, status=ListingStatus.ACTIVE)
        case ListingDeactivated():
            return replace(listing, status=ListingStatus.INACTIVE)
        case ListingArchived():
            return replace(listing, status=ListingStatus.ARCHIVED)
        case _:
            assert_never(event)
