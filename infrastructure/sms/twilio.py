"""Text messages over Twilio (https://www.twilio.com/docs/messaging/api/message-resource), which reaches the world (NTF-17).

There are no idempotency keys. After an unknown outcome the messages to the same number of the last hour are looked through for
the same text: texts that are sent twice, on purpose, within an hour are not for this adapter.
"""

import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar
from urllib.parse import quote

import msgspec
import structlog

from application.shared.ports import Clock
from infrastructure.outbound.breaker import CircuitBreaker
from infrastructure.outbound.http import SECONDS, HttpAnswer, HttpProvider, NoAnswer, NotReached, Pairs
from infrastructure.security.secrets import Secret
from infrastructure.sms.patience import within_patience
from infrastructure.sms.ports import (
    Reason,
    SentSms,
    Sms,
    SmsFailed,
    SmsOutage,
    SmsStatus,
    failure,
    masked_number,
)
from infrastructure.sms.segments import size_of

BASE_URL: Final = "https://api.twilio.com"
VERSION: Final = "2010-04-01"
NAME: Final = "twilio"
LONGEST_TEXT: Final = 1600
PAGE_SIZE: Final = 50

_LOOK_BACK: Final = timedelta(hours=1)
_MESSAGING_SERVICE: Final = re.compile(r"MG[0-9a-fA-F]{32}")

# https://www.twilio.com/docs/api/errors
_REASONS: Final = {
    21211: Reason.NUMBER,  # no valid number
    21214: Reason.NUMBER,  # cannot be reached
    21217: Reason.NUMBER,  # no valid number
    21408: Reason.NUMBER,  # no permission for that country
    21608: Reason.NUMBER,  # a trial account reaches verified numbers only
    21610: Reason.NUMBER,  # the recipient has opted out
    21612: Reason.NUMBER,  # not reachable from our number
    21614: Reason.NUMBER,  # no mobile number
    21602: Reason.TEXT,  # no text
    21617: Reason.TEXT,  # too long
    20003: Reason.CREDENTIALS,  # not authenticated
    20005: Reason.CREDENTIALS,  # account not active
    21212: Reason.CREDENTIALS,  # no valid From
    21603: Reason.CREDENTIALS,  # no From
    21606: Reason.CREDENTIALS,  # From is not ours
    21703: Reason.CREDENTIALS,  # the messaging service has no number
    20429: Reason.LIMIT,
    21611: Reason.LIMIT,  # the queue of the sending number is full
}
_FAILED: Final = frozenset({"undelivered", "failed", "canceled"})
_DELIVERED: Final = frozenset({"delivered", "read"})

log: Final = structlog.get_logger(__name__)

M = TypeVar("M", bound=msgspec.Struct)


class _Message(msgspec.Struct):
    sid: str
    status: str
    body: str = ""
    date_created: str | None = None
    num_segments: str | None = None


class _Page(msgspec.Struct):
    messages: list[_Message]


class _Account(msgspec.Struct):
    status: str


class _Error(msgspec.Struct):
    """Both shapes of an error have its number under this name."""

    code: int | str | None = None


