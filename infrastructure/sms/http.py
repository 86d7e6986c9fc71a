"""How providers are asked over HTTP: one request a connection, and an end to it in any case.

The standard library's client works in threads of the provider's own, so that one that hangs keeps no other waiting. What comes
back is read up to a bound, and a redirection is an answer like any other: credentials follow nobody elsewhere (OWASP API10).
"""

import asyncio
import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, cast
from urllib.parse import urlencode, urlsplit

import msgspec

SECONDS: Final = 10.0
"""For one request, from the first packet to the last byte of its answer (SEC-23 allows 30)."""

CONNECT_SECONDS: Final = 5.0
"""For the connection alone: nobody can call a thread back that waits for one."""

AT_ONCE: Final = 16
LONGEST_ANSWER: Final = 256 * 1024

Pairs = Sequence[tuple[str, str]]


class NotReached(Exception):
    """The request has not left: no connection, no TLS, no thread in time."""


class NoAnswer(Exception):
    """The request has left, or may have, and no whole answer came: what the other side did is unknown."""


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. `retry_after` is the field of that name, as it was written."""

    status: int
    body: bytes
    retry_after: str | None

    def __repr__(self) -> str:
        """Without the body, in which others may repeat what they were sent."""
        return f"HttpAnswer(status={self.status})"

    @property
    def retry_after_seconds(self) -> float | None:
        """The wait that the other side asks for, as far as it gives seconds."""
        text = self.retry_after or ""
        return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


class HttpProvider:
    """One provider's HTTP interface under one base address."""

    def __init__(self, base_url: str, *, name: str, seconds: float = SECONDS) -> None:
        """`base_url` has no slash at its end; `name` is for threads. It opens nothing yet."""
        self._base = urlsplit(base_url)
        self._seconds = seconds
        # Reading the machine's certificates takes tens of milliseconds: once is enough.
        self._tls = ssl.create_default_context() if self._base.scheme == "https" else None
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=name)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        query: Pairs = (),
        form: Pairs | None = None,
    ) -> HttpAnswer:
        """Send one request, with `form` as its body.

        Raises:
            NotReached: it has not left.
            NoAnswer: it may have left.
        """
        target = self._base.path + path + (f"?{urlencode(query)}" if query else "")
        fields = {"Accept": "application/json", "User-Agent": "daftar", "Connection": "close", **headers}
        body = None
        if form is not None:
            body = urlencode(form).encode()
            fields["Content-Type"] = "application/x-www-form-urlencoded"
        exchange = _Exchange(self._connection(), method, target, body, fields, self._seconds)
        try:
            async with asyncio.timeout(self._seconds):
                # The method of an object that shows nothing: asyncio's debug mode logs what it calls with its arguments.
                return await asyncio.get_running_loop().run_in_executor(self._threads, exchange.run)
        except TimeoutError:
            # Also of the socket: the two clocks run out at about the same time.
            if exchange.abandon():
                raise NoAnswer("no answer in time") from None
            raise NotReached("no connection in time") from None
        except asyncio.CancelledError:
            exchange.abandon()
            raise

    def close(self) -> None:
        """Ask nobody any more; what is under way ends by its own time-out."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._base.hostname or "", self._base.port
        seconds = min(CONNECT_SECONDS, self._seconds)
        if self._tls is not None:
            return http.client.HTTPSConnection(host, port, timeout=seconds, context=self._tls)
        return http.client.HTTPConnection(host, port, timeout=seconds)


class _Exchange:
    """One request and its answer, in a thread; whoever waits for it may give up at any time."""

    def __init__(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        body: bytes | None,
        headers: dict[str, str],
        seconds: float,
    ) -> None:
        self._connection = connection
        self._seconds = seconds
        self._method = method
        self._target = target
        self._body = body
        self._headers = headers
        self._lock = threading.Lock()
        self._abandoned = False
        self._begun = False
        self._socket: socket.socket | None = None

    def run(self) -> HttpAnswer:
        """Do it all; blocks.

        Raises:
            NotReached, NoAnswer: see `HttpProvider.ask`.
        """
        try:
            self._connect()
            return self._talk()
        finally:
            self._connection.close()

    def abandon(self) -> bool:
        """Nobody waits any more: end what is under way. Returns whether the request may have left."""
        with self._lock:
            self._abandoned = True
            if self._socket is not None:
                # It may be over already. Past the TLS layer: that one is not made for two threads.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            return self._begun

    def _connect(self) -> None:
        if self._abandoned:
            raise NotReached("given up")
        try:
            self._connection.connect()
        except (OSError, http.client.HTTPException) as error:
            raise NotReached(type(error).__name__) from None

    def _talk(self) -> HttpAnswer:
        with self._lock:
            if self._abandoned:
                raise NotReached("given up")
            self._begun = True
            self._socket = cast(socket.socket, self._connection.sock)
            self._socket.settimeout(self._seconds)
        try:
            self._connection.request(self._method, self._target, self._body, self._headers)
            response = self._connection.getresponse()
            body = response.read(LONGEST_ANSWER + 1)
        except (OSError, http.client.HTTPException) as error:
            raise NoAnswer(type(error).__name__) from None
        if len(body) > LONGEST_ANSWER:
            raise NoAnswer("the answer is too long")
        return HttpAnswer(
            status=response.status,
            body=body,
            retry_after=response.getheader("Retry-After", "").strip() or None,
        )
