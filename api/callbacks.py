"""What others call us with: notices of payment providers, reports of deliveries (requirements SEC-25, STR-06).

Their signatures cover the bytes that they sent. So such a route takes those bytes, checks the signature, and only then reads what
is in them, by the same strict rules as any other body.
"""

from typing import Any, Final
from urllib.parse import parse_qsl

from litestar import Request

from api.limits import UNLIMITED
from api.openapi import NOT_A_COMMAND
from domain.shared.errors import InvalidInput, Problem

CALLBACK: Final = {**UNLIMITED, **NOT_A_COMMAND, "raw_body": True}
"""`opt` of a route that others call: not counted by address, without an idempotency key, described as taking any body.

Its handler declares no `data`: it asks for `raw_body`. Providers call from few addresses, and what repeats is told by their ids.
"""

FORM_FIELDS_MAXIMUM: Final = 200


async def raw_body(request: Request[Any, Any, Any]) -> bytes:
    """The body as it came off the wire, whatever its content type says; the same bytes each time it is asked for.

    Raises:
        PayloadTooLarge, ClientGone: see `api.body.BodyRequest.body`.
    """
    return await request.body()


def read_form(body: bytes) -> dict[str, str]:
    """The fields of a form (`application/x-www-form-urlencoded`).

    A name that comes twice is refused: the signature might cover the one value and the reader take the other.

    Raises:
        InvalidInput: it is no such form.
    """
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=FORM_FIELDS_MAXIMUM,
        )
    except ValueError as error:  # UnicodeDecodeError is one, too
        raise _no_form("The body is not a form.") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise _no_form("A field of the form comes twice.")
    if any("\0" in text for pair in pairs for text in pair):
        raise _no_form("A text must not contain the character NUL.")
    return fields


def _no_form(message: str) -> InvalidInput:
    return InvalidInput(message, problems=[Problem("", message, "invalid")])
