"""One order: its states, who may move it from one to the next, and when not (requirements ORD-09 to ORD-13)."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never
from uuid import UUID

import msgspec

from domain.orders.actor import Actor, Authority
from domain.orders.amounts import OrderAmounts, OrderTerms, amounts_of
from domain.orders.events import (
    NoteVisibility,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderEvent,
    OrderLine,
    OrderNoteAdded,
    OrderPlaced,
    OrderProcessingStarted,
    OrderRefunded,
    OrderShipped,
    OrderTrackingUpdated,
    Party,
)
from domain.orders.tracking import Tracking
from domain.shared.errors import AccessDenied, InvalidInput, NotFound, Problem, RuleViolation
from domain.shared.events import State
from domain.shared.money import Money
from domain.shared.personal import Address

PAYMENT_TIMEOUT: Final = "payment_timeout"
"""Why an order is called off that nobody paid in time (requirements ORD-20)."""

MAX_NOTE_LENGTH: Final = 2_000
MAX_REASON_LENGTH: Final = 500


class OrderStatus(StrEnum):
    """How far an order has come (requirements ORD-09)."""

    PENDING = "pending"
    CONFIRMED = "confirmed"
    PROCESSING = "processing"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


PAID: Final = frozenset(
    {OrderStatus.CONFIRMED, OrderStatus.PROCESSING, OrderStatus.SHIPPED, OrderStatus.DELIVERED}
)
"""The states from which a full refund leads to `refunded`."""


class OrderNotFound(NotFound):
    """There is no such order, or it is none of the caller's business."""

    code = "ORDER_NOT_FOUND"


class InvalidOrderState(RuleViolation):
    """The order has not come so far, or is past that; `details.status` says where it stands."""

    code = "INVALID_ORDER_STATE"


class ListingUnavailable(RuleViolation):
    """A listing cannot be bought by this customer: not on sale, unknown, or their own (requirements ORD-02)."""

    code = "LISTING_UNAVAILABLE"


class OrderAccessDenied(AccessDenied):
    """The caller takes part in this order, but not in the part that may do this."""


class OrderTextInvalid(InvalidInput):
    """A note or reason is empty or too long."""


