"""Strangers who ask very often are answered later and later (requirements SEC-11).

The count is that of the rate limit, taken anyway, so slowing down asks nobody anything more. Those who are signed in are not
slowed down: programs of sellers ask hundreds of times in a window, and each account answers for itself by its own limit.

Whoever waits holds a connection and a task, so only so many wait in one process: the next one is refused at once. One address
cannot fill the places, since its own limit ends what it may ask.
"""

import asyncio
import math
from collections import deque
from typing import Any, Final

from litestar.types import Receive

from api.context import Connection
from api.errors import ClientGone, TooManyRequests
from infrastructure.cache.rate_limits import Verdict
from infrastructure.settings import LimitSettings

SLEEPERS_MAXIMUM: Final = 256
"""How many wait in one process: with some forty kilobytes each, ten megabytes, and a tenth of the files that it may open."""

KEPT_BYTES_MAXIMUM: Final = 64 * 1024
"""How much of a body is taken while its sender waits, to notice a sender who hangs up; the rest waits with them."""

UNHURRIED: Final = {"slowed_down": False}
"""`opt` of routes that are counted and never delayed: streams of events, which readers open anew when they break."""


class TooManyWait(TooManyRequests):
    """This request would have to wait, and no place to wait in is free: 429."""

    def __init__(self, verdict: Verdict, seconds: float) -> None:
        """`seconds` is how long it would have waited."""
        super().__init__(verdict)
        self.retry_after_seconds = math.ceil(seconds)
        self.message = f"Too many requests wait already. Try again in {self.retry_after_seconds} seconds."


class Slowdown:
    """The delays of one process, and who waits them out."""

    def __init__(self, settings: LimitSettings, *, sleepers_maximum: int = SLEEPERS_MAXIMUM) -> None:
        """A step or a longest delay of 0 switches it off."""
        self._after = settings.slowdown_after
        self._step_ms = settings.slowdown_step_ms
        self._longest_ms = settings.slowdown_max_ms
        self._sleepers_maximum = sleepers_maximum
        self._sleepers: set[asyncio.Future[None]] = set()
        self._closing = False

    @property
    def sleepers(self) -> int:
        """How many wait now."""
        return len(self._sleepers)

    def delay_of(self, count: int) -> float:
        """How many seconds the request waits that is the `count`-th of its window."""
        return min(self._step_ms * max(0, count - self._after), self._longest_ms) / 1000

    async def hold(self, connection: Connection, verdict: Verdict) -> None:
        """Let a request wait as long as its count asks for.

        Raises:
            TooManyWait: all places to wait in are taken.
            ClientGone: the client hung up meanwhile, and its place is free.
        """
        seconds = self.delay_of(verdict.used)
        if not seconds or self._closing:
            return
        if len(self._sleepers) >= self._sleepers_maximum:
            raise TooManyWait(verdict, seconds)
        wake = asyncio.get_running_loop().create_future()
        self._sleepers.add(wake)
        came: deque[Any] = deque()
        gone = asyncio.create_task(_until_gone(connection.receive, came), name="slowed-down-client")
        try:
            done, _ = await asyncio.wait({gone, wake}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._sleepers.discard(wake)
            gone.cancel()
            await asyncio.wait({gone})
        if gone in done:
            gone.result()
            raise ClientGone
        if came:
            connection.receive = _again(came, connection.receive)

    def close(self) -> None:
        """Answer all who wait now, and delay nobody any more: the process is to end."""
        self._closing = True
        for wake in self._sleepers:
            if not wake.done():
                wake.set_result(None)


async def _until_gone(receive: Receive, came: deque[Any]) -> None:
    """Return when the client hangs up; what it sends before goes into `came`."""
    size = 0
    while size < KEPT_BYTES_MAXIMUM:
        message: Any = await receive()
        if message["type"] == "http.disconnect":
            return
        came.append(message)
        size += len(message.get("body", b""))
    # Whoever sends on and on is held by flow control, and noticed when the wait is over.
    await asyncio.Event().wait()


def _again(came: deque[Any], receive: Receive) -> Receive:
    """What has come, once more, and then what comes."""

    async def next_message() -> Any:
        return came.popleft() if came else await receive()

    return next_message
