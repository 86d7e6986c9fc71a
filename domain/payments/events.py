"""Facts about payments. One stream an attempt; a new attempt is a new stream (requirements PAY-06).

Amounts are what the customer pays, in the currency of the order. Card numbers, client secrets and other means to move
money never enter a fact (requirements PAY-11, ES-18).
"""

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from domain.shared.events import DomainEvent
from domain.shared.money import Money


class MethodDetails(msgspec.Struct, frozen=True, kw_only=True):
    """By what means was paid, as far as we want to know: the type (`card`), the last four digits, the brand."""

    type: str
    last4: str | None = None
    brand: str | None = None


class PaymentInitiated(DomainEvent, frozen=True, kw_only=True):
    """A customer began to pay for an order through a provider; no money has moved.

    `reference` is the provider's name for the payment where that is known in advance.
    """

    order_id: UUID
    order_number: str
    customer_id: UUID
    provider: str
    amount: Money
    method: str
    reference: str | None = None


class ProviderReferenceAssigned(DomainEvent, frozen=True, kw_only=True):
    """The provider knows this payment by this name from now on."""

    provider: str
    reference: str


class PaymentSucceeded(DomainEvent, frozen=True, kw_only=True):
    """The provider has the customer's money. `performed_at` is the provider's time, or ours when it gives none."""

    provider: str
    provider_transaction_id: str
    amount: Money
    performed_at: datetime
    method_details: MethodDetails | None = None


class PaymentFailed(DomainEvent, frozen=True, kw_only=True):
    """The provider could not take the money; the order stays as it is and may be paid anew."""

    reason: str
    provider_code: str | None = None


class PaymentCancelled(DomainEvent, frozen=True, kw_only=True):
    """The attempt was called off before money moved."""

    reason: str
    cancelled_at: datetime
    provider_code: str | None = None


class PaymentMismatchDetected(DomainEvent, frozen=True, kw_only=True):
    """A provider reported another amount or currency than was asked for; people must look (requirements PAY-08)."""

    expected: Money
    received: Money
    provider_event_id: str | None = None


class RefundRequested(DomainEvent, frozen=True, kw_only=True):
    """Money is to go back to the customer. `by` is the account that asked, `None` when a rule of ours did."""

    refund_id: UUID
    amount: Money
    reason: str
    by: UUID | None = None


class PaymentRefunded(DomainEvent, frozen=True, kw_only=True):
    """The provider gave `amount` back; `total_refunded` is the sum of all that was, `full` that nothing is left."""

    refund_id: UUID
    amount: Money
    total_refunded: Money
    full: bool
    refunded_at: datetime
    provider_refund_id: str | None = None


class RefundFailed(DomainEvent, frozen=True, kw_only=True):
    """The provider did not give the money back; it may be asked for again, as a new refund."""

    refund_id: UUID
    reason: str


PaymentEvent: TypeAlias = (
    PaymentInitiated
    | ProviderReferenceAssigned
    | PaymentSucceeded
    | PaymentFailed
    | PaymentCancelled
    | PaymentMismatchDetected
    | RefundRequested
    | PaymentRefunded
    | RefundFailed
)
