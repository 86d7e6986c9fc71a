"""Who may register as what, who may sign in, and who is let in to sell."""

from collections.abc import Callable
from functools import partial
from uuid import UUID

import msgspec
import pytest

from domain.accounts import registration
from domain.accounts.account import (
    Account,
    AccountIsPending,
    AccountIsRejected,
    AccountIsSuspended,
    EmailNotVerified,
    InvalidCredentials,
    LoginRefused,
    SellerNotPending,
    evolve,
)
from domain.accounts.email import EmailInvalid
from domain.accounts.events import (
    AccountDeleted,
    AccountEvent,
    AccountLoggedIn,
    AccountRegistered,
    AccountRoleChanged,
    AccountSuspended,
    EmailVerified,
    PasswordChanged,
    PasswordChangedBy,
    PasswordReset,
    PhoneVerified,
    SellerApplicationSubmitted,
    SellerApproved,
    SellerRejected,
)
from domain.accounts.name import NameInvalid
from domain.accounts.phone import PhoneInvalid
from domain.accounts.registration import RegistrationInvalid
from domain.accounts.roles import (
    AccountKind,
    AccountStatus,
    LoginMethod,
    MailedProof,
    RegistrationChannel,
    Role,
)
from domain.shared.reasons import ReasonInvalid
from tests.domain.accounts.makers import (
    ADMIN,
    NOON,
    SESSION,
    STRANGER,
    applied,
    registered,
    seller_registered,
)
from tests.support.given import STREAM, given

Decision = Callable[..., list[AccountEvent]]

given_account = partial(given, evolve)
log_in = partial(Account.log_in, session_id=SESSION, method=LoginMethod.PASSWORD)
approve = partial(Account.approve_seller, by=ADMIN)
reject = partial(Account.reject_seller, by=ADMIN, reason="No licence.")
logged_in = AccountLoggedIn(session_id=SESSION, method=LoginMethod.PASSWORD)
approved = SellerApproved(approved_by=ADMIN)
influencer = registered(kind=AccountKind.INFLUENCER, role=Role.INFLUENCER)
verified = EmailVerified(method=MailedProof.OTP)
changed = PasswordChanged(by=PasswordChangedBy.SELF)
rejected = SellerRejected(rejected_by=ADMIN, reason="No licence.")


