"""Use cases of orders. What a change of an order means for stock and money happens in the same commit."""

from uuid import UUID

from application.orders.cancellation import call_off_in
from application.orders.commands import (
    AddOrderNote,
    CancelOrder,
    CancelUnpaidOrder,
    DeliverOrder,
    PlaceOrder,
    ShipOrder,
    StartOrderProcessing,
    UpdateTracking,
)
from application.orders.placement import place_order
from application.shared.command import Command
from application.shared.loop import Handler
from application.shared.store import Kind
from application.shared.unit import Unit
from domain.accounts.permissions import Permission
from domain.orders.actor import THE_HOUSE, Actor, Authority
from domain.orders.order import Order, OrderNotFound, evolve
from domain.shared.errors import NotPermitted


def start_order_processing(command: StartOrderProcessing, unit: Unit) -> Order:
    """Begin to get the goods ready."""
    actor = _actor(unit)
    order = _find(unit, command.order_id)
    return unit.record(order, order.start_processing(by=actor))


def ship_order(command: ShipOrder, unit: Unit) -> Order:
    """Send the goods."""
    actor = _actor(unit)
    order = _find(unit, command.order_id)
    return unit.record(order, order.ship(by=actor, tracking=command.tracking, at=unit.now))


def update_tracking(command: UpdateTracking, unit: Unit) -> Order:
    """Correct how to follow the goods."""
    actor = _actor(unit)
    order = _find(unit, command.order_id)
    return unit.record(order, order.update_tracking(by=actor, tracking=command.tracking))


def deliver_order(command: DeliverOrder, unit: Unit) -> Order:
    """The goods have arrived."""
    actor = _actor(unit)
    order = _find(unit, command.order_id)
    return unit.record(order, order.deliver(by=actor, at=unit.now))


def cancel_order(command: CancelOrder, unit: Unit) -> Order:
    """Call an order off, put its goods back, and ask its money back."""
    actor = _actor(unit)
    order = _find(unit, command.order_id)
    return call_off_in(unit, order, order.cancel(by=actor, reason=command.reason, at=unit.now))


def cancel_unpaid_order(command: CancelUnpaidOrder, unit: Unit) -> Order:
    """Call an order off whose time to be paid is over; one that was paid in the last moment stays."""
    if not unit.caller.is_system:
        raise NotPermitted("Only the house calls off what was not paid in time.")
    order = _find(unit, command.order_id)
    return call_off_in(unit, order, order.cancel_unpaid(at=unit.now))


def add_order_note(command: AddOrderNote, unit: Unit) -> Order:
    """Write on the order."""
    actor = _actor(unit)
    order = _find(unit, command.order_id)
    return unit.record(order, order.add_note(by=actor, visibility=command.visibility, text=command.text))


def _actor(unit: Unit) -> Actor:
    """Whoever asks, before anything is looked up: strangers cannot tell which orders there are."""
    caller = unit.caller
    if caller.is_system:
        return THE_HOUSE
    manages = caller.acts_for_the_house(Permission.ORDERS_FULFIL)
    return Actor(account_id=unit.actor, authority=Authority.ADMIN if manages else Authority.MEMBER)


def _find(unit: Unit, order_id: UUID) -> Order:
    return unit.get(Order, order_id, missing=OrderNotFound(f"No order {order_id}."))


HANDLERS: dict[type[Command], Handler] = {
    PlaceOrder: place_order,
    StartOrderProcessing: start_order_processing,
    ShipOrder: ship_order,
    UpdateTracking: update_tracking,
    DeliverOrder: deliver_order,
    CancelOrder: cancel_order,
    CancelUnpaidOrder: cancel_unpaid_order,
    AddOrderNote: add_order_note,
}

KINDS = (Kind("order", Order, evolve),)
