"""A strict little HTTP/1.1 server on the loopback address, for stand-ins of providers."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec


class Asked(msgspec.Struct, frozen=True):
    """One request; names of headers are lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def form(self) -> dict[str, str] | None:
        """The fields of the body, `None` when it is no form."""
        if self.headers.get("content-type") != "application/x-www-form-urlencoded":
            return None
        pairs = parse_qsl(self.body.decode(), keep_blank_values=True, strict_parsing=bool(self.body))
        assert len(dict(pairs)) == len(pairs), "a field came twice"
        return dict(pairs)


class Told(msgspec.Struct, frozen=True):
    """What is answered: something as JSON, or bytes as they are."""

    status: int
    body: Any = None
    headers: dict[str, str] = {}
    cut_after: int | None = None
    """After so many bytes of the body the connection ends."""


class HangUp(Exception):
    """End the connection without an answer."""


Answering = Callable[[Asked], Awaitable[Told]]


@asynccontextmanager
async def listening(answer: Answering) -> AsyncIterator[str]:
    """Serve until the end of the context; gives the base address. What a handler fails at is a 500, and told at the end."""
    failures: list[BaseException] = []
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await _talk(reader, writer, answer, failures)
        except asyncio.CancelledError:
            pass  # The end of the context; asyncio's streams would complain of a cancelled task (Python 3.11).
        finally:
            talks.discard(task)
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await server.wait_closed()
    if failures:
        raise AssertionError("the stand-in was asked wrongly") from failures[0]


async def _talk(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    answer: Answering,
    failures: list[BaseException],
) -> None:
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, HangUp):
        asked = await _read(reader)
        try:
            told = await answer(asked)
        except (HangUp, asyncio.CancelledError):
            raise
        except Exception as error:
            failures.append(error)
            told = Told(500, {"message": "the stand-in was asked wrongly"})
        body = told.body if isinstance(told.body, bytes) else json.dumps(told.body).encode()
        headers = {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **told.headers,
        }
        head = f"HTTP/1.1 {told.status} {HTTPStatus(told.status).phrase}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(head.encode() + b"\r\n" + body[: told.cut_after])
        await writer.drain()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii").split("\r\n")
    method, target, version = head[0].split(" ")
    assert version == "HTTP/1.1"
    headers: dict[str, str] = {}
    for line in head[1:-2]:
        name, _, value = line.partition(":")
        assert name.lower() not in headers, f"{name} came twice"
        headers[name.lower()] = value.strip()
    assert "host" in headers
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Asked(method, parts.path, dict(parse_qsl(parts.query)), headers, body)
