"""The cart of one account (requirements CART-01, CART-03). Prices are not kept: they are those of the day."""

from typing import Final, assert_never
from uuid import UUID

from domain.carts.events import (
    CartCheckedOut,
    CartCleared,
    CartEvent,
    CartItemAdded,
    CartItemQuantityChanged,
    CartItemRemoved,
)
from domain.shared.claims import derived_id
from domain.shared.errors import InvalidInput, NotFound, Problem, RuleViolation
from domain.shared.events import State

MAX_ITEMS: Final = 100
"""Different listings in one cart."""

MAX_QUANTITY: Final = 999
"""Pieces of one listing in a cart; larger amounts are ordered by invoice."""


class CartQuantityInvalid(InvalidInput):
    """A quantity is 1 to `MAX_QUANTITY`."""


class CartFull(RuleViolation):
    """The cart holds `MAX_ITEMS` listings already."""

    code = "CART_FULL"


class CartQuantityExceeded(RuleViolation):
    """With those already there the cart would hold more than `MAX_QUANTITY` of a listing."""

    code = "CART_QUANTITY_EXCEEDED"


class CartItemNotFound(NotFound):
    """The listing is not in the cart."""

    code = "CART_ITEM_NOT_FOUND"


def cart_id(account_id: UUID) -> UUID:
    """The stream in which the cart of an account lives."""
    return derived_id("cart", str(account_id))


class Cart(State, frozen=True, kw_only=True):
    """How many of which listings, in the order in which they were put in."""

    cart_id: UUID
    account_id: UUID
    items: dict[UUID, int]

    @property
    def stream_id(self) -> UUID:
        """Derived from the account's id."""
        return self.cart_id

    @staticmethod
    def empty(account_id: UUID) -> "Cart":
        """The cart of an account that never used it."""
        return Cart(cart_id=cart_id(account_id), account_id=account_id, items={})

    def add(self, *, listing_id: UUID, quantity: int) -> list[CartEvent]:
        """Put so many more of a listing in.

        Raises:
            CartQuantityInvalid: the quantity is not 1 to `MAX_QUANTITY`.
            CartQuantityExceeded: it would be too many of them together.
            CartFull: the cart holds too many other listings.
        """
        _check(quantity)
        held = self.items.get(listing_id)
        if held is None:
            if len(self.items) >= MAX_ITEMS:
                raise CartFull(f"A cart holds at most {MAX_ITEMS} listings.", details={"limit": MAX_ITEMS})
            return [CartItemAdded(account_id=self.account_id, listing_id=listing_id, quantity=quantity)]
        if held + quantity > MAX_QUANTITY:
            raise CartQuantityExceeded(
                f"A cart holds at most {MAX_QUANTITY} of a listing; there are {held} already.",
                details={"listingId": str(listing_id), "quantity": held, "limit": MAX_QUANTITY},
            )
        return [
            CartItemQuantityChanged(
                account_id=self.account_id, listing_id=listing_id, quantity=held + quantity
            )
        ]

    def change_quantity(self, *, listing_id: UUID, quantity: int) -> list[CartEvent]:
        """Have exactly so many of a listing; the same number again changes nothing.

        Raises:
            CartQuantityInvalid: the quantity is not 1 to `MAX_QUANTITY`.
            CartItemNotFound: the listing is not in the cart.
        """
        _check(quantity)
        held = self.items.get(listing_id)
        if held is None:
            raise CartItemNotFound(f"Listing {listing_id} is not in the cart.")
        if held == quantity:
            return []
        return [CartItemQuantityChanged(account_id=self.account_id, listing_id=listing_id, quantity=quantity)]

    def remove(self, *, listing_id: UUID) -> list[CartEvent]:
        """Take a listing out; one that is not there is out already."""
        if listing_id not in self.items:
            return []
        return [CartItemRemoved(account_id=self.account_id, listing_id=listing_id)]

    def clear(self) -> list[CartEvent]:
        """Empty the cart; an empty one stays as it is."""
        return [CartCleared(account_id=self.account_id)] if self.items else []

    def check_out(self, *, order_id: UUID) -> list[CartEvent]:
        """What was in the cart is ordered."""
        return [CartCheckedOut(account_id=self.account_id, order_id=order_id)]


def _check(quantity: int) -> None:
    if not 1 <= quantity <= MAX_QUANTITY:
        message = f"A quantity is 1 to {MAX_QUANTITY}."
        raise CartQuantityInvalid(message, problems=[Problem("quantity", message, "range")])


def evolve(cart: Cart | None, event: CartEvent, stream_id: UUID) -> Cart:
    """Fold one recorded fact into the state."""
    held = cart.items if cart is not None else {}
    match event:
        case CartItemAdded() | CartItemQuantityChanged():
            items = {**held, event.listing_id: event.quantity}
        case CartItemRemoved():
            items = {listing: quantity for listing, quantity in held.items() if listing != event.listing_id}
        case CartCleared() | CartCheckedOut():
            items = {}
        case _:
            assert_never(event)
    return Cart(cart_id=stream_id, account_id=event.account_id, items=items)
