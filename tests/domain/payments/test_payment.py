"""Paying for an order once: what customers, providers and admins may do with one attempt."""

from datetime import timedelta
from functools import partial
from uuid import UUID

import msgspec
import pytest

from domain.payments.events import (
    MethodDetails,
    PaymentCancelled,
    PaymentFailed,
    PaymentInitiated,
    PaymentMismatchDetected,
    PaymentRefunded,
    PaymentSucceeded,
    ProviderReferenceAssigned,
    RefundFailed,
    RefundRequested,
)
from domain.payments.payment import (
    Payment,
    PaymentAmountInvalid,
    PaymentNotCancellable,
    PaymentNotRefundable,
    PaymentStatus,
    ProviderReferenceTaken,
    RefundExceedsPayment,
    RefundNotFound,
    RefundStatus,
    evolve,
)
from domain.shared.money import Money
from tests.support.commands import NOON
from tests.support.given import given

ORDER = UUID(int=1)
CUSTOMER = UUID(int=2)
ADMIN = UUID(int=3)
REFUND, OTHER_REFUND = UUID(int=4), UUID(int=5)
PRICE = Money(12_50, "usd")

initiated = PaymentInitiated(
    order_id=ORDER,
    order_number="ORD-20260501-00001",
    customer_id=CUSTOMER,
    provider="stripe",
    amount=PRICE,
    method="card",
)
named = ProviderReferenceAssigned(provider="stripe", reference="pi_1")
failed = PaymentFailed(reason="Payment failed")
cancelled = PaymentCancelled(reason="changed my mind", cancelled_at=NOON)
succeeded = PaymentSucceeded(
    provider="stripe", provider_transaction_id="pi_1", amount=PRICE, performed_at=NOON
)
requested = RefundRequested(
    refund_id=REFUND, amount=Money(5_00, "usd"), reason="requested_by_customer", by=ADMIN
)
requested_rest = RefundRequested(
    refund_id=OTHER_REFUND, amount=Money(7_50, "usd"), reason="requested_by_customer", by=ADMIN
)
refunded = PaymentRefunded(
    refund_id=REFUND,
    amount=Money(5_00, "usd"),
    total_refunded=Money(5_00, "usd"),
    full=False,
    provider_refund_id="re_1",
    refunded_at=NOON,
)
refund_failed = RefundFailed(refund_id=REFUND, reason="card closed")

given_payment = partial(given, evolve)
initiate = partial(
    Payment.initiate,
    order_id=ORDER,
    order_number="ORD-20260501-00001",
    customer_id=CUSTOMER,
    provider="stripe",
    amount=PRICE,
    method="card",
)
succeed = partial(Payment.succeed, provider_transaction_id="pi_1", received=PRICE, at=NOON)
cancel = partial(Payment.cancel, reason="changed my mind", at=NOON)
ask_back = partial(Payment.request_refund, refund_id=REFUND, by=ADMIN)
give_back = partial(Payment.record_refund, refund_id=REFUND, provider_refund_id="re_1", at=NOON)


class TestBeginning:
    def test_a_payment_begins_without_the_providers_name_for_it(self) -> None:
        assert initiate() == [initiated]

    def test_a_name_that_is_known_in_advance_is_recorded_with_the_beginning(self) -> None:
        assert initiate(reference="pi_1") == [msgspec.structs.replace(initiated, reference="pi_1")]

    def test_nobody_pays_less_than_nothing(self) -> None:
        with pytest.raises(PaymentAmountInvalid) as caught:
            initiate(amount=Money(-1, "usd"))
        assert caught.value.problems[0].field == "amount"

    def test_a_new_payment_waits(self) -> None:
        payment = given_payment(initiated).state
        assert payment.status is PaymentStatus.PENDING
        assert payment.refundable == Money(0, "usd")


class TestTheProvidersName:
    def test_is_learned_once(self) -> None:
        given_payment(initiated).when(Payment.assign_reference, reference="pi_1").then(named)
        given_payment(initiated, named).when(Payment.assign_reference, reference="pi_1").then()

    def test_never_changes(self) -> None:
        given_payment(initiated, named).when(Payment.assign_reference, reference="pi_2").refused(
            ProviderReferenceTaken
        )


