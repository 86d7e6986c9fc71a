"""Questions that show whether a server does its work: each asks once, briefly, and answers yes or no."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from urllib.parse import urlsplit

import psycopg

PROBE_SECONDS = 2.0
"""How long one question may take; a server that is slower than this isn't well."""


async def asked(question: Callable[[], Awaitable[bool]] | str) -> bool:
    """Ask once; an address that refuses, breaks off or is too slow counts as no."""
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await (http_answers(question) if isinstance(question, str) else question())
    except (OSError, EOFError, ValueError):
        return False


def http_address(url: str) -> tuple[str, int, str]:
    """Host, port and target of a health URL.

    Raises:
        ValueError: it isn't a plain `http:` URL.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or not url.isascii():
        raise ValueError(f"A health URL begins with http:// and names a host: {url!r}.")
    return parts.hostname, parts.port or 80, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


async def http_answers(url: str, *, containing: bytes = b"") -> bool:
    """Whether an `http:` URL answers with a status from 200 to 299, and a text that contains the given one."""
    host, port, target = http_address(url)
    request = f"GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    read = asyncio.StreamReader.read if containing else asyncio.StreamReader.readline
    answer = await _answer(host, port, request.encode("ascii"), read)
    words = answer.split(maxsplit=2)
    well = len(words) >= 2 and words[0].startswith(b"HTTP/") and words[1][:1] == b"2"
    return well and containing in answer


async def smtp_greets(port: int) -> bool:
    """Whether a mail server on this machine says 220."""
    return (await _answer("127.0.0.1", port, b"", asyncio.StreamReader.readline)).startswith(b"220")


async def redis_answers(port: int, password: str) -> bool:
    """Whether a Redis or Valkey on this machine takes the password and has finished loading its data."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"AUTH {password}\r\nPING\r\n".encode("ascii"))
        await writer.drain()
        return await reader.readline() == b"+OK\r\n" and await reader.readline() == b"+PONG\r\n"
    finally:
        await _closed(writer)


async def postgres_answers(conninfo: str) -> bool:
    """Whether a PostgreSQL server lets us in and computes."""
    try:
        async with await psycopg.AsyncConnection.connect(
            conninfo, connect_timeout=int(PROBE_SECONDS)
        ) as connection:
            cursor = await connection.execute("SELECT 1")
            return await cursor.fetchone() == (1,)
    except psycopg.Error:
        return False


async def _answer(
    host: str, port: int, request: bytes, read: Callable[[asyncio.StreamReader], Awaitable[bytes]]
) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        await writer.drain()
        return await read(reader)
    finally:
        await _closed(writer)


async def _closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    # The answer is already read, or was refused: how the connection ended tells nothing more.
    with suppress(OSError):
        await writer.wait_closed()
