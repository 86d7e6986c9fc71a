"""How soon an event is seen by somebody outside, after the command that made it was answered.

Orders are placed over HTTP at even intervals; a subscriber of the JetStream stream waits for each. Peer: messages
published straight to the same NATS and received by a subscription, at the same intervals.
"""

import asyncio
import random
import time
from collections.abc import Callable

import msgspec
import nats
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy

from infrastructure.messaging.cloud_events import read_cloud_event
from infrastructure.messaging.streams import StreamNames
from tests.bench.installation import Installation
from tests.bench.load import evenly, order_request, percentile
from tests.bench.report import Figure, Peer
from tests.bench.wire import Reply, links

RATE = 200.0
TARGET_MS = 100.0
SECONDS = 20.0
WARM_UP_SECONDS = 2.0
PEER_SECONDS = 4.0
CONNECTIONS = 64
ARRIVAL_SECONDS = 10.0


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """Orders at `RATE`, over `url`; their events in the streams with this prefix."""

    url: str
    nats_url: str
    prefix: str
    tokens: list[str]
    listings: list[str]
    seconds: float
    peer_seconds: float


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds from a command's answer to its event, 0 where the event came first; and those of the answers."""

    after_answer: list[float]
    answers: list[float]
    rate: float
    bare: list[float]


async def measure(shop: Installation) -> list[Figure]:
    """At a steady rate that is far from the most that is possible."""
    await shop.until_quiet()
    await shop.load.run(watch_orders, _stream(shop, WARM_UP_SECONDS, 0.0))
    watch = shop.watch()
    seen = await shop.load.run(watch_orders, _stream(shop, SECONDS, PEER_SECONDS))
    spent = watch.spent()
    await shop.until_quiet()
    earlier = sum(each == 0 for each in seen.after_answer) / len(seen.after_answer)
    answers = {name: percentile(seen.answers, part) for name, part in (("p50_ms", 0.5), ("p99_ms", 0.99))}
    note = (
        f"{seen.rate:.0f} commands/s, answered in p50 {answers['p50_ms']:.1f}, p99 {answers['p99_ms']:.1f} ms;"
        f" {earlier:.0%} seen before the answer"
    )
    return [
        Figure(
            f"stream_latency_{name}",
            percentile(seen.after_answer, part),
            "ms",
            Peer("bare NATS publish to subscribe", percentile(seen.bare, part)),
            higher_is_better=False,
            target=TARGET_MS if name == "p99" else None,
            note=note,
            processes=spent.shares_of(len(seen.answers)) if name == "p50" else {},
            details={"events": len(seen.after_answer), "seen_before_answer": earlier, "answers": answers},
        )
        for name, part in (("p50", 0.5), ("p99", 0.99))
    ]


def _stream(shop: Installation, seconds: float, peer_seconds: float) -> Stream:
    return Stream(
        url=shop.url,
        nats_url=shop.daftar.environment["NATS_URL"],
        prefix=shop.daftar.environment["NATS_PREFIX"],
        tokens=shop.tokens,
        listings=shop.listings,
        seconds=seconds,
        peer_seconds=peer_seconds,
    )


# --- in the load generator's process ------------------------------------------------------------------------------


class _Order(msgspec.Struct, rename="camel"):
    order_id: str


class _Placed(msgspec.Struct):
    data: _Order


_placed = msgspec.json.Decoder(_Placed)


def watch_orders(load: Stream) -> Seen:
    """Place orders and wait for their events."""
    return uvloop.run(_watch_orders(load))


async def _watch_orders(load: Stream) -> Seen:
    client = await nats.connect(load.nats_url, connect_timeout=5, allow_reconnect=False)
    try:
        arrived = await _arrivals(client, StreamNames(load.prefix))
        answered: dict[str, float] = {}
        answers: list[float] = []
        choose = random.Random()

        def done(reply: Reply, due: float) -> None:
            now = time.perf_counter()
            assert reply.status == 201, reply.outcome
            answered[_placed.decode(reply.body).data.order_id] = now
            answers.append((now - due) * 1000)

        count = int(RATE * load.seconds)
        requests = (
            order_request(choose.choice(load.tokens), choose.choice(load.listings), choose)
            for _ in range(count)
        )
        async with links(load.url, CONNECTIONS) as opened:
            began = time.perf_counter()
            await evenly(opened, RATE, requests, done)
            seconds = time.perf_counter() - began
        await until(lambda: answered.keys() <= arrived.keys())
        return Seen(
            after_answer=[max(0.0, (arrived[order_id] - when) * 1000) for order_id, when in answered.items()],
            answers=answers,
            rate=count / seconds,
            bare=await _bare(client, load.prefix, load.peer_seconds),
        )
    finally:
        await client.close()


async def _arrivals(client: Client, names: StreamNames) -> dict[str, float]:
    """When the event of each order was seen, from now on."""
    arrived: dict[str, float] = {}

    async def note(message: Msg) -> None:
        now = time.perf_counter()
        arrived[str(read_cloud_event(message.data).subject)] = now

    await client.jetstream().subscribe(
        names.event("orders.OrderPlaced.v1"),
        stream=names.events,
        cb=note,
        ordered_consumer=True,
        config=ConsumerConfig(deliver_policy=DeliverPolicy.NEW),
    )
    return arrived


async def _bare(client: Client, prefix: str, seconds: float) -> list[float]:
    subject = f"{prefix}-bench.bare"
    times: list[float] = []

    async def note(message: Msg) -> None:
        times.append((time.perf_counter() - float(message.data)) * 1000)

    await client.subscribe(subject, cb=note)
    count = int(RATE * seconds)
    began = time.perf_counter()
    for number in range(count):
        if (pause := began + number / RATE - time.perf_counter()) > 0:
            await asyncio.sleep(pause)
        await client.publish(subject, str(time.perf_counter()).encode())
    await until(lambda: len(times) == count)
    return times


async def until(all_are_here: Callable[[], bool]) -> None:
    """Wait for what is still on its way.

    Raises:
        TimeoutError: it does not come.
    """
    async with asyncio.timeout(ARRIVAL_SECONDS):
        while not all_are_here():  # noqa: ASYNC110 - what is measured should not have to tell anybody
            await asyncio.sleep(0.01)
