"""My cart, at the prices of the moment."""

from datetime import timedelta
from uuid import UUID

import pytest

from domain.carts.events import (
    CartCheckedOut,
    CartCleared,
    CartItemAdded,
    CartItemQuantityChanged,
    CartItemRemoved,
)
from domain.inventory.events import StockAdjusted
from domain.listings.events import ListingCreated, ListingDeactivated, ListingPublished
from domain.listings.fields import ProductType
from domain.shared.money import Money
from projections.carts.cart_view import CartContents, CartView, CartViewProjection
from projections.listings.listing_detail import ListingDetailProjection
from tests.projections.orders.makers import ADA, BEN, NOON, SELLER, Log, an_id, showing

pytestmark = pytest.mark.services

MINUTE = timedelta(minutes=1)


def shelf() -> Log:
    """A lamp, a rug and tea for sale, and a vase that is not any more."""
    log = Log()
    for name, price, available in (
        ("lamp", Money(250, "usd"), 4),
        ("rug", Money(900, "usd"), 9),
        ("tea", Money(70_000, "uzs"), 9),
        ("vase", Money(100, "usd"), 9),
    ):
        log.tell(
            name,
            ListingCreated(
                seller_id=SELLER, name=name.title(), slug=name, price=price, product_type=ProductType.PHYSICAL
            ),
            ListingPublished(),
        )
        log.tell(
            f"stock of {name}",
            StockAdjusted(
                listing_id=an_id(name),
                seller_id=SELLER,
                delta=available,
                new_quantity=available,
                reason="opening",
            ),
        )
    return log.tell("vase", ListingDeactivated())


def added(listing: str, quantity: int = 1, *, account_id: UUID = ADA) -> CartItemAdded:
    """Something is put into the cart."""
    return CartItemAdded(account_id=account_id, listing_id=an_id(listing), quantity=quantity)


async def shown(database_url: str, log: Log) -> CartContents:
    """Ada's cart."""
    async with (
        showing(database_url, shelf(), ListingDetailProjection()),
        showing(database_url, log, CartViewProjection()) as reader,
    ):
        return await CartView(reader).of(ADA)


async def test_each_line_shows_price_quantity_sum_and_whether_it_can_be_bought(database_url: str) -> None:
    cart = await shown(database_url, Log().tell("cart", added("rug", 2), added("lamp", 4)))
    assert [
        (line.name, line.slug, line.unit_price, line.quantity, line.line_total, line.in_stock)
        for line in cart.lines
    ] == [
        ("Rug", "rug", Money(900, "usd"), 2, Money(1_800, "usd"), True),
        ("Lamp", "lamp", Money(250, "usd"), 4, Money(1_000, "usd"), True),
    ]
    assert cart.subtotals == [Money(2_800, "usd")]
    assert cart.version == 2


async def test_what_cannot_be_bought_is_shown_and_not_summed(database_url: str) -> None:
    log = Log().tell("cart", added("lamp", 5), added("vase"), added("unheard of"), added("rug"))
    cart = await shown(database_url, log)
    assert [(line.name, line.status, line.available, line.in_stock) for line in cart.lines] == [
        ("Lamp", "active", 4, False),
        ("Vase", "inactive", 9, False),
        (None, None, 0, False),
        ("Rug", "active", 9, True),
    ]
    assert cart.lines[2].unit_price is None
    assert cart.lines[2].line_total is None
    assert cart.subtotals == [Money(900, "usd")]


async def test_each_currency_has_a_subtotal_of_its_own(database_url: str) -> None:
    cart = await shown(database_url, Log().tell("cart", added("tea", 2), added("lamp")))
    assert cart.subtotals == [Money(250, "usd"), Money(140_000, "uzs")]


async def test_a_changed_quantity_keeps_its_place(database_url: str) -> None:
    log = Log().tell("cart", added("lamp"), added("rug"))
    changed = CartItemQuantityChanged(account_id=ADA, listing_id=an_id("lamp"), quantity=3)
    cart = await shown(database_url, log.tell("cart", changed, at=NOON + MINUTE))
    assert [(line.name, line.quantity, line.added_at) for line in cart.lines] == [
        ("Lamp", 3, NOON),
        ("Rug", 1, NOON),
    ]
    assert cart.updated_at == NOON + MINUTE


async def test_what_was_taken_out_is_gone(database_url: str) -> None:
    log = Log().tell("cart", added("lamp"), added("rug"))
    log.tell("cart", CartItemRemoved(account_id=ADA, listing_id=an_id("lamp")))
    assert [line.name for line in (await shown(database_url, log)).lines] == ["Rug"]


@pytest.mark.parametrize(
    "emptied", [CartCleared(account_id=ADA), CartCheckedOut(account_id=ADA, order_id=an_id("order"))]
)
async def test_an_emptied_cart_is_empty_and_can_be_filled_again(
    database_url: str, emptied: CartCleared | CartCheckedOut
) -> None:
    log = Log().tell("cart", added("lamp"), added("rug"), emptied)
    cart = await shown(database_url, log)
    assert (cart.lines, cart.subtotals, cart.version) == ([], [], 3)
    again = await shown_again(database_url, log.tell("cart", added("tea")), after=3)
    assert [line.name for line in again.lines] == ["Tea"]


async def shown_again(database_url: str, log: Log, *, after: int) -> CartContents:
    """Ada's cart, when of these facts all but the first ones are new."""
    log.events = log.events[after:]
    async with showing(database_url, log, CartViewProjection()) as reader:
        return await CartView(reader).of(ADA)


async def test_carts_are_kept_apart_and_an_unused_one_is_empty(database_url: str) -> None:
    cart = await shown(database_url, Log().tell("bens cart", added("lamp", account_id=BEN)))
    assert (cart.lines, cart.version, cart.updated_at) == ([], 0, None)
