"""Use cases of payments. Providers are called before or after these, never inside (requirements ES-05)."""

from enum import StrEnum
from uuid import UUID

from application.orders.confirmation import confirm_order_in
from application.payments.commands import (
    AssignProviderReference,
    CancelPayment,
    InitiatePayment,
    RecordPaymentFailure,
    RecordPaymentSuccess,
    RecordRefund,
    RecordRefundFailure,
    RequestRefund,
    ShowPayment,
)
from application.payments.opening import (
    OPEN_PAYMENT,
    claim_order_in,
    claim_reference_in,
    close_in,
    open_payment_claim,
    open_payment_in,
    open_payment_value,
    reference_claim,
)
from application.payments.refunding import ORDER_ALREADY_PAID, ORDER_CANCELLED, request_refund_in
from application.shared.caller import ActorKind
from application.shared.command import Command, Outcome
from application.shared.loop import Handler
from application.shared.store import Kind
from application.shared.unit import Unit
from domain.accounts.permissions import Permission
from domain.orders.order import Order, OrderNotFound, OrderStatus
from domain.payments.payment import (
    OrderNotPayable,
    Payment,
    PaymentNotFound,
    PaymentStatus,
    evolve,
)
from domain.shared.claims import Claim
from domain.shared.errors import NotPermitted


class SuccessOutcome(StrEnum):
    """What became of a provider's word that it has the money."""

    ORDER_CONFIRMED = "order_confirmed"
    REFUND_REQUESTED = "refund_requested"
    MISMATCHED = "mismatched"
    KNOWN = "known"


class RecordedSuccess(Outcome, frozen=True, kw_only=True):
    """The payment after a provider said that it has the money, and what that led to."""

    payment: Payment
    outcome: SuccessOutcome

    @property
    def stream_id(self) -> UUID:
        """The payment's."""
        return self.payment.payment_id


def initiate_payment(command: InitiatePayment, unit: Unit) -> Payment:
    """Open a payment for an own order that waits to be paid; an open one with the same provider is the answer."""
    unit.need(
        (Order, command.order_id),
        (Claim, open_payment_claim(command.order_id, command.provider)),
    )
    unknown = OrderNotFound(f"No order {command.order_id}.")
    order = unit.get(Order, command.order_id, missing=unknown)
    if order.customer_id != unit.actor:
        raise unknown
    if order.status is not OrderStatus.PENDING:
        raise OrderNotPayable(
            f"Order {order.order_number} is {order.status.value}.", details={"status": order.status.value}
        )
    first = unit.find(Payment, order.payment_id) if order.payment_id is not None else None
    if first is not None and first.provider == command.provider and first.status is PaymentStatus.PENDING:
        return first
    open_id = unit.holder(OPEN_PAYMENT, open_payment_value(order.order_id, command.provider))
    if open_id is not None:
        return unit.get(Payment, open_id)
    claim_order_in(unit, command.payment_id, order.order_id, command.provider)
    return open_payment_in(
        unit,
        payment_id=command.payment_id,
        order_id=order.order_id,
        order_number=order.order_number,
        customer_id=order.customer_id,
        provider=command.provider,
        amount=order.total,
        method=command.method,
        reference=command.reference,
        currencies=command.currencies,
    )


def show_payment(command: ShowPayment, unit: Unit) -> Payment:
    """A payment of the caller's own, or any for admins, the house and providers."""
    payment = _find(unit, command)
    sees_all = _is_house_or_provider(unit) or unit.caller.acts_for_the_house(Permission.ORDERS_READ)
    if not (sees_all or payment.customer_id == unit.actor):
        raise _unknown(command)
    return payment


def assign_provider_reference(command: AssignProviderReference, unit: Unit) -> Payment:
    """Learn the provider's name for a payment; no other payment may have it."""
    _demand_provider(unit)
    payment = _find(unit, command)
    unit.need((Claim, reference_claim(payment.provider, command.reference)))
    events = payment.assign_reference(reference=command.reference)
    claim_reference_in(unit, payment.payment_id, payment.provider, command.reference)
    return unit.record(payment, events)


