"""Reading a body: bounded, JSON only, strictly of the type that the route declares (requirements SEC-13, SEC-14).

Whatever PostgreSQL could not hold, or a reader could choke on, is refused here for every route at once: NUL and
other control characters, numbers beyond 64 bits, nesting without end, texts that are not UTF-8.
"""

import re
from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

import msgspec
from litestar import Request
from litestar.types import Empty

from api.errors import ClientGone, NotJson, PayloadTooLarge
from api.validation import invalid, problems_in
from domain.shared.errors import InvalidInput, Problem

DEPTH_MAXIMUM: Final = 64
BODY_BYTES_MAXIMUM: Final = 10 * 1024 * 1024
MEMBERS_MAXIMUM: Final = 20_000
"""How many objects, lists and commas a body may have; to look at as many takes some ten milliseconds."""

EXACT_FLOATS: Final = 2**53

_ESCAPED_CONTROL: Final = re.compile(
    rb"(?<!\\)(?:\\\\)*\\(?:u00(?:0[0-8bBcCeEfF]|1[0-9a-fA-F]|7[fF]|[89][0-9a-fA-F])|[bf])"
)
"""An escape of a control character other than tab, line feed and carriage return: no text of people has one."""

_PLAIN_CONTROL: Final = re.compile(rb"\x7f|\xc2[\x80-\x9f]")
"""The control characters that JSON lets stand in a text as they are."""

_ROUND: Final = re.compile(rb"[0-9](?:\.0|[eE])")
"""What a whole number that is written with a point or an exponent has in it."""

_LONG_NUMBER: Final = re.compile(rb"[0-9]{19}")
_JSON_TYPE: Final = re.compile(
    r"application/(?:json|[\w.+-]{1,64}\+json)(?:\s*;\s*charset\s*=\s*\"?utf-?8\"?)?\s*;?", re.IGNORECASE
)


class BodyRequest(Request[Any, Any, Any]):
    """A request that reads its body by our rules."""

    __slots__ = ()

    async def body(self) -> bytes:
        """The whole body, as it came.

        Raises:
            PayloadTooLarge, ClientGone: see `stream`.
        """
        state = self._connection_state
        if state.body is not Empty:
            return state.body
        chunks = [chunk async for chunk in self.stream()]
        whole = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._body = state.body = whole
        return whole

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body piece by piece, for whoever does not want all of it in memory, such as a form with files.

        Raises:
            PayloadTooLarge: it is larger than the route takes; no more than that is ever read.
            ClientGone: it never came to its end.
        """
        state = self._connection_state
        if state.body is not Empty:
            yield state.body
            return
        limit = self.route_handler.resolve_request_max_body_size() or BODY_BYTES_MAXIMUM
        announced = self.headers.get("content-length")
        if announced is not None and announced.isdecimal() and int(announced[:20]) > limit:
            raise PayloadTooLarge(f"The body may have at most {limit} bytes.")
        size = 0
        while True:
            message: Any = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk = message.get("body", b"")
            if chunk:
                size += len(chunk)
                if size > limit:
                    raise PayloadTooLarge(f"The body may have at most {limit} bytes.")
                yield chunk
            if not message.get("more_body", False):
                break
        self.is_connected = False

    async def json(self) -> Any:
        """The body as the type that the route declares for `data`.

        Raises:
            NotJson: the content type says that it is something else.
            InvalidInput: it is no JSON, or not of that type; every wrong field is named.
        """
        state = self._connection_state
        if state.json is not Empty:
            return state.json
        body = await self.body()
        content_type = self.headers.get("content-type", "")
        if not is_json(content_type):
            raise NotJson("The body must be application/json in UTF-8.")
        field = self.route_handler.parsed_data_field
        value = read_json(body, field.annotation if field is not None else Any)
        state.json = value
        return value


@lru_cache(maxsize=128)
def is_json(content_type: str) -> bool:
    """Whether a content type is JSON in UTF-8."""
    return _JSON_TYPE.fullmatch(content_type.strip()) is not None


@lru_cache(maxsize=1024)
def _decoder(expected: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(expected)


def read_json(body: bytes, expected: Any) -> Any:
    """Read JSON strictly: a number in quotes is no number; a whole number is one however it is written (3, 3.0, 3e0).

    Raises:
        InvalidInput: see `BodyRequest.json`.
    """
    _refuse_what_nobody_can_hold(body)
    try:
        return _decoder(expected).decode(body)
    except msgspec.ValidationError as error:
        raw = _plain(body)
        if _ROUND.search(body) is not None:
            with suppress(msgspec.ValidationError):
                return msgspec.convert(raw, expected)
        raise invalid(problems_in(error, expected, raw)) from error
    except RecursionError as error:
        raise _too_deep() from error
    except UnicodeDecodeError as error:
        raise _malformed("The body is not UTF-8.") from error
    except msgspec.DecodeError as error:
        raise _malformed("The body is not JSON.") from error


def _plain(body: bytes) -> Any:
    """The body without regard to types; whole numbers are `int` (JSON Schema, Validation §6.1.1)."""
    try:
        return _PLAIN.decode(body)
    except (ValueError, RecursionError):
        return None


def _number(literal: str) -> int | float:
    value = float(literal)
    # Beyond that a float isn't exact, and what it stands for isn't what was written.
    return int(value) if value.is_integer() and abs(value) < EXACT_FLOATS else value


_PLAIN: Final = msgspec.json.Decoder(float_hook=_number)


def _refuse_what_nobody_can_hold(body: bytes) -> None:
    escaped = b"\\" in body and _ESCAPED_CONTROL.search(body) is not None
    if escaped or ((b"\x7f" in body or b"\xc2" in body) and _PLAIN_CONTROL.search(body) is not None):
        nul = b"\\u0000" in body
        message = "A text must not contain " + ("the character NUL." if nul else "control characters.")
        raise InvalidInput(message, problems=[Problem("", message, "no_nul" if nul else "no_control")])
    opened = body.count(b"[") + body.count(b"{")
    if len(body) > MEMBERS_MAXIMUM and opened + body.count(b",") > MEMBERS_MAXIMUM:
        # Nobody's business needs so many, and to look at each takes longer than others should wait.
        message = f"The body has more than {MEMBERS_MAXIMUM} members."
        raise InvalidInput(message, problems=[Problem("", message, "max_items")])
    deep = opened > DEPTH_MAXIMUM
    if deep or _LONG_NUMBER.search(body) is not None:
        _look_inside(body)


def _look_inside(body: bytes) -> None:
    """The slow look, for bodies that may be too deep or have numbers that are too large."""
    try:
        root = msgspec.json.decode(body)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError:
        return  # The reader will say what is wrong.
    stack: list[tuple[Any, int]] = [(root, 1)]
    while stack:
        value, depth = stack.pop()
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            message = "A number is beyond 64 bits."
            raise InvalidInput(message, problems=[Problem("", message, "range")])
        if isinstance(value, dict | list):
            if depth > DEPTH_MAXIMUM:
                raise _too_deep()
            children = value.values() if isinstance(value, dict) else value
            stack.extend((child, depth + 1) for child in children)


def _too_deep() -> InvalidInput:
    message = f"The body is nested deeper than {DEPTH_MAXIMUM} levels."
    return InvalidInput(message, problems=[Problem("", message, "depth")])


def _malformed(message: str) -> InvalidInput:
    return InvalidInput(message, problems=[Problem("", message, "json")])
