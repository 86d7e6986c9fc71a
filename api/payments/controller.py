"""Payments and refunds over HTTP (requirements PAY-01 to PAY-11, REF-01 to REF-03)."""

from typing import Annotated, Any, Final, cast
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, JSONBody, QueryParameter

from api.assembly import services_of
from api.context import context_of
from api.envelope import CursorPage, Envelope, Meta, Page, RequestBody, envelope
from api.money import Currency, DecimalText, MoneyRequest, money_of
from api.openapi import NOT_A_COMMAND, NOT_A_QUERY, errors
from api.orders.pages import FromDay, ListRequest, ToDay, answer_list, beginning_of, end_of, provide_list
from api.orders.requests import Method, Reason
from api.payments.desk import (
    SANDBOX,
    SettledPayment,
    WatchedCommands,
    note_payment,
    note_refund,
    settle_in_sandbox,
)
from api.payments.views import (
    BegunPaymentView,
    PaymentDetailView,
    PaymentMethodView,
    PaymentView,
    RefundDetailView,
    RequestedRefundView,
)
from api.requests import etag, expected_versions, idempotency_key
from api.submission import recorded, submit
from application.payments.commands import InitiatePayment, RequestRefund, ShowPayment
from application.payments.desk import PaymentDesk
from application.payments.handlers import RecordedSuccess
from application.payments.ports import PaymentRequest
from application.shared.caller import ActorKind, Caller
from domain.accounts.permissions import Permission
from domain.payments.payment import (
    DEFAULT_REFUND_REASON,
    Payment,
    PaymentNotFound,
    PaymentProviderUnavailable,
    PaymentStatus,
)
from domain.shared.money import Money
from infrastructure.payments.sandbox import SandboxGateway, SandboxOutcome
from projections.payments import payment_ledger as ledger
from projections.payments.payment_ledger import PaymentFilter, PaymentLedger

KIND: Final = "payment"


class InitiatePaymentRequest(RequestBody, frozen=True, kw_only=True):
    """Which order to pay for, through which provider."""

    order_id: UUID
    payment_method: Method


class RefundRequest(RequestBody, frozen=True, kw_only=True):
    """How much to give back, all that is left by default, and why."""

    amount: MoneyRequest | None = None
    reason: Reason = DEFAULT_REFUND_REASON


class SandboxRequest(RequestBody, frozen=True, kw_only=True):
    """What the sandbox should say of a payment.

    For a success, `amount` and `currency` are what it pretends to have got; by default what was asked for.
    """

    outcome: SandboxOutcome
    amount: DecimalText | None = None
    currency: Currency | None = None

    def received(self, asked: Money) -> Money:
        """The money that the sandbox pretends to have.

        Raises:
            InvalidInput: see `money_of`.
        """
        currency = asked.currency if self.currency is None else self.currency
        if self.amount is None:
            return Money(asked.minor, currency)
        return money_of(self.amount, currency, "amount")


