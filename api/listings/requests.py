"""What sellers send about their listings (requirements §7): named fields only, with the limits of each.

In a revision a field that is left out stays as it is, and `null` takes a value away.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, ClassVar
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from api.envelope import RequestBody
from api.money import Currency, DecimalText, MoneyRequest, money_of
from application.listings.commands import (
    CreateListing,
    Description,
    ListingName,
    ListingSlug,
    Reason,
    ReviseListing,
    SeoDescription,
    SeoTitle,
    ShortDescription,
    Sku,
    Tags,
)
from domain.inventory.stock import DEFAULT_LOW_STOCK_THRESHOLD, MAX_QUANTITY
from domain.listings.fields import MAX_MEASURE, Dimensions, LicenceTerms, ProductType
from domain.shared.errors import InvalidInput, Problem
from domain.shared.money import Money

Pieces = Annotated[int, Meta(ge=0, le=MAX_QUANTITY)]
Change = Annotated[int, Meta(ge=-MAX_QUANTITY, le=MAX_QUANTITY)]
Measure = (
    Annotated[int, Meta(ge=0, le=int(MAX_MEASURE), description=f"From 0 to {MAX_MEASURE}")]
    | Annotated[
        float, Meta(ge=0, le=float(MAX_MEASURE), extra_json_schema={"multipleOf": 0.01}, examples=[1.25])
    ]
    | Annotated[str, Meta(max_length=9, pattern=r"^[0-9]{1,6}(\.[0-9]{1,2})?$", examples=["1.25"])]
)
"""A measure of a parcel, with at most two decimals: a number or a text."""


UNREACHED_CEILING = 0
"""The ceiling of a revision without any amount, which nothing is measured against."""


class PriceRequest(RequestBody, frozen=True, kw_only=True):
    """An amount of a new listing: a decimal text in major units; without a currency, that of the price or the house."""

    amount: DecimalText
    currency: Currency | None = None

    def money(self, field: str, default_currency: str) -> Money:
        """The amount; `field` is where it stands in the request.

        Raises:
            InvalidInput: it has more places than the currency, or is beyond all prices.
        """
        return money_of(self.amount, self.currency or default_currency, f"{field}.amount")


class DimensionsRequest(RequestBody, frozen=True, kw_only=True):
    """The outer size of a parcel."""

    length: Measure
    width: Measure
    height: Measure

    def dimensions(self) -> Dimensions:
        """The size."""
        return Dimensions(
            length=_measured(self.length), width=_measured(self.width), height=_measured(self.height)
        )


class LicenceTermsRequest(RequestBody, frozen=True, kw_only=True):
    """What a buyer of a licence gets: so many devices, for so many days from the purchase (null: for ever)."""

    max_activations: Annotated[int, Meta(ge=1, le=1_000_000)] = 1
    valid_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None

    def terms(self) -> LicenceTerms:
        """The terms."""
        return LicenceTerms(max_activations=self.max_activations, valid_days=self.valid_days)


class CreateListingRequest(RequestBody, frozen=True, kw_only=True):
    """A new draft with its opening stock. Without a slug one is made from the name; `currency` is for ever."""

    name: ListingName
    price: PriceRequest
    slug: ListingSlug | None = None
    product_type: ProductType = ProductType.PHYSICAL
    category_id: UUID | None = None
    description: Description | None = None
    short_description: ShortDescription | None = None
    compare_price: PriceRequest | None = None
    cost_price: PriceRequest | None = None
    sku: Sku | None = None
    stock_quantity: Pieces = 0
    low_stock_threshold: Pieces = DEFAULT_LOW_STOCK_THRESHOLD
    weight: Measure | None = None
    dimensions: DimensionsRequest | None = None
    tags: Tags = ()
    seo_title: SeoTitle | None = None
    seo_description: SeoDescription | None = None
    licence_terms: LicenceTermsRequest | None = None
    credit_amount: PriceRequest | None = None

    def command(
        self, listing_id: UUID, *, default_currency: str, ceilings: Mapping[str, int]
    ) -> CreateListing:
        """The wish; `ceilings` are the highest prices by currency, in minor units.

        Raises:
            InvalidInput: an amount is none, or nothing is sold in its currency.
        """
        price = self.price.money("price", default_currency)

        def amount(given: PriceRequest | None, field: str) -> Money | None:
            return None if given is None else given.money(field, price.currency)

        return CreateListing(
            listing_id=listing_id,
            name=self.name,
            price=price,
            price_ceiling=ceiling_of(price, "price", ceilings),
            slug=self.slug,
            product_type=self.product_type,
            category_id=self.category_id,
            description=self.description,
            short_description=self.short_description,
            compare_price=amount(self.compare_price, "comparePrice"),
            cost_price=amount(self.cost_price, "costPrice"),
            sku=self.sku,
            stock_quantity=self.stock_quantity,
            low_stock_threshold=self.low_stock_threshold,
            weight=None if self.weight is None else _measured(self.weight),
            dimensions=None if self.dimensions is None else self.dimensions.dimensions(),
            tags=self.tags,
            seo_title=self.seo_title,
            seo_description=self.seo_description,
            licence_terms=None if self.licence_terms is None else self.licence_terms.terms(),
            credit_amount=amount(self.credit_amount, "creditAmount"),
        )


class ReviseListingRequest(RequestBody, frozen=True, kw_only=True):
    """Any set of changes, made together or not at all. Amounts are in the listing's own currency."""

    name: ListingName | UnsetType = UNSET
    description: Description | UnsetType | None = UNSET
    short_description: ShortDescription | UnsetType | None = UNSET
    tags: Tags | UnsetType = UNSET
    seo_title: SeoTitle | UnsetType | None = UNSET
    seo_description: SeoDescription | UnsetType | None = UNSET
    price: MoneyRequest | UnsetType = UNSET
    compare_price: MoneyRequest | UnsetType | None = UNSET
    cost_price: MoneyRequest | UnsetType | None = UNSET
    category_id: UUID | UnsetType | None = UNSET
    sku: Sku | UnsetType | None = UNSET
    weight: Measure | UnsetType | None = UNSET
    dimensions: DimensionsRequest | UnsetType | None = UNSET
    low_stock_threshold: Pieces | UnsetType = UNSET

    def command(self, listing_id: UUID, *, ceilings: Mapping[str, int]) -> ReviseListing:
        """The wish; `ceilings` are the highest prices by currency, in minor units.

        Raises:
            InvalidInput: an amount is none, nothing is sold in its currency, or the amounts have several currencies.
        """
        price = UNSET if self.price is UNSET else self.price.money("price.amount")
        compare_price = _amount(self.compare_price, "comparePrice")
        cost_price = _amount(self.cost_price, "costPrice")
        return ReviseListing(
            listing_id=listing_id,
            price_ceiling=_common_ceiling(
                {"price": price, "comparePrice": compare_price, "costPrice": cost_price}, ceilings
            ),
            name=self.name,
            description=self.description,
            short_description=self.short_description,
            tags=self.tags,
            seo_title=self.seo_title,
            seo_description=self.seo_description,
            price=price,
            compare_price=compare_price,
            cost_price=cost_price,
            category_id=self.category_id,
            sku=self.sku,
            weight=self.weight if self.weight is None or self.weight is UNSET else _measured(self.weight),
            dimensions=self.dimensions.dimensions()
            if isinstance(self.dimensions, DimensionsRequest)
            else self.dimensions,
            low_stock_threshold=self.low_stock_threshold,
        )


