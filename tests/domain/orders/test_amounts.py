"""What an order costs is the sum of its parts (requirements ORD-05 to ORD-07)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.orders.amounts import MAX_TOTAL, MixedCurrencies, OrderTerms, OrderTotalOutOfRange, amounts_of
from domain.orders.events import OrderLine
from domain.shared.money import Money
from tests.domain.orders.makers import CUP, TERMS, line

LINES = st.lists(
    st.builds(
        lambda minor, quantity, kind: line(
            unit_price=Money(minor, "uzs"), quantity=quantity, product_type=kind
        ),
        st.integers(min_value=0, max_value=10**9),
        st.integers(min_value=1, max_value=100_000),
        st.sampled_from(["physical", "license", "credits"]),
    ),
    min_size=1,
    max_size=20,
)
FEES = st.one_of(st.just({}), st.builds(lambda fee: {"uzs": fee}, st.integers(min_value=0, max_value=10**7)))


@given(lines=LINES, tax_rate=st.integers(min_value=0, max_value=10_000), fees=FEES)
def test_the_total_is_the_sum_of_its_parts(
    lines: list[OrderLine], tax_rate: int, fees: dict[str, int]
) -> None:
    terms = OrderTerms(tax_rate=tax_rate, commission_rate=0, shipping_fees=fees)
    amounts = amounts_of(lines, terms)
    assert amounts.subtotal.minor == sum(each.unit_price.minor * each.quantity for each in lines)
    assert amounts.total == amounts.subtotal + amounts.tax + amounts.shipping - amounts.discount
    assert min(amounts.subtotal.minor, amounts.tax.minor, amounts.shipping.minor, amounts.total.minor) >= 0
    assert abs(amounts.tax.minor * 10_000 - amounts.subtotal.minor * tax_rate) <= 5_000


@given(lines=LINES, discount=st.integers(min_value=0, max_value=10**15))
def test_a_discount_never_makes_an_order_cost_less_than_nothing(
    lines: list[OrderLine], discount: int
) -> None:
    full = amounts_of(lines, TERMS).total.minor
    if discount > full:
        with pytest.raises(OrderTotalOutOfRange):
            amounts_of(lines, TERMS, discount_minor=discount)
    else:
        assert amounts_of(lines, TERMS, discount_minor=discount).total.minor == full - discount


@pytest.mark.parametrize(("minor", "tax"), [(50, 0), (150, 2), (250, 2), (12_50, 12), (12_51, 13)])
def test_tax_is_rounded_half_to_even(minor: int, tax: int) -> None:
    one_percent = OrderTerms(tax_rate=100, commission_rate=0, shipping_fees={})
    assert amounts_of([line(unit_price=Money(minor), quantity=1)], one_percent).tax == Money(tax)


def test_one_physical_thing_makes_the_courier_come_once() -> None:
    licence = line(listing_id=CUP, product_type="license", unit_price=Money(1, "uzs"))
    teapot = line(unit_price=Money(1, "uzs"))
    assert amounts_of([licence, teapot, teapot], TERMS).shipping == Money(15_000_00, "uzs")


def test_nobody_carries_a_licence() -> None:
    licence = line(product_type="license", unit_price=Money(1, "uzs"))
    assert amounts_of([licence], TERMS).shipping == Money(0, "uzs")


def test_a_currency_without_a_fee_ships_free() -> None:
    assert amounts_of([line()], TERMS).shipping == Money(0)


def test_two_currencies_are_two_orders() -> None:
    with pytest.raises(MixedCurrencies) as caught:
        amounts_of([line(), line(unit_price=Money(1, "uzs"))], TERMS)
    assert caught.value.details == {"currencies": ["usd", "uzs"]}


def test_a_total_that_json_cannot_hold_is_refused() -> None:
    free = OrderTerms(tax_rate=0, commission_rate=0, shipping_fees={})
    largest = line(unit_price=Money(MAX_TOTAL), quantity=1)
    assert amounts_of([largest], free).total.minor == MAX_TOTAL
    with pytest.raises(OrderTotalOutOfRange):
        amounts_of([largest, line(unit_price=Money(1), quantity=1)], free)
