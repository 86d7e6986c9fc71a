"""Money is asked back by a rule of the house, in the commit of what made it necessary (requirements ORD-19, PAY-07)."""

from typing import Final
from uuid import UUID

from application.shared.unit import Unit
from domain.payments.payment import Payment, PaymentNotFound
from domain.shared.claims import derived_id
from domain.shared.money import Money

ORDER_CANCELLED: Final = "order_cancelled"
"""The order was called off: before the money came, or after."""

ORDER_ALREADY_PAID: Final = "order_already_paid"
"""Another payment had paid the order before."""


def request_refund_in(
    unit: Unit, payment_id: UUID, amount: Money | None, reason: str, *, by: UUID | None = None
) -> Payment:
    """Ask for `amount` back, or for all that is left; with nothing left there is nothing to ask for.

    Asking twice for the same reason is asking once. `by` is the account that brought it about, `None` for the house.

    Raises:
        PaymentNotFound: there is no such payment.
        PaymentNotRefundable: no money came in.
        RefundExceedsPayment: less than `amount` is left.
    """
    payment = unit.get(Payment, payment_id, missing=PaymentNotFound(f"No payment {payment_id}."))
    if amount is None and payment.has_succeeded and not payment.refundable:
        return payment
    refund_id = derived_id("refund", f"{payment_id}:{reason}")
    events = payment.request_refund(refund_id=refund_id, amount=amount, reason=reason, by=by)
    return unit.record(payment, events)
