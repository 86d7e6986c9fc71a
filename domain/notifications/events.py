"""Facts about notifications. One stream a notification (requirements NTF-01)."""

from enum import StrEnum
from typing import ClassVar, TypeAlias
from uuid import UUID

from domain.shared.events import DomainEvent
from domain.shared.personal import OptionalPersonalText


class Channel(StrEnum):
    """By which way somebody is told."""

    EMAIL = "email"
    SMS = "sms"
    REALTIME = "realtime"


class NotificationType(StrEnum):
    """What a notification is about (requirements NTF-19)."""

    CONNECTION_REQUEST = "connection_request"
    CONNECTION_ACCEPTED = "connection_accepted"
    CONNECTION_REJECTED = "connection_rejected"
    MESSAGE = "message"
    ORDER_STATUS = "order_status"
    PAYMENT = "payment"
    PAYOUT = "payout"
    REVIEW = "review"
    TICKET_REPLY = "ticket_reply"
    SOCIAL_SYNC = "social_sync"
    SELLER_DECISION = "seller_decision"
    LOW_STOCK = "low_stock"
    SYSTEM = "system"


class NotificationCreated(DomainEvent, frozen=True, kw_only=True):
    """Somebody is to be told something. `data` holds ids only, by the name of what they identify (`order_id`)."""

    subject_field: ClassVar[str | None] = "recipient_id"

    recipient_id: UUID
    type: NotificationType
    title: str
    body: OptionalPersonalText = None
    data: dict[str, str]
    channels: tuple[Channel, ...]


class NotificationDispatched(DomainEvent, frozen=True, kw_only=True):
    """The next one on the way (mail server, SMS provider, socket) took it. Whether it was read is not known."""

    channel: Channel
    template: str | None = None
    provider_message_id: str | None = None


class NotificationFailed(DomainEvent, frozen=True, kw_only=True):
    """An attempt to send it came to nothing. `attempt` counts deliveries of the event that asked for it, from 1.

    `reason` names the failure for operators, without addresses.
    """

    channel: Channel
    reason: str
    attempt: int


NotificationEvent: TypeAlias = NotificationCreated | NotificationDispatched | NotificationFailed