def record_payment_success(command: RecordPaymentSuccess, unit: Unit) -> RecordedSuccess:
    """Take a provider's word that the money is there: the order is confirmed and its goods are sold, in one commit.

    Money for an order that cannot use it (cancelled, or paid already) is asked back at once.
    """
    _demand_provider(unit)
    payment = _find(unit, command)
    unit.need((Order, payment.order_id))
    events = payment.succeed(
        provider_transaction_id=command.provider_transaction_id,
        received=command.received,
        at=command.performed_at or unit.now,
        method_details=command.method_details,
        provider_event_id=command.provider_event_id,
    )
    had_succeeded = payment.has_succeeded
    payment = unit.record(payment, events)
    if command.received != payment.amount:
        return RecordedSuccess(payment=payment, outcome=SuccessOutcome.MISMATCHED)
    if had_succeeded:
        return RecordedSuccess(payment=payment, outcome=SuccessOutcome.KNOWN)
    claim_reference_in(unit, payment.payment_id, payment.provider, command.provider_transaction_id)
    order = unit.get(Order, payment.order_id)
    if order.status is OrderStatus.PENDING:
        confirm_order_in(unit, order, payment.payment_id)
        return RecordedSuccess(payment=payment, outcome=SuccessOutcome.ORDER_CONFIRMED)
    is_cancelled = order.status is OrderStatus.CANCELLED
    reason = ORDER_CANCELLED if is_cancelled else ORDER_ALREADY_PAID
    payment = request_refund_in(unit, payment.payment_id, None, reason)
    return RecordedSuccess(payment=payment, outcome=SuccessOutcome.REFUND_REQUESTED)


def record_payment_failure(command: RecordPaymentFailure, unit: Unit) -> Payment:
    """Take a provider's word that it could not take the money; the order may be paid anew."""
    _demand_provider(unit)
    payment = _find(unit, command)
    events = payment.fail(reason=command.reason, provider_code=command.provider_code)
    if events:
        close_in(unit, payment)
    return unit.record(payment, events)


def cancel_payment(command: CancelPayment, unit: Unit) -> Payment:
    """Call a payment off: its customer, an admin or the house; or a provider says that it was called off there."""
    payment = _find(unit, command)
    caller = unit.caller
    if caller.actor_kind is ActorKind.WEBHOOK:
        events = payment.note_cancellation(
            reason=command.reason, at=unit.now, provider_code=command.provider_code
        )
    else:
        if not (caller.is_system or caller.is_admin or payment.customer_id == unit.actor):
            raise _unknown(command)
        events = payment.cancel(reason=command.reason, at=unit.now, provider_code=command.provider_code)
    if events:
        close_in(unit, payment)
    return unit.record(payment, events)


def request_refund(command: RequestRefund, unit: Unit) -> Payment:
    """Give money back: an admin's decision, or the house's."""
    caller = unit.caller
    if not (caller.acts_for_the_house(Permission.PAYMENTS_REFUND) or caller.is_system):
        raise NotPermitted("Only admins refund payments.")
    payment = _find(unit, command)
    events = payment.request_refund(
        refund_id=command.refund_id, amount=command.amount, reason=command.reason, by=caller.actor_id
    )
    return unit.record(payment, events)


def record_refund(command: RecordRefund, unit: Unit) -> Payment:
    """Take a provider's word that money went back; when all of it did, the order that it paid is refunded."""
    _demand_provider(unit)
    payment = _find(unit, command)
    unit.need((Order, payment.order_id))
    at = command.refunded_at or unit.now
    events = payment.record_refund(
        refund_id=command.refund_id, provider_refund_id=command.provider_refund_id, at=at
    )
    payment = unit.record(payment, events)
    if events and payment.status is PaymentStatus.REFUNDED:
        order = unit.get(Order, payment.order_id)
        refunded = order.mark_refunded(payment_id=payment.payment_id, refunded=payment.amount, at=at)
        unit.record(order, refunded)
    return payment


def record_refund_failure(command: RecordRefundFailure, unit: Unit) -> Payment:
    """Take a provider's word that money did not go back."""
    _demand_provider(unit)
    payment = _find(unit, command)
    events = payment.record_refund_failure(refund_id=command.refund_id, reason=command.reason)
    return unit.record(payment, events)


_AboutPayment = (
    ShowPayment
    | AssignProviderReference
    | RecordPaymentSuccess
    | RecordPaymentFailure
    | CancelPayment
    | RequestRefund
    | RecordRefund
    | RecordRefundFailure
)


def _find(unit: Unit, command: _AboutPayment) -> Payment:
    return unit.get(Payment, command.payment_id, missing=_unknown(command))


def _unknown(command: _AboutPayment) -> PaymentNotFound:
    return PaymentNotFound(f"No payment {command.payment_id}.")


def _is_house_or_provider(unit: Unit) -> bool:
    return unit.caller.is_system or unit.caller.actor_kind is ActorKind.WEBHOOK


def _demand_provider(unit: Unit) -> None:
    """What happened to money is for providers to say, and for the house, which asks them."""
    if not _is_house_or_provider(unit):
        raise NotPermitted("Only payment providers report what happened to money.")


HANDLERS: dict[type[Command], Handler] = {
    InitiatePayment: initiate_payment,
    ShowPayment: show_payment,
    AssignProviderReference: assign_provider_reference,
    RecordPaymentSuccess: record_payment_success,
    RecordPaymentFailure: record_payment_failure,
    CancelPayment: cancel_payment,
    RequestRefund: request_refund,
    RecordRefund: record_refund,
    RecordRefundFailure: record_refund_failure,
}

KINDS = (Kind("payment", Payment, evolve),)
