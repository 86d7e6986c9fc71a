"""The screen "My orders", newest first, and the list of all orders for staff (requirements ORD-14)."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from domain.orders.events import OrderPlaced
from domain.shared.events import Recorded
from domain.shared.money import Money
from projections.orders.statuses import PLACED, STATUS_AFTER
from projections.shared.paging import Filter, NewestFirst, Page, PageRequest, Slice, SliceRequest
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.table import Table


class OrderedItem(msgspec.Struct, frozen=True):
    """One line of an order in short. `subtotal_minor` is in the order's currency."""

    listing_id: UUID
    name: str
    quantity: int
    subtotal_minor: int


class CustomerOrderRow(msgspec.Struct):
    """One order of one customer. `version` is that of the order's stream after its last change of status."""

    order_id: UUID
    order_number: str
    customer_id: UUID
    status: str
    currency: str
    total_minor: int
    items: list[OrderedItem]
    placed_at: datetime
    version: int


ORDERS = Table(
    "customer_orders",
    CustomerOrderRow,
    key=("order_id",),
    columns="""
        order_id uuid NOT NULL,
        order_number text NOT NULL,
        customer_id uuid NOT NULL,
        status text NOT NULL,
        currency text NOT NULL,
        total_minor bigint NOT NULL,
        items jsonb NOT NULL,
        placed_at timestamptz NOT NULL,
        version integer NOT NULL
    """,
    indexes={
        "customer": "(customer_id, placed_at DESC, order_id DESC)",
        "customer_status": "(customer_id, status, placed_at DESC, order_id DESC)",
        "status": "(status, placed_at DESC, order_id DESC)",
        "placed": "(placed_at DESC, order_id DESC)",
        "number": "(order_number)",
    },
)


class CustomerOrdersProjection(Projection):
    """Keeps one row an order."""

    name = "customer_orders"
    tables = (ORDERS,)
    events = (OrderPlaced, *STATUS_AFTER)

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        event = recorded.event
        rows = batch.rows(ORDERS)
        if isinstance(event, OrderPlaced):
            rows.put(
                CustomerOrderRow(
                    recorded.stream_id,
                    event.order_number,
                    event.customer_id,
                    PLACED,
                    event.total.currency,
                    event.total.minor,
                    [
                        OrderedItem(line.listing_id, line.name, line.quantity, line.subtotal.minor)
                        for line in event.items
                    ],
                    event.placed_at,
                    recorded.version,
                )
            )
            return
        row = rows.change(recorded.stream_id)
        if row is not None:
            row.status = STATUS_AFTER[type(event)]
            row.version = recorded.version


class OrderSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One order in a list."""

    order_id: UUID
    order_number: str
    customer_id: UUID
    status: str
    total: Money
    items: list[OrderedItem]
    placed_at: datetime


class OrderFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which orders: those of a customer, in a status, of a number, placed from (with) and before (without) a moment.

    What is `None` does not matter. Without `customer_id` the list is for staff only; the edge sees to that.
    """

    customer_id: UUID | None = None
    status: str | None = None
    order_number: str | None = None
    placed_from: datetime | None = None
    placed_before: datetime | None = None


class PlacedCursor(msgspec.Struct, frozen=True, array_like=True):
    """A place in a list of orders."""

    placed_at: Annotated[datetime, msgspec.Meta(tz=True)]
    order_id: UUID


class CustomerOrders:
    """Orders in short, newest first."""

    def __init__(self, reader: Reader) -> None:
        """Reads `customer_orders`."""
        self._list = NewestFirst(
            reader,
            columns="order_id, order_number, customer_id, status, currency, total_minor, items, placed_at",
            table="customer_orders",
            order=("placed_at", "order_id"),
            place=PlacedCursor,
            place_of=lambda order: PlacedCursor(order.placed_at, order.order_id),
            item_of=_summary,
        )

    async def page(self, wanted: OrderFilter, request: PageRequest) -> Page[OrderSummary]:
        """One numbered page."""
        return await self._list.page(_filter(wanted), request)

    async def slice(self, wanted: OrderFilter, request: SliceRequest) -> Slice[OrderSummary]:
        """The next orders after a cursor."""
        return await self._list.slice(_filter(wanted), request)


def _filter(wanted: OrderFilter) -> Filter:
    where = Filter()
    if wanted.customer_id is not None:
        where.add("customer_id = %(customer_id)s", customer_id=wanted.customer_id)
    if wanted.status is not None:
        where.add("status = %(status)s", status=wanted.status)
    if wanted.order_number is not None:
        where.add("order_number = %(order_number)s", order_number=wanted.order_number)
    if wanted.placed_from is not None:
        where.add("placed_at >= %(placed_from)s", placed_from=wanted.placed_from)
    if wanted.placed_before is not None:
        where.add("placed_at < %(placed_before)s", placed_before=wanted.placed_before)
    return where


def _summary(row: dict[str, Any]) -> OrderSummary:
    return OrderSummary(
        order_id=row["order_id"],
        order_number=row["order_number"],
        customer_id=row["customer_id"],
        status=row["status"],
        total=Money(row["total_minor"], row["currency"]),
        items=msgspec.convert(row["items"], list[OrderedItem]),
        placed_at=row["placed_at"],
    )
