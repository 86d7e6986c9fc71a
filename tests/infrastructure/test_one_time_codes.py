"""One-time codes put together as the product does it: real log, Redis and NATS, providers that stand in."""

import asyncio
import email
import email.policy
import io
import re
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from nats.js.errors import NotFoundError
from psycopg import sql
from redis.asyncio import Redis

import domain.otp.events
from application.otp.codes import OneTimeCodes
from application.otp.handlers import HANDLERS, KINDS
from application.shared.caller import Caller
from application.shared.command import Unavailable
from application.shared.loop import CommandLoop
from domain.otp.events import OtpChannel, OtpPurpose
from domain.otp.refusals import OtpAttemptsExceeded, OtpExpired, OtpInvalid, OtpRateLimited
from infrastructure.cache.redis import connect
from infrastructure.embedded.services import ServiceUrls
from infrastructure.identity import new_id, utc_now
from infrastructure.logging import configure_logging
from infrastructure.messaging.connection import connected
from infrastructure.messaging.streams import StreamNames
from infrastructure.one_time_codes import open_one_time_codes
from infrastructure.security.secrets import Secret
from infrastructure.settings import LogFormat, LogLevel, Settings
from tests.infrastructure.messaging.conftest import arrived, publishing, until
from tests.support.commands import CLAIMS
from tests.support.standins.eskiz import EMAIL, PASSWORD, Eskiz, eskiz
from tests.support.standins.http import Told
from tests.support.stores import postgres_store

pytestmark = pytest.mark.services

STRANGER = Caller(ip="192.0.2.7", user_agent="Browser/1")


def a_phone() -> str:
    return f"+99890{uuid4().int % 10**7:07}"


def wrong(right: str) -> str:
    return str(int(right) ^ 1)


def hashed(text: str) -> str:
    return f"hash-{abs(hash(text))}"


class House:
    """The product's codes, and what lies around them."""

    def __init__(self, codes: OneTimeCodes, redis: Redis) -> None:
        self.codes = codes
        self.redis = redis

    async def ask(self, to: str, *, channel: OtpChannel = OtpChannel.SMS) -> None:
        await self.codes.request(
            purpose=OtpPurpose.LOGIN, channel=channel, destination=to, caller=STRANGER, language="uz"
        )

    async def show(self, code: str, of: str) -> None:
        await self.codes.verify(purpose=OtpPurpose.LOGIN, destination=of, code=code, caller=STRANGER)


@asynccontextmanager
async def house(urls: ServiceUrls, database_url: str, **environ: str) -> AsyncIterator[House]:
    given = urls.as_environment() | {"APP_ENV": "test", "OTP_MAX_REQUESTS_PER_ADDRESS": "1000"} | environ
    settings = Settings.from_environment(given)
    assert settings.redis_url is not None
    redis = connect(settings.redis_url)
    try:
        async with (
            postgres_store(database_url, (domain.otp.events,)) as store,
            CommandLoop(
                store, handlers=HANDLERS, kinds=[*KINDS, CLAIMS], clock=utc_now, new_id=new_id
            ) as commands,
            open_one_time_codes(
                settings,
                redis=redis,
                commands=commands,
                destination_hash=hashed,
                clock=utc_now,
                new_id=new_id,
            ) as codes,
        ):
            yield House(codes, redis)
    finally:
        await redis.aclose()


def by_eskiz(provider: Eskiz) -> dict[str, str]:
    return {
        "SMS_PROVIDER": "eskiz",
        "ESKIZ_EMAIL": EMAIL,
        "ESKIZ_PASSWORD": PASSWORD,
        "ESKIZ_API_URL": provider.url,
    }


def digits_in(text: str) -> str:
    (found,) = re.findall(r"(?<![0-9])[0-9]{6}(?![0-9])", text)
    assert isinstance(found, str)
    return found


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    """All that is logged, from the least important on."""
    stream = io.StringIO()
    configure_logging(LogLevel.DEBUG, LogFormat.JSON, stream=stream)
    yield stream
    configure_logging(LogLevel.INFO, LogFormat.JSON)


