"""Everything about one order, for those who take part in it (requirements ORD-15, ORD-16)."""

from datetime import date, datetime
from typing import Any, Final, LiteralString
from uuid import UUID

import msgspec
from psycopg.types.json import Jsonb

from domain.accounts.events import AccountDeleted
from domain.orders.events import (
    NoteVisibility,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderLine,
    OrderNoteAdded,
    OrderPlaced,
    OrderProcessingStarted,
    OrderRefunded,
    OrderShipped,
    OrderTrackingUpdated,
    Party,
)
from domain.shared.events import Recorded
from domain.shared.money import Money
from domain.shared.money import total as sum_of
from domain.shared.personal import ERASED, ERASED_ADDRESS, Address
from projections.orders.statuses import PLACED, STATUS_AFTER
from projections.payments.payment_ledger import PaymentLedger, PaymentView
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.table import Table


class HistoryEntry(msgspec.Struct, frozen=True):
    """The order came into `status` at a moment; `by` is in which part somebody brought that about."""

    status: str
    at: datetime
    by: str
    reason: str | None = None


class KeptNote(msgspec.Struct, frozen=True):
    """A note on an order. `author_id` is an account, `None` for the house."""

    visibility: str
    text: str
    by: str
    at: datetime
    author_id: UUID | None


class OrderDetailRow(msgspec.Struct):
    """One order, whole. `version` is that of its stream; amounts are minor units, `tax_rate` basis points."""

    order_id: UUID
    order_number: str
    customer_id: UUID
    seller_ids: list[UUID]
    status: str
    customer_name: str
    customer_email: str | None
    customer_phone: str | None
    shipping_address: Address
    billing_address: Address | None
    customer_notes: str | None
    lines: tuple[OrderLine, ...]
    currency: str
    subtotal_minor: int
    tax_minor: int
    tax_rate: int
    shipping_minor: int
    discount_minor: int
    total_minor: int
    payment_method: str
    payment_id: UUID | None
    placed_at: datetime
    history: list[HistoryEntry]
    version: int
    updated_at: datetime
    paid_payment_id: UUID | None = None
    refunded_minor: int = 0
    tracking_number: str | None = None
    tracking_url: str | None = None
    estimated_delivery: date | None = None
    notes: list[KeptNote] = []


ORDERS = Table(
    "order_detail",
    OrderDetailRow,
    key=("order_id",),
    columns="""
        order_id uuid NOT NULL,
        order_number text NOT NULL,
        customer_id uuid NOT NULL,
        seller_ids uuid[] NOT NULL,
        status text NOT NULL,
        customer_name text NOT NULL,
        customer_email text,
        customer_phone text,
        shipping_address jsonb NOT NULL,
        billing_address jsonb,
        customer_notes text,
        lines jsonb NOT NULL,
        currency text NOT NULL,
        subtotal_minor bigint NOT NULL,
        tax_minor bigint NOT NULL,
        tax_rate integer NOT NULL,
        shipping_minor bigint NOT NULL,
        discount_minor bigint NOT NULL,
        total_minor bigint NOT NULL,
        payment_method text NOT NULL,
        payment_id uuid,
        placed_at timestamptz NOT NULL,
        history jsonb NOT NULL,
        version integer NOT NULL,
        updated_at timestamptz NOT NULL,
        paid_payment_id uuid,
        refunded_minor bigint NOT NULL,
        tracking_number text,
        tracking_url text,
        estimated_delivery date,
        notes jsonb NOT NULL
    """,
    indexes={"number": "(order_number)", "customer": "(customer_id)"},
)


