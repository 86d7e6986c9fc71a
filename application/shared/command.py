"""What a command is, how it is answered, and how it may fail for reasons that are not the business's."""

from typing import Generic, TypeVar
from uuid import UUID

import msgspec

from domain.shared.errors import DomainError, InvalidInput, RuleViolation

R = TypeVar("R")


class Command(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A caller's wish, in the imperative. Ids of what it brings into being are made by the caller."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a command led to, where that is more than the state of one stream."""

    @property
    def stream_id(self) -> UUID:
        """The stream whose version is the answer's."""
        raise NotImplementedError


class IdempotencyKey(msgspec.Struct, frozen=True, gc=False):
    """Under which key a command may be repeated without a second effect (requirements ES-15).

    `scope` is the account (or other partition) that the key belongs to, so that keys cannot be probed across callers;
    `request_hash` is a digest of method, route and body.
    """

    scope: UUID
    key: str
    request_hash: bytes


class Done(msgspec.Struct, Generic[R], frozen=True, kw_only=True, gc=False):
    """A command took effect, durably.

    `version` is the version of the stream that the result was folded from, or that an `Outcome` names (`None` when the
    result is neither);
    `position` is that of the last event in the log, 0 when nothing needed to change;
    `replayed` says that this is the kept answer to an earlier, equal request.
    """

    result: R
    version: int | None
    position: int
    replayed: bool = False


class ConcurrencyConflict(RuleViolation):
    """Others kept changing the same things first; five new decisions were made in vain (ES-02)."""

    code = "CONCURRENCY_CONFLICT"


class StaleVersion(DomainError):
    """The caller decided on a state that is no longer the latest: 412 (ES-16)."""

    code = "PRECONDITION_FAILED"


class IdempotencyKeyReused(DomainError):
    """The same key came with another request: 422."""

    code = "IDEMPOTENCY_KEY_REUSED"


class IdempotencyInProgress(RuleViolation):
    """The first request with this key is still being decided: 409."""

    code = "IDEMPOTENCY_IN_PROGRESS"


class IdempotencyKeyMalformed(InvalidInput):
    """A key is 1 to 255 visible ASCII characters."""


class Unavailable(Exception):
    """Something that answers depend on is away or full; the caller may try again. Answered 503."""

    code = "SERVICE_UNAVAILABLE"

    def __init__(self, message: str, *, retry_after_seconds: int = 1) -> None:
        """`message` is shown to the caller and names no internals."""
        super().__init__(message)
        self.message = message
        self.retry_after_seconds = retry_after_seconds


class Overloaded(Unavailable):
    """The queue of commands is full: nothing was taken on."""

    code = "OVERLOADED"


class StoreUnavailable(Unavailable):
    """The event store cannot be reached, or broke off; whether the command took effect may be unknown.

    A retry with the same idempotency key is answered from the record if it did.
    """

    code = "STORE_UNAVAILABLE"
