"""Waiting until the read side shows what has happened."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from infrastructure.event_store.postgres import open_pool
from projections.shared import tracking
from projections.shared.reader import Reader

pytestmark = pytest.mark.services


class CountingReader(Reader):
    """Counts how often somebody looks."""

    looks = 0

    async def _look(self) -> None:
        self.looks += 1
        await super()._look()


@pytest.fixture
async def reader(database_url: str) -> AsyncIterator[CountingReader]:
    """Over a database whose only read models are all at position 10."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(tracking.DDL)
        connection.execute("UPDATE projection_tracking SET position = 10")
        connection.execute(
            """
            INSERT INTO projection_tracking (name, generation, live, position, fingerprint)
            VALUES ('reader_test', 1, true, 10, '-') ON CONFLICT DO NOTHING
            """
        )
    pool = await open_pool(database_url, name="reader-test")
    try:
        yield CountingReader(pool)
    finally:
        await pool.close()


def move_on(database_url: str, position: int) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE projection_tracking SET position = %s", (position,))


async def test_what_is_shown_already_needs_no_waiting(reader: CountingReader) -> None:
    assert await reader.wait_for(10, 0.0)
    assert await reader.wait_for(9, 5.0)
    assert reader.looks == 1


async def test_whoever_waits_goes_on_as_soon_as_it_is_shown(
    reader: CountingReader, database_url: str
) -> None:
    waiting = [asyncio.create_task(reader.wait_for(position, 10.0)) for position in (11, 12, 13) * 20]
    await asyncio.sleep(0.05)
    assert not any(each.done() for each in waiting)
    await asyncio.to_thread(move_on, database_url, 13)
    assert await asyncio.gather(*waiting) == [True] * 60


async def test_time_that_is_not_enough_is_told(reader: CountingReader) -> None:
    assert not await reader.wait_for(11, 0.02)
    assert not await reader.wait_for(11, 0.0)
    await asyncio.sleep(0.05)
    looks = reader.looks
    await asyncio.sleep(0.05)
    assert reader.looks == looks, "nobody waits any more"


async def test_an_outage_is_told_to_all_who_wait(reader: CountingReader, database_url: str) -> None:
    waiting = [asyncio.create_task(reader.wait_for(11, 10.0)) for _ in range(3)]
    await asyncio.sleep(0.02)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE projection_tracking RENAME TO out_of_reach")
    told = await asyncio.gather(*waiting, return_exceptions=True)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE out_of_reach RENAME TO projection_tracking")
    assert [type(each) for each in told] == [psycopg.errors.UndefinedTable] * 3
    assert await reader.wait_for(10, 1.0)
