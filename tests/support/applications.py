"""Applications to stand in for a running one: the routes are dear to make, and keep nothing from one test to the next."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from api.access import ACCESS, Table
from api.app import Application, ProjectionLag, Services, create_app
from api.middleware.shell import AccessLog

_idle: dict[tuple[object, ...], list[Application]] = {}


@contextmanager
def application_on(
    services: Services,
    controllers: Sequence[Any],
    *,
    access: Table = ACCESS,
    projection_lag: ProjectionLag | None = None,
    access_log: AccessLog | None = None,
) -> Iterator[Application]:
    """What `create_app` gives, made anew only when no other test has left one with these routes."""
    settings = services.settings
    routing = (settings.http.api_version, settings.http.openapi_enabled, settings.limits.enabled)
    idle = _idle.setdefault((tuple(controllers), id(access), *routing), [])
    if idle:
        app = idle.pop()
        app.stand_on(services, projection_lag=projection_lag, access_log=access_log)
    else:
        app = create_app(
            services, controllers, access=access, projection_lag=projection_lag, access_log=access_log
        )
    yield app
    idle.append(app)
