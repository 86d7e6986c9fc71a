"""Wishes about the caller's own cart (requirements CART-01)."""

from uuid import UUID

from application.shared.command import Command


class AddCartItem(Command, frozen=True, kw_only=True):
    """Put so many more of a listing into the cart."""

    listing_id: UUID
    quantity: int


class ChangeCartItemQuantity(Command, frozen=True, kw_only=True):
    """Have exactly so many of a listing in the cart."""

    listing_id: UUID
    quantity: int


class RemoveCartItem(Command, frozen=True, kw_only=True):
    """Take a listing out of the cart."""

    listing_id: UUID


class ClearCart(Command, frozen=True, kw_only=True):
    """Empty the cart."""
