"""Where a machine runs: over the store in memory, or over PostgreSQL."""

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, Protocol, TypeVar

import psycopg
import pytest
from psycopg import sql

from application.shared.command import Command
from application.shared.loop import Handler
from application.shared.store import EventStore
from domain.shared import claims
from domain.shared.events import Recorded
from infrastructure.bootstrap import EVENT_MODULES, HANDLERS, KINDS, PROJECTIONS
from infrastructure.event_store.log import PostgresLog
from infrastructure.event_store.postgres import PostgresEventStore, open_pool
from infrastructure.security.cipher import KeyWrapper
from tests.application.machines.screens import ScreensInMemory, ScreensInPostgres
from tests.support.memory_store import InMemoryEventStore
from tests.support.stores import HOUSE_KEY, make_codec

T = TypeVar("T")

Handlers = Mapping[type[Command], Handler]

_ALL_EVENTS = frozenset(event for kind in KINDS for event in kind.events)
_MODULES = [module for module in EVENT_MODULES if module is not claims]


class World(Protocol):
    """One installation of the product, emptied for each run of a machine."""

    handlers: Handlers
    screens: Any

    def begin(self) -> None:
        """Forget all that happened."""
        ...

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        """Do something that waits."""
        ...

    def open_store(self) -> EventStore:
        """The store, as one more process sees it."""
        ...

    def read(self, after: int) -> list[Recorded]:
        """All events after a position."""
        ...

    async def end(self) -> None:
        """Let go of what the run's stores hold."""
        ...


class WorldInMemory:
    """Everything in this process."""

    def __init__(self, handlers: Handlers = HANDLERS) -> None:
        self.handlers = handlers
        self._events = asyncio.new_event_loop()
        self.begin()

    def begin(self) -> None:
        self._store = InMemoryEventStore(KINDS)
        self.screens = ScreensInMemory(PROJECTIONS)

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        return self._events.run_until_complete(what)

    def open_store(self) -> InMemoryEventStore:
        return self._store

    def read(self, after: int) -> list[Recorded]:
        return [
            Recorded(
                position=position,
                stream_id=new.stream_id,
                version=new.version,
                event=new.event,
                recorded_at=new.envelope.metadata.occurred_at,
                metadata=new.envelope.metadata,
            )
            for position, new in enumerate(self._store.log[after:], start=after + 1)
        ]

    async def end(self) -> None:
        """Nothing is held."""

    def close(self) -> None:
        """No more runs."""
        self._events.close()


class WorldInPostgres:
    """The real store and the real tables, in a database of the test's own."""

    def __init__(self, database_url: str, patch: pytest.MonkeyPatch, handlers: Handlers = HANDLERS) -> None:
        self.handlers = handlers
        self._patch = patch
        self._events = asyncio.new_event_loop()
        self._pool = self.run(open_pool(database_url, min_size=2, max_size=6, name="machine"))
        self._connections = [psycopg.connect(database_url, autocommit=True) for _ in range(3)]
        self._stores: list[PostgresEventStore] = []
        self.begin()

    def begin(self) -> None:
        connection, *others = self._connections
        connection.execute(_EMPTY)
        # As new processes see it: with no key in memory.
        self._log, *logs = [PostgresLog(each, make_codec(_MODULES)) for each in (connection, *others)]
        self.screens = ScreensInPostgres(PROJECTIONS, connection, logs, self._patch)

    def run(self, what: Coroutine[Any, Any, T]) -> T:
        return self._events.run_until_complete(what)

    def open_store(self) -> PostgresEventStore:
        store = PostgresEventStore(self._pool, make_codec(_MODULES), KeyWrapper(HOUSE_KEY), KINDS)
        self._stores.append(store)
        return store

    def read(self, after: int) -> list[Recorded]:
        return list(self._log.read(after, 1_000_000, _ALL_EVENTS, personal=True).events)

    async def end(self) -> None:
        for store in self._stores:
            await store.aclose()
        self._stores.clear()

    def close(self) -> None:
        """No more runs."""
        self.run(self._pool.close())
        for connection in self._connections:
            connection.close()
        self._events.close()


_EMPTY = sql.SQL(
    """
    DO $$
    DECLARE
        emptied text;
    BEGIN
        FOR emptied IN
            SELECT tablename FROM pg_tables
            WHERE schemaname = 'public'
                AND tablename NOT IN ('schema_migrations', 'log_head', 'projection_tracking')
        LOOP
            EXECUTE format('DELETE FROM %I', emptied);
        END LOOP;
        UPDATE log_head SET position = 0;
        UPDATE projection_tracking SET position = 0;
    END
    $$
    """
)
