"""An order is paid: its goods are sold, in the commit of the payment."""

from uuid import UUID

from application.shared.unit import Unit
from domain.inventory.stock import Stock, stock_id
from domain.orders.order import Order


def confirm_order_in(unit: Unit, order: Order, payment_id: UUID) -> Order:
    """Confirm an order that was read in this unit, and sell what it holds. Told twice of one payment, nothing changes.

    Raises:
        InvalidOrderState: it is not pending, and another payment (or none) paid it.
    """
    events = order.confirm(payment_id=payment_id, at=unit.now)
    if not events:
        return order
    stocks = unit.get_many(Stock, [stock_id(line.listing_id) for line in order.lines])
    order = unit.record(order, events)
    for line, stock in zip(order.lines, stocks, strict=True):
        unit.record(stock, stock.commit(order.order_id, line.quantity))
    return order
