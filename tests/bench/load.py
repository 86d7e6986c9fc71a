"""The load generator: a process of its own, told by plain data what to ask, that answers with plain figures."""

import asyncio
import multiprocessing
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import uuid4

import msgspec
import uvloop

from tests.bench.wire import Link, Reply, get, links, post

T = TypeVar("T")

API = "/api/v1"
ADDRESS = {
    "firstName": "Zebo",
    "lastName": "Karimova",
    "address1": "Amir Temur 1",
    "city": "Tashkent",
    "postalCode": "100000",
    "country": "UZ",
}
SHIPPING = msgspec.json.encode(ADDRESS).decode()
GRACE_SECONDS = 60.0


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What came of some load: how long each took in milliseconds, and what was answered how often.

    `seconds` goes from the first request to the last answer.
    """

    seconds: float
    times: list[float]
    outcomes: dict[str, int]

    @property
    def count(self) -> int:
        """How many there were."""
        return len(self.times)

    @property
    def rate(self) -> float:
        """How many a second."""
        return self.count / self.seconds

    def percentile(self, part: float) -> float:
        """Milliseconds within which such a part of all was done."""
        return percentile(self.times, part)

    def must_all_be(self, outcome: str) -> "Measured":
        """Itself.

        Raises:
            AssertionError: something else was answered, too.
        """
        assert set(self.outcomes) == {outcome}, f"not only {outcome}: {self.outcomes}"
        return self


def merged(parts: list[Measured]) -> Measured:
    """Several loads, one after the other, as one; pauses between them do not count."""
    return Measured(
        seconds=sum(part.seconds for part in parts),
        times=[each for part in parts for each in part.times],
        outcomes=dict(sum((Counter(part.outcomes) for part in parts), Counter())),
    )


def percentile(values: list[float], part: float) -> float:
    """The smallest of the values that such a part of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """Orders of one piece each: of any of the listings, by any of the buyers, under a new key each.

    `seconds` bounds the time, `once` makes each buyer ask exactly once. With `rate` they come at even intervals, so many
    a second, whether or not earlier ones are answered, and times count from the moment that one was due; without it
    every connection asks again as soon as it is answered.
    """

    url: str
    tokens: list[str]
    listings: list[str]
    connections: int = 64
    seconds: float = 0.0
    once: bool = False
    rate: float | None = None
    seed: int = 1


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """The same question by every connection, again and again."""

    url: str
    tokens: list[str]
    path: str
    connections: int = 64
    seconds: float = 5.0


class Generator:
    """A process that makes load when it is told to."""

    def __init__(self, pool: ProcessPoolExecutor, pid: int) -> None:
        """`pool` has one process."""
        self._pool = pool
        self.pid = pid

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """Have a function of this package run there."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *arguments)


@asynccontextmanager
async def generator() -> AsyncIterator[Generator]:
    """A process for load, until the end of the block."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pid = await asyncio.get_running_loop().run_in_executor(pool, os.getpid)
        yield Generator(pool, pid)


# --- in the load generator's process ------------------------------------------------------------------------------


def order_request(token: str, listing_id: str, choose: random.Random) -> bytes:
    """Buy one piece, under a new idempotency key."""
    body = (
        f'{{"items":[{{"listingId":"{listing_id}","quantity":1}}],'
        f'"paymentMethod":"sandbox","shippingAddress":{SHIPPING}}}'
    )
    key = f"{choose.getrandbits(128):032x}"
    return post(f"{API}/orders", token, body.encode(), f"Idempotency-Key: {key}")


def place_orders(load: Orders) -> Measured:
    """Place orders."""
    choose = random.Random(f"{load.seed} {uuid4()}")

    def request(token: str) -> bytes:
        return order_request(token, choose.choice(load.listings), choose)

    if load.once:
        return uvloop.run(_each_once(load.url, load.connections, [request(token) for token in load.tokens]))
    if load.rate is not None:
        asked = int(load.seconds * load.rate)
        requests = (request(choose.choice(load.tokens)) for _ in range(asked))
        return uvloop.run(_evenly(load.url, load.connections, load.rate, requests))
    return uvloop.run(
        _without_pause(
            load.url, load.connections, load.seconds, lambda _: request(choose.choice(load.tokens))
        )
    )


def ask(load: Asking) -> Measured:
    """Ask the same again and again."""
    requests = [get(load.path, token) for token in load.tokens]
    return uvloop.run(
        _without_pause(
            load.url, load.connections, load.seconds, lambda number: requests[number % len(requests)]
        )
    )


class Tally:
    """What came of it so far."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.outcomes: Counter[str] = Counter()
        self.began = time.perf_counter()
        self.ended = self.began

    def note(self, outcome: str, since: float) -> None:
        """One is done that was begun then."""
        self.ended = time.perf_counter()
        self.times.append((self.ended - since) * 1000)
        self.outcomes[outcome] += 1

    def measured(self) -> Measured:
        """All of it."""
        return Measured(seconds=self.ended - self.began, times=self.times, outcomes=dict(self.outcomes))


async def _without_pause(
    url: str, connections: int, seconds: float, request: Callable[[int], bytes]
) -> Measured:
    async with links(url, connections) as opened:
        tally = Tally()
        until = tally.began + seconds

        async def work(number: int, link: Link) -> None:
            while (since := time.perf_counter()) < until:
                tally.note((await link.ask(request(number))).outcome, since)

        await _all([work(number, link) for number, link in enumerate(opened)], seconds)
        return tally.measured()


async def _each_once(url: str, connections: int, requests: list[bytes]) -> Measured:
    async with links(url, connections) as opened:
        waiting = iter(requests)
        tally = Tally()

        async def work(link: Link) -> None:
            for request in waiting:
                since = time.perf_counter()
                tally.note((await link.ask(request)).outcome, since)

        await _all([work(link) for link in opened], 0)
        return tally.measured()


async def _evenly(url: str, connections: int, rate: float, requests: Any) -> Measured:
    async with links(url, connections) as opened:
        tally = Tally()

        def done(reply: Reply, due: float) -> None:
            tally.note(reply.outcome, due)

        await evenly(opened, rate, requests, done)
        return tally.measured()


async def evenly(
    opened: list[Link], rate: float, requests: Any, done: Callable[[Reply, float], None]
) -> None:
    """Send requests at even intervals, each over a connection that is free; `done` is told when each was due."""
    free: asyncio.Queue[Link] = asyncio.Queue()
    for link in opened:
        free.put_nowait(link)
    began = time.perf_counter()

    async def one(request: bytes, due: float) -> None:
        link = await free.get()
        done(await link.ask(request), due)
        free.put_nowait(link)

    async with asyncio.TaskGroup() as group:
        for number, request in enumerate(requests):
            due = began + number / rate
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            group.create_task(one(request, due))


async def _all(work: list[Coroutine[Any, Any, None]], seconds: float) -> None:
    async with asyncio.timeout(seconds + GRACE_SECONDS), asyncio.TaskGroup() as group:
        for each in work:
            group.create_task(each)
