"""What headers and query parameters mean for every route alike: pages, idempotency, preconditions, freshness."""

import base64
import hashlib
import hmac
import re
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import msgspec
from litestar import Request
from litestar.exceptions import NotFoundException
from litestar.params import QueryParameter

from api.context import application_of, context_of
from api.errors import ReadModelBehind
from api.validation import NAME_MAXIMUM, PROBLEMS_MAXIMUM
from application.shared.caller import Caller
from application.shared.command import IdempotencyKey, IdempotencyKeyMalformed
from domain.shared.claims import derived_id
from domain.shared.errors import InvalidInput, Problem
from projections.shared.paging import MAX_OFFSET

T = TypeVar("T")

LIMIT_DEFAULT: Final = 20
LIMIT_MAXIMUM: Final = 100
PAGE_MAXIMUM: Final = MAX_OFFSET + 1
"""Beyond that, even with one entry a page, a list is read on from a cursor, or narrowed by a filter."""

PAGE_DESCRIPTION: Final = f"The page, from 1; pages end after {MAX_OFFSET} entries."

CURSOR_MAXIMUM: Final = 1024
CURSOR_PATTERN: Final = "^[A-Za-z0-9_-]*$"
POSITION_MAXIMUM: Final = 2**63 - 1
WAIT_DEFAULT_SECONDS: Final = 2.0
WAIT_MAXIMUM_SECONDS: Final = 10.0
NEVER_A_VERSION: Final = -1

_BARE_KEY: Final = "[!#-~][!-~]{0,254}"
_QUOTED_KEY: Final = r'"((?:[!#-\[\]-~]|\\["\\]){1,255})"'
IDEMPOTENCY_KEY_PATTERN: Final = f"^({_BARE_KEY}|{_QUOTED_KEY})$"
"""An idempotency key as it stands in its header, for Python and ECMAScript."""

_TAG: Final = r'(?:W/)?"[!#-~\u0080-\u00ff]*"|[0-9]{1,19}'
IF_MATCH_PATTERN: Final = rf"^(?:\*|[\t ,]*(?:{_TAG})(?:[\t ]*,[\t ,]*(?:{_TAG}))*[\t ,]*)$"
"""`*`, or entity tags and versions; empty members of a list count for nothing (RFC 9110 §5.6.1.2)."""

_KEY: Final = re.compile(IDEMPOTENCY_KEY_PATTERN)
_TAGS: Final = re.compile(IF_MATCH_PATTERN)
_MEMBER: Final = re.compile(_TAG)
_DIGITS: Final = re.compile(r"[0-9]{1,19}")
_WAIT: Final = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*(?=[,;]|$)", re.IGNORECASE)


# --- pages -------------------------------------------------------------------------------------------------


class PageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Which numbered page of a list is asked for; `page` counts from 1."""

    page: int
    limit: int

    @property
    def offset(self) -> int:
        """How many entries come before the page."""
        return (self.page - 1) * self.limit


class CursorRequest(msgspec.Struct, frozen=True, kw_only=True):
    """From where a list is read on; no cursor means from its beginning."""

    cursor: str | None
    limit: int

    def after(self, expected: type[T]) -> T | None:
        """What the cursor says, `None` without one.

        Raises:
            InvalidInput: the cursor is not one of this list.
        """
        return None if self.cursor is None else decode_cursor(self.cursor, expected)


Limit = Annotated[
    int, QueryParameter(ge=1, le=LIMIT_MAXIMUM, description="How many entries a page has at most.")
]


def provide_page(
    page: Annotated[int, QueryParameter(ge=1, le=PAGE_MAXIMUM, description=PAGE_DESCRIPTION)] = 1,
    limit: Limit = LIMIT_DEFAULT,
) -> PageRequest:
    """The dependency `page_request`, from the query parameters `page` and `limit`."""
    return PageRequest(page=page, limit=limit)


def provide_cursor(
    cursor: Annotated[
        str | None,
        QueryParameter(
            min_length=1,
            max_length=CURSOR_MAXIMUM,
            pattern=CURSOR_PATTERN,
            description="`meta.nextCursor` of the page before.",
        ),
    ] = None,
    limit: Limit = LIMIT_DEFAULT,
) -> CursorRequest:
    """The dependency `cursor_request`, from the query parameters `cursor` and `limit`."""
    return CursorRequest(cursor=cursor, limit=limit)


def encode_cursor(place: object) -> str:
    """A place in a list (the sort key of its last entry) as a text that means nothing to callers."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).rstrip(b"=").decode()


