"""What is worth a mail (requirements NTF-03 to NTF-08): whenever this happened, tell that person."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar
from uuid import UUID

import msgspec

from application.notifications.ports import Template
from domain.accounts.events import AccountRegistered, SellerApproved, SellerRejected
from domain.notifications.events import NotificationType
from domain.orders.events import OrderConfirmed, OrderPlaced, OrderShipped
from domain.shared.events import DomainEvent, Recorded

E = TypeVar("E", bound=DomainEvent)

MAILED: Final[tuple[type[DomainEvent], ...]] = (
    AccountRegistered,
    SellerApproved,
    SellerRejected,
    OrderConfirmed,
    OrderShipped,
)
"""The facts that people are told of by mail."""


class WantedMail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail that somebody should get. `title` is what an inbox shows; it and `data` hold nothing personal."""

    template: Template
    recipient_id: UUID
    to: str
    to_name: str | None
    type: NotificationType
    title: str
    data: Mapping[str, str]
    variables: Mapping[str, object]

    def __repr__(self) -> str:
        """Without the person."""
        return f"WantedMail(template={self.template.value!r}, recipient_id={self.recipient_id})"


def mail_for(recorded: Recorded, history: Sequence[Recorded]) -> WantedMail | None:
    """The mail that follows from a fact; `None` when nobody is to be told, or nobody can be reached any more.

    `history` is that of the fact's own stream up to it. A person without an email address, or who has been
    forgotten since, gets none.
    """
    match recorded.event:
        case AccountRegistered() | SellerApproved() | SellerRejected():
            return _about_account(recorded, history)
        case OrderConfirmed() | OrderShipped():
            return _about_order(recorded, history)
        case _:
            return None


def _about_account(recorded: Recorded, history: Sequence[Recorded]) -> WantedMail | None:
    born = _first(AccountRegistered, history)
    if born is None or born.email is None:
        return None
    about: dict[str, object] = {"name": born.name, "email": born.email}
    match recorded.event:
        case AccountRegistered():
            template, kind, title = Template.WELCOME, NotificationType.SYSTEM, "Welcome"
            about["role"] = born.role.value
        case SellerApproved():
            template, kind = Template.SELLER_APPROVED, NotificationType.SELLER_DECISION
            title = "Your seller account is approved"
        case SellerRejected(reason=reason):
            template, kind = Template.SELLER_REJECTED, NotificationType.SELLER_DECISION
            title = "Your seller application was not accepted"
            about["reason"] = reason
        case _:
            return None
    return WantedMail(
        template=template,
        recipient_id=recorded.stream_id,
        to=born.email,
        to_name=born.name,
        type=kind,
        title=title,
        data={"account_id": str(recorded.stream_id)},
        variables=about,
    )


def _about_order(recorded: Recorded, history: Sequence[Recorded]) -> WantedMail | None:
    placed = _first(OrderPlaced, history)
    if placed is None or placed.customer_email is None:
        return None
    about: dict[str, object] = {"name": placed.customer_name, "orderNumber": placed.order_number}
    match recorded.event:
        case OrderConfirmed():
            template, title = Template.ORDER_CONFIRMATION, f"Order {placed.order_number} is confirmed"
            about |= {
                "items": placed.items,
                "subtotal": placed.subtotal,
                "tax": placed.tax,
                "shipping": placed.shipping,
                "discount": placed.discount,
                "total": placed.total,
                "address": placed.shipping_address,
            }
        case OrderShipped() as shipped:
            template, title = Template.ORDER_SHIPPED, f"Order {placed.order_number} is on its way"
            about |= {
                "trackingNumber": shipped.tracking_number,
                "trackingUrl": shipped.tracking_url,
                "estimatedDelivery": shipped.estimated_delivery,
            }
        case _:
            return None
    return WantedMail(
        template=template,
        recipient_id=placed.customer_id,
        to=placed.customer_email,
        to_name=placed.customer_name,
        type=NotificationType.ORDER_STATUS,
        title=title,
        data={"order_id": str(recorded.stream_id)},
        variables=about,
    )


def _first(kind: type[E], history: Sequence[Recorded]) -> E | None:
    return next((recorded.event for recorded in history if isinstance(recorded.event, kind)), None)
