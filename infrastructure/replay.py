"""The history of one stream, and how it stood at any moment of the past (requirements ES-10). It changes nothing.

For the command line and for staff over HTTP: both name streams, see personal data and have secrets masked in the same way.
"""

import asyncio
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
import psycopg

from application.shared.command import StoreUnavailable
from application.shared.store import Kind
from domain.audit.admin_audit import COMMAND_LINE, admin_audit_id
from domain.carts.cart import cart_id
from domain.categories.category_use import category_use_id
from domain.inventory.stock import stock_id
from domain.orders.events import OrderPlaced
from domain.payouts.seller_ledger import seller_ledger_id
from domain.shared.errors import NotFound
from domain.shared.events import DomainEvent, Metadata, Recorded, State
from domain.shared.personal import PERSONAL
from infrastructure.bootstrap import KINDS, Machinery
from infrastructure.database import MARGIN_SECONDS
from infrastructure.event_store.codec import Codec
from infrastructure.event_store.keyring import Keyring
from infrastructure.event_store.log import PostgresLog
from infrastructure.event_store.names import EventNames, UnknownEvent, context_of
from infrastructure.logging import rfc3339
from infrastructure.security.secrets import MASK
from projections.shared.turns import Turns

ORDER_NUMBER: Final = re.compile(r"ORD-[0-9]{8}-[0-9]{5,}", re.IGNORECASE)

CLOCK_SKEW: Final = timedelta(hours=1)
"""How far clocks of the API and of the database may be apart."""

LEDGER: Final = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([a-z]{3})", re.IGNORECASE)
"""A seller's ledger by the seller's account and the currency."""

OWNERS: Final[Mapping[str, Callable[[UUID], UUID]]] = {
    "admin_audit": admin_audit_id,
    "cart": cart_id,
    "category_use": category_use_id,
    "stock": stock_id,
}
"""Kinds of streams that stand for something of somebody's: the owner's id names them, too."""

COMMAND_LINE_NAME: Final = "command-line"
"""Of the stream in which it is kept what was looked at on the machine itself."""

AT_ONCE: Final = 1_000
"""How many events of one stream are in memory at a time while its state is made."""

PATIENCE_SECONDS: Final = 5.0
"""How long a look waits for those before it."""

T = TypeVar("T")

Until = Callable[[Recorded], bool]
"""Whether an event had happened by some moment; once it had not, neither had any later one of its stream."""


class UnknownKind(NotFound):
    """There is no such kind of stream."""


class NoName(NotFound):
    """Nothing is called like that: it is no id, and no other name of a stream."""


class NothingThere(NotFound):
    """Nothing ever happened in this stream, or it is of another kind than was said."""


class NotBegun(NotFound):
    """By then nothing had happened in the stream."""