def decode_cursor(cursor: str, expected: type[T]) -> T:
    """The place that `encode_cursor` wrote.

    Raises:
        InvalidInput: it is not one of ours.
    """
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        if b"\\u0000" in raw:
            raise ValueError
        return msgspec.json.decode(raw, type=expected)
    except (ValueError, RecursionError) as error:
        message = "The cursor is not one of this list."
        raise InvalidInput(message, problems=[Problem("cursor", message, "format")]) from error


# --- path and query ----------------------------------------------------------------------------------------


def refuse_odd_ids(request: Request[Any, Any, Any]) -> None:
    """One thing has one address: an id in a path stands there in its usual form, of either case (RFC 9562 §4).

    The router would also take `urn:uuid:...`, braces, digits of other scripts, and hyphens anywhere or nowhere.

    Raises:
        NotFoundException: it has another form.
    """
    for value in request.path_params.values():
        if isinstance(value, UUID) and str(value) not in request.scope["path"].lower().split("/"):
            raise NotFoundException


def taking_lists(*names: str) -> dict[str, frozenset[str]]:
    """`opt` of a route some of whose query parameters are lists: each value is given by itself, `?category=a&category=b`."""
    return {"lists": frozenset(names)}


def refuse_repeated(request: Request[Any, Any, Any]) -> None:
    """What is no list is given once: of two values, one program on the way would see the first, another the last.

    Raises:
        InvalidInput: a parameter is given more than once.
    """
    if b"&" not in request.scope["query_string"]:
        return
    names = request.query_params.dict()
    lists = request.route_handler.opt.get("lists", frozenset())
    problems = [
        Problem(name[:NAME_MAXIMUM], "Give this parameter once.", "unique")
        for name, values in names.items()
        if len(values) > 1 and name not in lists
    ]
    if problems:
        raise InvalidInput("A parameter is given more than once.", problems=problems[:PROBLEMS_MAXIMUM])


# --- idempotency -------------------------------------------------------------------------------------------


async def idempotency_key(
    request: Request[Any, Any, Any], caller: Caller, *, sent: bytes | None = None
) -> IdempotencyKey | None:
    """The key under which the command may be repeated, `None` without an `Idempotency-Key` header (ES-15).

    It belongs to the account, or to a stranger's address, so that nobody can probe for the keys of others. The request
    is known again by a keyed digest: it may hold a password, which a plain digest would let others guess at leisure. `sent`
    stands for the body, where equal requests have different ones.

    Raises:
        IdempotencyKeyMalformed: the key is not 1 to 255 visible ASCII characters, bare or as a quoted string.
    """
    context = context_of(request)
    header = context.headers.get(b"idempotency-key")
    if header is None:
        return None
    key = parse_idempotency_key(header.decode("latin-1"))
    scope = caller.actor_id or derived_id("idempotency_stranger", context.client_address)
    pepper = application_of(request).services.settings.passwords.pepper
    digest = hmac.new(b"idempotency\0" + pepper.reveal().encode(), digestmod=hashlib.sha256)
    for part in (
        request.scope["method"].encode(),
        context.path.encode("utf-8", "surrogatepass"),
        request.scope["query_string"],
        context.headers.get(b"if-match", b""),
        _canonical(await request.body()) if sent is None else sent,
    ):
        digest.update(len(part).to_bytes(8, "big") + part)
    return IdempotencyKey(scope=scope, key=key, request_hash=digest.digest())


def parse_idempotency_key(header: str) -> str:
    """The key in a header, which clients send bare or as a structured field string.

    Raises:
        IdempotencyKeyMalformed: see `idempotency_key`.
    """
    match = _KEY.fullmatch(header.strip(" \t"))
    if match is None:
        message = "An idempotency key has 1 to 255 visible ASCII characters."
        raise IdempotencyKeyMalformed(message, problems=[Problem("Idempotency-Key", message, "format")])
    bare, quoted = match.groups()
    return bare if quoted is None else re.sub(r"\\(.)", r"\1", quoted)


