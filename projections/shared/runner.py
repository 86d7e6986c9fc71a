"""Keeps read models in step with the log."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import msgspec
import psycopg

from domain.shared.events import DomainEvent, Recorded
from projections.shared import tracking
from projections.shared.log import EventLog, LogBatch, LogGap
from projections.shared.projection import Batch, Projection

LIVE_BATCH = 5_000
"""How many positions one transaction covers."""

LONGEST_PAUSE_SECONDS = 30.0

COPY_FROM = 200
"""From so many events on, rows are written table by table, by COPY where that pays."""

REST = 2.0
"""How many times as long as it worked a projector rests, before it looks again."""

LONGEST_REST_SECONDS = 0.02
"""And how long at most."""


class Progress(msgspec.Struct):
    """How one read model fares in this process."""

    position: int = 0
    failures: int = 0
    retry_at: float = 0.0
    error: str | None = None


class ProjectionRunner:
    """Applies new facts to the live generation of every read model: all in one transaction while all is well.

    When one fails, each goes on in transactions of its own; that one is tried again with growing pauses and does not hold
    up the others. A gap in the log stops all.
    Running it in several processes is safe: the tracking row is locked while its rows change.
    """

    def __init__(
        self,
        projections: Sequence[Projection],
        log: EventLog,
        connection: psycopg.Connection[Any],
        *,
        on_error: Callable[[str, Exception], None],
        on_progress: Callable[[frozenset[str]], None] | None = None,
    ) -> None:
        """`connection` is in autocommit mode. `on_error` is told the read model's name and what went wrong.

        `on_progress` is told after each round, once its commits are done, which read models have had rows written: none
        when nothing concerned them. It runs in the loop, so it must be quick, and it must not raise.
        """
        self._projections = projections
        self._log = log
        self._connection = connection
        self._on_error = on_error
        self._on_progress = on_progress
        self._changed: set[str] = set()
        self.progress = {projection.name: Progress() for projection in projections}
        # Losing the newest commits of a read model in a crash loses nothing: rows and position go together.
        connection.execute("SET synchronous_commit = off")
        # Rows are only ever looked up by their key. A plan is kept until the next ANALYZE, and that of a young table would be
        # to read all of it, again and again while it grows.
        for way in ("enable_seqscan", "enable_hashjoin", "enable_mergejoin"):
            connection.execute(f"SET {way} = off")

    def catch_up(self) -> int:
        """Apply all there is now; returns the position that all healthy read models have reached."""
        while self._round():
            pass
        return self._reached()

    def _reached(self) -> int:
        """The position that all healthy read models have reached."""
        places = [each.position for each in self.progress.values() if each.error is None]
        return min(places) if places else self._log.head()

    def _round(self) -> bool:
        """Bring each read model one batch on; whether any moved."""
        head = self._log.head()
        batches: dict[int, LogBatch] = {}
        moved = False
        try:
            moved = self._together(head, batches)
            if not moved:
                for projection in self._projections:
                    moved = self._step(projection, head, batches) or moved
        finally:
            # What was committed before a failure is there to be seen as well.
            self._tell_progress()
        return moved

    def _together(self, head: int, batches: dict[int, LogBatch]) -> bool:
        """Bring all read models one batch on in one transaction; whether that could be done.

        It cannot when they are in different places, or when one of them fails: then each has to go its own way.
        """
        places = {each.position for each in self.progress.values()}
        if len(places) != 1 or any(each.error is not None for each in self.progress.values()):
            return False
        (position,) = places
        if not 0 < position < head:
            return False
        batch = batches[position] = self._read(position)
        try:
            with self._connection.transaction():
                generations = tracking.lock_all_live(self._connection, list(self.progress), position)
                if len(generations) != len(self._projections):
                    return False
                written = self._fold_together(batch, generations)
                tracking.advance_all(self._connection, list(self.progress), batch.upto)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception:  # noqa: BLE001 - found again by the one that it belongs to, and told then
            return False
        for progress in self.progress.values():
            progress.position = batch.upto
        self._changed |= written
        return True

    def _fold_together(self, events: LogBatch, generations: Mapping[str, int]) -> set[str]:
        """Fold a batch into all read models that it concerns; those that have had rows written.

        Their questions to the database go out together, and so do the answers to those: each wait costs as much as the work.
        """
        kinds = {type(recorded.event) for recorded in events.events}
        work: list[tuple[Projection, list[Recorded], Batch]] = []
        with self._connection.pipeline():
            for projection in self._projections:
                if not kinds.isdisjoint(projection.events):
                    names = tracking.physical_names(projection, generations[projection.name], live=True)
                    taken = projection.taken(events.events)
                    work.append((projection, taken, projection.begin(taken, self._connection, names)))
        for projection, taken, batch in work:
            projection.fold(taken, batch)
        few = len(events.events) < COPY_FROM
        with self._connection.pipeline() if few else nullcontext():
            return {projection.name for projection, _, batch in work if batch.flush(copy=not few)}

    def _tell_progress(self) -> None:
        changed, self._changed = frozenset(self._changed), set()
        if self._on_progress is not None:
            self._on_progress(changed)

    def _step(self, projection: Projection, head: int, batches: dict[int, LogBatch]) -> bool:
        progress = self.progress[projection.name]
        if progress.position >= head and progress.error is None and progress.position:
            return False
        if progress.retry_at > time.monotonic():
            return False
        try:
            moved = self._apply(projection, head, batches)
        except (LogGap, psycopg.OperationalError, psycopg.InterfaceError):
            raise
        except Exception as error:  # noqa: BLE001 - one read model's bug must not hold up the others
            progress.failures += 1
            pause = min(2.0**progress.failures * 0.1, LONGEST_PAUSE_SECONDS)
            progress.retry_at = time.monotonic() + pause
            progress.error = f"{type(error).__name__}: {error}"
            self._on_error(projection.name, error)
            return False
        progress.failures = 0
        progress.error = None
        return moved

    def _apply(self, projection: Projection, head: int, batches: dict[int, LogBatch]) -> bool:
        progress = self.progress[projection.name]
        with self._connection.transaction():
            generation, position = tracking.lock_live(self._connection, projection.name)
            if position >= head:
                progress.position = position
                return False
            batch = batches.get(position)
            if batch is None:
                batch = self._read(position)
                batches[position] = batch
            names = tracking.physical_names(projection, generation, live=True)
            written = projection.apply(batch.events, self._connection, names)
            tracking.advance(self._connection, projection.name, generation, batch.upto)
        progress.position = batch.upto
        if written:
            self._changed.add(projection.name)
        return True

    def _read(self, position: int) -> LogBatch:
        wanted: set[type[DomainEvent]] = {
            event for projection in self._projections for event in projection.events
        }
        return self._log.read(
            position, LIVE_BATCH, wanted, personal=any(p.personal for p in self._projections)
        )

    def run(self, stopped: Callable[[], bool]) -> None:
        """Follow the log until told to stop."""
        position = 0
        while not stopped():
            began = time.monotonic()
            moved = self._round()
            before, position = position, self._reached()
            if not moved:
                self._log.wait(position, 0.25)
            elif position - before < LIVE_BATCH:
                # Each round has its price, whatever it finds: fewer and larger ones leave more to others.
                time.sleep(min(REST * (time.monotonic() - began), LONGEST_REST_SECONDS))


def project_all(
    projection: Projection, events: Sequence[Recorded], connection: psycopg.Connection[Any]
) -> None:
    """Apply facts to the live tables of one read model without a log: for tests."""
    names = tracking.physical_names(projection, 0, live=True)
    projection.apply(events, connection, names)
