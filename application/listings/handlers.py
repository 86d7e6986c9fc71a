"""Use cases of listings. What a change needs elsewhere (stock, category, slug, SKU) happens in the same commit."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import UNSET

from application.categories.filing import file_listing, filing_streams, unfile_listing
from application.listings.commands import (
    ArchiveListing,
    ChangeCostPrice,
    ChangeListingPrice,
    ChangeListingSku,
    ChangePackaging,
    CreateListing,
    DeactivateListing,
    PublishListing,
    RecategoriseListing,
    ReviseListing,
    ReviseListingDescription,
)
from application.listings.ownership import managed_listing, selling_account
from application.listings.slugs import reserve_slug, slug_streams
from application.shared.command import Command
from application.shared.loop import Handler
from application.shared.store import Kind
from application.shared.unit import Unit
from domain.inventory.stock import Stock, stock_id
from domain.listings import listing as listings
from domain.listings.fields import clean_sku
from domain.listings.listing import Listing, SkuTaken
from domain.shared.claims import Claim, derived_id
from domain.shared.events import State

SLUG_CLAIM = "listing_slug"
SKU_CLAIM = "sku"
FALLBACK_SLUG = "listing"


def create_listing(command: CreateListing, unit: Unit) -> Listing:
    """Write a draft, open its stock, reserve its slug and SKU, file it under its category."""
    seller_id = selling_account(unit)
    listing_id = command.listing_id
    sku = None if command.sku is None else clean_sku(command.sku)
    unit.need(
        *slug_streams(SLUG_CLAIM, command.slug, name=command.name, fallback=FALLBACK_SLUG),
        *_sku_streams(sku),
        *filing_streams(command.category_id),
    )
    if command.category_id is not None:
        file_listing(unit, listing_id, command.category_id)
    slug = reserve_slug(
        unit,
        SLUG_CLAIM,
        command.slug,
        name=command.name,
        fallback=FALLBACK_SLUG,
        owner_id=listing_id,
    )
    _move_sku(unit, listing_id, None, sku)
    created = Listing.create(
        seller_id=seller_id,
        name=command.name,
        slug=slug,
        price=command.price,
        price_ceiling=command.price_ceiling,
        product_type=command.product_type,
        category_id=command.category_id,
        description=command.description,
        short_description=command.short_description,
        compare_price=command.compare_price,
        cost_price=command.cost_price,
        sku=sku,
        weight=command.weight,
        dimensions=command.dimensions,
        tags=command.tags,
        seo_title=command.seo_title,
        seo_description=command.seo_description,
        licence_terms=command.licence_terms,
        credit_amount=command.credit_amount,
    )
    opened = Stock.open(listing_id, seller_id, command.stock_quantity, command.low_stock_threshold)
    listing = unit.create(Listing, listing_id, created)
    unit.create(Stock, stock_id(listing_id), opened)
    return listing


def revise_listing(command: ReviseListing, unit: Unit) -> Listing:
    """Make every change that is asked for, or none; what already is as asked adds no fact."""
    listing = managed_listing(unit, command.listing_id)
    listing.check_not_archived()
    unit.need(*_streams_of_changes(command, listing))
    listing = unit.record(
        listing,
        listing.revise_description(
            name=command.name,
            description=command.description,
            short_description=command.short_description,
            tags=command.tags,
            seo_title=command.seo_title,
            seo_description=command.seo_description,
        ),
    )
    listing = unit.record(
        listing,
        listing.change_price(
            price=command.price, compare_price=command.compare_price, price_ceiling=command.price_ceiling
        ),
    )
    if command.cost_price is not UNSET:
        changed = listing.change_cost_price(command.cost_price, price_ceiling=command.price_ceiling)
        listing = unit.record(listing, changed)
    if command.category_id is not UNSET:
        listing = _recategorise(unit, listing, command.category_id)
    if command.sku is not UNSET:
        listing = _change_sku(unit, listing, command.sku)
    listing = unit.record(
        listing, listing.change_packaging(weight=command.weight, dimensions=command.dimensions)
    )
    if command.low_stock_threshold is not UNSET:
        stock = unit.get(Stock, stock_id(listing.listing_id))
        unit.record(stock, stock.set_threshold(command.low_stock_threshold))
    return listing


def revise_listing_description(command: ReviseListingDescription, unit: Unit) -> Listing:
    """Put a listing in other words."""
    listing = managed_listing(unit, command.listing_id)
    return unit.record(
        listing,
        listing.revise_description(
            name=command.name,
            description=command.description,
            short_description=command.short_description,
            tags=command.tags,
            seo_title=command.seo_title,
            seo_description=command.seo_description,
        ),
    )


def change_listing_price(command: ChangeListingPrice, unit: Unit) -> Listing:
    """Change the price, the compare price, or both."""
    listing = managed_listing(unit, command.listing_id)
    return unit.record(
        listing,
        listing.change_price(
            price=command.price, compare_price=command.compare_price, price_ceiling=command.price_ceiling
        ),
    )


def change_cost_price(command: ChangeCostPrice, unit: Unit) -> Listing:
    """Note what one piece costs the seller."""
    listing = managed_listing(unit, command.listing_id)
    changed = listing.change_cost_price(command.cost_price, price_ceiling=command.price_ceiling)
    return unit.record(listing, changed)


def recategorise_listing(command: RecategoriseListing, unit: Unit) -> Listing:
    """Stand a listing in another category, or in none."""
    listing = managed_listing(unit, command.listing_id)
    return _recategorise(unit, listing, command.category_id)


def change_listing_sku(command: ChangeListingSku, unit: Unit) -> Listing:
    """Give a listing another article number, or none."""
    listing = managed_listing(unit, command.listing_id)
    return _change_sku(unit, listing, command.sku)


def change_packaging(command: ChangePackaging, unit: Unit) -> Listing:
    """Correct the weight or the size of the parcel."""
    listing = managed_listing(unit, command.listing_id)
    return unit.record(
        listing, listing.change_packaging(weight=command.weight, dimensions=command.dimensions)
    )


def publish_listing(command: PublishListing, unit: Unit) -> Listing:
    """Put a listing on the shelf."""
    listing = managed_listing(unit, command.listing_id)
    return unit.record(listing, listing.publish())


def deactivate_listing(command: DeactivateListing, unit: Unit) -> Listing:
    """Take a listing off the shelf until it is published again."""
    listing = managed_listing(unit, command.listing_id)
    return unit.record(listing, listing.deactivate(command.reason))


def archive_listing(command: ArchiveListing, unit: Unit) -> Listing:
    """Take a listing off the shelf for good, out of its category, and give its SKU back."""
    listing = managed_listing(unit, command.listing_id)
    archived = listing.archive(by=unit.caller.actor_id, reason=command.reason)
    unit.need(*_sku_streams(listing.sku), *filing_streams(listing.category_id))
    if listing.category_id is not None:
        unfile_listing(unit, listing.listing_id, listing.category_id)
    _move_sku(unit, listing.listing_id, listing.sku, None)
    return unit.record(listing, archived)


# --- what several use cases do ---------------------------------------------------------------------------------


def _recategorise(unit: Unit, listing: Listing, category_id: UUID | None) -> Listing:
    events = listing.recategorise(category_id)
    if not events:
        return listing
    unit.need(*filing_streams(listing.category_id, category_id))
    if listing.category_id is not None:
        unfile_listing(unit, listing.listing_id, listing.category_id)
    if category_id is not None:
        file_listing(unit, listing.listing_id, category_id)
    return unit.record(listing, events)


def _change_sku(unit: Unit, listing: Listing, sku: str | None) -> Listing:
    old = listing.sku
    changed = unit.record(listing, listing.change_sku(sku))
    if changed.sku != old:
        unit.need(*_sku_streams(old, changed.sku))
        _move_sku(unit, listing.listing_id, old, changed.sku)
    return changed


def _move_sku(unit: Unit, listing_id: UUID, old: str | None, new: str | None) -> None:
    if new is not None:
        taken = SkuTaken(f"Another listing has the SKU {new}.", details={"sku": new})
        unit.claim(SKU_CLAIM, new, listing_id, taken=taken)
    if old is not None:
        unit.release(SKU_CLAIM, old, listing_id)


def _sku_streams(*skus: str | None) -> list[tuple[type[State], UUID]]:
    return [(Claim, derived_id(SKU_CLAIM, sku)) for sku in skus if sku is not None]


def _streams_of_changes(command: ReviseListing, listing: Listing) -> list[tuple[type[State], UUID]]:
    """Everything that these changes read, so that it is loaded in one round."""
    streams: list[tuple[type[State], UUID]] = []
    if command.category_id is not UNSET and command.category_id != listing.category_id:
        streams += filing_streams(listing.category_id, command.category_id)
    if command.sku is not UNSET:
        new = None if command.sku is None else clean_sku(command.sku)
        if new != listing.sku:
            streams += _sku_streams(listing.sku, new)
    if command.low_stock_threshold is not UNSET:
        streams.append((Stock, stock_id(listing.listing_id)))
    return streams


HANDLERS: Mapping[type[Command], Handler] = {
    CreateListing: create_listing,
    ReviseListing: revise_listing,
    ReviseListingDescription: revise_listing_description,
    ChangeListingPrice: change_listing_price,
    ChangeCostPrice: change_cost_price,
    RecategoriseListing: recategorise_listing,
    ChangeListingSku: change_listing_sku,
    ChangePackaging: change_packaging,
    PublishListing: publish_listing,
    DeactivateListing: deactivate_listing,
    ArchiveListing: archive_listing,
}

KINDS: tuple[Kind[Any], ...] = (Kind("listing", Listing, listings.evolve),)
