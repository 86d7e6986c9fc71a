"""Connections to PostgreSQL that nobody waits for without end.

`statement_timeout` makes the server end what takes too long. It is no help against a server that does not answer at all: one
that hangs, or whose machine vanished without a word. So the client has a patience of its own, a little longer, after which
the connection is over; and while no connection can be made, whoever asks for one is refused at once instead of after a wait.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, Self, TypeVar

import psycopg
import structlog
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolTimeout

log: Final = structlog.get_logger(__name__)

STATEMENT_SECONDS: Final = 30
"""The server's own limit for one statement, unless settings say otherwise (requirements SEC-23)."""

MARGIN_SECONDS: Final = 2.0
"""By how much longer than the server's own limit a client should wait: the server's word is the better one."""

CANCEL_SECONDS: Final = 1.0
"""How long a server may take to hear that nobody waits for its answer any more."""

LOOK_SECONDS: Final = 1.0
"""How long somebody waits for a connection before looking whether any can be made at all."""

INTERVAL_SECONDS: Final = 0.1

PRESENCE: Final = {
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
"""Connection parameters by which a machine that vanished is found out in half a minute."""

RV = TypeVar("RV")


class ImpatientConnection(psycopg.AsyncConnection[Any]):
    """A connection that is over when the server does not answer for `answer_seconds`; what it was asked may be done or not."""

    answer_seconds: float | None = None

    @classmethod
    async def connect(  # type: ignore[override]  # parameters of our own among the many
        cls,
        conninfo: str = "",
        *,
        answer_seconds: float | None = None,
        on_failure: Callable[[psycopg.Error], None] | None = None,
        **parameters: Any,
    ) -> Self:
        """As the base class, with a limit for each answer; `on_failure` is told why the server cannot be reached.

        Raises:
            psycopg.OperationalError: the server cannot be reached.
        """
        try:
            connection = await super().connect(conninfo, **(PRESENCE | parameters))
        except psycopg.Error as error:
            if on_failure is not None:
                on_failure(error)
            raise
        connection.answer_seconds = answer_seconds
        return connection

    async def wait(
        self,
        gen: PQGen[RV],
        interval: float = INTERVAL_SECONDS,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's
    ) -> RV:
        """As the base class, but never without end.

        Raises:
            psycopg.OperationalError: there was no answer in time, or the connection broke.
        """
        if timeout is not None:
            return await super().wait(gen, interval=interval, timeout=timeout)
        try:
            return await super().wait(gen, interval=interval, timeout=self.answer_seconds)
        except psycopg.OperationalError as error:
            raise _given_up(self.pgconn, error) from error

    async def cancel_safe(self, *, timeout: float = CANCEL_SECONDS) -> None:  # noqa: ASYNC109 - the base class's
        """Ask the server to drop what it does. One that does not even take that is given up.

        Raises:
            psycopg.OperationalError: it did not.
        """
        try:
            await super().cancel_safe(timeout=min(timeout, CANCEL_SECONDS))
        except psycopg.OperationalError:
            self.pgconn.finish()
            raise


class ImpatientSyncConnection(psycopg.Connection[Any]):
    """The same for synchronous work."""

    answer_seconds: float | None = None

    @classmethod
    def connect(  # type: ignore[override]  # one parameter of our own among the many
        cls, conninfo: str = "", *, answer_seconds: float | None = None, **parameters: Any
    ) -> Self:
        """See `ImpatientConnection.connect`."""
        connection = super().connect(conninfo, **(PRESENCE | parameters))
        connection.answer_seconds = answer_seconds
        return connection

    def wait(self, gen: PQGen[RV], interval: float = INTERVAL_SECONDS, timeout: float | None = None) -> RV:
        """See `ImpatientConnection.wait`."""
        if timeout is not None:
            return super().wait(gen, interval=interval, timeout=timeout)
        try:
            return super().wait(gen, interval=interval, timeout=self.answer_seconds)
        except psycopg.OperationalError as error:
            raise _given_up(self.pgconn, error) from error


def _given_up(pgconn: psycopg.pq.abc.PGconn, error: psycopg.OperationalError) -> psycopg.OperationalError:
    """What to tell of a failed wait; a connection that still owes an answer is closed, for it could be taken for the next."""
    if pgconn.transaction_status != TransactionStatus.ACTIVE:
        return error
    pgconn.finish()
    return psycopg.OperationalError("The server did not answer in time.")


class ImpatientPool(AsyncConnectionPool[psycopg.AsyncConnection[Any]]):
    """A pool that refuses at once while the server is away.

    An attempt to connect is made for whoever asks, one at a time. Once one has failed, and no connection is left or none has
    come back from its work for a while, the server counts as away: one asker waits for the next attempt, briefly, and all
    others are refused. A crowd of waiters would be silently held, and come down on the server the moment it is back. Going
    away and coming back are logged once each.
    """

    def __init__(
        self,
        conninfo: str,
        *,
        name: str,
        kwargs: dict[str, Any],
        configure: Callable[[psycopg.AsyncConnection[Any]], Awaitable[None]] | None = None,
        min_size: int,
        max_size: int,
        wait_seconds: float = 5.0,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """As the base class, closed. Nobody waits longer than `wait_seconds` for a connection.

        `kwargs` are those of `ImpatientConnection.connect`.
        """
        self._away = False
        self._worked_at = time.monotonic()
        self._away_since: float | None = None
        self._somebody_tries = False
        self._reason = ""
        self._look_seconds = look_seconds
        super().__init__(
            conninfo,
            connection_class=ImpatientConnection,
            kwargs=kwargs | {"on_failure": self._remember},
            configure=configure,
            min_size=min_size,
            max_size=max_size,
            name=name,
            timeout=wait_seconds,
            # A failed attempt is not repeated by itself: whoever asks next makes the next one.
            reconnect_timeout=0.0,
            reconnect_failed=self._attempt_failed,
            open=False,
        )

    async def open(self, wait: bool = False, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - the base class's
        """As the base class; waiting ends with the first connection, and outlasts a server that is about to start.

        Raises:
            PoolTimeout: none could be made in time; the pool is closed.
        """
        await super().open()
        deadline = time.monotonic() + timeout
        while wait:
            try:
                await self.putconn(await self.getconn())
            except PoolTimeout:
                if time.monotonic() >= deadline:
                    await self.close()
                    raise
            else:
                return

    async def getconn(
        self,
        timeout: float | None = None,  # noqa: ASYNC109 - the base class's
    ) -> psycopg.AsyncConnection[Any]:
        """As the base class.

        Raises:
            PoolTimeout: all connections are in use for too long, or none can be made.
        """
        seconds = self.timeout if timeout is None else timeout
        if not self._away:
            return await self._wait_for_one(seconds)
        if self._somebody_tries:
            raise PoolTimeout("The server was away a moment ago.")
        self._somebody_tries = True
        try:
            return await self._wait_for_one(seconds)
        finally:
            self._somebody_tries = False

    async def _get_ready_connection(
        self,
        timeout: float | None,  # noqa: ASYNC109 - the base class's
    ) -> psycopg.AsyncConnection[Any] | None:
        # The one that came back last: what its server process has planned and cached is warm, and the others may be given up.
        self._pool.rotate(1)
        return await super()._get_ready_connection(timeout)

    async def putconn(self, conn: psycopg.AsyncConnection[Any]) -> None:
        """As the base class; one that still works is a sign of life."""
        if not conn.closed:
            self._worked_at = time.monotonic()
            if self._away:
                self._note_back()
        await super().putconn(conn)

    async def _wait_for_one(self, seconds: float) -> psycopg.AsyncConnection[Any]:
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            try:
                connection = await super().getconn(min(left, self._look_seconds))
            except PoolTimeout:
                if self._away:
                    self._note_away()
                    raise
                if left <= self._look_seconds:
                    raise
            else:
                return connection

    def _remember(self, error: psycopg.Error) -> None:
        self._reason = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"

    async def _attempt_failed(self, _: AsyncConnectionPool[Any]) -> None:
        # While others still work with theirs, the server is only full.
        idle_for = time.monotonic() - self._worked_at
        if idle_for > self._look_seconds or self.get_stats()["pool_size"] == 0:
            self._away = True

    def _note_away(self) -> None:
        if self._away_since is None:
            self._away_since = time.monotonic()
            log.warning("database_away", pool=self.name, reason=self._reason)

    def _note_back(self) -> None:
        self._away = False
        if self._away_since is not None:
            seconds = round(time.monotonic() - self._away_since, 3)
            log.info("database_back", pool=self.name, after_seconds=seconds)
            self._away_since = None
