"""The screen "Orders with my listings" of a seller (requirements ORD-18)."""

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


class SoldLine(msgspec.Struct, frozen=True):
    """One line that a seller sold; amounts in the order's currency."""

    line_no: int
    listing_id: UUID
    name: str
    sku: str | None
    quantity: int
    unit_price_minor: int
    subtotal_minor: int


class SellerOrderRow(msgspec.Struct):
    """The part of one order that is one seller's.

    `seller_no` counts the order's sellers from 1 in the order of its lines, `sellers` is how many there are. Later facts
    name the order and not its sellers: by these numbers the rows are found from the order alone.
    """

    order_id: UUID
    seller_no: int
    sellers: int
    seller_id: UUID
    order_number: str
    status: str
    currency: str
    subtotal_minor: int
    lines: list[SoldLine]
    placed_at: datetime
    version: int


SELLER_ORDERS = Table(
    "seller_orders",
    SellerOrderRow,
    key=("order_id", "seller_no"),
    columns="""
        order_id uuid NOT NULL,
        seller_no integer NOT NULL,
        sellers integer NOT NULL,
        seller_id uuid NOT NULL,
        order_number text NOT NULL,
        status text NOT NULL,
        currency text NOT NULL,
        subtotal_minor bigint NOT NULL,
        lines jsonb NOT NULL,
        placed_at timestamptz NOT NULL,
        version integer NOT NULL
    """,
    indexes={
        "seller": "(seller_id, placed_at DESC, order_id DESC)",
        "seller_status": "(seller_id, status, placed_at DESC, order_id DESC)",
    },
)


class SellerOrdersProjection(Projection):
    """Keeps one row for each seller of an order."""

    name = "seller_orders"
    tables = (SELLER_ORDERS,)
    events = (OrderPlaced, *STATUS_AFTER)

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        event = recorded.event
        rows = batch.rows(SELLER_ORDERS)
        order_id = recorded.stream_id
        if isinstance(event, OrderPlaced):
            for row in _parts(event, recorded):
                rows.put(row)
            return
        first = rows.change(order_id, 1)
        if first is None:
            return
        changed = [first]
        if first.sellers > 1:
            others = [(order_id, number) for number in range(2, first.sellers + 1)]
            rows.load(others)
            changed += [other for key in others if (other := rows.change(*key)) is not None]
        status = STATUS_AFTER[type(event)]
        for row in changed:
            row.status = status
            row.version = recorded.version


def _parts(event: OrderPlaced, recorded: Recorded) -> list[SellerOrderRow]:
    parts: dict[UUID, SellerOrderRow] = {}
    for line in event.items:
        part = parts.get(line.seller_id)
        if part is None:
            part = parts[line.seller_id] = SellerOrderRow(
                recorded.stream_id,
                len(parts) + 1,
                0,
                line.seller_id,
                event.order_number,
                PLACED,
                event.total.currency,
                0,
                [],
                event.placed_at,
                recorded.version,
            )
        part.subtotal_minor += line.subtotal.minor
        part.lines.append(
            SoldLine(
                line.line_no,
                line.listing_id,
                line.name,
                line.sku,
                line.quantity,
                line.unit_price.minor,
                line.subtotal.minor,
            )
        )
    for part in parts.values():
        part.sellers = len(parts)
    return list(parts.values())


class SoldOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A seller's part of one order. `subtotal` is the sum of the seller's own lines.

    `is_whole` says that no other seller has a part in the order: then the seller ships it, else an admin does.
    """

    order_id: UUID
    order_number: str
    status: str
    subtotal: Money
    lines: list[SoldLine]
    is_whole: bool
    placed_at: datetime


class SoldCursor(msgspec.Struct, frozen=True, array_like=True):
    """A place in a seller's list."""

    placed_at: Annotated[datetime, msgspec.Meta(tz=True)]
    order_id: UUID


class SellerOrders:
    """Orders with a seller's lines, newest first."""

    def __init__(self, reader: Reader) -> None:
        """Reads `seller_orders`."""
        self._list = NewestFirst(
            reader,
            columns="order_id, order_number, status, currency, subtotal_minor, lines, sellers, placed_at",
            table="seller_orders",
            order=("placed_at", "order_id"),
            place=SoldCursor,
            place_of=lambda order: SoldCursor(order.placed_at, order.order_id),
            item_of=_sold,
        )

    async def page(
        self, seller_id: UUID, request: PageRequest, *, status: str | None = None
    ) -> Page[SoldOrder]:
        """One numbered page, of one status or of all."""
        return await self._list.page(_filter(seller_id, status), request)

    async def slice(
        self, seller_id: UUID, request: SliceRequest, *, status: str | None = None
    ) -> Slice[SoldOrder]:
        """The next orders after a cursor."""
        return await self._list.slice(_filter(seller_id, status), request)


def _filter(seller_id: UUID, status: str | None) -> Filter:
    where = Filter().add("seller_id = %(seller_id)s", seller_id=seller_id)
    if status is not None:
        where.add("status = %(status)s", status=status)
    return where


def _sold(row: dict[str, Any]) -> SoldOrder:
    return SoldOrder(
        order_id=row["order_id"],
        order_number=row["order_number"],
        status=row["status"],
        subtotal=Money(row["subtotal_minor"], row["currency"]),
        lines=msgspec.convert(row["lines"], list[SoldLine]),
        is_whole=row["sellers"] == 1,
        placed_at=row["placed_at"],
    )
