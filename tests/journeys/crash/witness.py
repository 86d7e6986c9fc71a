"""Every read model a second time, in a schema of its own, filled from the log by one process that nobody kills.

What the shop shows must be equal to it, row by row: a read model is a plain function of the log, whatever happened to the
process that keeps it.
"""

from typing import Any, Final

import psycopg
from psycopg import sql

from infrastructure.bootstrap import PROJECTIONS
from infrastructure.event_store.log import PostgresLog
from projections.shared import tracking
from projections.shared.log import LogBatch
from projections.shared.projection import Projection
from projections.shared.table import Table
from tests.journeys.crash.book import PromiseBroken

BATCH: Final = 20_000
SHOWN: Final = 3
"""How many rows of a difference are told."""


class Witness:
    """A fresh generation of all read models beside those that serve."""

    def __init__(self, schema: str) -> None:
        """`schema` is where its tables are; `begin` makes it."""
        self._schema = schema
        self._reached: dict[str, int] = {}

    def begin(self, connection: psycopg.Connection[Any]) -> None:
        """Empty tables."""
        with connection.transaction():
            connection.execute(
                sql.SQL("DROP SCHEMA IF EXISTS {0} CASCADE; CREATE SCHEMA {0}").format(
                    sql.Identifier(self._schema)
                )
            )
            self._look_first_at_own(connection)
            for projection in PROJECTIONS:
                for table in projection.tables:
                    connection.execute(table.create(table.name))
                self._reached[projection.name] = 0

    def compare(self, connection: psycopg.Connection[Any], log: PostgresLog) -> int:
        """Read on to where each live generation is, and compare all rows; returns how many there are.

        The live generation is held still meanwhile. `connection` must not be that of `log`.

        Raises:
            PromiseBroken: they differ.
        """
        batches: dict[tuple[int, int], LogBatch] = {}
        rows = 0
        for projection in PROJECTIONS:
            with connection.transaction():
                # The tracking row is in the schema that all use; of the tables our own come first.
                _, upto = tracking.lock_live(connection, projection.name)
                self._look_first_at_own(connection)
                self._read_on(projection, upto, connection, log, batches)
                for table in projection.tables:
                    rows += self._compare(projection, table, connection)
            self._reached[projection.name] = upto
        return rows

    def _read_on(
        self,
        projection: Projection,
        upto: int,
        connection: psycopg.Connection[Any],
        log: PostgresLog,
        batches: dict[tuple[int, int], LogBatch],
    ) -> None:
        after = self._reached[projection.name]
        names = tracking.physical_names(projection, 0, live=True)
        events = {event for each in PROJECTIONS for event in each.events}
        while after < upto:
            span = (after, min(BATCH, upto - after))
            if span not in batches:
                batches[span] = log.read(*span, events, personal=True)
            projection.apply(batches[span].events, connection, names)
            after = batches[span].upto

    def _compare(self, projection: Projection, table: Table[Any], connection: psycopg.Connection[Any]) -> int:
        fields = sql.SQL(", ").join(map(sql.Identifier, table.fields))
        live, own = (
            sql.SQL("SELECT {} FROM {}").format(fields, sql.Identifier(schema, table.name))
            for schema in ("public", self._schema)
        )
        for what, mine, other in (("only shown", live, own), ("not shown", own, live)):
            found = connection.execute(
                sql.SQL("{} EXCEPT ALL {} LIMIT {}").format(mine, other, sql.Literal(SHOWN))
            ).fetchall()
            if found:
                raise PromiseBroken(
                    f"{projection.name} differs from a fresh rebuild in table {table.name}; {what}: {found}"
                )
        row = connection.execute(
            sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(self._schema, table.name))
        ).fetchone()
        return int(row[0]) if row is not None else 0

    def _look_first_at_own(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(sql.SQL("SET LOCAL search_path = {}, public").format(sql.Identifier(self._schema)))
