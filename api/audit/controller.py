"""How far the read models are, over HTTP (requirements ES-06)."""

from typing import Any

from litestar import Controller, Request, get

from api.assembly import services_of
from api.audit.activity import ActivityController
from api.audit.replay import ReplayController
from api.envelope import Envelope, ResponseBody, Timestamp, envelope, timestamp
from api.openapi import NOT_A_QUERY


class ProjectionView(ResponseBody, frozen=True, kw_only=True):
    """One read model: up to which position of the log it shows everything, and how many positions it is behind."""

    name: str
    generation: int
    position: int
    lag: int
    updated_at: Timestamp


class ProjectionsController(Controller):
    """What staff may ask about read models."""

    path = "/admin/projections"
    tags = ("Audit",)

    @get("/", summary="List read models", opt=NOT_A_QUERY)
    async def list_projections(self, request: Request[Any, Any, Any]) -> Envelope[list[ProjectionView]]:
        """Every read model that serves, by name."""
        services = services_of(request)
        # The head first: a read model may then be said to lag by what came since, but never to be ahead of the log.
        head = await services.store.head()
        tracked = await services.reader.tracked()
        return envelope(
            [
                ProjectionView(
                    name=each.name,
                    generation=each.generation,
                    position=each.position,
                    lag=max(0, head - each.position),
                    updated_at=timestamp(each.updated_at),
                )
                for each in tracked
            ]
        )


CONTROLLERS: tuple[type[Controller], ...] = (ProjectionsController, ActivityController, ReplayController)
