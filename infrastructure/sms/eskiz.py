"""Text messages over Eskiz (notify.eskiz.uz), which reaches the networks of Uzbekistan (requirements NTF-17).

Eskiz publishes its interface as a collection of examples. What stands here is what independent client libraries agree on;
where they do not say, it is careful: an answer that cannot be read means that the outcome is unknown.

A token lives for about a month. It is shared by all messages of the process, and when Eskiz does not take it any more it is
renewed once for all who notice: `PATCH /auth/refresh`, or else a new sign-in; then the call is repeated, once.

There are no idempotency keys. Our id goes along as `user_sms_id`; after an unknown outcome the message is looked for by it
among those of the last hour, and sent again only when it is not there.
"""

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any, Final
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

BASE_URL: Final = "https://notify.eskiz.uz/api"
DEFAULT_SENDER: Final = "4546"
NAME: Final = "eskiz"

PAGE_SIZE: Final = 100
PAGES_MAXIMUM: Final = 10

_NUMBER: Final = re.compile(r"\+998[0-9]{9}")
_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,4096}")
_TASHKENT: Final = timezone(timedelta(hours=5))
"""In whose hours Eskiz keeps its lists; Uzbekistan has no summer time."""

_LOOK_BACK: Final = timedelta(hours=1)

_OK: Final = frozenset({200, 201})

# What Eskiz says when it refuses, in the languages in which it says so; the first that is found names the reason.
_WORDS: Final = (
    (Reason.BALANCE, ("balans", "balance", "баланс", "mablag", "недостаточно", "insufficient")),
    (Reason.NUMBER, ("mobile_phone", "phone", "номер", "raqam")),
    (Reason.TEXT, ("moder", "модер", "тест", "test", "shablon", "шаблон", "template", "message")),
)

log: Final = structlog.get_logger(__name__)


class _Grant(msgspec.Struct):
    token: str


class _Granted(msgspec.Struct):
    data: _Grant


class _Sent(msgspec.Struct):
    id: str | int
    status: str = ""


class _Listed(msgspec.Struct):
    """One message of a list, as far as it matters; fields that Eskiz leaves out are empty."""

    id: str | int | None = None
    request_id: str | None = None
    user_sms_id: str | int | None = None
    status: str | None = None