class Actor(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who brought an event about."""

    kind: str
    account_id: UUID | None
    role: str | None

    @staticmethod
    def of(metadata: Metadata) -> "Actor":
        """The actor that stands beside an event."""
        return Actor(kind=metadata.actor_kind, account_id=metadata.actor_id, role=metadata.actor_role)

    def __str__(self) -> str:
        """For people."""
        who = self.role or self.kind
        return who if self.account_id is None else f"{who} {self.account_id}"


class HistoryEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One event of a stream as it is shown."""

    position: int
    version: int
    recorded_at: datetime
    name: str
    actor: Actor | None
    command: str | None
    correlation_id: UUID | None
    data: dict[str, Any]


class FoundEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the log as it is shown to whoever searched it: with its stream, and the name of that one's kind."""

    stream_id: UUID
    stream_type: str | None
    event: HistoryEvent


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream that was named, and of which kind it is."""

    stream_id: UUID
    kind: Kind[Any]
    begun_at: datetime


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream stood once its event number `version`, at `position` of the log, had happened."""

    version: int
    position: int
    recorded_at: datetime
    later_events: int
    state: dict[str, Any]


class Replay:
    """Questions to the log about the past, over one connection."""

    def __init__(self, log: PostgresLog, names: EventNames, *, with_personal: bool = False) -> None:
        """Personal data is masked unless asked for. What was erased is gone either way."""
        self._log = log
        self._names = names
        self._with_personal = with_personal

    # --- which stream --------------------------------------------------------------------------------------

    def named(self, name: str) -> Stream:
        """The stream that `KIND/ID`, an id alone, or an order's number names.

        Raises:
            UnknownKind, NoName, NothingThere: nothing does.
        """
        if ORDER_NUMBER.fullmatch(name):
            return self.of_kind("order", name)
        word, slash, rest = name.rpartition("/")
        if slash:
            return self.of_kind(word, rest)
        return self._begun([_id(name)], name)

    def of_kind(self, word: str, name: str) -> Stream:
        """The stream of a kind that its id names, its owner's, an order's number, or a seller and a currency.

        Raises:
            UnknownKind, NoName, NothingThere: nothing does.
        """
        kind = kind_called(word)
        if kind.name == "admin_audit" and name == COMMAND_LINE_NAME:
            return self._begun([COMMAND_LINE], f"{word}/{name}")
        if kind.name == "order" and ORDER_NUMBER.fullmatch(name):
            return self._begun([self._order_of(name.upper())], name)
        ledger = LEDGER.fullmatch(name) if kind.name == "seller_ledger" else None
        if ledger is not None:
            ids = [seller_ledger_id(UUID(ledger[1]), ledger[2].lower())]
        else:
            derive = OWNERS.get(kind.name)
            named = _id(name)
            ids = [named] if derive is None else [derive(named), named]
        stream = self._begun(ids, f"{word}/{name}")
        if stream.kind.name != kind.name:
            raise NothingThere(
                f"{word}/{name} is no {_words(kind)}: it is a stream of the kind {stream.kind.name}."
            )
        return stream

    def _begun(self, ids: Sequence[UUID], name: str) -> Stream:
        for stream_id in ids:
            for first in self._log.stream(stream_id, limit=1):
                return Stream(stream_id=stream_id, kind=_kind_of(first), begun_at=first.recorded_at)
        raise NothingThere(f"Nothing ever happened in {name}.")

    def _order_of(self, number: str) -> UUID:
        # The number begins with its day, by the clock of whoever took the order.
        nothing = NothingThere(f"There is no order {number}.")
        try:
            day = datetime.strptime(number[4:12], "%Y%m%d").replace(tzinfo=UTC)
            first, last = day - CLOCK_SKEW, day + timedelta(days=1) + CLOCK_SKEW
        except (ValueError, OverflowError):
            raise nothing from None
        orders = self._log.streams_with(
            OrderPlaced,
            "order_number",
            number,
            after=self._log.position_at(first),
            upto=self._log.position_at(last),
        )
        if not orders:
            raise nothing
        return orders[0]

    # --- what happened -------------------------------------------------------------------------------------

    def events(self, stream: Stream, *, after: int = 0, limit: int | None = None) -> list[HistoryEvent]:
        """The events of a stream after one of its versions, oldest first, at most so many."""
        return [
            self._shown(recorded) for recorded in self._log.stream(stream.stream_id, after=after, limit=limit)
        ]

    def events_until(self, stream: Stream, until: Until) -> list[HistoryEvent]:
        """The events of a stream that had happened by some moment."""
        return [self._shown(recorded) for recorded in self._by(stream, until)]

    def standing(self, stream: Stream, until: Until) -> Standing:
        """What the events of a stream had made of it by some moment.

        Raises:
            NotBegun: by then nothing had happened.
        """
        state: State | None = None
        last: Recorded | None = None
        for recorded in self._by(stream, until):
            state, last = stream.kind.evolve(state, recorded.event, recorded.stream_id), recorded
        if state is None or last is None:
            raise NotBegun(f"By then nothing had happened: its first event is of {rfc3339(stream.begun_at)}.")
        return Standing(
            version=last.version,
            position=last.position,
            recorded_at=last.recorded_at,
            later_events=self._log.version_of(stream.stream_id) - last.version,
            state=fields_of(state, with_personal=self._with_personal),
        )

    def at(self, positions: Sequence[int]) -> list[FoundEvent]:
        """The events at these positions, in their order; one that is not there is left out."""
        found = {recorded.position: recorded for recorded in self._log.at(positions)}
        return [
            FoundEvent(
                stream_id=found[position].stream_id,
                stream_type=kind_of_event(type(found[position].event)),
                event=self._shown(found[position]),
            )
            for position in positions
            if position in found
        ]

    def between(self, since: datetime | None, until: datetime | None) -> tuple[int | None, int | None]:
        """After which position, and up to which, the events lie that were recorded then; both moments count in."""
        return (
            None if since is None else self._log.position_before(since),
            None if until is None else self._log.position_at(until),
        )

    def _by(self, stream: Stream, until: Until) -> Iterator[Recorded]:
        version = 0
        while True:
            read = version
            for recorded in self._log.stream(stream.stream_id, after=version, limit=AT_ONCE):
                if not until(recorded):
                    return
                yield recorded
                version = recorded.version
            if version == read:
                return

    def _shown(self, recorded: Recorded) -> HistoryEvent:
        metadata = recorded.metadata
        return HistoryEvent(
            position=recorded.position,
            version=recorded.version,
            recorded_at=recorded.recorded_at,
            name=self._names.name_of(type(recorded.event)),
            actor=None if metadata is None else Actor.of(metadata),
            command=None if metadata is None else metadata.command,
            correlation_id=None if metadata is None else metadata.correlation_id,
            data=fields_of(recorded.event, with_personal=self._with_personal),
        )


class Archive:
    """Lets staff look into the log from an asynchronous process: one look at a time, in a thread, over a connection for it."""

    def __init__(self, machinery: Machinery) -> None:
        """Opens nothing yet."""
        self._machinery = machinery
        self.names = machinery.names
        # Keys of its own, which no other thread touches.
        self._codec = Codec(machinery.names, Keyring(machinery.wrapper))
        self._turns = Turns(1, patience_seconds=PATIENCE_SECONDS)
        self._looking = threading.Lock()

    async def look(self, question: Callable[[Replay], T]) -> T:
        """Ask the log something; personal data is masked.

        Raises:
            NotFound: as the question has it.
            StoreUnavailable: the log is away, or holds what only a newer version of the program understands.
            TooManyAsk: others look for too long.
        """
        async with self._turns.one():
            return await asyncio.to_thread(self._look, question)

    def _look(self, question: Callable[[Replay], T]) -> T:
        seconds = self._machinery.settings.database.statement_seconds + MARGIN_SECONDS
        # Whoever hung up has left their look behind, which goes on.
        with self._looking:
            try:
                connection = self._machinery.connect(name="daftar-audit", answer_seconds=seconds)
                with connection:
                    return question(Replay(PostgresLog(connection, self._codec), self.names))
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                raise StoreUnavailable("The event store cannot be reached.", retry_after_seconds=1) from error
            except UnknownEvent as error:
                raise StoreUnavailable(
                    "The log is newer than this process.", retry_after_seconds=5
                ) from error


def always(_: Recorded) -> bool:
    """Until now."""
    return True


def until_position(position: int) -> Until:
    """Up to a position of the log."""
    return lambda recorded: recorded.position <= position


def until_version(version: int) -> Until:
    """Up to a version of the stream."""
    return lambda recorded: recorded.version <= version


def until_moment(moment: datetime) -> Until:
    """Up to a moment by the clock of the log."""
    return lambda recorded: recorded.recorded_at <= moment


# --- kinds -------------------------------------------------------------------------------------------------


def kind_called(word: str, among: Sequence[Kind[Any]] = KINDS) -> Kind[Any]:
    """The kind of stream of this name.

    Raises:
        UnknownKind: there is none among these.
    """
    kinds = {kind.name: kind for kind in among}
    kind = kinds.get(word.lower())
    if kind is None:
        raise UnknownKind(f"There is no kind of stream {word!r}. There are: {', '.join(sorted(kinds))}.")
    return kind


def kind_of_event(event: type[DomainEvent]) -> str | None:
    """The name of the kind of stream that such an event belongs to."""
    return _KIND_OF_EVENT.get(event)


_KIND_OF_EVENT: Final = {event: kind.name for kind in KINDS for event in kind.events}


def _kind_of(first: Recorded) -> Kind[Any]:
    """The kind whose fold takes the first event; a stream has one kind for life."""
    room = context_of(type(first.event))
    kinds = [kind for kind in KINDS if _context_of(kind) == room]
    fitting = [kind for kind in kinds if _takes(kind, first.event, first.stream_id)]
    if not fitting:
        raise NothingThere(f"No kind of stream begins with {type(first.event).__name__}.")
    return fitting[0]


def _context_of(kind: Kind[Any]) -> str:
    """`orders` for `domain.orders.order`."""
    return kind.state.__module__.split(".")[1]


def _takes(kind: Kind[Any], event: DomainEvent, stream_id: UUID) -> bool:
    try:
        kind.evolve(None, event, stream_id)
    except AssertionError:
        return False
    return True


def _words(kind: Kind[Any]) -> str:
    return kind.name.replace("_", " ")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NoName(
            f"{text!r} is no stream: give KIND/ID, an id, or an order's number (ORD-20260501-00042)."
        ) from None


# --- what is shown -----------------------------------------------------------------------------------------


def fields_of(struct: msgspec.Struct, *, with_personal: bool) -> dict[str, Any]:
    """The fields of an event or a state by their stored names; personal ones masked, unless they are empty."""
    shown: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        value = getattr(struct, field.name)
        if value is not None and not with_personal and _is_personal(field.type):
            shown[field.encode_name] = MASK
        else:
            shown[field.encode_name] = msgspec.to_builtins(value, str_keys=True)
    return shown


def _is_personal(annotation: Any) -> bool:
    marks = getattr(annotation, "__metadata__", ())
    return any(isinstance(mark, msgspec.Meta) and mark.extra == PERSONAL for mark in marks)
