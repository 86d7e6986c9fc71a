"""Facts about carts. One stream an account; its id is derived, so each fact names the account."""

from typing import TypeAlias
from uuid import UUID

from domain.shared.events import DomainEvent


class CartItemAdded(DomainEvent, frozen=True, kw_only=True):
    """A listing that was not in the cart was put there."""

    account_id: UUID
    listing_id: UUID
    quantity: int


class CartItemQuantityChanged(DomainEvent, frozen=True, kw_only=True):
    """Of a listing in the cart there are `quantity` now."""

    account_id: UUID
    listing_id: UUID
    quantity: int


class CartItemRemoved(DomainEvent, frozen=True, kw_only=True):
    """A listing was taken out of the cart."""

    account_id: UUID
    listing_id: UUID


class CartCleared(DomainEvent, frozen=True, kw_only=True):
    """The cart was emptied without buying."""

    account_id: UUID


class CartCheckedOut(DomainEvent, frozen=True, kw_only=True):
    """What was in the cart became an order; the cart is empty (requirements CART-03)."""

    account_id: UUID
    order_id: UUID


CartEvent: TypeAlias = (
    CartItemAdded | CartItemQuantityChanged | CartItemRemoved | CartCleared | CartCheckedOut
)
