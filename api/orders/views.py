"""How orders are shown."""

from datetime import date
from uuid import UUID

from api.envelope import ResponseBody, Timestamp, timestamp
from api.money import MoneyView
from api.payments.views import PaymentDetailView
from application.payments.ports import BegunPayment
from domain.orders.events import OrderLine
from domain.orders.order import Order
from domain.shared.money import Money
from domain.shared.personal import Address
from projections.orders import order_detail as detail
from projections.orders.customer_orders import OrderSummary
from projections.orders.seller_orders import SoldOrder


class OrderItemView(ResponseBody, frozen=True, kw_only=True):
    """One line of an order as it was sold."""

    line_no: int
    listing_id: UUID
    seller_id: UUID
    name: str
    product_type: str
    sku: str | None
    unit_price: MoneyView
    quantity: int
    subtotal: MoneyView

    @classmethod
    def of(cls, line: OrderLine) -> "OrderItemView":
        """Show a line."""
        return cls(
            line_no=line.line_no,
            listing_id=line.listing_id,
            seller_id=line.seller_id,
            name=line.name,
            product_type=line.product_type,
            sku=line.sku,
            unit_price=MoneyView.of(line.unit_price),
            quantity=line.quantity,
            subtotal=MoneyView.of(line.subtotal),
        )


class TrackingView(ResponseBody, frozen=True, kw_only=True):
    """How to follow the goods."""

    tracking_number: str | None
    tracking_url: str | None
    estimated_delivery: date | None


class OrderView(ResponseBody, frozen=True, kw_only=True):
    """An order after a command: total = subtotal + tax + shipping - discount. `taxRate` is in basis points.

    Names, addresses, notes and times are in `GET /orders/{orderId}`.
    """

    order_id: UUID
    order_number: str
    customer_id: UUID
    status: str
    items: list[OrderItemView]
    subtotal: MoneyView
    tax: MoneyView
    tax_rate: int
    shipping: MoneyView
    discount: MoneyView
    total: MoneyView
    payment_method: str
    payment_id: UUID | None
    tracking: TrackingView | None
    placed_at: Timestamp

    @classmethod
    def of(cls, order: Order) -> "OrderView":
        """Show an order as the log has it."""
        amounts = order.amounts
        tracking = order.tracking
        return cls(
            order_id=order.order_id,
            order_number=order.order_number,
            customer_id=order.customer_id,
            status=order.status.value,
            items=[OrderItemView.of(line) for line in order.lines],
            subtotal=MoneyView.of(amounts.subtotal),
            tax=MoneyView.of(amounts.tax),
            tax_rate=order.tax_rate,
            shipping=MoneyView.of(amounts.shipping),
            discount=MoneyView.of(amounts.discount),
            total=MoneyView.of(amounts.total),
            payment_method=order.payment_method,
            payment_id=order.payment_id,
            tracking=None
            if tracking is None
            else TrackingView(
                tracking_number=tracking.number,
                tracking_url=tracking.url,
                estimated_delivery=tracking.estimated_delivery,
            ),
            placed_at=timestamp(order.placed_at),
        )


class PlacedOrderView(ResponseBody, frozen=True, kw_only=True):
    """An order that was placed just now, and what the customer needs to pay for it.

    `paymentIntentId` is the provider's name for the payment. Where it and `clientSecret` are null the provider could not
    be reached: the order stands, and `POST /payments` begins to pay for it.
    """

    order_id: UUID
    order_number: str
    status: str
    payment_id: UUID | None
    payment_intent_id: str | None
    client_secret: str | None
    redirect_url: str | None
    total: MoneyView
    order: OrderView

    @classmethod
    def of(cls, order: Order, begun: BegunPayment | None) -> "PlacedOrderView":
        """Show a placed order."""
        view = OrderView.of(order)
        return cls(
            order_id=order.order_id,
            order_number=order.order_number,
            status=view.status,
            payment_id=order.payment_id,
            payment_intent_id=None if begun is None else begun.reference,
            client_secret=None if begun is None else begun.client_secret,
            redirect_url=None if begun is None else begun.redirect_url,
            total=view.total,
            order=view,
        )