def _canonical(body: bytes) -> bytes:
    """JSON without regard to spaces and the order of names; anything else as it is."""
    try:
        return msgspec.json.encode(msgspec.json.decode(body), order="deterministic")
    except (ValueError, RecursionError):
        return body


# --- preconditions -----------------------------------------------------------------------------------------


def etag(kind: str, entity: UUID, version: int) -> str:
    """The strong entity tag of a thing at a version: `"order-0190...-17"`."""
    return f'"{kind}-{entity}-{version}"'


def expected_versions(header: str, kind: str, entity: UUID | None) -> list[int] | None:
    """The versions that an `If-Match` accepts; `None` means any (`*`).

    A member is an entity tag of ours or a bare version number. Weak tags, and tags of other things, match nothing (RFC
    9110 §13.1.1): they count as `NEVER_A_VERSION`. The tag of a compressed answer ends in `-gzip`.

    Raises:
        InvalidInput: it is not a list of entity tags.
    """
    text = header.strip(" \t")
    if _TAGS.fullmatch(text) is None:
        message = "If-Match must be *, entity tags, or a version."
        raise InvalidInput(message, problems=[Problem("If-Match", message, "format")])
    if text == "*":
        return None
    return list(dict.fromkeys(_version_in(tag, kind, entity) for tag in _MEMBER.findall(text)))


def _version_in(tag: str, kind: str, entity: UUID | None) -> int:
    if tag.startswith("W/"):
        return NEVER_A_VERSION
    text = tag.strip('"').removesuffix("-gzip")
    name, _, version = text.rpartition("-")
    wanted = f"{kind}-{entity}"
    known = not name or (name == wanted if entity is not None else name.startswith(f"{kind}-"))
    if not known or _DIGITS.fullmatch(version) is None:
        return NEVER_A_VERSION
    return min(int(version), POSITION_MAXIMUM)


# --- freshness ---------------------------------------------------------------------------------------------


async def await_position(request: Request[Any, Any, Any]) -> None:
    """Before every question: wait until the read side shows what the caller has seen done (ES-16).

    `X-Min-Position` names the position of the log that an earlier answer carried; `Prefer: wait=N` for how many seconds
    to wait at most (2 by default, never more than 10). Rather than an answer that is too old there is none. Nobody
    waits for what no answer can have carried.

    Raises:
        InvalidInput: the position is no position, or the log ends before it.
        ReadModelBehind: the time was not enough.
    """
    headers = context_of(request).headers
    wanted = headers.get(b"x-min-position")
    if wanted is None or request.scope["method"] != "GET":
        return
    position = parse_position(wanted.decode("latin-1"))
    seconds = wait_of(headers.get(b"prefer", b"").decode("latin-1"))
    services = application_of(request).services
    written = 0 if services.commands is None else services.commands.position
    if position > max(services.reader.reached, written) and position > await services.head():
        message = "The log ends before this position."
        raise InvalidInput(message, problems=[Problem("X-Min-Position", message, "range")])
    if not await services.reader.wait_for(position, seconds):
        raise ReadModelBehind(
            f"Position {position} of the log was not reached within {seconds:g} seconds. Try again.",
            retry_after_seconds=1,
        )


def parse_position(text: str) -> int:
    """A position of the log.

    Raises:
        InvalidInput: it is none.
    """
    text = text.strip()
    if _DIGITS.fullmatch(text) is None or int(text) > POSITION_MAXIMUM:
        message = "A position is a whole number, as an earlier answer gave it."
        raise InvalidInput(message, problems=[Problem("X-Min-Position", message, "format")])
    return int(text)


def wait_of(prefer: str) -> float:
    """How many seconds a `Prefer` header (RFC 7240) allows to wait; what it says besides is not ours."""
    match = _WAIT.search(prefer)
    return WAIT_DEFAULT_SECONDS if match is None else min(float(match[1]), WAIT_MAXIMUM_SECONDS)
