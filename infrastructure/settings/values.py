"""The kinds of value that a variable can hold, as parsers.

A parser is a function from a text to a value that raises `Unreadable` with what the variable must be. Its
words never repeat the text: a secret put into the wrong variable must not end in a log.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from datetime import UTC, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Final, TypeVar
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.shared.money import from_decimal
from infrastructure.security.secrets import Secret

T = TypeVar("T")
E = TypeVar("E", bound=Enum)
Parser = Callable[[str], T]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

NOTHING: Final = "none"
"""What to write for an empty list, since an empty variable counts as one that is not set."""

_BOOLEANS: Final = {
    "true": True, "1": True, "yes": True, "on": True,
    "false": False, "0": False, "no": False, "off": False,
}  # fmt: skip
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LONGEST: Final = timedelta(days=3650)
_HOST: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Unreadable(Exception):
    """A text is not a value of the kind that is needed; the message says what is, and not what was there."""


def text(maximum: int = 1000, *, like: str = r".+", what: str = "") -> Parser[str]:
    """A text of so many characters at most that matches a pattern, described by `what`."""

    def parse(value: str) -> str:
        if len(value) > maximum:
            raise Unreadable(f"must have at most {maximum} characters")
        if re.fullmatch(like, value) is None:
            raise Unreadable(f"must be {what}")
        return value

    return parse


def whole_number(lowest: int, highest: int) -> Parser[int]:
    """A whole number in decimal digits between two bounds, both included."""

    def parse(value: str) -> int:
        if re.fullmatch(r"[0-9]{1,18}", value) is None or not lowest <= int(value) <= highest:
            raise Unreadable(f"must be a whole number from {lowest} to {highest}")
        return int(value)

    return parse


def boolean(value: str) -> bool:
    """`true` or `false`, `1` or `0`, `yes` or `no`, `on` or `off`, in any case."""
    try:
        return _BOOLEANS[value.lower()]
    except KeyError:
        raise Unreadable("must be true or false") from None


def duration(value: str) -> timedelta:
    """A length of time with its unit: `30s`, `15m`, `12h`, `7d`, `2w`, or several as in `1h30m`.

    A bare number is refused: among the systems that used these names some meant seconds, some milliseconds.
    """
    if re.fullmatch(r"(?:[0-9]{1,9}[smhdw])+", value) is None:
        raise Unreadable("must be a duration with its unit, as in 30s, 15m, 12h or 7d")
    seconds = sum(int(count) * _SECONDS[unit] for count, unit in re.findall(r"([0-9]+)([smhdw])", value))
    if not 0 < seconds <= _LONGEST.total_seconds():
        raise Unreadable(f"must be a duration of one second to {_LONGEST.days} days")
    return timedelta(seconds=seconds)


def basis_points(highest: int) -> Parser[int]:
    """A rate as a decimal fraction, in whole basis points: `0.08` is 800. Nothing is rounded."""

    def parse(value: str) -> int:
        scaled = Decimal(value) * 10_000 if re.fullmatch(r"[0-9](?:\.[0-9]{1,12})?", value) else Decimal(-1)
        if scaled != scaled.to_integral_value() or not 0 <= scaled <= highest:
            raise Unreadable(
                f"must be a rate from 0 to {Decimal(highest) / 10_000} in at most four decimal places, as in 0.08"
            )
        return int(scaled)

    return parse


def choice(kind: type[E], **also: E) -> Parser[E]:
    """One of the values of an enumeration, in any case; `also` gives further spellings."""
    by_text = {str(member.value).lower(): member for member in kind} | also

    def parse(value: str) -> E:
        try:
            return by_text[value.lower()]
        except KeyError:
            options = ", ".join(str(member.value) for member in kind)
            raise Unreadable(f"must be one of {options}") from None

    return parse


def listed(parse_one: Parser[T]) -> Parser[tuple[T, ...]]:
    """A comma list, in its order, each value once; `none` is the empty one."""

    def parse(value: str) -> tuple[T, ...]:
        if value.lower() == NOTHING:
            return ()
        found: dict[T, None] = {}
        for number, part in enumerate(value.split(","), start=1):
            if not part.strip():
                continue
            try:
                found[parse_one(part.strip())] = None
            except Unreadable as unreadable:
                raise Unreadable(f"is a comma list, and its part {number} {unreadable}") from None
        return tuple(found)

    return parse


def currency(value: str) -> str:
    """An ISO 4217 code, in lower case."""
    if re.fullmatch(r"[A-Za-z]{3}", value) is None:
        raise Unreadable("must be a currency code of three letters, as in usd")
    return value.lower()


def amount(of_currency: str) -> Parser[int]:
    """An amount in major units of a currency that is known beforehand, as whole minor units."""

    def parse(value: str) -> int:
        return _minor(value, of_currency)

    return parse


def amounts(value: str) -> Mapping[str, int]:
    """Amounts by currency, in major units: `usd:999999.99,uzs:15000`; as whole minor units."""
    found: dict[str, int] = {}
    for part in value.split(","):
        code, colon, number = part.strip().partition(":")
        if not colon:
            raise Unreadable("must name amounts by currency, as in usd:10.50,uzs:15000")
        known = currency(code.strip())
        if known in found:
            raise Unreadable(f"must name each currency once, and names {known} twice")
        found[known] = _minor(number.strip(), known)
    return MappingProxyType(found)


def _minor(value: str, of_currency: str) -> int:
    if re.fullmatch(r"[0-9]{1,15}(?:\.[0-9]{1,6})?", value) is None:
        raise Unreadable("must hold amounts as plain decimal numbers, as in 15000 or 10.50")
    try:
        return from_decimal(Decimal(value), of_currency).minor
    except ValueError:
        raise Unreadable(f"has more decimal places than {of_currency} has") from None


def host(value: str) -> str:
    """A host name, an IPv4 or a bare IPv6 address, or the absolute path of a socket's folder."""
    if value.startswith("/"):
        return value
    try:
        return str(ipaddress.ip_address(value.strip("[]")))
    except ValueError:
        if _HOST.fullmatch(value) is None:
            raise Unreadable("must be a host name or an IP address") from None
        return value


