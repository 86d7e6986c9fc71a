"""The screen "What admins did" (requirement ADM-07): each thing that staff brought about, in person or by a key of theirs.

Rows come from the metadata of facts: who, in which role, by which command. Of the facts there is the reason, where staff gave
one; names, addresses and other personal data stay where they are.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from domain.accounts.events import (
    AccountDeleted,
    AccountRoleChanged,
    AccountSuspended,
    AccountUnsuspended,
    SellerApproved,
    SellerRejected,
)
from domain.api_keys.events import ApiKeyIssued, ApiKeyRevoked
from domain.audit.events import AuditReplayPerformed, ProjectionRebuildRequested
from domain.categories.events import CategoryCreated, CategoryDeleted, CategoryRenamed
from domain.inventory.events import LowStockThresholdSet, StockAdjusted
from domain.listings.events import (
    CostPriceChanged,
    ListingArchived,
    ListingCreated,
    ListingDeactivated,
    ListingDescriptionRevised,
    ListingPriceChanged,
    ListingPublished,
    ListingRecategorised,
    ListingSkuChanged,
    PackagingChanged,
)
from domain.orders.events import (
    OrderCancelled,
    OrderDelivered,
    OrderNoteAdded,
    OrderProcessingStarted,
    OrderShipped,
    OrderTrackingUpdated,
)
from domain.payments.events import PaymentCancelled, RefundRequested
from domain.shared.events import DomainEvent, Recorded
from projections.shared.paging import Filter, NewestFirst, Slice, SliceRequest
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.table import Table

STAFF: Final = frozenset({"admin", "super_admin"})


class ActivityRow(msgspec.Struct):
    """One fact that staff brought about. `subject_kind` is the context of the fact, `subject_id` its stream; of stock, the listing.

    Of a look into the log, `subject_id` is the stream that was looked at, where it was one, and `target` its kind or `log`; of a
    rebuild, `target` is the read model.
    """

    position: int
    at: datetime
    actor_id: UUID
    actor_kind: str
    actor_role: str
    action: str
    event: str
    subject_kind: str
    subject_id: UUID
    correlation_id: UUID
    reason: str | None = None
    target: str | None = None


ACTIVITY_LOG = Table(
    "activity_log",
    ActivityRow,
    key=("position",),
    columns="""
        position bigint NOT NULL,
        at timestamptz NOT NULL,
        actor_id uuid NOT NULL,
        actor_kind text NOT NULL,
        actor_role text NOT NULL,
        action text NOT NULL,
        event text NOT NULL,
        subject_kind text NOT NULL,
        subject_id uuid NOT NULL,
        correlation_id uuid NOT NULL,
        reason text,
        target text
    """,
    indexes={
        "actor": "(actor_id, position DESC)",
        "action": "(action, position DESC)",
        "subject": "(subject_id, position DESC)",
    },
)

_FORGET = "UPDATE {activity_log} SET reason = NULL WHERE subject_id = %(account_id)s"


class ActivityLogProjection(Projection):
    """Keeps one row a fact that staff brought about; what follows from it by itself (stock, sessions) has none."""

    name = "activity_log"
    tables = (ACTIVITY_LOG,)
    events = (
        SellerApproved,
        SellerRejected,
        AccountSuspended,
        AccountUnsuspended,
        AccountRoleChanged,
        AccountDeleted,
        ApiKeyIssued,
        ApiKeyRevoked,
        CategoryCreated,
        CategoryRenamed,
        CategoryDeleted,
        ListingCreated,
        ListingDescriptionRevised,
        ListingPriceChanged,
        CostPriceChanged,
        ListingRecategorised,
        ListingSkuChanged,
        PackagingChanged,
        ListingPublished,
        ListingDeactivated,
        ListingArchived,
        StockAdjusted,
        LowStockThresholdSet,
        OrderProcessingStarted,
        OrderShipped,
        OrderTrackingUpdated,
        OrderDelivered,
        OrderCancelled,
        OrderNoteAdded,
        PaymentCancelled,
        RefundRequested,
        AuditReplayPerformed,
        ProjectionRebuildRequested,
    )

    def taken(self, events: Sequence[Recorded]) -> list[Recorded]:
        """Those that staff brought about. Hardly any is: the others cost a look at their metadata. The end of an account always counts."""
        return [
            recorded
            for recorded in events
            if isinstance(recorded.event, AccountDeleted)
            or (
                recorded.metadata is not None
                and recorded.metadata.actor_role in STAFF
                and isinstance(recorded.event, self.events)
            )
        ]

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        metadata, event = recorded.metadata, recorded.event
        if isinstance(event, AccountDeleted):
            # What was ever written about somebody who is forgotten may name them.
            batch.execute(_FORGET, {"account_id": recorded.stream_id})
        if metadata is None or metadata.actor_id is None or metadata.actor_role not in STAFF:
            return
        batch.rows(ACTIVITY_LOG).put(
            ActivityRow(
                recorded.position,
                recorded.at,
                metadata.actor_id,
                metadata.actor_kind,
                metadata.actor_role,
                metadata.command,
                type(event).__name__,
                _context_of(type(event)),
                _subject_of(event) or recorded.stream_id,
                metadata.correlation_id,
                None if isinstance(event, AccountDeleted) else _reason_of(event),
                _target_of(event),
            )
        )


def _context_of(event: type[DomainEvent]) -> str:
    return event.__module__.split(".")[1]


def _subject_of(event: DomainEvent) -> UUID | None:
    """Whom or what it was done to, where that is not the stream that the fact lies in."""
    match event:
        case StockAdjusted() | LowStockThresholdSet():
            return event.listing_id
        case AuditReplayPerformed():
            return event.target_id
        case _:
            return None


def _target_of(event: DomainEvent) -> str | None:
    match event:
        case AuditReplayPerformed():
            return event.target_type
        case ProjectionRebuildRequested():
            return event.projection
        case _:
            return None


def _reason_of(event: DomainEvent) -> str | None:
    reason = getattr(event, "reason", None)
    return None if reason is None else str(reason)


# --- asking ------------------------------------------------------------------------------------------------


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that staff did."""

    position: int
    at: datetime
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


class _Place(msgspec.Struct, frozen=True, array_like=True):
    position: int


class ActivityLog:
    """Questions about what staff did."""

    def __init__(self, reader: Reader) -> None:
        """`reader` may be behind the log."""
        self._newest = NewestFirst(
            reader,
            columns="""
                position, at, actor_id, actor_kind, actor_role, action, event, subject_kind, subject_id,
                correlation_id, reason, target
            """,
            table="activity_log",
            order=("position",),
            place=_Place,
            place_of=lambda activity: _Place(activity.position),
            item_of=_activity,
        )

    async def slice(
        self,
        request: SliceRequest,
        *,
        actor_id: UUID | None = None,
        action: str | None = None,
        subject_id: UUID | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> Slice[Activity]:
        """What was done, newest first: by somebody, of a kind, to something, from a time on and before another."""
        wanted = Filter()
        if actor_id is not None:
            wanted.add("actor_id = %(actor_id)s", actor_id=actor_id)
        if action is not None:
            wanted.add("action = %(action)s", action=action)
        if subject_id is not None:
            wanted.add("subject_id = %(subject_id)s", subject_id=subject_id)
        if since is not None:
            wanted.add("at >= %(since)s", since=since)
        if until is not None:
            wanted.add("at < %(until)s", until=until)
        return await self._newest.slice(wanted, request)


def _activity(row: dict[str, Any]) -> Activity:
    return Activity(**row)
