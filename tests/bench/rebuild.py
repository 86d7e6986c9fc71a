"""How fast read models are made again from a long log, in one process; with the shop idle, and while it is trading.

Peer: the `eventsourcing` library's projection runner over a part of the same log. All other read models, and the copy in
NATS, are set to the end of the log before the shop opens: filling those too would take minutes and measure nothing here.
"""

import asyncio
import gc
import time
from collections.abc import Mapping

import msgspec
import nats

from application.shared.loop import CommandLoop
from infrastructure.bootstrap import PROJECTIONS, Machinery
from infrastructure.memory import GARBAGE_THRESHOLDS
from infrastructure.messaging.publisher import PUBLISHER, nats_url_of
from infrastructure.messaging.streams import StreamNames, ensure_streams
from infrastructure.settings import Settings
from projections.shared.rebuild import rebuild
from tests.bench import library
from tests.bench.history import write_history
from tests.bench.installation import Installation
from tests.bench.load import Measured, Orders, generator, merged, place_orders
from tests.bench.orders import Market
from tests.bench.report import Figure, Peer

EVENTS = 1_000_000
MEASURED = ("catalogue_search", "customer_orders")
LIBRARY_SECONDS = 5.0
EVENTS_A_SECOND = 60_000.0
ORDERS_A_SECOND = 200.0
CONNECTIONS = 32
UNDISTURBED_SECONDS = 5.0
SLICE_SECONDS = 3.0


class Rebuilt(msgspec.Struct, frozen=True, kw_only=True):
    """So many events in so many seconds, of which the process itself was at work for `cpu_seconds`."""

    events: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def note(self) -> str:
        """What tells more on a busy machine."""
        return f"{self.events:,} events; {self.events / self.cpu_seconds:,.0f} a second of its own CPU time"


async def fill(loop: CommandLoop) -> Market:
    """A long log."""
    gc.collect()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    return await write_history(loop, EVENTS)


async def set_to_the_end(tools: Machinery) -> None:
    """Pretend that read models and stream hold everything so far: the stream's messages have all expired."""
    with tools.connect(name="bench") as connection:
        connection.execute(
            "UPDATE projection_tracking SET position = (SELECT position FROM log_head) WHERE live"
        )
        connection.execute(
            "INSERT INTO publisher_positions (publisher, position) SELECT %s, position FROM log_head",
            (PUBLISHER,),
        )
    names = StreamNames(tools.settings.nats_prefix)
    client = await nats.connect(nats_url_of(tools.settings), connect_timeout=5)
    try:
        jetstream = client.jetstream()
        await ensure_streams(jetstream, names)
        await jetstream.publish(names.event("bench.LongAgo.v1"), b"")
        await jetstream.purge_stream(names.events)
    finally:
        await client.close()


async def measure(shop: Installation) -> list[Figure]:
    """Each read model with the shop idle, then again while it sells."""
    settings = shop.daftar.environment
    middle = await asyncio.to_thread(_head, shop.tools) // 2
    async with generator() as stranger:
        walked = await stranger.run(library.events_a_second, settings, middle, LIBRARY_SECONDS)
    peer = Peer("library's projection runner", walked)
    async with generator() as builder:
        await shop.until_quiet()
        idle = {name: await builder.run(rebuild_one, settings, name) for name in MEASURED}
        await shop.until_quiet()
        undisturbed = await _orders(shop, UNDISTURBED_SECONDS)
        finished = asyncio.Event()
        selling = asyncio.create_task(_sell_until(shop, finished))
        watch = shop.watch(rebuild=builder.pid)
        try:
            await asyncio.sleep(1.0)
            busy = {name: await builder.run(rebuild_one, settings, name) for name in MEASURED}
        finally:
            finished.set()
            meanwhile = merged(await selling)
        spent = watch.spent()
    return [
        *(
            Figure(
                f"rebuild_{name}",
                done.rate,
                "events/s",
                peer,
                target=EVENTS_A_SECOND,
                note=f"{done.note}; shop idle",
                details=msgspec.to_builtins(done),
            )
            for name, done in idle.items()
        ),
        *(
            Figure(
                f"rebuild_{name}_while_selling",
                done.rate,
                "events/s",
                Peer("with the shop idle", idle[name].rate),
                target=EVENTS_A_SECOND / 2,
                note=f"{done.note}; {meanwhile.rate:.0f} orders/s over HTTP meanwhile",
                details=msgspec.to_builtins(done),
            )
            for name, done in busy.items()
        ),
        Figure(
            "orders_while_rebuilding_p99",
            meanwhile.percentile(0.99),
            "ms",
            Peer(f"without a rebuild, {undisturbed.rate:.0f}/s", undisturbed.percentile(0.99)),
            higher_is_better=False,
            details={"orders_per_second": meanwhile.rate, "p50_ms": meanwhile.percentile(0.5)},
            note=f"{meanwhile.rate:.0f} of {ORDERS_A_SECOND:.0f} orders/s achieved,"
            f" p50 {meanwhile.percentile(0.5):.1f} ms",
            processes=spent.shares_of(meanwhile.count),
        ),
    ]


async def _sell_until(shop: Installation, finished: asyncio.Event) -> list[Measured]:
    """Sell at a steady rate; `finished` is looked at every few seconds."""
    slices = []
    while not finished.is_set():
        slices.append(await _orders(shop, SLICE_SECONDS))
    return slices


async def _orders(shop: Installation, seconds: float) -> Measured:
    load = Orders(
        url=shop.url,
        tokens=shop.tokens,
        listings=shop.listings,
        connections=CONNECTIONS,
        seconds=seconds,
        rate=ORDERS_A_SECOND,
    )
    return (await shop.load.run(place_orders, load)).must_all_be("201")


def _head(tools: Machinery) -> int:
    history = tools.open_log(name="bench")
    try:
        return history.head()
    finally:
        history.close()


# --- in a process of its own --------------------------------------------------------------------------------------


def rebuild_one(settings: Mapping[str, str], name: str) -> Rebuilt:
    """As `daftar rebuild` does it."""
    tools = Machinery(Settings.from_environment(settings))
    projection = next(each for each in PROJECTIONS if each.name == name)
    history = tools.open_log(name="bench-rebuild")
    began = time.process_time()
    try:
        with tools.connect(name="bench-rebuild") as connection:
            done = rebuild(connection, projection, history)
    finally:
        history.close()
    return Rebuilt(events=done.position, seconds=done.seconds, cpu_seconds=time.process_time() - began)
