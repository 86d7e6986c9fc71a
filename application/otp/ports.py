"""What one-time codes need from outside: a memory of minutes, a way to whoever asked, chance."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

import msgspec

from application.shared.caller import Caller
from application.shared.command import Command, Done
from application.shared.courier import Sender
from domain.otp.code import OneTimeCode
from domain.otp.events import OtpChannel, OtpPurpose


class Outcome(StrEnum):
    """What the vault says to a code that was shown."""

    RIGHT = "right"
    """It is used up now."""

    WRONG = "wrong"
    LOCKED = "locked"
    """Too many wrong ones came before, so this one was not looked at, and the right one is gone."""

    ABSENT = "absent"
    """None is kept: never asked for, too late, used up or locked before."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome; `attempts` counts the wrong codes with this one, `requested_at` is when the right one was asked for.

    `requested_at` is `None` exactly when the outcome is `ABSENT`.
    """

    outcome: Outcome
    attempts: int = 0
    requested_at: datetime | None = None


class CodeVault(Protocol):
    """Keeps codes for their few minutes, shared by all processes. Each step is atomic: many at once are as one by one.

    Both methods raise `Unavailable` when the memory cannot be reached: then no code is given, and none is accepted.
    """

    async def keep(
        self,
        *,
        purpose: OtpPurpose,
        destination_hash: str,
        code: OneTimeCode | None,
        address: str | None,
        requested_at: datetime,
        lifetime: timedelta,
    ) -> None:
        """Count one request and keep its code, in place of the one before of this purpose and destination.

        `None` for the code keeps one that nothing matches. `address` is where the request came from, as far as known.

        Raises:
            OtpRateLimited: the destination or the address has had its share; nothing was changed.
        """
        ...

    async def check(self, *, purpose: OtpPurpose, destination_hash: str, code: OneTimeCode) -> Checked:
        """Compare, count and use up in one step. A wrong code does not lengthen the life of the right one."""
        ...


class CodeMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One code on its way to one person; neither is shown in a representation of it.

    `message_id` is the same for every attempt. `language` is an ISO 639-1 code; unknown ones are spoken to in English.
    """

    message_id: UUID
    purpose: OtpPurpose
    channel: OtpChannel
    destination: str
    code: OneTimeCode
    lifetime: timedelta
    expires_at: datetime
    language: str

    def __repr__(self) -> str:
        """Without the person and the code."""
        return f"CodeMessage(message_id={self.message_id}, purpose={self.purpose.value!r}, channel={self.channel.value!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The same for debuggers that print structs field by field."""
        return [
            ("message_id", self.message_id),
            ("purpose", self.purpose.value),
            ("channel", self.channel.value),
        ]


CodeSender = Sender[CodeMessage]
"""One way to whoever asked for a code."""


class Delivery(Protocol):
    """Takes codes to their ways out, behind the back of the request."""

    def check(self, channel: OtpChannel) -> None:
        """Find out whether a code could be taken on.

        Raises:
            Unavailable: this installation has no such way, or too many codes wait.
        """
        ...

    def hand_over(self, message: CodeMessage) -> None:
        """Take a code on, to be sent in a moment; returns at once."""
        ...


class DrawCode(Protocol):
    """Where codes come from."""

    def __call__(self) -> OneTimeCode:
        """A code of 100000 to 999999, each as likely as any other, that nobody can foretell (requirements OTP-01)."""
        ...


class DestinationHash(Protocol):
    """A keyed hash of a destination, the same in all processes of an installation."""

    def __call__(self, text: str) -> str:
        """The hash as ASCII text; without the key nobody can find out whose it is by trying all numbers."""
        ...


class Commands(Protocol):
    """Where commands are decided: the command loop."""

    async def submit(self, command: Command, caller: Caller) -> Done[Any]:
        """Have a command decided; returns once its events are durable."""
        ...
