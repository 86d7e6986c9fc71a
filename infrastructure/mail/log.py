"""Mail into the log of a developer: nothing leaves (D-29). The settings refuse it in production."""

import structlog

from application.notifications.ports import SECRET, Mail
from infrastructure.mail.message import masked

log = structlog.get_logger(__name__)


class LogMailer:
    """Implements `application.notifications.ports.Mailer`."""

    async def send(self, mail: Mail) -> str | None:
        """See the port; addresses are masked by the log. A code or a link is shown to nobody here: the embedded mail sink has it."""
        log.info(
            "mail_logged",
            transport="log",
            template=mail.template.value,
            subject=mail.words.subject,
            message_id=mail.message_id,
            recipient=masked(mail.to),
            text=None if mail.template in SECRET else mail.words.text,
        )
        return mail.message_id

    async def check(self) -> None:
        """See the port; the log is always there."""
