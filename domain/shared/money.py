"""Money: whole minor units of one currency, never a float (requirements §0.3)."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Final

import msgspec

BASIS_POINTS: Final = 10_000
"""A whole in basis points: 800 of them are 8 %."""

# ISO 4217 (list one): minor units other than two. The Uzbek soum has two (tiyin), as Payme counts it.
_EXPONENTS: Final = {
    "bif": 0, "clp": 0, "djf": 0, "gnf": 0, "isk": 0, "jpy": 0, "kmf": 0, "krw": 0, "pyg": 0,
    "rwf": 0, "ugx": 0, "vnd": 0, "vuv": 0, "xaf": 0, "xof": 0, "xpf": 0,
    "bhd": 3, "iqd": 3, "jod": 3, "kwd": 3, "lyd": 3, "omr": 3, "tnd": 3,
}  # fmt: skip


def exponent(currency: str) -> int:
    """How many decimal places the currency has (ISO 4217)."""
    return _EXPONENTS.get(currency, 2)


class CurrencyMismatch(ValueError):
    """Two currencies met in one sum: a bug, for the edge checks currencies."""


class Money(msgspec.Struct, frozen=True, gc=False):
    """An amount: `minor` whole minor units (cents, tiyin; may be negative) of `currency` (ISO 4217, lower case)."""

    minor: int = msgspec.field(name="amount")
    currency: str = "usd"

    def __add__(self, other: "Money") -> "Money":
        """The sum; both in one currency."""
        self._same(other)
        return Money(self.minor + other.minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        """The difference; may be negative."""
        self._same(other)
        return Money(self.minor - other.minor, self.currency)

    def __mul__(self, quantity: int) -> "Money":
        """So many times this amount."""
        return Money(self.minor * quantity, self.currency)

    def __neg__(self) -> "Money":
        """The same amount the other way."""
        return Money(-self.minor, self.currency)

    def __bool__(self) -> bool:
        """Whether it is anything at all."""
        return self.minor != 0

    def share(self, basis_points: int) -> "Money":
        """So many basis points of this amount, rounded half to even to the minor unit."""
        return Money(round_half_even(self.minor * basis_points, BASIS_POINTS), self.currency)

    def decimal(self) -> Decimal:
        """The amount in major units, exactly."""
        return Decimal(self.minor).scaleb(-exponent(self.currency))

    def __str__(self) -> str:
        """For people and logs: `12.50 usd`."""
        return f"{self.decimal():f} {self.currency}"

    def _same(self, other: "Money") -> None:
        if self.currency != other.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} do not add up.")


def round_half_even(numerator: int, denominator: int) -> int:
    """The whole number nearest to the quotient; a tie goes to the even one."""
    return round(Fraction(numerator, denominator))


def total(amounts: Iterable[Money], currency: str) -> Money:
    """The sum of any number of amounts, zero of `currency` when there are none."""
    result = Money(0, currency)
    for amount in amounts:
        result = result + amount
    return result


def split(whole: Money, weights: Sequence[int]) -> list[Money]:
    """Divide by weights so that the parts sum to the whole; the first largest remainders get the odd units.

    Raises:
        ValueError: no weight, a negative one, or all zero.
    """
    weight = sum(weights)
    if not weights or min(weights) < 0 or weight == 0:
        raise ValueError("A split needs weights that are not negative and not all zero.")
    parts = [whole.minor * each // weight for each in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(whole.minor * weights[i] % weight), i))
    for i in order[: whole.minor - sum(parts)]:
        parts[i] += 1
    return [Money(part, whole.currency) for part in parts]


def from_decimal(amount: Decimal, currency: str) -> Money:
    """Read an amount in major units.

    Raises:
        ValueError: it has more places than the currency, or is not a finite number.
    """
    if not amount.is_finite():
        raise ValueError(f"{amount} is not an amount.")
    scaled = amount.scaleb(exponent(currency))
    whole = scaled.to_integral_value(rounding=ROUND_HALF_EVEN)
    if whole != scaled:
        raise ValueError(f"{amount} has more decimal places than {currency}.")
    return Money(int(whole), currency)
