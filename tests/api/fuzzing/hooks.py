"""What Schemathesis cannot know from the document: what there is to ask about, and which refusals are right.

It loads this module itself, in the process of a campaign (see `tests.api.fuzzing.campaign`).
"""

import atexit
import json
import os
import re
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import uuid4
from zlib import crc32

import schemathesis
from schemathesis import Case, HookContext, Response
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import CoverageScenario
from schemathesis.openapi.checks import RejectedPositiveData, UseAfterFree

from tests.support.pictures import picture

API: Final = "/api/v1"
PICTURES: Final = (
    ("me.png", "PNG", "image/png"),
    ("me.jpg", "JPEG", "image/jpeg"),
    ("me.gif", "GIF", "image/gif"),
)
CART_ITEM: Final = f"PATCH {API}/cart/items/{{listingId}}"

_WORLD: Final[dict[str, Any]] = json.loads(Path(os.environ["FUZZ_WORLD"]).read_text())
_ME: Final[dict[str, Any]] = _WORLD["callers"][os.environ["FUZZ_CALLER"]]
_BEARER: Final = f"Bearer {_ME['token']}"
_SEEN: Final[Counter[tuple[str, int]]] = Counter()


# --- refusals of good requests -----------------------------------------------------------------------------


class Refusal(NamedTuple):
    """An answer to requests that are right by their schema, and right nevertheless.

    `operation` is a pattern of `METHOD /path` without /api/v1, `code` one of codes; `rules`, of a VALIDATION_ERROR, are patterns of the
    fields that may be named and of the rules that they may have broken.
    """

    operation: str
    code: str
    rules: tuple[tuple[str, str], ...] = ()


def _wrong(operation: str, *rules: tuple[str, str]) -> Refusal:
    return Refusal(operation, "VALIDATION_ERROR", rules)


COMMAND: Final = "(POST|PUT|PATCH|DELETE) .*"
AMOUNT: Final = r"(.*\.)?(amount|minPrice|maxPrice)"
SHOWN: Final = r"((influencer|salon)\.)?"
PRICE: Final = r"price|comparePrice|costPrice|creditAmount"

RIGHT: Final = (
    # What depends on what has been sent before, or has happened since.
    Refusal(COMMAND, "PRECONDITION_FAILED"),
    Refusal(COMMAND, "IDEMPOTENCY_KEY_REUSED"),
    Refusal("POST /orders", "EMPTY_CART"),
    # It is a WebSocket, and none is asked for.
    Refusal("GET /ws", "UPGRADE_REQUIRED"),
    # Only whom they were sent to knows codes and tokens.
    Refusal(
        "POST /(auth/(otp/verify|verify-otp|verify-forgot-otp)|profile/me/phone/verify)",
        "OTP_(INVALID|EXPIRED)",
    ),
    Refusal("POST /auth/verify-email", "VERIFICATION_TOKEN_INVALID"),
    Refusal("POST /auth/reset-password", "RESET_TOKEN_INVALID"),
    Refusal("POST /auth/change-password", "INVALID_CURRENT_PASSWORD"),
    Refusal("POST /auth/.*|POST /profile/me/phone/.*", "OTP_(RATE_LIMITED|ATTEMPTS_EXCEEDED)"),
    Refusal("POST /payments/{paymentId}/refunds", "REFUND_EXCEEDS_PAYMENT"),
    _wrong("POST /payments/{paymentId}/refunds", ("amount", "currency")),
    _wrong("GET .*", ("X-Min-Position", "range")),
    # Only the list itself gives cursors.
    _wrong("GET .*", ("cursor", "cursor")),
    # What several fields are wrong about only together.
    _wrong("GET .*", ("page", "range")),
    _wrong("GET /(analytics/sales|seller/dashboard)", ("to", "range")),
    _wrong("GET /listings(/search)?", ("minPrice", "range")),
    _wrong("GET /admin/audit/streams/{streamType}/{streamId}/state", ("version|at|position", "exclusive")),
    # Which kinds of events and streams there are.
    _wrong("GET /admin/audit/events", ("type|streamType", "enum")),
    _wrong("(GET|POST|PUT) .*", (AMOUNT, "decimal_places|maximum")),
    _wrong("POST /auth/register", ("businessName", "kind")),
    _wrong("POST /orders", (r"items\.[0-9]+\.quantity", "range")),
    _wrong("PATCH /listings/{listingId}/stock", ("quantity", "range")),
    _wrong("(POST|PUT) /listings.*", ("comparePrice", "greater_than_price")),
    _wrong("POST /listings", ("creditAmount|licenceTerms", "product_type")),
    _wrong("(POST|PUT) /listings.*", ("categoryId", "exists")),
    # What no pattern says of all the letters of the world.
    _wrong(
        "POST /auth/(register|signup/(influencer|salon)|otp/verify)",
        ("name|businessName", "name"),
        ("email", "email"),
    ),
    _wrong("POST /api-keys", ("name", "characters")),
    Refusal("POST /profile/me/picture", "INVALID_FILE_TYPE|FILE_EXTENSION_MISMATCH"),
    _wrong("POST /profile/me/picture", ("profilePic", "type"), ("", "format")),
    _wrong("PUT /profile/me", ("name", "name"), ("avatarUrl", "format")),
    _wrong(
        "PUT /profile/me|POST /onboarding/(influencer|salon)",
        (rf"{SHOWN}(displayName|businessName)", "name"),
        (rf"{SHOWN}(bio|description|region|address|categories\.[0-9]+)", "characters|length|max_length"),
        (rf"{SHOWN}categories\.[0-9]+", "unique"),
    ),
    _wrong("POST /auth/.*", ("email", "email")),
    _wrong("(POST|PATCH) /orders/{orderId}/(ship|tracking)", ("trackingNumber", "format")),
    _wrong("(POST|PUT) /listings.*", (r"dimensions\.(length|width|height)", "range")),
    # What the settings of an installation say.
    Refusal("POST /(orders|payments)", "PAYMENT_PROVIDER_UNAVAILABLE"),
    _wrong("(POST|PUT) /listings.*", (rf"({PRICE})(\.currency|\.amount)?", "range|currency|maximum")),
)


