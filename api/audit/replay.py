"""Looking into the log, over HTTP (requirements ES-10, ADM-09, §45.6).

Personal data is masked, as `daftar replay` masks it; over HTTP nothing unmasks it, and what was erased is gone. Each look is recorded
before it is answered: what cannot be recorded is not shown.
"""

from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from api.assembly import services_of
from api.envelope import CursorPage, Envelope, ResponseBody, Timestamp, cursor_page, envelope, timestamp
from api.openapi import NOT_A_QUERY, VISIBLE_TEXT, errors
from api.requests import POSITION_MAXIMUM, CursorRequest
from application.audit.commands import RecordAuditReplay
from application.shared.caller import Caller
from domain.audit.admin_audit import LOG
from domain.audit.events import AuditQuery
from domain.shared.errors import InvalidInput, Problem
from domain.shared.events import DomainEvent
from domain.shared.reasons import REASON_CHARACTERS_MAXIMUM
from infrastructure.bootstrap import AUDITABLE
from infrastructure.event_store.names import EventNames
from infrastructure.replay import (
    FoundEvent,
    HistoryEvent,
    NotBegun,
    NothingThere,
    Replay,
    Standing,
    Stream,
    UnknownKind,
    Until,
    always,
    kind_called,
    until_moment,
    until_position,
    until_version,
)
from projections.audit.audit_index import AuditIndex, name_of, place_of
from projections.shared.paging import SliceRequest

AnyRequest = Request[Any, Any, Any]

NAME_CHARACTERS_MAXIMUM: Final = 200

_REFUSALS: Final = ("CONCURRENCY_CONFLICT", "OVERLOADED")
_DAY: Final = 10
"""Characters of `2026-05-01`."""

_WHEN: Final = {"oneOf": [{"type": "string", "format": "date"}, {"type": "string", "format": "date-time"}]}

EventFilter = Annotated[
    str | None,
    QueryParameter(
        name="type",
        min_length=1,
        max_length=NAME_CHARACTERS_MAXIMUM,
        description="A kind of event, as `daftar tail` calls it: `OrderPlaced`, `orders.OrderPlaced` or `orders.OrderPlaced.v1`. "
        "All its versions are meant.",
    ),
]
KindFilter = Annotated[
    str | None,
    QueryParameter(
        name="streamType",
        min_length=1,
        max_length=NAME_CHARACTERS_MAXIMUM,
        description="A kind of stream: `order`, `account`.",
    ),
]
ActorFilter = Annotated[UUID | None, QueryParameter(name="actorId", description="Who brought it about.")]
CorrelationFilter = Annotated[
    UUID | None,
    QueryParameter(
        name="correlationId", description="On which occasion: the id of the request that led to it."
    ),
]
Since = Annotated[
    str | None,
    QueryParameter(
        name="from",
        description="The first day, UTC, or the first moment: `2026-05-01`, `2026-05-01T12:00:00Z`.",
        schema_extra=_WHEN,
    ),
]
UntilWhen = Annotated[
    str | None,
    QueryParameter(
        name="to", description="The last day, UTC, or the last moment; it is included.", schema_extra=_WHEN
    ),
]
Reason = Annotated[
    str | None,
    QueryParameter(
        min_length=1,
        max_length=REASON_CHARACTERS_MAXIMUM,
        pattern=VISIBLE_TEXT,
        description="Why you look, for those who read the activity log.",
    ),
]
Version = Annotated[
    int | None,
    QueryParameter(ge=1, le=POSITION_MAXIMUM, description="As of the stream's event of this number."),
]
Position = Annotated[
    int | None, QueryParameter(ge=1, le=POSITION_MAXIMUM, description="As of this position of the log.")
]
At = Annotated[
    datetime | None,
    QueryParameter(description="As of this moment, UTC unless said; all of its millisecond is included."),
]


class ActorView(ResponseBody, frozen=True, kw_only=True):
    """Who brought an event about; `accountId` is null when it was the system or a stranger."""

    kind: str
    account_id: UUID | None
    role: str | None


class AuditEventView(ResponseBody, frozen=True, kw_only=True):
    """One event of the log. `version` counts the events of its stream; `data` has its fields by their stored names, personal ones masked."""

    position: int
    recorded_at: Timestamp
    name: str
    stream_type: str | None
    stream_id: UUID
    version: int
    actor: ActorView | None
    command: str | None
    correlation_id: UUID | None
    data: dict[str, Any]

    @classmethod
    def of(cls, event: HistoryEvent, stream_id: UUID, stream_type: str | None) -> "AuditEventView":
        """Show one."""
        actor = event.actor
        return cls(
            position=event.position,
            recorded_at=timestamp(event.recorded_at),
            name=event.name,
            stream_type=stream_type,
            stream_id=stream_id,
            version=event.version,
            actor=None
            if actor is None
            else ActorView(kind=actor.kind, account_id=actor.account_id, role=actor.role),
            command=event.command,
            correlation_id=event.correlation_id,
            data=event.data,
        )