class TestRegistering:
    def test_a_customer_may_act_at_once(self) -> None:
        assert registration.register(
            kind=AccountKind.CUSTOMER, email=" Nodira@Example.UZ ", name=" Nodira ", phone="+998 90 123-45-67"
        ) == [registered()]

    def test_a_seller_waits_for_approval_and_has_applied(self) -> None:
        assert registration.register(
            kind=AccountKind.SELLER,
            email="nodira@example.uz",
            name="Nodira",
            phone="+998901234567",
            business_name=" Nodira's Silks ",
        ) == [seller_registered, applied]

    def test_a_seller_needs_no_business_name(self) -> None:
        events = registration.register(kind=AccountKind.SELLER, email="nodira@example.uz", name="Nodira")
        assert events[1:] == [SellerApplicationSubmitted(business_name=None)]

    def test_nobody_makes_themselves_staff(self) -> None:
        with pytest.raises(RegistrationInvalid) as refusal:
            registration.register(kind=AccountKind.STAFF, email="eve@example.uz", name="Eve")
        assert [problem.field for problem in refusal.value.problems] == ["kind"]

    def test_a_customer_has_no_business_name(self) -> None:
        with pytest.raises(RegistrationInvalid) as refusal:
            registration.register(
                kind=AccountKind.CUSTOMER, email="eve@example.uz", name="Eve", business_name="Eve's"
            )
        assert [problem.field for problem in refusal.value.problems] == ["businessName"]

    def test_an_account_without_a_real_address_name_or_phone_is_refused(self) -> None:
        register = partial(
            registration.register, kind=AccountKind.CUSTOMER, email="eve@example.uz", name="Eve", phone=None
        )
        with pytest.raises(EmailInvalid):
            register(email="eve")
        with pytest.raises(NameInvalid):
            register(name="E")
        with pytest.raises(PhoneInvalid):
            register(phone="12")

    def test_the_first_super_admin_is_staff_and_approved(self) -> None:
        assert registration.bootstrap_super_admin(email="Root@Example.UZ", name="Root") == [
            AccountRegistered(
                email="root@example.uz",
                name="Root",
                role=Role.SUPER_ADMIN,
                status=AccountStatus.APPROVED,
                kind=AccountKind.STAFF,
                channel=RegistrationChannel.BOOTSTRAP,
            )
        ]

    @pytest.mark.parametrize("kind", [AccountKind.INFLUENCER, AccountKind.SALON])
    def test_influencers_and_salons_accept_the_terms(self, kind: AccountKind) -> None:
        register = partial(registration.register, kind=kind, email="nodira@example.uz", name="Nodira")
        with pytest.raises(RegistrationInvalid) as refusal:
            register()
        assert [problem.field for problem in refusal.value.problems] == ["termsAccepted"]
        assert register(terms_accepted_at=NOON, locale="uz") == [
            AccountRegistered(
                email="nodira@example.uz",
                name="Nodira",
                role=Role(kind.value),
                status=AccountStatus.APPROVED,
                kind=kind,
                channel=RegistrationChannel.PASSWORD,
                terms_accepted_at=NOON,
                locale="uz",
            )
        ]

    def test_whoever_comes_by_phone_is_a_customer_with_that_phone(self) -> None:
        events = registration.register_by_phone(
            phone="+998 90 123-45-67", name=" Nodira ", locale=None, session_id=SESSION
        )
        assert events == [
            AccountRegistered(
                phone="+998901234567",
                name="Nodira",
                role=Role.CUSTOMER,
                status=AccountStatus.APPROVED,
                kind=AccountKind.CUSTOMER,
                channel=RegistrationChannel.PHONE_OTP,
                session_id=SESSION,
            ),
            PhoneVerified(phone="+998901234567"),
        ]
        account = given_account(*events).state
        assert (account.phone, account.verified_phone) == ("+998901234567", "+998901234567")


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
            "EmailNotVerified": "EMAIL_NOT_VERIFIED",
        }

    def test_a_kind_that_must_verify_its_address_waits_until_it_has(self) -> None:
        must = frozenset({AccountKind.INFLUENCER})
        given_account(influencer).when(log_in, must_verify=must).refused(EmailNotVerified)
        given_account(influencer, verified).when(log_in, must_verify=must).then(logged_in)
        given_account(registered()).when(log_in, must_verify=must).then(logged_in)

    def test_who_has_no_address_need_not_verify_one(self) -> None:
        by_phone = registration.register_by_phone(
            phone="+998901234567", name=None, locale=None, session_id=SESSION
        )
        must = frozenset({AccountKind.CUSTOMER})
        given_account(*by_phone).when(log_in, must_verify=must).then(logged_in)

    def test_a_password_that_was_changed_since_it_was_checked_lets_nobody_in(self) -> None:
        given_account(registered(), changed).when(log_in, password_generation=0).refused(InvalidCredentials)
        given_account(registered(), changed).when(log_in, password_generation=1).then(logged_in)

    def test_whether_it_is_suspended_is_told_before_whether_it_is_verified(self) -> None:
        suspended = AccountSuspended(by=ADMIN)
        must = frozenset({AccountKind.INFLUENCER})
        given_account(influencer, suspended).when(log_in, must_verify=must).refused(AccountIsSuspended)


class TestSessionsOfAnAccount:
    def test_it_knows_those_that_it_may_have_open(self) -> None:
        other = UUID(int=7)
        account = given_account(msgspec.structs.replace(registered(), session_id=other), logged_in).state
        assert account.sessions == (other, SESSION)

    def test_those_that_are_over_are_forgotten_with_the_next(self) -> None:
        first, second = UUID(int=7), UUID(int=8)
        account = given_account(
            msgspec.structs.replace(registered(), session_id=first),
            AccountLoggedIn(session_id=second, method=LoginMethod.PASSWORD, over=(first,)),
        ).state
        assert account.sessions == (second,)

    @pytest.mark.parametrize(
        "ending",
        [
            AccountSuspended(by=ADMIN),
            AccountDeleted(by=ADMIN),
            AccountRoleChanged(old_role=Role.CUSTOMER, new_role=Role.ADMIN, by=ADMIN),
            PasswordReset(channel=MailedProof.LINK),
            PasswordChanged(by=PasswordChangedBy.SELF),
        ],
        ids=lambda each: type(each).__name__,
    )
    def test_none_is_left_when_they_all_end(self, ending: AccountEvent) -> None:
        assert given_account(registered(), logged_in, ending).state.sessions == ()

    def test_the_one_in_which_a_password_is_changed_goes_on(self) -> None:
        kept = PasswordChanged(by=PasswordChangedBy.SELF, kept_session_id=SESSION)
        assert given_account(registered(), logged_in, kept).state.sessions == (SESSION,)


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
