"""An order is called off: its goods are for sale again, its money is asked back, in the same commit (ORD-19, LST-25)."""

from collections.abc import Sequence

from application.payments.refunding import ORDER_CANCELLED, request_refund_in
from application.shared.unit import Unit
from domain.inventory.stock import Stock, stock_id
from domain.orders.events import OrderEvent
from domain.orders.order import Order, OrderStatus


def call_off_in(unit: Unit, order: Order, events: Sequence[OrderEvent]) -> Order:
    """Record the cancellation of an order that was read in this unit, and put its goods back.

    What a pending order holds is released; what a paid one bought is put back on the shelf, and its payment is asked
    back. The reason beside the stock is a fixed word: the order's own is the customer's. Without events nothing changes.
    """
    if not events:
        return order
    if order.paid_payment_id is not None:
        by = unit.caller.actor_id
        request_refund_in(unit, order.paid_payment_id, None, ORDER_CANCELLED, by=by)
    stocks = unit.get_many(Stock, [stock_id(line.listing_id) for line in order.lines])
    was_held = order.status is OrderStatus.PENDING
    for line, stock in zip(order.lines, stocks, strict=True):
        if was_held:
            unit.record(stock, stock.release(order.order_id, line.quantity, ORDER_CANCELLED))
        else:
            unit.record(stock, stock.restock(order.order_id, line.quantity))
    return unit.record(order, events)
