"""What people find in their mailboxes and on their phones."""

import asyncio
import email
import email.policy
import re
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

T = TypeVar("T")

PATIENCE_SECONDS = 20.0


def an_address(name: str = "zebo") -> str:
    """An email address that no other test has: codes are counted by address, and all tests share one Redis."""
    return f"{name}-{uuid4().hex[:10]}@example.uz"


def a_phone() -> str:
    """A phone that no other test has."""
    return f"+99890{uuid4().int % 10**7:07}"


def wrong(code: str) -> str:
    """Another code than this."""
    return str(int(code) ^ 1)


class Mailbox:
    """Codes and links, in order of arrival; `number` counts from 1 what one address, or one phone, got."""

    def __init__(self, mails: Path, texts: Path) -> None:
        """`mails` is the folder of the mail sink, `texts` that of messages which are not sent."""
        self._mails = mails
        self._texts = texts
        self._read: dict[Path, EmailMessage] = {}

    async def code_for(self, address: str, number: int = 1) -> str:
        """The code in a mail."""
        return _code_in(text_of(await self.mail(address, "one-time-code", number)))

    async def token_for(self, address: str, template: str, number: int = 1) -> str:
        """The token of the link in a mail."""
        (token,) = re.findall(
            r"\?token=([0-9a-f]{64})\b", text_of(await self.mail(address, template, number))
        )
        assert isinstance(token, str)
        return token

    async def code_on(self, phone: str, number: int = 1) -> str:
        """The code in a text message."""
        return _code_in(await _until(lambda: self._texts_to(phone)[number - 1 : number], f"message {number}"))

    async def mail(self, address: str, template: str, number: int = 1) -> EmailMessage:
        """A mail of a template."""
        return await _until(
            lambda: self.mails(address, template)[number - 1 : number], f"mail {number}: {template}"
        )

    def mails(self, address: str, template: str) -> list[EmailMessage]:
        """All that have come."""
        for path in sorted(self._mails.glob(f"*{template}*.eml")):
            if path not in self._read:
                self._read[path] = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
        return [
            mail
            for path, mail in self._read.items()
            if template in path.name and mail["Delivered-To"] == address
        ]

    def _texts_to(self, phone: str) -> list[str]:
        read = (path.read_text(encoding="utf-8") for path in sorted(self._texts.glob("2*.txt")))
        return [text.partition("\n\n")[2] for text in read if text.startswith(f"To: {phone}\n")]


def text_of(mail: EmailMessage) -> str:
    """The plain half of a mail."""
    body = mail.get_body(("plain",))
    assert body is not None
    content: str = body.get_content()
    return content


def _code_in(text: str) -> str:
    (code,) = re.findall(r"(?<![0-9])[0-9]{6}(?![0-9])", text)
    assert isinstance(code, str)
    return code


async def _until(look: Callable[[], list[T]], what: str) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found[0]
        await asyncio.sleep(0.02)
    raise AssertionError(f"{what} did not come")
