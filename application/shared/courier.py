"""Messages that are soon of no use, on their way: sent in the background, tried again while they are of use, never kept.

They carry secrets: a code, a link. One whose process dies before it was sent is asked for again; that is why this needs no
broker, and why no secret ever lies in one (requirements ES-18, NTF-15).
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Final, Generic, Protocol, Self, TypeVar
from uuid import UUID

from application.shared.command import Overloaded
from application.shared.ending import end
from application.shared.ports import Clock

WAITING_MAXIMUM: Final = 1_000
AT_ONCE: Final = 32
PAUSES_SECONDS: Final = (1.0, 3.0, 10.0, 30.0)
"""Between attempts, unless the other side names a time."""

HEAD_START_SECONDS: Final = 0.1
"""How long the answer to the request has to be on its way before its message is."""

ENDING_SECONDS: Final = 3.0
"""How long messages that are under way are waited for when the process ends."""


class Perishable(Protocol):
    """A message that somebody waits for, and that is of no use after `expires_at`."""

    @property
    def message_id(self) -> UUID:
        """The same for every attempt."""
        ...

    @property
    def lifetime(self) -> timedelta:
        """For how long it is good from the start."""
        ...

    @property
    def expires_at(self) -> datetime:
        """Until when it is good."""
        ...


M = TypeVar("M", bound=Perishable)
M_contra = TypeVar("M_contra", bound=Perishable, contravariant=True)


class NotSent(Exception):
    """The message did not leave, or nobody knows; it may leave later. What this says holds neither secret nor recipient."""

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        """`retry_after_seconds` is when the other side wants to be asked again, if it said so."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class SendingRefused(NotSent):
    """The message will never leave like this: nobody can be reached there, or the text is not allowed."""


class Sender(Protocol[M_contra]):
    """One way out."""

    async def send(self, message: M_contra, *, attempt: int) -> None:
        """Hand a message over. `attempt` counts from 1; from the second on the first may have arrived unknown to us.

        Raises:
            SendingRefused: in vain for good.
            NotSent: in vain this time.
        """
        ...


class Courier(AbstractAsyncContextManager[Any], Generic[M]):
    """Takes messages to one way out; an asynchronous context, whose end waits for what is under way."""

    def __init__(
        self,
        sender: Sender[M],
        *,
        clock: Clock,
        on_lost: Callable[[M, NotSent, int], None],
        pauses_seconds: tuple[float, ...] = PAUSES_SECONDS,
        waiting_maximum: int = WAITING_MAXIMUM,
        at_once: int = AT_ONCE,
        ending_seconds: float = ENDING_SECONDS,
    ) -> None:
        """The sender takes `at_once` messages at the same time.

        `on_lost` is told of a message that was given up, why, and after how many attempts.
        """
        self._sender = sender
        self._clock = clock
        self._on_lost = on_lost
        self._pauses_seconds = pauses_seconds
        self._waiting_maximum = waiting_maximum
        self._turns = asyncio.Semaphore(at_once)
        self._ending_seconds = ending_seconds
        self._ending = asyncio.Event()
        self._under_way: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Wait for what is under way, for a while; what is late then is lost."""
        self._ending.set()
        under_way = set(self._under_way)
        if under_way:
            _, late = await asyncio.wait(under_way, timeout=self._ending_seconds)
            await end(*late)

    @property
    def waiting(self) -> int:
        """How many messages are under way."""
        return len(self._under_way)

    def check(self) -> None:
        """Find out whether a message could be taken on. Those whose request is being recorded come on top of the bound.

        Raises:
            Overloaded: too many wait.
        """
        if self.waiting >= self._waiting_maximum:
            raise Overloaded("Too many messages wait to be sent.")

    def hand_over(self, message: M) -> None:
        """Take a message on, to be sent in a moment; returns at once, whatever becomes of it."""
        if self.waiting >= 2 * self._waiting_maximum:
            self._on_lost(message, NotSent("Too many messages wait to be sent."), 0)
            return
        task = asyncio.create_task(self._deliver(message), name=f"message-{message.message_id}")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _deliver(self, message: M) -> None:
        attempt = 0
        try:
            await self._let_the_answer_go()
            while True:
                attempt += 1
                try:
                    async with self._turns:
                        await self._sender.send(message, attempt=attempt)
                except NotSent as failure:
                    pause = self._pause(message, failure, attempt)
                    if pause is None:
                        self._on_lost(message, failure, attempt)
                        return
                else:
                    return
                await asyncio.sleep(pause)
        except asyncio.CancelledError:
            self._on_lost(message, NotSent("The process ended."), attempt)
            raise

    async def _let_the_answer_go(self) -> None:
        """Wait a moment, unless the process ends: what sending costs must not be seen in the time that an answer takes."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HEAD_START_SECONDS):
                await self._ending.wait()

    def _pause(self, message: M, failure: NotSent, attempt: int) -> float | None:
        """How long to wait before the next attempt; `None`: give up, for it is in vain, or would come too late."""
        if isinstance(failure, SendingRefused) or attempt > len(self._pauses_seconds):
            return None
        pause = max(self._pauses_seconds[attempt - 1], failure.retry_after_seconds or 0.0)
        left = (message.expires_at - self._clock()).total_seconds()
        # Half of its life is the least that somebody needs to read a message and to do what it says.
        return pause if left - pause > message.lifetime.total_seconds() / 2 else None
