"""The read side as queries see it: rows from a pool, and how far they are."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from projections.shared.tracking import Tracked

POLL_SECONDS = 0.004


class Reader:
    """Runs queries against read models, and waits until they have caught up."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> None:
        """The pool may point at a replica."""
        self._pool = pool
        self.reached = 0
        """A position that every read model was seen to contain."""
        self._waiting: list[_Waiter] = []
        self._looking: asyncio.Task[None] | None = None

    async def all(
        self, query: str, parameters: Mapping[str, Any] | Sequence[Any] = ()
    ) -> list[dict[str, Any]]:
        """Every row of a query; give it a LIMIT."""
        async with self._pool.connection() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            await cursor.execute(query.encode(), parameters)
            return await cursor.fetchall()

    async def one(
        self, query: str, parameters: Mapping[str, Any] | Sequence[Any] = ()
    ) -> dict[str, Any] | None:
        """The first row of a query, if any."""
        rows = await self.all(query, parameters)
        return rows[0] if rows else None

    async def tracked(self) -> list[Tracked]:
        """The live generation of every read model."""
        rows = await self.all(
            """
            SELECT name, generation, live, position, fingerprint, updated_at
            FROM projection_tracking
            WHERE live
            ORDER BY name
            """
        )
        return [Tracked(**row) for row in rows]

    async def wait_for(self, position: int, timeout: float) -> bool:  # noqa: ASYNC109 - part of the answer's meaning
        """Wait until every read model contains all events up to `position`; whether that came in time (seconds).

        However many wait, one of them looks.
        """
        if self.reached >= position:
            return True
        if timeout <= 0:
            await self._look()
            return self.reached >= position
        waiter = _Waiter(position, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._keep_looking(), name="read-models-position")
        try:
            async with asyncio.timeout(timeout):
                await waiter.reached
        except TimeoutError:
            return False
        finally:
            # Whoever has hung up or waited long enough is not looked for any more.
            waiter.reached.cancel()
        return True

    async def _look(self) -> None:
        row = await self.one("SELECT min(position) AS reached FROM projection_tracking WHERE live")
        if row is not None and row["reached"] is not None:
            self.reached = max(self.reached, row["reached"])

    async def _keep_looking(self) -> None:
        while self._waiting:
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 - told to all who wait
                for waiter in self._waiting:
                    if not waiter.reached.done():
                        waiter.reached.set_exception(error)
                self._waiting.clear()
                return
            for waiter in self._waiting:
                if self.reached >= waiter.position and not waiter.reached.done():
                    waiter.reached.set_result(None)
            self._waiting = [waiter for waiter in self._waiting if not waiter.reached.done()]
            if self._waiting:
                await asyncio.sleep(POLL_SECONDS)


class _Waiter(msgspec.Struct, frozen=True):
    position: int
    reached: "asyncio.Future[None]"
