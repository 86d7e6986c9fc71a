"""The unit of work: what a handler sees of the world, and where it puts its decisions."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from application.shared.caller import Caller
from application.shared.store import UNTOUCHED, Credential, Kind, Slot
from domain.shared.claims import Claim, ClaimReleased, ValueClaimed, derived_id
from domain.shared.errors import DomainError, NotAuthenticated, NotFound
from domain.shared.events import DomainEvent, State

S = TypeVar("S", bound=State)


class Miss(Exception):
    """A handler asked for streams that are not in memory. Only the command loop may catch it."""

    def __init__(self, streams: Mapping[UUID, Kind[Any]]) -> None:
        """`streams` are all that are known to be missing."""
        super().__init__()
        self.streams = streams


class NumberMiss(Exception):
    """A handler asked for a number of a series of which none is left in memory."""

    def __init__(self, series: str) -> None:
        """`series` names the counter."""
        super().__init__()
        self.series = series


class Unit:
    """One run of one handler. The handler must be pure: it may be run again from the start.

    `now` is the time of the command, `caller` who asked. Streams that were read are checked at the commit, too: a decision
    stands only if everything that it looked at was still the latest.
    """

    __slots__ = (
        "_begun",
        "_changed",
        "_kinds",
        "_look",
        "_take_number",
        "caller",
        "credentials",
        "erasures",
        "events",
        "now",
        "numbers",
    )

    def __init__(
        self,
        *,
        caller: Caller,
        now: datetime,
        kinds: Mapping[type[State], Kind[Any]],
        look: Callable[[UUID], Slot | None],
        take_number: Callable[[str], int],
    ) -> None:
        """`look` finds a stream in memory; `take_number` the next number of a series, or raises `NumberMiss`."""
        self.caller = caller
        self.now = now
        self._kinds = kinds
        self._look = look
        self._take_number = take_number
        self._begun: dict[UUID, Slot] = {}
        self._changed: dict[UUID, Slot] = {}
        self.events: list[tuple[UUID, int, DomainEvent]] = []
        self.credentials: list[Credential] = []
        self.erasures: list[UUID] = []
        self.numbers: list[tuple[str, int]] = []

    # --- who -----------------------------------------------------------------------------------------------

    @property
    def actor(self) -> UUID:
        """The account that asks.

        Raises:
            NotAuthenticated: nobody is signed in.
        """
        if self.caller.actor_id is None:
            raise NotAuthenticated("Sign in first.")
        return self.caller.actor_id

    # --- reading -------------------------------------------------------------------------------------------

    def get(self, state: type[S], stream_id: UUID, *, missing: DomainError | None = None) -> S:
        """The state of a stream.

        Raises:
            NotFound: nothing ever happened there; or `missing`, when that is given.
        """
        found = self.find(state, stream_id)
        if found is None:
            raise missing or NotFound(f"No {self._kinds[state].name.replace('_', ' ')} {stream_id}.")
        return found

    def find(self, state: type[S], stream_id: UUID) -> S | None:
        """The state of a stream, or `None` when nothing ever happened there, or it is a stream of another kind.

        Ids come from callers: an order's where a listing is asked for means that there is no such listing.
        """
        slot = self._slot(stream_id)
        if slot is None:
            raise Miss({stream_id: self._kinds[state]})
        found = slot.state
        return found if isinstance(found, state) else None

    def find_new(self, state: type[S], stream_id: UUID) -> S | None:
        """As `find`, for a stream that most likely nobody has begun: it is not looked for outside of memory.

        The commit finds out when that was wrong; then it is loaded, and the handler runs again.
        """
        slot = self._slot(stream_id, presume_absent=True)
        found = slot.state if slot is not None else None
        return found if isinstance(found, state) else None

    def need(self, *wanted: tuple[type[State], UUID]) -> None:
        """Say at once which streams will be read, so that they are loaded together."""
        missing = {
            stream_id: self._kinds[state] for state, stream_id in wanted if self._slot(stream_id) is None
        }
        if missing:
            raise Miss(missing)

    def get_many(self, state: type[S], stream_ids: Iterable[UUID]) -> list[S]:
        """The states of several streams, in the order asked for.

        Raises:
            NotFound: one of them has no event.
        """
        ids = list(stream_ids)
        self.need(*((state, stream_id) for stream_id in ids))
        return [self.get(state, stream_id) for stream_id in ids]

    def number(self, series: str) -> int:
        """The next number of a series: unique for ever, ascending, with holes where a process died."""
        number = self._take_number(series)
        self.numbers.append((series, number))
        return number

    # --- writing -------------------------------------------------------------------------------------------

    def record(self, state: S, events: Sequence[DomainEvent]) -> S:
        """Add events to the stream of `state`, all to be appended or none; an empty sequence changes nothing.

        Returns the state after them, which later reads in the same unit and batch see too.
        """
        if not events:
            return state
        return self._add(type(state), state.stream_id, events)

    def create(self, state: type[S], stream_id: UUID, events: Sequence[DomainEvent]) -> S:
        """Begin a stream that nobody has begun; its id is new, so that nothing needs to be loaded."""
        self._slot(stream_id, presume_absent=True)
        return self._add(state, stream_id, events)

    def begin(self, state: type[S], stream_id: UUID, events: Sequence[DomainEvent]) -> S:
        """Begin or continue a stream whose id is derived from something else (a cart, a ledger)."""
        self.find(state, stream_id)
        return self._add(state, stream_id, events)

    def keep(self, credential: Credential) -> None:
        """Keep, replace or destroy a secret in the commit of this unit's events."""
        self.credentials.append(credential)

    def forget(self, subject_id: UUID) -> None:
        """Erase a person in the commit of this unit's events: nothing that is sealed under their key can be read again.

        Their credentials and the kept answers to their commands go with it (requirements ES-17, ADR 0013).
        """
        self.erasures.append(subject_id)

    # --- claims --------------------------------------------------------------------------------------------

    def claim(self, kind: str, value: str, owner_id: UUID, *, taken: DomainError) -> None:
        """Take a unique value for an owner; taking it twice is one claim.

        Raises:
            DomainError: `taken`, when somebody else holds it.
        """
        claim_id = derived_id(kind, value)
        slot = self._slot(claim_id, presume_absent=True)
        held = slot.state if slot is not None else None
        if isinstance(held, Claim) and held.owner_id is not None:
            if held.owner_id != owner_id:
                raise taken
            return
        self._add(Claim, claim_id, [ValueClaimed(kind=kind, owner_id=owner_id)])

    def holder(self, kind: str, value: str) -> UUID | None:
        """Who holds a unique value."""
        claim = self.find(Claim, derived_id(kind, value))
        return claim.owner_id if claim is not None else None

    def release(self, kind: str, value: str, owner_id: UUID) -> None:
        """Give a unique value back; nothing happens when the owner does not hold it."""
        claim = self.find(Claim, derived_id(kind, value))
        if claim is not None and claim.owner_id == owner_id:
            self.record(claim, [ClaimReleased(kind=kind, owner_id=owner_id)])

    # --- for the loop --------------------------------------------------------------------------------------

    @property
    def begun(self) -> Mapping[UUID, Slot]:
        """Every stream that was looked at, as it stood before this unit."""
        return self._begun

    @property
    def changed(self) -> Mapping[UUID, Slot]:
        """Every stream that got events, as it stands after this unit."""
        return self._changed

    def version_of(self, stream_id: UUID) -> int:
        """The version after this unit."""
        slot = self._changed.get(stream_id) or self._begun[stream_id]
        return slot.version

    def _slot(self, stream_id: UUID, *, presume_absent: bool = False) -> Slot | None:
        slot = self._changed.get(stream_id)
        if slot is not None:
            return slot
        slot = self._begun.get(stream_id)
        if slot is not None:
            return slot
        slot = self._look(stream_id)
        if slot is None:
            if not presume_absent:
                return None
            slot = UNTOUCHED
        self._begun[stream_id] = slot
        return slot

    def _add(self, state: type[S], stream_id: UUID, events: Sequence[DomainEvent]) -> S:
        slot = self._changed.get(stream_id) or self._begun.get(stream_id)
        if slot is None:
            raise AssertionError(f"{state.__name__} {stream_id} was recorded without being read in this unit")
        if slot.state is not None and not isinstance(slot.state, state):
            raise AssertionError(f"stream {stream_id} is of another kind than {state.__name__}")
        evolve = self._kinds[state].evolve
        current: Any = slot.state
        version = slot.version
        for event in events:
            version += 1
            self.events.append((stream_id, version, event))
            current = evolve(current, event, stream_id)
        self._changed[stream_id] = Slot(current, version)
        result: S = current
        return result
