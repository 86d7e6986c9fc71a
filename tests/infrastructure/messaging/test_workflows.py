"""Our own workflows from the log to the mail sink and back to the log."""

import asyncio
import email
import email.policy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest

import application.media.handlers as media
import application.notifications.handlers as notifications
import application.payouts.handlers as payouts
from application.media.ports import Files
from application.notifications.post import notification_id
from application.payments.ports import GatewayRegistry
from application.shared.caller import Caller
from application.shared.loop import CommandLoop
from application.shared.store import Kind
from domain.accounts.events import AccountDeleted, AvatarChanged, SellerApproved, SellerRejected
from domain.media.events import MediaDeleted, MediaKind, MediaUploaded
from domain.orders import order as orders
from domain.shared.events import DomainEvent
from infrastructure.embedded.services import ServiceUrls
from infrastructure.event_store.codec import Codec
from infrastructure.event_store.names import event_id
from infrastructure.event_store.postgres import open_pool
from infrastructure.files.minio import MinioFiles
from infrastructure.identity import new_id, utc_now
from infrastructure.messaging.connection import connected
from infrastructure.messaging.consumers import run_workflows
from infrastructure.messaging.consuming import Terms
from infrastructure.messaging.dead_letters import open_dead_letters
from infrastructure.messaging.history import PostgresHistory
from infrastructure.messaging.streams import StreamNames
from infrastructure.settings import Settings
from tests.infrastructure.messaging.conftest import EVENT_MODULES, Pen, publishing, running, until
from tests.infrastructure.messaging.makers import (
    SELLER,
    confirmed,
    delivered,
    placed,
    registered,
    shipped,
)
from tests.infrastructure.messaging.test_consumers import dead
from tests.support.commands import CLAIMS
from tests.support.files import KeptFiles
from tests.support.stores import make_codec, postgres_store

pytestmark = pytest.mark.services

HASTY = Terms(first_pause_seconds=0.02, pause_factor=2.0, concurrency=4)


class Context:
    """What the role gets from its process."""

    def __init__(
        self,
        settings: Settings,
        codec: Codec,
        database_url: str,
        commands: CommandLoop,
        files: Files | None = None,
    ) -> None:
        self.settings = settings
        self.codec = codec
        self.database_url = database_url
        self.commands = commands
        self.gateways = GatewayRegistry(())
        self.files = files or KeptFiles()
        self.clock = utc_now


@asynccontextmanager
async def workflows(
    urls: ServiceUrls,
    database_url: str,
    names: StreamNames,
    files: Files | None = None,
    **environment: str,
) -> AsyncIterator[None]:
    """The role, with a command loop of its own, and a publisher that feeds it."""
    assert urls.nats_url is not None
    settings = Settings.from_environment(urls.as_environment() | {"APP_ENV": "test"} | environment)
    kinds: list[Kind[Any]] = [
        CLAIMS,
        *media.KINDS,
        *notifications.KINDS,
        *payouts.KINDS,
        Kind("order", orders.Order, orders.evolve),
    ]
    async with (
        postgres_store(database_url, EVENT_MODULES) as store,
        CommandLoop(
            store,
            handlers=media.HANDLERS | notifications.HANDLERS | payouts.HANDLERS,
            kinds=kinds,
            clock=utc_now,
            new_id=new_id,
        ) as loop,
        publishing(database_url, urls.nats_url, names),
    ):
        context = Context(settings, make_codec(EVENT_MODULES), database_url, loop, files)
        async with running(lambda stopped: run_workflows(context, stopped, names=names, terms=HASTY)):
            yield


