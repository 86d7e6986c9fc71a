"""Who may register as what, who may sign in, and who is let in to sell."""

from collections.abc import Callable
from functools import partial

import pytest

from domain.accounts.account import (
    Account,
    AccountIsPending,
    AccountIsRejected,
    AccountIsSuspended,
    InvalidCredentials,
    LoginRefused,
    ReasonInvalid,
    RegistrationInvalid,
    SellerNotPending,
    evolve,
)
from domain.accounts.email import EmailInvalid
from domain.accounts.events import (
    AccountEvent,
    AccountLoggedIn,
    AccountRegistered,
    SellerApplicationSubmitted,
    SellerApproved,
    SellerRejected,
)
from domain.accounts.name import NameInvalid
from domain.accounts.phone import PhoneInvalid
from domain.accounts.roles import AccountKind, AccountStatus, LoginMethod, RegistrationChannel, Role
from tests.domain.accounts.makers import ADMIN, SESSION, STRANGER, applied, registered, seller_registered
from tests.support.given import STREAM, given

Decision = Callable[..., list[AccountEvent]]

given_account = partial(given, evolve)
log_in = partial(Account.log_in, session_id=SESSION, method=LoginMethod.PASSWORD)
approve = partial(Account.approve_seller, by=ADMIN)
reject = partial(Account.reject_seller, by=ADMIN, reason="No licence.")
logged_in = AccountLoggedIn(session_id=SESSION, method=LoginMethod.PASSWORD)
approved = SellerApproved(approved_by=ADMIN)
rejected = SellerRejected(rejected_by=ADMIN, reason="No licence.")


class TestRegistering:
    def test_a_customer_may_act_at_once(self) -> None:
        assert Account.register(
            kind=AccountKind.CUSTOMER, email=" Nodira@Example.UZ ", name=" Nodira ", phone="+998 90 123-45-67"
        ) == [registered()]

    def test_a_seller_waits_for_approval_and_has_applied(self) -> None:
        assert Account.register(
            kind=AccountKind.SELLER,
            email="nodira@example.uz",
            name="Nodira",
            phone="+998901234567",
            business_name=" Nodira's Silks ",
        ) == [seller_registered, applied]

    def test_a_seller_needs_no_business_name(self) -> None:
        events = Account.register(kind=AccountKind.SELLER, email="nodira@example.uz", name="Nodira")
        assert events[1:] == [SellerApplicationSubmitted(business_name=None)]

    def test_nobody_makes_themselves_staff(self) -> None:
        with pytest.raises(RegistrationInvalid) as refusal:
            Account.register(kind=AccountKind.STAFF, email="eve@example.uz", name="Eve")
        assert [problem.field for problem in refusal.value.problems] == ["kind"]

    def test_a_customer_has_no_business_name(self) -> None:
        with pytest.raises(RegistrationInvalid) as refusal:
            Account.register(
                kind=AccountKind.CUSTOMER, email="eve@example.uz", name="Eve", business_name="Eve's"
            )
        assert [problem.field for problem in refusal.value.problems] == ["businessName"]

    def test_an_account_without_a_real_address_name_or_phone_is_refused(self) -> None:
        register = partial(
            Account.register, kind=AccountKind.CUSTOMER, email="eve@example.uz", name="Eve", phone=None
        )
        with pytest.raises(EmailInvalid):
            register(email="eve")
        with pytest.raises(NameInvalid):
            register(name="E")
        with pytest.raises(PhoneInvalid):
            register(phone="12")

    def test_the_first_super_admin_is_staff_and_approved(self) -> None:
        assert Account.bootstrap_super_admin(email="Root@Example.UZ", name="Root") == [
            AccountRegistered(
                email="root@example.uz",
                name="Root",
                role=Role.SUPER_ADMIN,
                status=AccountStatus.APPROVED,
                kind=AccountKind.STAFF,
                channel=RegistrationChannel.BOOTSTRAP,
            )
        ]