class TestSucceeding:
    def test_a_pending_payment_succeeds(self) -> None:
        given_payment(initiated).when(succeed).then(succeeded)

    def test_success_after_failure_wins(self) -> None:
        given_payment(initiated, failed).when(succeed).then(succeeded)
        assert given_payment(initiated, failed, succeeded).state.failure_reason is None

    def test_success_after_cancelling_wins_for_the_money_is_there(self) -> None:
        given_payment(initiated, cancelled).when(succeed).then(succeeded)

    def test_success_told_twice_is_told_once(self) -> None:
        given_payment(initiated, succeeded).when(succeed).then()

    def test_success_told_again_does_not_undo_a_refund(self) -> None:
        given_payment(initiated, succeeded, requested, refunded).when(succeed).then()

    def test_another_amount_is_recorded_and_confirms_nothing(self) -> None:
        short = Money(12_49, "usd")
        mismatch = PaymentMismatchDetected(expected=PRICE, received=short, provider_event_id="evt_1")
        given_payment(initiated).when(succeed, received=short, provider_event_id="evt_1").then(mismatch)
        assert given_payment(initiated, mismatch).state.status is PaymentStatus.PENDING

    def test_another_currency_is_a_mismatch_too(self) -> None:
        foreign = Money(12_50, "uzs")
        given_payment(initiated).when(succeed, received=foreign).then(
            PaymentMismatchDetected(expected=PRICE, received=foreign)
        )

    def test_the_same_mismatch_is_recorded_once(self) -> None:
        short = Money(12_49, "usd")
        mismatch = PaymentMismatchDetected(expected=PRICE, received=short, provider_event_id="evt_1")
        given_payment(initiated, mismatch).when(succeed, received=short, provider_event_id="evt_1").then()
        given_payment(initiated, mismatch).when(succeed, received=short, provider_event_id="evt_2").then(
            msgspec.structs.replace(mismatch, provider_event_id="evt_2")
        )

    def test_the_right_amount_after_a_mismatch_succeeds(self) -> None:
        mismatch = PaymentMismatchDetected(expected=PRICE, received=Money(1, "usd"))
        given_payment(initiated, mismatch).when(succeed).then(succeeded)

    def test_only_harmless_card_data_is_kept(self) -> None:
        careless = MethodDetails(type="card", last4="4242424242424242", brand="visa")
        given_payment(initiated).when(succeed, method_details=careless).then(
            msgspec.structs.replace(succeeded, method_details=MethodDetails(type="card", brand="visa"))
        )


class TestFailing:
    def test_failure_keeps_its_reason(self) -> None:
        given_payment(initiated).when(
            Payment.fail, reason="Card declined", provider_code="card_declined"
        ).then(PaymentFailed(reason="Card declined", provider_code="card_declined"))

    def test_a_provider_that_gives_no_reason_gets_a_plain_one(self) -> None:
        given_payment(initiated).when(Payment.fail).then(PaymentFailed(reason="Payment failed"))

    def test_failure_after_success_is_ignored(self) -> None:
        given_payment(initiated, succeeded).when(Payment.fail).then()
        given_payment(initiated, succeeded, requested, refunded).when(Payment.fail).then()

    def test_failure_after_the_end_is_no_news(self) -> None:
        given_payment(initiated, failed).when(Payment.fail).then()
        given_payment(initiated, cancelled).when(Payment.fail).then()


class TestCancelling:
    def test_a_pending_payment_is_called_off(self) -> None:
        given_payment(initiated).when(cancel).then(cancelled)

    def test_cancelling_twice_is_one_cancellation(self) -> None:
        given_payment(initiated, cancelled).when(cancel).then()

    def test_a_failed_payment_needs_no_cancelling(self) -> None:
        given_payment(initiated, failed).when(cancel).then()

    def test_a_paid_payment_is_refunded_not_cancelled(self) -> None:
        given_payment(initiated, succeeded).when(cancel).refused(PaymentNotCancellable)

    def test_a_provider_that_cancels_after_success_is_ignored(self) -> None:
        given_payment(initiated, succeeded).when(Payment.note_cancellation, reason="expired", at=NOON).then()


