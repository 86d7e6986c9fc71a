"""Stock is promised once, and the seller hears of it when it runs low."""

from functools import partial
from uuid import UUID

import pytest

from domain.inventory.events import (
    LowStockReached,
    LowStockThresholdSet,
    StockAdjusted,
    StockCommitted,
    StockDepleted,
    StockReleased,
    StockReplenished,
    StockReserved,
)
from domain.inventory.stock import (
    MAX_QUANTITY,
    InsufficientStock,
    ReservationUnknown,
    Stock,
    StockBelowReserved,
    StockQuantityInvalid,
    evolve,
    stock_id,
)
from tests.support.given import given

LISTING = UUID("01890000-0000-7000-8000-00000000001a")
SELLER = UUID("01890000-0000-7000-8000-0000000000a1")
ORDER = UUID("01890000-0000-7000-8000-0000000000b1")

given_stock = partial(given, evolve, stream_id=stock_id(LISTING))
reserve = partial(Stock.reserve, order_id=ORDER)
reserved = partial(StockReserved, listing_id=LISTING, order_id=ORDER)
committed = partial(StockCommitted, listing_id=LISTING, order_id=ORDER)
depleted = StockDepleted(listing_id=LISTING)


def opened(quantity: int, threshold: int = 0) -> list:
    return Stock.open(LISTING, SELLER, quantity, threshold)


def adjusted(
    delta: int, new_quantity: int, reason: str = "count", order_id: UUID | None = None
) -> StockAdjusted:
    return StockAdjusted(
        listing_id=LISTING,
        seller_id=SELLER,
        delta=delta,
        new_quantity=new_quantity,
        reason=reason,
        order_id=order_id,
    )


def low(quantity: int, threshold: int) -> LowStockReached:
    return LowStockReached(listing_id=LISTING, seller_id=SELLER, quantity=quantity, threshold=threshold)


class TestOpening:
    def test_a_new_listing_has_what_the_seller_says(self) -> None:
        stock = given_stock(*opened(7, 3)).state
        assert (stock.quantity, stock.reserved, stock.available, stock.threshold) == (7, 0, 7, 3)

    def test_opening_with_nothing_tells_nobody(self) -> None:
        assert opened(0, 10) == [
            adjusted(0, 0, "opening"),
            LowStockThresholdSet(listing_id=LISTING, threshold=10),
        ]

    @pytest.mark.parametrize(("quantity", "threshold"), [(-1, 0), (0, -1), (MAX_QUANTITY + 1, 0)])
    def test_impossible_quantities_are_refused_by_name(self, quantity: int, threshold: int) -> None:
        with pytest.raises(StockQuantityInvalid) as caught:
            opened(quantity, threshold)
        field = "lowStockThreshold" if threshold < 0 else "stockQuantity"
        assert [problem.field for problem in caught.value.problems] == [field]

    def test_the_stream_of_a_stock_is_named_after_its_listing(self) -> None:
        assert given_stock(*opened(1)).state.stream_id == stock_id(LISTING)


class TestReserving:
    def test_what_is_available_is_held(self) -> None:
        given_stock(*opened(5)).when(reserve, quantity=3).then(reserved(quantity=3))

    def test_what_others_hold_is_not_available(self) -> None:
        stock = given_stock(*opened(5), reserved(quantity=3))
        refusal = stock.when(reserve, quantity=3).refused(InsufficientStock)
        assert refusal.details == {"listingId": str(LISTING), "available": 2, "requested": 3}

    def test_the_last_one_gone_is_told(self) -> None:
        given_stock(*opened(5)).when(reserve, quantity=5).then(reserved(quantity=5), depleted, low(0, 0))

    def test_running_low_is_told_once(self) -> None:
        stock = given_stock(*opened(5, 3))
        stock.when(reserve, quantity=2).then(reserved(quantity=2), low(3, 3))
        after = given_stock(*opened(5, 3), reserved(quantity=2), low(3, 3))
        after.when(reserve, quantity=1).then(reserved(quantity=1))

    @pytest.mark.parametrize("quantity", [0, -1])
    def test_nobody_reserves_nothing(self, quantity: int) -> None:
        given_stock(*opened(5)).when(reserve, quantity=quantity).refused(StockQuantityInvalid)


