"""What was paid, how, and what went back: one row a payment (requirements PAY-03, PAY-10)."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from domain.payments.events import (
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
from domain.shared.events import Recorded
from domain.shared.money import Money
from projections.shared.paging import Filter, NewestFirst, Page, PageRequest, Slice, SliceRequest
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.table import Table


class LedgerRefund(msgspec.Struct, frozen=True):
    """One refund of a payment. `status` is requested, succeeded or failed; `settled_at` is when the provider said so.

    `reason` is why it was asked for, `failure_reason` why it did not go.
    """

    refund_id: UUID
    amount: Money
    reason: str
    status: str
    requested_by: UUID | None
    requested_at: datetime
    settled_at: datetime | None = None
    provider_refund_id: str | None = None
    failure_reason: str | None = None


class LedgerMismatch(msgspec.Struct, frozen=True):
    """A provider reported another amount or currency than was asked for (requirements PAY-08)."""

    expected: Money
    received: Money
    reported_at: datetime
    provider_event_id: str | None = None


class PaymentRow(msgspec.Struct):
    """One payment. `reason` is why it failed or was called off; a success after that forgets it."""

    payment_id: UUID
    order_id: UUID
    order_number: str
    customer_id: UUID
    provider: str
    method: str
    amount_minor: int
    currency: str
    status: str
    initiated_at: datetime
    updated_at: datetime
    version: int
    reference: str | None = None
    provider_transaction_id: str | None = None
    method_type: str | None = None
    method_last4: str | None = None
    method_brand: str | None = None
    reason: str | None = None
    provider_code: str | None = None
    refunded_minor: int = 0
    refunds: list[LedgerRefund] = []
    mismatches: list[LedgerMismatch] = []
    succeeded_at: datetime | None = None
    failed_at: datetime | None = None
    cancelled_at: datetime | None = None


PAYMENTS = Table(
    "payment_ledger",
    PaymentRow,
    key=("payment_id",),
    columns="""
        payment_id uuid NOT NULL,
        order_id uuid NOT NULL,
        order_number text NOT NULL,
        customer_id uuid NOT NULL,
        provider text NOT NULL,
        method text NOT NULL,
        amount_minor bigint NOT NULL,
        currency text NOT NULL,
        status text NOT NULL,
        initiated_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version integer NOT NULL,
        reference text,
        provider_transaction_id text,
        method_type text,
        method_last4 text,
        method_brand text,
        reason text,
        provider_code text,
        refunded_minor bigint NOT NULL,
        refunds jsonb NOT NULL,
        mismatches jsonb NOT NULL,
        succeeded_at timestamptz,
        failed_at timestamptz,
        cancelled_at timestamptz
    """,
    indexes={
        "of_order": "(order_id, initiated_at DESC, payment_id DESC)",
        "customer": "(customer_id, initiated_at DESC, payment_id DESC)",
        "initiated": "(initiated_at DESC, payment_id DESC)",
        "status": "(status, initiated_at DESC, payment_id DESC)",
        "provider": "(provider, initiated_at DESC, payment_id DESC)",
        "provider_status": "(provider, status, initiated_at DESC, payment_id DESC)",
        "reference": "(provider, reference)",
        "provider_transaction": "(provider, provider_transaction_id)",
    },
)


class PaymentLedgerProjection(Projection):
    """Keeps one row a payment, as `domain.payments` would fold it."""

    name = "payment_ledger"
    tables = (PAYMENTS,)
    events = (
        PaymentInitiated,
        ProviderReferenceAssigned,
        PaymentSucceeded,
        PaymentFailed,
        PaymentCancelled,
        PaymentMismatchDetected,
        RefundRequested,
        PaymentRefunded,
        RefundFailed,
    )

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        at = recorded.at
        rows = batch.rows(PAYMENTS)
        event = recorded.event
        if isinstance(event, PaymentInitiated):
            rows.put(
                PaymentRow(
                    recorded.stream_id,
                    event.order_id,
                    event.order_number,
                    event.customer_id,
                    event.provider,
                    event.method,
                    event.amount.minor,
                    event.amount.currency,
                    "pending",
                    at,
                    at,
                    recorded.version,
                    event.reference,
                )
            )
            return
        row = rows.change(recorded.stream_id)
        if row is not None:
            row.updated_at = at
            row.version = recorded.version
            _change(row, recorded, at)


def _change(row: PaymentRow, recorded: Recorded, at: datetime) -> None:
    match recorded.event:
        case PaymentSucceeded() as event:
            row.status = "succeeded"
            row.provider_transaction_id = event.provider_transaction_id
            row.reason = row.provider_code = None
            row.succeeded_at = event.performed_at
            if event.method_details is not None:
                row.method_type = event.method_details.type
                row.method_last4 = event.method_details.last4
                row.method_brand = event.method_details.brand
        case ProviderReferenceAssigned(reference=reference):
            row.reference = reference
        case PaymentFailed(reason=reason, provider_code=code):
            row.status, row.reason, row.provider_code, row.failed_at = "failed", reason, code, at
        case PaymentCancelled(reason=reason, provider_code=code, cancelled_at=cancelled_at):
            row.status, row.reason, row.provider_code = "cancelled", reason, code
            row.cancelled_at = cancelled_at
        case PaymentMismatchDetected() as event:
            mismatch = LedgerMismatch(event.expected, event.received, at, event.provider_event_id)
            row.mismatches = [*row.mismatches, mismatch]
        case _:
            _change_refunds(row, recorded, at)


def _change_refunds(row: PaymentRow, recorded: Recorded, at: datetime) -> None:
    match recorded.event:
        case RefundRequested() as event:
            asked = LedgerRefund(event.refund_id, event.amount, event.reason, "requested", event.by, at)
            row.refunds = [*row.refunds, asked]
        case PaymentRefunded() as event:
            row.status = "refunded" if event.full else "partially_refunded"
            row.refunded_minor = event.total_refunded.minor
            _settle(
                row,
                event.refund_id,
                status="succeeded",
                settled_at=event.refunded_at,
                provider_refund_id=event.provider_refund_id,
                failure_reason=None,
            )
        case RefundFailed() as event:
            _settle(row, event.refund_id, status="failed", settled_at=at, failure_reason=event.reason)
        case _:
            pass


def _settle(row: PaymentRow, refund_id: UUID, **changes: Any) -> None:
    row.refunds = [
        msgspec.structs.replace(refund, **changes) if refund.refund_id == refund_id else refund
        for refund in row.refunds
    ]


class PaymentView(msgspec.Struct, frozen=True, kw_only=True):
    """One payment as people see it.

    `status` is pending, succeeded, failed, cancelled, refunded or partially_refunded; `reason` is why it failed or was
    called off; `reference` and `provider_transaction_id` are the provider's names for it, before and after success.
    """

    payment_id: UUID
    order_id: UUID
    order_number: str
    customer_id: UUID
    provider: str
    method: str
    amount: Money
    status: str
    reference: str | None
    provider_transaction_id: str | None
    method_type: str | None
    method_last4: str | None
    method_brand: str | None
    reason: str | None
    provider_code: str | None
    refunded: Money
    refunds: list[LedgerRefund]
    mismatches: list[LedgerMismatch]
    initiated_at: datetime
    succeeded_at: datetime | None
    failed_at: datetime | None
    cancelled_at: datetime | None
    updated_at: datetime
    version: int


class PaymentFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which payments: of a customer, in a status, through a provider, begun from (with) and before (without) a moment.

    What is `None` does not matter. Without `customer_id` the list is for staff only; the edge sees to that.
    """

    customer_id: UUID | None = None
    status: str | None = None
    provider: str | None = None
    initiated_from: datetime | None = None
    initiated_before: datetime | None = None


