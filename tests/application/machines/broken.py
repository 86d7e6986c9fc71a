"""Products that are broken in one place each. A machine that does not find that out is worth nothing."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from application.payments import handlers as payments
from application.payouts import handlers as payouts
from application.shared.loop import CommandLoop
from domain.carts.cart import Cart
from domain.inventory.events import StockReserved
from domain.inventory.stock import Stock
from domain.orders.order import Order, OrderStatus
from domain.payments.payment import Payment
from domain.shared.money import Money
from projections.shared.rows import Rows
from tests.support.memory_store import InMemoryEventStore

Break = Callable[[pytest.MonkeyPatch], None]


def stock_is_promised_without_looking(patch: pytest.MonkeyPatch) -> None:
    def reserve(self: Stock, order_id: Any, quantity: int) -> list[Any]:
        return [StockReserved(listing_id=self.listing_id, order_id=order_id, quantity=quantity)]

    patch.setattr(Stock, "reserve", reserve)


def what_is_called_off_is_released_twice(patch: pytest.MonkeyPatch) -> None:
    release = Stock.release
    patch.setattr(
        Stock, "release", lambda self, order, n, why: release(self, order, min(2 * n, self.reserved), why)
    )


def paid_goods_are_not_put_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Stock, "restock", lambda *_: [])


def money_that_comes_too_late_is_kept(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(payments, "request_refund_in", lambda unit, payment_id, *_: unit.get(Payment, payment_id))


def more_goes_back_than_came(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Payment, "refundable", property(lambda self: self.amount))


def sent_goods_can_be_called_off(patch: pytest.MonkeyPatch) -> None:
    cancel = Order.cancel

    def cancel_anything(self: Order, **how: Any) -> Any:
        return cancel(msgspec.structs.replace(self, status=OrderStatus.CONFIRMED), **how)

    patch.setattr(Order, "cancel", cancel_anything)


def a_delivery_earns_each_time_it_is_told(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(payouts, "_not_yet_earned", lambda _, order: list(order.lines))


def a_cart_stays_full(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Cart, "check_out", lambda *_, **__: [])


def halves_are_rounded_up(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        Money, "share", lambda self, points: Money((self.minor * points + 5_000) // 10_000, self.currency)
    )


def keys_are_not_looked_up(patch: pytest.MonkeyPatch) -> None:
    add = CommandLoop._add_to_group

    def add_without_keys(self: CommandLoop, group: Any, entry: Any) -> None:
        add(self, group, entry)
        group.keys.clear()

    patch.setattr(CommandLoop, "_add_to_group", add_without_keys)


def what_was_only_read_is_not_checked(patch: pytest.MonkeyPatch) -> None:
    add = CommandLoop._add_to_group

    def add_without_reads(self: CommandLoop, group: Any, entry: Any) -> None:
        add(self, group, entry)
        written = {new.stream_id for new in group.events}
        for stream_id in group.checks.keys() - written:
            del group.checks[stream_id]

    patch.setattr(CommandLoop, "_add_to_group", add_without_reads)


def a_number_is_given_twice(patch: pytest.MonkeyPatch) -> None:
    async def lease_numbers(*_: Any) -> int:
        return 1

    patch.setattr(InMemoryEventStore, "lease_numbers", lease_numbers)


def screens_forget_what_they_showed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Rows, "receive", lambda self: setattr(self, "_answer", None))


BROKEN: tuple[Break, ...] = (
    stock_is_promised_without_looking,
    what_is_called_off_is_released_twice,
    paid_goods_are_not_put_back,
    money_that_comes_too_late_is_kept,
    more_goes_back_than_came,
    sent_goods_can_be_called_off,
    a_delivery_earns_each_time_it_is_told,
    a_cart_stays_full,
    halves_are_rounded_up,
    keys_are_not_looked_up,
    what_was_only_read_is_not_checked,
    a_number_is_given_twice,
    screens_forget_what_they_showed,
)
