"""How payments and refunds are shown."""

from datetime import datetime
from uuid import UUID

from api.envelope import ResponseBody, Timestamp, timestamp
from api.money import MoneyView
from application.payments.ports import BegunPayment, PaymentGateway
from domain.payments.payment import Mismatch, Payment, Refund
from domain.shared.money import Money
from projections.payments import payment_ledger as ledger


class PaymentMethodView(ResponseBody, frozen=True, kw_only=True):
    """A provider through which can be paid. `currencies` are those that it takes, null when it takes any."""

    name: str
    currencies: list[str] | None

    @classmethod
    def of(cls, gateway: PaymentGateway) -> "PaymentMethodView":
        """Show a provider."""
        currencies = gateway.currencies
        return cls(name=gateway.name, currencies=None if currencies is None else sorted(currencies))


class RefundView(ResponseBody, frozen=True, kw_only=True):
    """One refund: `requested`, `succeeded` or `failed`; `reason` is why it was asked for."""

    refund_id: UUID
    amount: MoneyView
    reason: str
    status: str

    @classmethod
    def of(cls, refund: Refund) -> "RefundView":
        """Show a refund as the log has it."""
        return cls(
            refund_id=refund.refund_id,
            amount=MoneyView.of(refund.amount),
            reason=refund.reason,
            status=refund.status.value,
        )


class RefundDetailView(RefundView, frozen=True, kw_only=True):
    """One refund with its times; `failureReason` is why the provider did not give the money back."""

    requested_at: Timestamp
    settled_at: Timestamp | None
    provider_refund_id: str | None
    failure_reason: str | None

    @classmethod
    def of_entry(cls, refund: ledger.LedgerRefund) -> "RefundDetailView":
        """Show a refund of the ledger."""
        return cls(
            refund_id=refund.refund_id,
            amount=MoneyView.of(refund.amount),
            reason=refund.reason,
            status=refund.status,
            requested_at=timestamp(refund.requested_at),
            settled_at=_when(refund.settled_at),
            provider_refund_id=refund.provider_refund_id,
            failure_reason=refund.failure_reason,
        )


class MismatchView(ResponseBody, frozen=True, kw_only=True):
    """What the provider said that it has, where that is not what was asked for (requirements PAY-08)."""

    received: MoneyView

    @classmethod
    def of(cls, mismatch: Mismatch) -> "MismatchView":
        """Show a mismatch."""
        return cls(received=MoneyView.of(mismatch.received))


class PaymentView(ResponseBody, frozen=True, kw_only=True):
    """One attempt to pay one order.

    `reference` is the provider's name for it (the payment intent), `providerTransactionId` the name of the money that
    came in; `reason` is why it failed; `refunded` is what went back.
    """

    payment_id: UUID
    order_id: UUID
    order_number: str
    provider: str
    method: str
    amount: MoneyView
    status: str
    reference: str | None
    provider_transaction_id: str | None
    reason: str | None
    refunded: MoneyView
    refunds: list[RefundView]
    mismatch: MismatchView | None

    @classmethod
    def of(cls, payment: Payment) -> "PaymentView":
        """Show a payment as the log has it."""
        return cls(
            payment_id=payment.payment_id,
            order_id=payment.order_id,
            order_number=payment.order_number,
            provider=payment.provider,
            method=payment.method,
            amount=MoneyView.of(payment.amount),
            status=payment.status.value,
            reference=payment.reference,
            provider_transaction_id=payment.provider_transaction_id,
            reason=payment.failure_reason,
            refunded=MoneyView.of(Money(payment.refunded_minor, payment.amount.currency)),
            refunds=[RefundView.of(refund) for refund in payment.refunds],
            mismatch=None if payment.mismatch is None else MismatchView.of(payment.mismatch),
        )


