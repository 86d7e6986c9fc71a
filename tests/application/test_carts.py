"""Customers put what is on sale into their own carts."""

from uuid import UUID

import pytest

from application.carts.commands import AddCartItem, ChangeCartItemQuantity, ClearCart, RemoveCartItem
from application.listings.commands import DeactivateListing
from application.shared.caller import Caller
from domain.carts.events import CartCleared, CartItemAdded, CartItemQuantityChanged, CartItemRemoved
from domain.orders.order import ListingUnavailable
from domain.shared.errors import NotAuthenticated
from infrastructure.identity import new_id
from tests.application.market import market


def put(listing_id: UUID, quantity: int = 1) -> AddCartItem:
    return AddCartItem(listing_id=listing_id, quantity=quantity)


async def test_a_cart_is_filled_changed_and_emptied() -> None:
    async with market() as bazaar:
        anvar, zebo = await bazaar.seller(), await bazaar.buyer()
        teapot, cup = await bazaar.listing(anvar), await bazaar.listing(anvar)
        mine = {"account_id": zebo.actor_id}
        assert await bazaar.events_of(put(teapot, 2), zebo) == [
            CartItemAdded(**mine, listing_id=teapot, quantity=2)
        ]
        assert await bazaar.events_of(put(teapot, 3), zebo) == [
            CartItemQuantityChanged(**mine, listing_id=teapot, quantity=5)
        ]
        assert await bazaar.events_of(ChangeCartItemQuantity(listing_id=teapot, quantity=1), zebo) == [
            CartItemQuantityChanged(**mine, listing_id=teapot, quantity=1)
        ]
        done = await bazaar.ask(put(cup), zebo)
        assert (done.result.items, done.version) == ({teapot: 1, cup: 1}, 4)
        assert await bazaar.events_of(RemoveCartItem(listing_id=cup), zebo) == [
            CartItemRemoved(**mine, listing_id=cup)
        ]
        assert await bazaar.events_of(ClearCart(), zebo) == [CartCleared(**mine)]


@pytest.mark.parametrize("command", [RemoveCartItem(listing_id=new_id()), ClearCart()])
async def test_emptying_a_cart_that_never_was_is_no_fact(command: RemoveCartItem | ClearCart) -> None:
    async with market() as bazaar:
        zebo = await bazaar.buyer()
        before = len(bazaar.store.log)
        done = await bazaar.ask(command, zebo)
        assert (done.result.items, done.version, len(bazaar.store.log)) == ({}, 0, before)


async def test_only_what_is_on_sale_goes_into_a_cart() -> None:
    async with market() as bazaar:
        anvar, zebo = await bazaar.seller(), await bazaar.buyer()
        draft = await bazaar.listing(anvar, published=False)
        for missing in (draft, new_id()):
            with pytest.raises(ListingUnavailable) as caught:
                await bazaar.ask(put(missing), zebo)
            assert caught.value.details == {"listingId": str(missing)}


async def test_sellers_do_not_buy_from_themselves() -> None:
    async with market() as bazaar:
        anvar = await bazaar.seller()
        with pytest.raises(ListingUnavailable):
            await bazaar.ask(put(await bazaar.listing(anvar)), anvar)


async def test_what_is_off_the_shelf_can_be_taken_out_but_not_added_to() -> None:
    async with market() as bazaar:
        anvar, zebo = await bazaar.seller(), await bazaar.buyer()
        teapot = await bazaar.listing(anvar)
        await bazaar.ask(put(teapot), zebo)
        await bazaar.ask(DeactivateListing(listing_id=teapot), anvar)
        with pytest.raises(ListingUnavailable):
            await bazaar.ask(ChangeCartItemQuantity(listing_id=teapot, quantity=2), zebo)
        done = await bazaar.ask(RemoveCartItem(listing_id=teapot), zebo)
        assert done.result.items == {}


async def test_each_customer_has_a_cart_of_their_own() -> None:
    async with market() as bazaar:
        anvar, zebo, aziz = await bazaar.seller(), await bazaar.buyer(), await bazaar.buyer("Aziz")
        await bazaar.ask(put(await bazaar.listing(anvar)), zebo)
        assert (await bazaar.ask(ClearCart(), aziz)).position == 0


async def test_nobody_in_particular_has_no_cart() -> None:
    async with market() as bazaar:
        with pytest.raises(NotAuthenticated):
            await bazaar.ask(ClearCart(), Caller())
