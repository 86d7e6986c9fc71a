"""What comes off the wire and is no request: bounded, refused in our words (requirements SEC-13, API-03)."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from api.wire import HEAD_BYTES_MAXIMUM, WireProtocol


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body."""
    assert scope["type"] == "http"
    length = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-length", b"%d" % len(str(length)))],
        }
    )
    await send({"type": "http.response.body", "body": str(length).encode()})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """A server of the test's own."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(echo, http=WireProtocol, ws="none", lifespan="off", log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        await serving


async def exchange(port: int, *pieces: bytes) -> bytes:
    """Send, then read all that is answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        async with asyncio.timeout(10):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if writer.can_write_eof():
                writer.write_eof()
            answer = await reader.read()
    except ConnectionError:
        pass
    finally:
        writer.close()
    return answer


def refusal(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    error = json.loads(body)
    assert error["success"] is False
    assert error["error"]["requestId"]
    return int(head.split()[1]), error["error"]["code"]


class TestHeads:
    async def test_a_usual_request_is_answered(self, port: int) -> None:
        padding = b"X-Padding: " + b"a" * (HEAD_BYTES_MAXIMUM - 2000) + b"\r\n"
        answer = await exchange(
            port, b"POST / HTTP/1.1\r\nHost: x\r\n" + padding + b"Content-Length: 3\r\n\r\nabc"
        )

        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"\r\n\r\n3")

    async def test_a_large_body_is_no_large_head(self, port: int) -> None:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\nConnection: close\r\n\r\n"
        answer = await exchange(port, head, *(b"a" * 65536 for _ in range(16)))

        assert answer.endswith(b"\r\n\r\n1048576")

    @pytest.mark.parametrize(
        ("opening", "more"),
        [
            (b"GET / HTTP/1.1\r\nHost: x\r\nA: ", b"a" * 1000),
            (b"GET / HTTP/1.1\r\nHost: x\r\n", b"Abcdef: abcdefghij\r\n" * 50),
        ],
    )
    async def test_a_head_without_end_is_refused(self, port: int, opening: bytes, more: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        sent = len(opening)
        writer.write(opening)
        answer = asyncio.create_task(reader.read())
        async with asyncio.timeout(20):
            while not answer.done() and sent < 50 * HEAD_BYTES_MAXIMUM:
                try:
                    writer.write(more)
                    await writer.drain()
                except ConnectionError:
                    break
                sent += len(more)
                await asyncio.sleep(0)
            received = await asyncio.gather(answer, return_exceptions=True)
        writer.close()

        assert sent < 50 * HEAD_BYTES_MAXIMUM, "the server read on and on"
        if isinstance(received[0], bytes) and received[0]:
            assert refusal(received[0]) == (431, "REQUEST_HEAD_TOO_LARGE")

    async def test_trailers_without_end_are_cut_off(self, port: int) -> None:
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
        answer = await exchange(port, head, *(b"Abcdef: abcdefghij\r\n" * 1000 for _ in range(40)))

        assert b"200" not in answer.partition(b"\r\n")[0]


async def test_what_is_no_http_is_refused_in_our_words(port: int) -> None:
    assert refusal(await exchange(port, b"\x16\x03\x01 hello\r\n\r\n")) == (400, "VALIDATION_ERROR")
