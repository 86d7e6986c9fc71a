"""The growing end of the log as publishers read it, against a real database."""

import asyncio
import time

import psycopg
import pytest

from application.shared.command import StoreUnavailable
from infrastructure.event_store.tail import Tail
from projections.shared.log import LogGap
from tests.infrastructure.messaging.conftest import Pen
from tests.infrastructure.messaging.makers import depleted, registered

pytestmark = pytest.mark.services


class TestReading:
    async def test_events_come_in_order_after_a_position_and_no_more_than_asked_for(
        self, database_url: str, pen: Pen
    ) -> None:
        stream = await pen.write(*(depleted() for _ in range(5)))
        async with Tail.open(database_url, name="test") as tail:
            assert await tail.head() == 5
            events = await tail.read(2, 2)
            assert [(event.position, event.stream_id, event.version) for event in events] == [
                (3, stream, 3),
                (4, stream, 4),
            ]
            assert await tail.read(5, 10) == []

    async def test_personal_data_is_read_sealed(self, database_url: str, pen: Pen) -> None:
        await pen.write(registered())
        async with Tail.open(database_url, name="test") as tail:
            event = await tail.at(1)
            assert event is not None
            assert b'"personal":"' in event.state
            assert b"dilnoza" not in event.state
            assert await tail.at(2) is None

    async def test_a_missing_position_is_refused(self, database_url: str, pen: Pen) -> None:
        await pen.write(depleted(), depleted(), depleted())
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            await connection.execute("DELETE FROM stored_events WHERE notification_id = 2")
        async with Tail.open(database_url, name="test") as tail:
            with pytest.raises(LogGap):
                await tail.read(0, 10)
            assert len(await tail.read(2, 10)) == 1

    async def test_a_broken_connection_is_an_outage(self, database_url: str) -> None:
        async with Tail.open(database_url, name="test-tail") as tail:
            async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
                await connection.execute(
                    """
                    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'test-tail'
                    """
                )
            with pytest.raises(StoreUnavailable):
                await tail.read(0, 1)

    async def test_a_database_that_is_not_there_is_an_outage(self) -> None:
        with pytest.raises(StoreUnavailable):
            async with Tail.open("postgresql://nobody@127.0.0.1:1/nothing", name="test"):
                pass


class TestWaiting:
    async def test_the_hint_ends_the_wait(self, database_url: str, pen: Pen) -> None:
        async with Tail.open(database_url, name="test") as tail:
            await tail.listen()
            began = time.monotonic()
            waiting = asyncio.create_task(tail.wait(10))
            await pen.write(depleted())
            assert await waiting
            assert time.monotonic() - began < 5

    async def test_a_hint_that_came_before_the_wait_is_not_lost(self, database_url: str, pen: Pen) -> None:
        async with Tail.open(database_url, name="test") as tail:
            await tail.listen()
            await pen.write(depleted())
            await asyncio.sleep(0.1)
            await tail.head()
            assert await tail.wait(10)

    async def test_without_a_hint_the_wait_ends_by_itself(self, database_url: str) -> None:
        async with Tail.open(database_url, name="test") as tail:
            assert not await tail.wait(0.01)

    async def test_a_follower_sees_everything_from_any_position(self, database_url: str, pen: Pen) -> None:
        await pen.write(*(depleted() for _ in range(5)))
        seen: list[int] = []
        async with Tail.open(database_url, name="test") as tail, asyncio.timeout(10):
            async for events in tail.follow(3, limit=2):
                seen += [event.position for event in events]
                if len(seen) == 2:
                    await pen.write(*(depleted() for _ in range(3)))
                if len(seen) == 5:
                    break
        assert seen == [4, 5, 6, 7, 8]
