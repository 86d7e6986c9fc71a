"""What deliveries mean for sellers' earnings (requirements SHIP-04, OUT-02)."""

from application.payouts.commands import AccrueEarnings
from application.shared.command import Command
from domain.orders.events import OrderDelivered
from domain.shared.events import Recorded


def accrue_when_delivered(recorded: Recorded) -> list[Command]:
    """Whenever an order has been delivered, credit its sellers. Asking twice credits once."""
    match recorded.event:
        case OrderDelivered():
            return [AccrueEarnings(order_id=recorded.stream_id)]
        case _:
            return []
