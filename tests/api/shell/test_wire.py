"""What comes off the wire and is no request: bounded, refused in our words (requirements SEC-13, API-03)."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn

from api import wire
from api.wire import HEAD_BYTES_MAXIMUM, WireProtocol, WireSocket

LARGE = 64 * 2**20
"""Bytes; more than the buffers of the kernel take."""


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the length of the body; on `/early` before it has come, on `/large` with very much.

    Over a WebSocket it says `hello`, or very much, and then everything again.
    """
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "x" * (LARGE if scope["path"] == "/large" else 5)})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})
        return
    assert scope["type"] == "http"
    length = 0
    while scope["path"] != "/early":
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        length += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = b"x" * LARGE if scope["path"] == "/large" else str(length).encode()
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}
    )
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[int]:
    """A server, and its port."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        config = uvicorn.Config(
            echo, http=WireProtocol, ws=WireSocket, lifespan="off", log_config=None, **options
        )
        server = uvicorn.Server(config)
        task = asyncio.create_task(server._serve(sockets=[listener]))
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        await task


@pytest.fixture(scope="module")
async def port() -> AsyncIterator[int]:
    """A server for all."""
    async with serving() as opened:
        yield opened


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
            with suppress(OSError):
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

    @pytest.mark.parametrize(
        "head",
        [
            b"GET / HTTP/1.1\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n",
            b"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n",
            b"GET / HTTP/2.0\r\nHost: x\r\n",
            b"GET / HTTP/0.9\r\nHost: x\r\n",
            b"GET / HTTP/1.2\r\nHost: x\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: +1\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n",
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            b"POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n",
            b"GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n",
            b"get / HTTP/1.1\r\nHost: x\r\n",
            b"FROB / HTTP/1.1\r\nHost: x\r\n",
            b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n",
        ],
    )
    async def test_what_two_servers_may_read_differently_is_refused(self, port: int, head: bytes) -> None:
        smuggled = b"1\r\na\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
        answer = await exchange(port, head + b"\r\n" + smuggled)

        assert answer.count(b"HTTP/1.1 ") == 1
        assert refusal(answer) == (400, "VALIDATION_ERROR")

    @pytest.mark.parametrize("head", [b"GET / HTTP/1.0\r\n", b"GET http://x/ HTTP/1.1\r\nHost: x\r\n"])
    async def test_old_and_roundabout_ways_of_asking_are_understood(self, port: int, head: bytes) -> None:
        assert (await exchange(port, head + b"\r\n")).startswith(b"HTTP/1.1 200")


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class TestBodies:
    @pytest.mark.parametrize(
        "chunk", [b"zz\r\na\r\n", b"-1\r\n", b"f" * 20 + b"\r\n", b"1\r\naXX", b"1\na\n"]
    )
    async def test_a_body_that_breaks_the_rules_is_refused(self, port: int, chunk: bytes) -> None:
        answer = await exchange(port, CHUNKED + b"1\r\na\r\n" + chunk + b"0\r\n\r\n")

        assert refusal(answer) == (400, "VALIDATION_ERROR")

    async def test_what_was_asked_before_is_answered_before(self, port: int) -> None:
        answer = await exchange(port, GET + GET + b"\x16\x03\x01\r\n\r\n")

        assert answer.count(b"HTTP/1.1 200") == 2
        assert answer.count(b"HTTP/1.1 ") == 2

    async def test_requests_in_a_row_are_answered_in_their_order(self, port: int) -> None:
        requests = [
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % number + b"a" * number
            for number in range(1, 8)
        ]
        answer = await exchange(port, *requests, GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

        bodies = [part.partition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 200 OK")[1:]]
        assert bodies == [b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"0"]


class TestUpgrades:
    """Nothing but a WebSocket is upgraded to; whoever wishes it is answered as if they had not (RFC 9110 §7.8)."""

    H2C = b"Connection: Upgrade, HTTP2-Settings, keep-alive\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"

    @pytest.mark.parametrize(
        "body",
        [
            b"Content-Length: 40\r\n\r\n" + GET.ljust(40),
            b"Transfer-Encoding: chunked\r\n\r\n28\r\n" + GET.ljust(40) + b"\r\n0\r\n\r\n",
        ],
    )
    @pytest.mark.parametrize("pieces", [1, 2, 200])
    async def test_its_body_is_no_request(self, port: int, body: bytes, pieces: int) -> None:
        message = b"POST / HTTP/1.1\r\nHost: x\r\n" + self.H2C + body + GET
        size = -(-len(message) // pieces)
        answer = await exchange(port, *(message[at : at + size] for at in range(0, len(message), size)))

        assert [part[-2:].strip() for part in answer.split(b"HTTP/1.1 200 OK")[1:]] == [b"40", b"0"]

    async def test_nobody_is_connected_to_others(self, port: int) -> None:
        answer = await exchange(port, b"CONNECT /early HTTP/1.1\r\nHost: x\r\n\r\n" + GET, GET)

        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"connection: close" in answer


WISH = (
    b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


class TestSockets:
    """A wish for a WebSocket in due form is granted (RFC 6455 §4.2)."""

    async def test_it_is_talked_over(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(WISH + b"\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        assert await asyncio.wait_for(reader.readexactly(7), 5) == b"\x81\x05xxxxx"

        writer.write(b"\x81\x82\x00\x00\x00\x00hi")

        assert await asyncio.wait_for(reader.readexactly(4), 5) == b"\x81\x02hi"
        writer.close()

    async def test_after_a_request_on_the_same_connection(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(GET)
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n0"), 5)
        writer.write(WISH + b"\r\n")

        assert (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)).startswith(b"HTTP/1.1 101 ")
        writer.close()

    @pytest.mark.parametrize(
        "wish",
        [
            WISH.replace(b"13", b"12"),
            WISH.replace(b"Sec-WebSocket-Version: 13\r\n", b""),
            WISH.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
            WISH.replace(b"Sec-WebSocket-Key", b"X"),
            WISH.replace(b"GET", b"POST") + b"Content-Length: 0\r\n",
            WISH.replace(b"HTTP/1.1", b"HTTP/1.0"),
            WISH + b"Content-Length: 0\r\n",
            WISH + b"Cookie: " + b"a" * 10_000 + b"\r\n",
            WISH.replace(b"GET /", b"GET /?" + b"a" * 10_000),
            WISH + b"".join(b"A%d: b\r\n" % number for number in range(120)),
        ],
        ids=lambda wish: f"{len(wish)} bytes, {wish[:40].decode()}",
    )
    async def test_in_another_form_it_is_passed_over(self, port: int, wish: bytes) -> None:
        answer = await exchange(port, wish + b"\r\n", b"")

        assert answer.startswith(b"HTTP/1.1 200 OK")

    async def test_not_while_an_earlier_request_is_answered(self, port: int) -> None:
        answer = await exchange(port, GET + WISH + b"\r\n")

        assert answer.count(b"HTTP/1.1 200 OK") == 2

    @pytest.mark.parametrize("line", [b"Host: y\r\n", b"A: a\x01b\r\n", b"A: a\x00b\r\n"])
    async def test_what_is_no_request_is_no_wish(self, port: int, line: bytes) -> None:
        assert refusal(await exchange(port, WISH + line + b"\r\n")) == (400, "VALIDATION_ERROR")

    @pytest.mark.parametrize(
        "frame", [b"\xff\xff\xff\xff", b"\x81\x02hi", b"\x81\x82\x00\x00\x00\x00\xff\xff"]
    )
    async def test_rubbish_ends_it(self, port: int, frame: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(WISH + b"\r\n")
        await asyncio.wait_for(reader.readuntil(b"xxxxx"), 5)
        writer.write(frame)

        answer = await asyncio.wait_for(reader.read(), 5)

        assert answer[:1] == b"\x88"
        assert int.from_bytes(answer[2:4], "big") in {1002, 1007}
        writer.close()

    async def test_pings_are_answered(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(WISH + b"\r\n")
        await asyncio.wait_for(reader.readuntil(b"xxxxx"), 5)
        writer.write(b"\x89\x82\x00\x00\x00\x00hi")

        assert await asyncio.wait_for(reader.readexactly(4), 5) == b"\x8a\x02hi"
        writer.close()

    async def test_pings_without_end_end_it(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(WISH + b"\r\n")
        await asyncio.wait_for(reader.readuntil(b"xxxxx"), 5)
        answered = 0
        try:
            async with asyncio.timeout(10):
                # Nothing but the end of the connection ends this.
                while True:
                    writer.write(b"\x89\x82\x00\x00\x00\x00hi")
                    answered += len(await reader.readexactly(4)) // 4
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

        assert wire.PINGS_AT_ONCE <= answered < 2 * wire.PINGS_AT_ONCE

    async def test_a_message_in_pieces_without_end_ends_it(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(WISH + b"\r\n")
        await asyncio.wait_for(reader.readuntil(b"xxxxx"), 5)
        nothing = b"\x80\x00\x00\x00\x00"
        writer.write(b"\x01" + nothing + (b"\x00" + nothing) * 2_000)

        answer = await asyncio.wait_for(reader.read(), 5)

        assert answer[:1] == b"\x88"
        assert int.from_bytes(answer[2:4], "big") == 1009
        writer.close()

    async def test_a_client_that_takes_nothing_is_left(
        self, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(wire, "HEARING_SECONDS", 0.3)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(WISH.replace(b"GET /", b"GET /large") + b"\r\n")
        await asyncio.sleep(1.0)
        received = 0
        with suppress(ConnectionResetError):
            async with asyncio.timeout(10):
                while piece := await reader.read(2**20):
                    received += len(piece)
        writer.close()

        assert received < LARGE

    async def test_a_server_that_stops_says_so(self) -> None:
        async with serving() as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(WISH + b"\r\n")
            await asyncio.wait_for(reader.readuntil(b"xxxxx"), 5)

        assert await asyncio.wait_for(reader.read(), 5) == b"\x88\x02" + (1012).to_bytes(2, "big")
        writer.close()


class TestTime:
    @pytest.fixture(autouse=True)
    def in_a_hurry(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("HEAD_SECONDS", "BODY_SECONDS", "READING_SECONDS"):
            monkeypatch.setattr(wire, name, 0.3)

    @pytest.mark.parametrize(
        "begun",
        [
            b"G",
            b"GET / HTTP/1.1\r\nHost: x\r\n",
            GET + b"GET /",
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc",
            CHUNKED + b"1\r\na\r\n",
        ],
    )
    async def test_a_request_that_does_not_go_on_is_given_up(self, port: int, begun: bytes) -> None:
        answer = await self.until_closed(port, begun)

        assert refusal(answer[answer.rindex(b"HTTP/1.1") :]) == (408, "REQUEST_TIMEOUT")

    async def test_a_body_after_its_answer_is_not_waited_for_either(self, port: int) -> None:
        head = b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n"
        answer = await self.until_closed(port, head, b"a")

        assert answer.endswith(b"\r\n\r\n0")
        assert answer.count(b"HTTP/1.1 ") == 1

    async def test_a_slow_line_is_no_trickle(self, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(wire, "BODY_BYTES_PER_SECOND", 10)
        head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60\r\nConnection: close\r\n\r\n"
        answer = await self.until_closed(port, head, *[b"0123456789"] * 6, pause=0.1)

        assert answer.endswith(b"\r\n\r\n60")

    async def test_a_whole_request_is_not_hurried(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):
            writer.write(GET)
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            assert await reader.readexactly(1) == b"0"
            await asyncio.sleep(0.35)
        writer.close()

    async def test_a_client_that_takes_nothing_is_left(self, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(GET.replace(b"/ ", b"/large "))
        await asyncio.sleep(1.0)
        received = 0
        with suppress(ConnectionResetError):
            async with asyncio.timeout(10):
                while piece := await reader.read(2**20):
                    received += len(piece)
        writer.close()

        assert received < LARGE

    async def until_closed(self, port: int, *pieces: bytes, pause: float = 0.0) -> bytes:
        """Send without ever saying that this is all."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(pause)
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        return answer


async def test_what_is_no_http_is_refused_in_our_words(port: int) -> None:
    assert refusal(await exchange(port, b"\x16\x03\x01 hello\r\n\r\n")) == (400, "VALIDATION_ERROR")


async def test_whoever_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serving(timeout_keep_alive=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
