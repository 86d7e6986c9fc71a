"""The log, folded from the first event on by one reader that nobody kills: how everything stands, and how it came about."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from application.shared.store import Kind
from domain.accounts.events import AccountRegistered, SellerApproved
from domain.inventory.stock import Stock
from domain.orders.events import OrderConfirmed, OrderDelivered, OrderPlaced, OrderShipped
from domain.orders.order import Order
from domain.payments.events import PaymentRefunded, RefundRequested
from domain.payments.payment import Payment
from domain.payouts.events import EarningAccrued
from domain.shared.events import DomainEvent, Recorded, State
from infrastructure.bootstrap import KINDS
from infrastructure.event_store.log import PostgresLog
from infrastructure.event_store.names import EventNames
from tests.journeys.crash.book import PromiseBroken

S = TypeVar("S", bound=State)

TOLD_BY_MAIL: Final = (AccountRegistered, SellerApproved, OrderConfirmed, OrderShipped)
"""What somebody is told of by mail, of what happens in these rounds."""

BATCH: Final = 5_000


class History:
    """What the log says."""

    def __init__(self, names: EventNames) -> None:
        """`names` are those of all events."""
        self._classes = tuple(names.classes.values())
        self._kinds: Mapping[type[DomainEvent], Kind[Any]] = {
            event: kind for kind in KINDS for event in kind.events
        }
        self._versions: dict[UUID, int] = {}
        self._states: dict[UUID, State] = {}
        self.head = 0
        self.placed: Counter[UUID] = Counter()
        self.registered: Counter[UUID] = Counter()
        self.mailed: list[Recorded] = []
        self.refunds_requested: dict[UUID, Recorded] = {}
        self.refunds_made: Counter[UUID] = Counter()
        self.delivered: list[Recorded] = []
        self.earned: Counter[tuple[UUID, int]] = Counter()

    def read(self, log: PostgresLog) -> None:
        """Take in what has happened since the last time.

        Raises:
            PromiseBroken: the log or a stream of it has a hole, or some stock is below zero.
            LogGap: a position is missing.
        """
        while (batch := log.read(self.head, BATCH, self._classes, personal=False)).upto > self.head:
            for recorded in batch.events:
                self._take(recorded)
            if self.head != batch.upto:
                raise PromiseBroken(f"Position {self.head + 1} holds an event that nobody knows.")

    def all_of(self, kind: type[S]) -> dict[UUID, S]:
        """Every order, every payment, ... as it stands."""
        return {stream_id: state for stream_id, state in self._states.items() if isinstance(state, kind)}

    def order(self, order_id: UUID) -> Order:
        """One order as it stands."""
        order = self._states[order_id]
        assert isinstance(order, Order)
        return order

    def _take(self, recorded: Recorded) -> None:
        stream_id, event = recorded.stream_id, recorded.event
        if recorded.position != self.head + 1:
            raise PromiseBroken(f"Position {self.head + 1} of the log is missing.")
        self.head = recorded.position
        if recorded.version != self._versions.get(stream_id, 0) + 1:
            raise PromiseBroken(
                f"Stream {stream_id} goes from version {self._versions.get(stream_id, 0)} to {recorded.version} "
                f"at position {recorded.position}."
            )
        self._versions[stream_id] = recorded.version
        state = self._states.get(stream_id)
        state = self._states[stream_id] = self._kinds[type(event)].evolve(state, event, stream_id)
        if isinstance(state, Stock) and not 0 <= state.reserved <= state.quantity:
            raise PromiseBroken(f"At position {recorded.position} more is promised than there is: {state}")
        self._note(recorded, state)

    def _note(self, recorded: Recorded, state: State) -> None:
        event = recorded.event
        if isinstance(event, TOLD_BY_MAIL):
            self.mailed.append(recorded)
        match event:
            case OrderPlaced():
                self.placed[recorded.stream_id] += 1
            case AccountRegistered():
                self.registered[recorded.stream_id] += 1
            case RefundRequested(refund_id=refund_id):
                self.refunds_requested[refund_id] = recorded
            case PaymentRefunded(refund_id=refund_id):
                self.refunds_made[refund_id] += 1
            case OrderDelivered():
                self.delivered.append(recorded)
            case EarningAccrued(order_id=order_id, line_no=line_no):
                self.earned[order_id, line_no] += 1
            case _:
                pass


def by_order(payments: Iterable[Payment]) -> dict[UUID, list[Payment]]:
    """Payments by the order that they are for."""
    found: dict[UUID, list[Payment]] = {}
    for payment in payments:
        found.setdefault(payment.order_id, []).append(payment)
    return found
