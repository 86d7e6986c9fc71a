"""What callers send about orders."""

from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec

from api.envelope import RequestBody
from domain.orders.events import NoteVisibility
from domain.orders.lines import MAX_LINE_QUANTITY, MAX_LINES, OrderLineRequest
from domain.orders.order import MAX_NOTE_LENGTH, MAX_REASON_LENGTH
from domain.orders.tracking import MAX_NUMBER_LENGTH, MAX_URL_LENGTH, Tracking
from domain.shared.personal import Address

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"\S")]
Line = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\S")]
PostalCode = Annotated[str, msgspec.Meta(min_length=1, max_length=20, pattern=r"\S")]
Country = Annotated[
    str,
    # Python's `$` also fits before a line feed at the end, which the length shuts out.
    msgspec.Meta(
        max_length=2, pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2, upper case", examples=["UZ"]
    ),
]
Phone = Annotated[str, msgspec.Meta(min_length=1, max_length=32, pattern=r"\S")]
Method = Annotated[
    str,
    msgspec.Meta(
        min_length=1, max_length=50, description="A name of `GET /payments/methods`", examples=["sandbox"]
    ),
]
Note = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NOTE_LENGTH, pattern=r"\S")]
Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REASON_LENGTH, pattern=r"\S")]
TrackingNumber = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_NUMBER_LENGTH)]
TrackingUrl = Annotated[
    str,
    msgspec.Meta(
        max_length=MAX_URL_LENGTH,
        description="An https address",
        examples=["https://post.uz/t/1"],
        extra_json_schema={"pattern": r"^https://[A-Za-z0-9.-]+(:[1-9][0-9]{0,3})?(/[!-\[\]-~]*)?$"},
    ),
]


class AddressRequest(RequestBody, frozen=True, kw_only=True):
    """Where goods or bills go."""

    first_name: Name
    last_name: Name
    address1: Line
    address2: Line | None = None
    city: Name
    postal_code: PostalCode
    country: Country
    phone: Phone | None = None

    def address(self) -> Address:
        """The address as orders keep it."""
        return Address(
            first_name=self.first_name,
            last_name=self.last_name,
            address1=self.address1,
            address2=self.address2,
            city=self.city,
            postal_code=self.postal_code,
            country=self.country,
            phone=self.phone,
        )


class OrderItemRequest(RequestBody, frozen=True, kw_only=True):
    """So many pieces of one listing; its price is the one of the moment, never the caller's."""

    listing_id: UUID
    quantity: Annotated[int, msgspec.Meta(ge=1, le=MAX_LINE_QUANTITY)]


class PlaceOrderRequest(RequestBody, frozen=True, kw_only=True):
    """What to buy, where to send it and how to pay; without `items` it is what is in the cart."""

    items: Annotated[list[OrderItemRequest], msgspec.Meta(max_length=MAX_LINES)] | None = None
    payment_method: Method
    shipping_address: AddressRequest
    billing_address: AddressRequest | None = None
    notes: Note | None = None

    def lines(self) -> tuple[OrderLineRequest, ...] | None:
        """What is wanted, `None` for the cart."""
        if self.items is None:
            return None
        return tuple(
            [OrderLineRequest(listing_id=item.listing_id, quantity=item.quantity) for item in self.items]
        )


class CancelOrderRequest(RequestBody, frozen=True, kw_only=True):
    """Why the order is called off."""

    reason: Reason


class ShipOrderRequest(RequestBody, frozen=True, kw_only=True):
    """How to follow the goods, as far as that is known."""

    tracking_number: TrackingNumber | None = None
    tracking_url: TrackingUrl | None = None
    estimated_delivery: date | None = None

    def tracking(self) -> Tracking:
        """The tracking data."""
        return Tracking(
            number=self.tracking_number, url=self.tracking_url, estimated_delivery=self.estimated_delivery
        )


class UpdateTrackingRequest(RequestBody, frozen=True, kw_only=True):
    """How to follow the goods from now on. All three replace what was known, so all three are asked for; null is none."""

    tracking_number: TrackingNumber | None
    tracking_url: TrackingUrl | None
    estimated_delivery: date | None

    def tracking(self) -> Tracking:
        """The tracking data."""
        return Tracking(
            number=self.tracking_number, url=self.tracking_url, estimated_delivery=self.estimated_delivery
        )


class AddOrderNoteRequest(RequestBody, frozen=True, kw_only=True):
    """A note. `internal` ones are for sellers and staff; customers never see them."""

    text: Note
    visibility: NoteVisibility = NoteVisibility.CUSTOMER
