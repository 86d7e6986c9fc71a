"""The one layer around Litestar: what every request passes through, in one hand-written function.

It names the request, finds out where it came from, refuses what must not come in, lets Litestar answer, and adds what
every answer carries. It is on the path of every request, so it does nothing twice and little at all.
"""

import re
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote_to_bytes

import structlog
from litestar.exceptions import NotFoundException
from litestar.types import ASGIApp, Message, Receive, Send

from api.context import SCOPE_KEY, RequestContext
from api.errors import PROBLEM_JSON, ClientGone, Failure, failure_of, record, render
from api.middleware.addresses import UNKNOWN, client_address
from api.middleware.compression import Compressed, accepts_gzip
from api.middleware.cors import Cors
from application.shared.ports import NewId
from infrastructure.metrics import HttpMetrics
from infrastructure.settings import Environment, Settings

API_POLICY: Final = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
STRICT_TRANSPORT: Final = (b"strict-transport-security", b"max-age=31536000; includeSubDomains")
UNROUTED: Final = "unrouted"
"""The route of requests that found none; their paths would be labels without end."""

CLIENT_CLOSED: Final = 499
"""How a request is logged and counted whose client hung up first."""

_SECURITY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"x-permitted-cross-domain-policies", b"none"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"origin-agent-cluster", b"?1"),
    (b"x-dns-prefetch-control", b"off"),
    (b"x-download-options", b"noopen"),
    (b"x-xss-protection", b"0"),
    (b"vary", b"Origin, Accept, Accept-Encoding, Accept-Language"),
)
_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._~:/+=@-]{1,128}")
_TRACE: Final = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?")
_QUERY_NAME: Final = re.compile(rb"[A-Za-z0-9_.\[\]-]{1,40}")
_FORGEABLE: Final = frozenset({b"x-user-id", b"x-user-role"})
_QUERY_LOGGED: Final = 20
_QUOTED_SLASH: Final = re.compile(rb"%2[fF]")
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

log: Final = structlog.get_logger("daftar.access")

AccessLog = Callable[..., object]


