"""The ways out for mail, against servers that answer as real ones do."""

import asyncio
import email
import email.policy
import http.server
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from structlog.testing import capture_logs

from application.notifications.ports import Mail, MailFailed, MailRefused, Template, Words
from infrastructure.embedded.services import ServiceUrls
from infrastructure.mail.log import LogMailer
from infrastructure.mail.mailers import MailNotConfigured, make_mailer
from infrastructure.mail.patient import PatientMailer
from infrastructure.mail.resend import ResendMailer
from infrastructure.mail.smtp import SmtpMailer
from infrastructure.security.secrets import Secret
from infrastructure.settings import MailTransport, Settings, SmtpSettings


def mail(**changes: Any) -> Mail:
    fields: dict[str, Any] = {
        "message_id": f"{uuid4()}.welcome",
        "template": Template.WELCOME,
        "to": "jo@example.com",
        "to_name": "Jo",
        "words": Words(subject="Welcome", text="Hello Jo\n", html="<p>Hello Jo</p>"),
        "sent_at": datetime(2026, 5, 1, 12, 0, tzinfo=UTC),
    }
    return Mail(**(fields | changes))


def smtp(port: int, **changes: Any) -> SmtpMailer:
    fields: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": port,
        "user": None,
        "password": None,
        "implicit_tls": False,
    }
    return SmtpMailer(SmtpSettings(**(fields | changes)), sender="shop@bazaar.example", company_name="Bazaar")


@pytest.fixture
def sink(urls: ServiceUrls) -> SmtpMailer:
    assert urls.smtp_port is not None
    return smtp(urls.smtp_port)


def kept(urls: ServiceUrls, of: Mail) -> list[EmailMessage]:
    assert urls.mail_folder is not None
    return [
        email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        for path in urls.mail_folder.glob(f"*{of.message_id[:36]}*.eml")
    ]


@asynccontextmanager
async def server(*answers: str) -> AsyncIterator[int]:
    """An SMTP server that says what it is told, an answer a command; after the last one it hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        in_data = False
        for answer in answers:
            writer.write(answer.encode() + b"\r\n")
            await writer.drain()
            if answer.startswith("354"):
                in_data = True
            while True:
                line = await reader.readline()
                if not line or not in_data or line == b".\r\n":
                    break
            if in_data and line == b".\r\n":
                in_data = False
        writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


@asynccontextmanager
async def hanging_server(*answers: str, hangs: asyncio.Event) -> AsyncIterator[int]:
    """An SMTP server that answers so many commands, then sets `hangs` when it is told something, and says no more."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            writer.write(answer.encode() + b"\r\n")
            await reader.readline()
        hangs.set()
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


@pytest.mark.services
class TestSmtp:
    async def test_a_mail_arrives_with_both_bodies_and_the_headers_of_a_program(
        self, urls: ServiceUrls, sink: SmtpMailer
    ) -> None:
        words = Words(subject="Хуш келибсиз", text="Салом Jo\n", html="<p>Салом Jo</p>")
        sent = mail(words=words, to_name="Жасур, \r\nBcc: x@example.com")
        assert await sink.send(sent) == sent.message_id
        (message,) = kept(urls, sent)
        assert message["From"] == "Bazaar <shop@bazaar.example>"
        assert message["Delivered-To"] == "jo@example.com"
        assert message["Bcc"] is None
        assert message["Subject"] == "Хуш келибсиз"
        assert message["Message-ID"] == f"<{sent.message_id}@bazaar.example>"
        assert message["Auto-Submitted"] == "auto-generated"
        assert message["Date"] == "Fri, 01 May 2026 12:00:00 +0000"
        kinds = [part.get_content_type() for part in message.iter_parts()]
        assert kinds == ["text/plain", "text/html"]
        body = message.get_body(("plain",))
        assert body is not None
        assert body.get_content().strip() == "Салом Jo"

    async def test_a_second_attempt_has_the_same_message_id(
        self, urls: ServiceUrls, sink: SmtpMailer
    ) -> None:
        sent = mail()
        await sink.send(sent)
        await sink.send(sent)
        assert len({message["Message-ID"] for message in kept(urls, sent)}) == 1

    async def test_a_refused_recipient_is_refused_for_good(self, sink: SmtpMailer) -> None:
        with pytest.raises(MailRefused) as refused:
            await sink.send(mail(to="bounce@example.com"))
        assert "bounce" not in str(refused.value)

    @pytest.mark.parametrize("address", ["jo@example.com\r\nBcc: x@example.com", "", "nobody"])
    async def test_an_address_that_is_none_is_refused(self, sink: SmtpMailer, address: str) -> None:
        with pytest.raises(MailRefused):
            await sink.send(mail(to=address))

    async def test_a_sent_mail_is_logged_without_its_address(self, sink: SmtpMailer) -> None:
        sent = mail()
        with capture_logs() as lines:
            await sink.send(sent)
        (line,) = lines
        assert line["event"] == "mail_sent"
        assert (line["template"], line["subject"], line["message_id"]) == (
            "welcome",
            "Welcome",
            sent.message_id,
        )
        assert "jo@example.com" not in repr(lines)

    async def test_the_connection_can_be_checked_without_sending(
        self, urls: ServiceUrls, sink: SmtpMailer
    ) -> None:
        assert urls.mail_folder is not None
        before = len(list(urls.mail_folder.glob("*.eml")))
        await sink.check()
        assert len(list(urls.mail_folder.glob("*.eml"))) == before


