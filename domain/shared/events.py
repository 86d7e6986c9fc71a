"""What a fact is, and what stands beside it in the log.

Facts and states are frozen, so they hold no cycles: the garbage collector need not walk over them (`gc=False`), of which the
command loop remembers a hundred thousand.
"""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec


class DomainEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Something that became true. Named in the past tense, kept for ever, never edited.

    The stored name is `<context>.<ClassName>.v<schema_version>`; a changed meaning gets a new version and an
    upcaster, a new optional field gets a default. The id of the event's own stream is not repeated in it.
    """

    schema_version: ClassVar[int] = 1
    """Counts the shapes this fact has had."""

    subject_field: ClassVar[str | None] = None
    """Which field names the account whose personal data this event holds; `None`: the stream is the account."""


class State(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What later decisions need to know of one stream, and no more."""

    @property
    def stream_id(self) -> UUID:
        """The stream that this state was folded from."""
        raise NotImplementedError

    @property
    def subject_id(self) -> UUID | None:
        """Whose personal data the state holds, if it holds any; unless overridden, the account that it is."""
        return self.stream_id


class Metadata(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Who and what brought an event about (requirements ES-04). Client address and agent are kept apart, encrypted."""

    occurred_at: datetime
    command: str
    command_id: UUID
    correlation_id: UUID
    causation_id: UUID | None = None
    actor_id: UUID | None = None
    actor_kind: str = "system"
    actor_role: str | None = None
    trace_id: str | None = None


class Recorded(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event as the log holds it.

    `position` counts all events from 1 without gaps; `version` counts those of the stream from 1.
    """

    position: int
    stream_id: UUID
    version: int
    event: DomainEvent
    recorded_at: datetime
    metadata: Metadata | None = None

    @property
    def at(self) -> datetime:
        """When it happened, as far as that is known; else when it was recorded."""
        return self.metadata.occurred_at if self.metadata is not None else self.recorded_at
