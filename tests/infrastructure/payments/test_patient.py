"""A payment provider that does not answer is not waited for, and left alone; one that says no has answered."""

import asyncio
from uuid import UUID

import pytest

from api.errors import failure_of
from application.payments.ports import (
    BegunPayment,
    PaymentRequest,
    ProviderAway,
    ProviderState,
    ProviderStatus,
    ProviderTimedOut,
    RefundResult,
    RefundState,
)
from domain.payments.payment import PaymentNotCancellable
from domain.shared.money import Money
from infrastructure.payments.patient import PatientGateway, patient_registry
from infrastructure.payments.sandbox import SandboxGateway
from tests.infrastructure.outbound.clock import Watch
from tests.infrastructure.payments.test_sandbox import request

REFUND = UUID("01890000-0000-7000-8000-00000000000b")


class Provider:
    """A provider that does as it is told."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.silent = False
        self.asked = 0

    @property
    def name(self) -> str:
        return "stripe"

    @property
    def currencies(self) -> frozenset[str] | None:
        return frozenset({"usd"})

    def reference_for(self, payment_id: UUID) -> str | None:
        return f"pi_{payment_id.int}"

    async def begin(self, payment: PaymentRequest) -> BegunPayment:
        await self._answer()
        return BegunPayment(reference="pi_1")

    async def check(self, payment: PaymentRequest) -> ProviderStatus:
        await self._answer()
        return ProviderStatus(state=ProviderState.PENDING)

    async def cancel(self, payment: PaymentRequest) -> ProviderStatus:
        await self._answer()
        return ProviderStatus(state=ProviderState.CANCELLED)

    async def refund(
        self, payment: PaymentRequest, refund_id: UUID, amount: Money, reason: str
    ) -> RefundResult:
        await self._answer()
        return RefundResult(state=RefundState.SUCCEEDED, provider_refund_id=f"re_{refund_id.int}_{reason}")

    async def _answer(self) -> None:
        self.asked += 1
        if self.silent:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


def patient(provider: Provider, watch: Watch | None = None) -> PatientGateway:
    return PatientGateway(provider, seconds=0.05, monotonic=watch or Watch())


async def fail(gateway: PatientGateway, kind: type[Exception], times: int) -> None:
    for _ in range(times):
        with pytest.raises(kind):
            await gateway.check(request())


async def test_it_is_the_provider_in_everything_else() -> None:
    gateway = patient(Provider())
    assert (gateway.name, gateway.currencies) == ("stripe", frozenset({"usd"}))
    assert gateway.reference_for(REFUND) == f"pi_{REFUND.int}"
    assert (await gateway.begin(request())).reference == "pi_1"
    assert (await gateway.check(request())).state is ProviderState.PENDING
    assert (await gateway.cancel(request())).state is ProviderState.CANCELLED
    refunded = await gateway.refund(request(), REFUND, Money(1, "usd"), "broken")
    assert refunded.provider_refund_id == f"re_{REFUND.int}_broken"


async def test_after_five_failures_in_a_row_it_is_left_alone_for_half_a_minute() -> None:
    provider, watch = Provider(), Watch()
    gateway = patient(provider, watch)
    provider.error = ProviderAway("away")
    await fail(gateway, ProviderAway, 5)
    with pytest.raises(ProviderAway) as left_alone:
        await gateway.refund(request(), REFUND, Money(1, "usd"), "broken")
    assert provider.asked == 5
    answer = failure_of(left_alone.value, "/payments")
    assert (answer.status, answer.code) == (503, "UPSTREAM_UNAVAILABLE")
    assert dict(answer.headers)["retry-after"] == "30"
    watch.now += 30
    provider.error = None
    assert (await gateway.check(request())).state is ProviderState.PENDING


async def test_a_silent_provider_is_told_as_such_and_counts_as_away() -> None:
    provider = Provider()
    provider.silent = True
    gateway = patient(provider)
    with pytest.raises(ProviderTimedOut) as late:
        await gateway.check(request())
    assert (failure_of(late.value, "/").status, late.value.code) == (504, "UPSTREAM_TIMEOUT")
    await fail(gateway, ProviderTimedOut, 4)
    await fail(gateway, ProviderAway, 3)
    assert provider.asked == 5


async def test_a_refusal_is_an_answer() -> None:
    provider = Provider()
    provider.error = PaymentNotCancellable("It has been paid.")
    await fail(patient(provider), PaymentNotCancellable, 7)
    assert provider.asked == 7


def test_every_provider_but_the_sandbox_is_asked_patiently() -> None:
    gateways = patient_registry([Provider(), SandboxGateway(b"a key of tests only")])
    assert {name: type(gateways.get(name)) for name in gateways.names} == {
        "sandbox": SandboxGateway,
        "stripe": PatientGateway,
    }
