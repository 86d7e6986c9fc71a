"""Mail over Resend's HTTP interface (https://resend.com/docs/api-reference/emails/send-email)."""

from http import HTTPStatus
from typing import Final

import msgspec
import structlog

from application.notifications.ports import Mail, MailFailed, MailOutage, MailRefused
from infrastructure.mail.message import masked, one_line, sender_of
from infrastructure.outbound.http import HttpAnswer, HttpProvider, NoAnswer, NotReached
from infrastructure.security.secrets import Secret

log = structlog.get_logger(__name__)

BASE_URL: Final = "https://api.resend.com"
SECONDS: Final = 15.0

_REFUSED: Final = frozenset({400, 422})
"""Statuses that say that the mail itself is wrong; all others pass, or are ours to mend (key, quota)."""


_OUTAGES: Final = frozenset({401, 403})
"""Statuses that say that our key is not taken."""


class _Sent(msgspec.Struct):
    id: str


class _Answer(msgspec.Struct):
    name: str = ""


class ResendMailer:
    """Implements `application.notifications.ports.Mailer`."""

    def __init__(self, api_key: Secret, *, sender: str, company_name: str, base_url: str = BASE_URL) -> None:
        """Opens nothing."""
        self._api_key = api_key
        self._sender = sender
        self._company_name = company_name
        self._http = HttpProvider(base_url, seconds=SECONDS)

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
        answer = await self._ask(
            "POST",
            "/emails",
            {"Idempotency-Key": mail.message_id, "Content-Type": "application/json"},
            msgspec.json.encode(body),
        )
        if answer.status != HTTPStatus.OK:
            raise _failure(answer)
        try:
            taken_as = msgspec.json.decode(answer.body, type=_Sent).id
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
        answer = await self._ask("GET", "/domains", {})
        if answer.status != HTTPStatus.OK and _name(answer) != "restricted_api_key":
            raise _failure(answer)

    async def _ask(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> HttpAnswer:
        key = {"Authorization": f"Bearer {self._api_key.reveal()}"}
        try:
            return await self._http.ask(method, path, headers={**headers, **key}, content=body)
        except (NotReached, NoAnswer) as error:
            raise MailOutage(f"Resend cannot be used: {error}") from None


def _quoted(name: str) -> str:
    return one_line(name).replace("\\", "\\\\").replace('"', '\\"')


def _name(answer: HttpAnswer) -> str:
    """Resend's stable word for a failure; its message may hold addresses."""
    try:
        return msgspec.json.decode(answer.body, type=_Answer).name[:60]
    except msgspec.DecodeError:
        return ""


def _failure(answer: HttpAnswer) -> MailFailed:
    name = _name(answer)
    told = f"Resend answered {answer.status} {name}".strip()
    # The key's own errors come with 400, too, and are not the mail's fault.
    if answer.status in _REFUSED and name != "invalid_idempotency_key":
        return MailRefused(told)
    if answer.status in _OUTAGES or answer.status >= 500:
        return MailOutage(told)
    return MailFailed(told)
