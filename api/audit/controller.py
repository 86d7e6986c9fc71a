"""How far the read models are, and having them made anew, over HTTP (requirements ES-06, ES-08, ADM-10)."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, Response, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from api.assembly import services_of
from api.audit.activity import ActivityController
from api.audit.replay import ReplayController
from api.envelope import Envelope, RequestBody, ResponseBody, Timestamp, envelope, timestamp
from api.openapi import NOT_A_QUERY, UNCONDITIONAL, errors
from api.submission import submit
from api.validation import NAME_MAXIMUM
from application.audit.commands import RebuildProjection
from application.audit.results import RebuildAsked
from domain.shared.errors import NotFound
from domain.shared.reasons import REASON_CHARACTERS_MAXIMUM
from infrastructure.bootstrap import PROJECTIONS
from projections.audit.rebuild_requests import Rebuild, Rebuilds
from projections.shared.tracking import Tracked


class ProjectionNotFound(NotFound):
    """There is no read model of this name."""

    code = "PROJECTION_NOT_FOUND"


class RebuildRequest(RequestBody, frozen=True, kw_only=True):
    """Why a read model is to be made anew, for those who read the activity log."""

    reason: Annotated[str, Meta(min_length=1, max_length=REASON_CHARACTERS_MAXIMUM)] | None = None


class RebuildAskedView(ResponseBody, frozen=True, kw_only=True):
    """A rebuild was asked for, of what came after `fromPosition`. How it goes on, the list of read models tells."""

    projection: str
    from_position: int

    @classmethod
    def of(cls, asked: RebuildAsked) -> "RebuildAskedView":
        """Show it."""
        return cls(projection=asked.projection, from_position=asked.from_position)


class RebuildView(ResponseBody, frozen=True, kw_only=True):
    """The newest rebuild that was asked for over HTTP. `progress` is the part of the log that the new rows show, 0 to 1."""

    requested_at: Timestamp
    requested_by: UUID | None
    started_at: Timestamp | None
    progress: float
    finished_at: Timestamp | None

    @classmethod
    def of(cls, rebuild: Rebuild, head: int) -> "RebuildView":
        """Show it beside a log of this length."""
        progress = 1.0 if rebuild.finished_at is not None else (rebuild.position or 0) / max(head, 1)
        return cls(
            requested_at=timestamp(rebuild.requested_at),
            requested_by=rebuild.requested_by,
            started_at=_optional(rebuild.started_at),
            progress=round(min(progress, 1.0), 4),
            finished_at=_optional(rebuild.finished_at),
        )


class ProjectionView(ResponseBody, frozen=True, kw_only=True):
    """One read model: up to which position of the log it shows everything, and how many positions it is behind.

    `rebuild` is null when none was ever asked for over HTTP.
    """

    name: str
    generation: int
    position: int
    lag: int
    updated_at: Timestamp
    rebuild: RebuildView | None

    @classmethod
    def of(cls, tracked: Tracked, head: int, rebuild: Rebuild | None) -> "ProjectionView":
        """Show it beside a log of this length."""
        return cls(
            name=tracked.name,
            generation=tracked.generation,
            position=tracked.position,
            lag=max(0, head - tracked.position),
            updated_at=timestamp(tracked.updated_at),
            rebuild=None if rebuild is None else RebuildView.of(rebuild, head),
        )


class ProjectionsController(Controller):
    """What staff may ask about read models."""

    path = "/admin/projections"
    tags = ("Audit",)

    @get("/", summary="List read models", opt=NOT_A_QUERY)
    async def list_projections(self, request: Request[Any, Any, Any]) -> Envelope[list[ProjectionView]]:
        """Every read model that serves, by name, with the newest rebuild of it that was asked for: waiting, under way or done."""
        services = services_of(request)
        # The head first: a read model may then be said to lag by what came since, but never to be ahead of the log.
        head = await services.store.head()
        rebuilds = await Rebuilds(services.reader).newest()
        tracked = await services.reader.tracked()
        return envelope([ProjectionView.of(each, head, rebuilds.get(each.name)) for each in tracked])

    @post(
        "/{name:str}/rebuild",
        status_code=202,
        summary="Rebuild a read model",
        opt=UNCONDITIONAL,
        responses=errors(PROJECTION_NOT_FOUND=404),
    )
    async def rebuild(
        self,
        request: Request[Any, Any, Any],
        name: FromPath[str],
        data: JSONBody[RebuildRequest | None] = None,
    ) -> Response[Envelope[RebuildAskedView]]:
        """Have a read model made anew from the whole log, while the old one serves; the new one takes over when it is ready.

        It begins when the projector has nothing else to rebuild, and begins again when it was interrupted. Nobody gets mail again. The
        body, with a reason, may be left out.
        """
        if name not in {projection.name for projection in PROJECTIONS}:
            raise ProjectionNotFound(f"There is no read model {name[:NAME_MAXIMUM]}.")
        command = RebuildProjection(projection=name, reason=None if data is None else data.reason)
        return await submit(request, command, RebuildAskedView.of, kind="admin_audit")


def _optional(moment: datetime | None) -> Timestamp | None:
    return None if moment is None else timestamp(moment)


CONTROLLERS: tuple[type[Controller], ...] = (ProjectionsController, ActivityController, ReplayController)