class TestSigningIn:
    def test_a_customer_is_let_in(self) -> None:
        given_account(registered()).when(log_in).then(logged_in)

    def test_every_time_is_recorded(self) -> None:
        given_account(registered(), logged_in).when(log_in).then(logged_in)

    def test_a_seller_who_waits_is_told_to_wait(self) -> None:
        given_account(seller_registered, applied).when(log_in).refused(AccountIsPending)

    def test_a_seller_who_was_turned_down_is_told_so(self) -> None:
        given_account(seller_registered, applied, rejected).when(log_in).refused(AccountIsRejected)

    def test_a_seller_who_was_approved_is_let_in(self) -> None:
        given_account(seller_registered, applied, approved).when(log_in).then(logged_in)

    def test_a_suspended_account_is_told_so(self) -> None:
        given_account(registered(status=AccountStatus.SUSPENDED)).when(log_in).refused(AccountIsSuspended)

    def test_a_deleted_account_is_as_if_it_had_never_been(self) -> None:
        refusal = (
            given_account(registered(status=AccountStatus.DELETED)).when(log_in).refused(InvalidCredentials)
        )
        assert refusal.message == InvalidCredentials().message

    def test_each_refusal_has_the_code_that_clients_know(self) -> None:
        codes = {refusal.__name__: refusal.code for refusal in LoginRefused.__subclasses__()}
        assert codes == {
            "AccountIsSuspended": "ACCOUNT_SUSPENDED",
            "AccountIsPending": "ACCOUNT_PENDING",
            "AccountIsRejected": "ACCOUNT_REJECTED",
        }


class TestDecidingOnSellers:
    def test_an_applicant_is_approved(self) -> None:
        given_account(seller_registered, applied).when(approve).then(approved)

    def test_approving_twice_is_approving_once(self) -> None:
        given_account(seller_registered, applied, approved).when(approve, by=STRANGER).then()

    def test_an_applicant_is_turned_down_for_a_reason(self) -> None:
        given_account(seller_registered, applied).when(reject, reason=" No licence. ").then(rejected)

    def test_turning_down_twice_keeps_the_first_reason(self) -> None:
        given_account(seller_registered, applied, rejected).when(reject, reason="Another.").then()

    @pytest.mark.parametrize("reason", ["", "  \n", "x" * 1001, "nul\x00byte", "\ud800"])
    def test_nobody_is_turned_down_without_words_that_can_be_read(self, reason: str) -> None:
        given_account(seller_registered, applied).when(reject, reason=reason).refused(ReasonInvalid)

    def test_a_reason_may_have_several_lines(self) -> None:
        reason = "No licence.\nNo address."
        given_account(seller_registered, applied).when(reject, reason=reason).then(
            SellerRejected(rejected_by=ADMIN, reason=reason)
        )

    def test_who_was_approved_is_not_turned_down_any_more(self) -> None:
        refusal = given_account(seller_registered, applied, approved).when(reject).refused(SellerNotPending)
        assert refusal.code == "SELLER_NOT_PENDING"
        assert refusal.details == {"accountId": str(STREAM), "status": "approved"}

    def test_who_was_turned_down_is_not_approved_any_more(self) -> None:
        given_account(seller_registered, applied, rejected).when(approve).refused(SellerNotPending)

    @pytest.mark.parametrize("decide", [approve, reject])
    def test_a_customer_is_no_applicant(self, decide: Decision) -> None:
        given_account(registered()).when(decide).refused(SellerNotPending)

    @pytest.mark.parametrize("decide", [approve, reject])
    @pytest.mark.parametrize("status", [AccountStatus.SUSPENDED, AccountStatus.DELETED])
    def test_a_seller_who_is_suspended_or_gone_is_no_applicant(
        self, decide: Decision, status: AccountStatus
    ) -> None:
        seller = registered(kind=AccountKind.SELLER, role=Role.SELLER, status=status)
        given_account(seller).when(decide).refused(SellerNotPending)


class TestPrinting:
    def test_a_printed_account_shows_no_personal_data(self) -> None:
        account = given_account(registered()).state
        shown = repr(account) + str(account.__rich_repr__())
        assert str(account.account_id) in shown
        assert not any(secret in shown for secret in ("nodira", "Nodira", "+998"))

    def test_a_forgotten_person_leaves_an_account_without_a_name(self) -> None:
        erased = AccountRegistered(
            role=Role.CUSTOMER,
            status=AccountStatus.APPROVED,
            kind=AccountKind.CUSTOMER,
            channel=RegistrationChannel.PASSWORD,
        )
        account = given_account(erased).state
        assert (account.email, account.name, account.phone) == (None, None, None)
