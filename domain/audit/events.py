"""Facts about looking into the log (requirements §46.2, AdminAudit), in one stream for each of the staff."""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from domain.shared.events import DomainEvent


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What was asked for: ids, names of kinds, moments and places, so that nothing about a person can stand in it.

    `event` is a kind of event (`orders.OrderPlaced`), `stream_type` a kind of stream. `since` and `until` bound what a search
    finds, both included. `version`, `position` or `at` is the moment as of which a state was asked for. `after` is where a page
    was read on from: a position of the log, or of one stream a version. `with_personal` is whether personal data was shown, not masked.
    """

    event: str | None = None
    stream_type: str | None = None
    actor_id: UUID | None = None
    correlation_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    version: int | None = None
    position: int | None = None
    at: datetime | None = None
    after: int | None = None
    limit: int | None = None
    with_personal: bool = False


class AuditReplayPerformed(DomainEvent, frozen=True, kw_only=True):
    """Somebody of the staff is about to be shown a part of the log.

    `target_type` is `log` for a search of all of it, else the kind of the stream `target_id`. `reason` is what they said of it.
    """

    target_type: str
    target_id: UUID | None = None
    query: AuditQuery
    reason: str | None = None


class ProjectionRebuildRequested(DomainEvent, frozen=True, kw_only=True):
    """A read model is to be made anew from what came after a position of the log; 0 is all of it."""

    projection: str
    from_position: int
    reason: str | None = None


AdminAuditEvent: TypeAlias = AuditReplayPerformed | ProjectionRebuildRequested