class PaymentCursor(msgspec.Struct, frozen=True, array_like=True):
    """A place in a list of payments."""

    initiated_at: Annotated[datetime, msgspec.Meta(tz=True)]
    payment_id: UUID


_COLUMNS = """
    payment_id, order_id, order_number, customer_id, provider, method, amount_minor, currency, status, reference,
    provider_transaction_id, method_type, method_last4, method_brand, reason, provider_code, refunded_minor, refunds,
    mismatches, initiated_at, succeeded_at, failed_at, cancelled_at, updated_at, version
"""


class PaymentLedger:
    """Payments, newest first. `customer_id` narrows an answer to what that customer may see; `None` is for staff."""

    def __init__(self, reader: Reader) -> None:
        """Reads `payment_ledger`."""
        self._reader = reader
        self._list = NewestFirst(
            reader,
            columns=_COLUMNS,
            table="payment_ledger",
            order=("initiated_at", "payment_id"),
            place=PaymentCursor,
            place_of=lambda payment: PaymentCursor(payment.initiated_at, payment.payment_id),
            item_of=_view,
        )

    async def get(self, payment_id: UUID, *, customer_id: UUID | None = None) -> PaymentView | None:
        """One payment; `None` when there is none, or it is another customer's."""
        where = Filter().add("payment_id = %(payment_id)s", payment_id=payment_id)
        return await self._one(where, customer_id)

    async def by_reference(self, provider: str, reference: str) -> PaymentView | None:
        """The payment that a provider calls so, whether it did from the beginning or since its success."""
        where = Filter().add("provider = %(provider)s", provider=provider)
        where.add(
            "(reference = %(reference)s OR provider_transaction_id = %(reference)s)", reference=reference
        )
        return await self._one(where, None)

    async def of_order(self, order_id: UUID, *, customer_id: UUID | None = None) -> list[PaymentView]:
        """The attempts to pay one order, newest first, the last hundred at most."""
        where = Filter().add("order_id = %(order_id)s", order_id=order_id)
        if customer_id is not None:
            where.add("customer_id = %(customer_id)s", customer_id=customer_id)
        return (await self._list.slice(where, SliceRequest(limit=100))).items

    async def page(self, wanted: PaymentFilter, request: PageRequest) -> Page[PaymentView]:
        """One numbered page."""
        return await self._list.page(_filter(wanted), request)

    async def slice(self, wanted: PaymentFilter, request: SliceRequest) -> Slice[PaymentView]:
        """The next payments after a cursor."""
        return await self._list.slice(_filter(wanted), request)

    async def _one(self, where: Filter, customer_id: UUID | None) -> PaymentView | None:
        if customer_id is not None:
            where.add("customer_id = %(customer_id)s", customer_id=customer_id)
        found = await self._list.slice(where, SliceRequest(limit=1))
        return found.items[0] if found.items else None


def _filter(wanted: PaymentFilter) -> Filter:
    where = Filter()
    if wanted.customer_id is not None:
        where.add("customer_id = %(customer_id)s", customer_id=wanted.customer_id)
    if wanted.status is not None:
        where.add("status = %(status)s", status=wanted.status)
    if wanted.provider is not None:
        where.add("provider = %(provider)s", provider=wanted.provider)
    if wanted.initiated_from is not None:
        where.add("initiated_at >= %(initiated_from)s", initiated_from=wanted.initiated_from)
    if wanted.initiated_before is not None:
        where.add("initiated_at < %(initiated_before)s", initiated_before=wanted.initiated_before)
    return where


def _view(row: dict[str, Any]) -> PaymentView:
    currency = row.pop("currency")
    return PaymentView(
        amount=Money(row.pop("amount_minor"), currency),
        refunded=Money(row.pop("refunded_minor"), currency),
        refunds=msgspec.convert(row.pop("refunds"), list[LedgerRefund]),
        mismatches=msgspec.convert(row.pop("mismatches"), list[LedgerMismatch]),
        **row,
    )
