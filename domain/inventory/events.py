"""Facts about stock. One stream a listing, apart from the listing's text and price (requirements LST-10).

*Available* is what can still be sold: the quantity at hand less what open orders hold.
"""

from typing import TypeAlias
from uuid import UUID

from domain.shared.events import DomainEvent


class StockAdjusted(DomainEvent, frozen=True, kw_only=True):
    """The quantity at hand was counted, filled up, written off, or put back by an order that was called off.

    `reason` is `opening` for the first one, `order_cancelled` for goods put back, else the seller's own words.
    """

    listing_id: UUID
    seller_id: UUID
    delta: int
    new_quantity: int
    reason: str
    order_id: UUID | None = None
    """The order that put goods back."""


class LowStockThresholdSet(DomainEvent, frozen=True, kw_only=True):
    """The seller wants to know when no more than `threshold` are available."""

    listing_id: UUID
    threshold: int


class StockReserved(DomainEvent, frozen=True, kw_only=True):
    """So many are held for an order; nobody else can buy them."""

    listing_id: UUID
    order_id: UUID
    quantity: int


class StockReleased(DomainEvent, frozen=True, kw_only=True):
    """What was held for an unpaid order is for sale again."""

    listing_id: UUID
    order_id: UUID
    quantity: int
    reason: str


class StockCommitted(DomainEvent, frozen=True, kw_only=True):
    """What was held for an order is sold: it is no longer at hand."""

    listing_id: UUID
    order_id: UUID
    quantity: int


class StockDepleted(DomainEvent, frozen=True, kw_only=True):
    """The last available one is gone: an active listing is shown as out of stock (requirements LST-14)."""

    listing_id: UUID


class StockReplenished(DomainEvent, frozen=True, kw_only=True):
    """After none, there are `new_quantity` available again."""

    listing_id: UUID
    new_quantity: int


class LowStockReached(DomainEvent, frozen=True, kw_only=True):
    """Only `quantity` are available, which is not above the threshold; told once for each crossing (LST-26)."""

    listing_id: UUID
    seller_id: UUID
    quantity: int
    threshold: int


InventoryEvent: TypeAlias = (
    StockAdjusted
    | LowStockThresholdSet
    | StockReserved
    | StockReleased
    | StockCommitted
    | StockDepleted
    | StockReplenished
    | LowStockReached
)
