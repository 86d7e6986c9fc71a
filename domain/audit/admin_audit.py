"""What one of the staff looked at and had made anew (requirements ES-10, ADM-10): a stream for each of them."""

from typing import Final, assert_never
from uuid import UUID

import msgspec

from domain.audit.events import AdminAuditEvent, AuditQuery, AuditReplayPerformed, ProjectionRebuildRequested
from domain.shared.claims import derived_id
from domain.shared.events import State
from domain.shared.reasons import clean_reason

LOG: Final = "log"
"""What is looked at by whoever searches all of the log, and no one stream."""

BEGINNING: Final = 0
"""The position before the first event: read models are made anew from there."""


def admin_audit_id(account_id: UUID) -> UUID:
    """The stream in which it is kept what an account of the staff looked at."""
    return derived_id("admin_audit", str(account_id))


COMMAND_LINE: Final = derived_id("admin_audit", "command line")
"""The stream in which it is kept what was looked at on the machine itself, by whoever may log in there."""


class AdminAudit(State, frozen=True, kw_only=True):
    """How often somebody looked, and how often they had something made anew. The log itself knows at what."""

    audit_id: UUID
    replays: int = 0
    rebuilds: int = 0

    @property
    def stream_id(self) -> UUID:
        """Derived from the account."""
        return self.audit_id

    @property
    def subject_id(self) -> UUID | None:
        """Nobody: numbers are about no person."""
        return None

    @staticmethod
    def replay(
        *, target_type: str, target_id: UUID | None, query: AuditQuery, reason: str | None
    ) -> list[AdminAuditEvent]:
        """Look at a part of the log. Each look counts, also the second at the same.

        Raises:
            ReasonInvalid: see `clean_reason`.
        """
        return [
            AuditReplayPerformed(
                target_type=target_type, target_id=target_id, query=query, reason=_cleaned(reason)
            )
        ]

    @staticmethod
    def request_rebuild(*, projection: str, reason: str | None) -> list[AdminAuditEvent]:
        """Have a read model made anew from the first event on. Whoever asks twice wants it made after the second time.

        Raises:
            ReasonInvalid: see `clean_reason`.
        """
        return [
            ProjectionRebuildRequested(
                projection=projection, from_position=BEGINNING, reason=_cleaned(reason)
            )
        ]


def _cleaned(reason: str | None) -> str | None:
    return None if reason is None else clean_reason(reason)


def evolve(audit: AdminAudit | None, event: AdminAuditEvent, stream_id: UUID) -> AdminAudit:
    """Fold one recorded fact into the state."""
    audit = audit or AdminAudit(audit_id=stream_id)
    match event:
        case AuditReplayPerformed():
            return msgspec.structs.replace(audit, replays=audit.replays + 1)
        case ProjectionRebuildRequested():
            return msgspec.structs.replace(audit, rebuilds=audit.rebuilds + 1)
        case _:
            assert_never(event)
