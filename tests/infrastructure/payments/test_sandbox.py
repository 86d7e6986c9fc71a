"""The sandbox is a payment provider that does as it is told, and remembers nothing."""

from uuid import UUID

import msgspec
import pytest

from application.payments.commands import CancelPayment, RecordPaymentFailure, RecordPaymentSuccess
from application.payments.ports import PaymentGateway, PaymentRequest, ProviderState, RefundState
from domain.payments.events import MethodDetails
from domain.payments.payment import Payment, PaymentStatus
from domain.shared.money import Money
from infrastructure.payments.sandbox import SandboxGateway, SandboxOutcome
from tests.support.commands import NOON

KEY = b"a key for tests only"
PAYMENT = UUID("01890000-0000-7000-8000-00000000000a")
REFERENCE = "sbx_0189000000007000800000000000000a"
PRICE = Money(12_50, "uzs")


def sandbox() -> SandboxGateway:
    return SandboxGateway(KEY)


def request(status: PaymentStatus = PaymentStatus.PENDING) -> PaymentRequest:
    return PaymentRequest.of(
        Payment(
            payment_id=PAYMENT,
            order_id=UUID(int=1),
            order_number="ORD-20260501-00001",
            customer_id=UUID(int=2),
            provider="sandbox",
            method="card",
            amount=PRICE,
            status=status,
        )
    )


def test_it_keeps_the_port_of_payment_providers() -> None:
    gateway: PaymentGateway = sandbox()
    assert gateway.name == "sandbox"
    assert gateway.currencies is None


async def test_it_names_payments_after_ours_before_being_asked() -> None:
    begun = await sandbox().begin(request())
    assert begun.reference == sandbox().reference_for(PAYMENT) == REFERENCE


async def test_every_process_with_the_same_key_answers_the_same_secret() -> None:
    assert (await sandbox().begin(request())).client_secret == (
        await sandbox().begin(request())
    ).client_secret


async def test_another_key_makes_another_secret() -> None:
    other = await SandboxGateway(b"another key for tests").begin(request())
    assert other.client_secret != (await sandbox().begin(request())).client_secret


async def test_the_secret_of_one_payment_says_nothing_about_anothers() -> None:
    begun = await sandbox().begin(request())
    other = await sandbox().begin(msgspec.structs.replace(request(), payment_id=UUID(int=99)))
    assert begun.client_secret is not None
    assert other.client_secret is not None
    assert begun.client_secret.rpartition("_")[2] != other.client_secret.rpartition("_")[2]


async def test_the_secret_is_not_shown_by_accident() -> None:
    begun = await sandbox().begin(request())
    assert begun.client_secret is not None
    assert begun.client_secret not in f"{begun} {begun!r}"


def test_a_short_key_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="at least 16 bytes") as caught:
        SandboxGateway(b"short")
    assert "short'" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (PaymentStatus.PENDING, ProviderState.PENDING),
        (PaymentStatus.FAILED, ProviderState.FAILED),
        (PaymentStatus.CANCELLED, ProviderState.CANCELLED),
        (PaymentStatus.SUCCEEDED, ProviderState.SUCCEEDED),
        (PaymentStatus.PARTIALLY_REFUNDED, ProviderState.SUCCEEDED),
        (PaymentStatus.REFUNDED, ProviderState.SUCCEEDED),
    ],
)
async def test_asked_again_it_answers_what_it_was_told(status: PaymentStatus, state: ProviderState) -> None:
    answer = await sandbox().check(request(status))
    assert answer.state is state
    if state is ProviderState.SUCCEEDED:
        assert (answer.provider_transaction_id, answer.received) == (REFERENCE, PRICE)


async def test_it_calls_off_only_what_is_pending() -> None:
    assert (await sandbox().cancel(request())).state is ProviderState.CANCELLED
    assert (await sandbox().cancel(request(PaymentStatus.SUCCEEDED))).state is ProviderState.SUCCEEDED


async def test_it_gives_money_back_at_once_under_the_same_name_each_time() -> None:
    refund_id = UUID(int=7)
    first = await sandbox().refund(request(PaymentStatus.SUCCEEDED), refund_id, PRICE, "because")
    again = await sandbox().refund(request(PaymentStatus.SUCCEEDED), refund_id, PRICE, "because")
    assert first == again
    assert first.state is RefundState.SUCCEEDED
    assert first.provider_refund_id == f"sbx_re_{refund_id.hex}"


class TestItsCallback:
    def test_says_that_the_whole_amount_came(self) -> None:
        assert sandbox().callback(request(), SandboxOutcome.SUCCEEDED, at=NOON) == RecordPaymentSuccess(
            payment_id=PAYMENT,
            provider_transaction_id=REFERENCE,
            received=PRICE,
            method_details=MethodDetails(type="sandbox"),
            performed_at=NOON,
        )

    def test_pretends_that_another_amount_came_when_told_so(self) -> None:
        pretended = Money(1, "usd")
        command = sandbox().callback(request(), SandboxOutcome.SUCCEEDED, received=pretended, at=NOON)
        assert isinstance(command, RecordPaymentSuccess)
        assert command.received == pretended

    def test_says_that_the_payment_failed(self) -> None:
        command = sandbox().callback(request(), SandboxOutcome.FAILED, at=NOON)
        assert isinstance(command, RecordPaymentFailure)
        assert command.payment_id == PAYMENT

    def test_says_that_the_payment_was_called_off(self) -> None:
        command = sandbox().callback(request(), SandboxOutcome.CANCELLED, at=NOON)
        assert isinstance(command, CancelPayment)
        assert command.payment_id == PAYMENT
