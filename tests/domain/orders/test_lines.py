"""What is wanted becomes one line a listing."""

from uuid import UUID

import pytest

from domain.orders.lines import (
    MAX_LINE_QUANTITY,
    MAX_LINES,
    EmptyCart,
    OrderLineRequest,
    OrderLinesInvalid,
    merge,
)
from domain.shared.money import Money
from tests.domain.orders.makers import CUP, TEAPOT, line


def want(listing_id: UUID, quantity: int) -> OrderLineRequest:
    return OrderLineRequest(listing_id=listing_id, quantity=quantity)


def test_a_listing_named_twice_is_one_line() -> None:
    merged = merge([want(CUP, 1), want(TEAPOT, 2), want(CUP, 3)])
    assert list(merged.items()) == [(CUP, 4), (TEAPOT, 2)]


def test_nothing_cannot_be_ordered() -> None:
    with pytest.raises(EmptyCart):
        merge([])


@pytest.mark.parametrize("quantities", [[0], [-1], [MAX_LINE_QUANTITY + 1], [MAX_LINE_QUANTITY, 1], [5, -2]])
def test_impossible_quantities_are_refused_where_they_stand(quantities: list[int]) -> None:
    with pytest.raises(OrderLinesInvalid) as caught:
        merge([want(CUP, 1), *(want(TEAPOT, quantity) for quantity in quantities)])
    assert [problem.field for problem in caught.value.problems] == [f"items.{len(quantities)}.quantity"]


def test_a_long_invoice_fits_and_a_longer_one_does_not() -> None:
    wanted = [want(UUID(int=n), MAX_LINE_QUANTITY) for n in range(MAX_LINES)]
    assert len(merge(wanted)) == MAX_LINES
    with pytest.raises(OrderLinesInvalid):
        merge([*wanted, want(TEAPOT, 1)])


def test_a_subtotal_is_the_unit_price_times_the_quantity() -> None:
    assert line(unit_price=Money(12_50), quantity=3).subtotal == Money(37_50)
