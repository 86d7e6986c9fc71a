"""Orders over HTTP: placing, looking, fulfilling, calling off (requirements ORD-01 to ORD-18, SHIP-01 to SHIP-04)."""

import re
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
import structlog
from litestar import Controller, Request, Response, get, patch, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter

from api.assembly import AppServices, services_of
from api.envelope import CursorPage, Envelope, Meta, Page, envelope
from api.openapi import errors
from api.orders.pages import FromDay, ListRequest, ToDay, answer_list, beginning_of, end_of, provide_list
from api.orders.requests import (
    AddOrderNoteRequest,
    CancelOrderRequest,
    PlaceOrderRequest,
    ShipOrderRequest,
    UpdateTrackingRequest,
)
from api.orders.views import (
    AddedNoteView,
    HistoryEntryView,
    OrderDetailView,
    OrderSummaryView,
    OrderView,
    PlacedOrderView,
    SoldOrderView,
)
from api.payments.desk import begin_or_wait, note_payment, settle_in_sandbox
from api.payments.views import PaymentDetailView
from api.requests import etag
from api.submission import recorded, submit
from application.orders.commands import (
    AddOrderNote,
    CancelOrder,
    DeliverOrder,
    PlaceOrder,
    ShipOrder,
    StartOrderProcessing,
    UpdateTracking,
)
from application.payments.ports import PaymentGateway
from application.shared.caller import Caller
from application.shared.command import Unavailable
from domain.accounts.permissions import Permission
from domain.orders.events import Party
from domain.orders.order import Order, OrderAccessDenied, OrderNotFound, OrderStatus
from domain.payments.payment import DEFAULT_METHOD, Payment
from projections.orders import order_detail as detail
from projections.orders.customer_orders import CustomerOrders, OrderFilter
from projections.orders.order_detail import OrderDetails, Viewer
from projections.orders.seller_orders import SellerOrders

KIND: Final = "order"

log: Final = structlog.get_logger(__name__)

_NUMBER: Final = re.compile(r"ORD-[0-9]{8}-[0-9]{5,20}")

StatusFilter = Annotated[OrderStatus | None, QueryParameter(description="Only orders in this status.")]
CustomerFilter = Annotated[
    UUID | None, QueryParameter(name="customerId", description="Only this customer's orders; for admins.")
]


