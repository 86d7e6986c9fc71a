"""Whether a server answers is known soon, also when a part of it hangs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from infrastructure.reachable import PATIENCE_SECONDS, nats_answers
from infrastructure.security.secrets import Secret
from tests.support.running import free_port


@asynccontextmanager
async def server(greeting: bytes) -> AsyncIterator[int]:
    """A server that says so much to whoever connects, and then nothing; its port."""
    leaving = asyncio.Event()

    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await leaving.wait()
        writer.close()

    listening = await asyncio.start_server(greet, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        leaving.set()
        listening.close()
        await asyncio.sleep(0)


def cluster(*ports: int) -> Secret:
    return Secret(",".join(f"nats://token@127.0.0.1:{port}" for port in ports))


async def test_a_cluster_answers_when_one_of_its_servers_does_though_others_hang() -> None:
    async with (
        server(b"") as hanging,
        server(b"") as hanging_too,
        server(b'INFO {"server_id":"a"}\r\n') as well,
    ):
        began = time.monotonic()
        await nats_answers(cluster(hanging, free_port(), hanging_too, well))
        assert time.monotonic() - began < PATIENCE_SECONDS / 2


async def test_a_cluster_of_servers_that_hang_does_not_answer_and_is_not_waited_for_one_by_one() -> None:
    async with server(b"") as first, server(b"") as second, server(b"") as third:
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await nats_answers(cluster(first, second, third))
        assert time.monotonic() - began < 1.5 * PATIENCE_SECONDS


async def test_a_server_that_is_not_there_does_not_answer() -> None:
    with pytest.raises(OSError, match=r"refused|failed"):
        await nats_answers(cluster(free_port()))


async def test_what_is_no_nats_is_no_answer() -> None:
    async with server(b"220 mail.example.com ESMTP\r\n") as mail:
        with pytest.raises(ConnectionError, match="not NATS"):
            await nats_answers(cluster(mail))
