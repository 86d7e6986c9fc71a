"""One notification: told at most once over each channel, as far as the next one on the way lets us know."""

from collections.abc import Mapping
from typing import assert_never
from uuid import UUID

import msgspec

from domain.notifications.events import (
    Channel,
    NotificationCreated,
    NotificationDispatched,
    NotificationEvent,
    NotificationFailed,
    NotificationType,
)
from domain.shared.errors import InvalidInput, Problem, RuleViolation
from domain.shared.events import State


class ChannelsMissing(InvalidInput):
    """A notification goes out over at least one channel, and over each at most once."""


class ChannelNotChosen(RuleViolation):
    """The notification was never meant for this channel."""

    code = "CHANNEL_NOT_CHOSEN"


class Notification(State, frozen=True, kw_only=True):
    """What is to be told to whom, and over which channels it has left."""

    notification_id: UUID
    recipient_id: UUID
    type: NotificationType
    channels: tuple[Channel, ...]
    dispatched: tuple[Channel, ...] = ()
    failures: int = 0

    @property
    def stream_id(self) -> UUID:
        """The notification's own id."""
        return self.notification_id

    @staticmethod
    def create(
        *,
        recipient_id: UUID,
        type: NotificationType,  # noqa: A002 - the word of the catalogue
        title: str,
        body: str | None,
        data: Mapping[str, str],
        channels: tuple[Channel, ...],
    ) -> list[NotificationEvent]:
        """Decide that somebody is to be told.

        Raises:
            ChannelsMissing: there is no channel, or one is named twice.
        """
        if not channels or len(set(channels)) != len(channels):
            message = "A notification needs channels, each once."
            raise ChannelsMissing(message, problems=[Problem("channels", message, "unique")])
        return [
            NotificationCreated(
                recipient_id=recipient_id,
                type=type,
                title=title,
                body=body,
                data=dict(data),
                channels=channels,
            )
        ]

    def has_left(self, channel: Channel) -> bool:
        """Whether it was taken over this channel, so that sending it again would be a repeat."""
        return channel in self.dispatched

    def dispatch(
        self, *, channel: Channel, template: str | None, provider_message_id: str | None
    ) -> list[NotificationEvent]:
        """Note that it was taken. Twice over one channel is once.

        Raises:
            ChannelNotChosen: it was not meant for this channel.
        """
        self._check_chosen(channel)
        if self.has_left(channel):
            return []
        return [
            NotificationDispatched(
                channel=channel, template=template, provider_message_id=provider_message_id
            )
        ]

    def fail(self, *, channel: Channel, reason: str, attempt: int) -> list[NotificationEvent]:
        """Note that an attempt failed. After it has left, a failure says nothing new.

        Raises:
            ChannelNotChosen: it was not meant for this channel.
        """
        self._check_chosen(channel)
        if self.has_left(channel):
            return []
        return [NotificationFailed(channel=channel, reason=reason, attempt=attempt)]

    def _check_chosen(self, channel: Channel) -> None:
        if channel not in self.channels:
            raise ChannelNotChosen(
                f"Notification {self.notification_id} does not go out by {channel.value}.",
                details={"channel": channel.value},
            )


def evolve(notification: Notification | None, event: NotificationEvent, stream_id: UUID) -> Notification:
    """Fold one recorded fact into the state."""
    if isinstance(event, NotificationCreated):
        return Notification(
            notification_id=stream_id,
            recipient_id=event.recipient_id,
            type=event.type,
            channels=event.channels,
        )
    assert notification is not None, "the stream of a notification begins with NotificationCreated"
    match event:
        case NotificationDispatched():
            return msgspec.structs.replace(notification, dispatched=(*notification.dispatched, event.channel))
        case NotificationFailed():
            return msgspec.structs.replace(notification, failures=notification.failures + 1)
        case _:
            assert_never(event)
