"""Durable consumers: a workflow gets every event of its subjects until it has handled it (requirements ES-12).

Each message is handled by one process at a time, and again after a crash, a lost acknowledgement or a failure: handlers
are idempotent. A failure is tried again later, with growing pauses, a bounded number of times; then the message
becomes a dead letter. While the log is away, messages wait in hand instead: an outage uses up no attempts.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from application.shared.command import Unavailable
from application.shared.ending import end
from infrastructure.messaging.cloud_events import read_cloud_event
from infrastructure.messaging.connection import (
    Connected,
    NatsAway,
    connected,
    described,
    first_of,
    keep_at,
    pause,
)
from infrastructure.messaging.dead_letters import DeadLetters
from infrastructure.messaging.streams import DAFTAR, StreamNames, ensure_streams

log = structlog.get_logger(__name__)

FETCH_SECONDS: Final = 10.0
"""How long one request for a message waits at the server. A consumer that was deleted meanwhile is noticed by the next."""


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it arrives. What it says is read from the log at `position`; `event_id` makes sure it is the one.

    `deliveries` counts this delivery, too.
    """

    event_id: UUID
    name: str
    stream_id: UUID
    position: int
    recorded_at: datetime
    correlation_id: UUID | None
    deliveries: int


class Unprocessable(Exception):
    """However often it is tried, the message cannot be handled: it becomes a dead letter at once."""


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """What is done about some events. `name` is that of the durable consumer and must never change.

    `handle` may be called again for the same event at any time.
    """

    name: str
    subjects: tuple[str, ...]
    handle: Callable[[Incoming], Awaitable[None]]


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How patient consumers are."""

    max_deliveries: int = 5
    """How often a message is tried before it becomes a dead letter."""

    ack_wait_seconds: float = 10.0
    """After how long without a sign of life from its process a message is given to another one: what a killed process had in
    hand is late by as much. A process that lives gives three in that time."""

    first_pause_seconds: float = 1.0
    """How long a message rests after its first failure."""

    pause_factor: float = 5.0
    """By how much longer after each further one."""

    longest_pause_seconds: float = 600.0
    """The longest rest."""

    concurrency: int = 8
    """How many messages of a workflow one process handles at once."""

    grace_seconds: float = 10.0
    """How long messages in hand may take when the process is to stop."""

    def pause_after(self, deliveries: int) -> float:
        """How long a message rests after so many failures."""
        return float(
            min(self.first_pause_seconds * self.pause_factor ** (deliveries - 1), self.longest_pause_seconds)
        )


class Consumers:
    """Runs workflows against one NATS. Several processes may: JetStream shares the messages out."""

    def __init__(
        self,
        workflows: Sequence[Workflow],
        *,
        nats_url: str,
        names: StreamNames = DAFTAR,
        terms: Terms | None = None,
    ) -> None:
        """Opens nothing yet."""
        self._workflows = tuple(workflows)
        self._nats_url = nats_url
        self._names = names
        self._terms = terms or Terms()

    async def run(self, stopped: asyncio.Event) -> None:
        """Handle messages until told to stop, then finish those in hand; outages of NATS only delay."""
        work = asyncio.ensure_future(
            keep_at(lambda under_way: self._session(stopped, under_way), stopped, name="workflows")
        )
        try:
            ending = asyncio.ensure_future(stopped.wait())
            await asyncio.wait({work, ending}, return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            await asyncio.wait({work}, timeout=self._terms.grace_seconds)
        finally:
            if not work.done():
                # What is still in hand is delivered again, to whoever runs then.
                work.cancel()
            await asyncio.wait({work})
        if not work.cancelled():
            work.result()

    async def _session(self, stopped: asyncio.Event, under_way: Callable[[], None]) -> None:
        async with connected(self._nats_url, name="daftar-workflows") as broker:
            await broker.unless_lost(self._prepare(broker.jetstream))
            under_way()
            try:
                async with asyncio.TaskGroup() as group:
                    for workflow in self._workflows:
                        for number in range(self._terms.concurrency):
                            work = self._work(broker, workflow, self._names.events, stopped)
                            group.create_task(work, name=f"{workflow.name}-{number}")
                        again = self._work(broker, workflow, self._names.retries, stopped)
                        group.create_task(again, name=f"{workflow.name}-retries")
            except* (NatsAway, nats.errors.Error, OSError, TimeoutError) as group_error:
                raise _leaf(group_error) from group_error

    async def _prepare(self, jetstream: JetStreamContext) -> None:
        await ensure_streams(jetstream, self._names)
        for workflow in self._workflows:
            events = ConsumerConfig(filter_subjects=list(workflow.subjects))
            retries = ConsumerConfig(filter_subject=self._names.retry(workflow.name))
            for stream, chosen in ((self._names.events, events), (self._names.retries, retries)):
                await jetstream.add_consumer(
                    stream,
                    chosen.evolve(
                        durable_name=workflow.name,
                        name=workflow.name,
                        deliver_policy=DeliverPolicy.ALL,
                        ack_policy=AckPolicy.EXPLICIT,
                        ack_wait=self._terms.ack_wait_seconds,
                        # We count ourselves: past its own limit the server would drop a message in silence.
                        max_deliver=-1,
                        max_ack_pending=1024,
                    ),
                )

    async def _work(self, broker: Connected, workflow: Workflow, stream: str, stopped: asyncio.Event) -> None:
        subscription = await broker.jetstream.pull_subscribe_bind(consumer=workflow.name, stream=stream)
        handling = _Handling(workflow, DeadLetters(broker.jetstream, self._names), self._terms, stopped)
        while not stopped.is_set():
            messages = await first_of(_fetch(subscription), stopped, broker.lost)
            if messages is None:
                if stopped.is_set():
                    break
                raise NatsAway("The connection to NATS broke.")
            for message in messages[0]:
                await handling.take(message)
        if not broker.lost.is_set():
            # The server must not give a message to a request that nobody waits for.
            await subscription.unsubscribe()
            await broker.client.flush(timeout=2)


async def _fetch(subscription: JetStreamContext.PullSubscription) -> list[Msg]:
    try:
        return await subscription.fetch(1, timeout=FETCH_SECONDS)
    except TimeoutError:
        return []


def _leaf(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _leaf(first) if isinstance(first, BaseExceptionGroup) else first


class _Handling:
    """What one worker does with one message after the other."""

    def __init__(
        self, workflow: Workflow, dead_letters: DeadLetters, terms: Terms, stopped: asyncio.Event
    ) -> None:
        self._workflow = workflow
        self._dead_letters = dead_letters
        self._terms = terms
        self._stopped = stopped

    async def take(self, message: Msg) -> None:
        """Handle a message and say what became of it."""
        deliveries = message.metadata.num_delivered
        incoming = _incoming(message)
        if incoming is None:
            await self._park(message, "Unreadable: the message is no event of ours", incoming)
        elif deliveries > self._terms.max_deliveries:
            # It was given out so often, and no process lived to tell: do not let it kill another one.
            await self._park(message, "Abandoned: no process finished handling it", incoming)
        else:
            async with self._alive(message):
                failure = await self._handle(incoming)
            if failure is None:
                await message.ack()
            else:
                await self._failed(message, incoming, failure)

    async def _handle(self, incoming: Incoming) -> Exception | None:
        outages = 0
        while True:
            try:
                await self._workflow.handle(incoming)
            except Unavailable as outage:
                if self._stopped.is_set():
                    return outage
                outages += 1
                if outages == 1:
                    log.warning("workflow_waits", workflow=self._workflow.name, reason=described(outage))
                await pause(outages, self._stopped)
            except Exception as error:  # noqa: BLE001 - every failure of a workflow is retried, told and kept
                return error
            else:
                return None

    async def _failed(self, message: Msg, incoming: Incoming, failure: Exception) -> None:
        hopeless = isinstance(failure, Unprocessable)
        if not isinstance(failure, Unavailable) and (
            hopeless or incoming.deliveries >= self._terms.max_deliveries
        ):
            await self._park(message, described(failure), incoming)
            return
        rest = self._terms.pause_after(incoming.deliveries)
        log.warning("workflow_failed", **self._told(incoming), reason=described(failure), again_in=rest)
        await message.nak(delay=rest)

    async def _park(self, message: Msg, reason: str, incoming: Incoming | None) -> None:
        told = self._told(incoming)
        try:
            await self._dead_letters.park(message, consumer=self._workflow.name, reason=reason)
        except nats.errors.Error as error:
            log.error("dead_letter_not_kept", **told, reason=reason, refusal=described(error))
            await message.nak(delay=self._terms.longest_pause_seconds)
            return
        log.error("dead_letter", **told, reason=reason)
        await message.term()

    def _told(self, incoming: Incoming | None) -> dict[str, object]:
        told: dict[str, object] = {"workflow": self._workflow.name}
        if incoming is not None:
            told |= {
                "event_id": incoming.event_id,
                "event_name": incoming.name,
                "position": incoming.position,
                "deliveries": incoming.deliveries,
            }
        return told

    @asynccontextmanager
    async def _alive(self, message: Msg) -> AsyncIterator[None]:
        """Keep telling the server that the message is in hand."""

        async def tell() -> None:
            while True:
                await asyncio.sleep(self._terms.ack_wait_seconds / 3)
                await message.in_progress()

        telling = asyncio.create_task(tell())
        try:
            yield
        finally:
            await end(telling)  # The connection broke? The worker notices by itself.


def _incoming(message: Msg) -> Incoming | None:
    try:
        told = read_cloud_event(message.data)
        position = int(told.sequence)
    except (msgspec.DecodeError, ValueError):
        return None
    return Incoming(
        event_id=told.id,
        name=told.type,
        stream_id=told.subject,
        position=position,
        recorded_at=told.time,
        correlation_id=told.correlationid,
        deliveries=message.metadata.num_delivered,
    )
