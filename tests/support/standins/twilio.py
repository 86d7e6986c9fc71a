"""Twilio's messages on the loopback address."""

import asyncio
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from uuid import uuid4

import msgspec

from tests.support.standins.http import Asked, HangUp, Told, listening

ACCOUNT_SID = "AC0123456789abcdef0123456789abcdef"
AUTH_TOKEN = "twilio-auth-token-77e0"
SERVICE_SID = "MG0123456789abcdef0123456789abcdef"
UNREACHABLE = "+998900000000"
OPTED_OUT = "+998900000001"


class Message(msgspec.Struct):
    """One message that was taken."""

    sid: str
    to: str
    sender: str
    body: str
    created_at: datetime
    status: str = "queued"

    def shown(self) -> dict[str, Any]:
        """The resource."""
        by_service = self.sender.startswith("MG")
        return {
            "sid": self.sid,
            "account_sid": ACCOUNT_SID,
            "to": self.to,
            "from": None if by_service else self.sender,
            "messaging_service_sid": self.sender if by_service else None,
            "body": self.body,
            "status": self.status,
            "num_segments": "0" if by_service else "1",
            "price": None,
            "price_unit": "USD",
            "error_code": None,
            "error_message": None,
            "direction": "outbound-api",
            "date_created": format_datetime(self.created_at),
            "uri": f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{self.sid}.json",
        }


class Twilio:
    """The provider; its attributes are what tests turn."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str]] = []
        self.messages: list[Message] = []
        self.now = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
        self.problem_details = False
        """Errors come in the newer shape."""
        self.refusals: list[Told] = []
        self.swallowed = 0
        self.dropped = 0
        self.account_status = "active"

    async def answer(self, asked: Asked) -> Told:
        """What the provider does with one request."""
        self.asked.append((asked.method, asked.path))
        pair = b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
        if asked.headers.get("authorization") != f"Basic {pair}":
            return self.error(401, 20003, "Authenticate")
        base = f"/2010-04-01/Accounts/{ACCOUNT_SID}"
        if self.refusals:
            return self.refusals.pop(0)
        match asked.method, asked.path.removeprefix(base):
            case "GET", ".json":
                return Told(200, {"sid": ACCOUNT_SID, "status": self.account_status})
            case "POST", "/Messages.json":
                return await self._send(asked)
            case "GET", "/Messages.json":
                to = asked.query["To"]
                found = [each for each in self.messages[::-1] if each.to == to]
                rows = [each.shown() for each in found[: int(asked.query["PageSize"])]]
                return Told(200, {"messages": rows, "page": 0, "next_page_uri": None})
            case "GET", path:
                for each in self.messages:
                    if path == f"/Messages/{each.sid}.json":
                        return Told(200, each.shown())
        return self.error(404, 20404, "Not found")

    async def _send(self, asked: Asked) -> Told:
        form = asked.form()
        assert form is not None
        assert set(form) <= {"To", "From", "MessagingServiceSid", "Body", "StatusCallback"}, form.keys()
        assert ("From" in form) != ("MessagingServiceSid" in form)
        to = form["To"]
        if not re.fullmatch(r"\+[1-9]\d{6,14}", to):
            return self.error(400, 21211, f"The 'To' number {to} is not a valid phone number.")
        if to == UNREACHABLE:
            return self.error(400, 21614, f"'To' number {to} is not a valid mobile number")
        if to == OPTED_OUT:
            return self.error(400, 21610, "Attempt to send to unsubscribed recipient")
        if not form["Body"] or len(form["Body"]) > 1600:
            return self.error(400, 21617, "The concatenated message body exceeds the 1600 character limit")
        if self.dropped:
            self.dropped -= 1
            raise HangUp
        message = Message(
            sid=f"SM{uuid4().hex}",
            to=to,
            sender=form.get("From") or form["MessagingServiceSid"],
            body=form["Body"],
            created_at=self.now,
        )
        self.messages.append(message)
        if self.swallowed:
            self.swallowed -= 1
            await asyncio.sleep(3600)
        return Told(201, message.shown())

    def error(self, status: int, code: int, message: str, **headers: str) -> Told:
        """An error in the shape that is asked for."""
        more = f"https://www.twilio.com/docs/errors/{code}"
        if self.problem_details:
            body: dict[str, Any] = {"type": more, "title": message, "status": status, "code": code}
        else:
            body = {"code": code, "message": message, "more_info": more, "status": status}
        return Told(status, body, headers)


@asynccontextmanager
async def twilio() -> AsyncIterator[Twilio]:
    """A running stand-in; `url` is what `TWILIO_API_URL` would be."""
    provider = Twilio()
    async with listening(provider.answer) as url:
        provider.url = url
        yield provider
