"""Wishes about stock. Orders reserve, release and sell stock themselves, in their own commits (requirements LST-25)."""

from uuid import UUID

from application.shared.command import Command


class AdjustStock(Command, frozen=True, kw_only=True):
    """Correct the quantity at hand: either `new_quantity`, or `delta` more (or fewer)."""

    listing_id: UUID
    new_quantity: int | None = None
    delta: int | None = None
    reason: str


class SetLowStockThreshold(Command, frozen=True, kw_only=True):
    """From how few available ones on the seller wants to be told."""

    listing_id: UUID
    threshold: int
