"""A payment is opened: its birth and the values that only it may hold, in one commit.

At most one payment of an order is open with a provider at a time (requirements PAY-02), and a provider's name for a
transaction belongs to one payment for ever (ES-14), so that one paid transaction can never confirm two orders.

Values that can only be unique hold no claim (ADR 0010): the payment that comes with a new order, and names that a gateway
makes from the payment's own id.
"""

import re
from typing import Final
from uuid import UUID

from application.shared.unit import Unit
from domain.payments.payment import (
    DEFAULT_METHOD,
    Payment,
    PaymentAlreadyOpen,
    PaymentProviderUnavailable,
    ProviderReferenceTaken,
)
from domain.shared.claims import derived_id
from domain.shared.money import Money

OPEN_PAYMENT: Final = "open_payment"
"""The kind of claim that an open payment holds on its order and provider, unless it came with the order."""

PROVIDER_REFERENCE: Final = "provider_reference"
"""The kind of claim that a payment holds on the provider's names for it."""

_ID: Final = re.compile(r"[0-9a-f]{32}")


def open_payment_in(
    unit: Unit,
    *,
    payment_id: UUID,
    order_id: UUID,
    order_number: str,
    customer_id: UUID,
    provider: str,
    amount: Money,
    method: str = DEFAULT_METHOD,
    reference: str | None = None,
    currencies: frozenset[str] | None = None,
) -> Payment:
    """Begin a payment that nobody has begun, of an order that is not being paid through this provider.

    `reference` is the provider's name for it where that is known in advance. `currencies` are those that the provider
    takes, `None` for any.

    Raises:
        PaymentProviderUnavailable: the provider does not take the currency of `amount`.
        ProviderReferenceTaken: the provider's name for it belongs to another payment.
    """
    if currencies is not None and amount.currency not in currencies:
        raise PaymentProviderUnavailable(
            f"Provider {provider} does not take {amount.currency}.",
            details={"provider": provider, "currency": amount.currency, "currencies": sorted(currencies)},
        )
    events = Payment.initiate(
        order_id=order_id,
        order_number=order_number,
        customer_id=customer_id,
        provider=provider,
        amount=amount,
        method=method,
        reference=reference,
    )
    if reference is not None:
        claim_reference_in(unit, payment_id, provider, reference)
    return unit.create(Payment, payment_id, events)


def claim_order_in(unit: Unit, payment_id: UUID, order_id: UUID, provider: str) -> None:
    """Be the one payment of an order that is open with a provider.

    Raises:
        PaymentAlreadyOpen: another payment is.
    """
    unit.claim(
        OPEN_PAYMENT,
        open_payment_value(order_id, provider),
        payment_id,
        taken=PaymentAlreadyOpen(f"Order {order_id} is already being paid through {provider}."),
    )


def claim_reference_in(unit: Unit, payment_id: UUID, provider: str, reference: str) -> None:
    """Take a provider's name for a transaction, once and for ever. One with the payment's own id in it needs no taking.

    Raises:
        ProviderReferenceTaken: another payment has it.
    """
    if payment_id.hex in reference:
        return
    taken = ProviderReferenceTaken(f"This reference at {provider} belongs to another payment.")
    if _is_named_after_a_payment(unit, provider, reference):
        raise taken
    unit.claim(PROVIDER_REFERENCE, reference_value(provider, reference), payment_id, taken=taken)


def close_in(unit: Unit, payment: Payment) -> None:
    """Let the order be paid anew through the same provider."""
    unit.release(OPEN_PAYMENT, open_payment_value(payment.order_id, payment.provider), payment.payment_id)


def open_payment_value(order_id: UUID, provider: str) -> str:
    """What an open payment claims."""
    return f"{order_id}:{provider}"


def reference_value(provider: str, reference: str) -> str:
    """What a payment claims for each name that the provider has for it."""
    return f"{provider}:{reference}"


def open_payment_claim(order_id: UUID, provider: str) -> UUID:
    """The stream in which the claim of `open_payment_value` lives."""
    return derived_id(OPEN_PAYMENT, open_payment_value(order_id, provider))


def reference_claim(provider: str, reference: str) -> UUID:
    """The stream in which the claim of `reference_value` lives."""
    return derived_id(PROVIDER_REFERENCE, reference_value(provider, reference))


def _is_named_after_a_payment(unit: Unit, provider: str, reference: str) -> bool:
    """Whether the name has the id of one of the provider's payments in it, which holds it without a claim."""
    named = [unit.find(Payment, UUID(hex=found)) for found in _ID.findall(reference)]
    return any(payment is not None and payment.provider == provider for payment in named)
