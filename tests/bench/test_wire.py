"""The load generator's client reads answers however they arrive, and nobody's failure passes for a success."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from tests.bench.load import Measured, merged, percentile
from tests.bench.wire import Reply, get, links, post

ANSWER = (
    b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\nX-Position: 42\r\n"
    b'Content-Length: 11\r\n\r\n{"data": 1}'
)


@asynccontextmanager
async def answering(pieces: Sequence[bytes]) -> AsyncIterator[str]:
    """A server that answers each request with these pieces, one after the other; its URL. No pieces: it hangs up."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await reader.readuntil(b"\r\n\r\n")
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0.001)
                if not pieces:
                    return
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("cut", [1, 30, len(ANSWER) - 11, len(ANSWER) - 1, len(ANSWER)])
async def test_an_answer_is_whole_however_it_was_cut(cut: int) -> None:
    pieces = [piece for piece in (ANSWER[:cut], ANSWER[cut:]) if piece]
    async with answering(pieces) as url, links(url, 1) as (link,):
        for _ in range(2):
            reply = await link.ask(get("/", "token"))
            assert (reply.status, reply.position, reply.body) == (201, 42, b'{"data": 1}')


async def test_a_server_that_hangs_up_is_not_waited_for() -> None:
    async with answering([]) as url, links(url, 1) as (link,):
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(link.ask(get("/", "token")), 5)
        with pytest.raises(ConnectionError):
            await link.ask(get("/", "token"))


def test_a_command_says_who_asks_and_how_long_it_is() -> None:
    request = post("/orders", "secret", b'{"a": 1}', "Idempotency-Key: k")
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.split(b"\r\n")[0] == b"POST /orders HTTP/1.1"
    assert b"Authorization: Bearer secret" in head
    assert b"Content-Length: 8" in head
    assert b"Idempotency-Key: k" in head
    assert body == b'{"a": 1}'


def test_a_refusal_is_told_by_its_code() -> None:
    refusal = Reply(
        409, b"", b'{"success": false, "error": {"code": "INSUFFICIENT_STOCK", "message": "..."}}'
    )
    assert refusal.outcome == "409 INSUFFICIENT_STOCK"
    assert Reply(502, b"", b"<html>").outcome == "502 (no error of ours)"
    assert Reply(201, b"", b"").outcome == "201"


def test_no_part_of_the_values_is_above_its_percentile() -> None:
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 0.5) == 51.0
    assert percentile(values, 0.99) == 100.0
    assert percentile([7.0], 0.99) == 7.0


def test_loads_one_after_the_other_are_one_load_without_the_pauses() -> None:
    both = merged(
        [
            Measured(seconds=1.0, times=[1.0, 2.0], outcomes={"201": 2}),
            Measured(seconds=3.0, times=[3.0], outcomes={"201": 1, "409 X": 0}),
        ]
    )
    assert both.rate == 0.75
    assert both.outcomes["201"] == 3
    with pytest.raises(AssertionError):
        Measured(seconds=1.0, times=[1.0], outcomes={"201": 1, "503 OVERLOADED": 1}).must_all_be("201")