_FORGET: Final = """
    UPDATE {order_detail} AS forgotten
    SET customer_name = %(text)s,
        customer_email = NULL,
        customer_phone = NULL,
        shipping_address = %(address)s,
        billing_address = NULL,
        customer_notes = NULL,
        notes = (
            SELECT coalesce(jsonb_agg(note || jsonb_build_object('text', %(text)s::text) ORDER BY place), '[]')
            FROM jsonb_array_elements(forgotten.notes) WITH ORDINALITY AS kept (note, place)
        )
    WHERE customer_id = %(customer_id)s
"""
"""Leaves of the orders of somebody what a rebuild leaves, which finds their key destroyed."""


class OrderDetailProjection(Projection):
    """Keeps one row an order. Who may see which part of it is for the query to say."""

    name = "order_detail"
    tables = (ORDERS,)
    events = (OrderPlaced, *STATUS_AFTER, OrderTrackingUpdated, OrderNoteAdded, AccountDeleted)
    personal = True

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        rows = batch.rows(ORDERS)
        event = recorded.event
        if isinstance(event, OrderPlaced):
            rows.put(_placed(event, recorded))
            return
        if isinstance(event, AccountDeleted):
            forgotten = {
                "customer_id": recorded.stream_id,
                "text": ERASED,
                "address": Jsonb(ERASED_ADDRESS, dumps=msgspec.json.encode),
            }
            batch.execute(_FORGET, forgotten)
            return
        row = rows.change(recorded.stream_id)
        if row is None:
            return
        at = recorded.at
        row.version = recorded.version
        row.updated_at = at
        match event:
            case OrderConfirmed(payment_id=payment_id, confirmed_at=confirmed_at):
                row.paid_payment_id = payment_id
                _enter(row, event, confirmed_at, Party.SYSTEM)
            case OrderProcessingStarted(by=by):
                _enter(row, event, at, by)
            case OrderShipped(by=by, shipped_at=shipped_at):
                _track(row, event)
                _enter(row, event, shipped_at, by)
            case OrderDelivered(by=by, delivered_at=delivered_at):
                _enter(row, event, delivered_at, by)
            case OrderCancelled(by=by, reason=reason, cancelled_at=cancelled_at):
                _enter(row, event, cancelled_at, by, reason)
            case OrderRefunded(refunded=refunded, refunded_at=refunded_at):
                row.refunded_minor = refunded.minor
                _enter(row, event, refunded_at, Party.SYSTEM)
            case OrderTrackingUpdated():
                _track(row, event)
            case OrderNoteAdded():
                author = recorded.metadata.actor_id if recorded.metadata is not None else None
                note = KeptNote(event.visibility.value, event.text, event.by.value, at, author)
                row.notes = [*row.notes, note]
            case _:
                pass


def _placed(event: OrderPlaced, recorded: Recorded) -> OrderDetailRow:
    return OrderDetailRow(
        recorded.stream_id,
        event.order_number,
        event.customer_id,
        list(dict.fromkeys([line.seller_id for line in event.items])),
        PLACED,
        event.customer_name,
        event.customer_email,
        event.customer_phone,
        event.shipping_address,
        event.billing_address,
        event.notes,
        event.items,
        event.total.currency,
        event.subtotal.minor,
        event.tax.minor,
        event.tax_rate,
        event.shipping.minor,
        event.discount.minor,
        event.total.minor,
        event.payment_method,
        event.payment_id,
        event.placed_at,
        [HistoryEntry(PLACED, event.placed_at, "customer")],
        recorded.version,
        event.placed_at,
    )


_Transition = (
    OrderConfirmed | OrderProcessingStarted | OrderShipped | OrderDelivered | OrderCancelled | OrderRefunded
)


def _enter(
    row: OrderDetailRow, event: _Transition, at: datetime, by: Party, reason: str | None = None
) -> None:
    row.status = STATUS_AFTER[type(event)]
    row.history = [*row.history, HistoryEntry(row.status, at, by.value, reason)]


def _track(row: OrderDetailRow, event: OrderShipped | OrderTrackingUpdated) -> None:
    row.tracking_number = event.tracking_number
    row.tracking_url = event.tracking_url
    row.estimated_delivery = event.estimated_delivery


