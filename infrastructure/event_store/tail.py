"""The growing end of the log, as it is stored: asynchronous, in position order, gaps refused.

For whoever passes events on without deciding on them: the publisher, server-sent events, `daftar tail`.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg

from infrastructure.database import MARGIN_SECONDS, STATEMENT_SECONDS, ImpatientConnection
from infrastructure.event_store.postgres import CHANNEL, store_errors
from projections.shared.log import LogGap

POLL_SECONDS: Final = 0.25
"""How long a hint may be missing before the log is looked at without one."""

_COLUMNS: Final = """
    notification_id, originator_id, originator_version, topic, state, metadata::text, recorded_at
"""
_AFTER: Final = f"""
    SELECT {_COLUMNS}
    FROM stored_events
    WHERE notification_id > %s
    ORDER BY notification_id
    LIMIT %s
"""  # noqa: S608 - names of columns only
_AT: Final = f"SELECT {_COLUMNS} FROM stored_events WHERE notification_id = %s"  # noqa: S608


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event as the log stores it; the personal half of `state` is sealed. `metadata` is JSON."""

    position: int
    stream_id: UUID
    version: int
    name: str
    state: bytes
    metadata: str | None
    recorded_at: datetime


class Tail:
    """Reads the log after a position over one connection of its own. One reader at a time."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """The connection is in autocommit mode and used by nobody else."""
        self._connection = connection
        self._listening = False

    @classmethod
    @asynccontextmanager
    async def open(cls, database_url: str, *, name: str) -> AsyncIterator["Tail"]:
        """A reader with a connection that ends with it; `name` is what the server's administrators see.

        Raises:
            StoreUnavailable: the database cannot be reached.
        """
        async with store_errors():
            connection = await ImpatientConnection.connect(
                database_url,
                autocommit=True,
                application_name=name,
                connect_timeout=5,
                options=f"-c statement_timeout={STATEMENT_SECONDS}s",
                answer_seconds=STATEMENT_SECONDS + MARGIN_SECONDS,
            )
        try:
            yield cls(connection)
        finally:
            await connection.close()

    @property
    def connection(self) -> psycopg.AsyncConnection[Any]:
        """For who must write in step with reading, on the same connection, between two reads."""
        return self._connection

    async def head(self) -> int:
        """The position of the newest event, 0 when there is none.

        Raises:
            StoreUnavailable: the database is away.
        """
        async with store_errors():
            cursor = await self._connection.execute("SELECT position FROM log_head")
            row = await cursor.fetchone()
        return int(row[0]) if row is not None else 0

    async def read(self, after: int, limit: int) -> list[StoredEvent]:
        """The next events after a position, at most so many; none when the log ends there.

        Raises:
            LogGap: a position is missing.
            StoreUnavailable: the database is away.
        """
        async with store_errors():
            cursor = self._connection.cursor(binary=True)
            await cursor.execute(_AFTER, (after, limit), prepare=True)
            rows = await cursor.fetchall()
        events = [_stored(row) for row in rows]
        for expected, event in enumerate(events, after + 1):
            if event.position != expected:
                raise LogGap(f"Position {expected} of the log is missing; the next one is {event.position}.")
        return events

    async def at(self, position: int) -> StoredEvent | None:
        """The event at a position, `None` when there is none.

        Raises:
            StoreUnavailable: the database is away.
        """
        async with store_errors():
            cursor = self._connection.cursor(binary=True)
            await cursor.execute(_AT, (position,))
            row = await cursor.fetchone()
        return None if row is None else _stored(row)

    async def listen(self) -> None:
        """Ask for hints from now on. Whoever reads after this, then waits, misses nothing.

        Raises:
            StoreUnavailable: the database is away.
        """
        if not self._listening:
            async with store_errors():
                await self._connection.execute(f"LISTEN {CHANNEL}")
            self._listening = True

    async def wait(self, seconds: float = POLL_SECONDS) -> bool:
        """Sleep until the store says that the log has grown, at most so long; whether it said so.

        A hint that came since the last wait counts: it may be about what has been read already.

        Raises:
            StoreUnavailable: the database is away.
        """
        await self.listen()
        async with store_errors():
            async for _ in self._connection.notifies(timeout=seconds, stop_after=1):
                return True
        return False

    async def follow(self, after: int, limit: int = 256) -> AsyncIterator[list[StoredEvent]]:
        """All events after a position, batch by batch, for ever; an empty batch whenever a wait ended in vain.

        The empty ones let the reader look up: send a heartbeat, notice that it is to stop.

        Raises:
            LogGap: a position is missing.
            StoreUnavailable: the database is away.
        """
        await self.listen()
        while True:
            events = await self.read(after, limit)
            if events:
                after = events[-1].position
            else:
                await self.wait()
            yield events


def _stored(row: tuple[Any, ...]) -> StoredEvent:
    position, stream_id, version, name, state, metadata, recorded_at = row
    return StoredEvent(
        position=position,
        stream_id=stream_id,
        version=version,
        name=name,
        state=bytes(state),
        metadata=metadata,
        recorded_at=recorded_at,
    )