class AdjustStockRequest(RequestBody, frozen=True, kw_only=True):
    """A correction of what is at hand: either the new `quantity`, or `delta` more (or fewer)."""

    json_schema: ClassVar[Mapping[str, Any]] = {
        "oneOf": [
            {"required": [name], "properties": {name: {"type": "integer"}}} for name in ("quantity", "delta")
        ]
    }

    quantity: Pieces | None = None
    delta: Change | None = None
    reason: Reason = "corrected"


class TakeOffShelfRequest(RequestBody, frozen=True, kw_only=True):
    """Why a listing leaves the shelf."""

    reason: Reason | None = None


def _measured(given: Measure) -> Decimal:
    # A float is shown with the fewest digits that tell it from others: those that were written.
    return Decimal(str(given))


def ceiling_of(money: Money, field: str, ceilings: Mapping[str, int]) -> int:
    """The highest amount in the currency of this one, in minor units.

    Raises:
        InvalidInput: nothing is sold in that currency here.
    """
    ceiling = ceilings.get(money.currency)
    if ceiling is None:
        message = f"Prices here are in {', '.join(sorted(ceilings))}, not in {money.currency}."
        raise InvalidInput(message, problems=[Problem(f"{field}.currency", message, "currency")])
    return ceiling


def _amount(given: MoneyRequest | UnsetType | None, field: str) -> Money | UnsetType | None:
    return given.money(f"{field}.amount") if isinstance(given, MoneyRequest) else given


def _common_ceiling(amounts: Mapping[str, Money | UnsetType | None], ceilings: Mapping[str, int]) -> int:
    given = {field: amount for field, amount in amounts.items() if isinstance(amount, Money)}
    currencies = {amount.currency for amount in given.values()}
    if len(currencies) > 1:
        message = "All amounts of a listing are in one currency."
        raise InvalidInput(
            message, problems=[Problem(f"{field}.currency", message, "currency") for field in given]
        )
    return min(
        (ceiling_of(amount, field, ceilings) for field, amount in given.items()), default=UNREACHED_CEILING
    )
