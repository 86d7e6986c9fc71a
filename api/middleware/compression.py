"""Answers in gzip for those who take it (requirements SEC-22); never event streams or what is compressed already."""

import asyncio
import gzip
import re
import zlib
from functools import lru_cache
from typing import Any, Final

from litestar.types import Message, Send

SMALLEST: Final = 1024
"""Smaller bodies are sent as they are: a packet is a packet."""

LEVEL: Final = 5
_ASIDE: Final = 128 * 1024
"""Larger bodies are compressed in a thread, so that others are answered meanwhile."""

_TYPES: Final = re.compile(
    rb"text/(?!event-stream)|application/(?:json|javascript|xml|x-ndjson|[\w.-]+\+(?:json|xml))|image/svg\+xml"
)
_GZIP: Final = re.compile(
    r"(?:^|,)\s*(?:gzip|x-gzip|(\*))\s*(?:;\s*q\s*=\s*([0-9.]+))?\s*(?=,|$)", re.IGNORECASE
)


@lru_cache(maxsize=512)
def accepts_gzip(accept_encoding: bytes) -> bool:
    """Whether `Accept-Encoding` allows gzip; what it says of gzip goes before what it says of everything (`*`)."""
    allowed: dict[bool, bool] = {}
    for star, quality in _GZIP.findall(accept_encoding.decode("latin-1")):
        try:
            allowed[bool(star)] = float(quality or 1) > 0
        except ValueError:
            allowed[bool(star)] = False
    return allowed.get(False, allowed.get(True, False))


class Compressed:
    """The sending side of one answer whose client takes gzip; it decides by the first messages whether to compress."""

    __slots__ = ("_compressor", "_decided", "_held", "_send")

    def __init__(self, send: Send) -> None:
        """Sends on what is fit to be sent."""
        self._send = send
        self._held: dict[str, Any] | None = None
        self._compressor: Any = None
        self._decided = False

    async def __call__(self, message: Message) -> None:
        """Take one message of the answer."""
        kind = message["type"]
        if kind == "http.response.start":
            start: dict[str, Any] = message  # type: ignore[assignment]
            if _worth_it(start):
                self._held = start
            else:
                self._decided = True
                await self._send(message)
        elif kind != "http.response.body" or (self._decided and self._compressor is None):
            await self._send(message)
        else:
            await self._body(message)  # type: ignore[arg-type]  # a body message is a dict

    async def _body(self, message: dict[str, Any]) -> None:
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        held, self._held = self._held, None
        if held is not None:
            self._decided = True
            if not more:
                await self._whole(held, message, body)
                return
            self._compressor = zlib.compressobj(LEVEL, wbits=31)
            await self._send(_gzipped(held, None))  # type: ignore[arg-type]
        piece = self._compressor.compress(body)
        # What was produced so far must reach the reader now: more may come much later.
        piece += self._compressor.flush(zlib.Z_SYNC_FLUSH if more else zlib.Z_FINISH)
        await self._send({"type": "http.response.body", "body": piece, "more_body": more})

    async def _whole(self, start: dict[str, Any], message: dict[str, Any], body: bytes) -> None:
        if len(body) >= SMALLEST:
            if len(body) > _ASIDE:
                body = await asyncio.to_thread(gzip.compress, body, LEVEL, mtime=0)
            else:
                body = gzip.compress(body, LEVEL, mtime=0)
            start = _gzipped(start, len(body))
            message = {"type": "http.response.body", "body": body, "more_body": False}
        await self._send(start)  # type: ignore[arg-type]
        await self._send(message)  # type: ignore[arg-type]


def _worth_it(start: dict[str, Any]) -> bool:
    if start["status"] < 200 or start["status"] in {204, 206, 304}:
        return False
    headers = dict(start["headers"])
    length = headers.get(b"content-length")
    return (
        b"content-encoding" not in headers
        and b"content-range" not in headers
        and _TYPES.match(headers.get(b"content-type", b"").lower()) is not None
        and b"no-transform" not in headers.get(b"cache-control", b"")
        and (length is None or int(length) >= SMALLEST)
    )


def _gzipped(start: dict[str, Any], length: int | None) -> dict[str, Any]:
    headers = []
    for name, value in start["headers"]:
        if name == b"content-length":
            continue
        if name == b"etag" and value.endswith(b'"') and not value.startswith(b"W/"):
            # A strong tag names these very bytes; If-Match takes both forms (RFC 9110 §8.8.3).
            headers.append((name, value[:-1] + b'-gzip"'))
        else:
            headers.append((name, value))
    headers.append((b"content-encoding", b"gzip"))
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return {**start, "headers": headers}