class TestReleasing:
    release = partial(Stock.release, order_id=ORDER, reason="order_cancelled")
    released = StockReleased(listing_id=LISTING, order_id=ORDER, quantity=5, reason="order_cancelled")

    def test_what_was_held_is_for_sale_again(self) -> None:
        stock = given_stock(*opened(5), reserved(quantity=5), depleted)
        stock.when(self.release, quantity=5).then(
            self.released, StockReplenished(listing_id=LISTING, new_quantity=5)
        )

    def test_coming_back_and_going_again_is_another_crossing(self) -> None:
        stock = given_stock(*opened(5, 2), reserved(quantity=5), depleted, self.released)
        stock.when(reserve, quantity=3).then(reserved(quantity=3), low(2, 2))

    def test_no_more_than_is_held_can_be_released(self) -> None:
        stock = given_stock(*opened(5), reserved(quantity=2))
        stock.when(self.release, quantity=3).refused(ReservationUnknown)


class TestSelling:
    def test_what_is_sold_leaves_the_shelf_and_others_see_no_change(self) -> None:
        stock = given_stock(*opened(5, 4), reserved(quantity=2))
        stock.when(Stock.commit, order_id=ORDER, quantity=2).then(committed(quantity=2))
        after = given_stock(*opened(5, 4), reserved(quantity=2), committed(quantity=2)).state
        assert (after.quantity, after.reserved, after.available) == (3, 0, 3)

    def test_no_more_than_is_held_can_be_sold(self) -> None:
        given_stock(*opened(5)).when(Stock.commit, order_id=ORDER, quantity=1).refused(ReservationUnknown)

    def test_a_cancelled_sale_comes_back(self) -> None:
        stock = given_stock(*opened(5), reserved(quantity=5), committed(quantity=5))
        stock.when(Stock.restock, order_id=ORDER, quantity=5).then(
            adjusted(5, 5, "order_cancelled", ORDER), StockReplenished(listing_id=LISTING, new_quantity=5)
        )


class TestAdjusting:
    adjust = partial(Stock.adjust, reason="count")

    def test_a_count_sets_the_quantity(self) -> None:
        given_stock(*opened(5)).when(self.adjust, new_quantity=8).then(adjusted(3, 8))

    def test_a_delivery_adds_to_it(self) -> None:
        given_stock(*opened(5)).when(self.adjust, delta=3).then(adjusted(3, 8))

    def test_the_same_count_again_changes_nothing(self) -> None:
        given_stock(*opened(5)).when(self.adjust, new_quantity=5).then()

    def test_what_orders_hold_cannot_be_written_off(self) -> None:
        stock = given_stock(*opened(5), reserved(quantity=3))
        stock.when(self.adjust, new_quantity=3).then(adjusted(-2, 3), depleted, low(0, 0))
        refusal = stock.when(self.adjust, new_quantity=2).refused(StockBelowReserved)
        assert refusal.details == {"listingId": str(LISTING), "reserved": 3, "requested": 2}

    @pytest.mark.parametrize("change", [{}, {"new_quantity": 1, "delta": 1}, {"delta": MAX_QUANTITY}])
    def test_unclear_or_impossible_corrections_are_refused(self, change: dict[str, int]) -> None:
        given_stock(*opened(5)).when(self.adjust, **change).refused(StockQuantityInvalid)

    def test_nothing_is_below_zero(self) -> None:
        given_stock(*opened(5)).when(self.adjust, delta=-6).refused(StockBelowReserved)


class TestThreshold:
    def test_it_may_move_without_a_notice(self) -> None:
        given_stock(*opened(5, 1)).when(Stock.set_threshold, threshold=4).then(
            LowStockThresholdSet(listing_id=LISTING, threshold=4)
        )

    def test_a_threshold_above_what_is_there_is_a_crossing(self) -> None:
        given_stock(*opened(5, 1)).when(Stock.set_threshold, threshold=5).then(
            LowStockThresholdSet(listing_id=LISTING, threshold=5), low(5, 5)
        )

    def test_a_low_stock_is_not_told_twice(self) -> None:
        given_stock(*opened(5, 6)).when(Stock.set_threshold, threshold=9).then(
            LowStockThresholdSet(listing_id=LISTING, threshold=9)
        )

    def test_the_same_one_again_changes_nothing(self) -> None:
        given_stock(*opened(5, 1)).when(Stock.set_threshold, threshold=1).then()
