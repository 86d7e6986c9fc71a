"""What staff did, for staff (requirement ADM-07)."""

from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.assembly import services_of
from api.envelope import CursorPage, ResponseBody, Timestamp, cursor_page, timestamp
from api.orders.pages import FromDay, ToDay, beginning_of, end_of
from api.requests import CursorRequest
from projections.audit import activity_log as log
from projections.shared.paging import SliceRequest

ACTION_CHARACTERS_MAXIMUM: Final = 100

Action = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=ACTION_CHARACTERS_MAXIMUM,
        pattern="^[A-Za-z]+$",
        description="A command: `SuspendAccount`.",
    ),
]


ActorFilter = Annotated[UUID | None, QueryParameter(name="actorId", description="Who did it.")]
SubjectFilter = Annotated[
    UUID | None, QueryParameter(name="subjectId", description="To whom or what it was done.")
]


class ActivityView(ResponseBody, frozen=True, kw_only=True):
    """One thing that somebody of the staff did. `subjectId` is whose or what it was done to, `reason` what they said of it.

    Of a look into the log, `target` is the kind of stream that was looked at, or `log`; of a rebuild, the read model; else null.
    """

    position: int
    at: Timestamp
    actor_id: UUID
    actor_kind: str
    actor_role: str
    action: str
    event: str
    subject_kind: str
    subject_id: UUID
    correlation_id: UUID
    reason: str | None
    target: str | None

    @classmethod
    def of(cls, activity: log.Activity) -> "ActivityView":
        """Show one."""
        return cls(
            position=activity.position,
            at=timestamp(activity.at),
            actor_id=activity.actor_id,
            actor_kind=activity.actor_kind,
            actor_role=activity.actor_role,
            action=activity.action,
            event=activity.event,
            subject_kind=activity.subject_kind,
            subject_id=activity.subject_id,
            correlation_id=activity.correlation_id,
            reason=activity.reason,
            target=activity.target,
        )


class ActivityController(Controller):
    """The activity log."""

    path = "/admin/activity-logs"
    tags = ("Audit",)

    @get("/", summary="List what staff did")
    async def list_activity(
        self,
        request: Request[Any, Any, Any],
        cursor_request: NamedDependency[CursorRequest],
        actor_id: ActorFilter = None,
        action: Action = None,
        subject_id: SubjectFilter = None,
        from_: FromDay = None,
        to: ToDay = None,
    ) -> CursorPage[ActivityView]:
        """What admins did, newest first: of one of them, of one kind, to one thing, or on some days.

        What they read of the log for audit, and the rebuilds that they asked for, are among it.
        """
        found = await log.ActivityLog(services_of(request).reader).slice(
            SliceRequest(limit=cursor_request.limit, cursor=cursor_request.cursor),
            actor_id=actor_id,
            action=action,
            subject_id=subject_id,
            since=beginning_of(from_),
            until=end_of(to),
        )
        return cursor_page(
            [ActivityView.of(each) for each in found.items],
            limit=cursor_request.limit,
            next_cursor=found.next_cursor,
        )
