"""Whatever is asked of a stock, in whatever order, nothing is promised twice (requirements LST-25, TST-10)."""

import itertools
from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.inventory.events import (
    InventoryEvent,
    LowStockReached,
    StockAdjusted,
    StockDepleted,
    StockReplenished,
)
from domain.inventory.stock import Stock, evolve, stock_id
from domain.shared.errors import DomainError
from tests.support.given import fold

LISTING, SELLER, ORDER = UUID(int=1), UUID(int=2), UUID(int=3)
QUANTITIES = st.integers(min_value=-2, max_value=12)


class StockLife(RuleBasedStateMachine):
    """Orders, sellers and cancellations at any time, with any numbers."""

    history: list[InventoryEvent]

    @initialize(
        quantity=st.integers(min_value=0, max_value=10), threshold=st.integers(min_value=0, max_value=10)
    )
    def open(self, quantity: int, threshold: int) -> None:
        self.history = Stock.open(LISTING, SELLER, quantity, threshold)
        self.sold = 0
        self.stock = fold(evolve, self.history, stock_id(LISTING))

    @rule(quantity=QUANTITIES)
    def reserve(self, quantity: int) -> None:
        available = self.stock.available
        took = self._ask(lambda stock: stock.reserve(ORDER, quantity))
        assert took == (1 <= quantity <= available)

    @rule(quantity=QUANTITIES)
    def release(self, quantity: int) -> None:
        held = self.stock.reserved
        took = self._ask(lambda stock: stock.release(ORDER, quantity, "order_cancelled"))
        assert took == (1 <= quantity <= held)

    @rule(quantity=QUANTITIES)
    def commit(self, quantity: int) -> None:
        available = self.stock.available
        if self._ask(lambda stock: stock.commit(ORDER, quantity)):
            self.sold += quantity
        assert self.stock.available == available

    @rule(quantity=QUANTITIES)
    def restock(self, quantity: int) -> None:
        if quantity <= self.sold and self._ask(lambda stock: stock.restock(ORDER, quantity)):
            self.sold -= quantity

    @rule(new_quantity=QUANTITIES)
    def count(self, new_quantity: int) -> None:
        self._ask(lambda stock: stock.adjust(new_quantity=new_quantity, reason="count"))

    @rule(delta=QUANTITIES)
    def deliver(self, delta: int) -> None:
        self._ask(lambda stock: stock.adjust(delta=delta, reason="delivery"))

    @rule(threshold=QUANTITIES)
    def set_threshold(self, threshold: int) -> None:
        self._ask(lambda stock: stock.set_threshold(threshold))

    @invariant()
    def nothing_is_promised_twice(self) -> None:
        assert 0 <= self.stock.reserved <= self.stock.quantity
        assert self.stock.available >= 0

    @invariant()
    def what_is_there_and_what_is_sold_is_what_came_in(self) -> None:
        came_in = sum(
            event.delta
            for event in self.history
            if isinstance(event, StockAdjusted) and event.reason != "order_cancelled"
        )
        assert self.stock.quantity + self.sold == came_in

    @invariant()
    def empty_and_full_are_told_in_turn(self) -> None:
        told = [type(e) for e in self.history if isinstance(e, StockDepleted | StockReplenished)]
        assert all(one is not other for one, other in itertools.pairwise(told))
        if told:
            assert (told[-1] is StockDepleted) == (self.stock.available == 0)

    def _ask(self, decide: Callable[[Stock], list[InventoryEvent]]) -> bool:
        """Whether the stock took it; tells of low stock exactly when it becomes low."""
        before = self.stock
        events: list[InventoryEvent] = []
        taken = False
        with suppress(DomainError):
            events = decide(before)
            taken = True
        for event in events:
            self.stock = evolve(self.stock, event, stock_id(LISTING))
        self.history += events
        was_low = before.available <= before.threshold
        is_low = self.stock.available <= self.stock.threshold
        told = sum(isinstance(event, LowStockReached) for event in events)
        assert told == (is_low and not was_low)
        return taken


TestStockLife = StockLife.TestCase
