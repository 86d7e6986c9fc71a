"""The log as projections read it."""

from collections.abc import Collection, Sequence
from typing import Protocol

import msgspec

from domain.shared.events import DomainEvent, Recorded


class LogGap(RuntimeError):
    """A position is missing: something went past the store's one way of writing. Nothing may be read past it."""


class LogBatch(msgspec.Struct, frozen=True):
    """Facts up to and with position `upto`, in order; those that were not asked for are left out."""

    events: Sequence[Recorded]
    upto: int


class EventLog(Protocol):
    """The whole history, in one order, without gaps."""

    def head(self) -> int:
        """The position of the newest event, 0 when there is none."""
        ...

    def read(
        self, after: int, limit: int, events: Collection[type[DomainEvent]], *, personal: bool
    ) -> LogBatch:
        """The next `limit` positions after `after`, as far as they are of these classes.

        `personal` asks for personal data, too; without it such fields hold their defaults, and reading is faster.

        Raises:
            LogGap: a position is missing.
        """
        ...

    def wait(self, after: int, seconds: float) -> bool:
        """Sleep until the log has grown past `after`, at most so long; whether it has (or may have)."""
        ...
