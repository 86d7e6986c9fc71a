"""What was paid, how, and what went back."""

from datetime import timedelta

import pytest

from domain.payments.events import (
    PaymentCancelled,
    PaymentFailed,
    PaymentMismatchDetected,
    ProviderReferenceAssigned,
    RefundFailed,
    RefundRequested,
)
from domain.shared.money import Money
from projections.payments.payment_ledger import (
    LedgerMismatch,
    LedgerRefund,
    PaymentFilter,
    PaymentLedger,
    PaymentLedgerProjection,
    PaymentView,
)
from projections.shared.paging import PageRequest, SliceRequest
from tests.projections.orders.makers import (
    ADA,
    ADMIN,
    BEN,
    NOON,
    Log,
    an_id,
    initiated,
    refunded,
    showing,
    succeeded,
)

pytestmark = pytest.mark.services

MINUTE = timedelta(minutes=1)


def asked(refund: str, amount: int) -> RefundRequested:
    """An admin wants money to go back."""
    return RefundRequested(
        refund_id=an_id(refund), amount=Money(amount, "usd"), reason="wrong size", by=ADMIN
    )


async def shown(database_url: str, log: Log) -> PaymentView:
    """The payment called `payment`."""
    async with showing(database_url, log, PaymentLedgerProjection()) as reader:
        payment = await PaymentLedger(reader).get(an_id("payment"))
    assert payment is not None
    return payment


async def test_a_payment_shows_order_amount_method_and_provider(database_url: str) -> None:
    log = Log().tell("payment", initiated(), ProviderReferenceAssigned(provider="sandbox", reference="r-1"))
    pending = await shown(database_url, log)
    assert (pending.order_id, pending.amount, pending.status, pending.provider, pending.method) == (
        an_id("order"),
        Money(1_000, "usd"),
        "pending",
        "sandbox",
        "card",
    )
    assert (pending.reference, pending.initiated_at, pending.succeeded_at) == ("r-1", NOON, None)


async def test_a_success_after_a_failure_wins(database_url: str) -> None:
    log = Log().tell("payment", initiated(), PaymentFailed(reason="no cover", provider_code="51"))
    log.tell("payment", succeeded())
    payment = await shown(database_url, log)
    assert (payment.status, payment.reason, payment.provider_code) == ("succeeded", None, None)
    assert (payment.method_type, payment.method_last4, payment.method_brand) == ("card", "4242", "visa")
    assert (payment.failed_at, payment.succeeded_at) == (NOON, NOON)


async def test_why_a_payment_came_to_nothing_is_told(database_url: str) -> None:
    log = Log().tell("payment", initiated(), PaymentFailed(reason="no cover", provider_code="51"))
    log.tell("other", initiated(), PaymentCancelled(reason="changed my mind", cancelled_at=NOON))
    async with showing(database_url, log, PaymentLedgerProjection()) as reader:
        failed = await PaymentLedger(reader).get(an_id("payment"))
        called_off = await PaymentLedger(reader).get(an_id("other"))
    assert failed is not None
    assert called_off is not None
    assert (failed.status, failed.reason, failed.provider_code) == ("failed", "no cover", "51")
    assert (called_off.status, called_off.reason, called_off.cancelled_at) == (
        "cancelled",
        "changed my mind",
        NOON,
    )


async def test_refunds_are_told_one_by_one_and_summed_up(database_url: str) -> None:
    log = Log().tell("payment", initiated(), succeeded())
    log.tell("payment", asked("one", 300), asked("two", 200), asked("three", 700))
    log.tell("payment", refunded("one", amount=300, so_far=300, full=False))
    log.tell("payment", RefundFailed(refund_id=an_id("two"), reason="bank closed"), at=NOON + MINUTE)
    part = await shown(database_url, log)
    assert (part.status, part.refunded) == ("partially_refunded", Money(300, "usd"))
    assert part.refunds == [
        LedgerRefund(an_id("one"), Money(300, "usd"), "wrong size", "succeeded", ADMIN, NOON, NOON, "re-one"),
        LedgerRefund(
            an_id("two"),
            Money(200, "usd"),
            "wrong size",
            "failed",
            ADMIN,
            NOON,
            NOON + MINUTE,
            failure_reason="bank closed",
        ),
        LedgerRefund(an_id("three"), Money(700, "usd"), "wrong size", "requested", ADMIN, NOON),
    ]


