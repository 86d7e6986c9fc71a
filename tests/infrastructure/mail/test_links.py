"""Links on their way by mail: to a real server, to one that is not there, and past the log."""

import asyncio
import email
import email.policy
from collections.abc import MutableMapping
from datetime import timedelta
from email.message import EmailMessage
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from application.accounts.links import LIFETIMES
from application.accounts.ports import LinkMail, LinkPurpose
from infrastructure.embedded.services import ServiceUrls
from infrastructure.identity import new_id, utc_now
from infrastructure.mail.links import open_link_post
from infrastructure.settings import Settings
from tests.infrastructure.messaging.conftest import until

TOKEN = "5e" * 32


def settings(**environ: str) -> Settings:
    return Settings.from_environment(
        {"APP_ENV": "test", "FRONTEND_URL": "https://bazaar.example/shop/", **environ}
    )


def link(purpose: LinkPurpose, **changes: Any) -> LinkMail:
    fields: dict[str, Any] = {
        "message_id": new_id(),
        "purpose": purpose,
        "account_id": new_id(),
        "to": f"nodira-{uuid4().hex[:8]}@bazaar.example",
        "to_name": "Nodira",
        "token": TOKEN,
        "lifetime": LIFETIMES[purpose],
        "expires_at": utc_now() + LIFETIMES[purpose],
    }
    return LinkMail(**(fields | changes))


def told(lines: list[MutableMapping[str, Any]], event: str) -> list[MutableMapping[str, Any]]:
    return [line for line in lines if line["event"] == event]


async def received(urls: ServiceUrls, of: LinkMail) -> EmailMessage:
    folder = urls.mail_folder
    assert folder is not None

    def came() -> EmailMessage | None:
        for path in folder.glob(f"*{of.message_id}*.eml"):
            return email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        return None

    found: EmailMessage = await until(came)
    return found


@pytest.mark.services
class TestALinkByMail:
    @pytest.mark.parametrize(
        ("purpose", "locale", "subject", "said"),
        [
            (
                LinkPurpose.PASSWORD_RESET,
                None,
                "Choose a new password",
                (f"https://bazaar.example/shop/reset-password?token={TOKEN}", "within 10 minutes"),
            ),
            (
                LinkPurpose.EMAIL_VERIFICATION,
                "ru",
                "Подтвердите адрес электронной почты",
                (f"https://bazaar.example/shop/verify-email?token={TOKEN}", "24 ч"),
            ),
        ],
    )
    async def test_leads_to_the_website_and_says_for_how_long(
        self,
        urls: ServiceUrls,
        purpose: LinkPurpose,
        locale: str | None,
        subject: str,
        said: tuple[str, ...],
    ) -> None:
        sent = link(purpose, locale=locale)
        with capture_logs() as lines:
            async with open_link_post(settings(**urls.as_environment()), clock=utc_now) as post:
                post.hand_over(sent)
            mail = await received(urls, sent)

        assert (mail["Delivered-To"], mail["Subject"]) == (sent.to, subject)
        body = mail.get_body(("plain",))
        assert body is not None
        assert all(each in body.get_content() for each in said)
        assert told(lines, "mail_sent")
        assert TOKEN not in repr(lines)
        assert sent.to not in repr(lines)


class TestALinkThatIsNotSent:
    async def test_is_tried_again_and_given_up_when_it_would_come_too_late(
        self, unused_tcp_port: int
    ) -> None:
        # So little of its life is left that there is time for a second attempt, and none for a third.
        lifetime = timedelta(seconds=5)
        sent = link(
            LinkPurpose.PASSWORD_RESET, lifetime=lifetime, expires_at=utc_now() + timedelta(seconds=4)
        )
        away = settings(SMTP_HOST="127.0.0.1", SMTP_PORT=str(unused_tcp_port))
        with capture_logs() as lines:
            async with open_link_post(away, clock=utc_now) as post:
                post.hand_over(sent)
                await until(lambda: told(lines, "link_lost"))

        (lost,) = told(lines, "link_lost")
        assert (lost["attempts"], lost["purpose"]) == (len(told(lines, "link_not_sent")), "password_reset")
        assert TOKEN not in repr(lines)
        assert sent.to not in repr(lines)

    async def test_is_told_of_where_no_mail_is_configured(self) -> None:
        with capture_logs() as lines:
            async with open_link_post(settings(), clock=utc_now) as post:
                post.hand_over(link(LinkPurpose.PASSWORD_RESET))

        assert told(lines, "links_cannot_be_mailed")
        assert [line["reason"] for line in told(lines, "link_lost")] == ["Mail is not configured."]

    async def test_is_shown_to_no_reader_of_the_log_where_mail_is_only_logged(self) -> None:
        with capture_logs() as lines:
            async with open_link_post(settings(MAIL_TRANSPORT="log"), clock=utc_now) as post:
                post.hand_over(link(LinkPurpose.EMAIL_VERIFICATION))
                await asyncio.sleep(0)

        (line,) = told(lines, "mail_logged")
        assert line["text"] is None
        assert TOKEN not in repr(lines)
