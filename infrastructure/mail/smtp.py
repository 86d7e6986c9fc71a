"""Mail over SMTP submission (RFC 5321, RFC 8314): one connection a mail, TLS wherever a password or a stranger is near."""

import asyncio
import ssl
from email.message import EmailMessage
from ipaddress import ip_address
from types import TracebackType
from typing import Final

import structlog
from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
)

from application.notifications.ports import Mail, MailFailed, MailOutage, MailRefused
from infrastructure.mail.message import masked, message_of, sender_of
from infrastructure.settings import SmtpSettings

log = structlog.get_logger(__name__)

SECONDS: Final = 20.0
"""How long each step with the server may take."""

_NOT_THE_MAIL: Final = frozenset({421, 454, 500, 501, 502, 503, 504, 530, 534, 535, 538})
"""Refusals of us, not of the mail: wrong password, no TLS, a command that the server lacks. They end when we mend it."""


class SmtpMailer:
    """Implements `application.notifications.ports.Mailer`."""

    def __init__(self, settings: SmtpSettings, *, sender: str, company_name: str) -> None:
        """Opens nothing. `sender` is an address, alone or with a name that stands in for the company's."""
        self._settings = settings
        self._sender = sender
        self._company_name = company_name

    async def send(self, mail: Mail) -> str | None:
        """See the port; the server's answer holds no id that all of them understand, so ours is returned."""
        message = message_of(mail, sender=self._sender, company_name=self._company_name)
        await self._hand_over(message, mail)
        log.info(
            "mail_sent",
            transport="smtp",
            template=mail.template.value,
            subject=mail.words.subject,
            message_id=mail.message_id,
            recipient=masked(mail.to),
        )
        return mail.message_id

    async def check(self) -> None:
        """See the port: connect, sign in, leave."""
        try:
            async with self._server() as server:
                await server.noop()
        except (SMTPException, OSError, ssl.SSLError, TimeoutError) as error:
            raise _failure(error) from None

    async def _hand_over(self, message: EmailMessage, mail: Mail) -> None:
        try:
            async with self._server() as server:
                _, sender = sender_of(self._sender, self._company_name)
                if mail.to.isascii():
                    # As our policy writes it: the library would fold headers by its own.
                    await server.sendmail(sender, [mail.to], message.as_bytes())
                else:
                    await server.send_message(message, sender=sender, recipients=[mail.to])
        except (SMTPException, OSError, ssl.SSLError, TimeoutError, ValueError) as error:
            # From nobody: the library's messages hold addresses.
            raise _failure(error) from None

    def _server(self) -> SMTP:
        settings = self._settings
        near = _is_near(settings.host)
        return _Connection(
            hostname=settings.host,
            port=settings.port,
            username=settings.user,
            password=settings.password.reveal() if settings.password is not None else None,
            timeout=SECONDS,
            use_tls=settings.implicit_tls,
            # To another machine nothing goes in the clear; on this one there is no wire to listen at.
            start_tls=None if settings.implicit_tls else not near,
            # Our own name is not looked up: that can take seconds.
            local_hostname="localhost",
        )


class _Connection(SMTP):
    """A connection that is dropped at once when whoever uses it is cancelled.

    The library would say QUIT even then. In the middle of a mail no server answers that, nor does one that hangs: the one
    who is to stop would wait until the time for an answer is up.
    """

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the session in order, unless nobody waits for it any more."""
        if isinstance(error, asyncio.CancelledError):
            self.close()
        else:
            await super().__aexit__(kind, error, trace)


def _is_near(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _failure(error: Exception) -> MailFailed:
    """What went wrong, by class and code: the server's own words hold addresses."""
    if isinstance(error, SMTPRecipientsRefused):
        code = error.recipients[0].code if error.recipients else 550
        return _answered(code, "refused the recipient")
    if isinstance(error, SMTPResponseException):
        return _answered(error.code, type(error).__name__.removeprefix("SMTP"))
    if isinstance(error, ValueError):
        return MailRefused("The address cannot be used in SMTP.")
    return MailOutage(f"The mail server cannot be used: {type(error).__name__}")


def _answered(code: int, what: str) -> MailFailed:
    if code in _NOT_THE_MAIL:
        return MailOutage(f"The mail server answered {code}: {what}")
    if 500 <= code <= 599:
        return MailRefused(f"The mail server answered {code}: {what}")
    return MailFailed(f"The mail server answered {code}: {what}")
