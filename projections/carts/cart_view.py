"""The screen "My cart", at the prices of the moment (requirements CART-02)."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.carts.events import (
    CartCheckedOut,
    CartCleared,
    CartItemAdded,
    CartItemQuantityChanged,
    CartItemRemoved,
)
from domain.shared.events import Recorded
from domain.shared.money import Money
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.table import Table


class CartItem(msgspec.Struct, frozen=True):
    """A listing in a cart. `added_at` is when it was put in first; another quantity keeps it."""

    listing_id: UUID
    quantity: int
    added_at: datetime


class CartRow(msgspec.Struct):
    """The cart of one account; an emptied one is kept for its version, which is that of its stream."""

    account_id: UUID
    items: list[CartItem]
    version: int
    updated_at: datetime


CARTS = Table(
    "cart_view",
    CartRow,
    key=("account_id",),
    columns="""
        account_id uuid NOT NULL,
        items jsonb NOT NULL,
        version integer NOT NULL,
        updated_at timestamptz NOT NULL
    """,
)


class CartViewProjection(Projection):
    """Keeps the carts; one row an account, since a cart holds few listings and is emptied as a whole."""

    name = "cart_view"
    tables = (CARTS,)
    events = (CartItemAdded, CartItemQuantityChanged, CartItemRemoved, CartCleared, CartCheckedOut)

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        event = recorded.event
        assert isinstance(event, self.events)
        at = recorded.at
        account_id = event.account_id
        row = batch.rows(CARTS).change_or_new(lambda: CartRow(account_id, [], 0, at), account_id)
        row.version = recorded.version
        row.updated_at = at
        match event:
            case CartItemAdded(listing_id=listing_id, quantity=quantity):
                row.items = [*row.items, CartItem(listing_id, quantity, at)]
            case CartItemQuantityChanged(listing_id=listing_id, quantity=quantity):
                row.items = [
                    CartItem(listing_id, quantity, item.added_at) if item.listing_id == listing_id else item
                    for item in row.items
                ]
            case CartItemRemoved(listing_id=listing_id):
                row.items = [item for item in row.items if item.listing_id != listing_id]
            case _:
                row.items = []


class CartLine(msgspec.Struct, frozen=True, kw_only=True):
    """A listing in a cart as it is offered now.

    What is not known of a listing (yet, or any more) is `None`. `available` counts the pieces that can be sold;
    `in_stock` says that the listing is on sale and there are as many as the cart wants.
    """

    listing_id: UUID
    quantity: int
    added_at: datetime
    name: str | None
    slug: str | None
    status: str | None
    product_type: str | None
    unit_price: Money | None
    line_total: Money | None
    available: int
    in_stock: bool


class CartContents(msgspec.Struct, frozen=True, kw_only=True):
    """A whole cart, in the order in which its listings were put in.

    `subtotals` has one sum for each currency, by its code, over the lines that are in stock; `version` is that of the
    cart's stream, 0 for one that was never used.
    """

    account_id: UUID
    lines: list[CartLine]
    subtotals: list[Money]
    version: int
    updated_at: datetime | None


class CartView:
    """What is in the cart of an account."""

    def __init__(self, reader: Reader) -> None:
        """Reads `cart_view` and `listing_detail`."""
        self._reader = reader

    async def of(self, account_id: UUID) -> CartContents:
        """The cart; an empty one for an account that never used it."""
        rows = await self._reader.all(
            """
            SELECT c.version, c.updated_at, i.listing_id, i.quantity, i.added_at,
                l.name, l.slug, l.status, l.product_type, l.price_minor, l.currency, l.available
            FROM cart_view AS c
            LEFT JOIN LATERAL ROWS FROM (
                jsonb_to_recordset(c.items) AS (listing_id uuid, quantity integer, added_at timestamptz)
            ) WITH ORDINALITY AS i (listing_id, quantity, added_at, place) ON true
            LEFT JOIN listing_detail AS l ON l.listing_id = i.listing_id
            WHERE c.account_id = %(account_id)s
            ORDER BY i.place
            """,
            {"account_id": account_id},
        )
        lines = [_line(row) for row in rows if row["listing_id"] is not None]
        return CartContents(
            account_id=account_id,
            lines=lines,
            subtotals=_subtotals(lines),
            version=rows[0]["version"] if rows else 0,
            updated_at=rows[0]["updated_at"] if rows else None,
        )


def _line(row: dict[str, Any]) -> CartLine:
    known = row["price_minor"] is not None
    price = Money(row["price_minor"], row["currency"]) if known else None
    available = row["available"] or 0
    return CartLine(
        listing_id=row["listing_id"],
        quantity=row["quantity"],
        added_at=row["added_at"],
        name=row["name"],
        slug=row["slug"],
        status=row["status"],
        product_type=row["product_type"],
        unit_price=price,
        line_total=None if price is None else price * row["quantity"],
        available=available,
        in_stock=row["status"] == "active" and available >= row["quantity"],
    )


def _subtotals(lines: list[CartLine]) -> list[Money]:
    sums: dict[str, Money] = {}
    for line in lines:
        if line.in_stock and line.line_total is not None:
            currency = line.line_total.currency
            sums[currency] = sums.get(currency, Money(0, currency)) + line.line_total
    return [sums[currency] for currency in sorted(sums)]