class StreamStateView(ResponseBody, frozen=True, kw_only=True):
    """How a stream stood after its event `version`; `laterEvents` have happened since. `state` is by stored names, personal data masked."""

    stream_type: str
    stream_id: UUID
    version: int
    position: int
    recorded_at: Timestamp
    later_events: int
    state: dict[str, Any]

    @classmethod
    def of(cls, standing: Standing, stream: Stream) -> "StreamStateView":
        """Show it."""
        return cls(
            stream_type=stream.kind.name,
            stream_id=stream.stream_id,
            version=standing.version,
            position=standing.position,
            recorded_at=timestamp(standing.recorded_at),
            later_events=standing.later_events,
            state=standing.state,
        )


class _Place(msgspec.Struct, frozen=True, array_like=True):
    version: Annotated[int, msgspec.Meta(ge=0, le=POSITION_MAXIMUM)]


class ReplayController(Controller):
    """The log, for staff who have to find out what happened."""

    path = "/admin/audit"
    tags = ("Audit",)

    @get("/events", summary="Search the log", responses=errors(*_REFUSALS))
    async def search_events(
        self,
        request: AnyRequest,
        caller: NamedDependency[Caller],
        cursor_request: NamedDependency[CursorRequest],
        event_type: EventFilter = None,
        stream_type: KindFilter = None,
        actor_id: ActorFilter = None,
        correlation_id: CorrelationFilter = None,
        from_: Since = None,
        to: UntilWhen = None,
        reason: Reason = None,
    ) -> CursorPage[AuditEventView]:
        """What happened, newest first: of a kind, by somebody, on one occasion, at some time.

        Each page that is read is recorded, and so will be found by later searches; `reason` is kept with it.
        """
        services = services_of(request)
        wanted = SliceRequest(limit=cursor_request.limit, cursor=cursor_request.cursor)
        query = AuditQuery(
            event=_called(event_type, services.archive.names),
            stream_type=None if stream_type is None else _kind(stream_type),
            actor_id=actor_id,
            correlation_id=correlation_id,
            since=None if from_ is None else _beginning(from_),
            until=None if to is None else _end(to),
            after=place_of(wanted),
            limit=wanted.limit,
        )
        after = upto = None
        if query.since is not None or query.until is not None:
            after, upto = await services.archive.look(lambda log: log.between(query.since, query.until))
        found = await AuditIndex(services.reader).slice(
            wanted,
            events=_events(query, services.archive.names),
            actor_id=actor_id,
            correlation_id=correlation_id,
            after=after,
            upto=upto,
        )
        shown: list[FoundEvent] = []
        if found.items:
            shown = await services.archive.look(lambda log: log.at(found.items))
        await _record(request, caller, LOG, None, query, reason)
        return cursor_page(
            [AuditEventView.of(each.event, each.stream_id, each.stream_type) for each in shown],
            limit=wanted.limit,
            next_cursor=found.next_cursor,
        )

    @get(
        "/streams/{stream_type:str}/{stream_id:str}",
        summary="List the events of a stream",
        opt=NOT_A_QUERY,
        responses=errors("RESOURCE_NOT_FOUND", *_REFUSALS),
    )
    async def stream(
        self,
        request: AnyRequest,
        caller: NamedDependency[Caller],
        cursor_request: NamedDependency[CursorRequest],
        stream_type: FromPath[str],
        stream_id: FromPath[str],
        reason: Reason = None,
    ) -> CursorPage[AuditEventView]:
        """All that happened in one stream, in order.

        An order is named by its number, too, a cart or what an admin looked at (`admin_audit`) by the account, stock by its listing, a
        seller's ledger by account and currency (`ID:usd`). Each page that is read is recorded; `reason` is kept with it.
        """
        wanted = SliceRequest(limit=cursor_request.limit, cursor=cursor_request.cursor)
        place = wanted.after(_Place)
        after = 0 if place is None else place.version

        def look(log: Replay) -> tuple[Stream, list[HistoryEvent]]:
            found = _named(log, stream_type, stream_id)
            return found, log.events(found, after=after, limit=wanted.limit + 1)

        found, events = await services_of(request).archive.look(look)
        query = AuditQuery(after=None if place is None else after, limit=wanted.limit)
        await _record(request, caller, found.kind.name, found.stream_id, query, reason)
        part = wanted.slice_of(events, lambda event: _Place(event.version))
        return cursor_page(
            [AuditEventView.of(event, found.stream_id, found.kind.name) for event in part.items],
            limit=wanted.limit,
            next_cursor=part.next_cursor,
        )

    @get(
        "/streams/{stream_type:str}/{stream_id:str}/state",
        summary="Show a stream as it stood",
        opt=NOT_A_QUERY,
        responses=errors("RESOURCE_NOT_FOUND", *_REFUSALS),
    )
    async def state(
        self,
        request: AnyRequest,
        caller: NamedDependency[Caller],
        stream_type: FromPath[str],
        stream_id: FromPath[str],
        version: Version = None,
        at: At = None,
        position: Position = None,
        reason: Reason = None,
    ) -> Envelope[StreamStateView]:
        """What its events had made of a stream: as of a version, a moment or a position of the log, one of them; else as of now.

        Streams are named as in the list of their events. 404 when nothing had happened by then. The look is recorded; `reason` is kept with
        it.
        """
        at = None if at is None else _whole_millisecond(_aware(at))
        until = _until(version, at, position)

        def look(log: Replay) -> tuple[Stream, Standing | None]:
            found = _named(log, stream_type, stream_id)
            try:
                return found, log.standing(found, until)
            except NotBegun:
                # That there is such a stream is an answer, too, and recorded as any other.
                return found, None

        found, standing = await services_of(request).archive.look(look)
        query = AuditQuery(version=version, at=at, position=position)
        await _record(request, caller, found.kind.name, found.stream_id, query, reason)
        if standing is None:
            raise NotBegun("By then nothing had happened in this stream.")
        return envelope(StreamStateView.of(standing, found))


