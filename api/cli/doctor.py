"""What is configured, reachable, lagging or insecure: one look at everything that an operator would look at."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from urllib.parse import urlsplit

import click
import msgspec
import psycopg
import urllib3
from minio import Minio
from minio.error import MinioException
from nats.js import JetStreamContext
from nats.js.errors import NotFoundError
from psycopg import errors

from api.cli.environment import machinery
from api.cli.output import (
    EXIT_REFUSED,
    count,
    expecting_failures,
    first_line,
    json_option,
    print_json,
    printable,
)
from api.cli.projections import ReadModel, look
from infrastructure.bootstrap import Machinery
from infrastructure.cache.redis import connect as connect_redis
from infrastructure.event_store.log import PostgresLog
from infrastructure.event_store.rotation import sealed_by_key
from infrastructure.messaging.connection import NatsAway, connected
from infrastructure.messaging.publisher import PUBLISHER
from infrastructure.messaging.streams import DAFTAR
from infrastructure.migrations.migrate import available
from infrastructure.reachable import mail_answers
from infrastructure.settings import Settings

OLDEST_SERVER: Final = 150000
"""PostgreSQL 15 (design §9)."""

BEHIND_SECONDS: Final = 30
"""Whoever has events to take and has not moved for so long stands still."""

BEHIND_EVENTS: Final = 10_000
"""Whoever is so many events behind is slow, though moving."""

PATIENCE_SECONDS: Final = 10.0
"""For each server; the count of all events has its own time."""

COUNT_SECONDS: Final = 300


class Health(StrEnum):
    """How something is. Only `wrong` makes the exit code 1."""

    OK = "ok"
    DOUBTFUL = "doubtful"
    WRONG = "wrong"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at, and a sentence about it."""

    about: str
    health: Health
    says: str


def ok(about: str, says: str) -> Finding:
    """Nothing to do."""
    return Finding(about=about, health=Health.OK, says=says)


def doubtful(about: str, says: str) -> Finding:
    """Somebody should know."""
    return Finding(about=about, health=Health.DOUBTFUL, says=says)


def wrong(about: str, says: str) -> Finding:
    """Somebody must act."""
    return Finding(about=about, health=Health.WRONG, says=says)


@click.command()
@json_option
@expecting_failures
def doctor(*, as_json: bool) -> None:
    """Look at settings, servers, the log, read models and the publisher; exit with 1 when something is wrong.

    It changes nothing. On a large log, counting its events takes a while.

    \b
    Example:
      daftar doctor
      daftar doctor --json | jq '.findings[] | select(.health != "ok")'
    """
    tools = machinery()
    findings = examine(tools)
    healthy = all(finding.health is not Health.WRONG for finding in findings)
    if as_json:
        print_json({"healthy": healthy, "findings": findings})
    else:
        for finding in findings:
            click.echo(f"{finding.health.value:<8}  {finding.about:<18}  {printable(finding.says)}")
    if not healthy:
        sys.exit(EXIT_REFUSED)


def examine(tools: Machinery) -> list[Finding]:
    """Everything, in the order in which one would look; servers all at once."""
    servers = asyncio.run(_servers(tools.settings))
    return [*settings_findings(tools.settings), *_database(tools), *servers]


# --- settings ----------------------------------------------------------------------------------------------


def settings_findings(settings: Settings) -> Iterator[Finding]:
    """What was doubtful when the settings were read, and what they leave open."""
    yield ok("settings", f"environment {settings.environment.value}")
    for warning in settings.warnings:
        yield doubtful("settings", str(warning))
    if not settings.limits.enabled:
        yield doubtful("settings", "RATE_LIMIT_ENABLED is off: passwords can be guessed at any speed")
    if settings.payments.sandbox and not settings.in_production:
        yield ok("payments", "the sandbox is on: orders can be paid without money")
    if settings.passwords.bcrypt_rounds < 10:
        yield doubtful("settings", "BCRYPT_ROUNDS is below 10: stolen hashes of passwords are cheap to try")


