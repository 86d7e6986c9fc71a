"""An HTTP client that costs next to nothing: requests are bytes that were made before, of answers only what is needed is read.

A load generator shares two cores with the server that it measures. A general client would spend more on a request than
the server does.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast
from urllib.parse import urlsplit

import msgspec

HOST = "127.0.0.1"


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What came back; `head` is everything before the body, as it was sent."""

    status: int
    head: bytes
    body: bytes

    @property
    def outcome(self) -> str:
        """The status, with the code of the error if it is one: `201`, `409 INSUFFICIENT_STOCK`."""
        if self.status < 400:
            return str(self.status)
        try:
            return f"{self.status} {msgspec.json.decode(self.body, type=_Failure).error.code}"
        except msgspec.DecodeError:
            return f"{self.status} (no error of ours)"

    @property
    def position(self) -> int:
        """Where the log stood after the command; 0 when the answer does not say."""
        return int(_header(self.head, b"x-position") or 0)


class _Error(msgspec.Struct):
    code: str


class _Failure(msgspec.Struct):
    error: _Error


class Link(asyncio.Protocol):
    """One connection that is kept; one request at a time."""

    def __init__(self) -> None:
        """Not connected yet."""
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[Reply] | None = None
        self._buffer = b""
        self._head_end = 0
        self._whole = 0

    async def ask(self, request: bytes) -> Reply:
        """Send a whole request and wait for its answer.

        Raises:
            ConnectionError: the server hung up; whether a command took effect is unknown.
        """
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("The server hung up.")
        assert self._waiting is None, "one request at a time"
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """There is a connection."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """There is none any more."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(ConnectionError("The server hung up."))

    def data_received(self, data: bytes) -> None:
        """Put an answer together."""
        buffer = self._buffer + data if self._buffer else data
        if not self._whole:
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = buffer
                return
            self._head_end = end + 4
            self._whole = self._head_end + int(_header(buffer[:end], b"content-length") or 0)
        if len(buffer) < self._whole:
            self._buffer = buffer
            return
        reply = Reply(int(buffer[9:12]), buffer[: self._head_end], buffer[self._head_end : self._whole])
        self._buffer = buffer[self._whole :]
        self._whole = 0
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)


def _header(head: bytes, name: bytes) -> bytes | None:
    lower = head.lower()
    place = lower.find(b"\r\n" + name + b":")
    if place < 0:
        return None
    start = place + len(name) + 3
    end = lower.find(b"\r\n", start)
    return head[start : end if end >= 0 else len(head)].strip()


@asynccontextmanager
async def links(url: str, count: int) -> AsyncIterator[list[Link]]:
    """So many connections to a server, opened beforehand."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    loop = asyncio.get_running_loop()
    opened: list[tuple[asyncio.Transport, Link]] = []
    try:
        for _ in range(count):
            opened.append(await loop.create_connection(Link, parts.hostname, parts.port or 80))  # noqa: PERF401
        yield [link for _, link in opened]
    finally:
        for transport, _ in opened:
            transport.close()


def get(path: str, token: str, *headers: str) -> bytes:
    """A question of somebody who is signed in; `headers` are whole lines."""
    lines = (f"GET {path} HTTP/1.1", f"Host: {HOST}", f"Authorization: Bearer {token}", *headers)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def post(path: str, token: str, body: bytes, *headers: str) -> bytes:
    """A command of somebody who is signed in, with a body of JSON; `headers` are whole lines."""
    lines = (
        f"POST {path} HTTP/1.1",
        f"Host: {HOST}",
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
