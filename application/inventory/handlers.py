"""Use cases of stock, for the listing's seller and for admins (requirements LST-10, RBAC-02)."""

from uuid import UUID

from application.inventory.commands import AdjustStock, SetLowStockThreshold
from application.shared.command import Command
from application.shared.loop import Handler
from application.shared.store import Kind
from application.shared.unit import Unit
from domain.accounts.permissions import Permission
from domain.inventory.stock import Stock, evolve, stock_id
from domain.listings.listing import Listing, ListingStatus
from domain.shared.errors import AccessDenied, NotFound


def adjust_stock(command: AdjustStock, unit: Unit) -> Stock:
    """Correct the quantity at hand."""
    stock = _own_stock(command.listing_id, unit)
    return unit.record(
        stock,
        stock.adjust(new_quantity=command.new_quantity, delta=command.delta, reason=command.reason),
    )


def set_low_stock_threshold(command: SetLowStockThreshold, unit: Unit) -> Stock:
    """Say from how few on to tell the seller."""
    stock = _own_stock(command.listing_id, unit)
    return unit.record(stock, stock.set_threshold(command.threshold))


def _own_stock(listing_id: UUID, unit: Unit) -> Stock:
    """The stock of a listing that the caller may manage; strangers learn of listings on sale only."""
    actor, missing = unit.actor, NotFound(f"No listing {listing_id}.")
    stock = unit.get(Stock, stock_id(listing_id), missing=missing)
    if stock.seller_id == actor or unit.caller.acts_for_the_house(Permission.LISTINGS_WRITE):
        return stock
    listing = unit.get(Listing, listing_id, missing=missing)
    if listing.status is not ListingStatus.ACTIVE:
        raise missing
    raise AccessDenied("Only the seller and admins manage the stock of a listing.")


HANDLERS: dict[type[Command], Handler] = {
    AdjustStock: adjust_stock,
    SetLowStockThreshold: set_low_stock_threshold,
}

KINDS = (Kind("stock", Stock, evolve),)
