"""The log, read again from nothing but its events: what every process must agree with."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from application.shared.store import Kind
from domain.orders.order import Order, OrderStatus
from domain.payments.events import PaymentSucceeded
from domain.shared.events import DomainEvent, Recorded, State

WAYS: Final = {
    OrderStatus.PENDING: {OrderStatus.CONFIRMED, OrderStatus.CANCELLED},
    OrderStatus.CONFIRMED: {
        OrderStatus.PROCESSING,
        OrderStatus.SHIPPED,
        OrderStatus.CANCELLED,
        OrderStatus.REFUNDED,
    },
    OrderStatus.PROCESSING: {OrderStatus.SHIPPED, OrderStatus.REFUNDED},
    OrderStatus.SHIPPED: {OrderStatus.DELIVERED, OrderStatus.REFUNDED},
    OrderStatus.DELIVERED: {OrderStatus.REFUNDED},
    OrderStatus.CANCELLED: set[OrderStatus](),
    OrderStatus.REFUNDED: set[OrderStatus](),
}
"""Requirements ORD-10, word for word."""


class History:
    """Every state that every stream has had, folded with the product's own folds, and what no log may show."""

    def __init__(self, kinds: Iterable[Kind[Any]]) -> None:
        self._kind_of = {event: kind for kind in kinds for event in kind.events}
        self._streams: dict[UUID, list[Any]] = {}
        self._kinds: dict[UUID, Kind[Any]] = {}
        self._order_numbers: dict[str, UUID] = {}
        self._transactions: dict[tuple[str, str], UUID] = {}
        self.log: list[Recorded] = []

    @property
    def position(self) -> int:
        """How far the log has been read."""
        return len(self.log)

    def add(self, recorded: Recorded) -> None:
        """The next event of the log."""
        assert recorded.position == self.position + 1, "positions are contiguous"
        states = self._streams.setdefault(recorded.stream_id, [])
        assert recorded.version == len(states) + 1, "versions are contiguous"
        kind = self._kind_of[type(recorded.event)]
        assert self._kinds.setdefault(recorded.stream_id, kind) is kind, "a stream is of one kind"
        before = states[-1] if states else None
        after = kind.evolve(before, recorded.event, recorded.stream_id)
        if isinstance(after, Order):
            self._check_order(before, after)
        self._check_names(recorded.event, recorded.stream_id)
        states.append(after)
        self.log.append(recorded)

    def _check_order(self, before: Order | None, after: Order) -> None:
        if before is None:
            holder = self._order_numbers.setdefault(after.order_number, after.order_id)
            assert holder == after.order_id, f"{after.order_number} was given twice"
            assert after.status is OrderStatus.PENDING
        elif before.status is not after.status:
            assert after.status in WAYS[before.status], f"from {before.status} to {after.status}"
        amounts = after.amounts
        parts = amounts.subtotal.minor + amounts.tax.minor + amounts.shipping.minor - amounts.discount.minor
        assert amounts.subtotal.minor == sum(line.subtotal.minor for line in after.lines)
        assert all(line.subtotal.minor == line.unit_price.minor * line.quantity for line in after.lines)
        assert amounts.total.minor == parts >= 0

    def _check_names(self, event: DomainEvent, stream_id: UUID) -> None:
        if isinstance(event, PaymentSucceeded):
            holder = self._transactions.setdefault((event.provider, event.provider_transaction_id), stream_id)
            assert holder == stream_id, "one transaction of a provider paid twice"

    def version(self, stream_id: UUID) -> int:
        """How many events a stream has."""
        return len(self._streams.get(stream_id, ()))

    def state(self, stream_id: UUID, version: int | None = None) -> Any:
        """A stream as it stands, or as it stood at a version; `None` before its first event."""
        states = self._streams.get(stream_id, [])
        last = len(states) if version is None else version
        assert last <= len(states), f"stream {stream_id} has no version {last}"
        return states[last - 1] if last else None

    def all(self, kind: type[State]) -> list[Any]:
        """The states of all streams of a kind as they stand."""
        return [states[-1] for states in self._streams.values() if isinstance(states[-1], kind)]
