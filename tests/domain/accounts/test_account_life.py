"""Whatever is asked of a seller's account, in whatever order, its history stays honest."""

from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.accounts import registration
from domain.accounts.account import Account, LoginRefused, evolve
from domain.accounts.events import (
    AccountEvent,
    AccountLoggedIn,
    AccountRegistered,
    SellerApproved,
    SellerRejected,
)
from domain.accounts.roles import AccountKind, AccountStatus, LoginMethod
from domain.shared.errors import InvalidInput, RuleViolation
from tests.support.given import fold


class AccountLife(RuleBasedStateMachine):
    """From registering on: nobody acts here whom nobody let in."""

    history: list[AccountEvent]

    @initialize(kind=st.sampled_from([AccountKind.CUSTOMER, AccountKind.SELLER]))
    def register(self, kind: AccountKind) -> None:
        self.history = registration.register(kind=kind, email="nodira@example.uz", name="Nodira")
        self.kind = kind

    @rule(by=st.uuids())
    def approve(self, by: UUID) -> None:
        self._ask(lambda account: account.approve_seller(by=by))

    @rule(by=st.uuids(), reason=st.text(max_size=20))
    def reject(self, by: UUID, reason: str) -> None:
        self._ask(lambda account: account.reject_seller(by=by, reason=reason))

    @rule(session_id=st.uuids())
    def log_in(self, session_id: UUID) -> None:
        self._ask(lambda account: account.log_in(session_id=session_id, method=LoginMethod.PASSWORD))

    @invariant()
    def registers_once_and_first(self) -> None:
        births = [event for event in self.history if isinstance(event, AccountRegistered)]
        assert births == self.history[:1]

    @invariant()
    def at_most_one_decision(self) -> None:
        decisions = [event for event in self.history if isinstance(event, SellerApproved | SellerRejected)]
        assert len(decisions) <= (1 if self.kind is AccountKind.SELLER else 0)

    @invariant()
    def sellers_sign_in_only_after_approval(self) -> None:
        if self.kind is AccountKind.SELLER:
            for index, event in enumerate(self.history):
                if isinstance(event, AccountLoggedIn):
                    assert any(isinstance(earlier, SellerApproved) for earlier in self.history[:index])

    @invariant()
    def status_is_what_was_decided(self) -> None:
        last = AccountStatus.PENDING if self.kind is AccountKind.SELLER else AccountStatus.APPROVED
        for event in self.history:
            if isinstance(event, SellerApproved):
                last = AccountStatus.APPROVED
            elif isinstance(event, SellerRejected):
                last = AccountStatus.REJECTED
        assert fold(evolve, self.history).status is last

    def _ask(self, decide: Callable[[Account], list[AccountEvent]]) -> None:
        with suppress(
            RuleViolation, LoginRefused, InvalidInput
        ):  # A refusal is a good answer: it adds nothing.
            self.history = self.history + decide(fold(evolve, self.history))


AccountLife.TestCase.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)
TestAccountLife = AccountLife.TestCase
