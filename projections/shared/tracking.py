"""How far each generation of each read model is, in the same database and transactions as its rows."""

from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg import sql

from projections.shared.projection import Projection

DDL = """
    CREATE TABLE IF NOT EXISTS projection_tracking (
        name text NOT NULL,
        generation integer NOT NULL,
        live boolean NOT NULL,
        position bigint NOT NULL,
        fingerprint text NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (name, generation)
    ) WITH (fillfactor = 50);

    CREATE TABLE IF NOT EXISTS projection_rebuilds (
        name text PRIMARY KEY,
        request bigint NOT NULL,
        started_at timestamptz NOT NULL,
        finished_at timestamptz
    )
"""
"""`projection_rebuilds` tells of the newest rebuild that was asked for in the log: `request` is the position of the request."""

LOCK = 0x0DAF7A13
"""Advisory lock: only one process creates or changes read models' tables at a time."""


class Tracked(msgspec.Struct, frozen=True):
    """One generation of a read model. `position` is that of the last event that its rows contain."""

    name: str
    generation: int
    live: bool
    position: int
    fingerprint: str
    updated_at: datetime


def physical_names(projection: Projection, generation: int, *, live: bool) -> dict[str, str]:
    """Table names of a generation: the plain ones for the live one."""
    return {table.name: table.name if live else f"{table.name}__g{generation}" for table in projection.tables}


def all_tracked(connection: psycopg.Connection[Any]) -> list[Tracked]:
    """Every generation there is."""
    cursor = connection.execute(
        """
        SELECT name, generation, live, position, fingerprint, updated_at
        FROM projection_tracking
        ORDER BY name, generation
        """
    )
    return [Tracked(*row) for row in cursor.fetchall()]


def lock_live(connection: psycopg.Connection[Any], name: str) -> tuple[int, int]:
    """Generation and position of the live one, held against all other writers until the transaction ends.

    Raises:
        LookupError: the read model has never been created.
    """
    row = connection.execute(
        "SELECT generation, position FROM projection_tracking WHERE name = %s AND live FOR UPDATE", (name,)
    ).fetchone()
    if row is None:
        raise LookupError(f"Read model {name} does not exist; run `daftar migrate`.")
    return row[0], row[1]


def advance(connection: psycopg.Connection[Any], name: str, generation: int, position: int) -> None:
    """Say how far a generation is, in the transaction that made it so."""
    connection.execute(
        """
        UPDATE projection_tracking SET position = %s, updated_at = clock_timestamp()
        WHERE name = %s AND generation = %s
        """,
        (position, name, generation),
    )


def lock_all_live(connection: psycopg.Connection[Any], names: list[str], position: int) -> dict[str, int]:
    """As `lock_live`, for those of several read models that are at exactly `position`; their generations by name."""
    cursor = connection.execute(
        """
        SELECT name, generation FROM projection_tracking
        WHERE name = ANY(%s) AND live AND position = %s
        ORDER BY name
        FOR UPDATE
        """,
        (names, position),
    )
    return dict(cursor.fetchall())


def advance_all(connection: psycopg.Connection[Any], names: list[str], position: int) -> None:
    """Say how far the live generations are, in the transaction that made them so."""
    connection.execute(
        """
        UPDATE projection_tracking SET position = %s, updated_at = clock_timestamp()
        WHERE name = ANY(%s) AND live
        """,
        (position, names),
    )


def begin_generation(
    connection: psycopg.Connection[Any], projection: Projection, generation: int, *, live: bool
) -> None:
    """Create empty tables and their tracking row."""
    names = physical_names(projection, generation, live=live)
    for table in projection.tables:
        connection.execute(table.create(names[table.name]))
        if live:
            for statement in table.create_indexes(names[table.name], generation):
                connection.execute(statement)
    connection.execute(
        """
        INSERT INTO projection_tracking (name, generation, live, position, fingerprint)
        VALUES (%s, %s, %s, 0, %s)
        """,
        (projection.name, generation, live, projection.fingerprint()),
    )


def drop_generation(connection: psycopg.Connection[Any], projection: Projection, generation: int) -> None:
    """Remove what an interrupted rebuild has left."""
    for physical in physical_names(projection, generation, live=False).values():
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(physical)))
    connection.execute(
        "DELETE FROM projection_tracking WHERE name = %s AND generation = %s AND NOT live",
        (projection.name, generation),
    )
