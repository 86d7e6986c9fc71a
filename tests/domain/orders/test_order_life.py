"""Whoever asks whatever of an order, in whatever order: it goes along its way only (requirements ORD-10, TST-10)."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.orders.actor import THE_HOUSE, Actor
from domain.orders.events import (
    NoteVisibility,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderEvent,
    OrderRefunded,
    OrderShipped,
)
from domain.orders.order import PAID, Order, OrderStatus, evolve
from domain.orders.tracking import Tracking
from domain.shared.errors import DomainError
from tests.domain.orders.makers import (
    ADMIN,
    CUP,
    CUSTOMER,
    ORDER,
    OTHER_SELLER,
    PAYMENT,
    SELLER,
    STRANGER,
    line,
    placed,
)
from tests.support.commands import NOON
from tests.support.given import fold

ANYBODY = st.sampled_from([CUSTOMER, SELLER, OTHER_SELLER, STRANGER, ADMIN, THE_HOUSE])
PAYMENTS = st.sampled_from([PAYMENT, ORDER])

S = OrderStatus
WAYS = {
    S.PENDING: {S.CONFIRMED, S.CANCELLED},
    S.CONFIRMED: {S.PROCESSING, S.SHIPPED, S.CANCELLED, S.REFUNDED},
    S.PROCESSING: {S.SHIPPED, S.REFUNDED},
    S.SHIPPED: {S.DELIVERED, S.REFUNDED},
    S.DELIVERED: {S.REFUNDED},
    S.CANCELLED: set(),
    S.REFUNDED: set(),
}


class OrderLife(RuleBasedStateMachine):
    """Customers, sellers, staff, strangers and payments at any time."""

    history: list[OrderEvent]
    order: Order

    @initialize(mixed=st.booleans())
    def place(self, mixed: bool) -> None:
        other = line(line_no=2, listing_id=CUP, seller_id=OTHER_SELLER.account_id)
        self.mixed = mixed
        self.history = placed(line(), other) if mixed else placed()
        self.order = fold(evolve, self.history, ORDER)

    @rule(payment_id=PAYMENTS)
    def confirm(self, payment_id: Any) -> None:
        self._ask(THE_HOUSE, lambda order: order.confirm(payment_id=payment_id, at=NOON))

    @rule(payment_id=PAYMENTS)
    def refund(self, payment_id: Any) -> None:
        self._ask(
            THE_HOUSE,
            lambda order: order.mark_refunded(payment_id=payment_id, refunded=order.total, at=NOON),
        )

    @rule(by=ANYBODY)
    def process(self, by: Actor) -> None:
        self._ask(by, lambda order: order.start_processing(by=by))

    @rule(by=ANYBODY)
    def ship(self, by: Actor) -> None:
        self._ask(by, lambda order: order.ship(by=by, tracking=Tracking(number="1"), at=NOON))

    @rule(by=ANYBODY, number=st.sampled_from(["1", "2"]))
    def track(self, by: Actor, number: str) -> None:
        self._ask(by, lambda order: order.update_tracking(by=by, tracking=Tracking(number=number)))

    @rule(by=ANYBODY)
    def deliver(self, by: Actor) -> None:
        self._ask(by, lambda order: order.deliver(by=by, at=NOON))

    @rule(by=ANYBODY)
    def cancel(self, by: Actor) -> None:
        self._ask(by, lambda order: order.cancel(by=by, reason="too slow", at=NOON))

    @rule()
    def time_is_over(self) -> None:
        self._ask(THE_HOUSE, lambda order: order.cancel_unpaid(at=NOON))

    @rule(by=ANYBODY, visibility=st.sampled_from(NoteVisibility))
    def note(self, by: Actor, visibility: NoteVisibility) -> None:
        self._ask(by, lambda order: order.add_note(by=by, visibility=visibility, text="hello"))

    @invariant()
    def each_turn_of_its_life_comes_once(self) -> None:
        for turn in (OrderConfirmed, OrderShipped, OrderDelivered, OrderCancelled, OrderRefunded):
            assert sum(isinstance(event, turn) for event in self.history) <= 1

    @invariant()
    def it_goes_on_only_when_paid(self) -> None:
        if self.order.status in PAID or self.order.status is S.REFUNDED:
            assert self.order.paid_payment_id is not None

    @invariant()
    def what_was_sold_does_not_change(self) -> None:
        first = fold(evolve, self.history[:1], ORDER)
        assert (self.order.lines, self.order.amounts) == (first.lines, first.amounts)

    def _ask(self, by: Actor, decide: Callable[[Order], list[OrderEvent]]) -> None:
        before = self.order
        with suppress(DomainError):
            events = decide(before)
            for event in events:
                self.order = evolve(self.order, event, ORDER)
            self.history += events
        if self.order.status is not before.status:
            assert self.order.status in WAYS[before.status]
        if self.order is not before:
            assert by is not STRANGER
            assert self.mixed or by is not OTHER_SELLER


TestOrderLife = OrderLife.TestCase
