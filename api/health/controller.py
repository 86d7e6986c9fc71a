"""Health and metrics (requirements HLT-01 to HLT-04). Each process of several answers for itself."""

import asyncio
import resource
import sys
import time
from collections.abc import Awaitable, Mapping
from typing import Any, Final

import msgspec
from litestar import Controller, Request, Response, get

from api.context import RequestContext, application_of, context_of
from api.envelope import Envelope, ResponseBody, Timestamp, envelope, timestamp
from api.errors import Failure, render
from api.limits import UNLIMITED
from api.middleware.addresses import is_internal
from api.openapi import errors
from api.security import authenticate
from api.services import HealthCheck
from application.shared.caller import ActorKind
from domain.shared.errors import NotAuthenticated, NotPermitted
from infrastructure.logging import mask_text
from infrastructure.metrics import CONTENT_TYPE
from infrastructure.security.secrets import Secret

CHECK_SECONDS: Final = 2.0
LAG_SECONDS: Final = 2.0
DATABASE: Final = "database"
"""The check without which nothing works."""

_REFUSED: Final = (
    "AUTHENTICATION_REQUIRED",
    "TOKEN_EXPIRED",
    "INVALID_TOKEN",
    "USER_NOT_FOUND",
    "INSUFFICIENT_PERMISSIONS",
    "ACCOUNT_SUSPENDED",
)


class HealthView(ResponseBody, frozen=True, kw_only=True):
    """That this process answers; `uptime` in seconds."""

    status: str
    timestamp: Timestamp
    uptime: float


class CheckView(ResponseBody, frozen=True, kw_only=True, omit_defaults=True):
    """How one part is: `healthy` or `unhealthy`, and how long it took to say so."""

    status: str
    response_time_ms: float
    error: str | None = None


class MemoryView(ResponseBody, frozen=True, kw_only=True):
    """The most memory that this process ever held, in bytes."""

    status: str
    peak_bytes: int


class DetailedHealthView(ResponseBody, frozen=True, kw_only=True):
    """How every part is: `healthy`, `degraded` when something is away, `unhealthy` without the database."""

    status: str
    timestamp: Timestamp
    uptime: float
    checks: dict[str, CheckView]
    memory: MemoryView


class HealthController(Controller):
    """Probes; they are not counted by rate limits."""

    path = "/"
    tags = ("Health",)
    opt = UNLIMITED

    @get("/health", operation_id="health", summary="Whether this process answers")
    async def health(self, request: Request[Any, Any, Any]) -> Envelope[HealthView]:
        """Answers as long as the process does; asks nobody else."""
        application = application_of(request)
        return envelope(
            HealthView(
                status="ok", timestamp=timestamp(application.services.clock()), uptime=application.uptime()
            )
        )

    @get(
        "/health/detailed",
        operation_id="detailedHealth",
        summary="How every part of the service is",
        responses=errors("SERVICE_UNAVAILABLE", *_REFUSED),
    )
    async def detailed(self, request: Request[Any, Any, Any]) -> Response[Envelope[DetailedHealthView]]:
        """For administrators and the internal network; 503 when the database is away."""
        await _let_in(request, token=None)
        application = application_of(request)
        checks = await check_all(application.services.health_checks)
        ill = {name for name, check in checks.items() if check.status != "healthy"}
        view = DetailedHealthView(
            status="unhealthy" if DATABASE in ill else "degraded" if ill else "healthy",
            timestamp=timestamp(application.services.clock()),
            uptime=application.uptime(),
            checks=checks,
            memory=MemoryView(status="healthy", peak_bytes=_peak_memory()),
        )
        if DATABASE not in ill:
            return Response(envelope(view))
        failure = Failure(
            status=503,
            code="SERVICE_UNAVAILABLE",
            message="The database cannot be reached.",
            details=msgspec.to_builtins(view),
        )
        body, media_type, language = render(failure, context_of(request))
        return Response(
            body,  # type: ignore[arg-type]  # the failure in its own form, as bytes
            status_code=failure.status,
            media_type=media_type.decode(),
            headers={"Retry-After": "1", "Content-Language": language.decode()},
        )

    @get(
        "/metrics",
        operation_id="metrics",
        summary="Figures for Prometheus",
        media_type=CONTENT_TYPE,
        responses=errors(*_REFUSED),
    )
    async def metrics(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """For whoever shows `METRICS_TOKEN`, for administrators, and for the internal network."""
        application = application_of(request)
        await _let_in(request, token=application.services.settings.http.metrics_token)
        lag: Mapping[str, float] | None = None
        if application.projection_lag is not None:
            try:
                async with asyncio.timeout(LAG_SECONDS):
                    lag = await application.projection_lag()
            except Exception:  # noqa: BLE001 -- the other figures matter most when something is away
                lag = None
        return Response(application.metrics.render(lag=lag), media_type=CONTENT_TYPE)


async def check_all(checks: Mapping[str, HealthCheck]) -> dict[str, CheckView]:
    """Ask every part at the same time, none for longer than two seconds."""
    results = await asyncio.gather(*(_check(check()) for check in checks.values()))
    return dict(zip(checks, results, strict=True))


async def _check(answer: Awaitable[object]) -> CheckView:
    started = time.perf_counter()
    error: str | None = None
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            await answer
    except TimeoutError:
        error = "No answer in time."
    except Exception as failure:  # noqa: BLE001 -- whatever it raises, that part is not well
        error = mask_text(f"{type(failure).__name__}: {failure}")[:500]
    took = round((time.perf_counter() - started) * 1000, 2)
    if error is None:
        return CheckView(status="healthy", response_time_ms=took)
    return CheckView(status="unhealthy", response_time_ms=took, error=error)


async def _let_in(request: Request[Any, Any, Any], *, token: Secret | None) -> None:
    """Internals are for those who run the service (HLT-02, HLT-03)."""
    context = context_of(request)
    services = application_of(request).services
    networks = services.settings.http.internal_networks
    # Both ends must be ours: a stranger who connects directly may write what they like into X-Forwarded-For.
    if is_internal(context.peer_address, networks) and is_internal(context.client_address, networks):
        return
    if token is not None and _bearer(context) == token:
        return
    try:
        caller = await authenticate(context, services)
    except NotAuthenticated as error:
        raise NotAuthenticated("This is for administrators.") from error
    if not (caller.is_admin and caller.actor_kind is ActorKind.USER):
        raise NotPermitted("Your role does not allow this.")


def _bearer(context: RequestContext) -> Secret:
    scheme, _, value = context.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return Secret(value if scheme.lower() == "bearer" else "")


def _peak_memory() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
