"""One attempt to pay for one order, and what was given back of it (requirements PAY-02..PAY-08, REF-01..REF-03)."""

from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never
from uuid import UUID

import msgspec

from domain.payments.events import (
    MethodDetails,
    PaymentCancelled,
    PaymentEvent,
    PaymentFailed,
    PaymentInitiated,
    PaymentMismatchDetected,
    PaymentRefunded,
    PaymentSucceeded,
    ProviderReferenceAssigned,
    RefundFailed,
    RefundRequested,
)
from domain.payments.method_details import without_card_data
from domain.shared.errors import InvalidInput, NotFound, Problem, RuleViolation
from domain.shared.events import State
from domain.shared.money import Money

DEFAULT_METHOD: Final = "card"
"""Requirements PAY-03."""

DEFAULT_FAILURE: Final = "Payment failed"
"""What a provider's silence about its reasons is recorded as (requirements PAY-06)."""

DEFAULT_REFUND_REASON: Final = "requested_by_customer"
"""Requirements REF-01."""


class PaymentNotFound(NotFound):
    """There is no such payment, or it is a stranger's."""

    code = "PAYMENT_NOT_FOUND"


class RefundNotFound(NotFound):
    """Nobody asked for this refund of this payment."""

    code = "REFUND_NOT_FOUND"


class OrderNotPayable(RuleViolation):
    """Only a pending order can be paid."""

    code = "ORDER_NOT_PAYABLE"


class PaymentAlreadyOpen(RuleViolation):
    """The order is already being paid through this provider; a second attempt at the same time could charge twice."""

    code = "PAYMENT_ALREADY_OPEN"


class PaymentProviderUnavailable(InvalidInput):
    """The provider is unknown, switched off, or does not take the order's currency (requirements PAY-01, PAY-09)."""

    code = "PAYMENT_PROVIDER_UNAVAILABLE"


class ProviderReferenceTaken(RuleViolation):
    """The provider's name for a transaction belongs to another payment, or the payment goes by another name."""

    code = "PROVIDER_REFERENCE_TAKEN"


class PaymentNotCancellable(RuleViolation):
    """The money has moved: ask for a refund."""

    code = "PAYMENT_NOT_CANCELLABLE"


class PaymentNotRefundable(RuleViolation):
    """No money has moved, so that none can go back."""

    code = "PAYMENT_NOT_REFUNDABLE"


class RefundExceedsPayment(InvalidInput):
    """More would go back than came in."""

    code = "REFUND_EXCEEDS_PAYMENT"


class PaymentAmountInvalid(InvalidInput):
    """An amount that no payment or refund can have."""

    def __init__(self, message: str, *, rule: str) -> None:
        """`rule` is `range` or `currency`."""
        super().__init__(message, problems=[Problem("amount", message, rule)])


