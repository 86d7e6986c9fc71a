"""Facts about orders. One stream an order; prices and rates are frozen at placement (requirements ORD-02, OUT-01)."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, TypeAlias
from uuid import UUID

import msgspec

from domain.shared.events import DomainEvent
from domain.shared.money import Money
from domain.shared.personal import (
    ERASED,
    ERASED_ADDRESS,
    OptionalPersonalAddress,
    OptionalPersonalText,
    PersonalAddress,
    PersonalText,
)


class Party(StrEnum):
    """In which part somebody acted on an order. Which account it was stands in the event's metadata."""

    CUSTOMER = "customer"
    SELLER = "seller"
    ADMIN = "admin"
    SYSTEM = "system"


class NoteVisibility(StrEnum):
    """Who may read a note: the customer too, or only sellers and staff (requirements ORD-13)."""

    CUSTOMER = "customer"
    INTERNAL = "internal"


class OrderLine(msgspec.Struct, frozen=True, kw_only=True):
    """One listing on an order as it was sold (requirements ORD-03). An order has at most one line of a listing.

    `line_no` counts from 1; `subtotal` is unit price times quantity; `commission_rate` is the platform's share of it
    in basis points.
    """

    line_no: int
    listing_id: UUID
    seller_id: UUID
    name: str
    product_type: str
    sku: str | None
    unit_price: Money
    quantity: int
    subtotal: Money
    commission_rate: int


class OrderPlaced(DomainEvent, frozen=True, kw_only=True):
    """A customer committed to buy; the stock is held for them from this moment.

    `tax_rate` is in basis points. `payment_id` is the payment that was opened with the order.
    """

    subject_field: ClassVar[str | None] = "customer_id"

    order_number: str
    customer_id: UUID
    customer_name: PersonalText = ERASED
    customer_email: OptionalPersonalText = None
    customer_phone: OptionalPersonalText = None
    items: tuple[OrderLine, ...]
    subtotal: Money
    tax: Money
    tax_rate: int
    shipping: Money
    discount: Money
    total: Money
    payment_method: str
    payment_id: UUID | None = None
    shipping_address: PersonalAddress = ERASED_ADDRESS
    billing_address: OptionalPersonalAddress = None
    notes: OptionalPersonalText = None
    placed_at: datetime


class OrderConfirmed(DomainEvent, frozen=True, kw_only=True):
    """The order is paid, by this payment; what was held is sold."""

    payment_id: UUID
    confirmed_at: datetime


class OrderProcessingStarted(DomainEvent, frozen=True, kw_only=True):
    """Somebody began to get the goods ready; the order can no longer be called off."""

    by: Party


class OrderShipped(DomainEvent, frozen=True, kw_only=True):
    """The goods are on their way."""

    tracking_number: str | None = None
    tracking_url: str | None = None
    estimated_delivery: date | None = None
    by: Party
    shipped_at: datetime


class OrderTrackingUpdated(DomainEvent, frozen=True, kw_only=True):
    """How to follow the goods was corrected; these values replace all earlier ones."""

    tracking_number: str | None = None
    tracking_url: str | None = None
    estimated_delivery: date | None = None


class OrderDelivered(DomainEvent, frozen=True, kw_only=True):
    """The goods have arrived: fulfilment ends, and the sellers' earnings are due (requirements SHIP-04)."""

    by: Party
    delivered_at: datetime


class OrderCancelled(DomainEvent, frozen=True, kw_only=True):
    """The order was called off; its goods are for sale again. `reason` is `payment_timeout` when nobody paid in time."""

    by: Party
    reason: str
    cancelled_at: datetime


class OrderRefunded(DomainEvent, frozen=True, kw_only=True):
    """The payment that paid the order was given back in full; `refunded` is all that was given back."""

    payment_id: UUID
    refunded: Money
    refunded_at: datetime


class OrderNoteAdded(DomainEvent, frozen=True, kw_only=True):
    """Somebody wrote on the order. Notes are forgotten with its customer."""

    subject_field: ClassVar[str | None] = "customer_id"

    customer_id: UUID
    visibility: NoteVisibility
    text: PersonalText = ERASED
    by: Party


OrderEvent: TypeAlias = (
    OrderPlaced
    | OrderConfirmed
    | OrderProcessingStarted
    | OrderShipped
    | OrderTrackingUpdated
    | OrderDelivered
    | OrderCancelled
    | OrderRefunded
    | OrderNoteAdded
)