class OrdersController(Controller):
    """What customers, sellers and staff may ask about orders."""

    path = "/orders"
    tags = ("Orders",)
    dependencies = {"list_request": Provide(provide_list, sync_to_thread=False)}  # noqa: RUF012 - as Litestar has it

    # --- placing -------------------------------------------------------------------------------------------

    @post(
        "/",
        summary="Place an order",
        responses=errors(
            "EMPTY_CART",
            "PAYMENT_PROVIDER_UNAVAILABLE",
            "LISTING_UNAVAILABLE",
            "INSUFFICIENT_STOCK",
            MIXED_CURRENCIES=409,
            ORDER_TOTAL_OUT_OF_RANGE=409,
        ),
    )
    async def place(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[PlaceOrderRequest],
        caller: NamedDependency[Caller],
    ) -> Response[Envelope[PlacedOrderView]]:
        """Buy what is in the cart, or the given items, at the prices of this moment.

        In one commit the stock is held, the order placed, its payment opened and the cart emptied. A repeat with the same
        `Idempotency-Key` answers the same.
        """
        services = services_of(request)
        gateway = services.gateways.get(data.payment_method)
        payment_id = services.new_id()
        command = PlaceOrder(
            order_id=services.new_id(),
            payment_id=payment_id,
            lines=data.lines(),
            payment_method=gateway.name,
            provider_reference=gateway.reference_for(payment_id),
            provider_currencies=gateway.currencies,
            shipping_address=data.shipping_address.address(),
            billing_address=None if data.billing_address is None else data.billing_address.address(),
            notes=data.notes,
            terms=services.order_terms,
        )
        answer = await submit(request, command, _itself, kind=KIND)
        order = answer.content.data
        if recorded(answer):
            log.info(
                "order_placed",
                order_id=order.order_id,
                order_number=order.order_number,
                amount=str(order.total),
                payment_id=order.payment_id,
            )
        payment = _opened_with(order, gateway)
        begun = None if payment is None else await begin_or_wait(services, payment, caller)
        if payment is not None and begun is not None and recorded(answer):
            note_payment("payment_begun", payment, reference=begun.reference)
        return Response(
            envelope(PlacedOrderView.of(order, begun), meta=_meta_of(answer)), headers=answer.headers
        )

    # --- looking -------------------------------------------------------------------------------------------

    @get("/", summary="List orders")
    async def list_orders(
        self,
        request: Request[Any, Any, Any],
        caller: NamedDependency[Caller],
        list_request: NamedDependency[ListRequest],
        status: StatusFilter = None,
        customer_id: CustomerFilter = None,
        from_: FromDay = None,
        to: ToDay = None,
    ) -> Page[OrderSummaryView] | CursorPage[OrderSummaryView]:
        """The caller's own orders, newest first; for admins those of everybody."""
        wanted = OrderFilter(
            customer_id=customer_id if caller.acts_for_the_house(Permission.ORDERS_READ) else caller.actor_id,
            status=None if status is None else status.value,
            placed_from=beginning_of(from_),
            placed_before=end_of(to),
        )
        orders = CustomerOrders(services_of(request).reader)
        return await answer_list(
            list_request,
            OrderSummaryView.of,
            by_page=lambda part: orders.page(wanted, part),
            by_cursor=lambda part: orders.slice(wanted, part),
        )

    @get(
        "/by-number/{order_number:str}",
        summary="Show an order by its number",
        responses=errors("ORDER_NOT_FOUND"),
    )
    async def show_by_number(
        self,
        request: Request[Any, Any, Any],
        order_number: FromPath[str],
        caller: NamedDependency[Caller],
    ) -> Response[Envelope[OrderDetailView]]:
        """One order by the number that people know it by, such as ORD-20260501-00042."""
        order = None
        if _NUMBER.fullmatch(order_number) is not None:
            details = OrderDetails(services_of(request).reader)
            order = await details.by_number(order_number, _viewer(caller))
        if order is None:
            raise OrderNotFound("There is no such order.")
        return _shown(order)

    @get("/{order_id:uuid}", summary="Show an order", responses=errors("ORDER_NOT_FOUND"))
    async def show(
        self, request: Request[Any, Any, Any], order_id: FromPath[UUID], caller: NamedDependency[Caller]
    ) -> Response[Envelope[OrderDetailView]]:
        """One order as far as the caller's part in it goes: its customer's, a seller's, or staff's."""
        return _shown(await _find(request, order_id, caller))

    @get("/{order_id:uuid}/history", summary="Show an order's history", responses=errors("ORDER_NOT_FOUND"))
    async def show_history(
        self, request: Request[Any, Any, Any], order_id: FromPath[UUID], caller: NamedDependency[Caller]
    ) -> Envelope[list[HistoryEntryView]]:
        """Every status that the order came into, when, through whom and why; oldest first."""
        history = await OrderDetails(services_of(request).reader).history(order_id, _viewer(caller))
        if history is None:
            raise OrderNotFound(f"No order {order_id}.")
        return envelope([HistoryEntryView.of(entry) for entry in history])

    @get(
        "/{order_id:uuid}/payments",
        summary="List an order's payments",
        responses=errors("ORDER_NOT_FOUND", "RESOURCE_ACCESS_DENIED"),
    )
    async def list_payments(
        self, request: Request[Any, Any, Any], order_id: FromPath[UUID], caller: NamedDependency[Caller]
    ) -> Envelope[list[PaymentDetailView]]:
        """All attempts to pay for the order, newest first, the last hundred at most. Not for sellers."""
        order = await _find(request, order_id, caller)
        if order.seen_as is Party.SELLER:
            raise OrderAccessDenied("Payments are between the customer and the house.")
        return envelope([PaymentDetailView.of(payment) for payment in order.payments])

    # --- changing ------------------------------------------------------------------------------------------

    @post(
        "/{order_id:uuid}/cancel",
        status_code=200,
        summary="Cancel an order",
        responses=errors("ORDER_NOT_FOUND", "RESOURCE_ACCESS_DENIED", "INVALID_ORDER_STATE"),
    )
    async def cancel(
        self,
        request: Request[Any, Any, Any],
        order_id: FromPath[UUID],
        data: JSONBody[CancelOrderRequest],
        caller: NamedDependency[Caller],
    ) -> Response[Envelope[OrderView]]:
        """Call an order off before anybody works on it: its goods are for sale again, its money is asked back."""
        command = CancelOrder(order_id=order_id, reason=data.reason)
        answer = await submit(request, command, _itself, kind=KIND, entity=order_id)
        order = answer.content.data
        headers = dict(answer.headers)
        if order.paid_payment_id is not None:
            await _give_back(services_of(request), order.paid_payment_id)
        return Response(envelope(OrderView.of(order), meta=_meta_of(answer)), headers=headers)

    @post(
        "/{order_id:uuid}/process",
        status_code=200,
        summary="Start processing an order",
        responses=errors("ORDER_NOT_FOUND", "RESOURCE_ACCESS_DENIED", "INVALID_ORDER_STATE"),
    )
    async def start_processing(
        self, request: Request[Any, Any, Any], order_id: FromPath[UUID], caller: NamedDependency[Caller]
    ) -> Response[Envelope[OrderView]]:
        """Begin to get the goods of a paid order ready; from then on it cannot be cancelled."""
        command = StartOrderProcessing(order_id=order_id)
        return await submit(request, command, OrderView.of, kind=KIND, entity=order_id)

    @post(
        "/{order_id:uuid}/ship",
        status_code=200,
        summary="Ship an order",
        responses=errors("ORDER_NOT_FOUND", "RESOURCE_ACCESS_DENIED", "INVALID_ORDER_STATE"),
    )
    async def ship(
        self,
        request: Request[Any, Any, Any],
        order_id: FromPath[UUID],
        data: JSONBody[ShipOrderRequest],
        caller: NamedDependency[Caller],
    ) -> Response[Envelope[OrderView]]:
        """Send the goods of a paid order. Its only seller ships it, or an admin."""
        command = ShipOrder(order_id=order_id, tracking=data.tracking())
        return await submit(request, command, OrderView.of, kind=KIND, entity=order_id)

    @patch(
        "/{order_id:uuid}/tracking",
        summary="Correct the tracking data",
        responses=errors("ORDER_NOT_FOUND", "RESOURCE_ACCESS_DENIED", "INVALID_ORDER_STATE"),
    )
    async def update_tracking(
        self,
        request: Request[Any, Any, Any],
        order_id: FromPath[UUID],
        data: JSONBody[UpdateTrackingRequest],
        caller: NamedDependency[Caller],
    ) -> Response[Envelope[OrderView]]:
        """Replace the tracking data of goods that were sent."""
        command = UpdateTracking(order_id=order_id, tracking=data.tracking())
        return await submit(request, command, OrderView.of, kind=KIND, entity=order_id)

    @post(
        "/{order_id:uuid}/deliver",
        status_code=200,
        summary="Mark an order as delivered",
        responses=errors("ORDER_NOT_FOUND", "RESOURCE_ACCESS_DENIED", "INVALID_ORDER_STATE"),
    )
    async def deliver(
        self, request: Request[Any, Any, Any], order_id: FromPath[UUID], caller: NamedDependency[Caller]
    ) -> Response[Envelope[OrderView]]:
        """The goods have arrived; what their sellers earned is due."""
        command = DeliverOrder(order_id=order_id)
        return await submit(request, command, OrderView.of, kind=KIND, entity=order_id)

    @post(
        "/{order_id:uuid}/notes",
        summary="Write a note on an order",
        responses=errors("ORDER_NOT_FOUND", "RESOURCE_ACCESS_DENIED"),
    )
    async def add_note(
        self,
        request: Request[Any, Any, Any],
        order_id: FromPath[UUID],
        data: JSONBody[AddOrderNoteRequest],
        caller: NamedDependency[Caller],
    ) -> Response[Envelope[AddedNoteView]]:
        """Write on an order: its customer for all to read, sellers and staff also among themselves."""
        command = AddOrderNote(order_id=order_id, visibility=data.visibility, text=data.text)
        # Not the whole order: one of several sellers must not see the others' lines.
        note = AddedNoteView(order_id=order_id, visibility=data.visibility.value, text=data.text.strip())
        return await submit(request, command, lambda _: note, kind=KIND, entity=order_id)


