"""Bring the write side's schema up to date, one numbered file after the other, each in its own transaction."""

from importlib import resources
from typing import Any

import psycopg
from psycopg.rows import tuple_row

LOCK = 0x0DAF7A12
"""Advisory lock: only one process migrates at a time."""


def available() -> list[tuple[int, str, str]]:
    """Number, name and SQL of every migration, in order."""
    found = [
        (int(entry.name[:4]), entry.name.removesuffix(".sql"), entry.read_text("utf-8"))
        for entry in resources.files(__package__).iterdir()
        if entry.name.endswith(".sql")
    ]
    return sorted(found)


def migrate(connection: psycopg.Connection[Any]) -> list[str]:
    """Apply what is missing; returns the names of what was applied. The connection is in autocommit mode.

    Raises:
        psycopg.OperationalError: the database cannot be reached.
    """
    applied: list[str] = []
    connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    try:
        connection.execute(
            """
            CREATE TABLE IF NOT EXISTS schema_migrations (
                number integer PRIMARY KEY,
                name text NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now()
            )
            """
        )
        cursor = connection.cursor(row_factory=tuple_row)
        done = {row[0] for row in cursor.execute("SELECT number FROM schema_migrations")}
        for number, name, text in available():
            if number in done:
                continue
            with connection.transaction():
                connection.execute(text.encode())
                connection.execute(
                    "INSERT INTO schema_migrations (number, name) VALUES (%s, %s)", (number, name)
                )
            applied.append(name)
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))
    return applied