async def test_a_payment_that_went_back_whole_is_refunded(database_url: str) -> None:
    log = Log().tell("payment", initiated(), succeeded(), asked("all", 1_000))
    log.tell("payment", refunded("all", amount=1_000, so_far=1_000, full=True))
    payment = await shown(database_url, log)
    assert (payment.status, payment.refunded) == ("refunded", Money(1_000, "usd"))


async def test_a_mismatch_is_kept_and_does_not_count_as_paid(database_url: str) -> None:
    mismatch = PaymentMismatchDetected(
        expected=Money(1_000, "usd"), received=Money(1, "usd"), provider_event_id="evt-1"
    )
    payment = await shown(database_url, Log().tell("payment", initiated(), mismatch))
    assert payment.status == "pending"
    assert payment.mismatches == [LedgerMismatch(Money(1_000, "usd"), Money(1, "usd"), NOON, "evt-1")]


async def test_customers_see_payments_of_their_own_orders_only(database_url: str) -> None:
    log = Log().tell("payment", initiated()).tell("bens", initiated("bens order", customer_id=BEN))
    async with showing(database_url, log, PaymentLedgerProjection()) as reader:
        ledger = PaymentLedger(reader)
        assert await ledger.get(an_id("bens"), customer_id=ADA) is None
        assert await ledger.of_order(an_id("bens order"), customer_id=ADA) == []
        mine = await ledger.page(PaymentFilter(customer_id=ADA), PageRequest())
        [bens] = await ledger.of_order(an_id("bens order"), customer_id=BEN)
    assert [payment.payment_id for payment in mine.items] == [an_id("payment")]
    assert bens.payment_id == an_id("bens")


async def test_a_payment_is_found_by_either_of_its_providers_names(database_url: str) -> None:
    log = Log().tell("payment", initiated(), ProviderReferenceAssigned(provider="sandbox", reference="r-1"))
    log.tell("payment", succeeded(transaction="tx-9"))
    async with showing(database_url, log, PaymentLedgerProjection()) as reader:
        ledger = PaymentLedger(reader)
        found = [await ledger.by_reference("sandbox", name) for name in ("r-1", "tx-9")]
        missing = [await ledger.by_reference(*name) for name in (("sandbox", "r-2"), ("payme", "r-1"))]
    assert [payment.payment_id for payment in found if payment] == [an_id("payment")] * 2
    assert missing == [None, None]


async def test_staff_narrow_the_list_by_status_provider_and_time(database_url: str) -> None:
    log = Log()
    for number in range(6):
        provider = "payme" if number % 2 else "sandbox"
        log.tell(f"payment {number}", initiated(provider=provider), at=NOON + number * MINUTE)
        if number >= 3:
            log.tell(f"payment {number}", succeeded())
    async with showing(database_url, log, PaymentLedgerProjection()) as reader:
        ledger = PaymentLedger(reader)

        async def numbers(wanted: PaymentFilter) -> list[int]:
            page = await ledger.page(wanted, PageRequest())
            assert page.total == len(page.items)
            return [int((payment.initiated_at - NOON) / MINUTE) for payment in page.items]

        assert await numbers(PaymentFilter()) == [5, 4, 3, 2, 1, 0]
        assert await numbers(PaymentFilter(status="succeeded")) == [5, 4, 3]
        assert await numbers(PaymentFilter(status="succeeded", provider="payme")) == [5, 3]
        window = PaymentFilter(initiated_from=NOON + MINUTE, initiated_before=NOON + 3 * MINUTE)
        assert await numbers(window) == [2, 1]
        first = await ledger.slice(PaymentFilter(), SliceRequest(limit=4))
        rest = await ledger.slice(PaymentFilter(), SliceRequest(limit=4, cursor=first.next_cursor))
    assert [payment.payment_id for payment in rest.items] == [an_id("payment 1"), an_id("payment 0")]
