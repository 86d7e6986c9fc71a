"""From whatever went wrong to one answer: a status, a stable code, a sentence (requirements API-03 to API-06, §41.1).

Controllers catch nothing. A refusal of the business is answered by its code or else by its kind, an outage by 503, a
bug by 500 without a word about its inside.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec
import psycopg
import structlog
from litestar import Request, Response
from litestar.exceptions import (
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
    SerializationException,
    ValidationException,
)
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from msgspec import UNSET
from redis.exceptions import RedisError

from api.context import RequestContext, context_of
from api.envelope import ErrorBody, FailureBody
from api.localisation.catalogue import Catalogue
from api.localisation.en import ENGLISH
from api.localisation.languages import catalogue_for
from api.validation import camel, problem_of
from application.shared.command import (
    IdempotencyKeyReused,
    Overloaded,
    StaleVersion,
    StoreUnavailable,
    Unavailable,
)
from domain.otp.refusals import OtpRateLimited
from domain.shared.errors import (
    DomainError,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    Problem,
    RuleViolation,
)
from infrastructure.cache.rate_limits import Verdict
from projections.shared.turns import TooManyAsk

JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"

OUTAGE_LOG_SECONDS: Final = 10.0

log: Final = structlog.get_logger(__name__)


class TooManyRequests(DomainError):
    """The caller asked more often than a policy allows: 429."""

    code = "RATE_LIMIT_EXCEEDED"

    def __init__(self, verdict: Verdict) -> None:
        """`verdict` is that of the policy that refused."""
        super().__init__(
            f"Too many requests. Try again in {verdict.reset_seconds} seconds.",
            details={"policy": verdict.policy.name},
        )
        self.retry_after_seconds = verdict.reset_seconds


class ReadModelBehind(Unavailable):
    """The read side has not reached the position that the caller asked for (ES-16)."""

    code = "READ_MODEL_BEHIND"


class NotJson(DomainError):
    """The body is not declared as JSON, and this route takes nothing else: 415."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class PayloadTooLarge(DomainError):
    """The body is larger than this route takes: 413 (SEC-13)."""

    code = "PAYLOAD_TOO_LARGE"


class UpgradeRequired(DomainError):
    """What is there is a WebSocket, and none was asked for: 426."""

    code = "UPGRADE_REQUIRED"


class ClientGone(Exception):
    """The caller hung up before it had sent everything; nobody waits for an answer."""


