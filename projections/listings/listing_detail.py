"""One listing in full (requirements LST-17, LST-21, LST-22)."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec

from domain.inventory.events import (
    LowStockReached,
    LowStockThresholdSet,
    StockAdjusted,
    StockCommitted,
    StockDepleted,
    StockReleased,
    StockReplenished,
    StockReserved,
)
from domain.listings.events import (
    CostPriceChanged,
    ListingArchived,
    ListingCreated,
    ListingDeactivated,
    ListingDescriptionRevised,
    ListingPriceChanged,
    ListingPublished,
    ListingRecategorised,
    ListingSkuChanged,
    PackagingChanged,
)
from domain.listings.fields import Dimensions, LicenceTerms, ProductType
from domain.shared.events import DomainEvent, Recorded
from domain.shared.money import Money
from projections.listings.standing import (
    ACTIVE,
    PUBLIC,
    CategorySummary,
    SellerSummary,
    Standing,
    Viewer,
    discount_percent,
    standing_of,
)
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.table import Table

MANY_MAXIMUM: Final = 500
"""How many listings one question may name: more than any cart holds."""


class ListingImage(msgspec.Struct, frozen=True):
    """A picture of a listing, in the order in which they are shown."""

    url: str
    alt_text: str | None = None


class ListingRow(msgspec.Struct):
    """One listing and its stock. Amounts are minor units of `currency`; `available` is quantity less reserved.

    `version` and `stock_version` are those of the two streams, for `If-Match`. `updated_at` is when the listing itself
    changed, not its stock; `published_at` when it last went on the shelf.
    """

    listing_id: UUID
    seller_id: UUID
    category_id: UUID | None
    name: str
    slug: str
    description: str | None
    short_description: str | None
    status: str
    price_minor: int
    compare_price_minor: int | None
    cost_price_minor: int | None
    currency: str
    sku: str | None
    product_type: str
    tags: list[str]
    weight: Decimal | None
    dimensions: Dimensions | None
    seo_title: str | None
    seo_description: str | None
    licence_terms: LicenceTerms | None
    credit_amount_minor: int | None
    created_at: datetime
    updated_at: datetime
    version: int
    quantity: int = 0
    reserved: int = 0
    available: int = 0
    low_stock_threshold: int = 0
    stock_version: int = 0
    published_at: datetime | None = None
    images: list[ListingImage] = []


LISTING_DETAIL = Table(
    "listing_detail",
    ListingRow,
    key=("listing_id",),
    columns="""
        listing_id uuid NOT NULL,
        seller_id uuid NOT NULL,
        category_id uuid,
        name text NOT NULL,
        slug text NOT NULL,
        description text,
        short_description text,
        status text NOT NULL,
        price_minor bigint NOT NULL,
        compare_price_minor bigint,
        cost_price_minor bigint,
        currency text NOT NULL,
        sku text,
        product_type text NOT NULL,
        tags text[] NOT NULL,
        weight numeric(8, 2),
        dimensions jsonb,
        seo_title text,
        seo_description text,
        licence_terms jsonb,
        credit_amount_minor bigint,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version bigint NOT NULL,
        quantity bigint NOT NULL,
        reserved bigint NOT NULL,
        available bigint NOT NULL,
        low_stock_threshold bigint NOT NULL,
        stock_version bigint NOT NULL,
        published_at timestamptz,
        images jsonb NOT NULL
    """,
    # Nothing that an order changes is indexed, so that its update stays within the row's page (heap-only tuples).
    indexes={"slug": "(slug)", "seller": "(seller_id, listing_id)"},
)


class ListingDetailProjection(Projection):
    """Keeps each listing's page in step with the facts; may be rebuilt from zero."""

    name = "listing_detail"
    tables = (LISTING_DETAIL,)
    events = (
        ListingCreated,
        ListingDescriptionRevised,
        ListingPriceChanged,
        CostPriceChanged,
        ListingRecategorised,
        ListingSkuChanged,
        PackagingChanged,
        ListingPublished,
        ListingDeactivated,
        ListingArchived,
        StockAdjusted,
        LowStockThresholdSet,
        StockReserved,
        StockReleased,
        StockCommitted,
        # These change no number, but the version of the stream.
        StockDepleted,
        StockReplenished,
        LowStockReached,
    )

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        event = recorded.event
        rows = batch.rows(LISTING_DETAIL)
        if isinstance(event, _STOCK):
            row = rows.change(event.listing_id)
            if row is not None:
                _keep_stock(row, event)
                row.stock_version = recorded.version
            return
        at = recorded.at
        if isinstance(event, ListingCreated):
            rows.put(_created(event, recorded, at))
            return
        row = rows.change(recorded.stream_id)
        if row is not None:
            _revise(row, event, at)
            row.updated_at = at
            row.version = recorded.version


