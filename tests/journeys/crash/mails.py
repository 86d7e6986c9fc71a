"""What the mail sink took: who was told what, and how often."""

import email
import email.policy
from collections import defaultdict
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

_HEADERS: Final = BytesHeaderParser(policy=email.policy.default)

LINK: Final = "email-verification"
"""What the names of mails with links that verify an address have in them."""


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one person, however often it came. `event_id` is that of the event which it is about."""

    message_id: str
    event_id: UUID
    to: str
    subject: str


class MailFolder:
    """All mails, read once each."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the sink's."""
        self._folder = folder
        self._read: set[str] = set()
        self.copies: dict[Mail, int] = defaultdict(int)

    @property
    def repeats(self) -> int:
        """Copies of messages that had come before, which whoever receives them drops by their Message-ID."""
        return sum(self.copies.values()) - len(self.copies)

    def look(self) -> None:
        """Read what is new."""
        for path in sorted(self._folder.glob("*.eml")):
            # Links are about no event, and promised to nobody: who got none asks again.
            if path.name in self._read or LINK in path.name:
                continue
            self._read.add(path.name)
            with path.open("rb") as file:
                headers = _HEADERS.parse(file)
            message_id = str(headers["Message-ID"]).strip()
            mail = Mail(
                message_id=message_id,
                event_id=UUID(message_id.strip("<>").partition(".")[0]),
                to=str(headers["Delivered-To"]),
                subject=str(headers["Subject"]),
            )
            self.copies[mail] += 1
