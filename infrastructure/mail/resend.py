"""Mail over Resend's HTTP interface (https://resend.com/docs/api-reference/emails/send-email)."""

import asyncio
import http.client
import ssl
from typing import Final
from urllib.parse import urlsplit

import msgspec
import structlog

from application.notifications.ports import Mail, MailFailed, MailRefused
from infrastructure.mail.message import masked, one_line, sender_of
from infrastructure.security.secrets import Secret

log = structlog.get_logger(__name__)

BASE_URL: Final = "https://api.resend.com"
SECONDS: Final = 15.0
LONGEST_ANSWER: Final = 65_536

_REFUSED: Final = frozenset({400, 422})
"""Statuses that say that the mail itself is wrong; all others pass, or are ours to mend (key, quota)."""


class _Sent(msgspec.Struct):
    id: str


class _Answer(msgspec.Struct):
    name: str = ""


class ResendMailer:
    """Implements `application.notifications.ports.Mailer`. The standard library's client works in a thread."""

    def __init__(self, api_key: Secret, *, sender: str, company_name: str, base_url: str = BASE_URL) -> None:
        """Opens nothing."""
        self._api_key = api_key
        self._sender = sender
        self._company_name = company_name
        self._base = urlsplit(base_url)

    async def send(self, mail: Mail) -> str | None:
        """See the port. Resend drops a repeat by the idempotency key, for 24 hours."""
        name, address = sender_of(self._sender, self._company_name)
        body = {
            "from": f'"{_quoted(name)}" <{address}>',
            "to": mail.to,
            "subject": one_line(mail.words.subject),
            "text": mail.words.text,
            "html": mail.words.html,
            "headers": {"Message-ID": f"<{mail.message_id}@{address.rpartition('@')[2]}>"},
        }
        status, answer = await self._ask(
            "POST", "/emails", msgspec.json.encode(body), {"Idempotency-Key": mail.message_id}
        )
        if status != http.client.OK:
            raise _failure(status, answer)
        try:
            taken_as = msgspec.json.decode(answer, type=_Sent).id
        except msgspec.DecodeError as error:
            raise MailFailed("Resend's answer cannot be read.") from error
        log.info(
            "mail_sent",
            transport="resend",
            template=mail.template.value,
            subject=mail.words.subject,
            message_id=mail.message_id,
            recipient=masked(mail.to),
        )
        return taken_as

    async def check(self) -> None:
        """See the port. A key that may only send is refused the list (401 `restricted_api_key`), and is fine."""
        status, answer = await self._ask("GET", "/domains", None, {})
        if status != http.client.OK and _name(answer) != "restricted_api_key":
            raise _failure(status, answer)

    async def _ask(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        try:
            return await asyncio.to_thread(self._ask_now, method, path, body, headers)
        except (OSError, ssl.SSLError, http.client.HTTPException) as error:
            raise MailFailed(f"Resend cannot be reached: {type(error).__name__}") from None

    def _ask_now(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        kind = http.client.HTTPSConnection if self._base.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._base.hostname or "", self._base.port, timeout=SECONDS)
        try:
            connection.request(
                method,
                self._base.path + path,
                body,
                {
                    "Authorization": f"Bearer {self._api_key.reveal()}",
                    "Content-Type": "application/json",
                    "User-Agent": "daftar",
                    **headers,
                },
            )
            response = connection.getresponse()
            return response.status, response.read(LONGEST_ANSWER)
        finally:
            connection.close()


def _quoted(name: str) -> str:
    return one_line(name).replace("\\", "\\\\").replace('"', '\\"')


def _name(answer: bytes) -> str:
    """Resend's stable word for a failure; its message may hold addresses."""
    try:
        return msgspec.json.decode(answer, type=_Answer).name[:60]
    except msgspec.DecodeError:
        return ""


def _failure(status: int, answer: bytes) -> MailFailed:
    name = _name(answer)
    told = f"Resend answered {status} {name}".strip()
    # The key's own errors come with 400, too, and are not the mail's fault.
    if status in _REFUSED and name != "invalid_idempotency_key":
        return MailRefused(told)
    return MailFailed(told)
