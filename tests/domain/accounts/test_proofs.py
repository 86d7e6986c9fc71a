"""What a mailbox or an old password opens: the newest link, once, in time."""

from datetime import timedelta
from functools import partial

import pytest

from domain.accounts.account import AccountIsGone, AccountIsSuspended, AccountNotFound, Pending, evolve
from domain.accounts.events import (
    AccountDeleted,
    AccountSuspended,
    EmailVerificationRequested,
    EmailVerified,
    PasswordChanged,
    PasswordChangedBy,
    PasswordReset,
    PasswordResetPermitted,
    PasswordResetRequested,
)
from domain.accounts.proofs import (
    InvalidCurrentPassword,
    ResetTokenInvalid,
    VerificationTokenInvalid,
    change_password,
    permit_reset,
    proof_of,
    request_reset,
    request_verification,
    reset_password,
    verify_by_code,
    verify_by_link,
)
from domain.accounts.roles import (
    AccountKind,
    AccountStatus,
    MailedProof,
    RegistrationChannel,
    Role,
)
from tests.domain.accounts.makers import ADMIN, NOON, SESSION, registered
from tests.support.given import given

given_account = partial(given, evolve)
LINK, OTP = MailedProof.LINK, MailedProof.OTP
SOON = NOON + timedelta(minutes=10)
LAST_MOMENT = SOON - timedelta(microseconds=1)

verification = EmailVerificationRequested(method=LINK, expires_at=SOON)
by_link = EmailVerified(method=LINK)
by_code = EmailVerified(method=OTP)
link_asked = PasswordResetRequested(channel=LINK, expires_at=SOON)
code_asked = PasswordResetRequested(channel=OTP, expires_at=SOON)
permitted = PasswordResetPermitted(expires_at=SOON)
reset_by_link = PasswordReset(channel=LINK)
changed = PasswordChanged(by=PasswordChangedBy.SELF, kept_session_id=SESSION)
gone = AccountDeleted(by=ADMIN)
by_phone = registered()
phone_only = type(by_phone)(
    phone="+998901234567",
    role=Role.CUSTOMER,
    status=AccountStatus.APPROVED,
    kind=AccountKind.CUSTOMER,
    channel=RegistrationChannel.PHONE_OTP,
)


class TestVerifyingAnAddress:
    def test_customers_and_sellers_follow_a_link_influencers_and_salons_type_a_code(self) -> None:
        assert {kind: proof_of(kind) for kind in AccountKind} == {
            AccountKind.CUSTOMER: LINK,
            AccountKind.SELLER: LINK,
            AccountKind.STAFF: LINK,
            AccountKind.INFLUENCER: OTP,
            AccountKind.SALON: OTP,
        }

    def test_a_link_is_asked_for(self) -> None:
        given_account(registered()).when(request_verification, method=LINK, expires_at=SOON).then(
            verification
        )

    def test_a_verified_address_needs_none(self) -> None:
        given_account(registered(), by_code).when(request_verification, method=LINK, expires_at=SOON).then()

    def test_following_it_verifies_the_address(self) -> None:
        given_account(registered(), verification).when(verify_by_link, number=1, at=LAST_MOMENT).then(by_link)
        assert given_account(registered(), verification, by_link).state.email_verified

    def test_it_is_good_for_its_time_only(self) -> None:
        given_account(registered(), verification).when(verify_by_link, number=1, at=SOON).refused(
            VerificationTokenInvalid
        )

    def test_it_is_good_once(self) -> None:
        given_account(registered(), verification, by_link).when(verify_by_link, number=1, at=NOON).refused(
            VerificationTokenInvalid
        )

    def test_a_newer_one_makes_it_void(self) -> None:
        history = (registered(), verification, verification)
        given_account(*history).when(verify_by_link, number=1, at=NOON).refused(VerificationTokenInvalid)
        given_account(*history).when(verify_by_link, number=2, at=NOON).then(by_link)

    def test_a_link_for_a_new_password_verifies_nothing(self) -> None:
        given_account(registered(), link_asked).when(verify_by_link, number=1, at=NOON).refused(
            VerificationTokenInvalid
        )

    def test_a_code_verifies_it_too_and_twice_is_once(self) -> None:
        given_account(registered()).when(verify_by_code).then(by_code)
        given_account(registered(), by_code).when(verify_by_code).then()

    @pytest.mark.parametrize("history", [(phone_only,), (registered(), gone)])
    def test_without_a_mailbox_there_is_nothing_to_verify(self, history: tuple[object, ...]) -> None:
        account = given_account(*history)  # type: ignore[arg-type]
        account.when(request_verification, method=LINK, expires_at=SOON).refused(AccountNotFound)
        account.when(verify_by_code).refused(AccountNotFound)