class AddedNoteView(ResponseBody, frozen=True, kw_only=True):
    """A note that was written on an order."""

    order_id: UUID
    visibility: str
    text: str


# --- read models -------------------------------------------------------------------------------------------


class OrderedItemView(ResponseBody, frozen=True, kw_only=True):
    """One line of an order in short."""

    listing_id: UUID
    name: str
    quantity: int
    subtotal: MoneyView


class OrderSummaryView(ResponseBody, frozen=True, kw_only=True):
    """One order in a list."""

    order_id: UUID
    order_number: str
    customer_id: UUID
    status: str
    total: MoneyView
    items: list[OrderedItemView]
    placed_at: Timestamp

    @classmethod
    def of(cls, order: OrderSummary) -> "OrderSummaryView":
        """Show an order of the list."""
        currency = order.total.currency
        return cls(
            order_id=order.order_id,
            order_number=order.order_number,
            customer_id=order.customer_id,
            status=order.status,
            total=MoneyView.of(order.total),
            items=[
                OrderedItemView(
                    listing_id=item.listing_id,
                    name=item.name,
                    quantity=item.quantity,
                    subtotal=MoneyView.of(Money(item.subtotal_minor, currency)),
                )
                for item in order.items
            ],
            placed_at=timestamp(order.placed_at),
        )


class SoldItemView(ResponseBody, frozen=True, kw_only=True):
    """One line that the seller sold."""

    line_no: int
    listing_id: UUID
    name: str
    sku: str | None
    unit_price: MoneyView
    quantity: int
    subtotal: MoneyView


class SoldOrderView(ResponseBody, frozen=True, kw_only=True):
    """The seller's part of one order. When `isWhole` the seller ships it; an order of several sellers an admin does."""

    order_id: UUID
    order_number: str
    status: str
    subtotal: MoneyView
    items: list[SoldItemView]
    is_whole: bool
    placed_at: Timestamp

    @classmethod
    def of(cls, order: SoldOrder) -> "SoldOrderView":
        """Show a seller's part."""
        currency = order.subtotal.currency
        return cls(
            order_id=order.order_id,
            order_number=order.order_number,
            status=order.status,
            subtotal=MoneyView.of(order.subtotal),
            items=[
                SoldItemView(
                    line_no=line.line_no,
                    listing_id=line.listing_id,
                    name=line.name,
                    sku=line.sku,
                    unit_price=MoneyView.of(Money(line.unit_price_minor, currency)),
                    quantity=line.quantity,
                    subtotal=MoneyView.of(Money(line.subtotal_minor, currency)),
                )
                for line in order.lines
            ],
            is_whole=order.is_whole,
            placed_at=timestamp(order.placed_at),
        )


class AddressView(ResponseBody, frozen=True, kw_only=True):
    """Where goods or bills go."""

    first_name: str
    last_name: str
    address1: str
    address2: str | None
    city: str
    postal_code: str
    country: str
    phone: str | None

    @classmethod
    def of(cls, address: Address) -> "AddressView":
        """Show an address."""
        return cls(
            first_name=address.first_name,
            last_name=address.last_name,
            address1=address.address1,
            address2=address.address2,
            city=address.city,
            postal_code=address.postal_code,
            country=address.country,
            phone=address.phone,
        )


class HistoryEntryView(ResponseBody, frozen=True, kw_only=True):
    """The order came into a status; `by` is customer, seller, admin or system."""

    status: str
    at: Timestamp
    by: str
    reason: str | None

    @classmethod
    def of(cls, entry: detail.HistoryEntry) -> "HistoryEntryView":
        """Show an entry."""
        return cls(status=entry.status, at=timestamp(entry.at), by=entry.by, reason=entry.reason)


class OrderNoteView(ResponseBody, frozen=True, kw_only=True):
    """A note on the order; `authorId` is null for customers, and for notes of the house."""

    visibility: str
    text: str
    by: str
    author_id: UUID | None
    at: Timestamp


class OrderDetailItemView(OrderItemView, frozen=True, kw_only=True):
    """One line of an order; `commissionRate`, in basis points, is null for customers."""

    commission_rate: int | None