class PaymentStatus(StrEnum):
    """How far the money has come (requirements PAY-04)."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    PARTIALLY_REFUNDED = "partially_refunded"


class RefundStatus(StrEnum):
    """How far one refund has come."""

    REQUESTED = "requested"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """One refund of a payment."""

    refund_id: UUID
    amount: Money
    reason: str
    status: RefundStatus


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """The last report of the provider that did not fit."""

    received: Money
    provider_event_id: str | None


class Payment(State, frozen=True, kw_only=True):
    """One attempt to pay for an order, as it stands after its last event.

    `refunded_minor` is what was given back; `refunds` are all that were asked for, in order.
    """

    payment_id: UUID
    order_id: UUID
    order_number: str
    customer_id: UUID
    provider: str
    method: str
    amount: Money
    status: PaymentStatus = PaymentStatus.PENDING
    reference: str | None = None
    provider_transaction_id: str | None = None
    failure_reason: str | None = None
    mismatch: Mismatch | None = None
    refunded_minor: int = 0
    refunds: tuple[Refund, ...] = ()

    @property
    def stream_id(self) -> UUID:
        """The payment's own id."""
        return self.payment_id

    @property
    def has_succeeded(self) -> bool:
        """Whether the money came in; stays true when it went back."""
        match self.status:
            case PaymentStatus.SUCCEEDED | PaymentStatus.PARTIALLY_REFUNDED | PaymentStatus.REFUNDED:
                return True
            case PaymentStatus.PENDING | PaymentStatus.FAILED | PaymentStatus.CANCELLED:
                return False
            case _:
                assert_never(self.status)

    @property
    def refundable(self) -> Money:
        """What can still be asked back: the amount less what went back and what is on its way; zero before success."""
        if not self.has_succeeded:
            return Money(0, self.amount.currency)
        underway = sum(r.amount.minor for r in self.refunds if r.status is RefundStatus.REQUESTED)
        return Money(self.amount.minor - self.refunded_minor - underway, self.amount.currency)

    def refund(self, refund_id: UUID) -> Refund | None:
        """One refund that was asked for."""
        return next((refund for refund in self.refunds if refund.refund_id == refund_id), None)

    # --- decisions -----------------------------------------------------------------------------------------

    @staticmethod
    def initiate(
        *,
        order_id: UUID,
        order_number: str,
        customer_id: UUID,
        provider: str,
        amount: Money,
        method: str = DEFAULT_METHOD,
        reference: str | None = None,
    ) -> list[PaymentEvent]:
        """Begin an attempt. `reference` is the provider's name for it, when that is known in advance.

        Raises:
            PaymentAmountInvalid: the amount is negative.
        """
        if amount.minor < 0:
            raise PaymentAmountInvalid(f"Nobody can pay {amount}.", rule="range")
        return [
            PaymentInitiated(
                order_id=order_id,
                order_number=order_number,
                customer_id=customer_id,
                provider=provider,
                amount=amount,
                method=method,
                reference=reference,
            )
        ]

    def assign_reference(self, *, reference: str) -> list[PaymentEvent]:
        """Learn the provider's name for this payment. Learning it twice is learning it once.

        Raises:
            ProviderReferenceTaken: the payment goes by another name already.
        """
        if self.reference == reference:
            return []
        if self.reference is not None:
            raise ProviderReferenceTaken(
                f"Payment {self.payment_id} has another reference at {self.provider}."
            )
        return [ProviderReferenceAssigned(provider=self.provider, reference=reference)]

    def succeed(
        self,
        *,
        provider_transaction_id: str,
        received: Money,
        at: datetime,
        method_details: MethodDetails | None = None,
        provider_event_id: str | None = None,
    ) -> list[PaymentEvent]:
        """The provider says that it has the money.

        That wins over whatever was said before, for the money is there; saying it again changes nothing. Another amount
        or currency than was asked for is only recorded, once for each report (requirements PAY-07, PAY-08).
        """
        if received != self.amount:
            if self.mismatch == Mismatch(received=received, provider_event_id=provider_event_id):
                return []
            return [
                PaymentMismatchDetected(
                    expected=self.amount, received=received, provider_event_id=provider_event_id
                )
            ]
        if self.has_succeeded:
            return []
        return [
            PaymentSucceeded(
                provider=self.provider,
                provider_transaction_id=provider_transaction_id,
                amount=received,
                performed_at=at,
                method_details=without_card_data(method_details),
            )
        ]

    def fail(self, *, reason: str = DEFAULT_FAILURE, provider_code: str | None = None) -> list[PaymentEvent]:
        """The provider says that it could not take the money; that is news of a pending payment only."""
        if self.status is not PaymentStatus.PENDING:
            return []
        return [PaymentFailed(reason=reason, provider_code=provider_code)]

    def cancel(self, *, reason: str, at: datetime, provider_code: str | None = None) -> list[PaymentEvent]:
        """Call the attempt off. One that came to nothing already needs no calling off.

        Raises:
            PaymentNotCancellable: the money has moved.
        """
        if self.has_succeeded:
            raise PaymentNotCancellable(
                f"Payment {self.payment_id} is {self.status}.", details={"status": self.status.value}
            )
        return self.note_cancellation(reason=reason, at=at, provider_code=provider_code)

    def note_cancellation(
        self, *, reason: str, at: datetime, provider_code: str | None = None
    ) -> list[PaymentEvent]:
        """The provider says that the attempt was called off; that is news of a pending payment only."""
        if self.status is not PaymentStatus.PENDING:
            return []
        return [PaymentCancelled(reason=reason, provider_code=provider_code, cancelled_at=at)]

    def request_refund(
        self,
        *,
        refund_id: UUID,
        amount: Money | None = None,
        reason: str = DEFAULT_REFUND_REASON,
        by: UUID | None = None,
    ) -> list[PaymentEvent]:
        """Ask for `amount` back, or for all that is left. Asking again under the same id changes nothing.

        Raises:
            PaymentNotRefundable: no money came in.
            PaymentAmountInvalid: the amount is not positive, or in another currency.
            RefundExceedsPayment: refunds done and underway leave less than that, or nothing.
        """
        if self.refund(refund_id) is not None:
            return []
        if not self.has_succeeded:
            raise PaymentNotRefundable(
                f"Payment {self.payment_id} is {self.status}.", details={"status": self.status.value}
            )
        left = self.refundable
        wanted = left if amount is None else amount
        if wanted.currency != left.currency:
            raise PaymentAmountInvalid(f"The payment is in {left.currency}.", rule="currency")
        if amount is not None and amount.minor < 1:
            raise PaymentAmountInvalid(f"A refund is more than nothing, not {amount}.", rule="range")
        if wanted.minor > left.minor or left.minor == 0:
            raise RefundExceedsPayment(
                f"Only {left} of payment {self.payment_id} can still be refunded.",
                details={"refundable": left.minor, "currency": left.currency},
            )
        return [RefundRequested(refund_id=refund_id, amount=wanted, reason=reason, by=by)]

    def record_refund(
        self, *, refund_id: UUID, at: datetime, provider_refund_id: str | None = None
    ) -> list[PaymentEvent]:
        """The provider says that the money of one refund went back, also after it had said that this failed.

        Raises:
            RefundNotFound: nobody asked for it.
            RefundExceedsPayment: it had failed, and other refunds have taken its place since.
        """
        refund = self._requested(refund_id)
        match refund.status:
            case RefundStatus.SUCCEEDED:
                return []
            case RefundStatus.FAILED:
                if refund.amount.minor > self.refundable.minor:
                    raise RefundExceedsPayment(
                        f"Other refunds of payment {self.payment_id} have taken the place of refund {refund_id}.",
                        details={"refundId": str(refund_id), "refundable": self.refundable.minor},
                    )
            case RefundStatus.REQUESTED:
                pass
            case _:
                assert_never(refund.status)
        total = self.refunded_minor + refund.amount.minor
        return [
            PaymentRefunded(
                refund_id=refund_id,
                amount=refund.amount,
                total_refunded=Money(total, self.amount.currency),
                full=total == self.amount.minor,
                provider_refund_id=provider_refund_id,
                refunded_at=at,
            )
        ]

    def record_refund_failure(self, *, refund_id: UUID, reason: str) -> list[PaymentEvent]:
        """The provider says that the money of one refund did not go back; no news when it had gone, or had failed.

        Raises:
            RefundNotFound: nobody asked for it.
        """
        if self._requested(refund_id).status is not RefundStatus.REQUESTED:
            return []
        return [RefundFailed(refund_id=refund_id, reason=reason)]

    def _requested(self, refund_id: UUID) -> Refund:
        refund = self.refund(refund_id)
        if refund is None:
            raise RefundNotFound(f"Payment {self.payment_id} has no refund {refund_id}.")
        return refund