class Order(State, frozen=True, kw_only=True):
    """One purchase as it stands after its last event. Names and addresses stay in the events.

    `payment_id` is the payment that was opened with the order, `paid_payment_id` the one that paid it.
    """

    order_id: UUID
    order_number: str
    customer_id: UUID
    status: OrderStatus
    lines: tuple[OrderLine, ...]
    amounts: OrderAmounts
    tax_rate: int
    payment_method: str
    placed_at: datetime
    payment_id: UUID | None = None
    paid_payment_id: UUID | None = None
    tracking: Tracking | None = None

    @property
    def stream_id(self) -> UUID:
        """The order's own id."""
        return self.order_id

    @property
    def total(self) -> Money:
        """What the customer pays."""
        return self.amounts.total

    @property
    def currency(self) -> str:
        """The one currency of all its amounts."""
        return self.amounts.total.currency

    # --- placing -------------------------------------------------------------------------------------------

    @staticmethod
    def place(
        *,
        order_number: str,
        customer_id: UUID,
        customer_name: str,
        customer_email: str | None,
        customer_phone: str | None,
        lines: Sequence[OrderLine],
        terms: OrderTerms,
        payment_method: str,
        payment_id: UUID | None,
        shipping_address: Address,
        billing_address: Address | None,
        notes: str | None,
        at: datetime,
    ) -> list[OrderEvent]:
        """Commit a customer to buy at least one line, at the prices and rates of this moment.

        Raises:
            MixedCurrencies: the lines are not all in one currency.
            OrderTotalOutOfRange: the amounts are below zero or too large.
            ListingUnavailable: a line is the customer's own listing.
        """
        for line in lines:
            if line.seller_id == customer_id:
                raise ListingUnavailable(
                    f"Listing {line.listing_id} is the customer's own.",
                    details={"listingId": str(line.listing_id)},
                )
        amounts = amounts_of(lines, terms)
        return [
            OrderPlaced(
                order_number=order_number,
                customer_id=customer_id,
                customer_name=customer_name,
                customer_email=customer_email,
                customer_phone=customer_phone,
                items=tuple(lines),
                subtotal=amounts.subtotal,
                tax=amounts.tax,
                tax_rate=terms.tax_rate,
                shipping=amounts.shipping,
                discount=amounts.discount,
                total=amounts.total,
                payment_method=payment_method,
                payment_id=payment_id,
                shipping_address=shipping_address,
                billing_address=billing_address,
                notes=notes,
                placed_at=at,
            )
        ]

    # --- money ---------------------------------------------------------------------------------------------

    def confirm(self, *, payment_id: UUID, at: datetime) -> list[OrderEvent]:
        """The order is paid. Told again of the payment that paid it, nothing changes.

        Raises:
            InvalidOrderState: it is not pending: cancelled orders do not come back to life.
        """
        if self.status is OrderStatus.PENDING:
            return [OrderConfirmed(payment_id=payment_id, confirmed_at=at)]
        if payment_id == self.paid_payment_id:
            return []
        raise self._invalid("confirmed")

    def mark_refunded(self, *, payment_id: UUID, refunded: Money, at: datetime) -> list[OrderEvent]:
        """A payment was given back in full.

        Only the payment that paid the order makes it `refunded`: a second payment by mistake, or one that came after the
        order was cancelled, goes back without changing the order. A cancelled order stays cancelled.

        Raises:
            InvalidOrderState: the order is refunded already.
        """
        if payment_id != self.paid_payment_id or self.status is OrderStatus.CANCELLED:
            return []
        if self.status not in PAID:
            raise self._invalid("refunded")
        return [OrderRefunded(payment_id=payment_id, refunded=refunded, refunded_at=at)]

    # --- fulfilment ----------------------------------------------------------------------------------------

    def start_processing(self, *, by: Actor) -> list[OrderEvent]:
        """Begin to get the goods ready.

        Raises:
            OrderNotFound, OrderAccessDenied: see `_fulfiller`.
            InvalidOrderState: it is not confirmed.
        """
        party = self._fulfiller(by)
        if self.status is not OrderStatus.CONFIRMED:
            raise self._invalid("processed")
        return [OrderProcessingStarted(by=party)]

    def ship(self, *, by: Actor, tracking: Tracking, at: datetime) -> list[OrderEvent]:
        """Send the goods.

        Raises:
            OrderNotFound, OrderAccessDenied: see `_fulfiller`.
            InvalidOrderState: it is neither confirmed nor in processing.
            TrackingInvalid: the tracking data cannot be used.
        """
        party = self._fulfiller(by)
        if self.status not in {OrderStatus.CONFIRMED, OrderStatus.PROCESSING}:
            raise self._invalid("shipped")
        tracking.check()
        return [
            OrderShipped(
                tracking_number=tracking.number,
                tracking_url=tracking.url,
                estimated_delivery=tracking.estimated_delivery,
                by=party,
                shipped_at=at,
            )
        ]

    def update_tracking(self, *, by: Actor, tracking: Tracking) -> list[OrderEvent]:
        """Replace the tracking data; the same again changes nothing.

        Raises:
            OrderNotFound, OrderAccessDenied: see `_fulfiller`.
            InvalidOrderState: the goods have not been sent.
            TrackingInvalid: the tracking data cannot be used.
        """
        self._fulfiller(by)
        if self.status not in {OrderStatus.SHIPPED, OrderStatus.DELIVERED}:
            raise self._invalid("tracked")
        tracking.check()
        if tracking == self.tracking:
            return []
        return [
            OrderTrackingUpdated(
                tracking_number=tracking.number,
                tracking_url=tracking.url,
                estimated_delivery=tracking.estimated_delivery,
            )
        ]

    def deliver(self, *, by: Actor, at: datetime) -> list[OrderEvent]:
        """The goods have arrived. The house itself may say so, too (a carrier's message).

        Raises:
            OrderNotFound, OrderAccessDenied: see `_fulfiller`.
            InvalidOrderState: it has not been shipped, or is past that.
        """
        party = Party.SYSTEM if by.authority is Authority.SYSTEM else self._fulfiller(by)
        if self.status is not OrderStatus.SHIPPED:
            raise self._invalid("delivered")
        return [OrderDelivered(by=party, delivered_at=at)]

    # --- calling off ---------------------------------------------------------------------------------------

    def cancel(self, *, by: Actor, reason: str, at: datetime) -> list[OrderEvent]:
        """Call the order off before anybody works on it. A customer who cancels twice cancels once.

        Raises:
            OrderNotFound: the caller has no part in it.
            OrderAccessDenied: the caller sells on it; sellers do not cancel.
            InvalidOrderState: it is neither pending nor confirmed.
            OrderTextInvalid: the reason is empty or too long.
        """
        party = self._party(by)
        if party is Party.SELLER:
            raise OrderAccessDenied("Sellers cannot cancel an order; ask an admin.")
        if self.status is OrderStatus.CANCELLED and party is Party.CUSTOMER:
            return []
        if self.status not in {OrderStatus.PENDING, OrderStatus.CONFIRMED}:
            raise self._invalid("cancelled")
        return [OrderCancelled(by=party, reason=_text("reason", reason, MAX_REASON_LENGTH), cancelled_at=at)]

    def cancel_unpaid(self, *, at: datetime) -> list[OrderEvent]:
        """The time to pay is over. An order that has moved on in the meantime stays as it is (requirements ORD-20)."""
        if self.status is not OrderStatus.PENDING:
            return []
        return [OrderCancelled(by=Party.SYSTEM, reason=PAYMENT_TIMEOUT, cancelled_at=at)]

    # --- notes ---------------------------------------------------------------------------------------------

    def add_note(self, *, by: Actor, visibility: NoteVisibility, text: str) -> list[OrderEvent]:
        """Write on the order. Whoever has a part in it may; internal notes are for sellers and staff.

        Raises:
            OrderNotFound: the caller has no part in it.
            OrderAccessDenied: the customer asks for an internal note.
            OrderTextInvalid: the text is empty or too long.
        """
        party = self._party(by)
        if party is Party.CUSTOMER and visibility is NoteVisibility.INTERNAL:
            raise OrderAccessDenied("Customers write notes that they can read.")
        note = _text("text", text, MAX_NOTE_LENGTH)
        return [OrderNoteAdded(customer_id=self.customer_id, visibility=visibility, text=note, by=party)]

    # --- who -----------------------------------------------------------------------------------------------

    def _party(self, actor: Actor) -> Party:
        """In which part somebody acts; strangers learn nothing."""
        match actor.authority:
            case Authority.SYSTEM:
                return Party.SYSTEM
            case Authority.ADMIN:
                return Party.ADMIN
            case Authority.MEMBER:
                if actor.account_id == self.customer_id:
                    return Party.CUSTOMER
                if any(line.seller_id == actor.account_id for line in self.lines):
                    return Party.SELLER
                raise OrderNotFound(f"No order {self.order_id}.")
            case _:
                assert_never(actor.authority)

    def _fulfiller(self, actor: Actor) -> Party:
        """The seller of all lines or an admin (requirements ORD-18).

        Raises:
            OrderNotFound: the caller has no part in it.
            OrderAccessDenied: the customer, the house itself, or the seller of some lines only.
        """
        party = self._party(actor)
        if party is Party.ADMIN:
            return party
        if party is not Party.SELLER:
            raise OrderAccessDenied("Only the seller or an admin fulfils an order.")
        if any(line.seller_id != actor.account_id for line in self.lines):
            raise OrderAccessDenied("An order of several sellers is fulfilled by an admin.")
        return party

    def _invalid(self, wanted: str) -> InvalidOrderState:
        return InvalidOrderState(
            f"Order {self.order_number} is {self.status.value} and cannot be {wanted}.",
            details={"status": self.status.value},
        )


