"""Wishes about payments, and what providers tell us about them."""

from datetime import datetime
from uuid import UUID

from application.shared.command import Command
from domain.payments.events import MethodDetails
from domain.payments.payment import DEFAULT_FAILURE, DEFAULT_METHOD, DEFAULT_REFUND_REASON
from domain.shared.money import Money


class InitiatePayment(Command, frozen=True, kw_only=True):
    """Begin to pay for an own pending order; while an attempt with the provider is open, that one is the answer.

    `currencies` are those that the provider takes, `None` when it takes any; `reference` is the provider's name for the
    payment where it is known in advance.
    """

    payment_id: UUID
    order_id: UUID
    provider: str
    method: str = DEFAULT_METHOD
    reference: str | None = None
    currencies: frozenset[str] | None = None


class ShowPayment(Command, frozen=True, kw_only=True):
    """Look at a payment as the log has it this moment; changes nothing."""

    payment_id: UUID


class AssignProviderReference(Command, frozen=True, kw_only=True):
    """The provider answered by what name it knows the payment."""

    payment_id: UUID
    reference: str


class RecordPaymentSuccess(Command, frozen=True, kw_only=True):
    """A provider says that it has `received` the customer's money.

    `performed_at` is the provider's time, `None` when it gives none. `provider_event_id` names the report, so that one
    that does not fit is recorded once.
    """

    payment_id: UUID
    provider_transaction_id: str
    received: Money
    method_details: MethodDetails | None = None
    performed_at: datetime | None = None
    provider_event_id: str | None = None


class RecordPaymentFailure(Command, frozen=True, kw_only=True):
    """A provider says that it could not take the money."""

    payment_id: UUID
    reason: str = DEFAULT_FAILURE
    provider_code: str | None = None


class CancelPayment(Command, frozen=True, kw_only=True):
    """Call the attempt off; or, when a provider asks, note that it was called off there."""

    payment_id: UUID
    reason: str
    provider_code: str | None = None


class RequestRefund(Command, frozen=True, kw_only=True):
    """Give money back: `amount`, or all that is left when it is `None`."""

    payment_id: UUID
    refund_id: UUID
    amount: Money | None = None
    reason: str = DEFAULT_REFUND_REASON


class RecordRefund(Command, frozen=True, kw_only=True):
    """A provider says that it gave the money of one refund back. `refunded_at` is its time, if it gives any."""

    payment_id: UUID
    refund_id: UUID
    provider_refund_id: str | None = None
    refunded_at: datetime | None = None


class RecordRefundFailure(Command, frozen=True, kw_only=True):
    """A provider says that it did not give the money of one refund back."""

    payment_id: UUID
    refund_id: UUID
    reason: str
