"""Eskiz on the loopback address: signs in, renews, sends, lists, and fails in every way that it is told to."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import msgspec

from tests.support.standins.http import Asked, HangUp, Told, listening

EMAIL = "shop@bazaar.example"
PASSWORD = "eskiz-password-5b1c"
APPROVED_IN_TESTS = frozenset({"This is test from Eskiz", "Bu Eskiz dan test", "Это тест от Eskiz"})
ROWS_MAXIMUM = 100


class Message(msgspec.Struct):
    """One message that was taken."""

    id: str
    to: str
    text: str
    sender: str
    user_sms_id: str | None
    status: str = "waiting"


class Eskiz:
    """The provider; its attributes are what tests turn."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str]] = []
        self.messages: list[Message] = []
        self.balance = 1_000
        self.moderates = False
        self.forgets_expired = False
        """A token that has expired cannot be renewed, only replaced by a new sign-in."""
        self.refuses_every_token = False
        self.password = PASSWORD
        self.refusals: list[Told] = []
        """Answers to the next calls that need a token, instead of doing anything."""
        self.swallowed = 0
        """So many messages are taken without an answer."""
        self.dropped = 0
        """So many are not taken, without an answer."""
        self.garbled = 0
        """So many are taken with an answer that nobody can read."""
        self.lists = True
        self._live: set[str] = set()
        self._expired: set[str] = set()

    def expire_tokens(self) -> None:
        """No token that was given is good any more."""
        self._expired |= self._live
        self._live.clear()

    def count(self, method: str, path: str) -> int:
        """How often something was asked."""
        return self.asked.count((method, path))

    async def answer(self, asked: Asked) -> Told:
        """What the provider does with one request."""
        assert asked.path.startswith("/api/"), asked.path
        path = asked.path.removeprefix("/api")
        self.asked.append((asked.method, path))
        match asked.method, path:
            case "POST", "/auth/login":
                return self._login(asked)
            case "PATCH", "/auth/refresh":
                return self._refresh(asked)
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self._live or self.refuses_every_token:
            if token in self._expired:
                return Told(401, {"status": "token-invalid", "message": "Expired token"})
            return Told(401, {"message": "Unauthenticated."})
        if self.refusals:
            return self.refusals.pop(0)
        match asked.method, path:
            case "POST", "/message/sms/send":
                return await self._send(asked)
            case "POST", "/message/sms/get-user-messages":
                return self._list(asked)
            case "GET", "/user/get-limit":
                return Told(200, {"status": "success", "data": {"balance": self.balance}})
            case "GET", _ if path.startswith("/message/sms/status_by_id/"):
                return self._status(path.rpartition("/")[2])
        return Told(404, {"message": "Not Found"})

    def _grant(self) -> Told:
        token = f"eyJ0b2tlbiI6{uuid4().hex}"
        self._live.add(token)
        granted = {"message": "token_generated", "data": {"token": token}, "token_type": "bearer"}
        return Told(200, granted)

    def _login(self, asked: Asked) -> Told:
        assert asked.form() is not None
        if asked.form() != {"email": EMAIL, "password": self.password}:
            return Told(401, {"message": "Invalid credentials"})
        return self._grant()

    def _refresh(self, asked: Asked) -> Told:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self._live and (token not in self._expired or self.forgets_expired):
            return Told(401, {"status": "token-invalid", "message": "Expired token"})
        return self._grant()

    async def _send(self, asked: Asked) -> Told:
        form = asked.form()
        assert form is not None
        assert set(form) <= {"mobile_phone", "message", "from", "callback_url", "user_sms_id"}, form.keys()
        if not re.fullmatch(r"998[0-9]{9}", form.get("mobile_phone", "")):
            return Told(422, {"message": {"mobile_phone": ["The mobile phone format is invalid."]}})
        if not form.get("message"):
            return Told(422, {"message": "The given data was invalid.", "errors": {"message": ["required"]}})
        if self.moderates and form["message"] not in APPROVED_IN_TESTS:
            return Told(400, {"status": "error", "message": "Этот смс-текст ещё не прошёл модерацию"})
        if self.balance <= 0:
            return Told(400, {"status": "error", "message": "Недостаточно средств на балансе"})
        if self.dropped:
            self.dropped -= 1
            raise HangUp
        self.balance -= 1
        message = Message(
            id=str(uuid4()),
            to=form["mobile_phone"],
            text=form["message"],
            sender=form["from"],
            user_sms_id=form.get("user_sms_id"),
        )
        self.messages.append(message)
        if self.swallowed:
            self.swallowed -= 1
            await asyncio.sleep(3600)
        if self.garbled:
            self.garbled -= 1
            return Told(200, b'{"id": "', {"Content-Length": "100"})
        return Told(200, {"id": message.id, "message": "Waiting for SMS provider", "status": message.status})

    def _list(self, asked: Asked) -> Told:
        form = asked.form()
        assert form is not None
        for name in ("start_date", "end_date"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", form[name]), form
        if not self.lists:
            return Told(500, b"<html>Server Error</html>", {"Content-Type": "text/html"})
        size, page = min(int(form["page_size"]), ROWS_MAXIMUM), int(asked.query.get("page", "1"))
        newest_first = self.messages[::-1]
        rows = [
            {"id": number, "request_id": each.id, "user_sms_id": each.user_sms_id, "to": each.to,
             "status": each.status, "message": each.text, "parts_count": 1}
            for number, each in enumerate(newest_first[(page - 1) * size : page * size])
        ]  # fmt: skip
        last = max(1, -(-len(newest_first) // size))
        data: dict[str, Any] = {"current_page": page, "last_page": last, "total": len(newest_first)}
        return Told(200, {"status": "success", "data": {**data, "result": rows}})

    def _status(self, message_id: str) -> Told:
        for each in self.messages:
            if each.id == message_id:
                data = {
                    "id": 1,
                    "request_id": each.id,
                    "status": each.status,
                    "to": each.to,
                    "parts_count": 1,
                }
                return Told(200, {"status": "success", "data": data})
        return Told(404, {"status": "error", "message": "Not found"})


@asynccontextmanager
async def eskiz() -> AsyncIterator[Eskiz]:
    """A running stand-in; `url` is what `ESKIZ_API_URL` would be."""
    provider = Eskiz()
    async with listening(provider.answer) as url:
        provider.url = f"{url}/api"
        yield provider