class TestForgottenPasswords:
    def test_a_link_is_asked_for_and_sets_a_new_one(self) -> None:
        given_account(registered()).when(request_reset, channel=LINK, expires_at=SOON).then(link_asked)
        given_account(registered(), link_asked).when(reset_password, number=1, at=LAST_MOMENT).then(
            reset_by_link
        )

    def test_it_is_good_for_ten_minutes_only(self) -> None:
        given_account(registered(), link_asked).when(reset_password, number=1, at=SOON).refused(
            ResetTokenInvalid
        )

    def test_it_is_good_once(self) -> None:
        given_account(registered(), link_asked, reset_by_link).when(
            reset_password, number=1, at=NOON
        ).refused(ResetTokenInvalid)

    def test_a_newer_one_makes_it_void(self) -> None:
        history = (registered(), link_asked, link_asked)
        given_account(*history).when(reset_password, number=1, at=NOON).refused(ResetTokenInvalid)
        given_account(*history).when(reset_password, number=2, at=NOON).then(reset_by_link)

    def test_a_code_that_is_asked_for_makes_it_void(self) -> None:
        given_account(registered(), link_asked, code_asked).when(reset_password, number=1, at=NOON).refused(
            ResetTokenInvalid
        )

    def test_a_password_that_was_remembered_after_all_makes_it_void(self) -> None:
        given_account(registered(), link_asked, changed).when(reset_password, number=1, at=NOON).refused(
            ResetTokenInvalid
        )

    def test_a_code_gives_a_ticket_which_sets_a_new_one(self) -> None:
        given_account(registered(), code_asked).when(permit_reset, expires_at=SOON).then(permitted)
        state = given_account(registered(), code_asked, permitted).state
        assert state.reset == Pending(number=2, channel=OTP, expires_at=SOON)
        given_account(registered(), code_asked, permitted).when(reset_password, number=2, at=NOON).then(
            PasswordReset(channel=OTP)
        )

    def test_a_ticket_is_given_only_for_the_code_that_was_asked_for_last(self) -> None:
        given_account(registered()).when(permit_reset, expires_at=SOON).refused(ResetTokenInvalid)
        given_account(registered(), code_asked, link_asked).when(permit_reset, expires_at=SOON).refused(
            ResetTokenInvalid
        )
        given_account(registered(), code_asked, permitted, PasswordReset(channel=OTP)).when(
            permit_reset, expires_at=SOON
        ).refused(ResetTokenInvalid)

    @pytest.mark.parametrize("history", [(phone_only,), (registered(), gone)])
    def test_without_a_mailbox_there_is_none(self, history: tuple[object, ...]) -> None:
        account = given_account(*history)  # type: ignore[arg-type]
        account.when(request_reset, channel=LINK, expires_at=SOON).refused(AccountNotFound)

    def test_a_deleted_account_gets_no_new_password_by_an_old_link(self) -> None:
        given_account(registered(), link_asked, gone).when(reset_password, number=1, at=NOON).refused(
            ResetTokenInvalid
        )

    def test_each_new_password_has_a_number_of_its_own(self) -> None:
        generations = [
            given_account(*history).state.password_generation
            for history in (
                (registered(),),
                (registered(), changed),
                (registered(), changed, link_asked, reset_by_link),
            )
        ]
        assert generations == [0, 1, 2]


class TestChangingAKnownPassword:
    def test_the_session_in_which_it_is_done_is_named(self) -> None:
        given_account(registered()).when(change_password, password_generation=0, session_id=SESSION).then(
            changed
        )

    def test_a_password_that_was_set_meanwhile_is_not_the_one_that_was_shown(self) -> None:
        given_account(registered(), changed).when(
            change_password, password_generation=0, session_id=SESSION
        ).refused(InvalidCurrentPassword)

    def test_who_may_not_act_changes_none(self) -> None:
        change = partial(change_password, password_generation=0, session_id=None)
        given_account(registered(), AccountSuspended(by=ADMIN)).when(change).refused(AccountIsSuspended)
        given_account(registered(), gone).when(change).refused(AccountIsGone)


def test_each_refusal_has_a_code_and_tells_no_more_than_that() -> None:
    refusals = (VerificationTokenInvalid(), ResetTokenInvalid(), InvalidCurrentPassword())
    assert [each.code for each in refusals] == [
        "VERIFICATION_TOKEN_INVALID",
        "RESET_TOKEN_INVALID",
        "INVALID_CURRENT_PASSWORD",
    ]
    assert all(not each.details and not each.problems for each in refusals)