# --- the database ------------------------------------------------------------------------------------------


def _database(tools: Machinery) -> Iterator[Finding]:
    try:
        with tools.connect(name="daftar-doctor") as connection:
            connection.execute("SELECT set_config('statement_timeout', %s, false)", (f"{COUNT_SECONDS}s",))
            yield _server_version(connection)
            schema = _schema(connection)
            yield schema
            if schema.health is Health.WRONG:
                return
            yield _gaps(connection)
            yield _keys(tools, connection)
            yield from _read_models(tools, connection)
            yield _publisher(connection)
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        yield wrong("postgres", first_line(error))


def _server_version(connection: psycopg.Connection[Any]) -> Finding:
    number = connection.info.server_version
    says = f"PostgreSQL {number // 10_000}.{number % 10_000}"
    if number < OLDEST_SERVER:
        return wrong("postgres", f"{says}; {OLDEST_SERVER // 10_000} or newer is needed")
    return ok("postgres", says)


def _schema(connection: psycopg.Connection[Any]) -> Finding:
    needed = {number: name for number, name, _ in available()}
    try:
        done = {int(row[0]) for row in connection.execute("SELECT number FROM schema_migrations").fetchall()}
    except errors.UndefinedTable:
        return wrong("schema", "there is none: run `daftar migrate`")
    missing = [name for number, name in needed.items() if number not in done]
    if missing:
        return wrong("schema", f"{', '.join(missing)} not applied: run `daftar migrate`")
    unknown = done - needed.keys()
    if unknown:
        return doubtful("schema", f"newer than this program: migration {max(unknown)}")
    return ok("schema", f"version {max(needed)}")


def _keys(tools: Machinery, connection: psycopg.Connection[Any]) -> Finding:
    found = sealed_by_key(connection, tools.wrapper)
    lost = sum(each.data_keys for each in found if not each.known)
    if lost:
        return wrong(
            "keys", f"the data of {count(lost)} people is sealed by an ENCRYPTION_KEY that is not here"
        )
    old = sum(each.data_keys + each.answers for each in found if not each.current)
    if old:
        return doubtful(
            "keys", f"{count(old)} still sealed by a previous ENCRYPTION_KEY: `daftar keys rotate`"
        )
    return ok(
        "keys", f"{count(sum(each.data_keys for each in found))} people, all by the current ENCRYPTION_KEY"
    )


def _gaps(connection: psycopg.Connection[Any]) -> Finding:
    row = connection.execute(
        """
        SELECT (SELECT position FROM log_head), count(*), coalesce(max(notification_id), 0)
        FROM stored_events
        """
    ).fetchone()
    if row is None or row[0] is None:
        return wrong("log", "its head is missing: the database was restored in part")
    head, found, newest = (int(value) for value in row)
    if head != found or head != newest:
        return wrong("log", f"it has {count(found)} events up to position {newest}, its head says {head}")
    return ok("log", f"{count(head)} events without a gap")


def _read_models(tools: Machinery, connection: psycopg.Connection[Any]) -> Iterator[Finding]:
    history: PostgresLog = tools.open_log(name="daftar-doctor")
    try:
        for model in look(history, connection):
            yield _read_model(model)
    except errors.UndefinedTable:
        yield wrong("read models", "there are none: run `daftar migrate`")
    finally:
        history.close()


def _read_model(model: ReadModel) -> Finding:
    about = f"read {model.name}"
    if model.generation is None:
        return wrong(about, "missing: run `daftar migrate`")
    if model.outdated:
        return wrong(about, "has an old shape: run `daftar migrate`")
    return _progress(about, model.lag, model.updated_at, role="projector")


def _publisher(connection: psycopg.Connection[Any]) -> Finding:
    row = connection.execute(
        """
        SELECT (SELECT position FROM log_head), position, updated_at
        FROM publisher_positions
        WHERE publisher = %s
        """,
        (PUBLISHER,),
    ).fetchone()
    if row is None:
        return doubtful("publisher", "has never run: no workflow gets any event")
    return _progress("publisher", row[0] - row[1], row[2], role="publisher")


