"""The catalogue for everybody (requirements §45.2, SRCH-01 to SRCH-07, LST-21, LST-22, LST-24)."""

from enum import StrEnum
from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from api.assembly import services_of
from api.cached import Made, shared_answer
from api.categories.controller import reference
from api.envelope import Envelope, Meta, envelope
from api.listings.selling import KIND
from api.listings.views import CataloguePage, ListingCardView, ListingView
from api.money import money_of
from api.openapi import errors
from api.paging import wanted
from api.requests import CursorRequest, PageRequest, etag
from application.shared.caller import Caller
from domain.accounts.permissions import Permission
from domain.listings.listing import ListingNotFound
from domain.listings.slugs import MAX_SLUG_LENGTH
from domain.shared.errors import NotPermitted
from projections.listings.catalogue import RELATED_DEFAULT, RELATED_MAXIMUM
from projections.listings.catalogue_questions import (
    SEARCH_ORDERS,
    Direction,
    ListingFilter,
    Order,
    SearchOrder,
    SortField,
)
from projections.listings.listing_detail import ListingDetail, ListingDetails
from projections.listings.standing import PUBLIC, Standing, Viewer
from projections.shared import paging

AnyRequest = Request[Any, Any, Any]

SEARCH_TEXT_MAXIMUM: Final = 500
"""What a search box takes; only the first words of it are searched for."""


class StatusFilter(StrEnum):
    """Which listings are listed. All but `active` are for the seller of them (with `sellerId`) and for admins."""

    DRAFT = "draft"
    ACTIVE = "active"
    OUT_OF_STOCK = "out_of_stock"
    INACTIVE = "inactive"
    ARCHIVED = "archived"
    ALL = "all"


class SortOrder(StrEnum):
    """Upwards or downwards."""

    ASC = "asc"
    DESC = "desc"
    UPPER_ASC = "ASC"
    UPPER_DESC = "DESC"


CategoryParameter = Annotated[
    str | None,
    QueryParameter(min_length=1, max_length=MAX_SLUG_LENGTH, description="A category's id or slug."),
]
PRICE: Final = r"^[0-9]{1,16}(\.[0-9]{1,3})?$"

LowestPrice = Annotated[
    str | None,
    QueryParameter(name="minPrice", pattern=PRICE, description="In major units, as in 12.50; included."),
]
HighestPrice = Annotated[
    str | None,
    QueryParameter(name="maxPrice", pattern=PRICE, description="In major units, as in 12.50; included."),
]
CurrencyParameter = Annotated[
    str | None,
    QueryParameter(
        pattern="^[A-Za-z]{3}$", description="ISO 4217; for prices, the house's own when it is left out."
    ),
]