class TestSmtpFailures:
    async def test_a_server_that_is_not_there_is_tried_later(self) -> None:
        with pytest.raises(MailFailed) as failed:
            await smtp(1).send(mail())
        assert not isinstance(failed.value, MailRefused)
        with pytest.raises(MailFailed):
            await smtp(1).check()

    @pytest.mark.parametrize("answer", ["451 4.7.1 greylisted", "452 full", "421 closing"])
    async def test_a_temporary_answer_is_tried_later(self, answer: str) -> None:
        async with server("220 hello", "250 hi", "250 OK", answer) as port:
            with pytest.raises(MailFailed) as failed:
                await smtp(port).send(mail())
        assert not isinstance(failed.value, MailRefused)

    async def test_a_refused_message_is_refused_for_good(self) -> None:
        async with server(
            "220 hello", "250 hi", "250 OK", "250 OK", "354 go on", "554 spam jo@example.com"
        ) as port:
            with pytest.raises(MailRefused) as refused:
                await smtp(port).send(mail())
        assert "jo@" not in str(refused.value)

    async def test_a_connection_that_breaks_after_the_message_is_tried_later(self) -> None:
        async with server("220 hello", "250 hi", "250 OK", "250 OK", "354 go on") as port:
            with pytest.raises(MailFailed) as failed:
                await smtp(port).send(mail())
        assert not isinstance(failed.value, MailRefused)

    @pytest.mark.parametrize(
        "answers", [("220 hello", "250 sink"), ("220 hello", "250 sink", "250 ok", "250 ok")]
    )
    async def test_whoever_is_to_stop_does_not_wait_for_a_server_that_hangs(
        self, answers: tuple[str, ...]
    ) -> None:
        hangs = asyncio.Event()
        async with hanging_server(*answers, hangs=hangs) as port:
            sending = asyncio.create_task(smtp(port).send(mail()))
            await hangs.wait()
            sending.cancel()
            done, _ = await asyncio.wait({sending}, timeout=2)
            assert done == {sending}
            assert sending.cancelled()

    async def test_a_wrong_password_is_ours_to_mend(self) -> None:
        async with server(
            "220 hello", "250-hi\r\n250 AUTH PLAIN", "535 5.7.8 no", "535 no", "535 no"
        ) as port:
            with pytest.raises(MailFailed) as failed:
                await smtp(port, user="shop", password=Secret("geheim")).send(mail())
        assert not isinstance(failed.value, MailRefused)
        assert "geheim" not in str(failed.value)

    async def test_nothing_goes_in_the_clear_to_another_machine(self) -> None:
        # This machine by a name that is not known to be this machine's.
        async with server("220 hello", "250 hi", "250 OK", "250 OK", "354 go on", "250 OK") as port:
            with pytest.raises(MailFailed):
                await smtp(port, host="0.0.0.0").send(mail())


