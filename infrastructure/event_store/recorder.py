"""The `eventsourcing` library's synchronous recorders over the same `append` function as the command loop.

For tools and programs that are written with that library. They pass the library's own recorder test cases, and need no
table lock, because `append` numbers events under the head row's lock.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from eventsourcing.persistence import IntegrityError, InterfaceError, OperationalError, StoredEvent
from eventsourcing.postgres import PostgresAggregateRecorder, PostgresApplicationRecorder, PostgresDatastore
from eventsourcing.utils import retry
from psycopg.sql import SQL, Identifier

from infrastructure.event_store import arrays
from infrastructure.event_store.postgres import APPEND, CHANNEL
from infrastructure.migrations.migrate import migrate

_EVENTS_TABLE = "stored_events"


def append(datastore: PostgresDatastore, stored_events: Sequence[StoredEvent]) -> list[int]:
    """Append in one commit; returns the positions.

    Raises:
        eventsourcing.persistence.IntegrityError: a version of a stream is taken.
    """
    count = len(stored_events)
    with datastore.get_connection() as connection:
        arrays.register(connection)
        cursor = connection.execute(
            APPEND,
            (
                *(arrays.Int4s(()), arrays.Uuids(()), arrays.Int8s(())),
                *(arrays.Int4s(()), arrays.Uuids(()), arrays.Texts(())),
                *(arrays.Int4s(()), arrays.Uuids(()), arrays.Texts(())),
                arrays.Int4s([0] * count),
                arrays.Uuids([_uuid(event.originator_id) for event in stored_events]),
                arrays.Int8s([event.originator_version for event in stored_events]),
                arrays.Texts([event.topic.encode() for event in stored_events]),
                arrays.Byteas([bytes(event.state) for event in stored_events]),
                arrays.Texts([b""] * count),
                *(arrays.Int4s(()), arrays.Uuids(()), arrays.Texts(()), arrays.Byteas(())),
                *(arrays.Texts(()), arrays.Int8s(()), arrays.Int4s(())),
                *(arrays.Int4s(()), arrays.Uuids(()), arrays.Texts(()), arrays.Byteas(())),
            ),
            prepare=True,
        )
        row = cursor.fetchone()
        assert row is not None, "append() returns one row"
        base: int = row["base"]
        connection.execute(SQL("NOTIFY {}").format(Identifier(CHANNEL)))
    return list(range(base + 1, base + count + 1))


class DaftarAggregateRecorder(PostgresAggregateRecorder):
    """Records streams of events; for code that never reads the log."""

    def create_table(self) -> None:
        """Bring our own schema up to date; the library's DDL is not used."""
        _create_schema(self.datastore)

    @retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)
    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> None:
        """Append; see `append`."""
        if stored_events:
            append(self.datastore, stored_events)


class DaftarApplicationRecorder(PostgresApplicationRecorder):
    """Records through `append`: contiguous positions in commit order, the same log as everything else."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        """The datastore names a database; its schema is ours, not the library's."""
        super().__init__(datastore, events_table_name=_EVENTS_TABLE)
        self.channel_name = CHANNEL

    def create_table(self) -> None:
        """Bring our own schema up to date; the library's DDL is not used."""
        _create_schema(self.datastore)

    @retry((InterfaceError, OperationalError), max_attempts=10, wait=0.2)
    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        """Append; returns the positions, see `append`."""
        return append(self.datastore, stored_events) if stored_events else []


def _create_schema(datastore: PostgresDatastore) -> None:
    with datastore.get_connection() as connection:
        migrate(connection)


def _uuid(originator_id: UUID | str) -> UUID:
    if not isinstance(originator_id, UUID):
        raise IntegrityError(f"{originator_id!r} is no UUID; streams of this store are named by UUIDs")
    return originator_id
