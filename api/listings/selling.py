"""What sellers do with their listings (requirements §45.2): write, revise, stock, publish, take off the shelf."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, patch, post, put
from litestar.params import FromPath, JSONBody

from api.assembly import services_of
from api.envelope import Envelope
from api.listings.requests import (
    AdjustStockRequest,
    CreateListingRequest,
    ReviseListingRequest,
    TakeOffShelfRequest,
)
from api.listings.views import StockView, WrittenListingView
from api.openapi import errors
from api.submission import submit
from application.inventory.commands import AdjustStock
from application.listings.commands import ArchiveListing, DeactivateListing, PublishListing
from application.shared.command import Command

AnyRequest = Request[Any, Any, Any]
Written = Response[Envelope[WrittenListingView]]

KIND = "listing"
STOCK = "stock"


class SellingController(Controller):
    """The seller's side of the shelf: for the listing's own seller and for admins."""

    path = "/listings"
    tags = ("Listings",)

    @post(
        "/",
        summary="Write a listing",
        responses=errors(SLUG_TAKEN=409, SKU_TAKEN=409),
    )
    async def create_listing(self, request: AnyRequest, data: JSONBody[CreateListingRequest]) -> Written:
        """Write a draft with its opening stock; the caller becomes its seller. Nobody else sees it until it is published."""
        services = services_of(request)
        commerce = services.settings.commerce
        command = data.command(
            services.new_id(), default_currency=commerce.default_currency, ceilings=commerce.price_ceiling
        )
        return await submit(request, command, WrittenListingView.of, kind=KIND)

    @put(
        "/{listing_id:uuid}",
        summary="Revise a listing",
        responses=errors(
            "RESOURCE_NOT_FOUND",
            "RESOURCE_ACCESS_DENIED",
            SKU_TAKEN=409,
            CURRENCY_MISMATCH=409,
            LISTING_ARCHIVED=409,
        ),
    )
    async def revise_listing(
        self, request: AnyRequest, listing_id: FromPath[UUID], data: JSONBody[ReviseListingRequest]
    ) -> Written:
        """Make any set of changes, all of them or none. What is left out stays; `null` takes a value away."""
        ceilings = services_of(request).settings.commerce.price_ceiling
        return await _submit(request, data.command(listing_id, ceilings=ceilings), listing_id)

    @patch(
        "/{listing_id:uuid}/stock",
        summary="Correct the stock",
        responses=errors("RESOURCE_NOT_FOUND", "RESOURCE_ACCESS_DENIED", STOCK_BELOW_RESERVED=409),
    )
    async def adjust_stock(
        self, request: AnyRequest, listing_id: FromPath[UUID], data: JSONBody[AdjustStockRequest]
    ) -> Response[Envelope[StockView]]:
        """Say how many are at hand, or how many more or fewer. What orders hold counts as at hand.

        The entity tag is that of the stock, which changes with every sale; the listing's own does not.
        """
        command = AdjustStock(
            listing_id=listing_id, new_quantity=data.quantity, delta=data.delta, reason=data.reason
        )
        return await submit(request, command, StockView.of, kind=STOCK, entity=listing_id)

    @post(
        "/{listing_id:uuid}/publish",
        status_code=200,
        summary="Publish a listing",
        responses=errors("RESOURCE_NOT_FOUND", "RESOURCE_ACCESS_DENIED", LISTING_ARCHIVED=409),
    )
    async def publish_listing(self, request: AnyRequest, listing_id: FromPath[UUID]) -> Written:
        """Put a listing on the shelf. Publishing what is published changes nothing."""
        return await _submit(request, PublishListing(listing_id=listing_id), listing_id)

    @post(
        "/{listing_id:uuid}/deactivate",
        status_code=200,
        summary="Take a listing off the shelf",
        responses=errors(
            "RESOURCE_NOT_FOUND", "RESOURCE_ACCESS_DENIED", LISTING_NOT_ACTIVE=409, LISTING_ARCHIVED=409
        ),
    )
    async def deactivate_listing(
        self,
        request: AnyRequest,
        listing_id: FromPath[UUID],
        data: JSONBody[TakeOffShelfRequest | None] = None,
    ) -> Written:
        """Take a listing off the shelf until it is published again. The body, with a reason, may be left out."""
        reason = None if data is None else data.reason
        return await _submit(request, DeactivateListing(listing_id=listing_id, reason=reason), listing_id)

    @delete(
        "/{listing_id:uuid}",
        status_code=200,
        summary="Archive a listing",
        responses=errors("RESOURCE_NOT_FOUND", "RESOURCE_ACCESS_DENIED", LISTING_ARCHIVED=409),
    )
    async def archive_listing(self, request: AnyRequest, listing_id: FromPath[UUID]) -> Written:
        """Take a listing off the shelf for good. Orders still refer to it; its SKU is free again, its slug is not."""
        return await _submit(request, ArchiveListing(listing_id=listing_id), listing_id)


async def _submit(request: AnyRequest, command: Command, listing_id: UUID) -> Written:
    return await submit(request, command, WrittenListingView.of, kind=KIND, entity=listing_id)
