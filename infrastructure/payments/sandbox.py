"""The sandbox: a payment provider for development that moves no money and does as it is told.

It keeps nothing, so that any number of processes are one sandbox: its names for payments follow from ours, and how a
payment stands with it is how we have recorded it. Settings refuse it in production.
"""

import hashlib
import hmac
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never
from uuid import UUID

from application.payments.commands import CancelPayment, RecordPaymentFailure, RecordPaymentSuccess
from application.payments.ports import (
    BegunPayment,
    PaymentRequest,
    ProviderState,
    ProviderStatus,
    RefundResult,
    RefundState,
)
from domain.payments.events import MethodDetails
from domain.payments.payment import PaymentStatus
from domain.shared.money import Money

_SHORTEST_KEY: Final = 16
_PURPOSE: Final = b"sandbox client secret\0"
_METHOD: Final = MethodDetails(type="sandbox")
_FAILED: Final = "The sandbox was told to fail"
_CANCELLED: Final = "cancelled_in_sandbox"


class SandboxOutcome(StrEnum):
    """What the sandbox can be told to do with a payment."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SandboxGateway:
    """The payment gateway of the sandbox. It never fails, never waits and takes any currency."""

    def __init__(self, key: bytes) -> None:
        """`key` signs client secrets; every process of one installation needs the same.

        Raises:
            ValueError: the key is shorter than 16 bytes.
        """
        if len(key) < _SHORTEST_KEY:
            raise ValueError(f"The sandbox's key needs at least {_SHORTEST_KEY} bytes.")
        self._key = key

    @property
    def name(self) -> str:
        """As in settings and facts."""
        return "sandbox"

    @property
    def currencies(self) -> frozenset[str] | None:
        """Any."""
        return None

    def reference_for(self, payment_id: UUID) -> str:
        """`sbx_` and the payment's id."""
        return f"sbx_{payment_id.hex}"

    async def begin(self, payment: PaymentRequest) -> BegunPayment:
        """Answer the payment's client secret, the same one each time; it is made anew and kept nowhere."""
        reference = self.reference_for(payment.payment_id)
        signature = hmac.new(self._key, _PURPOSE + payment.payment_id.bytes, hashlib.sha256).hexdigest()
        return BegunPayment(reference=reference, client_secret=f"{reference}_secret_{signature}")

    async def check(self, payment: PaymentRequest) -> ProviderStatus:
        """How the payment stands is how it was recorded: nothing happens in the sandbox unseen."""
        match payment.status:
            case PaymentStatus.PENDING:
                return ProviderStatus(state=ProviderState.PENDING)
            case PaymentStatus.FAILED:
                return ProviderStatus(state=ProviderState.FAILED, reason=_FAILED)
            case PaymentStatus.CANCELLED:
                return ProviderStatus(state=ProviderState.CANCELLED, reason=_CANCELLED)
            case PaymentStatus.SUCCEEDED | PaymentStatus.PARTIALLY_REFUNDED | PaymentStatus.REFUNDED:
                return ProviderStatus(
                    state=ProviderState.SUCCEEDED,
                    provider_transaction_id=self.reference_for(payment.payment_id),
                    received=payment.amount,
                    method_details=_METHOD,
                )
            case _:
                assert_never(payment.status)

    async def cancel(self, payment: PaymentRequest) -> ProviderStatus:
        """Whatever is still pending is called off."""
        if payment.status is PaymentStatus.PENDING:
            return ProviderStatus(state=ProviderState.CANCELLED, reason=_CANCELLED)
        return await self.check(payment)

    async def refund(
        self, payment: PaymentRequest, refund_id: UUID, amount: Money, reason: str
    ) -> RefundResult:
        """Every refund succeeds at once; its name follows from ours."""
        return RefundResult(state=RefundState.SUCCEEDED, provider_refund_id=f"sbx_re_{refund_id.hex}")

    def callback(
        self, payment: PaymentRequest, outcome: SandboxOutcome, *, received: Money | None = None, at: datetime
    ) -> RecordPaymentSuccess | RecordPaymentFailure | CancelPayment:
        """What a real provider's callback would ask for, to be submitted as a webhook's wish.

        `received` is what the sandbox pretends to have got (default: the payment's amount), so that mismatches can be
        tried out; it matters to successes only.
        """
        match outcome:
            case SandboxOutcome.SUCCEEDED:
                return RecordPaymentSuccess(
                    payment_id=payment.payment_id,
                    provider_transaction_id=self.reference_for(payment.payment_id),
                    received=payment.amount if received is None else received,
                    method_details=_METHOD,
                    performed_at=at,
                )
            case SandboxOutcome.FAILED:
                return RecordPaymentFailure(payment_id=payment.payment_id, reason=_FAILED)
            case SandboxOutcome.CANCELLED:
                return CancelPayment(payment_id=payment.payment_id, reason=_CANCELLED)
            case _:
                assert_never(outcome)
