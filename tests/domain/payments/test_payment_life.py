"""Whatever is asked of a payment, in whatever order, its money adds up."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from domain.payments.events import (
    PaymentCancelled,
    PaymentEvent,
    PaymentFailed,
    PaymentRefunded,
    PaymentSucceeded,
    RefundRequested,
)
from domain.payments.payment import Payment, PaymentStatus, evolve
from domain.shared.errors import DomainError
from domain.shared.money import Money
from tests.support.commands import NOON
from tests.support.given import fold

REFUND_IDS = st.integers(min_value=1, max_value=6).map(lambda number: UUID(int=number))
AMOUNTS = st.integers(min_value=-1, max_value=130)


class PaymentLife(RuleBasedStateMachine):
    """The provider says anything at any time; admins refund as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[PaymentEvent] = []
        self.at = NOON
        self.amount = Money(0)

    @initialize(minor=st.integers(min_value=0, max_value=100))
    def begin(self, minor: int) -> None:
        self.amount = Money(minor, "usd")
        self.history = Payment.initiate(
            order_id=UUID(int=1),
            order_number="ORD-20260501-00001",
            customer_id=UUID(int=2),
            provider="stripe",
            amount=self.amount,
        )

    @rule()
    def succeed(self) -> None:
        self._ask(
            lambda payment: payment.succeed(provider_transaction_id="t", received=self.amount, at=self.at)
        )
        assert self.payment.has_succeeded

    @rule(minor=AMOUNTS, currency=st.sampled_from(["usd", "uzs"]))
    def report(self, minor: int, currency: str) -> None:
        before = self.payment
        received = Money(minor, currency)
        self._ask(lambda payment: payment.succeed(provider_transaction_id="t", received=received, at=self.at))
        if received != self.amount:
            assert self.payment.status is before.status

    @rule()
    def fail(self) -> None:
        self._ask(lambda payment: payment.fail())

    @rule(by_provider=st.booleans())
    def cancel(self, by_provider: bool) -> None:
        if by_provider:
            self._ask(lambda payment: payment.note_cancellation(reason="expired", at=self.at))
        else:
            self._ask(lambda payment: payment.cancel(reason="no", at=self.at))

    @rule(refund_id=REFUND_IDS, minor=st.none() | AMOUNTS)
    def ask_back(self, refund_id: UUID, minor: int | None) -> None:
        amount = None if minor is None else Money(minor, "usd")
        self._ask(lambda payment: payment.request_refund(refund_id=refund_id, amount=amount))

    @precondition(lambda self: self.payment.refunds)
    @rule(data=st.data(), went=st.booleans())
    def settle_refund(self, data: st.DataObject, went: bool) -> None:
        refund_id = data.draw(st.sampled_from([refund.refund_id for refund in self.payment.refunds]))
        if went:
            self._ask(lambda payment: payment.record_refund(refund_id=refund_id, at=self.at))
        else:
            self._ask(lambda payment: payment.record_refund_failure(refund_id=refund_id, reason="no"))

    @property
    def payment(self) -> Payment:
        state: Payment = fold(evolve, self.history)
        return state

    @invariant()
    def success_comes_once_and_is_never_lost(self) -> None:
        successes = [i for i, event in enumerate(self.history) if isinstance(event, PaymentSucceeded)]
        assert len(successes) <= 1
        assert self.payment.has_succeeded == bool(successes)
        for success in successes:
            ends = (PaymentFailed, PaymentCancelled)
            assert not any(isinstance(event, ends) for event in self.history[success:])

    @invariant()
    def no_more_goes_back_than_came_in(self) -> None:
        refunded = [event for event in self.history if isinstance(event, PaymentRefunded)]
        total = sum(event.amount.minor for event in refunded)
        assert total == self.payment.refunded_minor <= self.amount.minor
        assert self.payment.refundable.minor >= 0
        assert len({event.refund_id for event in refunded}) == len(refunded)
        assert [event.full for event in refunded] == [
            event.total_refunded.minor == self.amount.minor for event in refunded
        ]

    @invariant()
    def refunded_means_all_of_it(self) -> None:
        payment = self.payment
        if payment.status is PaymentStatus.REFUNDED:
            assert payment.refunded_minor == self.amount.minor
        if payment.status is PaymentStatus.PARTIALLY_REFUNDED:
            assert 0 < payment.refunded_minor < self.amount.minor

    @invariant()
    def nothing_is_asked_back_that_never_came(self) -> None:
        if any(isinstance(event, RefundRequested) for event in self.history):
            assert self.payment.has_succeeded

    def _ask(self, decide: Callable[[Payment], list[PaymentEvent]]) -> None:
        self.at += timedelta(seconds=1)
        with suppress(DomainError):  # A refusal is a good answer: it adds nothing.
            self.history = self.history + decide(self.payment)


TestPaymentLife = PaymentLife.TestCase
