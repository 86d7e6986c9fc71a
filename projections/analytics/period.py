"""For which days figures are asked, and how finely (requirements ANL-04)."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Final

import msgspec

from domain.shared.errors import InvalidInput, Problem

MAX_DAYS: Final = 366


class Granularity(StrEnum):
    """How many days one figure covers: one, a week from Monday (ISO 8601), or a calendar month."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """The days from `first` to `last`, both included, in UTC.

    Raises:
        InvalidInput: it ends before it begins, or has more than `MAX_DAYS` days.
    """

    first: date
    last: date
    granularity: Granularity = Granularity.DAY

    def __post_init__(self) -> None:
        """Refuse what no series answers."""
        days = (self.last - self.first).days + 1
        if not 1 <= days <= MAX_DAYS:
            message = f"A period has 1 to {MAX_DAYS} days and ends after it begins."
            raise InvalidInput(message, problems=[Problem("to", message, "range")])


def utc_day(moment: datetime) -> date:
    """The UTC date of an aware time."""
    return moment.date() if moment.tzinfo is UTC else moment.astimezone(UTC).date()
