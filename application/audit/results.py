"""Answers of the commands of the audit."""

from uuid import UUID

from application.shared.command import Outcome


class RebuildAsked(Outcome, frozen=True, kw_only=True):
    """A read model is to be made anew from what came after a position of the log."""

    audit_id: UUID
    projection: str
    from_position: int

    @property
    def stream_id(self) -> UUID:
        """That of whoever asked."""
        return self.audit_id