# --- asking ------------------------------------------------------------------------------------------------


class Viewer(msgspec.Struct, frozen=True, kw_only=True):
    """Who looks at an order. An admin sees all of every order (requirements RBAC-02)."""

    account_id: UUID
    is_admin: bool = False


class OrderLineView(msgspec.Struct, frozen=True, kw_only=True):
    """One line of an order. `commission_rate`, in basis points, is hidden from the customer."""

    line_no: int
    listing_id: UUID
    seller_id: UUID
    name: str
    product_type: str
    sku: str | None
    unit_price: Money
    quantity: int
    subtotal: Money
    commission_rate: int | None


class OrderAmountsView(msgspec.Struct, frozen=True, kw_only=True):
    """What the customer pays for the whole order: total = subtotal + tax + shipping - discount."""

    subtotal: Money
    tax: Money
    tax_rate: int
    shipping: Money
    discount: Money
    total: Money
    refunded: Money


class OrderNoteView(msgspec.Struct, frozen=True, kw_only=True):
    """A note. `author_id` is hidden from the customer."""

    visibility: str
    text: str
    by: str
    at: datetime
    author_id: UUID | None


class OrderView(msgspec.Struct, frozen=True, kw_only=True):
    """One order as its viewer may see it; `seen_as` says in which part.

    | | customer | seller | admin |
    | --- | --- | --- | --- |
    | lines | all, without commission | own ones | all |
    | amounts of the whole order | yes | if all lines are theirs | yes |
    | name, phone, shipping address | yes | yes | yes |
    | e-mail, billing address, payments | yes | no | yes |
    | internal notes | no | yes | yes |

    What a viewer may not see is `None` or left out. `lines_subtotal` is the sum of the lines shown.
    """

    order_id: UUID
    order_number: str
    status: str
    seen_as: Party
    customer_id: UUID
    customer_name: str
    customer_email: str | None
    customer_phone: str | None
    shipping_address: Address
    billing_address: Address | None
    customer_notes: str | None
    lines: list[OrderLineView]
    lines_subtotal: Money
    amounts: OrderAmountsView | None
    payment_method: str
    payments: list[PaymentView]
    tracking_number: str | None
    tracking_url: str | None
    estimated_delivery: date | None
    notes: list[OrderNoteView]
    history: list[HistoryEntry]
    placed_at: datetime
    updated_at: datetime
    version: int

    def entered(self, status: str) -> datetime | None:
        """When the order came into a status; `None` when it never was in it."""
        return next((entry.at for entry in self.history if entry.status == status), None)


class OrderDetails:
    """One order, by id or number. For a viewer without a part in it there is no such order."""

    def __init__(self, reader: Reader) -> None:
        """Reads `order_detail` and `payment_ledger`."""
        self._reader = reader
        self._payments = PaymentLedger(reader)

    async def by_id(self, order_id: UUID, viewer: Viewer) -> OrderView | None:
        """The order of an id."""
        return await self._view("order_id = %(value)s", order_id, viewer)

    async def by_number(self, order_number: str, viewer: Viewer) -> OrderView | None:
        """The order of a number, as people name it (`ORD-20260501-00001`)."""
        return await self._view("order_number = %(value)s", order_number, viewer)

    async def bought_by(
        self, customer_id: UUID, *, after: UUID | None = None, limit: int = 100
    ) -> list[OrderView]:
        """The next orders of a customer, by id, as they see them themselves; their payments are left to the ledger."""
        rows = await self._reader.all(
            f"SELECT {_COLUMNS} FROM order_detail"  # noqa: S608 - fixed text
            " WHERE customer_id = %(customer_id)s AND order_id > %(after)s ORDER BY order_id LIMIT %(limit)s",
            {"customer_id": customer_id, "after": after or UUID(int=0), "limit": limit},
        )
        orders = [ORDERS.row_of(tuple(row.values())) for row in rows]
        return [_seen(order, Party.CUSTOMER, customer_id, []) for order in orders]

    async def history(self, order_id: UUID, viewer: Viewer) -> list[HistoryEntry] | None:
        """How the order came to stand where it does, oldest first; `None` when the viewer has no part in it."""
        row = await self._row("order_id = %(value)s", order_id)
        if row is None or _party(row, viewer) is None:
            return None
        return row.history

    async def _view(self, condition: LiteralString, value: object, viewer: Viewer) -> OrderView | None:
        row = await self._row(condition, value)
        party = None if row is None else _party(row, viewer)
        if row is None or party is None:
            return None
        payments = [] if party is Party.SELLER else await self._payments.of_order(row.order_id)
        return _seen(row, party, viewer.account_id, payments)

    async def _row(self, condition: LiteralString, value: object) -> OrderDetailRow | None:
        found = await self._reader.one(
            f"SELECT {_COLUMNS} FROM order_detail WHERE {condition} ORDER BY order_id LIMIT 1",  # noqa: S608 - fixed text
            {"value": value},
        )
        return None if found is None else ORDERS.row_of(tuple(found.values()))


