"""A long log as a marketplace writes it, made quickly: real commands, decided by the real loop, without HTTP between.

Sellers put up listings with the words that catalogues have, change prices and count their stock; customers order one to
four things, most pay, most of what is paid for is sent and arrives, some orders are called off.
"""

import asyncio
import random
from uuid import UUID

from application.inventory.commands import AdjustStock
from application.listings.commands import CreateListing, PublishListing, ReviseListing
from application.orders.commands import (
    CancelOrder,
    DeliverOrder,
    PlaceOrder,
    ShipOrder,
    StartOrderProcessing,
)
from application.payments.commands import RecordPaymentSuccess
from application.shared.caller import ActorKind, Caller
from application.shared.command import Command
from application.shared.loop import CommandLoop
from domain.orders.lines import OrderLineRequest
from domain.orders.order import Order
from domain.orders.tracking import Tracking
from domain.payments.events import MethodDetails
from domain.shared.money import Money
from infrastructure.identity import new_id, utc_now
from tests.bench.orders import ADDRESS, TERMS, Market, make_market, many
from tests.bench.search import COLOURS, MATTERS, THINGS, USES

LISTINGS = 8_000
CUSTOMERS = 4_000
AT_ONCE = 512
CEILING = 10**10

PROVIDER = Caller(actor_kind=ActorKind.WEBHOOK)


async def write_history(loop: CommandLoop, events: int) -> Market:
    """Trade until so many more events are in the log, or a few more."""
    began = loop.statistics.events
    market = await make_market(loop, buyers=CUSTOMERS, listings=0)
    choose = random.Random(7)
    market.listings += await many(LISTINGS, lambda number: _put_up(loop, market, number, choose))

    async def trade(number: int) -> None:
        trader = _Trader(loop, market, random.Random(number))
        while loop.statistics.events - began < events:
            await trader.next()

    await asyncio.gather(*(trade(number) for number in range(AT_ONCE)))
    return market


async def _put_up(loop: CommandLoop, market: Market, number: int, choose: random.Random) -> UUID:
    listing_id = new_id()
    colour, matter, thing, use = (choose.choice(words) for words in (COLOURS, MATTERS, THINGS, USES))
    await loop.submit(
        CreateListing(
            listing_id=listing_id,
            name=f"{colour} {matter} {thing} {number}".title(),
            description=f"A {colour} {thing} of {matter} for {use} and {choose.choice(USES)}.",
            price=Money(choose.randrange(100, 100_000), "usd"),
            price_ceiling=CEILING,
            stock_quantity=1_000_000,
            tags=(thing, use),
        ),
        market.seller,
    )
    await loop.submit(PublishListing(listing_id=listing_id), market.seller)
    return listing_id


class _Trader:
    """One of many who trade at once."""

    def __init__(self, loop: CommandLoop, market: Market, choose: random.Random) -> None:
        self._loop = loop
        self._market = market
        self._choose = choose

    async def next(self) -> None:
        """One order and what becomes of it; now and then a seller's change before."""
        chance = self._choose.random
        if chance() < 0.1:
            await self._ask(self._change(), self._market.seller)
        order = await self._place()
        assert order.payment_id is not None, "an order that costs something has a payment"
        customer = Caller(actor_id=order.customer_id, role="customer")
        if chance() < 0.1:
            await self._ask(CancelOrder(order_id=order.order_id, reason="Changed my mind"), customer)
            return
        if chance() < 0.1:
            return
        await self._ask(
            RecordPaymentSuccess(
                payment_id=order.payment_id,
                provider_transaction_id=f"sbx_{order.payment_id.hex}",
                received=order.total,
                method_details=MethodDetails(type="sandbox"),
                performed_at=utc_now(),
            ),
            PROVIDER,
        )
        if chance() < 0.3:
            return
        await self._ask(StartOrderProcessing(order_id=order.order_id), self._market.seller)
        await self._ask(
            ShipOrder(order_id=order.order_id, tracking=Tracking(number="UZ-0001")), self._market.seller
        )
        await self._ask(DeliverOrder(order_id=order.order_id), self._market.seller)

    async def _place(self) -> Order:
        payment_id = new_id()
        count = self._choose.choice((1, 1, 1, 2, 2, 3, 4))
        wanted = self._choose.sample(self._market.listings, count)
        command = PlaceOrder(
            order_id=new_id(),
            payment_id=payment_id,
            lines=tuple(OrderLineRequest(listing_id=listing_id, quantity=1) for listing_id in wanted),
            payment_method="sandbox",
            provider_reference=f"sbx_{payment_id.hex}",
            shipping_address=ADDRESS,
            terms=TERMS,
        )
        buyer = Caller(actor_id=self._choose.choice(self._market.buyers), role="customer")
        order: Order = (await self._loop.submit(command, buyer)).result
        return order

    def _change(self) -> Command:
        listing_id = self._choose.choice(self._market.listings)
        if self._choose.random() < 0.5:
            return AdjustStock(listing_id=listing_id, delta=5, reason="Delivery")
        price = Money(self._choose.randrange(100, 100_000), "usd")
        return ReviseListing(listing_id=listing_id, price_ceiling=CEILING, price=price)

    async def _ask(self, command: Command, caller: Caller) -> None:
        await self._loop.submit(command, caller)