class PaymentsController(Controller):
    """What customers and staff may ask about payments."""

    path = "/payments"
    tags = ("Payments",)

    @get("/methods", summary="List payment methods", opt=NOT_A_QUERY)
    async def list_methods(self, request: Request[Any, Any, Any]) -> Envelope[list[PaymentMethodView]]:
        """The providers through which can be paid now."""
        gateways = services_of(request).gateways
        return envelope([PaymentMethodView.of(gateways.get(name)) for name in gateways.names])

    @post(
        "/",
        summary="Begin to pay for an order",
        responses=errors(
            "ORDER_NOT_FOUND",
            "ORDER_NOT_PAYABLE",
            "PAYMENT_PROVIDER_UNAVAILABLE",
            "UPSTREAM_UNAVAILABLE",
            "UPSTREAM_TIMEOUT",
            PAYMENT_ALREADY_OPEN=409,
            PROVIDER_REFERENCE_TAKEN=409,
        ),
    )
    async def initiate(
        self,
        request: Request[Any, Any, Any],
        data: JSONBody[InitiatePaymentRequest],
        caller: NamedDependency[Caller],
    ) -> Response[Envelope[BegunPaymentView]]:
        """Begin to pay for an own pending order. While an attempt with the provider is open, that one is the answer."""
        services = services_of(request)
        gateway = services.gateways.get(data.payment_method)
        payment_id = services.new_id()
        command = InitiatePayment(
            payment_id=payment_id,
            order_id=data.order_id,
            provider=gateway.name,
            reference=gateway.reference_for(payment_id),
            currencies=gateway.currencies,
        )
        answer = await submit(request, command, _payment_of, kind=KIND)
        payment = answer.content.data
        begun = await services.payment_desk.begin(payment, caller)
        if recorded(answer):
            note_payment("payment_begun", payment, reference=begun.reference)
        return Response(
            msgspec.structs.replace(
                cast("Envelope[Any]", answer.content), data=BegunPaymentView.of(payment, begun)
            ),
            headers=answer.headers,
        )

    @get("/{payment_id:uuid}", summary="Show a payment", responses=errors(PAYMENT_NOT_FOUND=404))
    async def show(
        self, request: Request[Any, Any, Any], payment_id: FromPath[UUID], caller: NamedDependency[Caller]
    ) -> Response[Envelope[PaymentDetailView]]:
        """One payment of the caller's own; for admins anybody's."""
        payment = await _find(request, payment_id, caller)
        return Response(
            envelope(PaymentDetailView.of(payment), meta=Meta(version=payment.version)),
            headers={"ETag": etag(KIND, payment_id, payment.version)},
        )

    @post(
        "/{payment_id:uuid}/confirm",
        status_code=200,
        summary="Ask the provider about a payment",
        opt=NOT_A_COMMAND,
        responses=errors(
            "PAYMENT_PROVIDER_UNAVAILABLE",
            "UPSTREAM_UNAVAILABLE",
            "UPSTREAM_TIMEOUT",
            "CONCURRENCY_CONFLICT",
            "OVERLOADED",
            PAYMENT_NOT_FOUND=404,
        ),
    )
    async def confirm(
        self, request: Request[Any, Any, Any], payment_id: FromPath[UUID], caller: NamedDependency[Caller]
    ) -> Response[Envelope[PaymentView]]:
        """Have the provider asked how a payment stands, and record that, as its callback would. Asking again is harmless."""
        services = services_of(request)
        watched = WatchedCommands(services.commands)
        payment = await PaymentDesk(services.gateways, watched).recheck(payment_id, caller)
        return _answer(payment, watched)

    @post(
        "/{payment_id:uuid}/cancel",
        status_code=200,
        summary="Call a payment off",
        responses=errors(
            "PAYMENT_PROVIDER_UNAVAILABLE",
            "UPSTREAM_UNAVAILABLE",
            "UPSTREAM_TIMEOUT",
            PAYMENT_NOT_FOUND=404,
            PAYMENT_NOT_CANCELLABLE=409,
        ),
    )
    async def cancel(
        self, request: Request[Any, Any, Any], payment_id: FromPath[UUID], caller: NamedDependency[Caller]
    ) -> Response[Envelope[PaymentView]]:
        """Keep the customer from paying, at the provider too. The order stays, and may be paid anew."""
        services = services_of(request)
        precondition = context_of(request).headers.get(b"if-match")
        watched = WatchedCommands(
            services.commands,
            key=await idempotency_key(request, caller),
            versions=None
            if precondition is None
            else expected_versions(precondition.decode("latin-1"), KIND, payment_id),
        )
        reason = "cancelled_by_admin" if caller.is_admin else "cancelled_by_customer"
        done = await PaymentDesk(services.gateways, watched).cancel(payment_id, caller, reason)
        return _answer(done.result, watched)

    @post(
        "/{payment_id:uuid}/sandbox",
        status_code=200,
        summary="Play the sandbox's callback",
        responses=errors("PAYMENT_PROVIDER_UNAVAILABLE", PAYMENT_NOT_FOUND=404),
    )
    async def play_sandbox(
        self,
        request: Request[Any, Any, Any],
        payment_id: FromPath[UUID],
        data: JSONBody[SandboxRequest],
        caller: NamedDependency[Caller],
    ) -> Response[Envelope[PaymentView]]:
        """Decide what becomes of a payment through the sandbox, in place of a real provider's callback.

        A success confirms the order. Money for an order that cannot use it any more goes back at once.
        """
        services = services_of(request)
        gateway = services.gateways.get(SANDBOX)
        seen = await services.commands.submit(ShowPayment(payment_id=payment_id), caller)
        payment: Payment = seen.result
        if payment.provider != SANDBOX or not isinstance(gateway, SandboxGateway):
            raise PaymentProviderUnavailable(f"Payment {payment_id} does not go through the sandbox.")
        command = gateway.callback(
            PaymentRequest.of(payment),
            data.outcome,
            received=data.received(payment.amount),
            at=services.clock(),
        )
        # Whoever plays the provider stays on record beside what the provider is made to say.
        provider = msgspec.structs.replace(caller, actor_kind=ActorKind.WEBHOOK)
        answer = await submit(request, command, _payment_of, kind=KIND, entity=payment_id, caller=provider)
        if recorded(answer):
            note_payment("payment_recorded", answer.content.data)
            if not answer.content.data.refunds:
                view = PaymentView.of(answer.content.data)
                return Response(Envelope(data=view, meta=answer.content.meta), headers=answer.headers)
        settled = await settle_in_sandbox(services, payment_id)
        return _settled(answer, settled, PaymentView.of(settled.payment))

    @post(
        "/{payment_id:uuid}/refunds",
        summary="Refund a payment",
        responses=errors("PAYMENT_NOT_REFUNDABLE", "REFUND_EXCEEDS_PAYMENT", PAYMENT_NOT_FOUND=404),
    )
    async def refund(
        self, request: Request[Any, Any, Any], payment_id: FromPath[UUID], data: JSONBody[RefundRequest]
    ) -> Response[Envelope[RequestedRefundView]]:
        """Give money back: an amount, or all that is left. Several partial refunds are fine, up to what was paid."""
        services = services_of(request)
        command = RequestRefund(
            payment_id=payment_id,
            refund_id=services.new_id(),
            amount=None if data.amount is None else data.amount.money("amount.amount"),
            reason=data.reason,
        )
        answer = await submit(request, command, _payment_of, kind=KIND, entity=payment_id)
        # The newest one right after the command, also in the kept answer to an earlier request.
        refund_id = answer.content.data.refunds[-1].refund_id
        if recorded(answer):
            note_refund("refund_requested", answer.content.data, refund_id)
        settled = await settle_in_sandbox(services, payment_id)
        return _settled(answer, settled, RequestedRefundView.of_payment(refund_id, settled.payment))

    @get(
        "/{payment_id:uuid}/refunds",
        summary="List a payment's refunds",
        responses=errors(PAYMENT_NOT_FOUND=404),
    )
    async def list_refunds(
        self, request: Request[Any, Any, Any], payment_id: FromPath[UUID], caller: NamedDependency[Caller]
    ) -> Envelope[list[RefundDetailView]]:
        """All refunds that were ever asked for, oldest first."""
        payment = await _find(request, payment_id, caller)
        return envelope([RefundDetailView.of_entry(refund) for refund in payment.refunds])