class EskizSms:
    """Implements `infrastructure.sms.ports.SmsSender`."""

    def __init__(
        self,
        *,
        email: str,
        password: Secret,
        clock: Clock,
        sender: str = DEFAULT_SENDER,
        base_url: str = BASE_URL,
        seconds: float = SECONDS,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        """Opens nothing. `seconds` is for one request."""
        self._email = email
        self._password = password
        self._clock = clock
        self._sender = sender
        self._http = HttpProvider(base_url, seconds=seconds)
        self._breaker = breaker or CircuitBreaker(NAME, SmsOutage)
        self._token: Secret | None = None
        self._renewing = asyncio.Lock()

    @property
    def name(self) -> str:
        """As in settings and logs."""
        return NAME

    async def send(self, sms: Sms, *, attempt: int = 1) -> SentSms:
        """See the port. Only numbers of Uzbekistan are taken: others need a contract and an interface of their own."""
        if not _NUMBER.fullmatch(sms.to.reveal()):
            raise failure(NAME, Reason.NUMBER, "not a number of Uzbekistan")
        async with within_patience(NAME, self._breaker):
            sent = await self._find(sms) if attempt > 1 else None
            if sent is None:
                sent = await self._send(sms)
        log.info(
            "sms_sent",
            provider=NAME,
            message_id=sms.message_id,
            provider_message_id=sent.provider_id,
            recipient=masked_number(sms.to),
            encoding=sent.size.encoding,
            parts=sent.size.parts,
            attempt=attempt,
        )
        return sent

    async def status(self, provider_id: str) -> SmsStatus:
        """See the port."""
        async with within_patience(NAME, self._breaker):
            answer = await self._call("GET", f"/message/sms/status_by_id/{quote(provider_id, safe='')}")
            if answer.status not in _OK:
                raise _refusal(answer)
            data = _object(_json(answer)).get("data")
            word = _object(data).get("status")
            if not isinstance(word, str):
                raise failure(NAME, Reason.UNKNOWN, "an answer without a status")
            return status_of(word)

    async def check(self) -> None:
        """See the port: sign in, and look whether anything is left to pay with."""
        async with within_patience(NAME, self._breaker):
            answer = await self._call("GET", "/user/get-limit")
            if answer.status not in _OK:
                raise _refusal(answer)
            balance = _object(_object(_json(answer)).get("data")).get("balance")
            if not isinstance(balance, int | float):
                raise failure(NAME, Reason.UNKNOWN, "an answer without a balance")
            if balance <= 0:
                raise failure(NAME, Reason.BALANCE, "nothing left")

    def close(self) -> None:
        """See the port."""
        self._http.close()

    # --- messages --------------------------------------------------------------------------------------------

    async def _send(self, sms: Sms) -> SentSms:
        answer = await self._call(
            "POST",
            "/message/sms/send",
            form=(
                ("mobile_phone", sms.to.reveal().removeprefix("+")),
                ("message", sms.text.reveal()),
                ("from", self._sender),
                ("user_sms_id", sms.message_id),
            ),
        )
        if answer.status not in _OK:
            raise _refusal(answer)
        try:
            sent = msgspec.json.decode(answer.body, type=_Sent)
        except msgspec.DecodeError:
            # Some refusals come with 200.
            if _object(_json(answer)).get("status") == "error":
                raise failure(NAME, _reason(answer), f"{answer.status} with an error") from None
            raise failure(NAME, Reason.UNKNOWN, "an answer that cannot be read") from None
        return SentSms(
            provider_id=str(sent.id),
            status=status_of(sent.status),
            raw_status=sent.status,
            size=size_of(sms.text.reveal()),
        )

    async def _find(self, sms: Sms) -> SentSms | None:
        """The message as Eskiz has it; `None` when it certainly has not.

        Raises:
            SmsRefused: it has it, and did not bring it to anybody.
            SmsFailed: it does not say.
        """
        now = self._clock()
        for page in range(1, PAGES_MAXIMUM + 1):
            answer = await self._call(
                "POST",
                "/message/sms/get-user-messages",
                query=(("page", str(page)),),
                form=(
                    ("start_date", _moment(now - _LOOK_BACK)),
                    ("end_date", _moment(now + _LOOK_BACK)),
                    ("page_size", str(PAGE_SIZE)),
                ),
            )
            if answer.status not in _OK:
                raise failure(NAME, Reason.UNKNOWN, f"{answer.status} to the question for a message")
            listed, is_last = _messages_in(answer)
            for each in listed:
                if str(each.user_sms_id) == sms.message_id:
                    return _found(each, sms)
            if is_last:
                return None
        raise failure(NAME, Reason.UNKNOWN, "too many messages to look through")

    # --- tokens ----------------------------------------------------------------------------------------------

    async def _call(
        self, method: str, path: str, *, query: Pairs = (), form: Pairs | None = None
    ) -> HttpAnswer:
        """Ask with the token; with a fresh one, when that is not taken.

        Raises:
            SmsFailed: no answer, or one that says nothing about the question.
        """
        token = await self._present_token()
        answer = await self._ask(method, path, token, query, form)
        if answer.status == 401:
            fresh = await self._renewed(token)
            answer = await self._ask(method, path, fresh, query, form)
            if answer.status == 401:
                if self._token is fresh:
                    self._token = None
                raise failure(NAME, Reason.CREDENTIALS, "401 with a fresh token")
        if answer.status == 429:
            raise failure(NAME, Reason.LIMIT, "429", retry_after_seconds=answer.retry_after_seconds)
        if answer.status >= 500:
            raise failure(
                NAME, Reason.UNKNOWN, str(answer.status), retry_after_seconds=answer.retry_after_seconds
            )
        return answer

    async def _ask(
        self, method: str, path: str, token: Secret, query: Pairs, form: Pairs | None
    ) -> HttpAnswer:
        try:
            return await self._http.ask(
                method,
                path,
                headers={"Authorization": f"Bearer {token.reveal()}"},
                query=query,
                form=form,
            )
        except NotReached as error:
            raise failure(NAME, Reason.AWAY, str(error)) from None
        except NoAnswer as error:
            raise failure(NAME, Reason.UNKNOWN, str(error)) from None

    async def _present_token(self) -> Secret:
        if self._token is None:
            async with self._renewing:
                if self._token is None:
                    self._token = await self._sign_in()
        return self._token

    async def _renewed(self, refused: Secret) -> Secret:
        """A token that is not the refused one; whoever comes first gets it, for all who wait."""
        async with self._renewing:
            if self._token is None or self._token is refused:
                self._token = None
                self._token = await self._refresh(refused) or await self._sign_in()
            return self._token

    async def _refresh(self, token: Secret) -> Secret | None:
        answer = await self._ask_for_token(
            "PATCH", "/auth/refresh", {"Authorization": f"Bearer {token.reveal()}"}
        )
        return _token_in(answer)

    async def _sign_in(self) -> Secret:
        answer = await self._ask_for_token(
            "POST",
            "/auth/login",
            {},
            (("email", self._email), ("password", self._password.reveal())),
        )
        token = _token_in(answer)
        if token is not None:
            log.info("sms_provider_signed_in", provider=NAME)
            return token
        if answer.status == 429:
            raise failure(NAME, Reason.LIMIT, "429", retry_after_seconds=answer.retry_after_seconds)
        reason = Reason.CREDENTIALS if 400 <= answer.status < 500 else Reason.AWAY
        raise failure(NAME, reason, f"{answer.status} to the sign-in")

    async def _ask_for_token(
        self, method: str, path: str, headers: dict[str, str], form: Pairs | None = None
    ) -> HttpAnswer:
        try:
            return await self._http.ask(method, path, headers=headers, form=form)
        except (NotReached, NoAnswer) as error:
            # Without a token no message has left.
            raise failure(NAME, Reason.AWAY, str(error)) from None


def status_of(word: str) -> SmsStatus:
    """What a word of Eskiz, or of an operator behind it, means; they vary, and only their beginnings can be relied on."""
    beginning = word.strip().upper()
    if beginning.startswith("DELIV"):
        return SmsStatus.DELIVERED
    if beginning.startswith(("REJECT", "UNDELIV", "EXPIRED", "FAIL")):
        return SmsStatus.FAILED
    return SmsStatus.UNDER_WAY


def _found(listed: _Listed, sms: Sms) -> SentSms:
    word = listed.status or ""
    status = status_of(word)
    if status is SmsStatus.FAILED:
        raise failure(NAME, Reason.REQUEST, "taken before, and not delivered")
    return SentSms(
        provider_id=str(listed.request_id or listed.id),
        status=status,
        raw_status=word,
        size=size_of(sms.text.reveal()),
    )


def _messages_in(answer: HttpAnswer) -> tuple[list[_Listed], bool]:
    """The messages of one page, and whether there is no other.

    Raises:
        SmsFailed: they cannot be told.
    """
    data = _object(_json(answer)).get("data")
    page = _object(data)
    rows = data if isinstance(data, list) else page.get("result", page.get("data"))
    if not isinstance(rows, list):
        raise failure(NAME, Reason.UNKNOWN, "a list that cannot be read")
    try:
        listed = msgspec.convert(rows, list[_Listed])
    except msgspec.ValidationError:
        raise failure(NAME, Reason.UNKNOWN, "a list that cannot be read") from None
    current, last = page.get("current_page"), page.get("last_page")
    if isinstance(current, int) and isinstance(last, int):
        return listed, current >= last
    return listed, len(rows) < PAGE_SIZE


def _moment(at: datetime) -> str:
    return at.astimezone(_TASHKENT).strftime("%Y-%m-%d %H:%M")


def _token_in(answer: HttpAnswer) -> Secret | None:
    if answer.status not in _OK:
        return None
    try:
        token = msgspec.json.decode(answer.body, type=_Granted).data.token
    except msgspec.DecodeError:
        return None
    # It goes into a header; anything else would be shown by the error that refuses it.
    return Secret(token) if _TOKEN.fullmatch(token) else None


def _refusal(answer: HttpAnswer) -> SmsFailed:
    """Why a question was answered with a status below 500 that is no success."""
    if answer.status == 402:
        return failure(NAME, Reason.BALANCE, "402")
    if answer.status == 403:
        return failure(NAME, Reason.CREDENTIALS, "403")
    if answer.status in {400, 422}:
        return failure(NAME, _reason(answer), str(answer.status))
    if answer.status < 400:
        # Also redirections: they are not followed, and nobody knows what was done before.
        return failure(NAME, Reason.UNKNOWN, str(answer.status))
    return failure(NAME, Reason.REQUEST, str(answer.status))


def _reason(answer: HttpAnswer) -> Reason:
    said = " ".join(_texts(_json(answer))).lower()
    for reason, words in _WORDS:
        if any(word in said for word in words):
            return reason
    return Reason.REQUEST


def _texts(value: Any, depth: int = 4) -> Iterator[str]:
    """What an answer says under `message` and `errors`, as one text, an object of lists, or else."""
    match value:
        case str():
            yield value
        case dict() if depth:
            told = value if depth < 4 else {key: value.get(key, "") for key in ("message", "errors", "error")}
            for key, each in told.items():
                if depth < 4:
                    yield str(key)
                yield from _texts(each, depth - 1)
        case list() if depth:
            for each in value:
                yield from _texts(each, depth - 1)


def _json(answer: HttpAnswer) -> Any:
    try:
        return msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
