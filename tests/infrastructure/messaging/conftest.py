"""A log that takes any facts, streams of the test's own, and ways to look at what arrived."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from types import ModuleType
from typing import Any
from uuid import UUID, uuid4

import pytest
from nats.js.errors import NotFoundError

import domain.accounts.events
import domain.inventory.events
import domain.media.events
import domain.notifications.events
import domain.orders.events
import domain.payments.events
import domain.payouts.events
from application.shared.caller import SYSTEM, Caller
from application.shared.command import Command
from application.shared.loop import CommandLoop
from application.shared.store import Kind
from application.shared.unit import Unit
from domain.shared.events import DomainEvent, State
from infrastructure.embedded.services import ServiceUrls
from infrastructure.identity import new_id, utc_now
from infrastructure.messaging.cloud_events import CloudEvent, read_cloud_event
from infrastructure.messaging.connection import connected
from infrastructure.messaging.publisher import Publisher
from infrastructure.messaging.streams import StreamNames
from tests.support.commands import CLAIMS
from tests.support.stores import postgres_store

EVENT_MODULES: tuple[ModuleType, ...] = (
    domain.accounts.events,
    domain.inventory.events,
    domain.media.events,
    domain.notifications.events,
    domain.orders.events,
    domain.payments.events,
    domain.payouts.events,
)


class Written(State, frozen=True, kw_only=True):
    """Whatever was written to a stream; nothing is decided on it."""

    written_id: UUID

    @property
    def stream_id(self) -> UUID:
        return self.written_id


class Write(Command, frozen=True, kw_only=True):
    """Put these facts into the log."""

    stream_id: UUID
    events: tuple[Any, ...]


def write(command: Write, unit: Unit) -> Written:
    return unit.begin(Written, command.stream_id, command.events)


class Pen:
    """Writes facts into the log through a command loop."""

    def __init__(self, loop: CommandLoop) -> None:
        self._loop = loop

    async def write(self, *events: DomainEvent, stream_id: UUID | None = None, by: Caller = SYSTEM) -> UUID:
        """Write facts, by default to a new stream; returns the stream once they are durable."""
        stream_id = stream_id or new_id()
        await self._loop.submit(Write(stream_id=stream_id, events=events), by)
        return stream_id


@pytest.fixture
async def pen(database_url: str) -> AsyncIterator[Pen]:
    """A writer to the test's own log."""
    async with postgres_store(database_url, EVENT_MODULES) as store:
        kinds: list[Kind[Any]] = [
            CLAIMS,
            Kind("written", Written, lambda _state, _event, stream: Written(written_id=stream)),
        ]
        async with CommandLoop(
            store, handlers={Write: write}, kinds=kinds, clock=utc_now, new_id=new_id
        ) as loop:
            yield Pen(loop)


@pytest.fixture
def nats_url(urls: ServiceUrls) -> str:
    assert urls.nats_url is not None
    return urls.nats_url


@pytest.fixture
async def names(nats_url: str) -> AsyncIterator[StreamNames]:
    """Streams that no other test uses."""
    own = StreamNames(f"t{uuid4().hex[:12]}")
    yield own
    async with connected(nats_url, name="test") as broker:
        for stream in (own.events, own.dead_letters, own.retries):
            with suppress(NotFoundError):
                await broker.jetstream.delete_stream(stream)


@asynccontextmanager
async def running(role: Callable[[asyncio.Event], Awaitable[None]]) -> AsyncIterator["asyncio.Task[None]"]:
    """A role that runs beside the test and is stopped in order."""
    stopped = asyncio.Event()
    task: asyncio.Task[None] = asyncio.ensure_future(role(stopped))
    try:
        yield task
    finally:
        stopped.set()
        async with asyncio.timeout(15):
            await asyncio.wait({task})
    if not task.cancelled():
        task.result()


@asynccontextmanager
async def publishing(database_url: str, nats_url: str, names: StreamNames) -> AsyncIterator[None]:
    async with running(Publisher(database_url=database_url, nats_url=nats_url, names=names).run):
        yield


class Arrived:
    """One message of the stream."""

    def __init__(self, sequence: int, subject: str, headers: dict[str, str], data: bytes) -> None:
        self.sequence = sequence
        self.subject = subject
        self.headers = headers
        self.data = data

    @property
    def event(self) -> CloudEvent:
        return read_cloud_event(self.data)


async def arrived(nats_url: str, names: StreamNames, count: int, *, seconds: float = 20.0) -> list[Arrived]:
    """All messages of the stream, once there are at least so many."""
    async with asyncio.timeout(seconds), connected(nats_url, name="test") as broker:
        while True:
            with suppress(NotFoundError):
                info = await broker.jetstream.stream_info(names.events)
                if info.state.messages >= count:
                    break
            await asyncio.sleep(0.02)
        found = []
        for sequence in range(info.state.first_seq, info.state.last_seq + 1):
            message = await broker.jetstream.get_msg(names.events, seq=sequence)
            found.append(Arrived(sequence, message.subject or "", message.headers or {}, message.data or b""))
        return found


async def until(true: Callable[[], Any], *, seconds: float = 20.0) -> Any:
    """Wait for a condition; returns what made it true."""
    async with asyncio.timeout(seconds):
        while not (result := true()):  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)
        return result
