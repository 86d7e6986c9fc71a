"""The history of one stream, and how it stood at any moment of the past (requirements ES-10). It changes nothing."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import click
import msgspec

from api.cli.environment import machinery, stop
from api.cli.output import count, expecting_failures, json_option, moment, print_json, printable
from application.shared.store import Kind
from domain.carts.cart import cart_id
from domain.categories.category_use import category_use_id
from domain.inventory.stock import stock_id
from domain.orders.events import OrderPlaced
from domain.payouts.seller_ledger import seller_ledger_id
from domain.shared.events import DomainEvent, Metadata, Recorded, State
from domain.shared.personal import PERSONAL
from infrastructure.bootstrap import Machinery, kinds_by_name
from infrastructure.event_store.log import PostgresLog
from infrastructure.event_store.names import EventNames, context_of
from infrastructure.security.secrets import MASK

ORDER_NUMBER: Final = re.compile(r"ORD-[0-9]{8}-[0-9]{5,}", re.IGNORECASE)

CLOCK_SKEW: Final = timedelta(hours=1)
"""How far clocks of the API and of the database may be apart."""

LEDGER: Final = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}):([a-z]{3})", re.IGNORECASE)
"""A seller's ledger by the seller's account and the currency."""

OWNERS: Final[Mapping[str, Callable[[UUID], UUID]]] = {
    "cart": cart_id,
    "category_use": category_use_id,
    "stock": stock_id,
}
"""Kinds of streams that stand for something of somebody's: the owner's id names them, too."""


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
    """One event as `replay` shows it."""

    position: int
    version: int
    recorded_at: datetime
    name: str
    actor: Actor | None
    command: str | None
    correlation_id: UUID | None
    data: dict[str, Any]


class History(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A stream up to some moment; `state` is what its events had made of it by then."""

    stream_id: UUID
    kind: str
    version: int
    later_events: int
    events: list[HistoryEvent]
    state: dict[str, Any]


Until = Callable[[Recorded], bool]