_BY_STATUS: Final[Mapping[int, Sequence[str]]] = {
    400: (
        "VALIDATION_ERROR", "REFRESH_TOKEN_REQUIRED", "INVALID_CURRENT_PASSWORD", "EMPTY_CART", "OTP_INVALID",
        "OTP_EXPIRED", "INVALID_FILE_TYPE", "FILE_EXTENSION_MISMATCH", "TOO_MANY_FILES", "INVALID_SIGNATURE",
        "PAYMENT_PROVIDER_UNAVAILABLE", "REFUND_EXCEEDS_PAYMENT",
    ),
    401: (
        "NO_TOKEN", "TOKEN_EXPIRED", "INVALID_TOKEN", "USER_NOT_FOUND", "INVALID_REFRESH_TOKEN",
        "REFRESH_TOKEN_EXPIRED", "INVALID_USER", "TOKEN_REVOKED", "AUTHENTICATION_REQUIRED", "INVALID_CREDENTIALS",
        "API_KEY_REQUIRED", "API_KEY_INVALID", "API_KEY_EXPIRED",
    ),
    403: (
        "ACCOUNT_SUSPENDED", "ACCOUNT_PENDING", "ACCOUNT_REJECTED", "EMAIL_NOT_VERIFIED", "REVIEW_NOT_ALLOWED",
        "CORS_NOT_ALLOWED", "HTTPS_REQUIRED", "INSUFFICIENT_PERMISSIONS", "RESOURCE_ACCESS_DENIED",
    ),
    404: (
        "ROUTE_NOT_FOUND", "RESOURCE_NOT_FOUND", "ORDER_NOT_FOUND", "API_KEY_NOT_FOUND", "SOCIAL_PROFILE_NOT_FOUND",
    ),
    405: ("METHOD_NOT_ALLOWED",),
    408: ("REQUEST_TIMEOUT",),
    409: (
        "USER_EXISTS", "CONFLICT", "CONCURRENCY_CONFLICT", "INVALID_ORDER_STATE", "ORDER_NOT_PAYABLE",
        "PAYMENT_NOT_REFUNDABLE", "INSUFFICIENT_STOCK", "LISTING_UNAVAILABLE", "CATEGORY_IN_USE", "REVIEW_EXISTS",
        "CONNECTION_EXISTS", "ALREADY_ONBOARDED", "NOT_ONBOARDED", "INSUFFICIENT_CREDITS", "ACTIVATION_LIMIT_REACHED",
        "LICENCE_NOT_ACTIVE", "IDEMPOTENCY_IN_PROGRESS",
    ),
    412: ("PRECONDITION_FAILED",),
    413: ("FILE_TOO_LARGE", "PAYLOAD_TOO_LARGE"),
    415: ("UNSUPPORTED_MEDIA_TYPE",),
    422: ("IDEMPOTENCY_KEY_REUSED",),
    426: ("UPGRADE_REQUIRED",),
    431: ("REQUEST_HEAD_TOO_LARGE",),
    429: ("RATE_LIMIT_EXCEEDED", "OTP_RATE_LIMITED", "OTP_ATTEMPTS_EXCEEDED", "SYNC_LIMIT_REACHED"),
    500: (
        "INTERNAL_ERROR", "REGISTRATION_FAILED", "LOGIN_FAILED", "TOKEN_REFRESH_FAILED", "LOGOUT_FAILED",
        "USER_FETCH_FAILED", "PROFILE_UPDATE_FAILED", "PASSWORD_CHANGE_FAILED", "AUTHENTICATION_ERROR",
        "AUTHORIZATION_ERROR",
    ),
    503: (
        "SERVICE_UNAVAILABLE", "OVERLOADED", "STORE_UNAVAILABLE", "READ_MODEL_BEHIND", "UPSTREAM_UNAVAILABLE",
    ),
    504: ("UPSTREAM_TIMEOUT",),
}  # fmt: skip

STATUSES: Final[Mapping[str, int]] = {code: status for status, codes in _BY_STATUS.items() for code in codes}
"""The status of every code of §41.1, and of those that the edge itself adds."""

_KINDS: Final[Mapping[type[DomainError], int]] = {
    InvalidInput: 400,
    NotAuthenticated: 401,
    NotPermitted: 403,
    NotFound: 404,
    RuleViolation: 409,
    StaleVersion: 412,
    IdempotencyKeyReused: 422,
    DomainError: 400,
}


