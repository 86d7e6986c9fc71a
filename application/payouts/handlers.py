"""Use cases of sellers' earnings."""

from typing import Final
from uuid import UUID

import msgspec

from application.payouts.commands import AccrueEarnings
from application.shared.command import Command
from application.shared.loop import Handler
from application.shared.store import Kind
from application.shared.unit import Unit
from domain.orders.events import OrderLine
from domain.orders.order import Order, OrderNotFound, OrderStatus
from domain.payouts.events import SellerLedgerEvent
from domain.payouts.seller_ledger import OrderNotDelivered, SellerLedger, evolve, seller_ledger_id
from domain.shared.claims import Claim, derived_id
from domain.shared.errors import NotPermitted, RuleViolation

EARNING: Final = "earning"
"""The kind of claim that makes an order line earn once; held by the order."""


class LineHasEarned(RuleViolation):
    """Another order holds the claim of this line: two orders of one id, which the store forbids."""


class EarningsAccrued(msgspec.Struct, frozen=True, kw_only=True):
    """How many lines of an order earned just now; 0 when all had earned before, or the order was refunded."""

    order_id: UUID
    lines: int


def accrue_earnings(command: AccrueEarnings, unit: Unit) -> EarningsAccrued:
    """Credit every seller of a delivered order in one commit; a repeat finds nothing left to credit.

    An order that was refunded before this was asked earns nothing.
    """
    if not unit.caller.is_system:
        raise NotPermitted("Earnings follow from deliveries; nobody asks for them.")
    order = unit.get(Order, command.order_id, missing=OrderNotFound(f"No order {command.order_id}."))
    if order.status is OrderStatus.REFUNDED:
        return EarningsAccrued(order_id=order.order_id, lines=0)
    if order.status is not OrderStatus.DELIVERED:
        raise OrderNotDelivered(
            f"Order {order.order_number} is {order.status.value}.", details={"status": order.status.value}
        )
    due = _not_yet_earned(unit, order)
    earned: dict[tuple[UUID, str], list[SellerLedgerEvent]] = {}
    for line in due:
        events = SellerLedger.accrue(
            seller_id=line.seller_id,
            order_id=order.order_id,
            line_no=line.line_no,
            gross=line.subtotal,
            commission_rate=line.commission_rate,
        )
        earned.setdefault((line.seller_id, line.subtotal.currency), []).extend(events)
        unit.claim(
            EARNING,
            _line_value(order, line),
            order.order_id,
            taken=LineHasEarned(f"Line {line.line_no} of order {order.order_number} has earned."),
        )
    for (seller_id, currency), events in earned.items():
        unit.begin(SellerLedger, seller_ledger_id(seller_id, currency), events)
    return EarningsAccrued(order_id=order.order_id, lines=len(due))


def _not_yet_earned(unit: Unit, order: Order) -> list[OrderLine]:
    claims = [(Claim, derived_id(EARNING, _line_value(order, line))) for line in order.lines]
    ledgers = [
        (SellerLedger, seller_ledger_id(line.seller_id, line.subtotal.currency)) for line in order.lines
    ]
    unit.need(*claims, *ledgers)
    return [line for line in order.lines if unit.holder(EARNING, _line_value(order, line)) is None]


def _line_value(order: Order, line: OrderLine) -> str:
    return f"{order.order_id}:{line.line_no}"


HANDLERS: dict[type[Command], Handler] = {AccrueEarnings: accrue_earnings}

KINDS = (Kind("seller_ledger", SellerLedger, evolve),)