class Moment(click.ParamType["Until"]):
    """A position of the log, a version of the stream, or a time."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Until:
        """Whether an event had happened by then."""
        text = str(value).strip()
        if re.fullmatch(r"[0-9]{1,18}", text):
            position = int(text)
            return lambda recorded: recorded.position <= position
        version = re.fullmatch(r"version:([0-9]{1,18})", text)
        if version is not None:
            upto = int(version[1])
            return lambda recorded: recorded.version <= upto
        try:
            at = datetime.fromisoformat(text)
        except ValueError:
            self.fail(
                f"{text!r} is no position (1234), no version (version:3) and no time (2026-05-01T12:00:00Z).",
                param,
                ctx,
            )
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return lambda recorded: recorded.recorded_at <= at


@click.command()
@click.argument("stream")
@click.option(
    "--at",
    "until",
    type=Moment(),
    metavar="MOMENT",
    help="Up to a position (1234), a version (version:3) or a time (2026-05-01T12:00:00Z; UTC unless said).",
)
@click.option(
    "--with-personal/--masked",
    "with_personal",
    default=False,
    help="Show personal data; masked by default. What was erased stays erased.",
)
@json_option
@expecting_failures
def replay(stream: str, until: Until | None, *, with_personal: bool, as_json: bool) -> None:
    """Show the history of one STREAM and its state as of then. It changes nothing.

    STREAM is KIND/ID, an id alone, or an order's number. A cart is named by its account's id, stock by its listing's, a
    seller's ledger by account and currency (seller_ledger/ID:usd).

    \b
    Example:
      daftar replay ORD-20260501-00042
      daftar replay order/0190a6f0-3c51-7bb5-8f4c-2f4f7f7b0c11 --at version:2
      daftar replay stock/0190a6f0-3c51-7bb5-8f4c-2f4f7f7b0c12 --at 2026-05-01T12:00:00Z --json
    """
    tools = machinery()
    history = tools.open_log(name="daftar-replay")
    try:
        shown = _replay(tools, history, stream, until, with_personal=with_personal)
    finally:
        history.close()
    if as_json:
        print_json(shown)
    else:
        _show(shown)


def _replay(
    tools: Machinery, log: PostgresLog, stream: str, until: Until | None, *, with_personal: bool
) -> History:
    named, events = _find(log, stream)
    if not events:
        stop(f"Nothing ever happened in {printable(stream)}.")
    kind = _kind_of(events)
    if named is not None and named.name != kind.name:
        stop(f"{printable(stream)} is no {_words(named)}: it is a stream of the kind {kind.name}.")
    by_then = events if until is None else [event for event in events if until(event)]
    if not by_then:
        stop(
            f"{printable(stream)} had not begun by then: its first event is of {moment(events[0].recorded_at)}."
        )
    state = _fold(kind, by_then)
    if state is None:
        raise AssertionError("the events of a stream make a state")
    return History(
        stream_id=by_then[0].stream_id,
        kind=kind.name,
        version=by_then[-1].version,
        later_events=len(events) - len(by_then),
        events=[_event(recorded, tools.names, with_personal=with_personal) for recorded in by_then],
        state=fields_of(state, with_personal=with_personal),
    )


# --- which stream ------------------------------------------------------------------------------------------


def _find(log: PostgresLog, stream: str) -> tuple[Kind[Any] | None, list[Recorded]]:
    """The events of what was named, and the kind that it was said to be."""
    kinds = kinds_by_name()
    if ORDER_NUMBER.fullmatch(stream):
        return kinds["order"], _order_of(log, stream.upper())
    word, slash, rest = stream.rpartition("/")
    if not slash:
        return None, list(log.stream(_id(stream)))
    kind = kinds.get(word.lower())
    if kind is None:
        raise click.UsageError(
            f"There is no kind of stream {printable(word)!r}. There are: {', '.join(sorted(kinds))}."
        )
    if kind.name == "order" and ORDER_NUMBER.fullmatch(rest):
        return kind, _order_of(log, rest.upper())
    ledger = LEDGER.fullmatch(rest) if kind.name == "seller_ledger" else None
    if ledger is not None:
        return kind, list(log.stream(seller_ledger_id(UUID(ledger[1]), ledger[2].lower())))
    named = _id(rest)
    derive = OWNERS.get(kind.name)
    owned = [] if derive is None else list(log.stream(derive(named)))
    return kind, owned or list(log.stream(named))


def _order_of(log: PostgresLog, number: str) -> list[Recorded]:
    # The number begins with its day, by the clock of whoever took the order.
    try:
        day = datetime.strptime(number[4:12], "%Y%m%d").replace(tzinfo=UTC)
        first, last = day - CLOCK_SKEW, day + timedelta(days=1) + CLOCK_SKEW
    except (ValueError, OverflowError):
        stop(f"There is no order {number}.")
    orders = log.streams_with(
        OrderPlaced, "order_number", number, after=log.position_at(first), upto=log.position_at(last)
    )
    if not orders:
        stop(f"There is no order {number}.")
    return list(log.stream(orders[0]))


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise click.UsageError(
            f"{printable(text)!r} is no stream: give KIND/ID, an id, or an order's number (ORD-20260501-00042)."
        ) from None


def _kind_of(events: Sequence[Recorded]) -> Kind[Any]:
    """The kind whose fold takes these events; a stream has one kind for life."""
    first = events[0]
    room = context_of(type(first.event))
    kinds = [kind for kind in kinds_by_name().values() if _context_of(kind) == room]
    fitting = [kind for kind in kinds if _takes(kind, first.event, first.stream_id)]
    if not fitting:
        stop(f"No kind of stream begins with {type(first.event).__name__}.")
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


def _fold(kind: Kind[Any], events: Iterable[Recorded]) -> State | None:
    state: State | None = None
    for recorded in events:
        state = kind.evolve(state, recorded.event, recorded.stream_id)
    return state


def _words(kind: Kind[Any]) -> str:
    return kind.name.replace("_", " ")


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


def _event(recorded: Recorded, names: EventNames, *, with_personal: bool) -> HistoryEvent:
    metadata = recorded.metadata
    return HistoryEvent(
        position=recorded.position,
        version=recorded.version,
        recorded_at=recorded.recorded_at,
        name=names.name_of(type(recorded.event)),
        actor=None if metadata is None else Actor.of(metadata),
        command=None if metadata is None else metadata.command,
        correlation_id=None if metadata is None else metadata.correlation_id,
        data=fields_of(recorded.event, with_personal=with_personal),
    )


def _show(history: History) -> None:
    click.echo(f"{history.kind} {history.stream_id}, {count(len(history.events))} events\n")
    for event in history.events:
        by = "" if event.actor is None else f"  by {event.actor}"
        click.echo(
            printable(
                f"{event.version:>4}  {moment(event.recorded_at)}  at {event.position}  {event.name}{by}"
            )
        )
        _show_fields(event.data, indent=6)
    later = f" ({count(history.later_events)} later events left out)" if history.later_events else ""
    click.echo(f"\nState as of version {history.version}{later}:")
    _show_fields(history.state, indent=2)


def _show_fields(fields: Mapping[str, Any], *, indent: int) -> None:
    width = max((len(name) for name in fields), default=0)
    for name, value in fields.items():
        click.echo(f"{'':{indent}}{name:<{width}}  {printable(_text(value))}")


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    return msgspec.json.encode(value).decode()
