"""Where in the log to look: one slim row for each event, by what an audit asks for (requirements ES-10, §46.3, ADR 0021).

It holds places and ids only. The events themselves are read from the log, by position. Their time needs no column, since the log
is in the order of its own clock; nor does the kind of stream, since each event belongs to one; nor does the stream, whose events
the log finds by itself.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any
from uuid import UUID

import msgspec

from domain.shared.events import DomainEvent, Recorded
from projections.shared.paging import Filter, NewestFirst, Slice, SliceRequest
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.table import Table


class IndexRow(msgspec.Struct):
    """One event: its kind (`orders.OrderPlaced`), who brought it about, and on which occasion."""

    position: int
    event: str
    actor_id: UUID | None
    correlation_id: UUID | None


AUDIT_INDEX = Table(
    "audit_index",
    IndexRow,
    key=("position",),
    columns="""
        position bigint NOT NULL,
        event text NOT NULL,
        actor_id uuid,
        correlation_id uuid
    """,
    indexes={
        "event": "(event, position DESC)",
        "actor": "(actor_id, position DESC) WHERE actor_id IS NOT NULL",
        "correlation": "(correlation_id) WHERE correlation_id IS NOT NULL",
    },
)


class AuditIndexProjection(Projection):
    """Keeps one row for each event, of whatever kind that may be found.

    An event that a newer program wrote while an older one kept the index is not in it until it is rebuilt: background roles are
    replaced first.
    """

    name = "audit_index"
    tables = (AUDIT_INDEX,)

    def __init__(self, events: Iterable[type[DomainEvent]]) -> None:
        """`events` are all that may be found."""
        self.events = tuple(events)
        self._names = {event: name_of(event) for event in self.events}

    def taken(self, events: Sequence[Recorded]) -> list[Recorded]:
        """Nearly all of them."""
        return [recorded for recorded in events if type(recorded.event) in self._names]

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        if batch.is_dry:
            return
        metadata = recorded.metadata
        batch.rows(AUDIT_INDEX).add(
            IndexRow(
                recorded.position,
                self._names[type(recorded.event)],
                None if metadata is None else metadata.actor_id,
                None if metadata is None else metadata.correlation_id,
            )
        )


def name_of(event: type[DomainEvent]) -> str:
    """A kind of event in all its versions: `orders.OrderPlaced`."""
    return f"{event.__module__.split('.')[1]}.{event.__name__}"


# --- asking ------------------------------------------------------------------------------------------------


class _Place(msgspec.Struct, frozen=True, array_like=True):
    position: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]


class AuditIndex:
    """Questions about where in the log something is."""

    def __init__(self, reader: Reader) -> None:
        """`reader` may be behind the log."""
        self._newest = NewestFirst(
            reader,
            columns="position",
            table="audit_index",
            order=("position",),
            place=_Place,
            place_of=_Place,
            item_of=_position,
        )

    async def slice(
        self,
        request: SliceRequest,
        *,
        events: Collection[type[DomainEvent]] | None = None,
        actor_id: UUID | None = None,
        correlation_id: UUID | None = None,
        after: int | None = None,
        upto: int | None = None,
    ) -> Slice[int]:
        """The positions of what happened, newest first: of some kinds, by somebody, on one occasion.

        `after`, which is left out, and `upto`, which is not, bound the positions.
        """
        wanted = Filter()
        if events is not None:
            wanted.add("event = ANY(%(events)s)", events=[name_of(event) for event in events])
        if actor_id is not None:
            wanted.add("actor_id = %(actor_id)s", actor_id=actor_id)
        if correlation_id is not None:
            wanted.add("correlation_id = %(correlation_id)s", correlation_id=correlation_id)
        if after is not None:
            wanted.add("position > %(after)s", after=after)
        if upto is not None:
            wanted.add("position <= %(upto)s", upto=upto)
        return await self._newest.slice(wanted, request)


def place_of(request: SliceRequest) -> int | None:
    """Before which position a cursor goes on; `None` at the beginning.

    Raises:
        InvalidInput: the cursor is none of this list's.
    """
    place = request.after(_Place)
    return None if place is None else place.position


def _position(row: dict[str, Any]) -> int:
    position: int = row["position"]
    return position