class Log:
    """What stands in the log."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._codec = make_codec(EVENT_MODULES)

    async def of(self, stream_id: UUID) -> Sequence[DomainEvent]:
        pool = await open_pool(self._url, min_size=1, max_size=1)
        try:
            history = PostgresHistory(pool, self._codec)
            return [recorded.event for recorded in await history.stream(stream_id, 1_000)]
        finally:
            await pool.close()

    async def names_of(self, stream_id: UUID, *, ending: str, count: int = 1) -> list[str]:
        """Names of the events of a stream, once it has so many of one."""
        async with asyncio.timeout(20):
            while True:
                found = [type(event).__name__ for event in await self.of(stream_id)]
                if found.count(ending) >= count:
                    return found
                await asyncio.sleep(0.05)

    async def column(self, query: str) -> list[Any]:
        async with await psycopg.AsyncConnection.connect(self._url) as connection:
            return [row[0] for row in await (await connection.execute(query.encode())).fetchall()]


def mails(urls: ServiceUrls, of: UUID) -> list[EmailMessage]:
    """The mails that the sink took for one event."""
    folder: Path = urls.mail_folder  # type: ignore[assignment]
    found = [path for path in sorted(folder.glob("*.eml")) if str(of) in path.name]
    return [email.message_from_bytes(path.read_bytes(), policy=email.policy.default) for path in found]


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def html_of(message: EmailMessage) -> str:
    body = message.get_body(("html",))
    assert body is not None
    return str(body.get_content())


class TestMails:
    async def test_a_paid_order_is_confirmed_by_mail_and_the_log_says_so(
        self, urls: ServiceUrls, database_url: str, names: StreamNames, pen: Pen
    ) -> None:
        correlation = new_id()
        order = await pen.write(placed())
        await pen.write(confirmed(), stream_id=order, by=Caller(correlation_id=correlation))
        cause = event_id(order, 2)
        notification = notification_id(cause, "order-confirmation")
        log = Log(database_url)
        async with workflows(urls, database_url, names):
            assert await log.names_of(notification, ending="NotificationDispatched") == [
                "NotificationCreated",
                "NotificationDispatched",
            ]
        (message,) = mails(urls, cause)
        assert message["Subject"] == "Order ORD-20260501-00001 is confirmed"
        assert message["To"] == "Dilnoza Karimova <dilnoza@example.com>"
        assert message["From"] == "Your Store <support@yourstore.com>"
        assert message["Message-ID"] == f"<{cause}.order-confirmation@yourstore.com>"
        assert message["Delivered-To"] == "dilnoza@example.com"
        for body in (text_of(message), html_of(message)):
            for words in ("ORD-20260501-00001", "Amir Temur 1", "32.00 USD", "support@yourstore.com"):
                assert words in body
        assert "Green tea <loose>" in text_of(message)
        assert "Green tea &lt;loose&gt;" in html_of(message)
        metadata = await log.column(
            "SELECT metadata::text FROM stored_events WHERE topic LIKE 'notifications.%'"
        )
        assert len(metadata) == 2
        assert all(str(cause) in each and str(correlation) in each for each in metadata)

    async def test_a_repeated_event_sends_one_mail(
        self, urls: ServiceUrls, database_url: str, names: StreamNames, nats_url: str, pen: Pen
    ) -> None:
        account = await pen.write(registered())
        cause = event_id(account, 1)
        log = Log(database_url)
        async with workflows(urls, database_url, names):
            notification = notification_id(cause, "welcome")
            await log.names_of(notification, ending="NotificationDispatched")
        # The consumer forgets all that it has handled, as after a crash before its acknowledgements.
        async with connected(nats_url, name="test") as broker:
            await broker.jetstream.delete_consumer(names.events, "notifications")
        marker = await pen.write(registered())
        async with workflows(urls, database_url, names):
            await log.names_of(
                notification_id(event_id(marker, 1), "welcome"), ending="NotificationDispatched"
            )
        assert len(mails(urls, cause)) == 1
        assert [type(event).__name__ for event in await log.of(notification)] == [
            "NotificationCreated",
            "NotificationDispatched",
        ]

    async def test_shipping_and_sellers_decisions_are_told(
        self, urls: ServiceUrls, database_url: str, names: StreamNames, pen: Pen
    ) -> None:
        order = await pen.write(placed(), shipped())
        admin = new_id()
        let_in = await pen.write(registered(), SellerApproved(approved_by=admin))
        turned_down = await pen.write(
            registered(), SellerRejected(rejected_by=admin, reason="No <b>licence</b>")
        )
        async with workflows(urls, database_url, names, FRONTEND_URL="https://bazaar.example"):
            await until(
                lambda: all(mails(urls, event_id(stream, 2)) for stream in (order, let_in, turned_down))
            )
        (mail,) = mails(urls, event_id(order, 2))
        assert mail["Subject"] == "Order ORD-20260501-00001 is on its way"
        for words in ("UZ123", "https://track.example.com/UZ123", "9 May 2026"):
            assert words in text_of(mail)
            assert words in html_of(mail)
        (mail,) = mails(urls, event_id(let_in, 2))
        assert "https://bazaar.example/dashboard/seller" in text_of(mail)
        (mail,) = mails(urls, event_id(turned_down, 2))
        assert "No <b>licence</b>" in text_of(mail)
        assert "No &lt;b&gt;licence&lt;/b&gt;" in html_of(mail)

    async def test_an_address_that_is_refused_is_a_dead_letter_at_once(
        self, urls: ServiceUrls, database_url: str, names: StreamNames, nats_url: str, pen: Pen
    ) -> None:
        account = await pen.write(registered(email="bounce@example.com"))
        async with workflows(urls, database_url, names):
            (letter,) = await dead(nats_url, names)
        assert letter.consumer == "notifications"
        assert (
            letter.reason == "Unprocessable: MailRefused: The mail server answered 550: refused the recipient"
        )
        notification = notification_id(event_id(account, 1), "welcome")
        log = Log(database_url)
        assert await log.names_of(notification, ending="NotificationFailed") == [
            "NotificationCreated",
            "NotificationFailed",
        ]
        states = await log.column("SELECT convert_from(state, 'UTF8') FROM stored_events")
        assert not any("bounce" in state for state in states)

    async def test_a_mail_server_that_is_away_costs_five_attempts_and_no_business(
        self, urls: ServiceUrls, database_url: str, names: StreamNames, nats_url: str, pen: Pen
    ) -> None:
        order = await pen.write(placed(), confirmed())
        notification = notification_id(event_id(order, 2), "order-confirmation")
        log = Log(database_url)
        async with workflows(urls, database_url, names, SMTP_PORT="1"):
            (letter,) = await dead(nats_url, names)
        assert letter.deliveries == 5
        failures = [event for event in await log.of(notification) if hasattr(event, "attempt")]
        assert [failure.attempt for failure in failures] == [1, 2, 3, 4, 5]
        # The server is back, and an operator retries.
        async with workflows(urls, database_url, names), open_dead_letters(nats_url, names=names) as letters:
            await letters.retry_all()
            await log.names_of(notification, ending="NotificationDispatched")
        assert len(mails(urls, event_id(order, 2))) == 1
        assert len(await log.of(order)) == 2

    async def test_a_person_who_was_forgotten_gets_no_mail(
        self, urls: ServiceUrls, database_url: str, names: StreamNames, pen: Pen
    ) -> None:
        forgotten = await pen.write(registered())
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            await connection.execute(
                "UPDATE data_keys SET wrapped = NULL, destroyed_at = now() WHERE subject_id = %s",
                (forgotten,),
            )
        marker = await pen.write(registered())
        async with workflows(urls, database_url, names):
            await until(lambda: mails(urls, event_id(marker, 1)))
        assert mails(urls, event_id(forgotten, 1)) == []
        assert await Log(database_url).of(notification_id(event_id(forgotten, 1), "welcome")) == []


class TestEarnings:
    async def test_a_delivery_credits_the_sellers_once(
        self, urls: ServiceUrls, database_url: str, names: StreamNames, pen: Pen
    ) -> None:
        order = await pen.write(placed(), confirmed(), shipped(), delivered())
        log = Log(database_url)
        query = "SELECT convert_from(state, 'UTF8') FROM stored_events WHERE topic LIKE 'payouts.%'"
        async with workflows(urls, database_url, names), asyncio.timeout(20):
            while not (earned := await log.column(query)):  # noqa: ASYNC110 - another process works
                await asyncio.sleep(0.05)
        assert len(earned) == 1
        assert str(order) in earned[0]
        assert str(SELLER) in earned[0]


class TestPictures:
    async def test_what_was_replaced_and_what_a_deleted_account_showed_leaves_the_object_store(
        self, urls: ServiceUrls, database_url: str, names: StreamNames, pen: Pen
    ) -> None:
        admin, log = new_id(), Log(database_url)
        files = MinioFiles(Settings.from_environment(urls.as_environment() | {"APP_ENV": "test"}).s3)
        account, other = await pen.write(registered()), await pen.write(registered())
        first = await show(pen, files, account)
        second = await show(pen, files, account)
        kept = await show(pen, files, other)
        unseen = f"avatars/{account}/{new_id()}"
        await files.put(unseen, b"never shown", "image/webp")
        async with workflows(urls, database_url, names, files):
            await log.names_of(first, ending="MediaDeleted")
            assert (await log.of(first))[-1] == MediaDeleted(by=account)
            await pen.write(AccountDeleted(by=admin), stream_id=account)
            await log.names_of(second, ending="MediaDeleted")
            assert (await log.of(second))[-1] == MediaDeleted(by=admin)
            keys = [f"avatars/{account}/{each}" for each in (first, second)]
            async with asyncio.timeout(20):
                for key in (*keys, unseen):
                    while await files.get(key) is not None:  # noqa: ASYNC110 - another program works
                        await asyncio.sleep(0.05)
        assert await files.get(f"avatars/{other}/{kept}") == b"a picture"
        files.close()


async def show(pen: Pen, files: MinioFiles, owner: UUID) -> UUID:
    """A picture in the store, and what the log says when it is shown."""
    media_id = new_id()
    key, url = f"avatars/{owner}/{media_id}", f"https://shop.uz/api/v1/media/{media_id}"
    await files.put(key, b"a picture", "image/webp")
    uploaded = MediaUploaded(
        owner_id=owner,
        kind=MediaKind.IMAGE,
        content_type="image/webp",
        size_bytes=9,
        sha256="ab",
        storage_key=key,
        url=url,
    )
    await pen.write(uploaded, stream_id=media_id)
    await pen.write(AvatarChanged(media_id=media_id, url=url), stream_id=owner)
    return media_id