class SellerOrdersController(Controller):
    """What sellers sold."""

    path = "/seller/orders"
    tags = ("Orders",)
    dependencies = {"list_request": Provide(provide_list, sync_to_thread=False)}  # noqa: RUF012 - as Litestar has it

    @get("/", summary="List orders with own listings")
    async def list_sold(
        self,
        request: Request[Any, Any, Any],
        caller: NamedDependency[Caller],
        list_request: NamedDependency[ListRequest],
        status: StatusFilter = None,
    ) -> Page[SoldOrderView] | CursorPage[SoldOrderView]:
        """The seller's own part of every order, newest first."""
        assert caller.actor_id is not None, "whoever is signed in has an account"
        seller_id = caller.actor_id
        wanted = None if status is None else status.value
        orders = SellerOrders(services_of(request).reader)
        return await answer_list(
            list_request,
            SoldOrderView.of,
            by_page=lambda part: orders.page(seller_id, part, status=wanted),
            by_cursor=lambda part: orders.slice(seller_id, part, status=wanted),
        )


def _itself(order: Order) -> Order:
    return order


def _meta_of(answer: Response[Envelope[Order]]) -> Meta | None:
    meta = answer.content.meta
    return None if meta is msgspec.UNSET else meta


def _opened_with(order: Order, gateway: PaymentGateway) -> Payment | None:
    """The payment that the commit of the order has opened, without asking the log for it again."""
    if order.payment_id is None:
        return None
    return Payment(
        payment_id=order.payment_id,
        order_id=order.order_id,
        order_number=order.order_number,
        customer_id=order.customer_id,
        provider=order.payment_method,
        method=DEFAULT_METHOD,
        amount=order.total,
        reference=gateway.reference_for(order.payment_id),
    )


async def _give_back(services: AppServices, payment_id: UUID) -> None:
    """The order is called off whatever comes of this: what is not given back now stays asked for."""
    try:
        await settle_in_sandbox(services, payment_id)
    except Unavailable as away:
        log.warning("refund_postponed", payment_id=str(payment_id), cause=type(away).__name__)


def _viewer(caller: Caller) -> Viewer:
    assert caller.actor_id is not None, "whoever is signed in has an account"
    return Viewer(account_id=caller.actor_id, is_admin=caller.acts_for_the_house(Permission.ORDERS_READ))


async def _find(request: Request[Any, Any, Any], order_id: UUID, caller: Caller) -> detail.OrderView:
    order = await OrderDetails(services_of(request).reader).by_id(order_id, _viewer(caller))
    if order is None:
        raise OrderNotFound(f"No order {order_id}.")
    return order


def _shown(order: detail.OrderView) -> Response[Envelope[OrderDetailView]]:
    return Response(
        envelope(OrderDetailView.of(order), meta=Meta(version=order.version)),
        headers={"ETag": etag(KIND, order.order_id, order.version)},
    )


CONTROLLERS: tuple[type[Controller], ...] = (OrdersController, SellerOrdersController)
