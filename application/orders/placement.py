"""An order is placed: the one commit that holds stock, freezes prices, opens the payment and empties the cart."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from application.orders.commands import PlaceOrder
from application.orders.offers import find_offer, unavailable
from application.payments.opening import open_payment_in
from application.shared.unit import Unit
from domain.accounts.account import Account, AccountIsSuspended
from domain.accounts.roles import AccountStatus
from domain.carts.cart import Cart, cart_id
from domain.inventory.events import InventoryEvent
from domain.inventory.stock import Stock, stock_id
from domain.listings.listing import Listing
from domain.orders.events import OrderLine
from domain.orders.lines import EmptyCart, frozen_line, merge
from domain.orders.order import Order
from domain.shared.errors import NotAuthenticated, NotPermitted
from domain.shared.personal import ERASED


def place_order(command: PlaceOrder, unit: Unit) -> Order:
    """Place one order of everything that is wanted, or none.

    Streams are asked for in two rounds at most: who buys and what is in the cart, then what is bought.
    """
    customer_id = unit.actor
    if command.lines is None:
        unit.need((Account, customer_id), (Cart, cart_id(customer_id)))
        cart = unit.find(Cart, cart_id(customer_id))
        wanted = _in_cart(cart)
    else:
        cart = None
        wanted = merge(command.lines)
    shelf = [(listing_id, stock_id(listing_id)) for listing_id in wanted]
    unit.need(
        (Account, customer_id),
        *((Listing, listing_id) for listing_id, _ in shelf),
        *((Stock, stock) for _, stock in shelf),
    )
    account = _buyer(unit, customer_id)
    lines = _freeze(unit, wanted, command.terms.commission_rate)
    holds: list[tuple[Stock, list[InventoryEvent]]] = []
    for (listing_id, stock_stream), quantity in zip(shelf, wanted.values(), strict=True):
        stock = unit.find(Stock, stock_stream)
        if stock is None:
            raise unavailable(listing_id)
        holds.append((stock, stock.reserve(command.order_id, quantity)))
    order_number = order_number_of(unit.now, unit.number(_series(unit.now)))
    placed = Order.place(
        order_number=order_number,
        customer_id=customer_id,
        customer_name=account.name or ERASED,
        customer_email=account.email,
        customer_phone=account.phone,
        lines=lines,
        terms=command.terms,
        payment_method=command.payment_method,
        payment_id=command.payment_id,
        shipping_address=command.shipping_address,
        billing_address=command.billing_address,
        notes=command.notes,
        at=unit.now,
    )
    order = unit.create(Order, command.order_id, placed)
    for stock, held in holds:
        unit.record(stock, held)
    if cart is not None:
        unit.record(cart, cart.check_out(order_id=command.order_id))
    open_payment_in(
        unit,
        payment_id=command.payment_id,
        order_id=command.order_id,
        order_number=order_number,
        customer_id=customer_id,
        provider=command.payment_method,
        amount=order.total,
        reference=command.provider_reference,
        currencies=command.provider_currencies,
    )
    return order


def order_number_of(at: datetime, number: int) -> str:
    """The name of an order among people: the UTC date and a number of that day (requirements ORD-08)."""
    return f"ORD-{at:%Y%m%d}-{number:05d}"


def _series(at: datetime) -> str:
    return f"orders:{at:%Y%m%d}"


def _in_cart(cart: Cart | None) -> Mapping[UUID, int]:
    # A cart holds each listing once, and fewer of them than an order may.
    if cart is None or not cart.items:
        raise EmptyCart("The cart is empty.")
    return cart.items


def _buyer(unit: Unit, customer_id: UUID) -> Account:
    account = unit.get(Account, customer_id, missing=NotAuthenticated("Sign in first."))
    match account.status:
        case AccountStatus.APPROVED:
            return account
        case AccountStatus.SUSPENDED:
            raise AccountIsSuspended("This account is suspended.")
        case AccountStatus.PENDING | AccountStatus.REJECTED | AccountStatus.DELETED:
            raise NotPermitted(f"This account is {account.status} and cannot buy.")


def _freeze(unit: Unit, wanted: Mapping[UUID, int], commission_rate: int) -> list[OrderLine]:
    lines = []
    for line_no, (listing_id, quantity) in enumerate(wanted.items(), start=1):
        listing = find_offer(unit, listing_id)
        lines.append(
            frozen_line(
                line_no=line_no,
                listing_id=listing_id,
                seller_id=listing.seller_id,
                name=listing.name,
                product_type=listing.product_type.value,
                sku=listing.sku,
                unit_price=listing.price,
                quantity=quantity,
                commission_rate=commission_rate,
            )
        )
    return lines