STILL_THERE: Final = frozenset(
    {
        # What was taken out of the cart was put back by ourselves, see below.
        CART_ITEM,
        # Goods are there to be counted, and come back, after their listing was archived.
        f"PATCH {API}/listings/{{listingId}}/stock",
        # Whoever may archive a listing is shown it afterwards, too.
        f"GET {API}/listings/{{listingId}}",
    }
)


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """Whether a failure is one."""
    if isinstance(failure, RejectedPositiveData):
        return not refused_rightly(case, response)
    if isinstance(failure, AcceptedNegativeData):
        return not only_unknown_headers(case)
    if isinstance(failure, UseAfterFree):
        return case.operation.label not in STILL_THERE
    return True


def refused_rightly(case: Case, response: Response) -> bool:
    """Whether a refusal is one of those above in all that it says."""
    try:
        error = response.json()["error"]
    except ValueError:
        return False
    operation = f"{case.method} {case.operation.path.removeprefix(API)}"
    allowed = [
        right
        for right in RIGHT
        if re.fullmatch(right.code, error["code"]) and re.fullmatch(right.operation, operation)
    ]
    if error["code"] != "VALIDATION_ERROR":
        return bool(allowed)
    details = error.get("details")
    return isinstance(details, list) and all(
        any(
            re.fullmatch(field, each["field"]) and re.fullmatch(rule, each["rule"])
            for right in allowed
            for field, rule in right.rules
        )
        for each in details
    )


def only_unknown_headers(case: Case) -> bool:
    """Whether nothing is wrong but a header with a name that nobody knows, which is to be ignored (RFC 9110 §5.1)."""
    data = case.meta.phase.data if case.meta is not None else None
    return (
        getattr(data, "parameter_location", None) is ParameterLocation.HEADER
        and getattr(data, "scenario", None) is CoverageScenario.OBJECT_UNEXPECTED_PROPERTIES
    )


# --- requests that get far ---------------------------------------------------------------------------------


