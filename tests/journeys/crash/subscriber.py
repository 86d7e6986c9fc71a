"""A program of somebody else's that follows the shop: a durable JetStream consumer that writes down all it is given."""

import asyncio
from contextlib import suppress
from typing import Final

import nats.errors
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, Header

from infrastructure.messaging.connection import Connected, NatsAway, connected, first_of
from infrastructure.messaging.streams import DAFTAR, NATS_ERRORS
from tests.journeys.crash.book import PromiseBroken

NAME: Final = "crash-rounds"
ACK_WAIT_SECONDS: Final = 2.0
AT_ONCE: Final = 256
FETCH_SECONDS: Final = 0.1


class Subscriber:
    """Runs the whole time, whatever happens to the broker."""

    def __init__(self, nats_url: str) -> None:
        """Opens nothing yet."""
        self._nats_url = nats_url
        self._seen: set[int] = set()
        self._newest = 0
        self._work: asyncio.Task[None] | None = None
        self._ending = False
        self._broken: PromiseBroken | None = None
        self.deliveries = 0
        self.reached = 0
        """Up to here every position has arrived."""

    @property
    def repeats(self) -> int:
        """Deliveries of what had arrived before."""
        return self.deliveries - len(self._seen)

    def start(self) -> None:
        """Begin to listen."""
        self._work = asyncio.create_task(self._listen(), name=NAME)

    async def stop(self) -> None:
        """Stop listening."""
        if self._work is not None:
            # Being cancelled may get lost between a broken connection and its closing.
            self._ending = True
            self._work.cancel()
            await asyncio.wait({self._work})
            if not self._work.cancelled() and (error := self._work.exception()) is not None:
                raise error

    async def until(self, position: int, seconds: float) -> None:
        """Wait until everything up to a position has arrived.

        Raises:
            PromiseBroken: it does not come, or something came that should not.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        while True:
            self.check()
            if self.reached >= position:
                return
            if loop.time() > deadline:
                missing = sorted(set(range(self.reached + 1, position + 1)) - self._seen)
                raise PromiseBroken(
                    f"The subscriber has got everything up to {self.reached} of {position} within {seconds} s; "
                    f"{len(missing)} are missing: {missing[:10]}"
                )
            await asyncio.sleep(0.02)

    def check(self) -> None:
        """Look whether all that has come is right.

        Raises:
            PromiseBroken: it is not.
        """
        if self._broken is not None:
            raise self._broken
        if self._work is not None and self._work.done():
            self._work.result()

    async def _listen(self) -> None:
        while not self._ending:
            with suppress(NatsAway, *NATS_ERRORS):
                async with connected(self._nats_url, name=NAME) as broker:
                    await self._take(broker)
            await asyncio.sleep(0.1)

    async def _take(self, broker: Connected) -> None:
        jetstream = broker.jetstream
        await jetstream.add_consumer(
            DAFTAR.events,
            ConsumerConfig(
                durable_name=NAME,
                name=NAME,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT_SECONDS,
                max_ack_pending=4 * AT_ONCE,
            ),
        )
        subscription = await jetstream.pull_subscribe_bind(consumer=NAME, stream=DAFTAR.events)
        while not (self._ending or broker.lost.is_set()):
            got = await first_of(_fetch(subscription), broker.lost)
            for message in got[0] if got is not None else ():
                metadata = message.metadata
                self.note(
                    position=int((message.headers or {})[Header.MSG_ID]),
                    sequence=metadata.sequence.stream,
                    deliveries=metadata.num_delivered,
                )
                await message.ack()

    def note(self, *, position: int, sequence: int, deliveries: int) -> None:
        """Write down one message: its position in the log, its number in the stream, and how often it was given out."""
        self.deliveries += 1
        if sequence != position:
            self._broken = PromiseBroken(
                f"Position {position} of the log is message {sequence} of the stream."
            )
        if position in self._seen:
            return
        # What was lost on its way to us comes again, later than what followed it; all else comes in order.
        if deliveries == 1 and position < self._newest:
            self._broken = PromiseBroken(
                f"Position {position} came for the first time after position {self._newest} had come."
            )
        self._seen.add(position)
        self._newest = max(self._newest, position)
        while self.reached + 1 in self._seen:
            self.reached += 1


async def _fetch(subscription: JetStreamContext.PullSubscription) -> list[Msg]:
    try:
        return await subscription.fetch(AT_ONCE, timeout=FETCH_SECONDS)
    except nats.errors.TimeoutError:
        return []
