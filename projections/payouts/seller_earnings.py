"""The screen "My earnings" of a seller (requirements OUT-06): sums by currency, and the order lines they come from."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from domain.payouts.events import EarningAccrued, EarningReversed
from domain.shared.events import Recorded
from domain.shared.money import Money
from projections.shared.paging import Filter, NewestFirst, Page, PageRequest, Slice, SliceRequest
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.table import Table


class EarningsRow(msgspec.Struct):
    """Sums over one ledger: all earnings of a seller in a currency, minor units. `lines` counts order lines that earned."""

    ledger_id: UUID
    seller_id: UUID
    currency: str
    lines: int = 0
    gross_minor: int = 0
    commission_minor: int = 0
    net_minor: int = 0
    reversed_gross_minor: int = 0
    reversed_commission_minor: int = 0
    reversed_net_minor: int = 0


class EarningRow(msgspec.Struct):
    """What one order line earned, and what of it was taken back. `commission_rate` is in basis points."""

    order_id: UUID
    line_no: int
    seller_id: UUID
    currency: str
    earned_at: datetime
    gross_minor: int = 0
    commission_minor: int = 0
    commission_rate: int = 0
    net_minor: int = 0
    reversed_gross_minor: int = 0
    reversed_commission_minor: int = 0
    reversed_net_minor: int = 0
    reversed_at: datetime | None = None


EARNINGS = Table(
    "seller_earnings",
    EarningsRow,
    key=("ledger_id",),
    columns="""
        ledger_id uuid NOT NULL,
        seller_id uuid NOT NULL,
        currency text NOT NULL,
        lines bigint NOT NULL,
        gross_minor bigint NOT NULL,
        commission_minor bigint NOT NULL,
        net_minor bigint NOT NULL,
        reversed_gross_minor bigint NOT NULL,
        reversed_commission_minor bigint NOT NULL,
        reversed_net_minor bigint NOT NULL
    """,
    indexes={"seller": "(seller_id, currency)"},
)

ENTRIES = Table(
    "seller_earning_entries",
    EarningRow,
    key=("order_id", "line_no"),
    columns="""
        order_id uuid NOT NULL,
        line_no integer NOT NULL,
        seller_id uuid NOT NULL,
        currency text NOT NULL,
        earned_at timestamptz NOT NULL,
        gross_minor bigint NOT NULL,
        commission_minor bigint NOT NULL,
        commission_rate integer NOT NULL,
        net_minor bigint NOT NULL,
        reversed_gross_minor bigint NOT NULL,
        reversed_commission_minor bigint NOT NULL,
        reversed_net_minor bigint NOT NULL,
        reversed_at timestamptz
    """,
    indexes={
        "seller": "(seller_id, earned_at DESC, order_id DESC, line_no DESC)",
        "seller_currency": "(seller_id, currency, earned_at DESC, order_id DESC, line_no DESC)",
    },
)


class SellerEarningsProjection(Projection):
    """Keeps sums and entries together, so that they never disagree."""

    name = "seller_earnings"
    tables = (EARNINGS, ENTRIES)
    events = (EarningAccrued, EarningReversed)

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        event = recorded.event
        assert isinstance(event, self.events)
        at = recorded.at
        seller_id, currency = event.seller_id, event.gross.currency
        sums = batch.rows(EARNINGS).change_or_new(
            lambda: EarningsRow(recorded.stream_id, seller_id, currency), recorded.stream_id
        )
        entry = batch.rows(ENTRIES).change_or_new(
            lambda: EarningRow(event.order_id, event.line_no, seller_id, currency, at),
            event.order_id,
            event.line_no,
        )
        if isinstance(event, EarningAccrued):
            sums.lines += 1
            entry.commission_rate = event.commission_rate
            for row in (sums, entry):
                row.gross_minor += event.gross.minor
                row.commission_minor += event.commission.minor
                row.net_minor += event.net.minor
        else:
            entry.reversed_at = at
            for row in (sums, entry):
                row.reversed_gross_minor += event.gross.minor
                row.reversed_commission_minor += event.commission.minor
                row.reversed_net_minor += event.net.minor


class Earnings(msgspec.Struct, frozen=True, kw_only=True):
    """What a seller earned in one currency.

    `gross` less `commission` is `net`; the same of what was taken back; `due` is net less what was taken back. `lines`
    counts the order lines that earned.
    """

    currency: str
    lines: int
    gross: Money
    commission: Money
    net: Money
    reversed_gross: Money
    reversed_commission: Money
    reversed_net: Money
    due: Money


class Earning(msgspec.Struct, frozen=True, kw_only=True):
    """What one delivered order line earned. `commission_rate` is in basis points; the rest as in `Earnings`."""

    order_id: UUID
    order_number: str | None
    line_no: int
    earned_at: datetime
    commission_rate: int
    gross: Money
    commission: Money
    net: Money
    reversed_gross: Money
    reversed_commission: Money
    reversed_net: Money
    due: Money
    reversed_at: datetime | None


class EarningCursor(msgspec.Struct, frozen=True, array_like=True):
    """A place in a list of earnings."""

    earned_at: Annotated[datetime, msgspec.Meta(tz=True)]
    order_id: UUID
    line_no: Annotated[int, msgspec.Meta(ge=0, lt=2**31)]


class SellerEarnings:
    """What a seller has earned."""

    def __init__(self, reader: Reader) -> None:
        """Reads `seller_earnings`, its entries, and order numbers from `customer_orders`."""
        self._reader = reader
        self._entries = NewestFirst(
            reader,
            columns="""
                e.order_id, e.line_no, e.currency, e.earned_at, e.commission_rate, e.gross_minor, e.commission_minor,
                e.net_minor, e.reversed_gross_minor, e.reversed_commission_minor, e.reversed_net_minor, e.reversed_at,
                (SELECT o.order_number FROM customer_orders AS o WHERE o.order_id = e.order_id) AS order_number
            """,
            table="seller_earning_entries AS e",
            order=("e.earned_at", "e.order_id", "e.line_no"),
            place=EarningCursor,
            place_of=lambda entry: EarningCursor(entry.earned_at, entry.order_id, entry.line_no),
            item_of=_earning,
        )

    async def totals(self, seller_id: UUID) -> list[Earnings]:
        """One sum for each currency, by its code."""
        rows = await self._reader.all(
            """
            SELECT currency, lines, gross_minor, commission_minor, net_minor, reversed_gross_minor,
                reversed_commission_minor, reversed_net_minor
            FROM seller_earnings
            WHERE seller_id = %(seller_id)s
            ORDER BY currency
            """,
            {"seller_id": seller_id},
        )
        return [Earnings(currency=row["currency"], lines=row["lines"], **_amounts(row)) for row in rows]

    async def page(
        self, seller_id: UUID, request: PageRequest, *, currency: str | None = None
    ) -> Page[Earning]:
        """One numbered page of the entries, newest first."""
        return await self._entries.page(_filter(seller_id, currency), request)

    async def slice(
        self, seller_id: UUID, request: SliceRequest, *, currency: str | None = None
    ) -> Slice[Earning]:
        """The next entries after a cursor."""
        return await self._entries.slice(_filter(seller_id, currency), request)


def _filter(seller_id: UUID, currency: str | None) -> Filter:
    where = Filter().add("e.seller_id = %(seller_id)s", seller_id=seller_id)
    if currency is not None:
        where.add("e.currency = %(currency)s", currency=currency)
    return where


def _earning(row: dict[str, Any]) -> Earning:
    return Earning(
        order_id=row["order_id"],
        order_number=row["order_number"],
        line_no=row["line_no"],
        earned_at=row["earned_at"],
        commission_rate=row["commission_rate"],
        reversed_at=row["reversed_at"],
        **_amounts(row),
    )


def _amounts(row: dict[str, Any]) -> dict[str, Money]:
    names = ("gross", "commission", "net", "reversed_gross", "reversed_commission", "reversed_net")
    amounts = {name: Money(row[f"{name}_minor"], row["currency"]) for name in names}
    return {**amounts, "due": amounts["net"] - amounts["reversed_net"]}
