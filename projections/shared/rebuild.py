"""Rebuild a read model beside the one that serves, and swap them in one transaction (design §6)."""

import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg import errors, sql

from projections.shared import tracking
from projections.shared.log import EventLog
from projections.shared.projection import Projection

REBUILD_BATCH = 20_000
"""How many positions are folded in memory before they are written."""

CLOSE_ENOUGH = 2_000
"""With so few positions to go, the last ones are applied while the live generation is held still."""

SWAP_ATTEMPTS = 20


class RebuildRunning(RuntimeError):
    """Another process is rebuilding this read model."""


class RebuildProgress(msgspec.Struct, frozen=True):
    """How a rebuild stands. `position` of `head` events are applied, at `rate` events a second over all so far."""

    name: str
    generation: int
    position: int
    head: int
    seconds: float
    done: bool = False

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.position / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float:
        """At the rate so far."""
        return (self.head - self.position) / self.rate if self.rate else 0.0


Report = Callable[[RebuildProgress], None]

Along = Callable[[psycopg.Connection[Any]], None]
"""What is written in the transaction in which the new generation takes over."""


def create_missing(
    connection: psycopg.Connection[Any], projections: Sequence[Projection], *, head: int = 0
) -> list[str]:
    """Create read models that do not exist yet, empty; returns the names of those to be rebuilt.

    One whose shape has changed goes on serving in its old shape until then. One that shows nothing yet is among them where the log,
    which ends at `head`, is so long that a projector would take a while to follow it from its beginning beside its other work.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (tracking.LOCK,))
        connection.execute(tracking.DDL)
        there = {tracked.name for tracked in tracking.all_tracked(connection) if tracked.live}
        for projection in projections:
            if projection.name not in there:
                tracking.begin_generation(connection, projection, 1, live=True)
        live = {tracked.name: tracked for tracked in tracking.all_tracked(connection) if tracked.live}
    return [
        projection.name
        for projection in projections
        if live[projection.name].fingerprint != projection.fingerprint()
        or (live[projection.name].position == 0 and head > CLOSE_ENOUGH)
    ]


def rebuild(
    connection: psycopg.Connection[Any],
    projection: Projection,
    log: EventLog,
    *,
    report: Report = lambda _: None,
    along: Along = lambda _: None,
) -> RebuildProgress:
    """Fill a new generation from position 0 while the old one serves, then let it take over.

    Safe to interrupt: what an interrupted run has left is removed by the next one. `report` is called between transactions
    and may raise to end it; `along` may be called several times, for only the last transaction in which it was counts.

    Raises:
        RebuildRunning: somebody else is at it.
    """
    lock = (tracking.LOCK, _lock_number(projection.name))
    row = connection.execute("SELECT pg_try_advisory_lock(%s, %s)", lock).fetchone()
    if row is None or not row[0]:
        raise RebuildRunning(f"Read model {projection.name} is being rebuilt by another process.")
    try:
        return _rebuild(connection, projection, log, report, along)
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s, %s)", lock)


def _rebuild(
    connection: psycopg.Connection[Any], projection: Projection, log: EventLog, report: Report, along: Along
) -> RebuildProgress:
    began = time.monotonic()
    connection.execute("SET synchronous_commit = off")
    generation = _begin(connection, projection)
    names = tracking.physical_names(projection, generation, live=False)

    def progress(position: int, head: int, *, done: bool = False) -> RebuildProgress:
        return RebuildProgress(
            name=projection.name,
            generation=generation,
            position=position,
            head=head,
            seconds=time.monotonic() - began,
            done=done,
        )

    position = 0
    head = log.head()
    report(progress(0, head))
    while head - position > CLOSE_ENOUGH:
        position = _fill(connection, projection, log, generation, names, position)
        head = log.head()
        report(progress(position, head))
    for table in projection.tables:
        for statement in table.create_indexes(names[table.name], generation):
            connection.execute(statement)
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(names[table.name])))
    while log.head() - position > CLOSE_ENOUGH:
        position = _fill(connection, projection, log, generation, names, position)
        report(progress(position, log.head()))
    position = _swap(connection, projection, log, generation, names, position, along)
    finished = progress(position, position, done=True)
    report(finished)
    return finished


def _begin(connection: psycopg.Connection[Any], projection: Projection) -> int:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (tracking.LOCK,))
        connection.execute(tracking.DDL)
        mine = [t for t in tracking.all_tracked(connection) if t.name == projection.name]
        if not any(tracked.live for tracked in mine):
            tracking.begin_generation(connection, projection, 1, live=True)
        for tracked in mine:
            if not tracked.live:
                tracking.drop_generation(connection, projection, tracked.generation)
        generation = max((tracked.generation for tracked in mine), default=1) + 1
        tracking.begin_generation(connection, projection, generation, live=False)
    return generation


def _fill(
    connection: psycopg.Connection[Any],
    projection: Projection,
    log: EventLog,
    generation: int,
    names: dict[str, str],
    position: int,
) -> int:
    batch = log.read(position, REBUILD_BATCH, projection.events, personal=projection.personal)
    with connection.transaction():
        projection.apply(batch.events, connection, names)
        tracking.advance(connection, projection.name, generation, batch.upto)
    return batch.upto


def _swap(
    connection: psycopg.Connection[Any],
    projection: Projection,
    log: EventLog,
    generation: int,
    names: dict[str, str],
    position: int,
    along: Along,
) -> int:
    """Hold the live generation still, apply the last facts, exchange the names."""
    for attempt in range(SWAP_ATTEMPTS):
        try:
            with connection.transaction():
                connection.execute("SET LOCAL lock_timeout = '500ms'")
                old, _ = tracking.lock_live(connection, projection.name)
                reached = position
                while reached < (head := log.head()):
                    batch = log.read(
                        reached,
                        min(REBUILD_BATCH, head - reached),
                        projection.events,
                        personal=projection.personal,
                    )
                    projection.apply(batch.events, connection, names)
                    reached = batch.upto
                for table in projection.tables:
                    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(table.name)))
                    connection.execute(
                        sql.SQL("ALTER TABLE {} RENAME TO {}").format(
                            sql.Identifier(names[table.name]), sql.Identifier(table.name)
                        )
                    )
                connection.execute(
                    "DELETE FROM projection_tracking WHERE name = %s AND generation = %s",
                    (projection.name, old),
                )
                connection.execute(
                    """
                    UPDATE projection_tracking
                    SET live = true, position = %s, updated_at = clock_timestamp()
                    WHERE name = %s AND generation = %s
                    """,
                    (reached, projection.name, generation),
                )
                along(connection)
            return reached
        except errors.LockNotAvailable:
            # A long query still reads the old tables; let it finish, and let the shop go on meanwhile.
            if attempt + 1 == SWAP_ATTEMPTS:
                raise
            time.sleep(0.1 * (attempt + 1))
    raise AssertionError("unreachable")


def _lock_number(name: str) -> int:
    """A number of 32 bits for the second half of an advisory lock."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big", signed=True)