class OrderAmountsView(ResponseBody, frozen=True, kw_only=True):
    """What the whole order costs: total = subtotal + tax + shipping - discount. `taxRate` is in basis points."""

    subtotal: MoneyView
    tax: MoneyView
    tax_rate: int
    shipping: MoneyView
    discount: MoneyView
    total: MoneyView
    refunded: MoneyView

    @classmethod
    def of(cls, amounts: detail.OrderAmountsView) -> "OrderAmountsView":
        """Show amounts."""
        return cls(
            subtotal=MoneyView.of(amounts.subtotal),
            tax=MoneyView.of(amounts.tax),
            tax_rate=amounts.tax_rate,
            shipping=MoneyView.of(amounts.shipping),
            discount=MoneyView.of(amounts.discount),
            total=MoneyView.of(amounts.total),
            refunded=MoneyView.of(amounts.refunded),
        )


class OrderDetailView(ResponseBody, frozen=True, kw_only=True):
    """One order as its viewer may see it; `seenAs` is customer, seller or admin.

    Sellers see their own lines, and the amounts of the whole only when all lines are theirs; email, billing address and
    payments are not for them. Internal notes are not for customers.
    """

    order_id: UUID
    order_number: str
    status: str
    seen_as: str
    customer_id: UUID
    customer_name: str
    customer_email: str | None
    customer_phone: str | None
    shipping_address: AddressView
    billing_address: AddressView | None
    customer_notes: str | None
    items: list[OrderDetailItemView]
    items_subtotal: MoneyView
    amounts: OrderAmountsView | None
    payment_method: str
    payments: list[PaymentDetailView]
    tracking: TrackingView
    notes: list[OrderNoteView]
    history: list[HistoryEntryView]
    placed_at: Timestamp
    shipped_at: Timestamp | None
    delivered_at: Timestamp | None
    cancelled_at: Timestamp | None
    updated_at: Timestamp

    @classmethod
    def of(cls, order: detail.OrderView) -> "OrderDetailView":
        """Show an order of the read model."""
        billing = order.billing_address
        return cls(
            order_id=order.order_id,
            order_number=order.order_number,
            status=order.status,
            seen_as=order.seen_as.value,
            customer_id=order.customer_id,
            customer_name=order.customer_name,
            customer_email=order.customer_email,
            customer_phone=order.customer_phone,
            shipping_address=AddressView.of(order.shipping_address),
            billing_address=None if billing is None else AddressView.of(billing),
            customer_notes=order.customer_notes,
            items=[_item(line) for line in order.lines],
            items_subtotal=MoneyView.of(order.lines_subtotal),
            amounts=None if order.amounts is None else OrderAmountsView.of(order.amounts),
            payment_method=order.payment_method,
            payments=[PaymentDetailView.of(payment) for payment in order.payments],
            tracking=TrackingView(
                tracking_number=order.tracking_number,
                tracking_url=order.tracking_url,
                estimated_delivery=order.estimated_delivery,
            ),
            notes=[
                OrderNoteView(
                    visibility=note.visibility,
                    text=note.text,
                    by=note.by,
                    author_id=note.author_id,
                    at=timestamp(note.at),
                )
                for note in order.notes
            ],
            history=[HistoryEntryView.of(entry) for entry in order.history],
            placed_at=timestamp(order.placed_at),
            shipped_at=_entered(order, "shipped"),
            delivered_at=_entered(order, "delivered"),
            cancelled_at=_entered(order, "cancelled"),
            updated_at=timestamp(order.updated_at),
        )


def _item(line: detail.OrderLineView) -> OrderDetailItemView:
    return OrderDetailItemView(
        line_no=line.line_no,
        listing_id=line.listing_id,
        seller_id=line.seller_id,
        name=line.name,
        product_type=line.product_type,
        sku=line.sku,
        unit_price=MoneyView.of(line.unit_price),
        quantity=line.quantity,
        subtotal=MoneyView.of(line.subtotal),
        commission_rate=line.commission_rate,
    )


def _entered(order: detail.OrderView, status: str) -> Timestamp | None:
    at = order.entered(status)
    return None if at is None else timestamp(at)
