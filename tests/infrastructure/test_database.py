"""Nobody waits without end for a database that hangs or is away."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg_pool import PoolTimeout
from structlog.testing import capture_logs

from infrastructure.database import ImpatientConnection, ImpatientPool, ImpatientSyncConnection
from infrastructure.embedded.services import ServiceUrls
from tests.support.running import free_port

pytestmark = pytest.mark.services


class Wire:
    """What lies between a client and PostgreSQL: it can be cut, or fall silent in the middle."""

    def __init__(self, database_url: str) -> None:
        """Nothing listens yet."""
        parts = urlsplit(database_url)
        self._host, self._behind = parts.hostname, parts.port
        self._port = free_port()
        credentials = parts.netloc.rpartition("@")[0]
        self.url = urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{self._port}"))
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._speaks = asyncio.Event()
        self._speaks.set()
        self.attempts = 0

    async def mend(self) -> None:
        """Let clients through."""
        self._speaks.set()
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)

    async def cut(self) -> None:
        """End what is open and refuse the rest."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.close()

    def fall_silent(self) -> None:
        """Take everything, pass on nothing."""
        self._speaks.clear()

    def speak(self) -> None:
        """Pass on what was held back."""
        self._speaks.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.attempts += 1
        self._writers.add(writer)
        with suppress(OSError):
            back_reader, back_writer = await asyncio.open_connection(self._host, self._behind)
            self._writers.add(back_writer)
            await asyncio.gather(self._copy(reader, back_writer), self._copy(back_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._speaks.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
        self._writers.discard(writer)


@pytest.fixture
async def wire(urls: ServiceUrls) -> AsyncIterator[Wire]:
    assert urls.database_url is not None
    wire = Wire(urls.database_url)
    await wire.mend()
    yield wire
    await wire.cut()
    wire.speak()
    await asyncio.sleep(0.01)


@asynccontextmanager
async def pool_at(
    url: str, *, answer_seconds: float = 0.3, max_size: int = 2
) -> AsyncIterator[ImpatientPool]:
    pool = ImpatientPool(
        url,
        name="test",
        kwargs={"autocommit": True, "connect_timeout": 2, "answer_seconds": answer_seconds},
        min_size=1,
        max_size=max_size,
        look_seconds=0.3,
    )
    await pool.open(wait=True, timeout=5.0)
    try:
        yield pool
    finally:
        await pool.close()


async def ask(pool: ImpatientPool) -> Any:
    async with pool.connection() as connection:
        return await (await connection.execute("SELECT 1")).fetchone()


class Stopwatch:
    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began


class TestOneThatHangs:
    async def test_no_answer_in_time_is_an_outage_and_ends_the_connection(self, wire: Wire) -> None:
        connection = await ImpatientConnection.connect(wire.url, autocommit=True, answer_seconds=0.3)
        wire.fall_silent()
        watch = Stopwatch()
        with pytest.raises(psycopg.OperationalError, match="did not answer in time"):
            await connection.execute("SELECT 1")
        assert 0.25 < watch.seconds < 1.5
        assert connection.closed

    async def test_the_same_holds_for_synchronous_work(self, wire: Wire) -> None:
        connection = await asyncio.to_thread(
            ImpatientSyncConnection.connect, wire.url, autocommit=True, answer_seconds=0.3
        )
        wire.fall_silent()
        watch = Stopwatch()
        with pytest.raises(psycopg.OperationalError, match="did not answer in time"):
            await asyncio.to_thread(connection.execute, "SELECT 1")
        assert 0.25 < watch.seconds < 1.5
        assert connection.closed

    async def test_one_who_gives_up_earlier_is_let_go_soon(self, wire: Wire) -> None:
        connection = await ImpatientConnection.connect(wire.url, autocommit=True, answer_seconds=30.0)
        wire.fall_silent()
        watch = Stopwatch()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await connection.execute("SELECT 1")
        assert watch.seconds < 2.0
        assert connection.closed

    async def test_a_slow_answer_within_the_time_is_an_answer(self, wire: Wire) -> None:
        connection = await ImpatientConnection.connect(wire.url, autocommit=True, answer_seconds=2.0)
        async with connection:
            assert await (await connection.execute("SELECT pg_sleep(0.3), 1")).fetchone() == ("", 1)

    async def test_a_statement_that_is_given_up_leaves_a_connection_that_can_be_used(
        self, urls: ServiceUrls
    ) -> None:
        assert urls.database_url is not None
        connection = await ImpatientConnection.connect(
            urls.database_url, autocommit=True, answer_seconds=30.0
        )
        async with connection:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await connection.execute("SELECT pg_sleep(20)")
            assert await (await connection.execute("SELECT 1")).fetchone() == (1,)

    async def test_waiting_for_hints_is_no_question_and_has_no_limit(self, wire: Wire) -> None:
        connection = await ImpatientConnection.connect(wire.url, autocommit=True, answer_seconds=0.1)
        async with connection:
            await connection.execute("LISTEN nobody")
            assert [hint async for hint in connection.notifies(timeout=0.4)] == []
            assert await (await connection.execute("SELECT 1")).fetchone() == (1,)

    async def test_a_pool_replaces_what_was_given_up_once_the_server_speaks_again(self, wire: Wire) -> None:
        async with pool_at(wire.url) as pool:
            wire.fall_silent()
            with pytest.raises(psycopg.OperationalError):
                await ask(pool)
            wire.speak()
            assert await ask(pool) == (1,)


class TestOneThatIsNear:
    async def test_the_connection_that_came_back_last_goes_out_first(self, wire: Wire) -> None:
        async with pool_at(wire.url, answer_seconds=5.0) as pool:
            async with pool.connection() as one, pool.connection() as other:
                assert one is not other
            # `one` came back after `other`, and nobody else is asked while it is there.
            for _ in range(5):
                async with pool.connection() as again:
                    assert again is one


class TestOneThatIsAway:
    async def test_a_crowd_is_refused_at_once_and_one_at_a_time_tries_again(self, wire: Wire) -> None:
        async with pool_at(wire.url) as pool:
            await wire.cut()
            first = Stopwatch()
            await asyncio.gather(*(ask(pool) for _ in range(50)), return_exceptions=True)
            assert first.seconds < 1.0
            watch = Stopwatch()
            answers = await asyncio.gather(*(ask(pool) for _ in range(500)), return_exceptions=True)
            assert {type(answer) for answer in answers} == {PoolTimeout}
            assert watch.seconds < 1.0  # that of the one who tried
            assert sum("a moment ago" in str(answer) for answer in answers) == 499

    async def test_it_is_back_for_whoever_asks_next(self, wire: Wire) -> None:
        async with pool_at(wire.url) as pool:
            await wire.cut()
            with capture_logs() as lines:
                for _ in range(3):
                    await asyncio.gather(*(ask(pool) for _ in range(5)), return_exceptions=True)
                await wire.mend()
                assert await ask(pool) == (1,)
                assert await asyncio.gather(*(ask(pool) for _ in range(20))) == [(1,)] * 20
        told = [(line["event"], line["log_level"]) for line in lines]
        assert told == [("database_away", "warning"), ("database_back", "info")]
        assert lines[0]["reason"].startswith("OperationalError: ")
        assert "password" not in str(lines)

    async def test_whoever_tries_is_served_when_it_comes_back_meanwhile(self, wire: Wire) -> None:
        async with pool_at(wire.url) as pool:
            await wire.cut()
            await asyncio.gather(*(ask(pool) for _ in range(5)), return_exceptions=True)
            attempts = wire.attempts
            await wire.mend()
            answers = await asyncio.gather(*(ask(pool) for _ in range(100)), return_exceptions=True)
            assert answers.count((1,)) >= 1
            assert wire.attempts - attempts <= 2

    async def test_a_pool_whose_connections_are_all_in_use_is_not_away(self, wire: Wire) -> None:
        async with pool_at(wire.url, answer_seconds=5.0, max_size=1) as pool:

            async def long() -> Any:
                async with pool.connection() as connection:
                    return await (await connection.execute("SELECT pg_sleep(0.7), 1")).fetchone()

            assert list(await asyncio.gather(long(), ask(pool), ask(pool))) == [("", 1), (1,), (1,)]

    async def test_one_that_is_about_to_start_is_waited_for(self, wire: Wire) -> None:
        await wire.cut()
        opening = asyncio.create_task(_first_answer(wire.url))
        await asyncio.sleep(0.2)
        await wire.mend()
        assert await opening == (1,)

    async def test_one_that_does_not_start_is_not_waited_for_without_end(self, wire: Wire) -> None:
        await wire.cut()
        pool = ImpatientPool(
            wire.url, name="test", kwargs={"connect_timeout": 2}, min_size=1, max_size=2, look_seconds=0.2
        )
        watch = Stopwatch()
        with pytest.raises(PoolTimeout):
            await pool.open(wait=True, timeout=0.5)
        assert watch.seconds < 2.5
        assert pool.closed


async def _first_answer(url: str) -> Any:
    async with pool_at(url) as pool:
        return await ask(pool)
