"""Wishes about orders. Nobody asks for a confirmation: a payment that succeeds confirms its order in its own commit."""

from uuid import UUID

from application.shared.command import Command
from domain.orders.amounts import OrderTerms
from domain.orders.events import NoteVisibility
from domain.orders.lines import OrderLineRequest
from domain.orders.tracking import Tracking
from domain.shared.personal import Address


class _Discreet(Command, frozen=True, kw_only=True):
    """A command that shows only which order it is about: names and addresses stay out of tracebacks and logs."""

    order_id: UUID

    def __repr__(self) -> str:
        """Without personal data."""
        return f"{type(self).__name__}(order_id={self.order_id})"

    def __rich_repr__(self) -> list[tuple[str, UUID]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("order_id", self.order_id)]


class PlaceOrder(_Discreet, frozen=True, kw_only=True):
    """Buy these lines, or what is in the caller's cart when `lines` is `None`.

    `payment_method` names the provider; `provider_reference` is the provider's name for the payment where that is
    known in advance, `provider_currencies` are those that it takes, `None` when it takes any. `terms` are those of the
    house at this moment.
    """

    payment_id: UUID
    lines: tuple[OrderLineRequest, ...] | None = None
    payment_method: str
    provider_reference: str | None = None
    provider_currencies: frozenset[str] | None = None
    shipping_address: Address
    billing_address: Address | None = None
    notes: str | None = None
    terms: OrderTerms


class StartOrderProcessing(Command, frozen=True, kw_only=True):
    """Begin to get the goods ready."""

    order_id: UUID


class ShipOrder(Command, frozen=True, kw_only=True):
    """Send the goods."""

    order_id: UUID
    tracking: Tracking = Tracking()


class UpdateTracking(Command, frozen=True, kw_only=True):
    """Replace the tracking data of goods that were sent."""

    order_id: UUID
    tracking: Tracking


class DeliverOrder(Command, frozen=True, kw_only=True):
    """The goods have arrived."""

    order_id: UUID


class CancelOrder(Command, frozen=True, kw_only=True):
    """Call the order off before anybody works on it."""

    order_id: UUID
    reason: str


class CancelUnpaidOrder(Command, frozen=True, kw_only=True):
    """Call the order off if it is still not paid (requirements ORD-20)."""

    order_id: UUID


class AddOrderNote(_Discreet, frozen=True, kw_only=True):
    """Write on the order."""

    visibility: NoteVisibility
    text: str
