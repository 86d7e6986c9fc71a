"""One connection to NATS, and the patience to make it again.

The client's own reconnecting is off: it would send what it had buffered after other publishers went on, out of order.
A connection that breaks is over; who used it starts again from what is known to be true.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeVar

import structlog
from nats.aio.client import Client
from nats.js import JetStreamContext

from application.shared.command import Unavailable
from application.shared.ending import end
from infrastructure.logging import mask_text
from infrastructure.messaging.streams import NATS_ERRORS

log = structlog.get_logger(__name__)

CONNECT_SECONDS: Final = 5.0
REQUEST_SECONDS: Final = 5.0
CLOSE_SECONDS: Final = 2.0
PING_SECONDS: Final = 2
PINGS_UNANSWERED: Final = 2
"""A server that answers none of so many pings in a row hangs, or is gone: the connection is over."""

WATCH_SECONDS: Final = 0.5
"""How often we look whether the client still has its connection."""

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0
STEADY_SECONDS: Final = 10.0
"""Work that breaks off sooner goes on from the pauses that it had reached: flapping is not busy."""

T = TypeVar("T")


class NatsAway(Exception):
    """The connection broke, or could not be made."""


class Connected:
    """An open connection; `lost` is set once it is over."""

    def __init__(self, client: Client, lost: asyncio.Event) -> None:
        """Made by `connected`."""
        self.client = client
        self.lost = lost
        self.jetstream: JetStreamContext = client.jetstream(timeout=REQUEST_SECONDS)

    async def unless_lost(self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work, but give it up when the connection breaks.

        Raises:
            NatsAway: it broke.
        """
        result = await first_of(work, self.lost)
        if result is None:
            raise NatsAway("The connection to NATS broke.")
        return result[0]


async def first_of(work: Coroutine[Any, Any, T], *ends: asyncio.Event) -> tuple[T] | None:
    """The result of some work in a tuple, or `None` when one of the events came first and it was cancelled.

    Work that the client itself cancelled, because its connection broke, counts as cancelled by that event.
    """
    task = asyncio.ensure_future(work)
    waits = [asyncio.ensure_future(each.wait()) for each in ends]
    try:
        await asyncio.wait({task, *waits}, return_when=asyncio.FIRST_COMPLETED)
        if task.done() and not task.cancelled():
            return (task.result(),)
        return None
    finally:
        await end(task, *waits)


@asynccontextmanager
async def connected(nats_url: str, *, name: str) -> AsyncIterator[Connected]:
    """Connect to a server, or to one of a cluster's (URLs separated by commas).

    Raises:
        NatsAway: none of them answers, or we are not let in.
    """
    lost = asyncio.Event()

    async def closed() -> None:
        lost.set()

    async def error(_: Exception) -> None:
        """What went wrong is raised where it is noticed, and logged once there."""

    client = Client()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await client.connect(
                [url.strip() for url in nats_url.split(",")],
                name=name,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                reconnect_time_wait=0,
                connect_timeout=2,
                ping_interval=PING_SECONDS,
                max_outstanding_pings=PINGS_UNANSWERED,
                closed_cb=closed,
                error_cb=error,
            )
    except NATS_ERRORS as failure:
        await _close(client)
        raise NatsAway(f"NATS cannot be reached: {described(failure)}") from failure
    watching = asyncio.create_task(_watch(client, lost), name=f"{name}-watch")
    try:
        yield Connected(client, lost)
    finally:
        watching.cancel()
        await _close(client)


async def _watch(client: Client, lost: asyncio.Event) -> None:
    """Notice a connection that is over even when the client cannot say so.

    It tells only at the end of its own tidying up, which fails when there was something left to send.
    """
    while not client.is_closed:  # noqa: ASYNC110 - there is no event to wait for: that is why
        await asyncio.sleep(WATCH_SECONDS)
    lost.set()


async def _close(client: Client) -> None:
    with suppress(*NATS_ERRORS):
        async with asyncio.timeout(CLOSE_SECONDS):
            await client.close()


def described(error: BaseException) -> str:
    """Class and message of a failure in one line of ASCII, without what looks like a secret or personal data."""
    text = " ".join(mask_text(str(error)).split())
    line = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return line.encode("ascii", "backslashreplace").decode()[:500]


OUTAGES: Final = (NatsAway, Unavailable, *NATS_ERRORS)
"""What passes by itself: NATS or the log is away."""


async def keep_at(
    work: Callable[[Callable[[], None]], Awaitable[None]], stopped: asyncio.Event, *, name: str
) -> None:
    """Do some work until it is to stop, again and again over outages, with growing pauses.

    `work` gets a function to call once it is under way; it returns when it is to stop. Going away and coming
    back are logged once each. What is no outage is raised.
    """
    failures = 0
    told = False
    began: list[float] = []

    def under_way() -> None:
        nonlocal told
        began.append(time.monotonic())
        if told:
            log.info(f"{name}_back", attempts=failures)
            told = False

    while not stopped.is_set():
        began.clear()
        try:
            await work(under_way)
        except OUTAGES as error:
            if began and time.monotonic() - began[-1] > STEADY_SECONDS:
                failures = 0
            failures += 1
            if not told:
                log.warning(f"{name}_interrupted", reason=described(error))
                told = True
            await pause(failures, stopped)


async def pause(failures: int, *ends: asyncio.Event) -> None:
    """Wait longer after each failure in a row, and never all at the same moment; one of the events ends it."""
    seconds = min(FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10), LONGEST_PAUSE_SECONDS)
    await first_of(asyncio.sleep(seconds * random.uniform(0.5, 1.0)), *ends)  # noqa: S311 - spreads load, hides nothing
