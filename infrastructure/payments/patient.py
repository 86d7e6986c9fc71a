"""A payment provider that is not waited for without end, and left alone while it does not answer (SEC-23, PAY-12)."""

import math
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar
from uuid import UUID

from application.payments.ports import (
    PROVIDER_TIMEOUT_SECONDS,
    BegunPayment,
    GatewayRegistry,
    PaymentGateway,
    PaymentRequest,
    ProviderAway,
    ProviderStatus,
    ProviderTimedOut,
    RefundResult,
)
from domain.shared.money import Money
from infrastructure.outbound.breaker import PAUSE_SECONDS, CircuitBreaker, CircuitOpen
from infrastructure.outbound.patience import within_patience
from infrastructure.payments.sandbox import SandboxGateway

R = TypeVar("R")


def patient_registry(
    gateways: Iterable[PaymentGateway], *, pause_seconds: float = PAUSE_SECONDS
) -> GatewayRegistry:
    """The providers that are switched on, each asked patiently; the sandbox asks nobody, so it is what it is."""
    return GatewayRegistry(
        gateway
        if isinstance(gateway, SandboxGateway)
        else PatientGateway(gateway, pause_seconds=pause_seconds)
        for gateway in gateways
    )


class PatientGateway:
    """Implements `application.payments.ports.PaymentGateway` over another one."""

    def __init__(
        self,
        gateway: PaymentGateway,
        *,
        seconds: float = PROVIDER_TIMEOUT_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Every call ends after `seconds`; a provider that was away five times in a row is left alone for a while."""
        self._gateway = gateway
        self._seconds = seconds
        self._breaker = CircuitBreaker(
            gateway.name, ProviderAway, pause_seconds=pause_seconds, monotonic=monotonic
        )

    @property
    def name(self) -> str:
        """That of the provider."""
        return self._gateway.name

    @property
    def currencies(self) -> frozenset[str] | None:
        """See the port."""
        return self._gateway.currencies

    def reference_for(self, payment_id: UUID) -> str | None:
        """See the port."""
        return self._gateway.reference_for(payment_id)

    async def begin(self, payment: PaymentRequest) -> BegunPayment:
        """See the port."""
        return await self._ask(lambda: self._gateway.begin(payment))

    async def check(self, payment: PaymentRequest) -> ProviderStatus:
        """See the port."""
        return await self._ask(lambda: self._gateway.check(payment))

    async def cancel(self, payment: PaymentRequest) -> ProviderStatus:
        """See the port."""
        return await self._ask(lambda: self._gateway.cancel(payment))

    async def refund(
        self, payment: PaymentRequest, refund_id: UUID, amount: Money, reason: str
    ) -> RefundResult:
        """See the port."""
        return await self._ask(lambda: self._gateway.refund(payment, refund_id, amount, reason))

    async def _ask(self, call: Callable[[], Awaitable[R]]) -> R:
        late = ProviderTimedOut("The payment provider did not answer in time.")
        try:
            async with within_patience(self._breaker, late=late, seconds=self._seconds):
                return await call()
        except CircuitOpen as circuit:
            raise ProviderAway(
                "The payment provider does not answer at the moment.",
                retry_after_seconds=math.ceil(circuit.retry_after_seconds),
            ) from None