def _named(log: Replay, stream_type: str, stream_id: str) -> Stream:
    """The stream of a kind that is called so; that there is one of another kind is not told.

    Raises:
        UnknownKind, NoName, NothingThere: there is none.
    """
    kind = kind_called(stream_type, AUDITABLE)
    try:
        return log.of_kind(kind.name, stream_id)
    except NothingThere:
        raise NothingThere("Nothing ever happened in such a stream.") from None


async def _record(
    request: AnyRequest,
    caller: Caller,
    target_type: str,
    target_id: UUID | None,
    query: AuditQuery,
    reason: str | None,
) -> None:
    """Keep that somebody is about to be shown something.

    Raises:
        Unavailable: it cannot be kept.
    """
    command = RecordAuditReplay(target_type=target_type, target_id=target_id, query=query, reason=reason)
    await services_of(request).commands.submit(command, caller)


# --- what is asked for -------------------------------------------------------------------------------------


def _called(text: str | None, names: EventNames) -> str | None:
    """The kind of event that is called so.

    Raises:
        InvalidInput: there is none.
    """
    if text is None:
        return None
    called = names.called(text)
    if not any(event in kind.events for event in called for kind in AUDITABLE):
        raise _unfit("type", "There is no such kind of event.", "enum")
    return name_of(called[0])


def _kind(word: str) -> str:
    try:
        return kind_called(word, AUDITABLE).name
    except UnknownKind as error:
        raise _unfit("streamType", error.message, "enum") from error


def _events(query: AuditQuery, names: EventNames) -> set[type[DomainEvent]] | None:
    """The kinds of events that fit; `None` when all do."""
    named = None if query.event is None else set(names.called(query.event))
    if query.stream_type is None:
        return named
    belonging = kind_called(query.stream_type).events
    return set(belonging) if named is None else named & belonging


def _until(version: int | None, at: datetime | None, position: int | None) -> Until:
    given = {
        name: value for name, value in (("version", version), ("at", at), ("position", position)) if value
    }
    if len(given) > 1:
        message = "Give one of version, at and position."
        raise InvalidInput(message, problems=[Problem(name, message, "exclusive") for name in given])
    if version is not None:
        return until_version(version)
    if position is not None:
        return until_position(position)
    return always if at is None else until_moment(at)


def _beginning(text: str) -> datetime:
    """The first moment of a day, or the moment that is named."""
    when = _when(text, "from")
    return when if isinstance(when, datetime) else datetime.combine(when, time.min, tzinfo=UTC)


def _end(text: str) -> datetime:
    """The last moment of a day, or of the millisecond that is named."""
    when = _when(text, "to")
    if isinstance(when, datetime):
        return _whole_millisecond(when)
    return datetime.combine(when, time.max, tzinfo=UTC)


def _when(text: str, field: str) -> date | datetime:
    try:
        if len(text) == _DAY:
            return msgspec.convert(text, date)
        return _aware(msgspec.convert(text, datetime))
    except msgspec.ValidationError as error:
        message = "Give a day (2026-05-01) or a moment (2026-05-01T12:00:00Z)."
        raise _unfit(field, message, "format") from error


def _aware(moment: datetime) -> datetime:
    """In UTC, which it is unless it says otherwise."""
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:
        # Beyond the first or the last day that there is, where nothing ever happens.
        return moment.replace(tzinfo=UTC)


def _whole_millisecond(moment: datetime) -> datetime:
    """Answers show milliseconds, cut off: whoever sends one back means what they saw."""
    if moment.microsecond % 1000:
        return moment
    return moment.replace(microsecond=moment.microsecond + 999)


def _unfit(field: str, message: str, rule: str) -> InvalidInput:
    return InvalidInput(message, problems=[Problem(field, message, rule)])
