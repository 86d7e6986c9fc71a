"""Wishes about notifications. Only our own workflows have them."""

from uuid import UUID

from application.shared.command import Command
from domain.notifications.events import Channel, NotificationType


class CreateNotification(Command, frozen=True, kw_only=True):
    """Tell somebody something. `data` holds ids only; the id of the notification is derived from what brought it about."""

    notification_id: UUID
    recipient_id: UUID
    type: NotificationType
    title: str
    body: str | None = None
    data: dict[str, str]
    channels: tuple[Channel, ...]


class RecordNotificationDispatched(Command, frozen=True, kw_only=True):
    """Note that a channel took it."""

    notification_id: UUID
    channel: Channel
    template: str | None = None
    provider_message_id: str | None = None


class RecordNotificationFailure(Command, frozen=True, kw_only=True):
    """Note that an attempt failed; `reason` holds no address and no secret."""

    notification_id: UUID
    channel: Channel
    reason: str
    attempt: int