class Resend(http.server.BaseHTTPRequestHandler):
    """Answers as Resend does."""

    got: list[tuple[str, dict[str, str], Any]]
    status: int
    answer: bytes

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, dict(self.headers), json.loads(body)))
        self._say()

    def do_GET(self) -> None:
        self.got.append((self.path, dict(self.headers), None))
        self._say()

    def _say(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""


@pytest.fixture
def resend() -> Iterator[tuple[type[Resend], ResendMailer]]:
    handler = type("Handler", (Resend,), {"got": [], "status": 200, "answer": b'{"id":"re-1"}'})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield (
            handler,
            ResendMailer(
                Secret("re_key"),
                sender="shop@bazaar.example",
                company_name='The "Bazaar"',
                base_url=f"http://127.0.0.1:{listening.server_port}",
            ),
        )
        listening.shutdown()
        thread.join()


class TestResend:
    async def test_a_mail_is_handed_over_under_a_key_that_drops_repeats(
        self, resend: tuple[type[Resend], ResendMailer]
    ) -> None:
        handler, mailer = resend
        sent = mail()
        assert await mailer.send(sent) == "re-1"
        ((path, headers, body),) = handler.got
        assert path == "/emails"
        assert headers["Authorization"] == "Bearer re_key"
        assert headers["Idempotency-Key"] == sent.message_id
        assert body == {
            "from": '"The \\"Bazaar\\"" <shop@bazaar.example>',
            "to": "jo@example.com",
            "subject": "Welcome",
            "text": "Hello Jo\n",
            "html": "<p>Hello Jo</p>",
            "headers": {"Message-ID": f"<{sent.message_id}@bazaar.example>"},
        }

    @pytest.mark.parametrize(
        ("status", "name", "refused"),
        [
            (422, "validation_error", True),
            (401, "missing_api_key", False),
            (403, "invalid_api_key", False),
            (409, "concurrent_idempotent_requests", False),
            (429, "rate_limit_exceeded", False),
            (500, "application_error", False),
        ],
    )
    async def test_only_a_wrong_mail_is_refused_for_good(
        self, resend: tuple[type[Resend], ResendMailer], status: int, name: str, refused: bool
    ) -> None:
        handler, mailer = resend
        handler.status = status
        handler.answer = msgspec.json.encode({"name": name, "message": "jo@example.com is wrong"})
        with pytest.raises(MailFailed) as failed:
            await mailer.send(mail())
        assert isinstance(failed.value, MailRefused) is refused
        assert str(failed.value) == f"Resend answered {status} {name}"

    async def test_the_way_out_can_be_checked(self, resend: tuple[type[Resend], ResendMailer]) -> None:
        handler, mailer = resend
        await mailer.check()
        handler.status, handler.answer = 401, b'{"name":"restricted_api_key"}'
        await mailer.check()
        handler.status, handler.answer = 403, b'{"name":"invalid_api_key"}'
        with pytest.raises(MailFailed):
            await mailer.check()

    async def test_a_provider_that_is_away_is_tried_later(self) -> None:
        away = ResendMailer(
            Secret("k"), sender="a@b.example", company_name="B", base_url="http://127.0.0.1:1"
        )
        with pytest.raises(MailFailed):
            await away.send(mail())


class TestChoosing:
    @pytest.mark.parametrize(
        ("environment", "kind"),
        [
            ({"SMTP_HOST": "smtp.example.com"}, SmtpMailer),
            ({"MAIL_TRANSPORT": "log"}, LogMailer),
            ({"MAIL_TRANSPORT": "resend", "RESEND_API_KEY": "re_key"}, ResendMailer),
        ],
    )
    def test_the_settings_choose_the_way_out(self, environment: dict[str, str], kind: type) -> None:
        settings = Settings.from_environment({"APP_ENV": "test"} | environment)
        chosen = make_mailer(settings.mail)
        assert type(chosen.mailer if isinstance(chosen, PatientMailer) else chosen) is kind

    def test_a_way_out_without_a_server_is_refused_at_the_start(self) -> None:
        settings = Settings.from_environment({"APP_ENV": "test"}).mail
        assert settings.transport is MailTransport.SMTP
        with pytest.raises(MailNotConfigured):
            make_mailer(settings)

    async def test_a_developer_finds_the_mail_in_the_log(self) -> None:
        with capture_logs() as lines:
            await LogMailer().send(mail())
        assert lines[0]["text"] == "Hello Jo\n"
        assert "jo@example.com" not in repr(lines)

    def test_a_mail_does_not_show_to_whom_it_goes(self) -> None:
        assert "jo@example.com" not in repr(mail())
        assert "jo@example.com" not in repr(list(mail().__rich_repr__()))
