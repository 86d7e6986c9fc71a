"""HTTP/1.1 and WebSockets as they come off the wire: uvicorn's protocols, with bounds on what is not yet a request.

The parser would collect a head of any size in memory, from anybody, and wait for its end for ever. And what cannot be
read as HTTP never reaches the application, so its coded refusal is written here.
"""

import asyncio
import logging
import re
from collections.abc import Iterator
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from api.allowance import Allowance
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

FRAME_BYTES_MAXIMUM: Final = 64 * 1024
"""How long a message over a WebSocket may be; a longer one ends the connection with 1009."""

PIECES_MAXIMUM: Final = 1_000
"""In how many frames a message may come."""

HEARING_SECONDS: Final = 10.0
"""For how long a client may take nothing of what is said over a WebSocket, where all is short."""

PINGS_AT_ONCE: Final = 20
PINGS_A_SECOND: Final = 1.0
"""How often a client may ask whether we are there."""

PING_SECONDS: Final = 20.0
"""How often whoever is at the other end of a WebSocket is asked whether they are there, and how long they may take to say so."""

_LINES_MAXIMUM: Final = 100
_LINE_BYTES_MAXIMUM: Final = 7_500
"""What the library reads of a handshake: 128 lines of 8192 bytes."""

_HANDSHAKE_KEY: Final = re.compile(rb"[A-Za-z0-9+/]{21}[AQgw]==")
"""16 bytes in base64."""

_BODY_HEADERS: Final = frozenset({b"content-length", b"transfer-encoding"})
_UPGRADE: Final = frozenset({b"upgrade", b"http2-settings"})


class _Part(Enum):
    """What of a request is still to come."""

    HEAD = "head"
    BODY = "body"


class _Refused(Exception):
    """A head that the parser has no objections to."""


class _ShortOfPatience(asyncio.Protocol):
    """Leaves a client that takes nothing."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport
    _reading: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """Somebody has gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client takes nothing at the moment. Closing would wait for it, and for whoever answers no ping as well."""
        super().pause_writing()
        if self._reading is None:
            self._reading = self.loop.call_later(self._patience(), self.transport.abort)

    def resume_writing(self) -> None:
        """It does again."""
        super().resume_writing()
        self._stop_waiting()

    def _patience(self) -> float:
        return READING_SECONDS

    def _stop_waiting(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None


class WireProtocol(_ShortOfPatience, HttpToolsProtocol):
    """One connection."""

    _leading_nowhere = 0
    _missing: _Part | None = None
    _since = 0.0
    _body_bytes = 0
    _clock: asyncio.TimerHandle | None = None
    _deaf = False
    _plain_head: bytes | None = None
    _switching = False
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
        for timer in (self._clock, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

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
        """Parse; a wish for a WebSocket is granted, one for another protocol passed over, as a server may (RFC 9110 §7.8).

        The parser takes no body after such a wish, though clients send one: Java's with every first request. So the head
        is parsed anew without it.
        """
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as wish:
                if self._switching:
                    self._switch()
                    return
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
            if not self._wishes_socket(method):
                self._plain_head = b"".join(self._without_upgrade(method))
                return
            self._switching = True
        self._check_head()
        self._unset_keepalive_if_required()
        self._expect(_Part.BODY)
        super().on_headers_complete()
        if method == b"CONNECT":
            self.cycle.keep_alive = False

    def _wishes_socket(self, method: bytes) -> bool:
        """Whether a WebSocket is wished for in due form (RFC 6455 §4.2.1), and can be had: not while an earlier request is
        being answered, and not with a longer head than the other protocol reads. Else the wish is passed over as any other.
        """
        if (
            self.ws_protocol_class is None
            or method != b"GET"
            or self._get_upgrade() != b"websocket"
            or self.parser.get_http_version() != "1.1"
            or not (self.cycle is None or self.cycle.response_complete)
            or not self.url.isascii()
            or len(self.headers) > _LINES_MAXIMUM
            or any(
                len(line) > _LINE_BYTES_MAXIMUM for line in (self.url, *(value for _, value in self.headers))
            )
        ):
            return False
        headers = dict(self.headers)
        key = headers.get(b"sec-websocket-key", b"")
        return (
            _HANDSHAKE_KEY.fullmatch(key) is not None
            and headers.get(b"sec-websocket-version") == b"13"
            and _BODY_HEADERS.isdisjoint(headers)
        )

    def _should_upgrade(self) -> bool:
        """Asked by the base class after each head."""
        return self._switching

    def _switch(self) -> None:
        """Leave the connection to the other protocol. A client says nothing more before that has greeted it."""
        self._missing = None
        for timer in (self._clock, self.timeout_keep_alive_task):
            if timer is not None:
                timer.cancel()
        self._clock = self.timeout_keep_alive_task = None
        self._stop_waiting()
        self.handle_websocket_upgrade()

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
        if self._plain_head is not None or self._switching:
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


class WireSocket(_ShortOfPatience, WebSocketsSansIOProtocol):
    """One WebSocket, from its handshake on."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As the base class, which would tell the log of addresses with their queries, and of frames with their tokens."""
        super().__init__(*arguments, **options)
        self.logger = self.conn.logger = _quiet
        self.conn.debug = False
        self._pings = Allowance(at_once=PINGS_AT_ONCE, a_second=PINGS_A_SECOND, now=self.loop.time())

    def data_received(self, data: bytes) -> None:
        """Read on; nobody is left waiting whose handshake cannot be read."""
        super().data_received(data)
        if not self.handshake_initiated and self.conn.handshake_exc is not None:
            self.transport.close()

    def _patience(self) -> float:
        return HEARING_SECONDS

    async def send(self, message: Any) -> None:
        """As the base class; to a connection that the wire has given up, nothing can be said any more."""
        if self.close_sent and message["type"] in {"websocket.send", "websocket.close"}:
            raise ClientDisconnected
        await super().send(message)

    def handle_ping(self) -> None:
        """Answer, but neither those who take no answer nor those who ask without end: each answer waits in memory."""
        if not self._pings.take(self.loop.time()) or not self.writable.is_set():
            self.transport.abort()
            return
        super().handle_ping()

    def handle_cont(self, event: Frame) -> None:
        """Take a piece of a message. Empty ones make it no longer, so that the library would take them without end."""
        super().handle_cont(event)
        if len(self.frames) > PIECES_MAXIMUM:
            self.conn.fail(CloseCode.MESSAGE_TOO_BIG, "too many pieces")
            self.handle_parser_exception()


_quiet: Final = logging.getLogger("daftar.sockets")
_quiet.setLevel(logging.CRITICAL)  # What it would tell of is what a client has sent.
