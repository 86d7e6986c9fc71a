"""How many orders a second the command loop places, without HTTP; peer: the same loop, one command in each commit."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

from application.accounts.commands import ApproveSeller, BootstrapSuperAdmin, NewSession, RegisterAccount
from application.listings.commands import CreateListing, PublishListing
from application.orders.commands import PlaceOrder
from application.shared.caller import SYSTEM, Caller
from application.shared.command import IdempotencyKey
from application.shared.loop import CommandLoop
from domain.accounts.roles import AccountKind
from domain.orders.amounts import OrderTerms
from domain.orders.lines import OrderLineRequest
from domain.shared.money import Money
from domain.shared.personal import Address
from infrastructure.bootstrap import HANDLERS, KINDS, Machinery
from infrastructure.event_store.postgres import PostgresEventStore
from infrastructure.identity import new_id, utc_now
from tests.bench.report import Figure, Peer

T = TypeVar("T")

ORDERS = 12_000
WAITERS = 64
AT_ONCE = 256
ADDRESS = Address(
    first_name="Ada",
    last_name="Lovelace",
    address1="1 Chorsu",
    city="Tashkent",
    postal_code="100000",
    country="UZ",
)
TERMS = OrderTerms(tax_rate=800, shipping_fees={"usd": 0}, commission_rate=1000)


class Market:
    """One seller, many listings, some buyers; `sessions` are those that their registration has opened."""

    def __init__(self, sessions: dict[UUID, UUID], listings: list[UUID], seller: Caller) -> None:
        self.sessions = sessions
        self.buyers = list(sessions)
        self.listings = listings
        self.seller = seller


async def put_up(loop: CommandLoop, seller: Caller, *, name: str, stock: int = 1_000_000) -> UUID:
    """One listing on sale."""
    listing_id = new_id()
    await loop.submit(
        CreateListing(
            listing_id=listing_id,
            name=name,
            price=Money(1250, "usd"),
            price_ceiling=10**10,
            stock_quantity=stock,
        ),
        seller,
    )
    await loop.submit(PublishListing(listing_id=listing_id), seller)
    return listing_id


async def make_market(loop: CommandLoop, *, buyers: int = 100, listings: int = 500) -> Market:
    """Through commands, as everything."""

    async def register(kind: AccountKind) -> tuple[UUID, UUID]:
        account_id = new_id()
        session = NewSession(
            session_id=new_id(), refresh_jti_hash="-", expires_at=utc_now() + timedelta(days=7)
        )
        await loop.submit(
            RegisterAccount(
                account_id=account_id,
                kind=kind,
                email=f"{account_id.hex}@bench.example",
                name="Ada Lovelace",
                password_hash=b"-",
                session=session,
            ),
            Caller(),
        )
        return account_id, session.session_id

    seller_id, _ = await register(AccountKind.SELLER)
    admin_id = new_id()
    await loop.submit(
        BootstrapSuperAdmin(
            account_id=admin_id, email=f"{admin_id.hex}@bench.example", name="Root", password_hash=b"-"
        ),
        SYSTEM,
    )
    await loop.submit(ApproveSeller(account_id=seller_id), Caller(actor_id=admin_id, role="super_admin"))
    seller = Caller(actor_id=seller_id, role="seller")

    return Market(
        dict(await many(buyers, lambda _: register(AccountKind.CUSTOMER))),
        await many(listings, lambda number: put_up(loop, seller, name=f"Thing number {number}")),
        seller,
    )


async def many(count: int, make: Callable[[int], Awaitable[T]]) -> list[T]:
    """So many, as many at once as the loop takes in a batch."""
    made: list[T] = []
    for first in range(0, count, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, count))
        made += await asyncio.gather(*(make(number) for number in numbers))
    return made


async def place_orders(loop: CommandLoop, market: Market, *, orders: int, waiters: int) -> float:
    """Place orders of one line each; returns how many a second."""

    async def waiter(number: int) -> None:
        choose = random.Random(number)
        for _ in range(orders // waiters):
            buyer = choose.choice(market.buyers)
            payment_id = new_id()
            command = PlaceOrder(
                order_id=new_id(),
                payment_id=payment_id,
                lines=(OrderLineRequest(listing_id=choose.choice(market.listings), quantity=1),),
                payment_method="sandbox",
                provider_reference=f"sbx_{payment_id.hex}",
                shipping_address=ADDRESS,
                terms=TERMS,
            )
            caller = Caller(actor_id=buyer, role="customer", ip="203.0.113.7", user_agent="bench/1.0")
            await loop.submit(command, caller, key=IdempotencyKey(buyer, payment_id.hex, b"#" * 32))

    began = time.perf_counter()
    await asyncio.gather(*(waiter(number) for number in range(waiters)))
    return orders / (time.perf_counter() - began)


async def measure(tools: Machinery) -> list[Figure]:
    """Batches beside single commits."""
    async with tools.open_pool(name="bench") as pool:
        async with tools.open_commands(pool) as (loop, _):
            market = await make_market(loop)
            await place_orders(loop, market, orders=640, waiters=WAITERS)
            ours = await place_orders(loop, market, orders=ORDERS, waiters=WAITERS)
        store = PostgresEventStore(pool, tools.codec, tools.wrapper)
        async with CommandLoop(
            store, handlers=HANDLERS, kinds=KINDS, clock=utc_now, new_id=new_id, batch_size=1
        ) as single:
            alone = await place_orders(single, market, orders=1_920, waiters=WAITERS)
        await store.aclose()
    return [Figure("order_loop", ours, "orders/s", Peer("one command a commit", alone))]
