"""The log as projections, publishers and tools read it: synchronous, in position order, gaps refused."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec
import psycopg

from domain.shared.events import DomainEvent, Recorded
from infrastructure.event_store.codec import Codec
from infrastructure.event_store.postgres import CHANNEL
from projections.shared.log import LogBatch, LogGap

_READ = """
    SELECT notification_id, originator_id, originator_version, topic, state, metadata::text, recorded_at
    FROM stored_events
    WHERE notification_id > %s AND notification_id <= %s AND topic = ANY(%s)
    ORDER BY notification_id
"""

_STREAM: Final = """
    SELECT notification_id, originator_id, originator_version, topic, state, metadata::text, recorded_at
    FROM stored_events
    WHERE originator_id = %s AND originator_version > %s
    ORDER BY originator_version
    LIMIT %s
"""

_AT: Final = """
    SELECT notification_id, originator_id, originator_version, topic, state, metadata::text, recorded_at
    FROM stored_events
    WHERE notification_id = ANY(%s)
    ORDER BY notification_id
"""

_COUNT = "SELECT count(*) FROM stored_events WHERE notification_id > %s AND notification_id <= %s"


class PostgresLog:
    """Implements `projections.shared.log.EventLog` over one connection of its own."""

    def __init__(self, connection: psycopg.Connection[Any], codec: Codec) -> None:
        """The connection is in autocommit mode and used by nobody else."""
        self._connection = connection
        self._codec = codec
        self._listening = False

    def head(self) -> int:
        """The position of the newest event, 0 when there is none."""
        row = self._connection.execute("SELECT position FROM log_head").fetchone()
        return int(row[0]) if row is not None else 0

    def read(
        self, after: int, limit: int, events: Collection[type[DomainEvent]], *, personal: bool
    ) -> LogBatch:
        """See the port. The positions of the range are counted in the same snapshot as they are read."""
        upto = min(after + limit, self.head())
        if upto <= after:
            return LogBatch([], after)
        names = [name for event in events for name in self._codec.names.all_names_of(event)]
        with self._connection.pipeline():
            rows_cursor = self._connection.cursor(binary=True).execute(_READ, (after, upto, names))
            count_cursor = self._connection.cursor().execute(_COUNT, (after, upto))
            rows = rows_cursor.fetchall()
            count = count_cursor.fetchone()
        if count is None or count[0] != upto - after:
            raise LogGap(
                f"{upto - after - (count[0] if count else 0)} positions are missing between {after} and {upto}."
            )
        if personal:
            subjects = {subject for row in rows if (subject := self._codec.subject_of(row[4])) is not None}
            self._codec.keyring.load_now(self._connection, subjects)
        return LogBatch([self._recorded(row, personal=personal) for row in rows], upto)

    def stream(self, stream_id: UUID, *, after: int = 0, limit: int | None = None) -> Iterator[Recorded]:
        """The history of one stream after a version, oldest first, personal data opened; all of it without a limit."""
        yield from self._opened(_STREAM, (stream_id, after, limit))

    def at(self, positions: Sequence[int]) -> list[Recorded]:
        """The events at these positions, oldest first, personal data opened; where there is none, none."""
        return self._opened(_AT, (list(positions),))

    def version_of(self, stream_id: UUID) -> int:
        """How many events a stream has."""
        row = self._connection.execute(
            "SELECT max(originator_version) FROM stored_events WHERE originator_id = %s", (stream_id,)
        ).fetchone()
        return 0 if row is None or row[0] is None else int(row[0])

    def position_at(self, moment: datetime) -> int:
        """The position of the last event that was recorded by then; 0 when there was none."""
        return self._last("recorded_at <= %s", moment)

    def position_before(self, moment: datetime) -> int:
        """The position of the last event that was recorded earlier than that; 0 when there was none."""
        return self._last("recorded_at < %s", moment)

    def _last(self, condition: LiteralString, moment: datetime) -> int:
        """Times never run backwards along the log, so halving it finds the last one of which the condition is true."""
        query = f"SELECT {condition} FROM stored_events WHERE notification_id = %s"  # noqa: S608 - fixed text
        first, last = 0, self.head()
        while first < last:
            middle = (first + last + 1) // 2
            row = self._connection.execute(query, (moment, middle)).fetchone()
            if row is None:
                raise LogGap(f"Position {middle} is missing.")
            if row[0]:
                first = middle
            else:
                last = middle - 1
        return first

    def streams_with(
        self, event: type[DomainEvent], field: str, value: str, *, after: int, upto: int
    ) -> list[UUID]:
        """Streams that have such an event with this text in a field, from `after` (excluded) to `upto`.

        It looks at every event in between: for operators who have a name and no id.
        """
        member = msgspec.json.encode({field: value})[1:-1]
        rows = self._connection.execute(
            """
            SELECT DISTINCT originator_id
            FROM stored_events
            WHERE notification_id > %s AND notification_id <= %s AND topic = ANY(%s)
                AND position(%s::bytea IN state) > 0
            """,
            (after, upto, self._codec.names.all_names_of(event), member),
        ).fetchall()
        return [row[0] for row in rows]

    def wait(self, after: int, seconds: float) -> bool:
        """Listen for the store's hint, or give up waiting; either way the log may have grown."""
        if not self._listening:
            self._connection.execute(f"LISTEN {CHANNEL}")
            self._listening = True
        if self.head() > after:
            return True
        return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()

    def _opened(self, query: LiteralString, parameters: tuple[Any, ...]) -> list[Recorded]:
        rows = self._connection.cursor(binary=True).execute(query, parameters).fetchall()
        subjects = {subject for row in rows if (subject := self._codec.subject_of(row[4])) is not None}
        self._codec.keyring.load_now(self._connection, subjects)
        return [self._recorded(row, personal=True) for row in rows]

    def _recorded(self, row: tuple[Any, ...], *, personal: bool) -> Recorded:
        position, stream_id, version, topic, state, metadata, recorded_at = row
        return Recorded(
            position=position,
            stream_id=stream_id,
            version=version,
            event=self._codec.decode(topic, state, stream_id, version, personal=personal),
            recorded_at=recorded_at,
            metadata=None if metadata is None else self._codec.decode_metadata(metadata),
        )
