"""What one seller has earned in one currency (requirements OUT-02, OUT-08, REF-04)."""

from typing import assert_never
from uuid import UUID

import msgspec

from domain.payouts.events import EarningAccrued, EarningReversed, SellerLedgerEvent
from domain.shared.claims import derived_id
from domain.shared.errors import InvalidInput, RuleViolation
from domain.shared.events import State
from domain.shared.money import BASIS_POINTS, Money


class OrderNotDelivered(RuleViolation):
    """Earnings are due when the goods have arrived."""

    code = "ORDER_NOT_DELIVERED"


class EarningInvalid(InvalidInput):
    """A gross amount below zero, or a commission that is not a share of it."""


class ReversalExceedsEarnings(RuleViolation):
    """More would be taken back than was ever earned."""

    code = "REVERSAL_EXCEEDS_EARNINGS"


def seller_ledger_id(seller_id: UUID, currency: str) -> UUID:
    """The stream in which a seller's earnings in a currency live."""
    return derived_id("seller_ledger", f"{seller_id}:{currency}")


class SellerLedger(State, frozen=True, kw_only=True):
    """Sums over all earnings of one seller in one currency, in minor units.

    Which order lines they came from is in the events; that a line earns once is a claim of its own. So this state stays
    small however much is sold.
    """

    ledger_id: UUID
    seller_id: UUID
    currency: str
    gross_minor: int = 0
    commission_minor: int = 0
    reversed_gross_minor: int = 0
    reversed_commission_minor: int = 0

    @property
    def stream_id(self) -> UUID:
        """Derived from seller and currency."""
        return self.ledger_id

    @property
    def accrued(self) -> Money:
        """All that was ever earned, net of commission."""
        return Money(self.gross_minor - self.commission_minor, self.currency)

    @property
    def reversed(self) -> Money:
        """All that was taken back, net of commission."""
        return Money(self.reversed_gross_minor - self.reversed_commission_minor, self.currency)

    @property
    def earned(self) -> Money:
        """What was earned and not taken back."""
        return self.accrued - self.reversed

    @staticmethod
    def accrue(
        *, seller_id: UUID, order_id: UUID, line_no: int, gross: Money, commission_rate: int
    ) -> list[SellerLedgerEvent]:
        """A delivered line earns its subtotal less commission, which is rounded half to even to the minor unit.

        Shipping and tax are no part of the subtotal. `commission_rate` is in basis points.

        Raises:
            EarningInvalid: `gross` is below zero, or the rate is not from 0 to less than a whole (OUT-01).
        """
        if gross.minor < 0 or not 0 <= commission_rate < BASIS_POINTS:
            raise EarningInvalid(f"A line of {gross} at {commission_rate} basis points earns nothing.")
        commission = gross.share(commission_rate)
        return [
            EarningAccrued(
                seller_id=seller_id,
                order_id=order_id,
                line_no=line_no,
                gross=gross,
                commission=commission,
                commission_rate=commission_rate,
                net=gross - commission,
            )
        ]

    def reverse(
        self, *, order_id: UUID, line_no: int, gross: Money, commission: Money, refund_id: UUID | None = None
    ) -> list[SellerLedgerEvent]:
        """Take back what a line earned, or a part of it.

        Raises:
            EarningInvalid: an amount is below zero or in another currency, or the commission is above the gross.
            ReversalExceedsEarnings: the ledger holds less gross, commission or net.
        """
        currencies = {gross.currency, commission.currency}
        if currencies != {self.currency} or not 0 <= commission.minor <= gross.minor:
            raise EarningInvalid(f"{gross} with a commission of {commission} cannot be taken back.")
        net = gross - commission
        if (
            gross.minor > self.gross_minor - self.reversed_gross_minor
            or commission.minor > self.commission_minor - self.reversed_commission_minor
            or net.minor > self.earned.minor
        ):
            raise ReversalExceedsEarnings(
                f"The ledger of seller {self.seller_id} holds {self.earned}.",
                details={"earned": self.earned.minor, "currency": self.currency},
            )
        return [
            EarningReversed(
                seller_id=self.seller_id,
                order_id=order_id,
                line_no=line_no,
                gross=gross,
                commission=commission,
                net=net,
                refund_id=refund_id,
            )
        ]


def evolve(ledger: SellerLedger | None, event: SellerLedgerEvent, stream_id: UUID) -> SellerLedger:
    """Fold one recorded fact into the state."""
    if ledger is None:
        ledger = SellerLedger(ledger_id=stream_id, seller_id=event.seller_id, currency=event.gross.currency)
    match event:
        case EarningAccrued():
            return msgspec.structs.replace(
                ledger,
                gross_minor=ledger.gross_minor + event.gross.minor,
                commission_minor=ledger.commission_minor + event.commission.minor,
            )
        case EarningReversed():
            return msgspec.structs.replace(
                ledger,
                reversed_gross_minor=ledger.reversed_gross_minor + event.gross.minor,
                reversed_commission_minor=ledger.reversed_commission_minor + event.commission.minor,
            )
        case _:
            assert_never(event)
