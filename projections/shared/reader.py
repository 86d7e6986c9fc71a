"""The read side as queries see it: rows from a pool, and how far they are."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from projections.shared.tracking import Tracked

POLL_SECONDS = 0.005


class Reader:
    """Runs queries against read models, and waits until they have caught up."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]]) -> None:
        """The pool may point at a replica."""
        self._pool = pool
        self._reached = 0

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
        """Wait until every read model contains all events up to `position`; whether that came in time (seconds)."""
        deadline = time.monotonic() + timeout
        while self._reached < position:
            row = await self.one("SELECT min(position) AS reached FROM projection_tracking WHERE live")
            if row is not None and row["reached"] is not None:
                self._reached = max(self._reached, row["reached"])
            if self._reached >= position:
                break
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(POLL_SECONDS)
        return True