StatusFilter = Annotated[PaymentStatus | None, QueryParameter(description="Only payments in this status.")]
ProviderFilter = Annotated[
    str | None,
    QueryParameter(pattern="^[a-z0-9_]{1,50}$", description="Only payments through this provider."),
]
CustomerFilter = Annotated[
    UUID | None, QueryParameter(name="customerId", description="Only this customer's payments.")
]


class AdminPaymentsController(Controller):
    """What staff may ask about all payments."""

    path = "/admin/payments"
    tags = ("Payments",)
    dependencies = {"list_request": Provide(provide_list, sync_to_thread=False)}  # noqa: RUF012 - as Litestar has it

    @get("/", summary="List all payments")
    async def list_payments(
        self,
        request: Request[Any, Any, Any],
        list_request: NamedDependency[ListRequest],
        status: StatusFilter = None,
        provider: ProviderFilter = None,
        customer_id: CustomerFilter = None,
        from_: FromDay = None,
        to: ToDay = None,
    ) -> Page[PaymentDetailView] | CursorPage[PaymentDetailView]:
        """Everybody's payments, newest first."""
        wanted = PaymentFilter(
            customer_id=customer_id,
            status=None if status is None else status.value,
            provider=provider,
            initiated_from=beginning_of(from_),
            initiated_before=end_of(to),
        )
        payments = PaymentLedger(services_of(request).reader)
        return await answer_list(
            list_request,
            PaymentDetailView.of,
            by_page=lambda part: payments.page(wanted, part),
            by_cursor=lambda part: payments.slice(wanted, part),
        )


async def _find(request: Request[Any, Any, Any], payment_id: UUID, caller: Caller) -> ledger.PaymentView:
    payment = await PaymentLedger(services_of(request).reader).get(
        payment_id, customer_id=None if caller.acts_for_the_house(Permission.ORDERS_READ) else caller.actor_id
    )
    if payment is None:
        raise PaymentNotFound(f"No payment {payment_id}.")
    return payment


def _payment_of(result: Payment | RecordedSuccess) -> Payment:
    return result.payment if isinstance(result, RecordedSuccess) else result


def _answer(payment: Payment, watched: WatchedCommands) -> Response[Envelope[PaymentView]]:
    headers = {
        "X-Position": str(watched.position),
        "ETag": etag(KIND, payment.payment_id, watched.version),
    }
    if watched.replayed:
        headers["Idempotent-Replayed"] = "true"
    meta = Meta(position=watched.position, version=watched.version)
    return Response(envelope(PaymentView.of(payment), meta=meta), headers=headers)


def _settled(answer: Response[Any], settled: SettledPayment, view: Any) -> Response[Any]:
    """The answer to a command, with what was settled after it."""
    position = max(int(answer.headers["X-Position"]), settled.position)
    headers = {
        **answer.headers,
        "X-Position": str(position),
        "ETag": etag(KIND, settled.payment.payment_id, settled.version),
    }
    return Response(envelope(view, meta=Meta(position=position, version=settled.version)), headers=headers)


CONTROLLERS: tuple[type[Controller], ...] = (PaymentsController, AdminPaymentsController)