def status_of(refusal: type[DomainError]) -> int:
    """The status of a refusal: that of its code where the catalogue has it, else that of its kind."""
    known = STATUSES.get(refusal.code)
    if known is not None:
        return known
    return next(_KINDS[kind] for kind in refusal.__mro__ if kind in _KINDS)


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An answer that is not the one asked for, before it has a form."""

    status: int
    code: str
    message: str
    details: Any = None
    problems: tuple[Problem, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()


def failure_of(error: Exception, path: str) -> Failure:
    """What is answered when `error` ended a request for `path`; anything unknown is an internal error."""
    match error:
        case InvalidInput():
            return _invalid(error.message, error.problems, details=error.details, code=error.code)
        case TooManyRequests() | OtpRateLimited():
            return _refusal(error, ("retry-after", str(error.retry_after_seconds)))
        case UpgradeRequired():
            return _refusal(error, ("upgrade", "websocket"), ("sec-websocket-version", "13"))
        case NotAuthenticated():
            return _refusal(error, ("www-authenticate", 'Bearer realm="daftar"'))
        case DomainError():
            return _refusal(error)
        case Unavailable():
            return Failure(
                status=STATUSES.get(error.code, 503),
                code=error.code,
                message=error.message,
                headers=(("retry-after", str(max(1, error.retry_after_seconds))),),
            )
        case TooManyAsk():
            return failure_of(Overloaded("Too many are asking.", retry_after_seconds=1), path)
        case psycopg.OperationalError():
            return failure_of(StoreUnavailable("The database cannot be reached."), path)
        case RedisError():
            return failure_of(Unavailable("A part of the service cannot be reached."), path)
        case HTTPException():
            return _of_litestar(error, path)
        case SerializationException() | UnicodeDecodeError():
            return _invalid("The request cannot be read.", ())
        case _:
            return Failure(
                status=500, code="INTERNAL_ERROR", message="Something went wrong. The error was recorded."
            )


def _refusal(error: DomainError, *headers: tuple[str, str]) -> Failure:
    return Failure(
        status=status_of(type(error)),
        code=error.code,
        message=error.message,
        details=dict(error.details) or None,
        headers=headers,
    )


def _invalid(
    message: str,
    problems: Sequence[Problem],
    *,
    details: Mapping[str, object] | None = None,
    code: str = "VALIDATION_ERROR",
) -> Failure:
    return Failure(
        status=STATUSES.get(code, 400),
        code=code,
        message=message,
        details=[{"field": each.field, "message": each.message, "rule": each.rule} for each in problems]
        or dict(details or {})
        or None,
        problems=tuple(problems),
    )


def _of_litestar(error: HTTPException, path: str) -> Failure:
    match error:
        case ValidationException():
            return _invalid("The request is not valid.", _problems_of(error))
        case NotFoundException():
            return Failure(status=404, code="ROUTE_NOT_FOUND", message=f"There is nothing at {path[:500]}.")
        case MethodNotAllowedException():
            return Failure(
                status=405,
                code="METHOD_NOT_ALLOWED",
                message="This method is not allowed here.",
                headers=(("allow", allowed(error)),),
            )
        case RequestEntityTooLarge():
            return Failure(status=413, code="PAYLOAD_TOO_LARGE", message="The body is too large.")
        case InternalServerException():
            return failure_of(Exception(), path)
    if error.status_code >= 500:
        return failure_of(Exception(), path)
    if error.status_code == 400:
        return _invalid("The request cannot be read.", ())
    # What a handler raised by itself, which none of ours does: its status, in our words.
    codes = _BY_STATUS.get(error.status_code, ("VALIDATION_ERROR",))
    return Failure(
        status=error.status_code, code=codes[0], message=HTTPStatus(error.status_code).phrase + "."
    )


def allowed(error: MethodNotAllowedException) -> str:
    """What `Allow` lists: the methods of the path; whatever answers GET answers HEAD."""
    named = next((value for name, value in (error.headers or {}).items() if name.lower() == "allow"), "")
    # Where a WebSocket is opened, too, the router says so among the methods.
    methods = {each.strip() for each in named.split(",")} - {"", "websocket"}
    return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def _problems_of(error: ValidationException) -> list[Problem]:
    if not isinstance(error.extra, list):
        # `Missing required query parameter 'limit' for path ...` is all that Litestar says.
        name = error.detail.split("'")[1] if error.detail.count("'") >= 2 else ""
        return [Problem(camel(name), "This parameter is required.", "required")] if name else []
    problems: list[Problem] = []
    for each in error.extra:
        if not isinstance(each, Mapping):
            continue
        first, *others = str(each.get("key", "")).split(".")
        if each.get("source") == "body" and first == "data" and not others:
            problems.append(Problem("", "A JSON body is required.", "required"))
        else:
            field = ".".join((camel(first), *others))
            problems.append(problem_of(str(each.get("message", "")), prefix=field))
    return problems


def localised(failure: Failure, catalogue: Catalogue) -> Failure:
    """The failure in the words of a catalogue: the general sentences of its code, and of the rules that were broken.

    English stays as it was written beside the refusal, which knows more.
    """
    if catalogue is ENGLISH:
        return failure
    details = failure.details
    if isinstance(details, list):
        details = [
            {**each, "message": _of_rule(each["rule"], catalogue)}
            if isinstance(each, dict) and "rule" in each
            else each
            for each in details
        ]
    return msgspec.structs.replace(
        failure,
        message=catalogue.codes.get(failure.code) or f"{_title(failure.status, catalogue)}.",
        details=details,
        problems=tuple(
            Problem(each.field, _of_rule(each.rule, catalogue), each.rule) for each in failure.problems
        ),
    )


def _of_rule(rule: str, catalogue: Catalogue) -> str:
    return catalogue.rules.get(rule) or catalogue.rules["invalid"]


def _title(status: int, catalogue: Catalogue) -> str:
    return catalogue.titles.get(status) or HTTPStatus(status).phrase


def render(failure: Failure, context: RequestContext) -> tuple[bytes, bytes, bytes]:
    """The body of a failure, its media type and its language.

    The body is our envelope, or problem details for those who ask for them; the language is that which the caller
    accepts best of ours (requirements API-14).
    """
    catalogue = catalogue_for(context.headers)
    failure = localised(failure, catalogue)
    language = catalogue.language.encode()
    if context.problem_json:
        problem: dict[str, Any] = {
            "type": "about:blank",
            "title": _title(failure.status, catalogue),
            "status": failure.status,
            "detail": failure.message,
            "instance": f"urn:uuid:{context.correlation_id}",
            "code": failure.code,
            "requestId": context.request_id,
        }
        if failure.problems:
            problem["errors"] = [
                {"pointer": _pointer(each.field), "detail": each.message, "code": each.rule}
                for each in failure.problems
            ]
        elif failure.details is not None:
            problem["details"] = failure.details
        return msgspec.json.encode(problem, enc_hook=str), PROBLEM_JSON.encode(), language
    body = FailureBody(
        error=ErrorBody(
            code=failure.code,
            message=failure.message,
            details=UNSET if failure.details is None else failure.details,
            request_id=context.request_id,
        )
    )
    return msgspec.json.encode(body, enc_hook=str), JSON.encode(), language


def _pointer(field: str) -> str:
    """RFC 6901, as a fragment."""
    steps = (each.replace("~", "~0").replace("/", "~1") for each in field.split(".") if each)
    return "#" + "".join(f"/{step}" for step in steps)


def answer_failure(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The one exception handler of the application."""
    leave_alone(error)
    context = context_of(request)
    failure = failure_of(error, context.path)
    record(error, failure, context, request.scope["method"])
    return respond(failure, context)


