"""Carries out the rebuilds of read models that were asked for over HTTP (requirement ADM-10), beside the projector.

One at a time in the whole installation, in a thread of its own over connections of its own. What was asked for and not finished
is begun again: by this process, or by whichever comes after it. Only rows are written, as in every rebuild: nobody gets mail.
"""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any, Final

import psycopg
import structlog
from psycopg import errors

from infrastructure.bootstrap import PROJECTIONS, Machinery
from infrastructure.event_store.codec import Codec
from infrastructure.event_store.keyring import Keyring
from infrastructure.event_store.log import PostgresLog
from projections.audit import rebuild_requests
from projections.audit.rebuild_requests import Due
from projections.shared import tracking
from projections.shared.log import LogGap
from projections.shared.projection import Projection
from projections.shared.rebuild import RebuildProgress, RebuildRunning, rebuild

log: Final = structlog.get_logger(__name__)

LOCK: Final = 0x0DAF7A17
"""Advisory lock: whoever has it carries out what was asked for, all others leave it to them."""

LOOK_SECONDS: Final = 1.0
"""Between two looks at what was asked for."""

ANSWER_SECONDS: Final = 60.0
"""How long the database may take over a look, before it counts as away."""

PAUSE_SECONDS: Final = 30.0
"""Before one that failed is begun again; others may go first."""

LOCK_WAIT_SECONDS: Final = 60
"""How long a migration, or a rebuild that somebody began by hand, is waited for."""

ENDING_SECONDS: Final = 5.0
"""How long a rebuild that is told to stop may take to notice. After that it is left alone: it can be interrupted anywhere."""


class _Ended(Exception):
    """The process is to stop; the rebuild that is under way is given up."""


class Rebuilder:
    """The thread. It begins with `start` and is over some time after `stop`, at the latest with the process."""

    def __init__(self, machinery: Machinery, projections: Mapping[str, Projection] | None = None) -> None:
        """`projections` are the read models that there are, by name; those of the product unless said."""
        self._machinery = machinery
        self._projections = projections or {each.name: each for each in PROJECTIONS}
        self._ending = threading.Event()
        self._working: psycopg.Connection[Any] | None = None
        self._not_before: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="rebuilder", daemon=True)

    def start(self) -> None:
        """Begin to look at what was asked for."""
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Give up what is under way; waits until it is, within reason."""
        self._ending.set()
        deadline = time.monotonic() + ENDING_SECONDS
        while self._thread.is_alive() and time.monotonic() < deadline:
            working = self._working
            if working is not None:
                _cancel(working)
            self._thread.join(0.2)

    # --- in the thread -------------------------------------------------------------------------------------

    def _run(self) -> None:
        away = False

        def under_way() -> None:
            nonlocal away
            if away:
                log.info("rebuilder_back")
            away = False

        while not self._ending.is_set():
            try:
                self._look_and_work(under_way)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if not away and not self._ending.is_set():
                    log.warning("rebuilder_lost_database", error=type(error).__name__)
                away = True
                self._ending.wait(LOOK_SECONDS)
            except _Ended:
                return
            except Exception as error:
                log.error("rebuilder_failed", exc_info=error)
                self._ending.wait(PAUSE_SECONDS)

    def _look_and_work(self, under_way: Callable[[], None]) -> None:
        with self._machinery.connect(name="daftar-rebuilder", answer_seconds=ANSWER_SECONDS) as connection:
            under_way()
            while not self._ending.is_set():
                if self._next(connection) is not None:
                    self._work()
                self._ending.wait(LOOK_SECONDS)

    def _next(self, connection: psycopg.Connection[Any]) -> Due | None:
        """What is to be done first of what may be tried now."""
        now = time.monotonic()
        return next(
            (
                each
                for each in rebuild_requests.due(connection, self._projections)
                if self._not_before.get(each.projection, 0.0) <= now
            ),
            None,
        )

    def _work(self) -> None:
        """Carry out all there is, unless another process is at it."""
        with ExitStack() as stack:
            connection = stack.enter_context(self._machinery.connect(name="daftar-rebuild"))
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (LOCK,)).fetchone()
            if row is None or not row[0]:
                return
            connection.execute(f"SET lock_timeout = '{LOCK_WAIT_SECONDS}s'")
            self._working = connection
            stack.callback(self._forget_connection)
            # Looked up again, now that nobody else can be about to finish it. The lock goes with the connection.
            while not self._ending.is_set() and (asked := self._next(connection)) is not None:
                self._rebuild(connection, asked)

    def _forget_connection(self) -> None:
        self._working = None

    def _is_ours(self, connection: psycopg.Connection[Any], name: str) -> bool:
        """Whether a read model serves in the shape that this program knows: one of another release must not put it back."""
        shapes = {each.name: each.fingerprint for each in tracking.all_tracked(connection) if each.live}
        return shapes.get(name) == self._projections[name].fingerprint()

    def _rebuild(self, connection: psycopg.Connection[Any], asked: Due) -> None:
        if not self._is_ours(connection, asked.projection):
            self._postpone(asked, "another release")
            return
        # Keys of its own: the projector's thread uses its own at the same time.
        history = PostgresLog(
            self._machinery.connect(name="daftar-rebuild-log", answer_seconds=ANSWER_SECONDS),
            Codec(self._machinery.names, Keyring(self._machinery.wrapper)),
        )
        facts = {"projection": asked.projection, "request": asked.request}
        try:
            rebuild_requests.begin(connection, asked)
            log.info("rebuild_begun", **facts)
            done = rebuild(
                connection,
                self._projections[asked.projection],
                history,
                report=self._go_on,
                along=lambda swapping: rebuild_requests.finish(swapping, asked),
            )
        except (RebuildRunning, errors.LockNotAvailable, errors.QueryCanceled) as error:
            if isinstance(error, errors.QueryCanceled) and self._ending.is_set():
                raise _Ended from error
            self._postpone(asked, type(error).__name__)
        except _Ended:
            raise
        except Exception as error:
            if isinstance(error, psycopg.Error) and (connection.closed or self._ending.is_set()):
                raise
            # Also what the server refuses while it is there, such as to fill a disk that is full.
            self._not_before[asked.projection] = time.monotonic() + PAUSE_SECONDS
            if isinstance(error, LogGap):
                log.critical("log_has_a_gap", reason=str(error))
            else:
                log.error("rebuild_failed", exc_info=error, **facts)
        else:
            log.info(
                "rebuild_finished",
                generation=done.generation,
                position=done.position,
                seconds=round(done.seconds, 3),
                **facts,
            )
        finally:
            history.close()

    def _postpone(self, asked: Due, reason: str) -> None:
        self._not_before[asked.projection] = time.monotonic() + PAUSE_SECONDS
        log.warning("rebuild_postponed", reason=reason, projection=asked.projection, request=asked.request)

    def _go_on(self, progress: RebuildProgress) -> None:
        if self._ending.is_set() and not progress.done:
            raise _Ended


def _cancel(connection: psycopg.Connection[Any]) -> None:
    """Break off the statement that is under way, if any: an index, a wait for a lock."""
    try:
        connection.cancel_safe(timeout=1.0)
    except psycopg.Error:
        return
