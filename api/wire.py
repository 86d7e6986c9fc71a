"""HTTP/1.1 as it comes off the wire: uvicorn's protocol, with bounds on what is not yet a request.

The parser would collect a head of any size in memory, from anybody, and wait for its end for ever. And what cannot be
read as HTTP never reaches the application, so its coded refusal is written here.
"""

import asyncio
from collections.abc import Iterator
from enum import Enum
from http import HTTPStatus
from typing import Final

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.envelope import ErrorBody, FailureBody
from api.errors import JSON
from infrastructure.identity import new_id

HEAD_BYTES_MAXIMUM: Final = 64 * 1024
"""How much may come in a row that brings a request no further: request line, headers, trailers, extensions of chunks.

What the kernel hands over at once (some hundred KiB at most) is looked at as one piece.
"""

HEAD_SECONDS: Final = 20.0
"""In which a head must come, from its first byte."""

BODY_SECONDS: Final = 30.0
BODY_BYTES_PER_SECOND: Final = 1024
"""A body must come in so many seconds and one more for each so many bytes: a slow line is no attack, a trickle is."""

READING_SECONDS: Final = 60.0
"""For how long a client may take nothing of its answer."""

_UPGRADE: Final = frozenset({b"upgrade", b"http2-settings"})


class _Part(Enum):
    """What of a request is still to come."""

    HEAD = "head"
    BODY = "body"


class _Refused(Exception):
    """A head that the parser has no objections to."""


class WireProtocol(HttpToolsProtocol):
    """One connection."""

    _leading_nowhere = 0
    _missing: _Part | None = None
    _since = 0.0
    _body_bytes = 0
    _clock: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None
    _deaf = False
    _plain_head: bytes | None = None
    _objection = ""

    # --- the connection ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Somebody has come; who says nothing is not waited for longer than for a next request."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Somebody has gone."""
        for timer in (self._clock, self._reading, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes nothing at the moment."""
        super().pause_writing()
        if self._reading is None:
            self._reading = self.loop.call_later(READING_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    # --- what comes ----------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Read on, unless the client sends and sends and no request comes of it."""
        if self._deaf:
            return
        self._leading_nowhere += len(data)
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self.logger.info("Invalid HTTP request received.")
            self._refuse(400, "VALIDATION_ERROR", self._objection or "This cannot be read as HTTP/1.1.")
            return
        if self._leading_nowhere > HEAD_BYTES_MAXIMUM and not self.transport.is_closing():
            self._refuse(431, "REQUEST_HEAD_TOO_LARGE", "The head of the request is too large.")
        elif self._missing is not None:
            self._unset_keepalive_if_required()
            if self._clock is None:
                self._clock = self.loop.call_later(self._seconds_left(), self._look_at_the_clock)

    def _feed(self, data: bytes) -> None:
        """Parse; a wish for another protocol is passed over, as a server may (RFC 9110 §7.8).

        The parser takes no body after such a wish, though clients send one: Java's with every first request. So the head
        is parsed anew without it.
        """
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as wish:
                head, self._plain_head = self._plain_head, None
                if head is None:
                    # CONNECT, which was refused; what follows would be for somebody else.
                    self._deaf = True
                    return
                self.parser = httptools.HttpRequestParser(self)
                data = head + data[wish.args[0] :]
            else:
                return

    def on_message_begin(self) -> None:
        """A head begins."""
        self._expect(_Part.HEAD)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head has come to its end."""
        self._leading_nowhere = 0
        method = self.parser.get_method()
        if method != b"CONNECT" and self.parser.should_upgrade():
            self._plain_head = b"".join(self._without_upgrade(method))
            return
        self._check_head()
        self._unset_keepalive_if_required()
        self._expect(_Part.BODY)
        super().on_headers_complete()
        if method == b"CONNECT":
            self.cycle.keep_alive = False

    def _without_upgrade(self, method: bytes) -> Iterator[bytes]:
        yield b"%s %s HTTP/%s\r\n" % (method, self.url, self.parser.get_http_version().encode())
        for name, value in self.headers:
            if name == b"connection":
                tokens = [each.strip() for each in value.split(b",")]
                yield b"connection: %s\r\n" % b",".join(
                    each for each in tokens if each.lower() not in _UPGRADE
                )
            elif name not in _UPGRADE:
                yield b"%s: %s\r\n" % (name, value)
        yield b"\r\n"

    def _check_head(self) -> None:
        """What HTTP/1.1 asks of a head beyond its grammar (RFC 9112 §2.3, §3.2, §6.1)."""
        version = self.parser.get_http_version()
        hosts = 0
        codings = []
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding":
                codings.append(value.lower())
        if version not in {"1.1", "1.0"}:
            self._objection = "Use HTTP/1.1."
        elif hosts > 1 or (not hosts and version == "1.1"):
            self._objection = "A request has one Host header."
        elif codings and (codings != [b"chunked"] or version == "1.0"):
            self._objection = "The transfer coding of a body is chunked, or none."
        else:
            return
        raise _Refused

    def on_body(self, body: bytes) -> None:
        """A piece of a body; how large that may get is for the route to say."""
        self._leading_nowhere = 0
        if not self.cycle.response_complete:
            self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request has come to its end."""
        if self._plain_head is not None:
            return
        self._leading_nowhere = 0
        self._missing = None
        super().on_message_complete()

    # --- time ----------------------------------------------------------------------------------------------

    def _expect(self, part: _Part) -> None:
        self._missing = part
        self._since = self.loop.time()
        self._body_bytes = 0

    def _seconds_left(self) -> float:
        allowed = HEAD_SECONDS
        if self._missing is _Part.BODY:
            allowed = BODY_SECONDS + self._body_bytes / BODY_BYTES_PER_SECOND
        return self._since + allowed - self.loop.time()

    def _look_at_the_clock(self) -> None:
        """Whoever promised a request and does not send it is waited for no longer."""
        self._clock = None
        if self._missing is None or self.transport.is_closing():
            return
        if self.flow.read_paused:
            self._since = self.loop.time()  # It is we who do not take it.
        left = self._seconds_left()
        if left > 0:
            self._clock = self.loop.call_later(left, self._look_at_the_clock)
        elif self._missing is _Part.BODY and self.cycle.response_complete:
            self.transport.close()
        else:
            self._refuse(408, "REQUEST_TIMEOUT", "The request did not come in time.")

    # --- refusing ------------------------------------------------------------------------------------------

    def _refuse(self, status: int, code: str, message: str) -> None:
        """Say what is wrong, once all that came before is answered, and listen no more."""
        self._deaf = True
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            if self._missing is not _Part.BODY:
                # An earlier request is being answered: nothing may be written in between.
                cycle.keep_alive = False
                return
            if cycle.response_started or self.pipeline:
                self.transport.close()
                return
            # It is this one's own body; the application learns that the rest will never come.
            cycle.disconnected = True
            cycle.message_event.set()
        error = ErrorBody(code=code, message=message, request_id=str(new_id()))
        body = msgspec.json.encode(FailureBody(error=error))
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: {JSON}\r\n"
            f"content-length: {len(body)}\r\ncache-control: no-store\r\n"
            "x-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()