def evolve(payment: Payment | None, event: PaymentEvent, stream_id: UUID) -> Payment:
    """Fold one recorded fact into the state."""
    if isinstance(event, PaymentInitiated):
        return Payment(
            payment_id=stream_id,
            order_id=event.order_id,
            order_number=event.order_number,
            customer_id=event.customer_id,
            provider=event.provider,
            method=event.method,
            amount=event.amount,
            reference=event.reference,
        )
    assert payment is not None, f"stream {stream_id} of a payment begins with PaymentInitiated"
    match event:
        case ProviderReferenceAssigned():
            return msgspec.structs.replace(payment, reference=event.reference)
        case PaymentSucceeded():
            return msgspec.structs.replace(
                payment,
                status=PaymentStatus.SUCCEEDED,
                provider_transaction_id=event.provider_transaction_id,
                failure_reason=None,
            )
        case PaymentFailed():
            return msgspec.structs.replace(payment, status=PaymentStatus.FAILED, failure_reason=event.reason)
        case PaymentCancelled():
            return msgspec.structs.replace(payment, status=PaymentStatus.CANCELLED)
        case PaymentMismatchDetected():
            seen = Mismatch(received=event.received, provider_event_id=event.provider_event_id)
            return msgspec.structs.replace(payment, mismatch=seen)
        case RefundRequested():
            refund = Refund(
                refund_id=event.refund_id,
                amount=event.amount,
                reason=event.reason,
                status=RefundStatus.REQUESTED,
            )
            return msgspec.structs.replace(payment, refunds=(*payment.refunds, refund))
        case PaymentRefunded():
            return msgspec.structs.replace(
                payment,
                status=PaymentStatus.REFUNDED if event.full else PaymentStatus.PARTIALLY_REFUNDED,
                refunded_minor=event.total_refunded.minor,
                refunds=_with_status(payment.refunds, event.refund_id, RefundStatus.SUCCEEDED),
            )
        case RefundFailed():
            return msgspec.structs.replace(
                payment, refunds=_with_status(payment.refunds, event.refund_id, RefundStatus.FAILED)
            )
        case _:
            assert_never(event)


def _with_status(refunds: tuple[Refund, ...], refund_id: UUID, status: RefundStatus) -> tuple[Refund, ...]:
    return tuple(
        msgspec.structs.replace(refund, status=status) if refund.refund_id == refund_id else refund
        for refund in refunds
    )
