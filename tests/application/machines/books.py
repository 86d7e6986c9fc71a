"""All books of the house side by side: what was sold, paid, given back and earned is the same in each of them."""

from collections import defaultdict
from typing import Any

from domain.payments.payment import Payment
from projections.analytics import sales_daily, seller_daily
from projections.carts.cart_view import CARTS
from projections.categories.category_list import CATEGORY_LIST
from projections.listings.catalogue_search import CATALOGUE_SEARCH
from projections.listings.listing_detail import LISTING_DETAIL
from projections.orders import customer_orders, order_detail
from projections.orders.seller_orders import SELLER_ORDERS
from projections.payments.payment_ledger import PAYMENTS
from projections.payouts.seller_earnings import EARNINGS, ENTRIES
from projections.shared.table import Table
from tests.application.machines.history import History
from tests.application.machines.model import Model, half_even
from tests.application.machines.screens import Shown


def check_books(model: Model, history: History, shown: Shown) -> None:
    """Every sum of every screen that can be told from the model."""
    books = _Books(model, shown)
    books.check_listings()
    books.check_carts()
    books.check_orders()
    books.check_payments()
    books.check_earnings()
    books.check_sales()
    _check_money_of_payments(history)


class _Books:
    def __init__(self, model: Model, shown: Shown) -> None:
        self._model = model
        self._shown = shown

    def _rows(self, table: Table[Any]) -> list[Any]:
        return list(self._shown[table.name].values())

    def _sum(self, table: Table[Any], *fields: str) -> dict[str, tuple[int, ...]]:
        """The sums of some columns by currency, without those that are all zero."""
        totals: dict[str, list[int]] = defaultdict(lambda: [0] * len(fields))
        for row in self._rows(table):
            for at, name in enumerate(fields):
                totals[row.currency][at] += getattr(row, name)
        return {currency: tuple(each) for currency, each in totals.items() if any(each)}

    def check_listings(self) -> None:
        things = self._model.listings
        assert {
            row.listing_id: (row.status, row.price_minor, row.quantity, row.reserved, row.available)
            for row in self._rows(LISTING_DETAIL)
        } == {
            key: (each.status, each.price, each.quantity, each.reserved, each.available)
            for key, each in things.items()
        }
        assert {
            row.listing_id: (row.status, row.price_minor, row.available, row.category_id)
            for row in self._rows(CATALOGUE_SEARCH)
        } == {
            key: (
                each.status,
                each.price,
                each.available,
                each.category if each.category in self._model.categories else None,
            )
            for key, each in things.items()
        }
        assert {row.category_id: (row.name, row.live_listings) for row in self._rows(CATEGORY_LIST)} == {
            category_id: (name, self._model.live_listings(category_id))
            for category_id, name in self._model.categories.items()
        }

    def check_carts(self) -> None:
        shown = {
            row.account_id: [(item.listing_id, item.quantity) for item in row.items]
            for row in self._rows(CARTS)
        }
        assert shown == {key: list(cart.items()) for key, cart in self._model.carts.items()}

    def check_orders(self) -> None:
        orders = self._model.orders
        expected = {key: (each.status, each.total, each.currency) for key, each in orders.items()}
        for table in (order_detail.ORDERS, customer_orders.ORDERS):
            rows = self._rows(table)
            assert {row.order_id: (row.status, row.total_minor, row.currency) for row in rows} == expected
        parts: dict[Any, int] = defaultdict(int)
        for row in self._rows(SELLER_ORDERS):
            parts[row.order_id] += row.subtotal_minor
            assert row.status == orders[row.order_id].status
        assert parts == {key: each.subtotal for key, each in orders.items()}
        for row in self._rows(order_detail.ORDERS):
            assert row.total_minor == (
                row.subtotal_minor + row.tax_minor + row.shipping_minor - row.discount_minor
            )
            assert len(row.notes) == orders[row.order_id].notes
            assert row.refunded_minor == (row.total_minor if row.status == "refunded" else 0)

    def check_payments(self) -> None:
        payments = self._model.payments
        assert {
            row.payment_id: (row.status, row.order_id, row.amount_minor, row.refunded_minor)
            for row in self._rows(PAYMENTS)
        } == {key: (each.status, each.order, each.amount, each.refunded) for key, each in payments.items()}
        for order_id, order in self._model.orders.items():
            if order.paid_by is not None:
                assert payments[order.paid_by].order == order_id
                assert payments[order.paid_by].captured == order.total, "an order is paid with what it costs"
            if order.status == "refunded":
                assert order.paid_by is not None
                assert payments[order.paid_by].refunded == order.total

    def check_earnings(self) -> None:
        gross, commission = "gross_minor", "commission_minor"
        ours: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for order_id, number in self._model.accrued:
            order = self._model.orders[order_id]
            line = order.lines[number - 1]
            share = half_even(line.subtotal, line.rate)
            for at, each in enumerate((line.subtotal, share, line.subtotal - share)):
                ours[order.currency][at] += each
        expected = {currency: tuple(each) for currency, each in ours.items() if any(each)}
        for table in (EARNINGS, ENTRIES):
            assert self._sum(table, gross, commission, "net_minor") == expected
        assert {(row.order_id, row.line_no) for row in self._rows(ENTRIES)} == self._model.accrued
        shares = {currency: each[1:] for currency, each in expected.items()}
        assert self._sum(seller_daily.DAYS, commission, "net_minor") == shares
        assert self._sum(sales_daily.DAYS, commission, "seller_net_minor") == shares

    def check_sales(self) -> None:
        ours: dict[str, list[int]] = defaultdict(lambda: [0] * 7)
        for order in self._model.orders.values():
            payment = None if order.paid_by is None else self._model.payments[order.paid_by]
            called_off = order.status == "cancelled"
            figures = (
                1,
                payment is not None,
                called_off,
                order.status == "refunded",
                order.total if payment is not None else 0,
                order.total if payment is not None and called_off else 0,
                0 if payment is None else payment.refunded,
            )
            for at, figure in enumerate(figures):
                ours[order.currency][at] += figure
        assert self._sum(
            sales_daily.DAYS,
            "orders_placed",
            "orders_confirmed",
            "orders_cancelled",
            "orders_refunded",
            "gross_minor",
            "cancelled_minor",
            "refunded_minor",
        ) == {currency: tuple(each) for currency, each in ours.items()}
        sold: dict[str, int] = defaultdict(int)
        for order in self._model.orders.values():
            if order.paid_by is not None:
                sold[order.currency] += order.subtotal
        sellers = self._sum(seller_daily.DAYS, "gross_minor")
        assert sellers == {currency: (each,) for currency, each in sold.items()}


def _check_money_of_payments(history: History) -> None:
    """Money that paid for nothing is asked back, all of it; none is asked back twice."""
    for payment in history.all(Payment):
        done = sum(each.amount.minor for each in payment.refunds if each.status.value == "succeeded")
        asked = sum(each.amount.minor for each in payment.refunds)
        assert done == payment.refunded_minor
        order = history.state(payment.order_id)
        pays = payment.payment_id == order.paid_payment_id
        if payment.has_succeeded and (not pays or order.status.value == "cancelled"):
            assert asked >= payment.amount.minor, f"{payment} paid for nothing and is not asked back"