def _text(field: str, text: str, most: int) -> str:
    stripped = text.strip()
    if not stripped or len(stripped) > most:
        message = f"Write 1 to {most} characters."
        raise OrderTextInvalid(message, problems=[Problem(field, message, "length")])
    return stripped


def evolve(order: Order | None, event: OrderEvent, stream_id: UUID) -> Order:
    """Fold one recorded fact into the state."""
    if isinstance(event, OrderPlaced):
        return Order(
            order_id=stream_id,
            order_number=event.order_number,
            customer_id=event.customer_id,
            status=OrderStatus.PENDING,
            lines=event.items,
            amounts=OrderAmounts(
                subtotal=event.subtotal,
                tax=event.tax,
                shipping=event.shipping,
                discount=event.discount,
                total=event.total,
            ),
            tax_rate=event.tax_rate,
            payment_method=event.payment_method,
            placed_at=event.placed_at,
            payment_id=event.payment_id,
        )
    assert order is not None, f"stream {stream_id} of an order begins with OrderPlaced"
    replace = msgspec.structs.replace
    match event:
        case OrderConfirmed():
            return replace(order, status=OrderStatus.CONFIRMED, paid_payment_id=event.payment_id)
        case OrderProcessingStarted():
            return replace(order, status=OrderStatus.PROCESSING)
        case OrderShipped():
            return replace(order, status=OrderStatus.SHIPPED, tracking=_tracking(event))
        case OrderTrackingUpdated():
            return replace(order, tracking=_tracking(event))
        case OrderDelivered():
            return replace(order, status=OrderStatus.DELIVERED)
        case OrderCancelled():
            return replace(order, status=OrderStatus.CANCELLED)
        case OrderRefunded():
            return replace(order, status=OrderStatus.REFUNDED)
        case OrderNoteAdded():
            return order
        case _:
            assert_never(event)


def _tracking(event: OrderShipped | OrderTrackingUpdated) -> Tracking:
    return Tracking(
        number=event.tracking_number, url=event.tracking_url, estimated_delivery=event.estimated_delivery
    )
