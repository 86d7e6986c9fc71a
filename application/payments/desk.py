"""Where our payments meet their providers: ask outside, then record what was answered.

Nothing here decides: every answer goes through the same commands as the provider's callbacks, so that it does not matter
which of the two comes first, or how often (requirements PAY-07, STR-04).
"""

from typing import Any, Protocol, assert_never
from uuid import UUID

import msgspec

from application.payments.commands import (
    AssignProviderReference,
    CancelPayment,
    RecordPaymentFailure,
    RecordPaymentSuccess,
    RecordRefund,
    RecordRefundFailure,
    ShowPayment,
)
from application.payments.ports import (
    BegunPayment,
    GatewayRegistry,
    PaymentRequest,
    ProviderAway,
    ProviderState,
    ProviderStatus,
    RefundState,
)
from application.shared.caller import SYSTEM, ActorKind, Caller
from application.shared.command import Command, Done
from domain.payments.payment import (
    DEFAULT_FAILURE,
    Payment,
    PaymentNotCancellable,
    RefundNotFound,
    RefundStatus,
)


class Commands(Protocol):
    """The command loop, as far as it is needed here."""

    async def submit(self, command: Command, caller: Caller) -> Done[Any]:
        """Have a command decided; returns once its events are durable."""
        ...


class PaymentDesk:
    """Carries questions to providers and answers home."""

    def __init__(self, gateways: GatewayRegistry, commands: Commands) -> None:
        """`gateways` are the providers that are switched on; each ends every call in time (see the port)."""
        self._gateways = gateways
        self._commands = commands

    async def begin(self, payment: Payment, caller: Caller) -> BegunPayment:
        """Make an opened payment known to its provider; doing so again answers the same.

        Raises:
            PaymentProviderUnavailable: the provider was switched off.
            ProviderAway: try again; the payment is open and waits.
        """
        gateway = self._gateways.get(payment.provider)
        begun = await gateway.begin(PaymentRequest.of(payment))
        if payment.reference != begun.reference:
            learned = AssignProviderReference(payment_id=payment.payment_id, reference=begun.reference)
            await self._commands.submit(learned, _house_for(caller))
        return begun

    async def recheck(self, payment_id: UUID, caller: Caller) -> Payment:
        """Ask the provider how a payment of the caller's stands, and record it as its callback would be.

        Raises:
            PaymentNotFound: there is none, or it is a stranger's.
            PaymentProviderUnavailable, ProviderAway: see `begin`.
        """
        payment = await self._show(payment_id, caller)
        gateway = self._gateways.get(payment.provider)
        status = await gateway.check(PaymentRequest.of(payment))
        await self._record(payment, status, caller)
        return await self._show(payment_id, caller)

    async def cancel(self, payment_id: UUID, caller: Caller, reason: str) -> Done[Payment]:
        """Keep the customer from paying, then call the payment off.

        Raises:
            PaymentNotFound: there is none, or it is a stranger's.
            PaymentNotCancellable: the money has moved; when that was news, it has been recorded.
            PaymentProviderUnavailable, ProviderAway: see `begin`.
        """
        payment = await self._show(payment_id, caller)
        if not payment.has_succeeded:
            gateway = self._gateways.get(payment.provider)
            status = await gateway.cancel(PaymentRequest.of(payment))
            if status.state is ProviderState.SUCCEEDED:
                await self._record(payment, status, caller)
                raise PaymentNotCancellable(f"Payment {payment_id} has been paid.")
            if status.state is ProviderState.PENDING:
                raise ProviderAway("The payment provider has not called the payment off yet.")
        return await self._commands.submit(CancelPayment(payment_id=payment_id, reason=reason), caller)

    async def carry_out_refund(self, payment_id: UUID, refund_id: UUID) -> Payment:
        """Have the provider give back what was asked for; a refund that is settled already is left alone.

        Raises:
            PaymentNotFound, RefundNotFound: nobody asked for it.
            PaymentProviderUnavailable, ProviderAway: see `begin`.
        """
        payment = await self._show(payment_id, SYSTEM)
        refund = payment.refund(refund_id)
        if refund is None:
            raise RefundNotFound(f"Payment {payment_id} has no refund {refund_id}.")
        if refund.status is not RefundStatus.REQUESTED:
            return payment
        gateway = self._gateways.get(payment.provider)
        result = await gateway.refund(PaymentRequest.of(payment), refund_id, refund.amount, refund.reason)
        command: Command
        match result.state:
            case RefundState.PENDING:
                return payment
            case RefundState.SUCCEEDED:
                command = RecordRefund(
                    payment_id=payment_id,
                    refund_id=refund_id,
                    provider_refund_id=result.provider_refund_id,
                )
            case RefundState.FAILED:
                command = RecordRefundFailure(
                    payment_id=payment_id, refund_id=refund_id, reason=result.reason or "Refund failed"
                )
            case _:
                assert_never(result.state)
        done: Done[Payment] = await self._commands.submit(command, SYSTEM)
        return done.result

    async def _show(self, payment_id: UUID, caller: Caller) -> Payment:
        done: Done[Payment] = await self._commands.submit(ShowPayment(payment_id=payment_id), caller)
        return done.result

    async def _record(self, payment: Payment, status: ProviderStatus, caller: Caller) -> None:
        command = _told(payment, status)
        if command is not None:
            await self._commands.submit(command, _provider_for(caller))


def _told(payment: Payment, status: ProviderStatus) -> Command | None:
    """What the provider's callback would have said; `None` when there is nothing to say yet."""
    payment_id = payment.payment_id
    match status.state:
        case ProviderState.PENDING:
            return None
        case ProviderState.SUCCEEDED:
            if status.provider_transaction_id is None or status.received is None:
                raise AssertionError(f"{payment.provider} names no transaction and amount of a success")
            return RecordPaymentSuccess(
                payment_id=payment_id,
                provider_transaction_id=status.provider_transaction_id,
                received=status.received,
                method_details=status.method_details,
                performed_at=status.performed_at,
            )
        case ProviderState.FAILED:
            return RecordPaymentFailure(
                payment_id=payment_id,
                reason=status.reason or DEFAULT_FAILURE,
                provider_code=status.provider_code,
            )
        case ProviderState.CANCELLED:
            return CancelPayment(
                payment_id=payment_id,
                reason=status.reason or "cancelled_by_provider",
                provider_code=status.provider_code,
            )
        case _:
            assert_never(status.state)


def _house_for(caller: Caller) -> Caller:
    return msgspec.structs.replace(SYSTEM, correlation_id=caller.correlation_id, trace_id=caller.trace_id)


def _provider_for(caller: Caller) -> Caller:
    return Caller(
        actor_kind=ActorKind.WEBHOOK, correlation_id=caller.correlation_id, trace_id=caller.trace_id
    )
