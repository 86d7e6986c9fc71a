"""A lean HTTP/1.1 client for load and trials: keep-alive connections, JSON in and out, next to no overhead.

General clients spend more time on a request than the server under test; on two cores that would be measured, too.
"""

import asyncio
import json
from collections import deque
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec


class Answer(msgspec.Struct, frozen=True):
    """What came back; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """What is in the envelope.

        Raises:
            AssertionError: the request failed; the message says how.
        """
        if self.status >= 400:
            raise AssertionError(f"{self.status}: {self.body[:600].decode(errors='replace')}")
        return self.json()["data"]

    @property
    def code(self) -> str | None:
        """The error code, if it is an error."""
        if self.status < 400:
            return None
        error: str = self.json()["error"]["code"]
        return error


class HttpClient:
    """At most `connections` requests at a time; more wait their turn."""

    def __init__(self, url: str, *, connections: int = 64, timeout_seconds: float = 60.0) -> None:
        """`url` is scheme, host and port; paths are given with each request."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._host = parts.hostname
        self._port = parts.port or 80
        self._timeout = timeout_seconds
        self._slots = asyncio.Semaphore(connections)
        self._idle: deque[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = deque()
        self.requests = 0

    async def __aenter__(self) -> Self:
        """Connections are opened when they are needed."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what is open."""
        for _, writer in self._idle:
            writer.close()
        for _, writer in self._idle:
            try:
                await writer.wait_closed()
            except OSError:
                continue
        self._idle.clear()

    async def get(self, path: str, **options: Any) -> Answer:
        """Ask."""
        return await self.request("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        """Command."""
        return await self.request("POST", path, body, **options)

    async def put(self, path: str, body: Any = None, **options: Any) -> Answer:
        """Replace."""
        return await self.request("PUT", path, body, **options)

    async def patch(self, path: str, body: Any = None, **options: Any) -> Answer:
        """Change."""
        return await self.request("PATCH", path, body, **options)

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """One request; a connection that the server has closed meanwhile is opened anew.

        Raises:
            OSError: the server cannot be reached, or broke off; whether a command took effect is unknown.
            TimeoutError: no answer in time.
        """
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        payload = b""
        if body is not None:
            payload = msgspec.json.encode(body)
            lines += ["Content-Type: application/json", f"Content-Length: {len(payload)}"]
        elif method != "GET":
            lines.append("Content-Length: 0")
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        for name, value in (headers or {}).items():
            lines.append(f"{name}: {value}")
        message = ("\r\n".join(lines) + "\r\n\r\n").encode() + payload
        async with self._slots:
            self.requests += 1
            async with asyncio.timeout(self._timeout):
                while self._idle:
                    try:
                        return await self._exchange(*self._idle.pop(), message)
                    except _Stale:
                        continue
                reader, writer = await asyncio.open_connection(self._host, self._port, limit=16 * 2**20)
                try:
                    return await self._exchange(reader, writer, message)
                except _Stale as error:
                    raise ConnectionError("The server closed the connection without an answer.") from error

    async def _exchange(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes
    ) -> Answer:
        try:
            writer.write(message)
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionResetError, BrokenPipeError) as error:
                if isinstance(error, asyncio.IncompleteReadError) and error.partial:
                    raise ConnectionError("The server broke off.") from error
                raise _Stale from error
            status_line, *header_lines = head.decode("latin-1").split("\r\n")
            headers = {}
            for line in header_lines:
                name, _, value = line.partition(":")
                if name:
                    headers[name.lower()] = value.strip()
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        except BaseException:
            writer.close()
            raise
        if headers.get("connection", "").lower() == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return Answer(int(status_line.split(" ", 2)[1]), headers, body)


class _Stale(Exception):
    """The server had closed the connection before it saw the request."""
