"""Sellers manage the stock of what they sell; nobody else does."""

import pytest

from application.inventory.commands import AdjustStock, SetLowStockThreshold
from application.shared.caller import Caller
from domain.inventory.events import LowStockThresholdSet, StockAdjusted
from domain.inventory.stock import StockBelowReserved
from domain.shared.errors import AccessDenied, NotAuthenticated, NotFound
from infrastructure.identity import new_id
from tests.application.market import market
from tests.support.commands import admin


async def test_a_seller_counts_their_stock() -> None:
    async with market() as bazaar:
        anvar = await bazaar.seller()
        teapot = await bazaar.listing(anvar, stock=3)
        events = await bazaar.events_of(AdjustStock(listing_id=teapot, new_quantity=5, reason="count"), anvar)
        assert events == [
            StockAdjusted(
                listing_id=teapot, seller_id=anvar.actor_id, delta=2, new_quantity=5, reason="count"
            )
        ]


async def test_an_admin_may_too() -> None:
    async with market() as bazaar:
        teapot = await bazaar.listing(await bazaar.seller(), stock=3)
        done = await bazaar.ask(AdjustStock(listing_id=teapot, delta=-1, reason="broken"), admin(new_id()))
        assert done.result.available == 2


async def test_what_orders_hold_cannot_be_written_off() -> None:
    async with market() as bazaar:
        anvar = await bazaar.seller()
        teapot = await bazaar.listing(anvar, stock=3)
        await bazaar.order(await bazaar.buyer(), (teapot, 2))
        with pytest.raises(StockBelowReserved):
            await bazaar.ask(AdjustStock(listing_id=teapot, new_quantity=1, reason="count"), anvar)


async def test_a_seller_says_from_how_few_on_to_tell_them() -> None:
    async with market() as bazaar:
        anvar = await bazaar.seller()
        teapot = await bazaar.listing(anvar, stock=9)
        events = await bazaar.events_of(SetLowStockThreshold(listing_id=teapot, threshold=4), anvar)
        assert events == [LowStockThresholdSet(listing_id=teapot, threshold=4)]


async def test_another_seller_is_turned_away_from_what_is_on_sale_and_learns_nothing_of_drafts() -> None:
    async with market() as bazaar:
        anvar, other = await bazaar.seller(), await bazaar.seller("Other")
        on_sale = await bazaar.listing(anvar)
        draft = await bazaar.listing(anvar, published=False)
        with pytest.raises(AccessDenied):
            await bazaar.ask(SetLowStockThreshold(listing_id=on_sale, threshold=1), other)
        for hidden in (draft, new_id()):
            with pytest.raises(NotFound) as caught:
                await bazaar.ask(SetLowStockThreshold(listing_id=hidden, threshold=1), other)
            assert str(caught.value) == f"No listing {hidden}."


async def test_nobody_in_particular_manages_nothing() -> None:
    async with market() as bazaar:
        teapot = await bazaar.listing(await bazaar.seller())
        with pytest.raises(NotAuthenticated):
            await bazaar.ask(AdjustStock(listing_id=teapot, delta=1, reason="count"), Caller())
