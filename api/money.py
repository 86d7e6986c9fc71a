"""Money at the edge: decimals in major units for people, whole minor units for programs (requirements §0.3)."""

from decimal import Decimal
from typing import Annotated

import msgspec

from api.envelope import RequestBody, ResponseBody
from domain.shared.errors import InvalidInput, Problem
from domain.shared.money import Money, from_decimal

MINOR_MAXIMUM = 10**15
"""The largest amount in minor units that the edge takes: far beyond every price, far below 64 bits."""

DecimalText = Annotated[
    str, msgspec.Meta(pattern=r"^[0-9]{1,13}(\.[0-9]{1,3})?$", examples=["12.50"], max_length=17)
]
Currency = Annotated[
    str,
    # Python's `$` also fits before a line feed at the end, which the length shuts out.
    msgspec.Meta(max_length=3, pattern=r"^[a-z]{3}$", description="ISO 4217, lower case", examples=["usd"]),
]


class MoneyView(ResponseBody, frozen=True, kw_only=True):
    """An amount: `amount` in major units as a decimal text, `minor` the same in whole minor units."""

    amount: str
    currency: str
    minor: int

    @classmethod
    def of(cls, money: Money) -> "MoneyView":
        """Show an amount."""
        return cls(amount=f"{money.decimal():f}", currency=money.currency, minor=money.minor)


class MoneyRequest(RequestBody, frozen=True, kw_only=True):
    """An amount that a caller names: a decimal text in major units and its currency."""

    amount: DecimalText
    currency: Currency

    def money(self, field: str) -> Money:
        """The amount; `field` is where it stands in the request, for the answer when it is wrong.

        Raises:
            InvalidInput: it has more places than the currency, or is beyond all prices.
        """
        return money_of(self.amount, self.currency, field)


def money_of(amount: str, currency: str, field: str) -> Money:
    """Read a decimal text in major units that matches `DecimalText`.

    Raises:
        InvalidInput: it has more places than the currency, or is beyond all prices.
    """
    try:
        money = from_decimal(Decimal(amount), currency)
    except ValueError as error:
        message = f"The amount has more decimal places than {currency} has."
        raise InvalidInput(message, problems=[Problem(field, message, "decimal_places")]) from error
    if abs(money.minor) > MINOR_MAXIMUM:
        message = "The amount is too large."
        raise InvalidInput(message, problems=[Problem(field, message, "maximum")])
    return money
