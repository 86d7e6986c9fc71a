"""The HTTP application: Litestar inside the shell, assembled from services and controllers."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from litestar import Litestar, Request, Router
from litestar.di import Provide
from litestar.enums import HttpMethod
from litestar.exceptions import MethodNotAllowedException, NotFoundException
from litestar.routes import WebSocketRoute
from litestar.types import (
    ControllerRouterHandler,
    LifeSpanReceive,
    LifeSpanScope,
    LifeSpanSend,
    Receive,
    Scope,
    Send,
)

from api.access import ACCESS, Access, Table, access_by_route
from api.body import BODY_BYTES_MAXIMUM, BodyRequest
from api.errors import allowed, answer_failure
from api.health.controller import HealthController
from api.limits import Limits, count_request
from api.middleware.shell import AccessLog, Shell
from api.openapi import SchemaController, describe
from api.requests import await_position, provide_cursor, provide_page, refuse_odd_ids, refuse_repeated
from api.security import admit, provide_caller, provide_visitor
from api.services import Accounts, Reader, Services, Standing
from infrastructure.bootstrap import derived_key
from infrastructure.cache.familiar_places import FamiliarPlaces
from infrastructure.cache.rate_limits import RateLimits
from infrastructure.metrics import Metrics

__all__ = ["Accounts", "Application", "Reader", "Services", "Standing", "create_app"]

ProjectionLag = Callable[[], Awaitable[Mapping[str, float]]]
"""Gives, by read model, how many positions of the log it is behind."""

_SLASHES = re.compile("/{2,}")
PROBES = frozenset({"/health", "/health/detailed", "/metrics"})


class Application(Litestar):
    """Litestar, wrapped into the shell; what routes need beside their arguments hangs on it."""

    services: Services
    metrics: Metrics
    limits: Limits
    access: Mapping[tuple[str, str], Access]
    projection_lag: ProjectionLag | None
    _shell: Shell
    _started: float
    _document: "asyncio.Task[bytes] | None"
    _describe: Callable[[], bytes]

    async def __call__(
        self,
        scope: Scope | LifeSpanScope,
        receive: Receive | LifeSpanReceive,
        send: Send | LifeSpanSend,
    ) -> None:
        """Answer one connection, or start and stop."""
        if scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
        else:
            await self._shell(scope, receive, send)  # type: ignore[arg-type]  # no lifespan any more

    def stand_on(
        self,
        services: Services,
        *,
        projection_lag: ProjectionLag | None = None,
        access_log: AccessLog | None = None,
    ) -> None:
        """Answer from these services from now on, with nothing kept from others before. The settings that routes were
        made by must be the same: the API's version, and whether the document is served and rates are limited.
        """
        settings = services.settings
        self.services = services
        self.metrics = Metrics(loop=services.commands)
        self.limits = limits_of(services)
        self.projection_lag = projection_lag
        self._started = time.monotonic()
        self._document = None
        self._shell = Shell(
            super().__call__,
            settings=settings,
            new_id=services.new_id,
            metrics=self.metrics.http,
            methods_at=self.methods_at,
            open_to_plain_http=PROBES,
            sockets_at=frozenset(route.path for route in self.routes if isinstance(route, WebSocketRoute)),
            access_log=access_log,
        )

    def methods_at(self, path: str) -> str | None:
        """What `Allow` lists at a path; `None` where nothing is."""
        try:
            # Nothing answers TRACE, so the router says what would be answered.
            # It folds slashes before it looks.
            folded = _SLASHES.sub("/", path).rstrip("/") or "/"
            self.asgi_router.handle_routing(path=folded, method=HttpMethod.TRACE)
        except MethodNotAllowedException as refused:
            return allowed(refused)
        except NotFoundException:
            pass
        return None

    def uptime(self) -> float:
        """Whole milliseconds since the application was made, in seconds."""
        return round(time.monotonic() - self._started, 3)

    async def document(self) -> bytes:
        """The OpenAPI document; made once, in a thread, when it is first asked for."""
        if self._document is None or (self._document.done() and self._document.cancelled()):
            self._document = asyncio.create_task(asyncio.to_thread(self._describe), name="openapi-document")
        return await asyncio.shield(self._document)


def create_app(
    services: Services,
    controllers: Sequence[ControllerRouterHandler] = (),
    *,
    access: Table = ACCESS,
    projection_lag: ProjectionLag | None = None,
    access_log: AccessLog | None = None,
    on_startup: Sequence[Callable[..., Any]] = (),
    on_shutdown: Sequence[Callable[..., Any]] = (),
) -> Application:
    """Everything that answers HTTP in one process.

    `controllers` are mounted under `/api/v1`; `access` says who may use each of their routes. Routes may ask for the dependencies `caller` (signed in, or 401),
    `visitor` (signed in or not), `page_request` and `cursor_request`. `access_log` replaces the log line of each request,
    also in tests, where there is none otherwise. The hooks run in the event loop that serves.
    """
    settings = services.settings
    base = f"/api/{settings.http.api_version}"
    dependencies = {
        "caller": Provide(provide_caller),
        "visitor": Provide(provide_visitor),
        "page_request": Provide(provide_page, sync_to_thread=False),
        "cursor_request": Provide(provide_cursor, sync_to_thread=False),
    }
    handlers: list[ControllerRouterHandler] = [HealthController]
    if settings.http.openapi_enabled:
        handlers.append(SchemaController.under(base))
    app = Application(
        route_handlers=[*handlers, *_under(base, controllers)],
        dependencies=dependencies,
        exception_handlers={Exception: answer_failure},
        guards=[count_request, admit] if settings.limits.enabled else [admit],
        before_request=_prepare,
        request_class=BodyRequest,
        request_max_body_size=BODY_BYTES_MAXIMUM,
        on_startup=list(on_startup),
        on_shutdown=list(on_shutdown),
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    app.access = access_by_route(app, base, access)
    app._describe = lambda: describe(
        [HealthController, *_under(base, controllers)],
        dependencies=dependencies,
        settings=app.services.settings,
        access=access,
        limited=settings.limits.enabled,
    )
    app.stand_on(services, projection_lag=projection_lag, access_log=access_log)
    return app


def limits_of(services: Services) -> Limits:
    """How often one may ask, as the settings have it."""
    settings = services.settings
    return Limits(
        settings.limits,
        RateLimits(services.redis, namespace=derived_key(settings, b"rate limits")),
        FamiliarPlaces(services.redis, namespace=derived_key(settings, b"familiar places")),
    )


async def _prepare(request: Request[Any, Any, Any]) -> None:
    refuse_odd_ids(request)
    refuse_repeated(request)
    await await_position(request)


def _under(base: str, controllers: Sequence[ControllerRouterHandler]) -> list[ControllerRouterHandler]:
    return [Router(base, route_handlers=list(controllers))] if controllers else []
