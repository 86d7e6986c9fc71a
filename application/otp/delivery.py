"""Codes on their way: sent in the background, tried again while they are of use, never kept (requirements NTF-15).

A code lives for minutes. One whose process dies before it was sent is asked for again; that is why this needs no broker, and
why no code ever lies in one.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Final, Self

from application.otp.ports import CodeMessage, CodeNotSent, CodeRefused, CodeSender
from application.shared.command import Overloaded, Unavailable
from application.shared.ports import Clock
from domain.otp.events import OtpChannel

WAITING_MAXIMUM: Final = 1_000
AT_ONCE: Final = 32
PAUSES_SECONDS: Final = (1.0, 3.0, 10.0, 30.0)
"""Between attempts, unless the other side names a time."""

ENDING_SECONDS: Final = 5.0
"""How long codes that are under way are waited for when the process ends."""

_RETRY_WITHOUT_WAY: Final = 3600

Lost = Callable[[CodeMessage, CodeNotSent, int], None]
"""Told of a code that was given up, why, and after how many attempts."""


class CodeDelivery(AbstractAsyncContextManager["CodeDelivery"]):
    """Implements `application.otp.ports.Delivery`; an asynchronous context, whose end waits for what is under way."""

    def __init__(
        self,
        senders: Mapping[OtpChannel, CodeSender],
        *,
        clock: Clock,
        on_lost: Lost,
        pauses_seconds: tuple[float, ...] = PAUSES_SECONDS,
        waiting_maximum: int = WAITING_MAXIMUM,
        at_once: int = AT_ONCE,
        ending_seconds: float = ENDING_SECONDS,
    ) -> None:
        """`senders` are the ways that this installation has; each takes `at_once` codes at the same time."""
        self._senders = senders
        self._clock = clock
        self._on_lost = on_lost
        self._pauses_seconds = pauses_seconds
        self._waiting_maximum = waiting_maximum
        # A way whose other side hangs keeps nobody from the others.
        self._turns = {channel: asyncio.Semaphore(at_once) for channel in senders}
        self._ending_seconds = ending_seconds
        self._under_way: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        under_way = set(self._under_way)
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=self._ending_seconds)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    @property
    def waiting(self) -> int:
        """How many codes are under way."""
        return len(self._under_way)

    def check(self, channel: OtpChannel) -> None:
        """See the port. The bound is soft: those whose request is being recorded come on top of it."""
        if channel not in self._senders:
            raise Unavailable(
                "Codes cannot be sent on this way here.", retry_after_seconds=_RETRY_WITHOUT_WAY
            )
        if len(self._under_way) >= self._waiting_maximum:
            raise Overloaded("Too many codes wait to be sent.")

    def hand_over(self, message: CodeMessage) -> None:
        """See the port."""
        task = asyncio.create_task(self._deliver(message), name=f"code-{message.message_id}")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _deliver(self, message: CodeMessage) -> None:
        sender = self._senders[message.channel]
        attempt = 0
        while True:
            attempt += 1
            try:
                async with self._turns[message.channel]:
                    await sender.send(message, attempt=attempt)
            except CodeNotSent as failure:
                pause = self._pause(message, failure, attempt)
                if pause is None:
                    self._on_lost(message, failure, attempt)
                    return
            except asyncio.CancelledError:
                self._on_lost(message, CodeNotSent("The process ended."), attempt)
                raise
            else:
                return
            await asyncio.sleep(pause)

    def _pause(self, message: CodeMessage, failure: CodeNotSent, attempt: int) -> float | None:
        """How long to wait before the next attempt; `None`: give up, for it is in vain, or would come too late."""
        if isinstance(failure, CodeRefused) or attempt > len(self._pauses_seconds):
            return None
        pause = max(self._pauses_seconds[attempt - 1], failure.retry_after_seconds or 0.0)
        left = (message.expires_at - self._clock()).total_seconds()
        # Half of its life is the least that somebody needs to read a code and to type it.
        return pause if left - pause > message.lifetime.total_seconds() / 2 else None
