"""Orders over HTTP, with everything that belongs to them: token, validation, idempotency key, stock, encrypted address, durable commit.

Peers: the same orders put to the command loop in this process, on the same database with the same roles behind it, which
says what HTTP costs; and for the slowest per cent, a question that needs no database.
"""

import asyncio
from pathlib import Path
from uuid import UUID

import msgspec

from tests.bench import orders
from tests.bench.installation import Installation
from tests.bench.load import API, Asking, Measured, Orders, ask, place_orders
from tests.bench.profiling import RATE, profile
from tests.bench.report import Figure, Hot, Peer

CONNECTIONS = 64
WARM_UP_SECONDS = 5.0
SECONDS = 12.0
PEER_SECONDS = 4.0
PROFILE_SECONDS = 6
FOLDED = Path("build/bench-api.folded")
SHOWN = 10

HOT_STOCK = 1_000
HOT_BUYERS = 2_000
HOT_ROUNDS = 3


async def measure(shop: Installation) -> list[Figure]:
    """Orders of many listings, as fast as 64 connections get them."""
    warm_up = await _orders(shop, WARM_UP_SECONDS)
    await shop.until_quiet()
    watch = shop.watch()
    placed = await _orders(shop, SECONDS)
    spent = watch.spent()
    behind = await asyncio.to_thread(shop.behind)
    await shop.until_quiet()
    trivial = await shop.load.run(
        ask,
        Asking(
            url=shop.url,
            tokens=shop.tokens[:CONNECTIONS],
            path=f"{API}/auth/me",
            connections=CONNECTIONS,
            seconds=PEER_SECONDS,
        ),
    )
    trivial.must_all_be("200")
    in_process = await _in_process(shop, int(placed.rate * PEER_SECONDS))
    await shop.until_quiet()
    hot = await _profiled(shop)
    return [
        Figure(
            "order_http",
            placed.rate,
            "orders/s",
            Peer("command loop in process", in_process),
            target=1_000,
            note=f"{CONNECTIONS} connections, 1 worker; p50 {placed.percentile(0.5):.0f} ms;"
            f" first {WARM_UP_SECONDS:.0f} s {warm_up.rate:,.0f}/s",
            processes=spent.shares_of(placed.count),
            profile=hot[:SHOWN],
            details={
                "profiled_with": f"py-spy, {RATE} samples a second"
                if hot
                else "nothing: py-spy is not to be had",
                "orders": placed.count,
                "p50_ms": placed.percentile(0.5),
                "p95_ms": placed.percentile(0.95),
                "p99_ms": placed.percentile(0.99),
                "warm_up": {
                    "seconds": WARM_UP_SECONDS,
                    "orders_per_second": warm_up.rate,
                    "p99_ms": warm_up.percentile(0.99),
                },
                "events_behind_at_end": behind,
                "trivial_requests_per_second": trivial.rate,
            },
        ),
        Figure(
            "order_http_p99",
            placed.percentile(0.99),
            "ms",
            Peer(f"GET /auth/me at {trivial.rate:,.0f}/s", trivial.percentile(0.99)),
            higher_is_better=False,
            target=150,
            note="of the same orders",
        ),
    ]


async def measure_hot(shop: Installation) -> list[Figure]:
    """One listing that more people want than there are pieces of it.

    Raises:
        AssertionError: not exactly as many got one as there were, or somebody was told something else than that it is gone.
    """
    many = await _orders(shop, PEER_SECONDS)
    await shop.until_quiet()
    rounds = [await _rush(shop, number) for number in range(HOT_ROUNDS)]
    answered = sorted(rounds, key=lambda each: each.rate)[len(rounds) // 2]
    return [
        Figure(
            "hot_listing",
            answered.rate,
            "orders/s",
            Peer("orders of many listings", many.rate),
            target=many.rate / 2,
            note=f"median of {HOT_ROUNDS}: {HOT_STOCK:,} placed, {HOT_BUYERS - HOT_STOCK:,} refused, none else;"
            f" p99 {answered.percentile(0.99):.0f} ms",
            details={
                "rounds": [{"per_second": each.rate, "outcomes": each.outcomes} for each in rounds],
                "p99_ms": answered.percentile(0.99),
            },
        )
    ]


async def _rush(shop: Installation, number: int) -> Measured:
    listing_id = await shop.put_up(f"What everybody wants {number}", stock=HOT_STOCK)
    await shop.until_quiet()
    rush = await shop.load.run(
        place_orders,
        Orders(
            url=shop.url,
            tokens=shop.tokens[:HOT_BUYERS],
            listings=[str(listing_id)],
            connections=CONNECTIONS,
            once=True,
        ),
    )
    expected = {"201": HOT_STOCK, "409 INSUFFICIENT_STOCK": HOT_BUYERS - HOT_STOCK}
    assert rush.outcomes == expected, f"{rush.outcomes} instead of {expected}"
    await shop.until_quiet()
    left = await _available(shop, listing_id)
    assert left == 0, f"{left} pieces are left although {HOT_STOCK} were sold"
    return rush


class _Stock(msgspec.Struct):
    available: int


class _Shown(msgspec.Struct):
    data: _Stock


async def _available(shop: Installation, listing_id: UUID) -> int:
    answer = await shop.get(f"{API}/listings/{listing_id}")
    return msgspec.json.decode(answer, type=_Shown).data.available


async def _orders(shop: Installation, seconds: float) -> Measured:
    load = Orders(
        url=shop.url,
        tokens=shop.tokens,
        listings=shop.listings,
        connections=CONNECTIONS,
        seconds=seconds,
    )
    return (await shop.load.run(place_orders, load)).must_all_be("201")


async def _in_process(shop: Installation, count: int) -> float:
    async with shop.commands() as loop:
        await orders.place_orders(loop, shop.market, orders=CONNECTIONS * 10, waiters=CONNECTIONS)
        return await orders.place_orders(loop, shop.market, orders=count, waiters=CONNECTIONS)


async def _profiled(shop: Installation) -> list[Hot]:
    """Apart from the figures, since being looked at costs something."""
    asked = asyncio.create_task(_orders(shop, PROFILE_SECONDS + 2.0))
    await asyncio.sleep(1.0)
    hot = await profile(shop.pid_of("api-1"), PROFILE_SECONDS, FOLDED)
    await asked
    await shop.until_quiet()
    return hot or []