class TestRefunding:
    def test_all_of_it_when_no_amount_is_named(self) -> None:
        given_payment(initiated, succeeded).when(ask_back).then(
            msgspec.structs.replace(requested, amount=PRICE)
        )

    def test_a_part_of_it(self) -> None:
        given_payment(initiated, succeeded).when(ask_back, amount=Money(5_00, "usd")).then(requested)

    def test_a_second_part(self) -> None:
        given_payment(initiated, succeeded, requested, refunded).when(
            ask_back, refund_id=OTHER_REFUND, amount=Money(7_50, "usd")
        ).then(requested_rest)

    def test_no_amount_means_what_is_left(self) -> None:
        given_payment(initiated, succeeded, requested).when(ask_back, refund_id=OTHER_REFUND).then(
            requested_rest
        )

    def test_never_more_than_came_in(self) -> None:
        refusal = (
            given_payment(initiated, succeeded, requested)
            .when(ask_back, refund_id=OTHER_REFUND, amount=Money(7_51, "usd"))
            .refused(RefundExceedsPayment)
        )
        assert refusal.details["refundable"] == 7_50

    def test_nothing_is_left_when_all_is_underway(self) -> None:
        given_payment(initiated, succeeded, requested, requested_rest).when(
            ask_back, refund_id=UUID(int=9)
        ).refused(RefundExceedsPayment)

    def test_asking_twice_under_one_id_is_asking_once(self) -> None:
        given_payment(initiated, succeeded, requested).when(ask_back, amount=Money(5_00, "usd")).then()

    def test_money_that_never_came_does_not_go_back(self) -> None:
        for history in ([initiated], [initiated, failed], [initiated, cancelled]):
            given_payment(*history).when(ask_back).refused(PaymentNotRefundable)

    def test_less_than_a_unit_or_another_currency_is_refused(self) -> None:
        paid = given_payment(initiated, succeeded)
        paid.when(ask_back, amount=Money(0, "usd")).refused(PaymentAmountInvalid)
        paid.when(ask_back, amount=Money(-5, "usd")).refused(PaymentAmountInvalid)
        paid.when(ask_back, amount=Money(5, "uzs")).refused(PaymentAmountInvalid)


class TestARefundsOutcome:
    def test_a_part_given_back_leaves_the_payment_partially_refunded(self) -> None:
        given_payment(initiated, succeeded, requested).when(give_back).then(refunded)
        payment = given_payment(initiated, succeeded, requested, refunded).state
        assert payment.status is PaymentStatus.PARTIALLY_REFUNDED
        assert payment.refundable == Money(7_50, "usd")

    def test_the_last_part_makes_it_refunded(self) -> None:
        full = PaymentRefunded(
            refund_id=OTHER_REFUND,
            amount=Money(7_50, "usd"),
            total_refunded=PRICE,
            full=True,
            refunded_at=NOON + timedelta(days=1),
        )
        history = [initiated, succeeded, requested, refunded, requested_rest]
        given_payment(*history).when(
            Payment.record_refund, refund_id=OTHER_REFUND, at=NOON + timedelta(days=1)
        ).then(full)
        assert given_payment(*history, full).state.status is PaymentStatus.REFUNDED

    def test_told_twice_is_told_once(self) -> None:
        given_payment(initiated, succeeded, requested, refunded).when(give_back).then()

    def test_a_failed_refund_frees_its_amount(self) -> None:
        given_payment(initiated, succeeded, requested).when(
            Payment.record_refund_failure, refund_id=REFUND, reason="card closed"
        ).then(refund_failed)
        payment = given_payment(initiated, succeeded, requested, refund_failed).state
        assert payment.refundable == PRICE
        assert payment.refund(REFUND).status is RefundStatus.FAILED

    def test_a_failure_after_the_money_went_is_ignored(self) -> None:
        given_payment(initiated, succeeded, requested, refunded).when(
            Payment.record_refund_failure, refund_id=REFUND, reason="late"
        ).then()

    def test_money_that_went_after_all_is_recorded(self) -> None:
        given_payment(initiated, succeeded, requested, refund_failed).when(give_back).then(refunded)

    def test_but_not_when_other_refunds_took_its_place(self) -> None:
        all_of_it = msgspec.structs.replace(requested_rest, amount=PRICE)
        given_payment(initiated, succeeded, requested, refund_failed, all_of_it).when(give_back).refused(
            RefundExceedsPayment
        )

    def test_a_refund_that_nobody_asked_for_is_unknown(self) -> None:
        paid = given_payment(initiated, succeeded)
        paid.when(give_back).refused(RefundNotFound)
        paid.when(Payment.record_refund_failure, refund_id=REFUND, reason="?").refused(RefundNotFound)
