"""What staff may ask of the audit (requirements ES-10, ADM-10)."""

from uuid import UUID

from application.shared.command import Command
from domain.audit.events import AuditQuery


class RecordAuditReplay(Command, frozen=True, kw_only=True):
    """Keep that the caller is about to be shown a part of the log, before they are."""

    target_type: str
    target_id: UUID | None = None
    query: AuditQuery
    reason: str | None = None


class RebuildProjection(Command, frozen=True, kw_only=True):
    """Have a read model made anew, while the old one serves. Whoever asks knows which read models there are."""

    projection: str
    reason: str | None = None
