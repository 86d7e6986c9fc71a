"""What sellers earn: never a unit more or less than their lines, less commission."""

from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from domain.payouts.events import EarningAccrued, EarningReversed, SellerLedgerEvent
from domain.payouts.seller_ledger import (
    EarningInvalid,
    ReversalExceedsEarnings,
    SellerLedger,
    evolve,
    seller_ledger_id,
)
from domain.shared.errors import DomainError
from domain.shared.money import Money
from tests.support.given import fold, given

SELLER = UUID(int=1)
ORDER = UUID(int=2)
REFUND = UUID(int=3)


def usd(minor: int) -> Money:
    return Money(minor, "usd")


earned = EarningAccrued(
    seller_id=SELLER,
    order_id=ORDER,
    line_no=1,
    gross=usd(10_05),
    commission=usd(1_00),
    commission_rate=1_000,
    net=usd(9_05),
)
taken_back = EarningReversed(
    seller_id=SELLER,
    order_id=ORDER,
    line_no=1,
    gross=usd(10_05),
    commission=usd(1_00),
    net=usd(9_05),
    refund_id=REFUND,
)


def accrue(gross: Money, rate: int) -> list[SellerLedgerEvent]:
    return SellerLedger.accrue(seller_id=SELLER, order_id=ORDER, line_no=1, gross=gross, commission_rate=rate)


class TestEarning:
    def test_a_line_earns_its_subtotal_less_commission(self) -> None:
        assert accrue(usd(10_05), 1_000) == [earned]

    def test_half_a_cent_of_commission_goes_to_the_even_cent(self) -> None:
        commissions = [accrue(usd(minor), 1_000)[0].commission.minor for minor in (5, 15, 25, 35)]
        assert commissions == [0, 2, 2, 4]

    def test_without_commission_a_line_earns_all(self) -> None:
        assert accrue(usd(7), 0)[0].net == usd(7)

    def test_impossible_amounts_and_rates_are_refused(self) -> None:
        for gross, rate in ((-1, 1_000), (10, -1), (10, 10_000)):
            with pytest.raises(EarningInvalid):
                accrue(usd(gross), rate)

    @given_any(st.integers(min_value=0, max_value=10**15), st.integers(min_value=0, max_value=9_999))
    def test_gross_is_always_commission_and_net(self, minor: int, rate: int) -> None:
        (event,) = accrue(usd(minor), rate)
        assert event.commission + event.net == event.gross
        assert min(event.commission.minor, event.net.minor) >= 0

    def test_ledgers_are_kept_apart_by_seller_and_currency(self) -> None:
        other = UUID(int=9)
        ids = {
            seller_ledger_id(seller, currency) for seller in (SELLER, other) for currency in ("usd", "uzs")
        }
        assert len(ids) == 4


class TestTakingBack:
    def test_what_was_earned_can_be_taken_back(self) -> None:
        given(evolve, earned).when(
            SellerLedger.reverse,
            order_id=ORDER,
            line_no=1,
            gross=usd(10_05),
            commission=usd(1_00),
            refund_id=REFUND,
        ).then(taken_back)
        assert given(evolve, earned, taken_back).state.earned == usd(0)

    def test_never_more_than_was_earned(self) -> None:
        for gross, commission in ((10_06, 1_00), (10_05, 1_01), (10_05, 99)):
            given(evolve, earned).when(
                SellerLedger.reverse, order_id=ORDER, line_no=1, gross=usd(gross), commission=usd(commission)
            ).refused(ReversalExceedsEarnings)

    def test_amounts_that_are_no_part_of_a_line_are_refused(self) -> None:
        for gross, commission in (
            (usd(-1), usd(-1)),
            (usd(5), usd(6)),
            (usd(5), usd(-1)),
            (Money(5, "uzs"), usd(1)),
        ):
            given(evolve, earned).when(
                SellerLedger.reverse, order_id=ORDER, line_no=1, gross=gross, commission=commission
            ).refused(EarningInvalid)


class LedgerLife(RuleBasedStateMachine):
    """Lines earn and are taken back, in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.history: list[SellerLedgerEvent] = []

    @rule(minor=st.integers(min_value=0, max_value=1_000), rate=st.integers(min_value=0, max_value=9_999))
    def earn(self, minor: int, rate: int) -> None:
        self.history = self.history + accrue(usd(minor), rate)

    @precondition(lambda self: self.history)
    @rule(
        gross=st.integers(min_value=-1, max_value=1_000), commission=st.integers(min_value=-1, max_value=500)
    )
    def take_back(self, gross: int, commission: int) -> None:
        ledger: SellerLedger = fold(evolve, self.history)
        with suppress(DomainError):  # A refusal is a good answer: it adds nothing.
            self.history = self.history + ledger.reverse(
                order_id=ORDER, line_no=1, gross=usd(gross), commission=usd(commission)
            )

    @invariant()
    def the_sums_are_those_of_the_facts(self) -> None:
        if not self.history:
            return
        ledger: SellerLedger = fold(evolve, self.history)
        accrued = sum(event.net.minor for event in self.history if isinstance(event, EarningAccrued))
        reversed_ = sum(event.net.minor for event in self.history if isinstance(event, EarningReversed))
        assert ledger.accrued == usd(accrued)
        assert ledger.reversed == usd(reversed_)
        assert ledger.earned.minor == accrued - reversed_ >= 0


TestLedgerLife = LedgerLife.TestCase
