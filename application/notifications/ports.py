"""What telling people needs from outside: words, a way out, and the history to read from."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from application.shared.caller import Caller
from application.shared.command import Command, Done, Unavailable
from domain.shared.events import Recorded


class Template(StrEnum):
    """The mails that there are (requirements NTF-02)."""

    WELCOME = "welcome"
    ORDER_CONFIRMATION = "order-confirmation"
    ORDER_SHIPPED = "order-shipped"
    PASSWORD_RESET = "password-reset"  # noqa: S105 - the name of a template
    SELLER_APPROVED = "seller-approved"
    SELLER_REJECTED = "seller-rejected"
    ONE_TIME_CODE = "one-time-code"
    EMAIL_VERIFICATION = "email-verification"


SECRET: Final = frozenset({Template.PASSWORD_RESET, Template.ONE_TIME_CODE, Template.EMAIL_VERIFICATION})
"""Mails whose words open something: they are shown to nobody but whom they are for (requirements ES-18)."""


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """A template with its variables filled in. `subject` is one line."""

    subject: str
    text: str
    html: str


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """One mail to one person, who must not be named in a representation of it.

    `message_id` is the part of the Message-ID before the @: the same for every attempt, so that a server that
    took the mail without our learning of it can drop the repeat (RFC 5322 §3.6.4).
    """

    message_id: str
    template: Template
    to: str
    to_name: str | None
    words: Words
    sent_at: datetime

    def __repr__(self) -> str:
        """Without the person and what is said to them."""
        return f"Mail(message_id={self.message_id!r}, template={self.template.value!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The same for debuggers that print structs field by field."""
        return [("message_id", self.message_id), ("template", self.template.value)]


class MailFailed(Exception):
    """The mail did not leave, and may leave later. The message holds no address."""


class MailOutage(MailFailed):
    """The way out does not work, or not for us: other mails will fare no better."""


class MailNotAsked(Unavailable):
    """The way out has failed so often that it is left alone for a while. Nothing has left, and no attempt was made."""

    code = "UPSTREAM_UNAVAILABLE"


class MailRefused(MailFailed):
    """The mail will never leave as it is: the address or the message is refused for good."""


class Mailer(Protocol):
    """The way out for mails."""

    async def send(self, mail: Mail) -> str | None:
        """Hand a mail over; returns what the other side calls it.

        Raises:
            MailRefused: it is refused for good.
            MailFailed: try again later.
            MailNotAsked: wait; that was no attempt.
        """
        ...

    async def check(self) -> None:
        """Find out whether mail could leave now, without sending any (requirements NTF-14).

        Raises:
            MailFailed, MailNotAsked: it could not.
        """
        ...


class Renderer(Protocol):
    """Fills in templates."""

    def render(
        self, template: Template, variables: Mapping[str, object], *, language: str | None = None
    ) -> Words:
        """The words of one mail; every variable is escaped where its place asks for it.

        `language` is an ISO 639-1 code; a mail that is not written in it is in English.
        """
        ...


class History(Protocol):
    """The log as workflows read it: personal data opened, what was erased replaced by the defaults."""

    async def at(self, position: int) -> Recorded | None:
        """The event at a position of the log; `None` when there is none.

        Raises:
            Unavailable: the log is away.
        """
        ...

    async def upto(self, stream_id: UUID, position: int) -> Sequence[Recorded]:
        """The history of one stream up to a position of the log, oldest first.

        Raises:
            Unavailable: the log is away.
        """
        ...

    async def stream(self, stream_id: UUID, upto_version: int) -> Sequence[Recorded]:
        """The history of one stream up to a version, oldest first.

        Raises:
            Unavailable: the log is away.
        """
        ...


class Commands(Protocol):
    """Where commands are decided: the command loop."""

    async def submit(self, command: Command, caller: Caller) -> Done[Any]:
        """Have a command decided; returns once its events are durable."""
        ...
