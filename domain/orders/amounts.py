"""What an order costs: a pure sum over minor units (requirements ORD-05 to ORD-07)."""

from collections.abc import Sequence
from typing import Final

import msgspec

from domain.orders.events import OrderLine
from domain.shared.errors import RuleViolation
from domain.shared.money import Money

PHYSICAL: Final = "physical"
"""The product type of goods that a courier carries (requirements LST-03)."""

MAX_TOTAL: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly (RFC 8259, section 6)."""


class MixedCurrencies(RuleViolation):
    """One order is paid in one currency."""

    code = "MIXED_CURRENCIES"


class OrderTotalOutOfRange(RuleViolation):
    """A part of the amount is below zero, or the total is beyond `MAX_TOTAL`."""

    code = "ORDER_TOTAL_OUT_OF_RANGE"


class OrderTerms(msgspec.Struct, frozen=True, kw_only=True):
    """What the house charges at the moment of placement.

    `tax_rate` and `commission_rate` are basis points (800 are 8 %); `shipping_fees` are minor units by currency, none
    where a currency is missing.
    """

    tax_rate: int
    commission_rate: int
    shipping_fees: dict[str, int]


class OrderAmounts(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of an order's price and their sum, in one currency: total = subtotal + tax + shipping - discount."""

    subtotal: Money
    tax: Money
    shipping: Money
    discount: Money
    total: Money


def amounts_of(lines: Sequence[OrderLine], terms: OrderTerms, *, discount_minor: int = 0) -> OrderAmounts:
    """Add up at least one line. Tax is a share of the subtotal, rounded half to even; shipping only for physical goods.

    Raises:
        MixedCurrencies: the lines are not all in one currency.
        OrderTotalOutOfRange: a part or the total is below zero, or the total too large.
    """
    currency = lines[0].subtotal.currency
    subtotal_minor = 0
    physical = False
    for line in lines:
        if line.subtotal.currency != currency:
            raise MixedCurrencies(
                f"The order has prices in {currency} and in {line.subtotal.currency}.",
                details={"currencies": sorted({line.subtotal.currency for line in lines})},
            )
        subtotal_minor += line.subtotal.minor
        physical = physical or line.product_type == PHYSICAL
    subtotal = Money(subtotal_minor, currency)
    tax = subtotal.share(terms.tax_rate)
    shipping_minor = terms.shipping_fees.get(currency, 0) if physical else 0
    total_minor = subtotal_minor + tax.minor + shipping_minor - discount_minor
    if (
        min(subtotal_minor, tax.minor, shipping_minor, discount_minor, total_minor) < 0
        or total_minor > MAX_TOTAL
    ):
        raise OrderTotalOutOfRange(
            "The order's amounts are below zero or too large.", details={"total": str(total_minor)}
        )
    return OrderAmounts(
        subtotal=subtotal,
        tax=tax,
        shipping=Money(shipping_minor, currency),
        discount=Money(discount_minor, currency),
        total=Money(total_minor, currency),
    )