class Shell:
    """Wraps an ASGI application; see the module."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        settings: Settings,
        new_id: NewId,
        metrics: HttpMetrics,
        methods_at: Callable[[str], str | None] = lambda _: None,
        open_to_plain_http: frozenset[str] = frozenset(),
        sockets_at: frozenset[str] = frozenset(),
        access_log: AccessLog | None = None,
    ) -> None:
        """`methods_at` says what is allowed at a path; `open_to_plain_http` are paths that probes may ask without HTTPS, in production too;
        `sockets_at` are those where WebSockets are opened.

        `access_log` is called as structlog's `info`; nothing is logged in tests (LOG-02) unless it is given.
        """
        self._app = app
        self._new_id = new_id
        self._metrics = metrics
        self._methods_at = methods_at
        self._cors = Cors(settings.http.cors_origins)
        self._hops = settings.http.trusted_proxy_hops
        self._https_only = settings.in_production
        self._app_url = settings.http.app_url.encode()
        self._open_to_plain_http = open_to_plain_http
        self._sockets_at = sockets_at
        if access_log is None and settings.environment is not Environment.TEST:
            access_log = log.info
        self._access_log = access_log
        self._extra = (*_SECURITY, *((STRICT_TRANSPORT,) if settings.in_production else ()))

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Answer one connection."""
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        else:
            await self._open_socket(scope, receive, send)

    async def _open_socket(self, scope: Any, receive: Receive, send: Send) -> None:
        """Let somebody open a WebSocket, unless they come from a foreign page; what is counted is the handshake."""
        started = time.perf_counter()
        context = self._enter(scope)
        status, closed = 0, 1006
        reason = ""

        def opened(answered: int) -> None:
            nonlocal status
            status = answered
            template = scope.get("path_template") or UNROUTED
            self._metrics.observe("GET", template, status, time.perf_counter() - started)

        async def tell(message: Any) -> None:
            nonlocal closed, reason
            match message["type"]:
                case "websocket.accept":
                    own = (b"x-request-id", context.request_id.encode())
                    message["headers"] = [*message.get("headers", ()), own]
                    opened(101)
                case "websocket.http.response.start":
                    message["headers"] = self._complete(context, message["headers"])
                    opened(message["status"])
                case "websocket.close":
                    closed, reason = message["code"], message.get("reason") or ""
                case _:
                    pass
            await send(message)

        async def hear() -> Any:
            nonlocal closed
            message = await receive()
            if message["type"] == "websocket.disconnect" and not reason:
                closed = message.get("code") or closed
            return message

        try:
            refusal = self._refuse_socket(scope, context)
            if refusal is None:
                await self._app(scope, hear, tell)
            else:
                await send_failure(refusal, context, tell, kind="websocket.http")
        finally:
            if self._access_log is not None:
                seconds = time.perf_counter() - started
                ending = {"close_code": closed, "close_reason": reason} if status == 101 else {}
                self._log(context, scope, "GET", status or CLIENT_CLOSED, seconds, **ending)

    def _refuse_socket(self, scope: Any, context: RequestContext) -> Failure | None:
        if self._https_only and not context.secure:
            return Failure(status=403, code="HTTPS_REQUIRED", message="Use HTTPS.")
        if context.path not in self._sockets_at:
            return failure_of(NotFoundException(), context.path)
        origin = context.headers.get(b"origin")
        if origin is not None and not self._cors.answer(origin):
            # Browsers open sockets to anywhere; that pages of others may not is for us to say (RFC 6455 §10.2).
            return Failure(
                status=403, code="CORS_NOT_ALLOWED", message="Pages of this origin may not call this service."
            )
        return None

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        context = self._enter(scope)
        method: str = scope["method"]
        status = 0
        client_sends = send
        if method == "HEAD":
            # Litestar routes GET only; the answer to HEAD is that to GET without its body (RFC 9110 §9.3.2).
            scope = {**scope, "method": "GET"}
            client_sends, receive = _without_body(send, receive)
        accept_encoding = context.headers.get(b"accept-encoding")
        if accept_encoding is not None and accepts_gzip(accept_encoding):
            client_sends = Compressed(client_sends)

        async def answer(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._complete(context, message["headers"])
            await client_sends(message)

        try:
            early = self._refuse_early(scope, context, method)
            if early is None:
                await self._app(scope, receive, answer)
            else:
                await send_failure(early, context, answer)
        except ClientGone:
            status = CLIENT_CLOSED
        except Exception as error:  # noqa: BLE001 -- the last place where anything can be answered
            cause = error.__cause__ if status and isinstance(error.__cause__, Exception) else error
            failure = failure_of(cause, context.path)
            record(cause, failure, context, method)
            if not status:
                await send_failure(failure, context, answer)
            # Else the answer breaks off in the middle, which the server makes the client see.
        finally:
            seconds = time.perf_counter() - started
            template = scope.get("path_template") or UNROUTED
            self._metrics.observe(method, template, status or CLIENT_CLOSED, seconds)
            if self._access_log is not None:
                self._log(context, scope, method, status or CLIENT_CLOSED, seconds)

    # --- coming in -----------------------------------------------------------------------------------------

    def _enter(self, scope: Any) -> RequestContext:
        pairs = scope["headers"]
        headers = dict(pairs)
        if not _FORGEABLE.isdisjoint(headers):
            # Identity travels in our own context; these names would be believed by somebody, some day (RBAC-08).
            scope["headers"] = [pair for pair in pairs if pair[0] not in _FORGEABLE]
            for name in _FORGEABLE:
                headers.pop(name, None)
        client = scope.get("client")
        peer = address = client[0] if client else UNKNOWN
        secure = scope["scheme"] in {"https", "wss"}
        if self._hops:
            if b"x-forwarded-for" in headers:
                values = [value for name, value in pairs if name == b"x-forwarded-for"]
                address = client_address(peer, values, self._hops)
            scheme = headers.get(b"x-forwarded-proto")
            if scheme is not None:
                secure = scheme.rpartition(b",")[2].strip().lower() in {b"https", b"wss"}
        request_id = headers.get(b"x-request-id")
        trace = headers.get(b"traceparent")
        accept = headers.get(b"accept")
        context = RequestContext(
            request_id=request_id.decode("ascii")
            if request_id is not None and _REQUEST_ID.fullmatch(request_id) is not None
            else str(self._new_id()),
            headers=headers,
            path=scope["path"],
            client_address=address,
            peer_address=peer,
            secure=secure,
            trace_id=None if trace is None else trace_id_of(trace),
            problem_json=accept is not None and PROBLEM_JSON.encode() in accept,
        )
        scope[SCOPE_KEY] = context
        return context

    def _refuse_early(self, scope: Any, context: RequestContext, method: str) -> Failure | None:
        if self._https_only and not context.secure and context.path not in self._open_to_plain_http:
            return self._to_https(scope, method)
        if method == "OPTIONS" and b"access-control-request-method" in context.headers:
            return self._preflight(context.headers.get(b"origin", b""))
        path = scope["path"]
        raw = (scope.get("raw_path") or b"").partition(b"?")[0]
        if b"%" in raw and _QUOTED_SLASH.search(raw) is not None:
            # It parts nothing (RFC 3986 §2.2), so what it stands in is no path of ours, though it looks like one.
            return failure_of(NotFoundException(), path)
        if method == "OPTIONS" and (methods := self._allowed_at(path)) is not None:
            return Failure(status=204, code="", message="", headers=(("allow", methods),))
        query = scope["query_string"]
        if (not path.isprintable() or "%" in path or "\ufffd" in path) and (
            "\0" in path or not _is_text(raw)
        ):
            return _unreadable("path")
        if query and (b"%" in query or not query.isascii()) and not _is_text(query):
            return _unreadable("query")
        return None

    def _allowed_at(self, path: str) -> str | None:
        """The methods of a path; of the service as a whole for `*` (RFC 9110 §9.3.7)."""
        return ", ".join(sorted(_METHODS)) if path == "*" else self._methods_at(path)

    def _to_https(self, scope: Any, method: str) -> Failure:
        if method in {"GET", "HEAD"} and self._app_url.startswith(b"https://"):
            # To the address that we were told is ours: the Host header is the client's word.
            query = scope["query_string"]
            target = self._app_url + (scope.get("raw_path") or b"/").partition(b"?")[0]
            location = target + (b"?" + query if query else b"")
            return Failure(
                status=308,
                code="HTTPS_REQUIRED",
                message="Use HTTPS.",
                headers=(("location", _SAFE_URL.sub(_escape, location).decode("ascii")),),
            )
        return Failure(status=403, code="HTTPS_REQUIRED", message="Use HTTPS.")

    def _preflight(self, origin: bytes) -> Failure:
        headers = self._cors.preflight(origin)
        if headers is None:
            return Failure(
                status=403, code="CORS_NOT_ALLOWED", message="Pages of this origin may not call this service."
            )
        return Failure(
            status=204,
            code="",
            message="",
            headers=tuple((name.decode(), value.decode()) for name, value in headers),
        )

    # --- going out -----------------------------------------------------------------------------------------

    def _complete(
        self, context: RequestContext, headers: list[tuple[bytes, bytes]]
    ) -> list[tuple[bytes, bytes]]:
        complete = [*headers, (b"x-request-id", context.request_id.encode()), *self._extra]
        named = dict(headers)
        if b"content-security-policy" not in named:
            complete.append((b"content-security-policy", API_POLICY))
        if b"cache-control" not in named:
            complete.append((b"cache-control", b"no-store"))
        origin = context.headers.get(b"origin")
        if origin is not None and b"access-control-allow-origin" not in named:
            complete += self._cors.answer(origin)
        verdicts = context.verdicts
        if verdicts:
            complete.append(
                (b"ratelimit-policy", ", ".join([each.policy.header for each in verdicts]).encode())
            )
            complete.append((b"ratelimit", ", ".join([each.header for each in verdicts]).encode()))
        return complete

    def _log(
        self, context: RequestContext, scope: Any, method: str, status: int, seconds: float, **more: object
    ) -> None:
        assert self._access_log is not None
        facts: dict[str, Any] = {
            "method": method,
            "path": context.path,
            "status": status,
            "duration_ms": round(seconds * 1000, 2),
            "client_address": context.client_address,
            "user_agent": context.user_agent,
            "request_id": context.request_id,
            **more,
        }
        query = scope["query_string"]
        if query:
            facts["query"] = masked_query(query)
        if context.actor_id is not None:
            facts["actor_id"] = str(context.actor_id)
        self._access_log("request", **facts)


@lru_cache(maxsize=1024)
def trace_id_of(traceparent: bytes) -> str | None:
    """The trace id in a `traceparent` header; `None` when the header is invalid, which means a new trace."""
    match = _TRACE.fullmatch(traceparent)
    if match is None:
        return None
    version, trace_id, parent_id, rest = match.groups()
    if (
        version == b"ff"
        or (version == b"00" and rest)
        or not trace_id.strip(b"0")
        or not parent_id.strip(b"0")
    ):
        return None
    found: str = trace_id.decode("ascii")
    return found


def masked_query(query: bytes) -> str:
    """The names of query parameters without their values: `page=***&q=***`."""
    shown = []
    for part in query.split(b"&", _QUERY_LOGGED)[:_QUERY_LOGGED]:
        name, equals, _ = part.partition(b"=")
        # What has no name may be the secret itself.
        known = equals and _QUERY_NAME.fullmatch(name) is not None
        shown.append(f"{name.decode('ascii')}=***" if known else "***")
    return "&".join(shown)


_SAFE_URL: Final = re.compile(rb"[^A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]")


def _escape(match: "re.Match[bytes]") -> bytes:
    return b"%%%02X" % match[0][0]


def _is_text(quoted: bytes) -> bool:
    """Whether a quoted text is UTF-8 without NUL, which no database of ours could hold."""
    plain = unquote_to_bytes(quoted)
    if b"\0" in plain:
        return False
    try:
        plain.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _unreadable(part: str) -> Failure:
    return Failure(
        status=400,
        code="VALIDATION_ERROR",
        message=f"The {part} must be UTF-8 without the character NUL.",
        details=[{"field": part, "message": "Must be UTF-8 without the character NUL.", "rule": "text"}],
    )


async def send_failure(failure: Failure, context: RequestContext, send: Any, *, kind: str = "http") -> None:
    """Answer with a failure; to a handshake, `kind` is `websocket.http`."""
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in failure.headers]
    body = b""
    if failure.status >= 400:
        body, media_type, language = render(failure, context)
        headers += [(b"content-type", media_type), (b"content-language", language)]
    if failure.status != 204:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": f"{kind}.response.start", "status": failure.status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body, "more_body": False})


def _without_body(send: Send, receive: Receive) -> tuple[Send, Receive]:
    """Send the head only; a stream that would go on is told that its reader left."""
    ended = False

    async def head_only(message: Message) -> None:
        nonlocal ended
        if message["type"] == "http.response.start":
            await send(message)
        elif message["type"] == "http.response.body" and not ended:
            ended = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def until_ended() -> Any:
        return {"type": "http.disconnect"} if ended else await receive()

    return head_only, until_ended