@schemathesis.hook
def map_case(context: HookContext, case: Case) -> Case:
    """Put in what there is: nobody hits an order by drawing its id. One request of four stays as it was drawn."""
    meta = case.meta
    if meta is None:
        return case
    seed = crc32(f"{case.path_parameters}{case.query}{case.headers}{case.body}".encode(errors="replace"))
    if seed % 4 == 0:
        return case
    things: dict[str, list[str]] = {**_ME["things"], **_ME["special"].get(case.operation.label, {})}
    for location, given in (
        (ParameterLocation.PATH, case.path_parameters),
        (ParameterLocation.QUERY, case.query),
    ):
        if location in meta.components and not meta.is_negative_at(location):
            _fit(given, things, seed // 4)
    if ParameterLocation.HEADER in meta.components and not meta.is_negative_at(ParameterLocation.HEADER):
        if "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = f"{seed:x}"
        if "If-Match" in case.headers and seed % 8 < 6:
            case.headers["If-Match"] = "*"
    if ParameterLocation.BODY in meta.components and not meta.is_negative_at(ParameterLocation.BODY):
        for each in _objects_in(case.body):
            _fit(each, things, seed // 4)
            if isinstance(each.get("amount"), str):
                each["amount"] = f"{1 + seed % 300}.{seed % 100:02}"
    return case


def _fit(given: Any, things: Mapping[str, list[str]], seed: int) -> None:
    for name in given:
        if name in things and given[name] is not None:
            given[name] = things[name][seed % len(things[name])]


def _objects_in(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for each in value.values():
            yield from _objects_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from _objects_in(each)


@schemathesis.hook("before_call").apply_to(path=f"{API}/auth/logout", method="POST")
def sign_out_elsewhere(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Sign out of a session of one's own, and of no other: the one of the campaign is needed."""
    if isinstance(case.body, dict) and case.body.get("allSessions") is True:
        case.body["allSessions"] = False
    if case.headers.get("Authorization") == _BEARER:
        signed_in = _ask("/auth/login", {"email": _ME["email"], "password": _ME["password"]})
        case.headers["Authorization"] = f"Bearer {signed_in['accessToken']}"


@schemathesis.hook("before_call").apply_to(path=f"{API}/auth/change-password", method="POST")
def change_the_password_of_another_account(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """The campaign signs in by its own meanwhile, and who does so while a password is set is rightly refused."""
    if case.headers.get("Authorization") == _BEARER:
        body = {"email": f"{uuid4().hex}@example.uz", "password": _ME["password"], "name": "Somebody"}
        case.headers["Authorization"] = f"Bearer {_ask('/auth/register', body)['accessToken']}"


@schemathesis.hook("before_call").apply_to(path=f"{API}/profile/me/picture", method="POST")
def send_a_picture(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Three of four forms have a real picture in them: no bytes that are drawn are one, and drawn names have no extension."""
    meta = case.meta
    if meta is None or ParameterLocation.BODY not in meta.components:
        return
    seed = crc32(str(case.body).encode(errors="replace"))
    if not meta.is_negative_at(ParameterLocation.BODY) and seed % 4:
        name, form, kind = PICTURES[seed % len(PICTURES)]
        kwargs["files"] = {"profilePic": (name, picture(form), kind)}


@schemathesis.hook("before_call").apply_to(name=CART_ITEM)
def put_it_into_the_cart(context: HookContext, case: Case, kwargs: dict[str, Any]) -> None:
    """Only what is in the cart can be changed there; other requests of the campaign keep emptying it."""
    listing_id = case.path_parameters.get("listingId")
    if listing_id in _ME["things"]["listingId"]:
        with suppress(urllib.error.HTTPError):  # There are as many in the cart as there can be.
            _ask("/cart/items", {"listingId": listing_id, "quantity": 1})


def _ask(path: str, body: Mapping[str, Any]) -> Any:
    request = urllib.request.Request(
        f"{_WORLD['url']}{API}{path}",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Authorization": _BEARER},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)["data"]


# --- what came of it ---------------------------------------------------------------------------------------


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    """Count answers; those to other methods than the operation's own say nothing about it."""
    if response.request.method == case.operation.method.upper():
        _SEEN[case.operation.label, response.status_code] += 1


@atexit.register
def _tell() -> None:
    Path(os.environ["FUZZ_SEEN"]).write_text(
        json.dumps([[label, status, count] for (label, status), count in _SEEN.items()])
    )
