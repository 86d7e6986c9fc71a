"""The caller's own cart over HTTP (requirements CART-01 to CART-03)."""

from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.assembly import services_of
from api.envelope import Envelope, Meta, RequestBody, ResponseBody, Timestamp, envelope, timestamp
from api.money import MoneyView
from api.openapi import errors
from api.requests import etag
from api.submission import submit
from application.carts.commands import AddCartItem, ChangeCartItemQuantity, ClearCart, RemoveCartItem
from application.shared.caller import Caller
from domain.carts.cart import MAX_QUANTITY, Cart, cart_id
from projections.carts.cart_view import CartContents, CartLine, CartView

KIND: Final = "cart"

Quantity = Annotated[int, msgspec.Meta(ge=1, le=MAX_QUANTITY, description="Pieces of one listing.")]


class AddCartItemRequest(RequestBody, frozen=True, kw_only=True):
    """Which listing to put into the cart; `quantity` is added to what is there."""

    listing_id: UUID
    quantity: Quantity = 1


class ChangeCartItemRequest(RequestBody, frozen=True, kw_only=True):
    """How many pieces the cart should hold."""

    quantity: Quantity


class CartItemView(ResponseBody, frozen=True, kw_only=True):
    """So many pieces of one listing."""

    listing_id: UUID
    quantity: int


class ChangedCartView(ResponseBody, frozen=True, kw_only=True):
    """What is in the cart after a change; `GET /cart` knows prices and stock. `itemCount` counts pieces."""

    items: list[CartItemView]
    item_count: int

    @classmethod
    def of(cls, cart: Cart) -> "ChangedCartView":
        """Show a cart."""
        items = [
            CartItemView(listing_id=listing_id, quantity=quantity)
            for listing_id, quantity in cart.items.items()
        ]
        return cls(items=items, item_count=sum(item.quantity for item in items))


class CartLineView(ResponseBody, frozen=True, kw_only=True):
    """A listing in the cart as it is offered now.

    `inStock` says that as many as the cart wants can be bought at this moment; `available` how many there are. What is
    not known of a listing (any more) is null.
    """

    listing_id: UUID
    quantity: int
    name: str | None
    slug: str | None
    status: str | None
    product_type: str | None
    unit_price: MoneyView | None
    line_total: MoneyView | None
    available: int
    in_stock: bool
    added_at: Timestamp

    @classmethod
    def of(cls, line: CartLine) -> "CartLineView":
        """Show a line."""
        return cls(
            listing_id=line.listing_id,
            quantity=line.quantity,
            name=line.name,
            slug=line.slug,
            status=line.status,
            product_type=line.product_type,
            unit_price=None if line.unit_price is None else MoneyView.of(line.unit_price),
            line_total=None if line.line_total is None else MoneyView.of(line.line_total),
            available=line.available,
            in_stock=line.in_stock,
            added_at=timestamp(line.added_at),
        )


class CartContentsView(ResponseBody, frozen=True, kw_only=True):
    """The cart at the prices of the moment. `subtotals` has a sum for each currency, over what is in stock."""

    items: list[CartLineView]
    item_count: int
    subtotals: list[MoneyView]
    updated_at: Timestamp | None

    @classmethod
    def of(cls, cart: CartContents) -> "CartContentsView":
        """Show a cart."""
        return cls(
            items=[CartLineView.of(line) for line in cart.lines],
            item_count=sum(line.quantity for line in cart.lines),
            subtotals=[MoneyView.of(subtotal) for subtotal in cart.subtotals],
            updated_at=None if cart.updated_at is None else timestamp(cart.updated_at),
        )


class CartController(Controller):
    """What a customer may do with their cart."""

    path = "/cart"
    tags = ("Cart",)

    @get("/", summary="Show the cart")
    async def show(
        self, request: Request[Any, Any, Any], caller: NamedDependency[Caller]
    ) -> Response[Envelope[CartContentsView]]:
        """The cart with the prices and the stock of this moment; an order freezes them."""
        account_id = _owner(caller)
        cart = await CartView(services_of(request).reader).of(account_id)
        return Response(
            envelope(CartContentsView.of(cart), meta=Meta(version=cart.version)),
            headers={"ETag": etag(KIND, cart_id(account_id), cart.version)},
        )

    @post(
        "/items",
        summary="Put a listing into the cart",
        responses=errors("LISTING_UNAVAILABLE", CART_FULL=409, CART_QUANTITY_EXCEEDED=409),
    )
    async def add(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[AddCartItemRequest],
        caller: NamedDependency[Caller],
    ) -> Response[Envelope[ChangedCartView]]:
        """Put so many more pieces of a listing that is on sale into the cart."""
        command = AddCartItem(listing_id=data.listing_id, quantity=data.quantity)
        return await submit(request, command, ChangedCartView.of, kind=KIND, entity=cart_id(_owner(caller)))

    @patch(
        "/items/{listing_id:uuid}",
        summary="Change how many of a listing are wanted",
        responses=errors("LISTING_UNAVAILABLE", CART_ITEM_NOT_FOUND=404),
    )
    async def change(
        self,
        request: Request[Any, Any, Any],
        listing_id: FromPath[UUID],
        data: JSONBody[ChangeCartItemRequest],
        caller: NamedDependency[Caller],
    ) -> Response[Envelope[ChangedCartView]]:
        """Have exactly so many pieces of a listing in the cart; to have none, remove it."""
        command = ChangeCartItemQuantity(listing_id=listing_id, quantity=data.quantity)
        return await submit(request, command, ChangedCartView.of, kind=KIND, entity=cart_id(_owner(caller)))

    @delete("/items/{listing_id:uuid}", status_code=200, summary="Take a listing out of the cart")
    async def remove(
        self,
        request: Request[Any, Any, Any],
        listing_id: FromPath[UUID],
        caller: NamedDependency[Caller],
    ) -> Response[Envelope[ChangedCartView]]:
        """Take a listing out, whether or not it is still on sale; one that is not there is out already."""
        command = RemoveCartItem(listing_id=listing_id)
        return await submit(request, command, ChangedCartView.of, kind=KIND, entity=cart_id(_owner(caller)))

    @delete("/", status_code=200, summary="Empty the cart")
    async def clear(
        self, request: Request[Any, Any, Any], caller: NamedDependency[Caller]
    ) -> Response[Envelope[ChangedCartView]]:
        """Take everything out."""
        return await submit(
            request, ClearCart(), ChangedCartView.of, kind=KIND, entity=cart_id(_owner(caller))
        )


def _owner(caller: Caller) -> UUID:
    assert caller.actor_id is not None, "whoever is signed in has an account"
    return caller.actor_id


CONTROLLERS: tuple[type[Controller], ...] = (CartController,)
