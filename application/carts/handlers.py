"""Use cases of carts. Each answers with the cart as it is then."""

from collections.abc import Sequence
from uuid import UUID

from application.carts.commands import AddCartItem, ChangeCartItemQuantity, ClearCart, RemoveCartItem
from application.orders.offers import find_offer, unavailable
from application.shared.command import Command
from application.shared.loop import Handler
from application.shared.store import Kind
from application.shared.unit import Unit
from domain.carts.cart import Cart, cart_id, evolve
from domain.carts.events import CartEvent
from domain.listings.listing import Listing


def add_cart_item(command: AddCartItem, unit: Unit) -> Cart:
    """Put so many more of a listing that is on sale into the cart."""
    cart = _cart_and_offer(command.listing_id, unit)
    return _record(unit, cart, cart.add(listing_id=command.listing_id, quantity=command.quantity))


def change_cart_item_quantity(command: ChangeCartItemQuantity, unit: Unit) -> Cart:
    """Have exactly so many of a listing that is on sale in the cart."""
    cart = _cart_and_offer(command.listing_id, unit)
    events = cart.change_quantity(listing_id=command.listing_id, quantity=command.quantity)
    return _record(unit, cart, events)


def remove_cart_item(command: RemoveCartItem, unit: Unit) -> Cart:
    """Take a listing out, whether or not it is still on sale."""
    cart = _cart(unit)
    return _record(unit, cart, cart.remove(listing_id=command.listing_id))


def clear_cart(command: ClearCart, unit: Unit) -> Cart:
    """Empty the cart."""
    cart = _cart(unit)
    return _record(unit, cart, cart.clear())


def _cart(unit: Unit) -> Cart:
    return unit.find(Cart, cart_id(unit.actor)) or Cart.empty(unit.actor)


def _cart_and_offer(listing_id: UUID, unit: Unit) -> Cart:
    unit.need((Cart, cart_id(unit.actor)), (Listing, listing_id))
    if find_offer(unit, listing_id).seller_id == unit.actor:
        raise unavailable(listing_id)
    return _cart(unit)


def _record(unit: Unit, cart: Cart, events: Sequence[CartEvent]) -> Cart:
    return unit.begin(Cart, cart.cart_id, events) if events else cart


HANDLERS: dict[type[Command], Handler] = {
    AddCartItem: add_cart_item,
    ChangeCartItemQuantity: change_cart_item_quantity,
    RemoveCartItem: remove_cart_item,
    ClearCart: clear_cart,
}

KINDS = (Kind("cart", Cart, evolve),)