def host_suffix(value: str) -> str:
    """A domain of at least two labels, in lower case; it stands for itself and for all below it."""
    suffix = value.lower().lstrip(".")
    if _HOST.fullmatch(suffix) is None or "." not in suffix.rstrip("."):
        raise Unreadable("must be a domain such as cdn.example.com, without scheme or path")
    return suffix.rstrip(".")


def network(value: str) -> Network:
    """A network in CIDR form, or a single address."""
    try:
        return ipaddress.ip_network(value)
    except ValueError:
        raise Unreadable("must be an IP address or a network such as 10.0.0.0/8") from None


def email_address(value: str) -> str:
    """An email address; its form only."""
    if re.fullmatch(r"[^@\s<>\",;]{1,64}@[^@\s<>\",;]{1,190}", value) is None:
        raise Unreadable("must be an email address")
    return value


def mailbox(value: str) -> str:
    """An email address, alone or behind a name as in `Daftar <shop@example.com>`."""
    match = re.fullmatch(r"[^<>@]*<([^<>]+)>", value)
    email_address(match[1] if match else value)
    return value


def web_url(value: str) -> str:
    """An absolute http or https URL without credentials or fragment, and without a slash at its end."""
    parts = _web_parts(value)
    if parts is None or parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise Unreadable("must be a URL such as https://shop.example.com")
    host(parts.hostname)
    if "@" in parts.netloc or parts.fragment:
        raise Unreadable("must be a URL without credentials and without a fragment")
    return value.rstrip("/")


def origin(value: str) -> str:
    """A web origin as browsers send it: scheme, host, and the port unless it is the scheme's own."""
    if value == "*":
        raise Unreadable("must name origins, since credentials are allowed: * is refused")
    parts = urlsplit(web_url(value))
    if parts.path or parts.query:
        raise Unreadable("must be an origin such as https://shop.example.com, without a path")
    return origin_of(value)


def origin_of(url: str) -> str:
    """The origin of a URL that `web_url` has accepted."""
    parts = urlsplit(url)
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    port = "" if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f":{parts.port}"
    return f"{parts.scheme}://{name}{port}"


def server_url(value: Secret, *schemes: str) -> SplitResult:
    """The parts of a server's URL; it may hold a password, so nothing of it is repeated in an error.

    Raises:
        Unreadable: it is not a URL of one of the schemes.
    """
    parts = _split(value.reveal())
    if parts is None or parts.scheme not in schemes or not (parts.netloc or parts.path or parts.query):
        raise Unreadable(f"must be a URL that begins with {' or '.join(f'{each}://' for each in schemes)}")
    return parts


def time_zone(value: str) -> tzinfo:
    """A zone of the IANA database by its name; `UTC` needs no database."""
    if value.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Unreadable("must be a time zone of the IANA database, as in Asia/Tashkent") from None


def cron(value: str) -> str:
    """Five fields: minute, hour, day of month, month, day of week (0 and 7 are Sunday), in numbers."""
    fields = value.split()
    bounds = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
    if len(fields) != len(bounds) or not all(
        _is_cron_field(field, lowest, highest)
        for field, (lowest, highest) in zip(fields, bounds, strict=True)
    ):
        raise Unreadable("must be five cron fields in numbers, as in 0 4 * * 1")
    return " ".join(fields)


def _is_cron_field(field: str, lowest: int, highest: int) -> bool:
    for part in field.split(","):
        match = re.fullmatch(r"(?:\*|([0-9]{1,2})(?:-([0-9]{1,2}))?)(?:/([0-9]{1,2}))?", part)
        if match is None:
            return False
        first = lowest if match[1] is None else int(match[1])
        last = first if match[2] is None else int(match[2])
        if not lowest <= first <= last <= highest or (match[3] is not None and int(match[3]) == 0):
            return False
    return True


def _split(value: str) -> SplitResult | None:
    if re.search(r"\s", value):
        return None
    try:
        return urlsplit(value)
    except ValueError:
        return None


def _web_parts(value: str) -> SplitResult | None:
    parts = _split(value)
    try:
        return parts if parts is None or parts.port is None or parts.port > 0 else None
    except ValueError:  # the port is only checked when it is asked for
        return None


COUNT: Final = whole_number(1, 1_000_000)
"""How many of something there may be, at least one."""

PORT: Final = whole_number(1, 65_535)
"""A port of another machine."""

IDENTIFIER: Final = text(500, like=r"\S+", what="one word without spaces")
"""A name that others gave: of an account, a key, a bucket."""