_COLUMNS = ", ".join(ORDERS.fields)


def _party(row: OrderDetailRow, viewer: Viewer) -> Party | None:
    if viewer.is_admin:
        return Party.ADMIN
    if viewer.account_id == row.customer_id:
        return Party.CUSTOMER
    return Party.SELLER if viewer.account_id in row.seller_ids else None


def _seen(row: OrderDetailRow, party: Party, viewer_id: UUID, payments: list[PaymentView]) -> OrderView:
    is_seller = party is Party.SELLER
    is_customer = party is Party.CUSTOMER
    lines = [line for line in row.lines if not is_seller or line.seller_id == viewer_id]
    return OrderView(
        order_id=row.order_id,
        order_number=row.order_number,
        status=row.status,
        seen_as=party,
        customer_id=row.customer_id,
        customer_name=row.customer_name,
        customer_email=None if is_seller else row.customer_email,
        customer_phone=row.customer_phone,
        shipping_address=row.shipping_address,
        billing_address=None if is_seller else row.billing_address,
        customer_notes=row.customer_notes,
        lines=[_line(line, with_commission=not is_customer) for line in lines],
        lines_subtotal=sum_of([line.subtotal for line in lines], row.currency),
        amounts=_amounts(row) if len(lines) == len(row.lines) else None,
        payment_method=row.payment_method,
        payments=payments,
        tracking_number=row.tracking_number,
        tracking_url=row.tracking_url,
        estimated_delivery=row.estimated_delivery,
        notes=[
            _note(note, with_author=not is_customer)
            for note in row.notes
            if not is_customer or note.visibility == NoteVisibility.CUSTOMER
        ],
        history=row.history,
        placed_at=row.placed_at,
        updated_at=row.updated_at,
        version=row.version,
    )


def _line(line: OrderLine, *, with_commission: bool) -> OrderLineView:
    values = msgspec.structs.asdict(line)
    if not with_commission:
        values["commission_rate"] = None
    return OrderLineView(**values)


def _note(note: KeptNote, *, with_author: bool) -> OrderNoteView:
    values: dict[str, Any] = msgspec.structs.asdict(note)
    if not with_author:
        values["author_id"] = None
    return OrderNoteView(**values)


def _amounts(row: OrderDetailRow) -> OrderAmountsView:
    def money(minor: int) -> Money:
        return Money(minor, row.currency)

    return OrderAmountsView(
        subtotal=money(row.subtotal_minor),
        tax=money(row.tax_minor),
        tax_rate=row.tax_rate,
        shipping=money(row.shipping_minor),
        discount=money(row.discount_minor),
        total=money(row.total_minor),
        refunded=money(row.refunded_minor),
    )
