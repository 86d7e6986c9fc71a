"""Where a running installation could have left a secret: everything that it writes, keeps, sends and says.

`Secrets` is what must not be found, in any of the spellings in which a program might have written it; `everything` is where it is
looked for. Whoever adds a flow with a secret of its own (a code, a key, a link) keeps that in `Secrets` in a step of
`test_no_secret_leaks`.
"""

import base64
import hashlib
import re
import urllib.parse
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
import psycopg
from psycopg import sql
from redis.asyncio import Redis

from infrastructure.embedded import processes
from infrastructure.messaging.connection import connected
from tests.journeys.outages import Marketplace
from tests.journeys.serving import family
from tests.support.http import Answer, HttpClient

SHORTEST: Final = 8
"""Anything shorter would be found by chance."""


class Found(msgspec.Struct, frozen=True, order=True):
    """Which secret was found where; never the secret itself."""

    place: str
    secret: str


class Place(msgspec.Struct, frozen=True):
    """Something that was written down. `told` is whether it was told to the very person whose secret it may hold."""

    name: str
    content: bytes
    told: bool = False

    def __repr__(self) -> str:
        """Without what is there: a failed test is read by many."""
        return f"Place({self.name!r}, {len(self.content)} bytes)"


class Secrets:
    """What must not be found."""

    def __init__(self) -> None:
        """Nothing yet."""
        self._spellings: dict[bytes, str] = {}
        self._codes: dict[re.Pattern[bytes], str] = {}
        self._given: set[str] = set()

    def keep(self, name: str, value: str) -> str:
        """A secret that the house must never repeat: a password, a key of the settings."""
        assert len(value) >= SHORTEST, f"{name} is too short to be searched for"
        for spelling in spellings(value) | digests(value):
            self._spellings[spelling] = name
        return value

    def given(self, name: str, value: str) -> str:
        """A secret that the house itself gives to somebody, and to nobody else: a token, a code, an API key."""
        assert len(value) >= SHORTEST, f"{name} is too short to be searched for"
        self._given.add(name)
        for spelling in spellings(value):
            self._spellings[spelling] = name
        return value

    def token(self, name: str, value: str) -> str:
        """A signed token; its signature alone is as bad a find as the whole."""
        self.given(name, value)
        self.given(f"the signature of {name}", value.rpartition(".")[2])
        return value

    def code(self, name: str, value: str) -> str:
        """A one-time code: so few digits that they are looked for as a number of their own, not as a part of another."""
        self._given.add(name)
        self._codes[re.compile(rb"(?<![0-9.])" + value.encode() + rb"(?![0-9])")] = name
        return value

    def found_in(self, place: Place) -> set[Found]:
        """Which of them stand there."""
        names = {name for spelling, name in self._spellings.items() if spelling in place.content}
        names |= {name for number, name in self._codes.items() if number.search(place.content)}
        return {Found(place.name, name) for name in names if not (place.told and name in self._given)}


def spellings(value: str) -> set[bytes]:
    """A text as it is, and as it stands in JSON, in a URL, in hexadecimal, and within base64 of something longer."""
    plain = value.encode()
    quoted = urllib.parse.quote(value, safe="").encode()
    found = {plain, msgspec.json.encode(value)[1:-1], quoted, urllib.parse.quote_plus(value).encode()}
    found |= {plain.hex().encode(), plain.hex().upper().encode()}
    for offset in range(3):
        # The first and the last characters depend on what stands around it.
        shifted = bytes(offset) + plain
        cut = shifted[: len(shifted) // 3 * 3]
        for encoded in (base64.b64encode(cut), base64.urlsafe_b64encode(cut)):
            found.add(encoded[4 if offset else 0 :])
    return {each for each in found if len(each) >= SHORTEST}


def digests(value: str) -> set[bytes]:
    """What anybody can make of it without a key, and so could guess it by."""
    found: set[bytes] = set()
    for name in ("md5", "sha1", "sha256", "sha512"):
        digest = hashlib.new(name, value.encode()).digest()
        found |= {digest, digest.hex().encode(), base64.b64encode(digest).rstrip(b"=")}
    return found


class Recording(HttpClient):
    """A client that remembers every answer."""

    def __init__(self, url: str, **options: Any) -> None:
        """As `HttpClient`."""
        super().__init__(url, **options)
        self.answers: list[tuple[str, Answer]] = []

    async def request(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """As `HttpClient`."""
        answer = await super().request(method, path, body, **options)
        self.answers.append((f"{method} {path.partition('?')[0]}", answer))
        return answer


async def everything(market: Marketplace, http: Recording) -> AsyncIterator[Place]:
    """Every place, with all that is there now."""
    for asked, answer in http.answers:
        content = repr(answer.headers).encode() + answer.body
        # Staff who look into the log are not those whose secrets it might hold.
        told = answer.status < 400 and "/admin/audit/" not in asked
        yield Place(f"answer {answer.status} to {asked}", content, told=told)
    for path in ("/health", "/health/detailed", "/metrics", "/api/v1/schema", "/api/v1/nowhere"):
        answer = await http.get(path)
        yield Place(f"answer to {path}", answer.body)
    for log in sorted(market.folder.glob("*.log")):
        yield Place(f"log {log.name}", log.read_bytes())
    for name, process in market.daftar.processes.items():
        for member in family(process.pid):
            yield Place(f"command line of {name}", processes.command_line(member.pid).encode())
    for mail in market.mailbox.mails():
        yield Place(f"mail {mail['Subject']}", mail.as_bytes() + _decoded(mail), told=True)
    async for place in tables(market):
        yield place
    async for place in streams(market):
        yield place
    async for place in keys(market.redis):
        yield place


async def tables(market: Marketplace) -> AsyncIterator[Place]:
    """Every table of the database, bytes as they are."""
    url = market.daftar.environment["DATABASE_URL"]
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute(
            "SELECT schemaname, tablename FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY schemaname, tablename"
        )
        for schema, table in await found.fetchall():
            statement = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(sql.Identifier(schema, table))
            async with connection.cursor() as cursor, cursor.copy(statement) as copy:
                yield Place(f"table {table}", b"".join([bytes(piece) async for piece in copy]))


async def streams(market: Marketplace) -> AsyncIterator[Place]:
    """Every message of every JetStream stream of the installation, with its subject and headers."""
    nats_url = market.servers.urls.nats_url
    assert nats_url is not None
    prefix = market.daftar.environment["NATS_PREFIX"].upper()
    async with connected(nats_url, name="test") as broker:
        for stream in await broker.jetstream.streams_info():
            name = stream.config.name
            assert name is not None
            if not name.startswith(prefix):
                continue
            written = b""
            for number in range(max(1, stream.state.first_seq), stream.state.last_seq + 1):
                message = await broker.jetstream.get_msg(name, number)
                written += repr((message.subject, message.headers)).encode() + (message.data or b"") + b"\n"
            yield Place(f"stream {name.removeprefix(prefix)}", written)


async def keys(redis: Redis) -> AsyncIterator[Place]:
    """Every key of Redis with what it holds."""
    readers: dict[bytes, Any] = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"set": redis.smembers,
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"zset": lambda key: redis.zrange(key, 0, -1),
    }
    async for key in redis.scan_iter():
        held = await readers[await redis.type(key)](key)
        content = held if isinstance(held, bytes) else repr(held).encode()
        yield Place(f"redis {key.rpartition(b':')[0].decode()}", key + b"\n" + (content or b""))


def _decoded(mail: Any) -> bytes:
    parts = (part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart())
    return b"\n".join(part for part in parts if isinstance(part, bytes))
