"""The invoices of a real shop, read from its CSV, as what can be traded with Daftar (see online_retail)."""

import csv
import gzip
from collections.abc import Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path

import msgspec

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "online_retail" / "online_retail.csv.gz"
"""Where the data stands beside the checkout; it is not part of the project."""


class Line(msgspec.Struct, frozen=True):
    """So many pieces of one stock code at one price, in pence."""

    code: str
    quantity: int
    price: int


class Invoice(msgspec.Struct, frozen=True):
    """One invoice. `customer` is the shop's own number, or `guest:<country>`. Quantities are positive throughout."""

    number: str
    customer: str
    country: str
    lines: tuple[Line, ...]

    @property
    def is_cancellation(self) -> bool:
        """Whether it takes goods back."""
        return self.number.startswith("C")

    @property
    def amount(self) -> int:
        """Pence."""
        return sum(line.quantity * line.price for line in self.lines)


class Left(msgspec.Struct):
    """Rows that cannot be traded, by reason."""

    adjustments: int = 0
    without_price: int = 0
    write_offs: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.adjustments + self.without_price + self.write_offs


class Shop(msgspec.Struct, frozen=True):
    """What is traded: invoices in the order of the file, names by stock code, and what was left out."""

    invoices: tuple[Invoice, ...]
    names: dict[str, str]
    rows: int
    left: Left

    @property
    def sales(self) -> list[Invoice]:
        """Invoices that sell."""
        return [invoice for invoice in self.invoices if not invoice.is_cancellation]

    @property
    def cancellations(self) -> list[Invoice]:
        """Invoices that take back."""
        return [invoice for invoice in self.invoices if invoice.is_cancellation]


def read_shop(path: Path = DATA, *, sales: int | None = None) -> Shop:
    """The whole year, or everything up to the `sales`th invoice that sells something."""
    left = Left()
    names: dict[str, str] = {}
    invoices: list[Invoice] = []
    rows = 0
    sold = 0
    for number, group in _by_invoice(path):
        invoice = _invoice(number, group, names, left)
        rows += len(group)
        if invoice.lines:
            invoices.append(invoice)
            sold += not invoice.is_cancellation
        if sales is not None and sold >= sales:
            break
    return Shop(tuple(invoices), names, rows, left)


def _by_invoice(path: Path) -> Iterator[tuple[str, list[dict[str, str]]]]:
    groups: dict[str, list[dict[str, str]]] = {}
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        # The lines of an invoice stand together but for a few; a dictionary keeps the order of first appearance.
        for row in csv.DictReader(file):
            groups.setdefault(row["InvoiceNo"], []).append(row)
    yield from groups.items()


def _invoice(number: str, group: list[dict[str, str]], names: dict[str, str], left: Left) -> Invoice:
    lines = []
    first = group[0]
    for row in group:
        code = row["StockCode"].strip()
        quantity = int(row["Quantity"])
        price = int((Decimal(row["UnitPrice"]) * 100).to_integral_value(rounding=ROUND_HALF_EVEN))
        if number.startswith("A"):
            left.adjustments += 1
        elif price <= 0:
            left.without_price += 1
        elif (quantity < 0) is not number.startswith("C"):
            left.write_offs += 1
        else:
            lines.append(Line(code, abs(quantity), price))
            if row["Description"].strip():
                names.setdefault(code, row["Description"].strip())
    customer = first["CustomerID"].strip() or f"guest:{first['Country']}"
    return Invoice(number, customer, first["Country"], tuple(lines))
