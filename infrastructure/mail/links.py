"""Links that prove a mailbox, as mails (requirements ACC-14, ACC-25)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import msgspec
import structlog

from application.accounts.ports import LinkMail, LinkPost, LinkPurpose
from application.notifications.ports import Mail, Mailer, Renderer, Template
from application.shared.courier import Courier, NotSent
from application.shared.ports import Clock
from infrastructure.mail.mailers import MailNotConfigured, make_mailer
from infrastructure.mail.rendering import JinjaRenderer
from infrastructure.mail.sending import send_perishable
from infrastructure.settings import Settings


class _Page(msgspec.Struct, frozen=True):
    """A page of the shop's website, which takes the token from the link and sends it back to the API."""

    path: str
    template: Template
    variable: str


PAGES: Final = {
    LinkPurpose.EMAIL_VERIFICATION: _Page("/verify-email", Template.EMAIL_VERIFICATION, "verificationUrl"),
    LinkPurpose.PASSWORD_RESET: _Page("/reset-password", Template.PASSWORD_RESET, "resetUrl"),
}

PAUSES_SECONDS: Final = (1.0, 3.0, 10.0, 30.0, 60.0, 120.0, 240.0, 480.0)
"""Between attempts: links live longer than codes, and so may an outage that they outlive."""

log: Final = structlog.get_logger(__name__)


class MailLinkSender:
    """Sends links. The token is in the body only: subjects are logged."""

    def __init__(self, mailer: Mailer, renderer: Renderer, clock: Clock, *, frontend_url: str) -> None:
        """`frontend_url` is where the shop's website is, without a slash at its end."""
        self._mailer = mailer
        self._renderer = renderer
        self._clock = clock
        self._frontend_url = frontend_url

    async def send(self, message: LinkMail, *, attempt: int) -> None:
        """Hand a link over, see `application.shared.courier.Sender`."""
        page = PAGES[message.purpose]
        variables = {
            "name": message.to_name,
            # The token is hexadecimal: nothing of it needs to be quoted.
            page.variable: f"{self._frontend_url}{page.path}?token={message.token}",
            "minutes": message.lifetime // timedelta(minutes=1),
            "hours": message.lifetime // timedelta(hours=1),
        }
        mail = Mail(
            message_id=f"{message.message_id}.{page.template.value}",
            template=page.template,
            to=message.to,
            to_name=message.to_name,
            words=self._renderer.render(page.template, variables, language=message.locale),
            sent_at=self._clock(),
        )
        await send_perishable(self._mailer, mail, attempt=attempt, failing_as="link_not_sent")


class NoPost:
    """Implements `application.accounts.ports.LinkPost` where no mail can be sent: every link is lost, and that is told."""

    def hand_over(self, mail: LinkMail) -> None:
        """See the port."""
        _tell_of_loss(mail, NotSent("Mail is not configured."), 0)


@asynccontextmanager
async def open_link_post(settings: Settings, *, clock: Clock) -> AsyncIterator[LinkPost]:
    """The way out for links, for the life of one process; without mail in the settings they are lost."""
    try:
        mailer = make_mailer(settings.mail)
    except MailNotConfigured:
        log.warning("links_cannot_be_mailed")
        yield NoPost()
        return
    sender = MailLinkSender(
        mailer,
        JinjaRenderer(settings.mail, settings.http),
        clock,
        frontend_url=settings.http.frontend_url,
    )
    async with Courier(sender, clock=clock, on_lost=_tell_of_loss, pauses_seconds=PAUSES_SECONDS) as courier:
        yield courier


def _tell_of_loss(mail: LinkMail, why: NotSent, attempts: int) -> None:
    log.error(
        "link_lost",
        message_id=str(mail.message_id),
        purpose=mail.purpose.value,
        reason=str(why),
        attempts=attempts,
    )
