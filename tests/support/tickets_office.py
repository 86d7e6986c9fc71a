"""A toy context for tests of the machinery: an office that sells a limited number of seats under unique names."""

import types
from typing import Any, ClassVar, TypeAlias
from uuid import UUID

from application.shared.command import Command
from application.shared.store import Credential, Kind
from application.shared.unit import Unit
from domain.shared.errors import NotFound, RuleViolation
from domain.shared.events import DomainEvent, State
from domain.shared.personal import ERASED, PersonalText


class OfficeOpened(DomainEvent, frozen=True, kw_only=True):
    """There are seats to sell."""

    name: str
    seats: int


class SeatSold(DomainEvent, frozen=True, kw_only=True):
    """One seat is gone."""

    subject_field: ClassVar[str | None] = "buyer_id"

    buyer_id: UUID
    passenger: PersonalText = ERASED


class SeatsAdded(DomainEvent, frozen=True, kw_only=True):
    """There are more seats to sell."""

    seats: int


OfficeEvent: TypeAlias = OfficeOpened | SeatSold | SeatsAdded


class SoldOut(RuleViolation):
    """No seat is left."""

    code = "SOLD_OUT"


class NameTaken(RuleViolation):
    """Another office has this name."""

    code = "NAME_TAKEN"


class Office(State, frozen=True, kw_only=True):
    """Seats that are left, and the last passenger."""

    office_id: UUID
    left: int
    sold: int = 0
    last_buyer_id: UUID | None = None
    last_passenger: PersonalText = ERASED

    @property
    def stream_id(self) -> UUID:
        """The office's own."""
        return self.office_id

    @property
    def subject_id(self) -> UUID | None:
        """The last buyer, whose passenger is named."""
        return self.last_buyer_id

    def sell(self, *, buyer_id: UUID, passenger: str) -> list[OfficeEvent]:
        """One seat for one passenger."""
        if self.left == 0:
            raise SoldOut("No seat is left.")
        return [SeatSold(buyer_id=buyer_id, passenger=passenger)]


def evolve(office: Office | None, event: OfficeEvent, stream_id: UUID) -> Office:
    """Fold one fact."""
    match event:
        case OfficeOpened():
            return Office(office_id=stream_id, left=event.seats)
        case SeatSold():
            assert office is not None
            return Office(
                office_id=stream_id,
                left=office.left - 1,
                sold=office.sold + 1,
                last_buyer_id=event.buyer_id,
                last_passenger=event.passenger,
            )
        case SeatsAdded():
            assert office is not None
            return Office(office_id=stream_id, left=office.left + event.seats, sold=office.sold)


class OpenOffice(Command, frozen=True, kw_only=True):
    """Open an office under a unique name."""

    office_id: UUID
    name: str
    seats: int
    door_code: bytes | None = None


class SellSeat(Command, frozen=True, kw_only=True):
    """Sell one seat."""

    office_id: UUID
    passenger: str = "A. Traveller"


class AddSeats(Command, frozen=True, kw_only=True):
    """Add seats."""

    office_id: UUID
    seats: int


class LookAtOffice(Command, frozen=True, kw_only=True):
    """Change nothing; the answer is the state."""

    office_id: UUID


class MoveSeat(Command, frozen=True, kw_only=True):
    """Take a seat here, add one there: two streams or none."""

    source_id: UUID
    target_id: UUID


class DrawNumber(Command, frozen=True, kw_only=True):
    """Draw a number and open an office that is named after it."""

    office_id: UUID
    refuse: bool = False


class Stumble(Command, frozen=True, kw_only=True):
    """A handler with a bug."""


def open_office(command: OpenOffice, unit: Unit) -> Office:
    unit.claim("office_name", command.name, command.office_id, taken=NameTaken("The name is taken."))
    if command.door_code is not None:
        unit.keep(Credential(owner_id=command.office_id, name="door", value=command.door_code))
    return unit.create(Office, command.office_id, [OfficeOpened(name=command.name, seats=command.seats)])


def sell_seat(command: SellSeat, unit: Unit) -> Office:
    office = unit.get(Office, command.office_id)
    return unit.record(office, office.sell(buyer_id=unit.actor, passenger=command.passenger))


def add_seats(command: AddSeats, unit: Unit) -> Office:
    office = unit.get(Office, command.office_id)
    return unit.record(office, [SeatsAdded(seats=command.seats)])


def look_at_office(command: LookAtOffice, unit: Unit) -> Office:
    return unit.get(Office, command.office_id, missing=NotFound("No such office."))


def move_seat(command: MoveSeat, unit: Unit) -> Office:
    source = unit.get(Office, command.source_id)
    target = unit.get(Office, command.target_id)
    unit.record(source, source.sell(buyer_id=unit.actor, passenger="moved"))
    return unit.record(target, [SeatsAdded(seats=1)])


def draw_number(command: DrawNumber, unit: Unit) -> Office:
    number = unit.number("offices")
    if command.refuse:
        raise SoldOut("Refused after drawing.")
    return unit.create(Office, command.office_id, [OfficeOpened(name=f"office {number}", seats=number)])


def stumble(command: Stumble, unit: Unit) -> Office:
    raise ZeroDivisionError("a bug")


HANDLERS: dict[type[Command], Any] = {
    OpenOffice: open_office,
    SellSeat: sell_seat,
    AddSeats: add_seats,
    LookAtOffice: look_at_office,
    MoveSeat: move_seat,
    DrawNumber: draw_number,
    Stumble: stumble,
}

OFFICE: Kind[Office] = Kind("office", Office, evolve)


def events_module() -> types.ModuleType:
    """The events as a context's `events.py`, for the dictionary of names."""
    module = types.ModuleType("domain.offices.events")
    for event in (OfficeOpened, SeatSold, SeatsAdded):
        event.__module__ = module.__name__
        setattr(module, event.__name__, event)
    return module