def leave_alone(error: Exception) -> None:
    """What every handler does first: whoever hung up gets no answer, and the request counts as closed by them.

    Raises:
        ClientGone: they did.
    """
    if isinstance(error, ClientGone) or isinstance(error.__cause__, ClientGone):
        raise ClientGone from error


def respond(failure: Failure, context: RequestContext) -> Response[bytes]:
    """The failure as an answer of a route."""
    content, media_type, language = render(failure, context)
    return Response(
        content,
        status_code=failure.status,
        media_type=media_type.decode(),
        headers={**dict(failure.headers), "content-language": language.decode()},
    )


def record(error: Exception, failure: Failure, context: RequestContext, method: str) -> None:
    """Log a bug with its stack trace, an outage with its cause; refusals are answers and are not logged."""
    if isinstance(error, ClientGone) or isinstance(error.__cause__, ClientGone):
        return
    facts = {
        "request_id": context.request_id,
        "actor_id": str(context.actor_id) if context.actor_id else None,
        "method": method,
        "path": context.path,
        "code": failure.code,
    }
    if failure.status == 500:
        log.error("request_failed", exc_info=error, **facts)
    elif failure.status >= 502 and not isinstance(error, Overloaded | ReadModelBehind):
        cause = error.__cause__ or error
        untold = _outages.untold(failure.code, cause)
        if untold is not None:
            log.warning(
                "request_unavailable", cause=f"{type(cause).__name__}: {cause}", untold=untold, **facts
            )


class Outages:
    """Which outages have been told of: one for all requests that it ends within `OUTAGE_LOG_SECONDS`, not each.

    Every request has its own line in the access log, with its status.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` gives seconds that never go back."""
        self._monotonic = monotonic
        self._told: dict[tuple[str, type[BaseException]], tuple[float, int]] = {}

    def untold(self, code: str, cause: BaseException) -> int | None:
        """How many requests of the kind were passed over since the last that was told of; `None` passes over this one."""
        now = self._monotonic()
        kind = (code, type(cause))
        quiet_until, untold = self._told.get(kind, (now, 0))
        if now < quiet_until:
            self._told[kind] = (quiet_until, untold + 1)
            return None
        self._told[kind] = (now + OUTAGE_LOG_SECONDS, 0)
        return untold


_outages: Final = Outages()