def _progress(about: str, lag: int, updated_at: datetime | None, *, role: str) -> Finding:
    if lag <= 0:
        return ok(about, "up to date")
    says = f"{count(lag)} events behind"
    if updated_at is None or datetime.now(UTC) - updated_at > timedelta(seconds=BEHIND_SECONDS):
        return wrong(about, f"{says} and standing still: is the role {role} running?")
    return doubtful(about, says) if lag > BEHIND_EVENTS else ok(about, says)


# --- other servers -----------------------------------------------------------------------------------------

Look = Callable[[], Awaitable[Finding]]


async def _servers(settings: Settings) -> list[Finding]:
    looks: dict[str, Look] = {
        "nats": lambda: _nats(settings),
        "redis": lambda: _redis(settings),
        "object store": lambda: asyncio.to_thread(_object_store, settings),
        "mail": lambda: _mail(settings),
    }
    return list(await asyncio.gather(*(_within_time(about, each) for about, each in looks.items())))


async def _within_time(about: str, each: Look) -> Finding:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await each()
    except TimeoutError:
        return wrong(about, "does not answer in time")
    except NatsAway as error:
        return wrong(about, str(error))
    except Exception as error:  # noqa: BLE001 - whatever a client raises is what there is to tell
        return wrong(about, f"{type(error).__name__}: {first_line(error)}")


def _unset(about: str, name: str) -> Finding:
    return wrong(about, f"not configured: {name} is not set, and no embedded one runs in this folder")


async def _nats(settings: Settings) -> Finding:
    if settings.nats_url is None:
        return _unset("nats", "NATS_URL")
    async with connected(settings.nats_url.reveal(), name="daftar-doctor") as broker:
        return await broker.unless_lost(_jetstream(broker.jetstream))


async def _jetstream(jetstream: JetStreamContext) -> Finding:
    await jetstream.account_info()
    try:
        events = await jetstream.stream_info(DAFTAR.events)
        dead = await jetstream.stream_info(DAFTAR.dead_letters)
    except NotFoundError:
        return doubtful("nats", "JetStream answers; its streams are made by the role publisher")
    if dead.state.messages:
        return doubtful(
            "nats", f"JetStream has {count(dead.state.messages)} dead letters: see `daftar dead-letters list`"
        )
    return ok("nats", f"JetStream has {count(events.state.messages)} events and no dead letter")


async def _redis(settings: Settings) -> Finding:
    if settings.redis_url is None:
        return _unset("redis", "REDIS_URL")
    redis = connect_redis(settings.redis_url)
    try:
        info: dict[str, Any] = await redis.info("server")
    finally:
        await redis.aclose()
    return ok("redis", f"answers, as version {info.get('valkey_version') or info.get('redis_version')}")


def _object_store(settings: Settings) -> Finding:
    store = settings.s3
    if store.endpoint is None:
        return _unset("object store", "S3_ENDPOINT")
    parts = urlsplit(store.endpoint)
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=2.0, read=5.0), retries=False)
    try:
        client = Minio(
            parts.netloc,
            access_key=store.access_key,
            secret_key=None if store.secret_key is None else store.secret_key.reveal(),
            secure=parts.scheme == "https",
            region=store.region,
            http_client=pool,
        )
        found = client.bucket_exists(store.bucket)
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        return wrong("object store", f"{type(error).__name__}: {first_line(error)}")
    finally:
        pool.clear()
    if not found:
        return wrong("object store", f"has no bucket {store.bucket}")
    return ok("object store", f"has the bucket {store.bucket}")


async def _mail(settings: Settings) -> Finding:
    mail = settings.mail
    if mail.transport.value != "smtp":
        return ok("mail", f"leaves by {mail.transport.value}")
    if mail.smtp is None:
        return _unset("mail", "SMTP_HOST")
    await mail_answers(mail.smtp)
    return ok("mail", f"{mail.smtp.host}:{mail.smtp.port} answers")
