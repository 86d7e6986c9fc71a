"""Use cases of notifications."""

from typing import Final
from uuid import UUID

from application.notifications.commands import (
    CreateNotification,
    RecordNotificationDispatched,
    RecordNotificationFailure,
)
from application.shared.command import Command
from application.shared.loop import Handler
from application.shared.store import Kind
from application.shared.unit import Unit
from domain.notifications.notification import Notification, evolve
from domain.shared.errors import NotPermitted


def create_notification(command: CreateNotification, unit: Unit) -> Notification:
    """Decide once that somebody is to be told; asking again changes nothing."""
    _check_system(unit)
    known = unit.find_new(Notification, command.notification_id)
    if known is not None:
        return known
    events = Notification.create(
        recipient_id=command.recipient_id,
        type=command.type,
        title=command.title,
        body=command.body,
        data=command.data,
        channels=command.channels,
    )
    return unit.create(Notification, command.notification_id, events)


def record_notification_dispatched(command: RecordNotificationDispatched, unit: Unit) -> Notification:
    """Note that it has left."""
    notification = _notification(command.notification_id, unit)
    return unit.record(
        notification,
        notification.dispatch(
            channel=command.channel,
            template=command.template,
            provider_message_id=command.provider_message_id,
        ),
    )


def record_notification_failure(command: RecordNotificationFailure, unit: Unit) -> Notification:
    """Note that it has not."""
    notification = _notification(command.notification_id, unit)
    return unit.record(
        notification,
        notification.fail(channel=command.channel, reason=command.reason, attempt=command.attempt),
    )


def _notification(notification_id: UUID, unit: Unit) -> Notification:
    _check_system(unit)
    return unit.get(Notification, notification_id)


def _check_system(unit: Unit) -> None:
    if not unit.caller.is_system:
        raise NotPermitted("Notifications follow from what happens; nobody asks for them.")


HANDLERS: Final[dict[type[Command], Handler]] = {
    CreateNotification: create_notification,
    RecordNotificationDispatched: record_notification_dispatched,
    RecordNotificationFailure: record_notification_failure,
}

KINDS: Final = (Kind("notification", Notification, evolve),)
