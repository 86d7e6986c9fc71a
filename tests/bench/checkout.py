"""Whole purchases over HTTP: fill the cart, order it, pay, and see the order confirmed.

Peer: as many purchases as the same connections would make if each of its requests were a question that needs no database.
"""

import asyncio
import random
import time
from collections import Counter

import msgspec
import uvloop

from tests.bench.installation import Installation
from tests.bench.load import API, SHIPPING, Asking, Tally, ask, percentile
from tests.bench.report import Figure, Peer
from tests.bench.wire import Link, Reply, get, links, post

AT_ONCE = (1, 8, 32)
SECONDS = 30.0
WARM_UP_SECONDS = 4.0
PEER_SECONDS = 2.0
TARGET = 400.0
"""Purchases a second that the product aims at, with 32 buyers."""

GRACE_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 0.01


class Purchases(msgspec.Struct, frozen=True, kw_only=True):
    """Each buyer buys one piece of some listing after the other, over a connection of their own."""

    url: str
    tokens: list[str]
    listings: list[str]
    seconds: float


class Bought(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds of each whole purchase and of each step, and how many requests all of them took."""

    seconds: float
    times: list[float]
    steps: dict[str, list[float]]
    requests: int
    errors: dict[str, int]

    @property
    def rate(self) -> float:
        """Purchases a second."""
        return len(self.times) / self.seconds


async def measure(shop: Installation) -> list[Figure]:
    """One buyer, some, and many.

    Raises:
        AssertionError: something went wrong for a buyer.
    """
    await _bought(shop, AT_ONCE[-1], WARM_UP_SECONDS)
    return [await _measure(shop, buyers) for buyers in AT_ONCE]


async def _measure(shop: Installation, buyers: int) -> Figure:
    await shop.until_quiet()
    watch = shop.watch()
    bought = await _bought(shop, buyers, SECONDS)
    spent = watch.spent()
    behind = await asyncio.to_thread(shop.behind)
    await shop.until_quiet()
    trivial = await shop.load.run(
        ask,
        Asking(
            url=shop.url,
            tokens=shop.tokens[:buyers],
            path=f"{API}/auth/me",
            connections=buyers,
            seconds=PEER_SECONDS,
        ),
    )
    p50, p95, p99 = (percentile(bought.times, part) for part in (0.5, 0.95, 0.99))
    each = bought.requests / len(bought.times)
    return Figure(
        f"checkout_{buyers}",
        bought.rate,
        "purchases/s",
        Peer(f"{each:.0f} x GET /auth/me", trivial.rate / each),
        target=TARGET if buyers == AT_ONCE[-1] else None,
        note=f"p50 {p50:.0f}, p95 {p95:.0f}, p99 {p99:.0f} ms; {each:.2f} requests each, 0 errors",
        processes=spent.shares_of(len(bought.times)),
        details={
            "p50_ms": p50,
            "p95_ms": p95,
            "p99_ms": p99,
            "requests_each": each,
            "errors": 0,
            "steps_p50_ms": {step: percentile(times, 0.5) for step, times in bought.steps.items()},
            "steps_p99_ms": {step: percentile(times, 0.99) for step, times in bought.steps.items()},
            "events_behind_at_end": behind,
        },
    )


async def _bought(shop: Installation, buyers: int, seconds: float) -> Bought:
    load = Purchases(url=shop.url, tokens=shop.tokens[:buyers], listings=shop.listings, seconds=seconds)
    bought = await shop.load.run(buy, load)
    assert not bought.errors, f"errors with {buyers} buyers: {bought.errors}"
    return bought


# --- in the load generator's process ------------------------------------------------------------------------------


class _Placed(msgspec.Struct, rename="camel"):
    order_id: str
    payment_id: str


class _Order(msgspec.Struct):
    status: str


class _PlacedEnvelope(msgspec.Struct):
    data: _Placed


class _OrderEnvelope(msgspec.Struct):
    data: _Order


_placed = msgspec.json.Decoder(_PlacedEnvelope)
_order = msgspec.json.Decoder(_OrderEnvelope)
_WHOLE_CART = f'{{"paymentMethod":"sandbox","shippingAddress":{SHIPPING}}}'.encode()
_SUCCEED = b'{"outcome":"succeeded"}'


class Unexpected(Exception):
    """An answer that no buyer should get."""


class _Buyer:
    """Somebody who is signed in and buys."""

    def __init__(self, link: Link, token: str, listings: list[str], choose: random.Random) -> None:
        self._link = link
        self._token = token
        self._listings = listings
        self._choose = choose
        self.requests = 0
        self.steps: dict[str, list[float]] = {"cart": [], "order": [], "pay": [], "look": []}

    async def purchase(self) -> None:
        """From the empty cart to the confirmed order.

        Raises:
            Unexpected: a request was refused.
        """
        listing_id = self._choose.choice(self._listings)
        body = f'{{"listingId":"{listing_id}","quantity":1}}'.encode()
        await self._ask("cart", post(f"{API}/cart/items", self._token, body), 201)
        placed = await self._ask(
            "order", post(f"{API}/orders", self._token, _WHOLE_CART, f"Idempotency-Key: {self._key()}"), 201
        )
        order = _placed.decode(placed.body).data
        path = f"{API}/payments/{order.payment_id}/sandbox"
        paid = await self._ask(
            "pay", post(path, self._token, _SUCCEED, f"Idempotency-Key: {self._key()}"), 200
        )
        question = get(
            f"{API}/orders/{order.order_id}",
            self._token,
            f"X-Min-Position: {paid.position}",
            "Prefer: wait=10",
        )
        while True:
            shown = await self._ask("look", question, 200)
            if _order.decode(shown.body).data.status == "confirmed":
                return
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def _ask(self, step: str, request: bytes, expected: int) -> Reply:
        self.requests += 1
        began = time.perf_counter()
        reply = await self._link.ask(request)
        self.steps[step].append((time.perf_counter() - began) * 1000)
        if reply.status != expected:
            raise Unexpected(f"{step}: {reply.outcome}")
        return reply

    def _key(self) -> str:
        return f"{self._choose.getrandbits(128):032x}"


def buy(load: Purchases) -> Bought:
    """Buy until the time is up; a purchase that has begun is finished."""
    return uvloop.run(_buy(load))


async def _buy(load: Purchases) -> Bought:
    errors: Counter[str] = Counter()
    async with links(load.url, len(load.tokens)) as opened:
        buyers = [
            _Buyer(link, token, load.listings, random.Random())
            for link, token in zip(opened, load.tokens, strict=True)
        ]
        tally = Tally()

        async def shopping(buyer: _Buyer) -> None:
            while (since := time.perf_counter()) < tally.began + load.seconds:
                try:
                    await buyer.purchase()
                except (Unexpected, ConnectionError) as error:
                    errors[str(error)] += 1
                else:
                    tally.note("bought", since)

        async with asyncio.timeout(load.seconds + GRACE_SECONDS), asyncio.TaskGroup() as group:
            for buyer in buyers:
                group.create_task(shopping(buyer))
    return Bought(
        seconds=tally.ended - tally.began,
        times=tally.times,
        steps={step: [each for buyer in buyers for each in buyer.steps[step]] for step in buyers[0].steps},
        requests=sum(buyer.requests for buyer in buyers),
        errors=dict(errors),
    )
