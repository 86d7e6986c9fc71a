"""The port behind the command loop: streams in, groups of decisions out, all of a group or nothing."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final, Generic, Protocol, TypeVar, get_args, get_type_hints
from uuid import UUID

import msgspec

from domain.shared.events import DomainEvent, Metadata, State

S = TypeVar("S", bound=State)

Evolve = Callable[[Any, Any, UUID], S]
"""`evolve(state or None, event, stream id) -> state`: folds one fact, refuses nothing."""


class Kind(Generic[S]):
    """One kind of stream: its name in URLs and tools, its state, its fold."""

    def __init__(self, name: str, state: type[S], evolve: Evolve[S]) -> None:
        """`name` is the business's word in snake case (`order`, `stock`)."""
        self.name = name
        self.state = state
        self.evolve = evolve

    @cached_property
    def events(self) -> frozenset[type[DomainEvent]]:
        """The facts that make such a stream, as the fold declares them; none when it declares nothing."""
        declared = get_type_hints(self.evolve).get("event")
        return frozenset(
            each
            for each in get_args(declared) or (declared,)
            if isinstance(each, type) and issubclass(each, DomainEvent)
        )


class Slot(msgspec.Struct, frozen=True, gc=False):
    """A stream as it stands: its folded state (`None`: nothing happened yet) and its version (0: no event)."""

    state: State | None
    version: int


UNTOUCHED: Final = Slot(None, 0)
"""A stream in which nothing has happened yet."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What stands beside all events of one command. Address and agent are personal data of the actor."""

    metadata: Metadata
    ip: str | None = None
    user_agent: str | None = None


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """One event to append as `version` of its stream."""

    stream_id: UUID
    version: int
    event: DomainEvent
    envelope: Envelope


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was answered to one idempotent command; `result` is the handler's result as JSON.

    `position` is a position of the log. In a `Group` to append, where positions are not known yet, it counts the
    group's events up to and with the command's last.
    """

    scope: UUID
    key: str
    request_hash: bytes
    result: bytes
    version: int | None = None
    position: int = 0


class Credential(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A secret kept beside the log, never in it (requirements ES-18); `value` of `None` destroys it."""

    owner_id: UUID
    name: str
    value: bytes | None

    def __repr__(self) -> str:
        """Without the value."""
        return f"Credential(owner_id={self.owner_id}, name={self.name!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("owner_id", self.owner_id), ("name", self.name)]


class Group(msgspec.Struct, kw_only=True):
    """Decisions that stand or fall together.

    `checks` maps every stream that was read or written to the version it must still have; `keys` are the idempotency
    keys that must still be unknown. Only when all hold are `events`, `answers` and `credentials` written, and are the
    people of `erasures` forgotten: their data keys, credentials and kept answers are destroyed, after all else.
    """

    checks: dict[UUID, int]
    events: list[NewEvent]
    keys: list[tuple[UUID, str]]
    answers: list[Answer]
    credentials: list[Credential]
    erasures: list[UUID] = msgspec.field(default_factory=list)

    @property
    def writes(self) -> bool:
        """Whether there is anything to write; else the group only asks if its checks hold."""
        return bool(self.events or self.answers or self.credentials or self.erasures)


class Prepared(msgspec.Struct, frozen=True, gc=False):
    """Groups that are ready to be written; `encoded` is the store's own."""

    groups: Sequence[Group]
    encoded: Any = None


Append = Callable[[Prepared], Awaitable[list[int | None]]]

NOTHING_KNOWN: Final[Mapping[UUID, Slot]] = MappingProxyType({})


class EventStore(Protocol):
    """Where the log is kept. Every method may raise `StoreUnavailable`."""

    async def load(
        self, streams: Mapping[UUID, Kind[Any]], known: Mapping[UUID, Slot] = NOTHING_KNOWN
    ) -> dict[UUID, Slot]:
        """The state and version of each stream; one of version 0 for a stream that has no event.

        The kind is what the asker takes the stream for. One that is of another kind comes back as what it is.
        `known` are states that the asker has seen committed: of those streams only what came after them is read.
        """
        ...

    async def prepare(self, groups: Sequence[Group]) -> Prepared:
        """Do all that an append needs and that can be done before its turn: encode, seal, have keys at hand."""
        ...

    async def append(self, prepared: Prepared) -> list[int | None]:
        """Append groups in one commit, in order.

        Returns for each group the position of its first event (or the log's last position, when it had none), or `None`
        when a check failed, so that nothing of that group was written.
        """
        ...

    def alone(self) -> AbstractAsyncContextManager[Append]:
        """Keep everybody else from appending until the block ends; what it gives is the `append` to use meanwhile.

        What was appended is durable when the block has ended. For those who have lost too many races: it holds up all.
        """
        ...

    async def answers(self, keys: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], Answer]:
        """The kept answers of the last 24 hours to these (scope, key) pairs."""
        ...

    async def lease_numbers(self, series: str, count: int) -> int:
        """Take `count` numbers of a series that counts from 1; returns the first. Never the same one twice."""
        ...

    async def return_numbers(self, series: str, first: int, last: int) -> None:
        """Take back the unused end of a lease, unless others have leased beyond it since."""
        ...

    async def keep_snapshots(self, states: Sequence[tuple[UUID, Kind[Any], Slot]]) -> None:
        """Keep folded states of long streams, so that loading them is short. A cache: losing it loses nothing."""
        ...
