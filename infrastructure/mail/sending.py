"""A mail that is of use for a while only, handed to the mailer once: whoever carries it tries again."""

from typing import Final

import structlog

from application.notifications.ports import Mail, Mailer, MailFailed, MailNotAsked, MailRefused
from application.shared.courier import NotSent, SendingRefused

log: Final = structlog.get_logger(__name__)


async def send_perishable(mailer: Mailer, mail: Mail, *, attempt: int, failing_as: str) -> None:
    """Hand a mail over; a failure is logged as `failing_as`.

    Raises:
        SendingRefused: in vain for good.
        NotSent: in vain this time.
    """
    try:
        await mailer.send(mail)
    except MailNotAsked as error:
        raise NotSent(error.message, retry_after_seconds=error.retry_after_seconds) from None
    except MailFailed as error:
        log.warning(
            failing_as, channel="email", reason=str(error), message_id=mail.message_id, attempt=attempt
        )
        kind = SendingRefused if isinstance(error, MailRefused) else NotSent
        raise kind(str(error)) from None
