"""The relay out: copies the log into a JetStream stream, each event once, in order (requirements ES-11).

The stream itself tells how far the copy is: its last message names its position, and every message is accepted only at
the one place in the stream that is its own (`Nats-Expected-Last-Sequence`). So a publisher that died, was cut off, or
does not know yet that another one leads can neither repeat an event nor put one out of order. The position that is
saved in the database serves where the stream's messages have all expired, and those who ask how far the copy is.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
import structlog
from nats.js.api import Header, PubAck
from nats.js.errors import NotFoundError

from infrastructure.event_store.names import event_id
from infrastructure.event_store.postgres import store_errors
from infrastructure.event_store.tail import StoredEvent, Tail
from infrastructure.messaging.cloud_events import CONTENT_TYPE, cloud_event, read_cloud_event
from infrastructure.messaging.connection import Connected, NatsAway, connected, first_of, keep_at
from infrastructure.messaging.streams import DAFTAR, StreamNames, ensure_streams
from infrastructure.settings import Settings
from projections.shared.log import LogGap

log = structlog.get_logger(__name__)

PUBLISHER: Final = "nats"
"""Under which name the position is saved."""

LOCK: Final = 0x0DAF7A15
"""Advisory lock: only one process publishes at a time."""

WINDOW: Final = 256
"""How many messages may be under way at once."""

ACK_SECONDS: Final = 10.0
STAND_BY_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 10.0
"""How often a publisher that has nothing to publish looks whether the stream is still as it left it."""

REST_SECONDS: Final = 0.01
"""Between two windows, unless there is a whole one to publish: what comes meanwhile goes out together."""

SAVE_SECONDS: Final = 0.25
"""How far the saved position may lag behind while there is always something to publish."""

HEADER_ROOM: Final = 4096
"""What headers may take of the longest message."""


class StreamForeign(RuntimeError):
    """The stream holds events that this log does not: it is another log's copy, or the log was set back.

    Publishing on would give subscribers two histories in one. An operator must decide: a stream name or an account
    of one's own, or to delete the stream, which is then filled anew from the whole log.
    """


class Publisher:
    """Copies the log of one database into the stream of one NATS. Several may run: one leads, the others stand by."""

    def __init__(
        self, *, database_url: str, nats_url: str, names: StreamNames = DAFTAR, window: int = WINDOW
    ) -> None:
        """Opens nothing yet."""
        self._database_url = database_url
        self._nats_url = nats_url
        self._names = names
        self._window = window

    async def run(self, stopped: asyncio.Event) -> None:
        """Publish until told to stop; outages of NATS and of the database only delay.

        Raises:
            LogGap: the log lacks a position; nothing after it is published.
            StreamForeign: the stream is not a copy of this log.
        """
        try:
            await keep_at(lambda under_way: self._follow(stopped, under_way), stopped, name="publisher")
        except LogGap as gap:
            log.critical("log_has_a_gap", reason=str(gap))
            raise
        except StreamForeign as foreign:
            log.critical("stream_is_foreign", reason=str(foreign))
            raise

    async def _follow(self, stopped: asyncio.Event, under_way: Callable[[], None]) -> None:
        async with Tail.open(self._database_url, name="daftar-publisher") as tail:
            if not await self._lead(tail, stopped):
                return
            async with connected(self._nats_url, name="daftar-publisher") as broker:
                await broker.unless_lost(ensure_streams(broker.jetstream, self._names))
                position, sequence = await broker.unless_lost(self._place(tail, broker))
                log.info("publisher_leads", position=position)
                under_way()
                await tail.listen()
                saved, save_at = await self._saved(tail), 0.0
                look_at = time.monotonic() + LOOK_SECONDS
                while not stopped.is_set():
                    if broker.lost.is_set():
                        raise NatsAway("The connection to NATS broke.")
                    events = await tail.read(position, self._window)
                    if events:
                        position, sequence = await self._publish(broker, events, sequence)
                        look_at = time.monotonic() + LOOK_SECONDS
                    if position != saved and (not events or time.monotonic() >= save_at):
                        await self._save(tail, position)
                        saved, save_at = position, time.monotonic() + SAVE_SECONDS
                    if len(events) == self._window:
                        continue  # There is probably more.
                    if events:
                        await asyncio.sleep(REST_SECONDS)
                    if time.monotonic() < look_at:
                        await tail.wait()
                    else:
                        await broker.unless_lost(self._expect(broker, sequence))
                        look_at = time.monotonic() + LOOK_SECONDS
                if position != saved:
                    await self._save(tail, position)

    async def _lead(self, tail: Tail, stopped: asyncio.Event) -> bool:
        """Wait for one's turn; it lasts as long as the connection to the database."""
        while not stopped.is_set():
            async with store_errors():
                cursor = await tail.connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,))
                row = await cursor.fetchone()
            if row is not None and row[0]:
                async with store_errors():
                    # The saved position may lag behind after a crash: the stream knows better.
                    await tail.connection.execute("SET synchronous_commit = off")
                return True
            await first_of(asyncio.sleep(STAND_BY_SECONDS), stopped)
        return False

    # --- where we are --------------------------------------------------------------------------------------

    async def _expect(self, broker: Connected, sequence: int) -> None:
        """Look at the stream while nothing happens: one that was deleted is filled anew, also on a quiet day.

        Raises:
            NatsAway: the stream is not as it was left; where we are must be found out again.
        """
        try:
            info = await broker.jetstream.stream_info(self._names.events)
        except NotFoundError as error:
            raise NatsAway("The stream is gone.") from error
        if info.state.last_seq != sequence:
            raise NatsAway("The stream was changed by others.")

    async def _place(self, tail: Tail, broker: Connected) -> tuple[int, int]:
        """The last position that is in the stream, and the stream's last sequence number."""
        info = await broker.jetstream.stream_info(self._names.events)
        sequence = info.state.last_seq
        saved = await self._saved(tail)
        if sequence == 0:
            if saved:
                # NATS lost its data, or an operator deleted the stream. It is a copy: make it again.
                log.warning("stream_filled_anew", saved_position=saved)
            return 0, 0
        try:
            last = await broker.jetstream.get_last_msg(self._names.events, self._names.all_events)
        except NotFoundError:
            return saved, sequence  # All messages have expired.
        return await self._recognised(tail, last.headers, last.data), sequence

    async def _recognised(self, tail: Tail, headers: dict[str, Any] | None, data: bytes | None) -> int:
        """The position of a message, once it is sure that it is of our log."""
        try:
            position = int((headers or {})[Header.MSG_ID])
            told = read_cloud_event(data or b"")
        except (KeyError, ValueError, msgspec.DecodeError) as error:
            raise StreamForeign(f"The last message of {self._names.events} is no event of ours.") from error
        known = await tail.at(position)
        if known is None or event_id(known.stream_id, known.version) != told.id:
            raise StreamForeign(
                f"The stream {self._names.events} ends with event {told.id} at position {position}, "
                f"which this log does not have there."
            )
        return position

    async def _saved(self, tail: Tail) -> int:
        async with store_errors():
            cursor = await tail.connection.execute(
                "SELECT position FROM publisher_positions WHERE publisher = %s", (PUBLISHER,)
            )
            row = await cursor.fetchone()
        return int(row[0]) if row is not None else 0

    async def _save(self, tail: Tail, position: int) -> None:
        async with store_errors():
            await tail.connection.execute(
                """
                INSERT INTO publisher_positions (publisher, position) VALUES (%s, %s)
                ON CONFLICT (publisher) DO UPDATE SET position = excluded.position, updated_at = now()
                """,
                (PUBLISHER, position),
            )

    # --- moving on -----------------------------------------------------------------------------------------

    async def _publish(self, broker: Connected, events: list[StoredEvent], sequence: int) -> tuple[int, int]:
        """Publish a window, in order, all at once; returns the last position and sequence when all were taken."""
        longest = broker.client.max_payload - HEADER_ROOM
        acks: list[asyncio.Future[PubAck]] = []
        lost = asyncio.ensure_future(broker.lost.wait())
        try:
            for number, event in enumerate(events):
                acks.append(
                    await broker.jetstream.publish_async(
                        self._names.event(event.name),
                        cloud_event(event, longest=longest),
                        headers={
                            Header.MSG_ID.value: str(event.position),
                            Header.EXPECTED_LAST_SEQUENCE.value: str(sequence + number),
                            "Content-Type": CONTENT_TYPE,
                        },
                    )
                )
            async with asyncio.timeout(ACK_SECONDS):
                for ack in acks:
                    either: set[asyncio.Future[Any]] = {ack, lost}
                    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                    if not ack.done():
                        raise NatsAway("The connection to NATS broke.")
                    ack.result()
        finally:
            lost.cancel()
            for ack in acks:
                if not ack.done():
                    ack.cancel()
                elif not ack.cancelled():
                    ack.exception()  # Seen: the first failure is the one that is raised.
        return events[-1].position, sequence + len(events)


class PublisherContext(Protocol):
    """What the role needs of its process."""

    @property
    def settings(self) -> Settings:
        """The settings."""
        ...

    @property
    def database_url(self) -> str:
        """Where the log is."""
        ...


def nats_url_of(settings: Settings) -> str:
    """Where NATS is.

    Raises:
        LookupError: no NATS is configured and none was started.
    """
    if settings.nats_url is None:
        raise LookupError("NATS_URL is not set.")
    return settings.nats_url.reveal()


async def run_publisher(
    context: PublisherContext, stopped: asyncio.Event, *, names: StreamNames = DAFTAR
) -> None:
    """The role `publisher`."""
    publisher = Publisher(
        database_url=context.database_url, nats_url=nats_url_of(context.settings), names=names
    )
    await publisher.run(stopped)