class CatalogueController(Controller):
    """What is on the shelf, and for sellers and admins what is behind it."""

    path = "/listings"
    tags = ("Listings",)

    @get("/", summary="List listings", responses=errors("INSUFFICIENT_PERMISSIONS", "OVERLOADED"))
    async def list_listings(
        self,
        request: AnyRequest,
        visitor: NamedDependency[Caller],
        page_request: NamedDependency[PageRequest],
        cursor_request: NamedDependency[CursorRequest],
        category: CategoryParameter = None,
        search: Annotated[str | None, QueryParameter(max_length=SEARCH_TEXT_MAXIMUM)] = None,
        min_price: LowestPrice = None,
        max_price: HighestPrice = None,
        currency: CurrencyParameter = None,
        seller_id: Annotated[UUID | None, QueryParameter(name="sellerId")] = None,
        status: FromQuery[StatusFilter] = StatusFilter.ACTIVE,
        in_stock: Annotated[bool, QueryParameter(name="inStock")] = False,
        sort_by: Annotated[SortField | None, QueryParameter(name="sortBy")] = None,
        sort_order: Annotated[SortOrder, QueryParameter(name="sortOrder")] = SortOrder.DESC,
    ) -> Response[CataloguePage]:
        """Listings on the shelf, newest first; what is found by `search` comes by relevance.

        Sellers see their own of any `status` (with their `sellerId`), admins those of all. With a `cursor` the page's
        number means nothing.
        """
        viewer = viewer_of(visitor)
        if status is not StatusFilter.ACTIVE and not viewer.manages(seller_id):
            raise NotPermitted("Only their seller and admins list listings that are not on the shelf.")
        order = None
        if sort_by is not None:
            order = Order(sort_by, Direction(sort_order.value.lower()))
        elif sort_order.value.lower() == Direction.ASC.value and not (search or "").strip():
            order = Order(SortField.CREATED_AT, Direction.ASC)
        wanted = _filter(
            request,
            text=search or None,
            category=category,
            min_price=min_price,
            max_price=max_price,
            currency=currency,
            seller_id=seller_id,
            status=None if status is StatusFilter.ALL else Standing(status.value),
            in_stock=in_stock,
        )
        part = _part(page_request, cursor_request)

        async def make() -> Made:
            found = await services_of(request).catalogue.find(wanted, part, order=order, viewer=viewer)
            return CataloguePage.of(found), None

        public = viewer == PUBLIC and status is StatusFilter.ACTIVE
        return await shared_answer(request, "listings", (wanted, _asked(part), order), make, public=public)

    @get("/search", summary="Search listings", responses=errors("OVERLOADED"))
    async def search_listings(
        self,
        request: AnyRequest,
        page_request: NamedDependency[PageRequest],
        cursor_request: NamedDependency[CursorRequest],
        q: Annotated[str, QueryParameter(min_length=1, max_length=SEARCH_TEXT_MAXIMUM)],
        category: CategoryParameter = None,
        min_price: LowestPrice = None,
        max_price: HighestPrice = None,
        currency: CurrencyParameter = None,
        seller_id: Annotated[UUID | None, QueryParameter(name="sellerId")] = None,
        in_stock: Annotated[bool, QueryParameter(name="inStock")] = False,
        sort_by: Annotated[SearchOrder, QueryParameter(name="sortBy")] = SearchOrder.RELEVANCE,
        facets: FromQuery[bool] = True,
    ) -> Response[CataloguePage]:
        """What is on the shelf and has these words, or words that begin so; misspelt ones are corrected.

        Relevance: all words before some; then words in the name, in the short description, in the rest; ties by rating.
        When fewer than 100 listings have all words, those with some of them fill the list up to 100.
        """
        wanted = _filter(
            request,
            text=q,
            category=category,
            min_price=min_price,
            max_price=max_price,
            currency=currency,
            seller_id=seller_id,
            status=Standing.ACTIVE,
            in_stock=in_stock,
        )
        part, order = _part(page_request, cursor_request), SEARCH_ORDERS[sort_by]

        async def make() -> Made:
            found = await services_of(request).catalogue.find(wanted, part, order=order, with_facets=facets)
            return CataloguePage.of(found), None

        # Who asks makes no difference here.
        asked = (wanted, _asked(part), order, facets)
        return await shared_answer(request, "listings/search", asked, make, public=True)

    @get("/slug/{slug:str}", summary="Show a listing by its slug", responses=errors("RESOURCE_NOT_FOUND"))
    async def listing_by_slug(
        self, request: AnyRequest, slug: FromPath[str], visitor: NamedDependency[Caller]
    ) -> Response[Envelope[ListingView]]:
        """A listing by the readable part of its address, which a new name does not change."""
        viewer = viewer_of(visitor)

        async def make() -> Made:
            return _shown(await ListingDetails(services_of(request).reader).by_slug(slug, viewer))

        return await shared_answer(request, "listings/slug", slug, make, public=viewer == PUBLIC)

    @get("/{listing_id:uuid}", summary="Show a listing", responses=errors("RESOURCE_NOT_FOUND"))
    async def listing(
        self, request: AnyRequest, listing_id: FromPath[UUID], visitor: NamedDependency[Caller]
    ) -> Response[Envelope[ListingView]]:
        """A listing with its seller and category. What is not on the shelf is there for its seller and admins only.

        The entity tag is that of the listing as `PUT` changes it; its stock has one of its own.
        """
        viewer = viewer_of(visitor)

        async def make() -> Made:
            return _shown(await ListingDetails(services_of(request).reader).by_id(listing_id, viewer))

        return await shared_answer(request, "listing", listing_id, make, public=viewer == PUBLIC)

    @get(
        "/{listing_id:uuid}/related", summary="Show related listings", responses=errors("RESOURCE_NOT_FOUND")
    )
    async def related_listings(
        self,
        request: AnyRequest,
        listing_id: FromPath[UUID],
        visitor: NamedDependency[Caller],
        limit: Annotated[int, QueryParameter(ge=1, le=RELATED_MAXIMUM)] = RELATED_DEFAULT,
    ) -> Envelope[list[ListingCardView]]:
        """Others of the same category on the shelf, best rated first, then the newest."""
        services = services_of(request)
        if await ListingDetails(services.reader).by_id(listing_id, viewer_of(visitor)) is None:
            raise _missing()
        related = await services.catalogue.related(listing_id, limit)
        return envelope([ListingCardView.of(item) for item in related])


def viewer_of(visitor: Caller) -> Viewer:
    """Whoever asks, as the catalogue knows them."""
    return Viewer(
        account_id=visitor.actor_id, manages_all=visitor.acts_for_the_house(Permission.LISTINGS_WRITE)
    )


def _part(
    page_request: PageRequest, cursor_request: CursorRequest
) -> paging.PageRequest | paging.SliceRequest:
    if cursor_request.cursor is None:
        return wanted(page_request)
    return paging.SliceRequest(limit=cursor_request.limit, cursor=cursor_request.cursor)


def _filter(
    request: AnyRequest,
    *,
    text: str | None,
    category: str | None,
    min_price: str | None,
    max_price: str | None,
    currency: str | None,
    seller_id: UUID | None,
    status: Standing | None,
    in_stock: bool,
) -> ListingFilter:
    if currency is not None:
        currency = currency.lower()
    elif min_price is not None or max_price is not None:
        currency = services_of(request).settings.commerce.default_currency

    def minor(amount: str | None, field: str) -> int | None:
        if amount is None:
            return None
        assert currency is not None, "a price has a currency, see above"
        return money_of(amount, currency, field).minor

    return ListingFilter(
        text=text,
        category=None if category is None else reference(category),
        min_price=minor(min_price, "minPrice"),
        max_price=minor(max_price, "maxPrice"),
        currency=currency,
        seller_id=seller_id,
        status=status,
        in_stock=in_stock,
    )


def _asked(part: paging.PageRequest | paging.SliceRequest) -> tuple[str, object]:
    # A page and a slice of the same size are two questions.
    return type(part).__name__, part


def _shown(listing: ListingDetail | None) -> Made:
    if listing is None:
        raise _missing()
    body = envelope(ListingView.of(listing), meta=Meta(version=listing.version))
    return body, etag(KIND, listing.listing_id, listing.version)


def _missing() -> ListingNotFound:
    return ListingNotFound("There is no such listing.")
