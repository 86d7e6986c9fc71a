"""The payment desk in the course of one request: what it recorded, and where that left the log."""

from typing import Any, Final
from uuid import UUID

import msgspec
import structlog

from api.assembly import AppServices
from application.payments.commands import (
    CancelPayment,
    RecordPaymentFailure,
    RecordPaymentSuccess,
    RecordRefund,
    RecordRefundFailure,
    ShowPayment,
)
from application.payments.desk import PaymentDesk
from application.payments.handlers import RecordedSuccess
from application.payments.ports import BegunPayment
from application.shared.caller import SYSTEM, Caller
from application.shared.command import Command, Done, IdempotencyKey, StaleVersion, Unavailable
from application.shared.loop import CommandLoop
from domain.payments.payment import Payment, RefundStatus

SANDBOX: Final = "sandbox"
"""The provider that plays others in development; it answers at once."""

log: Final = structlog.get_logger(__name__)


class WatchedCommands:
    """The command loop, as the desk uses it for one request.

    `position` is that of the last event which came of it, `version` that of the payment. The idempotency key goes to the
    cancellation, which is the only decision of the desk that a caller asks for; the versions of `If-Match` are compared
    when the payment is first looked at, before any provider is asked.
    """

    def __init__(
        self, loop: CommandLoop, *, key: IdempotencyKey | None = None, versions: list[int] | None = None
    ) -> None:
        """`versions` of `None` means that any will do."""
        self._loop = loop
        self._key = key
        self._versions = versions
        self.position = 0
        self.version = 0
        self.replayed = False

    async def submit(self, command: Command, caller: Caller) -> Done[Any]:
        """Have a command decided; see `CommandLoop.submit`."""
        done = await self._loop.submit(
            command, caller, key=self._key if isinstance(command, CancelPayment) else None
        )
        if done.position and not done.replayed:
            _note_outcome(command, done.result)
        self.position = max(self.position, done.position)
        self.replayed = done.replayed
        if done.version is not None and isinstance(done.result, Payment):
            self.version = done.version
        if self._versions is not None and isinstance(command, ShowPayment):
            versions, self._versions = self._versions, None
            if done.version not in versions:
                raise StaleVersion(f"The version is {done.version}.", details={"version": done.version or 0})
        return done


class SettledPayment(msgspec.Struct, frozen=True, kw_only=True):
    """A payment after its refunds were looked after; `position` is 0 when nothing had to be done."""

    payment: Payment
    version: int
    position: int


def _note_outcome(command: Command, result: Payment | RecordedSuccess) -> None:
    """Say in the log what the desk has just recorded."""
    payment = result.payment if isinstance(result, RecordedSuccess) else result
    match command:
        case CancelPayment():
            note_payment("payment_cancelled", payment)
        case RecordPaymentSuccess() | RecordPaymentFailure():
            note_payment("payment_recorded", payment)
        case RecordRefund(refund_id=refund_id):
            note_refund("payment_refunded", payment, refund_id)
        case RecordRefundFailure(refund_id=refund_id):
            note_refund("refund_failed", payment, refund_id)
        case _:
            pass


def note_payment(event: str, payment: Payment, *, reference: str | None = None) -> None:
    """Say in the log what became of a payment (requirements LOG-05).

    `reference` is the name that the provider has just told, if it is not in the payment yet.
    """
    log.info(
        event,
        order_id=payment.order_id,
        payment_id=payment.payment_id,
        provider=payment.provider,
        reference=reference or payment.reference,
        amount=str(payment.amount),
        status=payment.status,
    )


def note_refund(event: str, payment: Payment, refund_id: UUID) -> None:
    """Say in the log how far a refund of a payment is; `amount` is what goes back (requirements LOG-05).

    One that the payment does not have is passed over.
    """
    refund = payment.refund(refund_id)
    if refund is not None:
        log.info(
            event,
            order_id=payment.order_id,
            payment_id=payment.payment_id,
            refund_id=refund_id,
            provider=payment.provider,
            reference=payment.reference,
            amount=str(refund.amount),
            status=refund.status,
        )


async def begin_or_wait(services: AppServices, payment: Payment, caller: Caller) -> BegunPayment | None:
    """Make a payment known to its provider; `None` when the provider is away, and the customer can try again later."""
    try:
        return await services.payment_desk.begin(payment, caller)
    except Unavailable as away:
        log.warning(
            "payment_not_begun",
            payment_id=str(payment.payment_id),
            provider=payment.provider,
            cause=type(away).__name__,
        )
        return None


async def settle_in_sandbox(services: AppServices, payment_id: UUID) -> SettledPayment:
    """Let the sandbox give back at once what was asked back of a payment of its own.

    Other providers are asked by a workflow, which is patient. A refund that does not come about now stays requested.
    """
    watched = WatchedCommands(services.commands)
    done = await watched.submit(ShowPayment(payment_id=payment_id), SYSTEM)
    payment: Payment = done.result
    if payment.provider == SANDBOX and SANDBOX in services.gateways.names:
        desk = PaymentDesk(services.gateways, watched)
        for refund in payment.refunds:
            if refund.status is RefundStatus.REQUESTED:
                payment = await desk.carry_out_refund(payment_id, refund.refund_id)
    return SettledPayment(payment=payment, version=watched.version, position=watched.position)
