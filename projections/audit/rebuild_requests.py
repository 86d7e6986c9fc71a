"""Which read models are to be made anew, and how far that is (requirement ADM-10).

What was asked for is a read model like others, one row each, from the log. What was begun and finished stands in
`projection_rebuilds`, beside the positions of read models, and is written by whoever carries it out.
"""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from domain.audit.events import ProjectionRebuildRequested
from domain.shared.events import Recorded
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.table import Table


class RequestRow(msgspec.Struct):
    """The newest request for one read model; `position` is that of the request in the log."""

    projection: str
    position: int
    requested_at: datetime
    requested_by: UUID | None


REBUILD_REQUESTS = Table(
    "rebuild_requests",
    RequestRow,
    key=("projection",),
    columns="""
        projection text NOT NULL,
        position bigint NOT NULL,
        requested_at timestamptz NOT NULL,
        requested_by uuid
    """,
)


class RebuildRequestsProjection(Projection):
    """Keeps the newest request for each read model. Whoever asked before is served by the same rebuild."""

    name = "rebuild_requests"
    tables = (REBUILD_REQUESTS,)
    events = (ProjectionRebuildRequested,)

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        event, metadata = recorded.event, recorded.metadata
        assert isinstance(event, ProjectionRebuildRequested)
        batch.rows(REBUILD_REQUESTS).put(
            RequestRow(
                event.projection,
                recorded.position,
                recorded.at,
                None if metadata is None else metadata.actor_id,
            )
        )


# --- carrying it out ---------------------------------------------------------------------------------------


class Due(msgspec.Struct, frozen=True):
    """A read model that is to be made anew; `request` is the position of the newest request for it."""

    projection: str
    request: int


def due(connection: psycopg.Connection[Any], known: Collection[str]) -> list[Due]:
    """What was asked for and is not finished, in the order in which it was asked for; of the read models that are known."""
    cursor = connection.execute(
        """
        SELECT asked.projection, asked.position
        FROM rebuild_requests AS asked
        LEFT JOIN projection_rebuilds AS done ON done.name = asked.projection
        WHERE asked.projection = ANY(%s)
            AND (done.name IS NULL OR done.request < asked.position OR done.finished_at IS NULL)
        ORDER BY asked.position
        """,
        (list(known),),
    )
    return [Due(*row) for row in cursor.fetchall()]


def begin(connection: psycopg.Connection[Any], rebuild: Due) -> None:
    """Say that it is being carried out, perhaps once more."""
    connection.execute(
        """
        INSERT INTO projection_rebuilds (name, request, started_at) VALUES (%s, %s, clock_timestamp())
        ON CONFLICT (name) DO UPDATE SET
            request = excluded.request, started_at = excluded.started_at, finished_at = NULL
        """,
        (rebuild.projection, rebuild.request),
    )


def finish(connection: psycopg.Connection[Any], rebuild: Due) -> None:
    """Say that it is done, in the transaction in which the new generation takes over."""
    connection.execute(
        "UPDATE projection_rebuilds SET finished_at = clock_timestamp() WHERE name = %s AND request = %s",
        (rebuild.projection, rebuild.request),
    )


# --- asking ------------------------------------------------------------------------------------------------


class Rebuild(msgspec.Struct, frozen=True, kw_only=True):
    """The newest rebuild that was asked for, of one read model.

    `position` is how far the new generation is in the log, `None` before it was begun and once it serves.
    """

    projection: str
    requested_at: datetime
    requested_by: UUID | None
    started_at: datetime | None
    finished_at: datetime | None
    position: int | None


class Rebuilds:
    """Questions about rebuilds that were asked for."""

    def __init__(self, reader: Reader) -> None:
        """`reader` may be behind the log."""
        self._reader = reader

    async def newest(self) -> dict[str, Rebuild]:
        """The newest one of each read model that has had any."""
        rows = await self._reader.all(
            """
            SELECT asked.projection, asked.requested_at, asked.requested_by, work.started_at, work.finished_at,
                CASE WHEN work.finished_at IS NULL AND work.name IS NOT NULL THEN filling.position END AS position
            FROM rebuild_requests AS asked
            LEFT JOIN projection_rebuilds AS work
                ON work.name = asked.projection AND work.request >= asked.position
            LEFT JOIN projection_tracking AS filling ON filling.name = asked.projection AND NOT filling.live
            ORDER BY asked.projection
            """
        )
        return {row["projection"]: Rebuild(**row) for row in rows}
