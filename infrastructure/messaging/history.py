"""The log as workflows read it: one event or one stream, personal data opened. Never from NATS, where it is not."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

from domain.shared.events import Recorded
from infrastructure.event_store.codec import Codec
from infrastructure.event_store.postgres import store_errors

_COLUMNS: Final = """
    notification_id, originator_id, originator_version, topic, state, metadata::text, recorded_at
"""


class PostgresHistory:
    """Implements `application.notifications.ports.History`."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]], codec: Codec) -> None:
        """The pool belongs to who opened it."""
        self._pool = pool
        self._codec = codec

    async def at(self, position: int) -> Recorded | None:
        """See the port."""
        found = await self._recorded("notification_id = %s", (position,))
        return found[0] if found else None

    async def upto(self, stream_id: UUID, position: int) -> Sequence[Recorded]:
        """See the port."""
        return await self._recorded("originator_id = %s AND notification_id <= %s", (stream_id, position))

    async def stream(self, stream_id: UUID, upto_version: int) -> Sequence[Recorded]:
        """See the port."""
        return await self._recorded(
            "originator_id = %s AND originator_version <= %s", (stream_id, upto_version)
        )

    async def _recorded(self, condition: str, parameters: tuple[object, ...]) -> list[Recorded]:
        codec = self._codec
        async with store_errors(), self._pool.connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(
                f"SELECT {_COLUMNS} FROM stored_events WHERE {condition} ORDER BY originator_version".encode(),  # noqa: S608 - conditions of this module
                parameters,
            )
            rows = await cursor.fetchall()
            subjects = {subject for row in rows if (subject := codec.subject_of(row[4])) is not None}
            if subjects:
                # Also of keys that are in memory: another process may have destroyed them since.
                keys = await connection.execute(
                    "SELECT subject_id, wrapped FROM data_keys WHERE subject_id = ANY(%s)", (list(subjects),)
                )
                codec.keyring.unwrapped(await keys.fetchall())
        return [
            Recorded(
                position=position,
                stream_id=stream_id,
                version=version,
                event=codec.decode(name, state, stream_id, version),
                recorded_at=recorded_at,
                metadata=None if metadata is None else codec.decode_metadata(metadata),
            )
            for position, stream_id, version, name, state, metadata, recorded_at in rows
        ]