class TwilioSms:
    """Implements `infrastructure.sms.ports.SmsSender`."""

    def __init__(
        self,
        *,
        account_sid: str,
        auth_token: Secret,
        sender: str,
        clock: Clock,
        base_url: str = BASE_URL,
        seconds: float = SECONDS,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        """Opens nothing. `sender` is a number, a name, or the SID of a messaging service (`MG...`)."""
        self._clock = clock
        self._from = ("MessagingServiceSid" if _MESSAGING_SERVICE.fullmatch(sender) else "From", sender)
        self._account = f"/{VERSION}/Accounts/{quote(account_sid, safe='')}"
        pair = b64encode(f"{account_sid}:{auth_token.reveal()}".encode()).decode()
        self._authorization = Secret(f"Basic {pair}")
        self._http = HttpProvider(base_url, seconds=seconds)
        self._breaker = breaker or CircuitBreaker(NAME, SmsOutage)

    @property
    def name(self) -> str:
        """As in settings and logs."""
        return NAME

    async def send(self, sms: Sms, *, attempt: int = 1) -> SentSms:
        """See the port."""
        if len(sms.text.reveal()) > LONGEST_TEXT:
            raise failure(NAME, Reason.TEXT, f"longer than {LONGEST_TEXT} characters")
        async with within_patience(NAME, self._breaker):
            message = await self._find(sms) if attempt > 1 else None
            if message is None:
                message = await self._send(sms)
        sent = SentSms(
            provider_id=message.sid,
            status=status_of(message.status),
            raw_status=message.status,
            size=size_of(sms.text.reveal()),
        )
        log.info(
            "sms_sent",
            provider=NAME,
            message_id=sms.message_id,
            provider_message_id=sent.provider_id,
            recipient=masked_number(sms.to),
            encoding=sent.size.encoding,
            # A messaging service may write characters in another way, so that it is charged for less.
            parts=_count(message.num_segments) or sent.size.parts,
            attempt=attempt,
        )
        return sent

    async def status(self, provider_id: str) -> SmsStatus:
        """See the port."""
        async with within_patience(NAME, self._breaker):
            answer = await self._ask("GET", f"/Messages/{quote(provider_id, safe='')}.json")
            if answer.status != 200:
                raise _refusal(answer)
            return status_of(_read(answer, _Message).status)

    async def check(self) -> None:
        """See the port: ask for the account."""
        async with within_patience(NAME, self._breaker):
            answer = await self._ask("GET", ".json")
            if answer.status != 200:
                raise _refusal(answer)
            if _read(answer, _Account).status != "active":
                raise failure(NAME, Reason.CREDENTIALS, "the account is not active")

    def close(self) -> None:
        """See the port."""
        self._http.close()

    async def _send(self, sms: Sms) -> _Message:
        answer = await self._ask(
            "POST",
            "/Messages.json",
            form=(("To", sms.to.reveal()), self._from, ("Body", sms.text.reveal())),
        )
        if answer.status not in {200, 201}:
            raise _refusal(answer)
        return _read(answer, _Message)

    async def _find(self, sms: Sms) -> _Message | None:
        """The message as Twilio has it; `None` when it certainly has not.

        Raises:
            SmsRefused: it has it, and did not bring it to anybody.
            SmsFailed: it does not say.
        """
        answer = await self._ask(
            "GET", "/Messages.json", query=(("To", sms.to.reveal()), ("PageSize", str(PAGE_SIZE)))
        )
        if answer.status != 200:
            raise failure(NAME, Reason.UNKNOWN, f"{answer.status} to the question for a message")
        since = self._clock() - _LOOK_BACK
        for message in _read(answer, _Page).messages:
            if message.body == sms.text.reveal() and _created(message) >= since:
                if status_of(message.status) is SmsStatus.FAILED:
                    raise failure(NAME, Reason.REQUEST, "taken before, and not delivered")
                return message
        return None

    async def _ask(
        self, method: str, path: str, *, query: Pairs = (), form: Pairs | None = None
    ) -> HttpAnswer:
        try:
            answer = await self._http.ask(
                method,
                self._account + path,
                headers={"Authorization": self._authorization.reveal()},
                query=query,
                form=form,
            )
        except NotReached as error:
            raise failure(NAME, Reason.AWAY, str(error)) from None
        except NoAnswer as error:
            raise failure(NAME, Reason.UNKNOWN, str(error)) from None
        if answer.status >= 500:
            raise failure(
                NAME, Reason.UNKNOWN, str(answer.status), retry_after_seconds=answer.retry_after_seconds
            )
        return answer


def status_of(word: str) -> SmsStatus:
    """What a status of Twilio means."""
    if word in _DELIVERED:
        return SmsStatus.DELIVERED
    return SmsStatus.FAILED if word in _FAILED else SmsStatus.UNDER_WAY


def _read(answer: HttpAnswer, kind: type[M]) -> M:
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except msgspec.DecodeError:
        raise failure(NAME, Reason.UNKNOWN, "an answer that cannot be read") from None


def _refusal(answer: HttpAnswer) -> SmsFailed:
    try:
        code = _count(msgspec.json.decode(answer.body, type=_Error).code)
    except msgspec.DecodeError:
        code = None
    told = str(answer.status) if code is None else f"{answer.status}, {code}"
    reason = _REASONS.get(code) if code is not None else None
    if reason is None:
        reason = _reason_of_status(answer.status)
    return failure(NAME, reason, told, retry_after_seconds=answer.retry_after_seconds)


def _reason_of_status(status: int) -> Reason:
    match status:
        case 401 | 403 | 404:  # the account is part of every path
            return Reason.CREDENTIALS
        case 429:
            return Reason.LIMIT
        case _ if status < 400:
            return Reason.UNKNOWN
        case _:
            return Reason.REQUEST


def _count(number: int | str | None) -> int | None:
    if isinstance(number, str):
        return int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None
    return number


def _created(message: _Message) -> datetime:
    """When it was made; one without a readable date is taken for new, so that nothing is sent twice."""
    try:
        at = parsedate_to_datetime(message.date_created or "")
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