async def everything_in(database_url: str) -> str:
    """All rows of all tables, as text."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        tables = await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows: list[str] = []
        for (table,) in await tables.fetchall():
            found = await connection.execute(
                sql.SQL("SELECT t::text, encode(t::text::bytea, 'escape') FROM {} AS t").format(
                    sql.Identifier(table)
                )
            )
            rows += [f"{row}" for row in await found.fetchall()]
        states = await connection.execute("SELECT convert_from(state, 'UTF8') FROM stored_events")
        rows += [str(row[0]) for row in await states.fetchall()]
    return "\n".join(rows)


async def everything_under(redis: Redis, pattern: str) -> str:
    told = []
    async for key in redis.scan_iter(pattern):
        held: Any = await redis.hgetall(key) if await redis.type(key) == b"hash" else await redis.get(key)
        told.append(f"{key!r} {held!r}")
    return "\n".join(told)


class TestAWholeStory:
    async def test_no_code_is_found_anywhere_but_with_whom_it_was_meant_for(
        self, urls: ServiceUrls, database_url: str, logged: io.StringIO
    ) -> None:
        assert urls.nats_url is not None
        names, raised = StreamNames(f"t{uuid4().hex[:12]}"), []
        async with eskiz() as provider, house(urls, database_url, **by_eskiz(provider)) as open_house:
            loop = asyncio.get_running_loop()
            loop.set_debug(True)
            loop.slow_callback_duration = 0.0
            try:
                phone, other = a_phone(), a_phone()
                for to in (phone, other):
                    await open_house.ask(to)
                await until(lambda: len(provider.messages) == 2)
                texts = {f"+{each.to}": digits_in(each.text) for each in provider.messages}
                shown = [(wrong(texts[phone]), phone), (texts[phone], phone), (texts[phone], phone)]
                shown += [(wrong(texts[other]), other)] * 3 + [(texts[other], other)]
                for code, to in shown:
                    try:
                        await open_house.show(code, to)
                    except (OtpInvalid, OtpExpired, OtpAttemptsExceeded) as refused:
                        raised.append(refused)
                # Now the provider fails, in all of its ways.
                provider.refusals += [
                    Told(400, {"message": "модерация"}),
                    Told(200, b"<html>"),
                    Told(500, b""),
                ]
                for _ in range(3):
                    await open_house.ask(phone)
                await until(lambda: len(provider.refusals) == 0)
                await open_house.ask(phone)
                with pytest.raises(OtpRateLimited) as limited:
                    await open_house.ask(phone)
                raised.append(limited.value)  # type: ignore[arg-type]
                await until(lambda: len(provider.messages) >= 5)
            finally:
                loop.set_debug(False)
                loop.slow_callback_duration = 0.1
            in_redis = await everything_under(open_house.redis, "otp*")
            # Six codes were asked for and seven shown, one of which when none was out.
            events = 6 + 7 - 1
            async with publishing(database_url, urls.nats_url, names):
                messages = await arrived(urls.nats_url, names, events)
            async with connected(urls.nats_url, name="test") as broker:
                with suppress(NotFoundError):
                    await broker.jetstream.delete_stream(names.events)
        assert len(messages) == events
        assert [type(each).__name__ for each in raised] == [
            "OtpInvalid", "OtpExpired", "OtpInvalid", "OtpInvalid", "OtpInvalid", "OtpAttemptsExceeded", "OtpRateLimited",
        ]  # fmt: skip
        searched = {
            "log file": logged.getvalue(),
            "database": await everything_in(database_url),
            "redis": in_redis,
            "nats": "\n".join(f"{each.subject} {each.headers} {each.data.decode()}" for each in messages),
            "errors": "\n".join(
                "".join(traceback.format_exception(each)) + repr(vars(each)) for each in raised
            ),
        }
        assert "code_not_sent" in searched["log file"]
        assert "sms_sent" in searched["log file"]
        assert "OtpLocked" in searched["nats"]
        assert "otp.OtpRequested.v1" in searched["database"]
        codes = [digits_in(each.text) for each in provider.messages]
        secrets = [*codes, phone[1:], other[1:], PASSWORD, EMAIL]
        found = {
            (place, secret)
            for place, text in searched.items()
            for secret in secrets
            # A digest or an id may hold any six digits; a code stands by itself.
            if re.search(rf"(?<![0-9a-f]){re.escape(secret)}(?![0-9a-f])", text)
        }
        assert found == set()

    async def test_a_code_by_mail_is_in_the_mail_and_opens(
        self, urls: ServiceUrls, database_url: str, logged: io.StringIO
    ) -> None:
        assert urls.mail_folder is not None
        folder, to = urls.mail_folder, f"nodira-{uuid4().hex[:8]}@bazaar.example"
        async with house(urls, database_url, SMS_PROVIDER="off") as open_house:
            await open_house.ask(to, channel=OtpChannel.EMAIL)

            def came() -> Any:
                for path in folder.glob("*one-time-code*.eml"):
                    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
                    if mail["Delivered-To"] == to:
                        return mail
                return None

            mail = await until(came)
            body = mail.get_body(("plain",))
            code = digits_in(body.get_content())
            await open_house.show(code, to)
            with pytest.raises(OtpExpired):
                await open_house.show(code, to)
            with pytest.raises(Unavailable):
                await open_house.ask(a_phone())
        assert code not in mail["Subject"]
        assert code not in logged.getvalue()
        assert to not in logged.getvalue()

    async def test_a_developer_finds_the_message_in_a_folder(
        self, urls: ServiceUrls, database_url: str, tmp_path: Path, logged: io.StringIO
    ) -> None:
        phone = a_phone()
        async with house(urls, database_url, DAFTAR_DATA_DIR=str(tmp_path)) as open_house:
            await open_house.ask(phone)
            (path,) = await until(lambda: list((tmp_path / "sms").glob("2*.txt")))
            code = digits_in(path.read_text(encoding="utf-8").partition("\n\n")[2])
            await open_house.show(code, phone)
        assert "sms_kept" in logged.getvalue()
        assert code not in logged.getvalue().replace(path.name, "")

    async def test_mail_that_is_only_logged_shows_no_code(
        self, urls: ServiceUrls, database_url: str, logged: io.StringIO
    ) -> None:
        async with house(urls, database_url, MAIL_TRANSPORT="log", SMS_PROVIDER="off") as open_house:
            await open_house.ask(f"{uuid4().hex[:8]}@bazaar.example", channel=OtpChannel.EMAIL)
        (line,) = [line for line in logged.getvalue().splitlines() if "mail_logged" in line]
        assert '"text":null' in line
        assert "Tell it to nobody" not in line


class TestAnOutage:
    async def test_without_redis_codes_are_unavailable_and_nothing_is_recorded(
        self, urls: ServiceUrls, database_url: str, unused_tcp_port: int
    ) -> None:
        away = Secret(f"redis://127.0.0.1:{unused_tcp_port}/0").reveal()
        async with house(urls, database_url, REDIS_URL=away, SMS_PROVIDER="log") as open_house:
            with pytest.raises(Unavailable):
                await open_house.ask(a_phone())
            with pytest.raises(Unavailable):
                await open_house.show("123456", a_phone())
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            counted = await (await connection.execute("SELECT count(*) FROM stored_events")).fetchone()
        assert counted == (0,)