class BegunPaymentView(ResponseBody, frozen=True, kw_only=True):
    """A payment, and what the customer needs to go on: `clientSecret` for the browser, or where to be sent.

    Neither is kept; asking again answers the same.
    """

    payment: PaymentView
    payment_id: UUID
    payment_intent_id: str
    client_secret: str | None
    redirect_url: str | None

    @classmethod
    def of(cls, payment: Payment, begun: BegunPayment) -> "BegunPaymentView":
        """Show a payment that its provider knows."""
        return cls(
            payment=PaymentView.of(payment),
            payment_id=payment.payment_id,
            payment_intent_id=begun.reference,
            client_secret=begun.client_secret,
            redirect_url=begun.redirect_url,
        )


class RequestedRefundView(RefundView, frozen=True, kw_only=True):
    """A refund that was asked for just now, and its payment."""

    payment: PaymentView

    @classmethod
    def of_payment(cls, refund_id: UUID, payment: Payment) -> "RequestedRefundView":
        """Show one refund of a payment that has it."""
        refund = payment.refund(refund_id)
        assert refund is not None, "the refund was asked for"
        return cls(
            refund_id=refund.refund_id,
            amount=MoneyView.of(refund.amount),
            reason=refund.reason,
            status=refund.status.value,
            payment=PaymentView.of(payment),
        )


class MethodDetailsView(ResponseBody, frozen=True, kw_only=True):
    """By what means was paid: never more than the type, the last four digits and the brand (requirements PAY-11)."""

    type: str
    last4: str | None
    brand: str | None


class ReportedMismatchView(ResponseBody, frozen=True, kw_only=True):
    """What was asked for, what the provider said it has, and when."""

    expected: MoneyView
    received: MoneyView
    reported_at: Timestamp


class PaymentDetailView(ResponseBody, frozen=True, kw_only=True):
    """One attempt to pay one order with all its times; see `PaymentView`."""

    payment_id: UUID
    order_id: UUID
    order_number: str
    customer_id: UUID
    provider: str
    method: str
    method_details: MethodDetailsView | None
    amount: MoneyView
    status: str
    reference: str | None
    provider_transaction_id: str | None
    reason: str | None
    provider_code: str | None
    refunded: MoneyView
    refunds: list[RefundDetailView]
    mismatches: list[ReportedMismatchView]
    initiated_at: Timestamp
    succeeded_at: Timestamp | None
    failed_at: Timestamp | None
    cancelled_at: Timestamp | None
    updated_at: Timestamp

    @classmethod
    def of(cls, payment: ledger.PaymentView) -> "PaymentDetailView":
        """Show a payment of the ledger."""
        details = None
        if payment.method_type is not None:
            details = MethodDetailsView(
                type=payment.method_type, last4=payment.method_last4, brand=payment.method_brand
            )
        return cls(
            payment_id=payment.payment_id,
            order_id=payment.order_id,
            order_number=payment.order_number,
            customer_id=payment.customer_id,
            provider=payment.provider,
            method=payment.method,
            method_details=details,
            amount=MoneyView.of(payment.amount),
            status=payment.status,
            reference=payment.reference,
            provider_transaction_id=payment.provider_transaction_id,
            reason=payment.reason,
            provider_code=payment.provider_code,
            refunded=MoneyView.of(payment.refunded),
            refunds=[RefundDetailView.of_entry(refund) for refund in payment.refunds],
            mismatches=[
                ReportedMismatchView(
                    expected=MoneyView.of(mismatch.expected),
                    received=MoneyView.of(mismatch.received),
                    reported_at=timestamp(mismatch.reported_at),
                )
                for mismatch in payment.mismatches
            ],
            initiated_at=timestamp(payment.initiated_at),
            succeeded_at=_when(payment.succeeded_at),
            failed_at=_when(payment.failed_at),
            cancelled_at=_when(payment.cancelled_at),
            updated_at=timestamp(payment.updated_at),
        )


def _when(moment: datetime | None) -> Timestamp | None:
    return None if moment is None else timestamp(moment)
