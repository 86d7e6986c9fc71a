"""How a customer follows the goods (requirements SHIP-01)."""

from datetime import date
from typing import Final
from urllib.parse import urlsplit

import msgspec

from domain.shared.errors import InvalidInput, Problem

MAX_URL_LENGTH: Final = 500
MAX_NUMBER_LENGTH: Final = 100


class TrackingInvalid(InvalidInput):
    """A tracking URL is an https address; a tracking number is a short text without control characters."""


class Tracking(msgspec.Struct, frozen=True, kw_only=True):
    """Number and page of the carrier, and the day when the goods should arrive; each may be unknown."""

    number: str | None = None
    url: str | None = None
    estimated_delivery: date | None = None

    def check(self) -> None:
        """Say whether it may be recorded.

        Raises:
            TrackingInvalid: names the fields that are wrong.
        """
        problems = []
        if self.number is not None and not _is_number(self.number):
            problems.append(
                Problem(
                    "trackingNumber",
                    f"A tracking number is 1 to {MAX_NUMBER_LENGTH} printable characters.",
                    "format",
                )
            )
        if self.url is not None and not _is_https(self.url):
            problems.append(
                Problem(
                    "trackingUrl",
                    f"A tracking URL is an https address of at most {MAX_URL_LENGTH} characters.",
                    "format",
                )
            )
        if problems:
            raise TrackingInvalid("The tracking data cannot be used.", problems=problems)


def _is_number(number: str) -> bool:
    return len(number) <= MAX_NUMBER_LENGTH and bool(number.strip()) and number.isprintable()


def _is_https(url: str) -> bool:
    if len(url) > MAX_URL_LENGTH or not url.isprintable() or " " in url or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.scheme == "https" and bool(host) and port != 0 and "@" not in parts.netloc
