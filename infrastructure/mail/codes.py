"""One-time codes as mails (requirements NTF-09)."""

from typing import Final

import structlog

from application.notifications.ports import (
    Mail,
    Mailer,
    MailFailed,
    MailNotAsked,
    MailRefused,
    Renderer,
    Template,
)
from application.otp.ports import CodeMessage, CodeNotSent, CodeRefused
from application.shared.ports import Clock

log: Final = structlog.get_logger(__name__)


class MailCodeSender:
    """Implements `application.otp.ports.CodeSender`. The code is in the body only: subjects are logged."""

    def __init__(self, mailer: Mailer, renderer: Renderer, clock: Clock) -> None:
        """Collaborators only; nothing is opened."""
        self._mailer = mailer
        self._renderer = renderer
        self._clock = clock

    async def send(self, message: CodeMessage, *, attempt: int) -> None:
        """See the port. A server that has the mail already drops the repeat by its Message-ID."""
        template = Template.ONE_TIME_CODE
        variables = {
            "code": message.code.reveal(),
            "minutes": max(1, round(message.lifetime.total_seconds() / 60)),
            "purpose": message.purpose.value,
        }
        mail = Mail(
            message_id=f"{message.message_id}.{template.value}",
            template=template,
            to=message.destination,
            to_name=None,
            words=self._renderer.render(template, variables),
            sent_at=self._clock(),
        )
        try:
            await self._mailer.send(mail)
        except MailNotAsked as error:
            raise CodeNotSent(error.message, retry_after_seconds=error.retry_after_seconds) from None
        except MailFailed as error:
            log.warning(
                "code_not_sent",
                channel="email",
                reason=str(error),
                message_id=mail.message_id,
                attempt=attempt,
            )
            kind = CodeRefused if isinstance(error, MailRefused) else CodeNotSent
            raise kind(str(error)) from None
