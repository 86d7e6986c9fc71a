"""Claims: values that only one owner may hold, each a stream named after the value (requirements ES-14).

The stream's id is derived from the value, so the event store's own primary key refuses a second holder,
in the same commit as the event that needs the value.
"""

from typing import TypeAlias
from uuid import UUID, uuid5

import msgspec

from domain.shared.events import DomainEvent, State

NAMESPACE = UUID("6f1d1c5e-2f4b-5d0a-9d53-0a3b5f7c9e11")
"""The root of all derived stream ids. It must never change."""


def derived_id(kind: str, value: str) -> UUID:
    """The id of the stream that stands for `value` among the streams of `kind`."""
    return uuid5(NAMESPACE, f"{kind}:{value}")


class ValueClaimed(DomainEvent, frozen=True, kw_only=True):
    """From now on the value belongs to `owner_id`."""

    kind: str
    owner_id: UUID


class ClaimReleased(DomainEvent, frozen=True, kw_only=True):
    """The value is free again."""

    kind: str
    owner_id: UUID


ClaimEvent: TypeAlias = ValueClaimed | ClaimReleased


class Claim(State, frozen=True, kw_only=True):
    """Who holds one value; `owner_id` is `None` when it is free again."""

    claim_id: UUID
    kind: str
    owner_id: UUID | None

    @property
    def stream_id(self) -> UUID:
        """Derived from the claimed value."""
        return self.claim_id


def evolve(claim: Claim | None, event: ClaimEvent, stream_id: UUID) -> Claim:
    """Fold one recorded fact into the state."""
    match event:
        case ValueClaimed():
            return Claim(claim_id=stream_id, kind=event.kind, owner_id=event.owner_id)
        case ClaimReleased():
            assert claim is not None, "only a held value is released"
            return msgspec.structs.replace(claim, owner_id=None)
        case _:
            raise AssertionError(f"{type(event).__name__} is no event of a claim")