_STOCK = (
    StockReserved,
    StockCommitted,
    StockReleased,
    StockAdjusted,
    LowStockThresholdSet,
    StockDepleted,
    StockReplenished,
    LowStockReached,
)


def _created(event: ListingCreated, recorded: Recorded, at: datetime) -> ListingRow:
    return ListingRow(
        listing_id=recorded.stream_id,
        seller_id=event.seller_id,
        category_id=event.category_id,
        name=event.name,
        slug=event.slug,
        description=event.description,
        short_description=event.short_description,
        status="draft",
        price_minor=event.price.minor,
        compare_price_minor=_minor(event.compare_price),
        cost_price_minor=_minor(event.cost_price),
        currency=event.price.currency,
        sku=event.sku,
        product_type=event.product_type.value,
        tags=list(event.tags),
        weight=event.weight,
        dimensions=event.dimensions,
        seo_title=event.seo_title,
        seo_description=event.seo_description,
        licence_terms=event.licence_terms,
        credit_amount_minor=_minor(event.credit_amount),
        created_at=at,
        updated_at=at,
        version=recorded.version,
    )


def _revise(row: ListingRow, event: DomainEvent, at: datetime) -> None:
    match event:
        case ListingDescriptionRevised():
            row.name = event.name
            row.description = event.description
            row.short_description = event.short_description
            row.tags = list(event.tags)
            row.seo_title = event.seo_title
            row.seo_description = event.seo_description
        case ListingPriceChanged():
            row.price_minor = event.new_price.minor
            row.compare_price_minor = _minor(event.compare_price)
        case CostPriceChanged():
            row.cost_price_minor = _minor(event.cost_price)
        case ListingRecategorised():
            row.category_id = event.category_id
        case ListingSkuChanged():
            row.sku = event.sku
        case PackagingChanged():
            row.weight = event.weight
            row.dimensions = event.dimensions
        case ListingPublished():
            row.status = ACTIVE
            row.published_at = at
        case ListingDeactivated():
            row.status = "inactive"
        case ListingArchived():
            row.status = "archived"
        case _:
            pass


def _keep_stock(row: ListingRow, event: DomainEvent) -> None:
    match event:
        case StockReserved():
            row.reserved += event.quantity
        case StockCommitted():
            row.quantity -= event.quantity
            row.reserved -= event.quantity
        case StockReleased():
            row.reserved -= event.quantity
        case StockAdjusted():
            row.quantity = event.new_quantity
        case LowStockThresholdSet():
            row.low_stock_threshold = event.threshold
        case _:
            pass
    row.available = row.quantity - row.reserved


def _minor(money: Money | None) -> int | None:
    return None if money is None else money.minor


# --- queries -----------------------------------------------------------------------------------------------


class ListingDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A listing's page.

    `manager_view` says that the viewer is its seller or an admin; to all others `cost_price` is `None` (LST-08).
    `low_stock` means that no more than the threshold are available; `discount_percent` compares with `compare_price`.
    """

    listing_id: UUID
    seller: SellerSummary
    category: CategorySummary | None
    name: str
    slug: str
    description: str | None
    short_description: str | None
    status: Standing
    price: Money
    compare_price: Money | None
    cost_price: Money | None
    discount_percent: int
    sku: str | None
    product_type: ProductType
    quantity: int
    reserved: int
    available: int
    low_stock_threshold: int
    in_stock: bool
    low_stock: bool
    tags: list[str]
    weight: Decimal | None
    dimensions: Dimensions | None
    seo_title: str | None
    seo_description: str | None
    licence_terms: LicenceTerms | None
    credit_amount: Money | None
    images: list[ListingImage]
    average_rating: Decimal
    review_count: int
    view_count: int
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    version: int
    stock_version: int
    manager_view: bool


class ListingDetails:
    """Questions about single listings. What is not on the shelf exists for its seller and for admins only (LST-21)."""

    def __init__(self, reader: Reader) -> None:
        """Reads `listing_detail`, and beside it `account_directory`, `category_list` and `catalogue_search`."""
        self._reader = reader

    async def by_id(self, listing_id: UUID, viewer: Viewer = PUBLIC) -> ListingDetail | None:
        """One listing, `None` when there is none for this viewer."""
        rows = await self._reader.all(
            _SELECT + "WHERE l.listing_id = %(listing_id)s", {"listing_id": listing_id}
        )
        return _visible(rows, viewer)

    async def by_slug(self, slug: str, viewer: Viewer = PUBLIC) -> ListingDetail | None:
        """One listing by the readable part of its address."""
        if not (slug.isascii() and slug.isprintable()):
            return None
        rows = await self._reader.all(
            _SELECT + "WHERE l.slug = %(slug)s ORDER BY l.listing_id LIMIT 1", {"slug": slug}
        )
        return _visible(rows, viewer)

    async def many(self, listing_ids: Sequence[UUID]) -> dict[UUID, ListingDetail]:
        """Listings by id as everybody sees them, but whatever their status: a cart shows what is gone, too.

        Raises:
            ValueError: more than `MANY_MAXIMUM` are asked for.
        """
        if len(listing_ids) > MANY_MAXIMUM:
            raise ValueError(f"{len(listing_ids)} listings are more than {MANY_MAXIMUM}.")
        if not listing_ids:
            return {}
        rows = await self._reader.all(
            _SELECT + "WHERE l.listing_id = ANY(%(listing_ids)s)", {"listing_ids": list(listing_ids)}
        )
        return {row["listing_id"]: _detail(row, manager_view=False) for row in rows}


_SELECT: Final[LiteralString] = """
    SELECT l.listing_id, l.seller_id, l.category_id, l.name, l.slug, l.description, l.short_description, l.status,
        l.price_minor, l.compare_price_minor, l.cost_price_minor, l.currency, l.sku, l.product_type, l.quantity,
        l.reserved, l.available, l.low_stock_threshold, l.tags, l.weight, l.dimensions, l.seo_title,
        l.seo_description, l.licence_terms, l.credit_amount_minor, l.images, l.created_at, l.updated_at,
        l.published_at, l.version, l.stock_version,
        s.average_rating, s.review_count, s.view_count,
        coalesce(a.business_name, a.name) AS seller_name, a.avatar_url AS seller_avatar_url,
        c.name AS category_name, c.slug AS category_slug
    FROM listing_detail AS l
    LEFT JOIN catalogue_search AS s ON s.listing_id = l.listing_id
    LEFT JOIN account_directory AS a ON a.account_id = l.seller_id
    LEFT JOIN category_list AS c ON c.category_id = l.category_id
"""


def _visible(rows: list[dict[str, Any]], viewer: Viewer) -> ListingDetail | None:
    if not rows:
        return None
    manages = viewer.manages(rows[0]["seller_id"])
    if rows[0]["status"] != ACTIVE and not manages:
        return None
    return _detail(rows[0], manager_view=manages)


def _detail(row: dict[str, Any], *, manager_view: bool) -> ListingDetail:
    currency = row["currency"]
    available = row["available"]

    def money(minor: int | None) -> Money | None:
        return None if minor is None else Money(minor, currency)

    return ListingDetail(
        listing_id=row["listing_id"],
        seller=SellerSummary(
            account_id=row["seller_id"], name=row["seller_name"], avatar_url=row["seller_avatar_url"]
        ),
        category=category_summary(row),
        name=row["name"],
        slug=row["slug"],
        description=row["description"],
        short_description=row["short_description"],
        status=standing_of(row["status"], available),
        price=Money(row["price_minor"], currency),
        compare_price=money(row["compare_price_minor"]),
        cost_price=money(row["cost_price_minor"]) if manager_view else None,
        discount_percent=discount_percent(row["price_minor"], row["compare_price_minor"]),
        sku=row["sku"],
        product_type=ProductType(row["product_type"]),
        quantity=row["quantity"],
        reserved=row["reserved"],
        available=available,
        low_stock_threshold=row["low_stock_threshold"],
        in_stock=available > 0,
        low_stock=available <= row["low_stock_threshold"],
        tags=row["tags"],
        weight=row["weight"],
        dimensions=_part(row["dimensions"], Dimensions),
        seo_title=row["seo_title"],
        seo_description=row["seo_description"],
        licence_terms=_part(row["licence_terms"], LicenceTerms),
        credit_amount=money(row["credit_amount_minor"]),
        images=msgspec.convert(row["images"], list[ListingImage]),
        average_rating=row["average_rating"] or Decimal(0),
        review_count=row["review_count"] or 0,
        view_count=row["view_count"] or 0,
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        published_at=row["published_at"],
        version=row["version"],
        stock_version=row["stock_version"],
        manager_view=manager_view,
    )


def category_summary(row: dict[str, Any]) -> CategorySummary | None:
    """The category that was joined to a listing; `None` without one, or when it is gone."""
    if row["category_name"] is None:
        return None
    return CategorySummary(
        category_id=row["category_id"], name=row["category_name"], slug=row["category_slug"]
    )


def _part(value: Any, shape: type[Any]) -> Any:
    return None if value is None else msgspec.convert(value, shape)
