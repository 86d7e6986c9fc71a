"""How payment providers are reached: one port, an adapter a provider (requirements PAY-01).

A gateway is called before a command (its answer is in the command) or after an event, never inside a decision. It keeps
nothing of its own that another process would need: what it must know is in the request.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol
from uuid import UUID

import msgspec

from application.shared.command import Unavailable
from domain.payments.events import MethodDetails
from domain.payments.payment import Payment, PaymentProviderUnavailable, PaymentStatus
from domain.shared.money import Money

PROVIDER_TIMEOUT_SECONDS: Final = 30.0
"""The longest that one call to a provider may take (requirements PAY-12)."""


class ProviderAway(Unavailable):
    """The provider cannot be reached, or broke off; a repeat is harmless, for every call is idempotent."""

    code = "UPSTREAM_UNAVAILABLE"


class ProviderTimedOut(ProviderAway):
    """The provider did not answer in time; what it did is unknown until it is asked again."""

    code = "UPSTREAM_TIMEOUT"


class PaymentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a gateway may know of a payment. `reference` and `provider_transaction_id` are the provider's own names."""

    payment_id: UUID
    order_id: UUID
    order_number: str
    customer_id: UUID
    amount: Money
    method: str
    status: PaymentStatus
    reference: str | None
    provider_transaction_id: str | None

    @staticmethod
    def of(payment: Payment) -> "PaymentRequest":
        """The request that stands for a payment."""
        return PaymentRequest(
            payment_id=payment.payment_id,
            order_id=payment.order_id,
            order_number=payment.order_number,
            customer_id=payment.customer_id,
            amount=payment.amount,
            method=payment.method,
            status=payment.status,
            reference=payment.reference,
            provider_transaction_id=payment.provider_transaction_id,
        )


class BegunPayment(msgspec.Struct, frozen=True, kw_only=True):
    """What the customer needs to go on. Neither is ever kept.

    `client_secret` lets the customer's browser pay with the provider; `redirect_url` is where to send the customer.
    """

    reference: str
    client_secret: str | None = None
    redirect_url: str | None = None

    def __repr__(self) -> str:
        """Without the secret, and without the address, which may hold one."""
        return f"BegunPayment(reference={self.reference!r})"


class ProviderState(StrEnum):
    """How far the money has come, as the provider sees it."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ProviderStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider answers when it is asked about a payment.

    `provider_transaction_id` and `received` are there whenever `state` is `succeeded`; `reason` and `provider_code` say
    why it failed or was called off.
    """

    state: ProviderState
    provider_transaction_id: str | None = None
    received: Money | None = None
    method_details: MethodDetails | None = None
    performed_at: datetime | None = None
    reason: str | None = None
    provider_code: str | None = None


class RefundState(StrEnum):
    """How far a refund has come, as the provider sees it; `pending` ones are settled by a callback."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class RefundResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider answers when it is to give money back; `reason` says why it does not."""

    state: RefundState
    provider_refund_id: str | None = None
    reason: str | None = None


class PaymentGateway(Protocol):
    """One provider. Every asynchronous method may raise `ProviderAway` and may be called again.

    None takes longer than `PROVIDER_TIMEOUT_SECONDS`: whoever is registered is wrapped so that it does not.
    """

    @property
    def name(self) -> str:
        """What the provider is called in settings, requests and facts."""
        ...

    @property
    def currencies(self) -> frozenset[str] | None:
        """Which currencies it takes, ISO 4217 in lower case; `None` when it takes any."""
        ...

    def reference_for(self, payment_id: UUID) -> str | None:
        """The provider's name for a payment, where that follows from ours; else `begin` tells it."""
        ...

    async def begin(self, payment: PaymentRequest) -> BegunPayment:
        """Make the payment known to the provider; called after the commit of its birth, idempotent by its id."""
        ...

    async def check(self, payment: PaymentRequest) -> ProviderStatus:
        """How the payment stands now, whatever callbacks have said or have yet to say."""
        ...

    async def cancel(self, payment: PaymentRequest) -> ProviderStatus:
        """Keep the customer from paying; answers how the payment stands then, which may be `succeeded`."""
        ...

    async def refund(
        self, payment: PaymentRequest, refund_id: UUID, amount: Money, reason: str
    ) -> RefundResult:
        """Give money back; idempotent by `refund_id`."""
        ...


class GatewayRegistry:
    """The providers that are switched on, by name."""

    def __init__(self, gateways: Iterable[PaymentGateway]) -> None:
        """Names are unique: two gateways of one name are a fault of assembly."""
        self._gateways: dict[str, PaymentGateway] = {}
        for gateway in gateways:
            if gateway.name in self._gateways:
                raise ValueError(f"Two payment gateways are called {gateway.name}.")
            self._gateways[gateway.name] = gateway

    @property
    def names(self) -> tuple[str, ...]:
        """What can be asked for, in alphabetical order."""
        return tuple(sorted(self._gateways))

    def get(self, name: str) -> PaymentGateway:
        """The gateway of a provider.

        Raises:
            PaymentProviderUnavailable: the provider is unknown or switched off.
        """
        gateway = self._gateways.get(name)
        if gateway is None:
            raise PaymentProviderUnavailable(
                "This payment provider is not available.", details={"available": list(self.names)}
            )
        return gateway
