"""How far an order has come, after which fact (requirements ORD-09)."""

from typing import Final

from domain.orders.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderProcessingStarted,
    OrderRefunded,
    OrderShipped,
)
from domain.shared.events import DomainEvent

PLACED: Final = "pending"
"""The status of an order that was just placed."""

STATUS_AFTER: Final[dict[type[DomainEvent], str]] = {
    OrderConfirmed: "confirmed",
    OrderProcessingStarted: "processing",
    OrderShipped: "shipped",
    OrderDelivered: "delivered",
    OrderCancelled: "cancelled",
    OrderRefunded: "refunded",
}
