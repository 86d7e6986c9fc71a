"""What a listing may cost (requirements LST-06, LST-07, LST-08). All amounts of a listing are in one currency."""

from collections.abc import Iterable

from domain.shared.errors import InvalidInput, Problem, RuleViolation
from domain.shared.money import Money


class PriceInvalid(InvalidInput):
    """A price that no listing can have, or two that contradict each other."""


class ListingCurrencyFixed(RuleViolation):
    """The currency of a listing is chosen once: past orders, carts and ledgers count in it."""

    code = "CURRENCY_MISMATCH"


def price_problems(price: Money, ceiling: int) -> Iterable[Problem]:
    """What is wrong with a price; `ceiling` is the highest one, in minor units of its currency."""
    return _range_problems("price", price, 1, ceiling)


def compare_price_problems(compare_price: Money, ceiling: int) -> Iterable[Problem]:
    """What is wrong with the price that is shown struck through."""
    return _range_problems("comparePrice", compare_price, 1, ceiling)


def cost_price_problems(cost_price: Money, ceiling: int) -> Iterable[Problem]:
    """What is wrong with the price that the seller paid."""
    return _range_problems("costPrice", cost_price, 0, ceiling)


def credit_amount_problems(credit_amount: Money, ceiling: int) -> Iterable[Problem]:
    """What is wrong with the store credit that a buyer gets for one piece."""
    return _range_problems("creditAmount", credit_amount, 1, ceiling)


def pair_problems(price: Money, compare_price: Money | None) -> Iterable[Problem]:
    """A compare price is above the price, whichever of them changed."""
    if compare_price is not None and compare_price.minor <= price.minor:
        message = f"The compare price {compare_price} is not greater than the price {price}."
        yield Problem("comparePrice", message, "greater_than_price")


def refuse(problems: Iterable[Problem]) -> None:
    """Answer with all problems at once, if there are any.

    Raises:
        PriceInvalid: there are.
    """
    found = list(problems)
    if found:
        raise PriceInvalid(found[0].message, problems=found)


def _range_problems(field: str, amount: Money, lowest: int, ceiling: int) -> Iterable[Problem]:
    if not lowest <= amount.minor <= ceiling:
        low, high = Money(lowest, amount.currency), Money(ceiling, amount.currency)
        yield Problem(field, f"The amount is from {low} to {high}, not {amount}.", "range")
