"""The lines of an order: what is wanted, and what it becomes at placement."""

from collections.abc import Iterable
from typing import Final
from uuid import UUID

import msgspec

from domain.orders.events import OrderLine
from domain.shared.errors import InvalidInput, Problem
from domain.shared.money import Money

MAX_LINES: Final = 1_200
"""Wholesale invoices run to more than a thousand lines."""

MAX_LINE_QUANTITY: Final = 100_000
"""Pieces of one listing on one order."""


class EmptyCart(InvalidInput):
    """Nothing was asked for (requirements CART-04)."""

    code = "EMPTY_CART"


class OrderLinesInvalid(InvalidInput):
    """More lines than one order holds, or a quantity that no line can have."""


class OrderLineRequest(msgspec.Struct, frozen=True, kw_only=True):
    """So many pieces of a listing are wanted."""

    listing_id: UUID
    quantity: int


def merge(wanted: Iterable[OrderLineRequest]) -> dict[UUID, int]:
    """How many of each listing are wanted, in the order in which listings were first named.

    Raises:
        EmptyCart: nothing is wanted.
        OrderLinesInvalid: see `MAX_LINES`, `MAX_LINE_QUANTITY`; a quantity is at least 1.
    """
    quantities: dict[UUID, int] = {}
    for index, line in enumerate(wanted):
        quantity = quantities.get(line.listing_id, 0) + line.quantity
        if line.quantity < 1 or quantity > MAX_LINE_QUANTITY:
            message = f"A line is 1 to {MAX_LINE_QUANTITY} pieces of a listing."
            raise OrderLinesInvalid(message, problems=[Problem(f"items.{index}.quantity", message, "range")])
        quantities[line.listing_id] = quantity
    if not quantities:
        raise EmptyCart("There is nothing to order.")
    if len(quantities) > MAX_LINES:
        message = f"An order has at most {MAX_LINES} lines."
        raise OrderLinesInvalid(message, problems=[Problem("items", message, "max_length")])
    return quantities


def frozen_line(
    *,
    line_no: int,
    listing_id: UUID,
    seller_id: UUID,
    name: str,
    product_type: str,
    sku: str | None,
    unit_price: Money,
    quantity: int,
    commission_rate: int,
) -> OrderLine:
    """A line with its subtotal, as it is sold now and stays for ever (requirements ORD-02, ORD-03)."""
    return OrderLine(
        line_no=line_no,
        listing_id=listing_id,
        seller_id=seller_id,
        name=name,
        product_type=product_type,
        sku=sku,
        unit_price=unit_price,
        quantity=quantity,
        subtotal=unit_price * quantity,
        commission_rate=commission_rate,
    )
