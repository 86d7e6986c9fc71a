"""What admins do with the accounts of others, and never with their own."""

from functools import partial
from uuid import UUID

import msgspec
import pytest

from domain.accounts.account import Account, AccountNotFound, evolve
from domain.accounts.administration import (
    approve_seller,
    change_role,
    delete,
    reject_seller,
    suspend,
    unsuspend,
)
from domain.accounts.events import (
    AccountDeleted,
    AccountRoleChanged,
    AccountSuspended,
    AccountUnsuspended,
    EmailVerified,
    PhoneVerified,
)
from domain.accounts.roles import AccountKind, AccountStatus, MailedProof, Role
from domain.shared.errors import NotPermitted
from domain.shared.reasons import ReasonInvalid
from tests.domain.accounts.makers import ADMIN, registered, seller_registered
from tests.support.given import STREAM, given

given_account = partial(given, evolve)
OTHER = UUID("01890000-0000-7000-8000-0000000000ae")


def somebody(role: Role, account_id: UUID = ADMIN, status: AccountStatus = AccountStatus.APPROVED) -> Account:
    return Account(account_id=account_id, role=role, status=status, kind=AccountKind.STAFF)


ADMINISTRATOR = somebody(Role.ADMIN)
CHIEF = somebody(Role.SUPER_ADMIN)
suspended = AccountSuspended(by=ADMIN, reason="Spam.")
restored = AccountUnsuspended(by=ADMIN)
gone = AccountDeleted(by=ADMIN, reason="Asked for it.")
promoted = AccountRoleChanged(old_role=Role.CUSTOMER, new_role=Role.ADMIN, by=ADMIN)
a_chief = registered(role=Role.SUPER_ADMIN, kind=AccountKind.STAFF)
an_admin = registered(role=Role.ADMIN, kind=AccountKind.STAFF)

EVERYTHING = {
    "approve": partial(approve_seller, by=ADMINISTRATOR),
    "reject": partial(reject_seller, by=ADMINISTRATOR, reason="No licence."),
    "suspend": partial(suspend, by=ADMINISTRATOR),
    "unsuspend": partial(unsuspend, by=ADMINISTRATOR),
    "delete": partial(delete, by=ADMINISTRATOR),
    "change the role of": partial(change_role, by=CHIEF, role=Role.ADMIN),
}


class TestSuspending:
    def test_an_admin_suspends_for_a_reason(self) -> None:
        given_account(registered()).when(suspend, by=ADMINISTRATOR, reason=" Spam. ").then(suspended)

    def test_a_reason_may_be_left_out(self) -> None:
        given_account(registered()).when(suspend, by=ADMINISTRATOR).then(AccountSuspended(by=ADMIN))

    def test_a_reason_that_cannot_be_read_is_none(self) -> None:
        given_account(registered()).when(suspend, by=ADMINISTRATOR, reason=" ").refused(ReasonInvalid)

    def test_twice_is_once(self) -> None:
        given_account(registered(), suspended).when(suspend, by=CHIEF, reason="Again.").then()

    def test_who_is_given_back_their_account_is_what_they_were(self) -> None:
        given_account(registered(), suspended).when(unsuspend, by=ADMINISTRATOR).then(restored)
        assert given_account(registered(), suspended, restored).state.status is AccountStatus.APPROVED
        seller = given_account(seller_registered, suspended, restored).state
        assert seller.status is AccountStatus.PENDING

    def test_who_is_not_suspended_stays_as_they_are(self) -> None:
        given_account(registered()).when(unsuspend, by=ADMINISTRATOR).then()


class TestRoles:
    def test_a_super_admin_changes_a_role(self) -> None:
        given_account(registered()).when(change_role, by=CHIEF, role=Role.ADMIN).then(promoted)
        assert given_account(registered(), promoted).state.role is Role.ADMIN

    def test_the_same_role_is_no_change(self) -> None:
        given_account(registered()).when(change_role, by=CHIEF, role=Role.CUSTOMER).then()

    @pytest.mark.parametrize("role", [each for each in Role if each is not Role.SUPER_ADMIN])
    def test_nobody_else_changes_one(self, role: Role) -> None:
        given_account(registered()).when(change_role, by=somebody(role), role=Role.ADMIN).refused(
            NotPermitted
        )

    def test_a_super_admin_takes_the_role_from_another_one(self) -> None:
        given_account(a_chief).when(change_role, by=CHIEF, role=Role.ADMIN).then(
            AccountRoleChanged(old_role=Role.SUPER_ADMIN, new_role=Role.ADMIN, by=ADMIN)
        )


class TestDeleting:
    def test_an_admin_deletes(self) -> None:
        given_account(registered()).when(delete, by=ADMINISTRATOR, reason="Asked for it.").then(gone)

    def test_what_is_deleted_stays_so(self) -> None:
        given_account(registered(), gone).when(delete, by=CHIEF).then()

    def test_of_a_deleted_account_only_what_it_was_is_left(self) -> None:
        history = (
            registered(),
            EmailVerified(method=MailedProof.LINK),
            PhoneVerified(phone="+998901234567"),
            gone,
        )
        account = given_account(*history).state
        assert account == Account(
            account_id=STREAM,
            role=Role.CUSTOMER,
            status=AccountStatus.DELETED,
            kind=AccountKind.CUSTOMER,
        )

    @pytest.mark.parametrize("decide", [suspend, unsuspend], ids=lambda each: each.__name__)
    def test_nobody_does_anything_to_it_any_more(self, decide: object) -> None:
        given_account(registered(), gone).when(decide, by=CHIEF).refused(AccountNotFound)  # type: ignore[arg-type]
        given_account(registered(), gone).when(change_role, by=CHIEF, role=Role.ADMIN).refused(
            AccountNotFound
        )


@pytest.mark.parametrize("what", list(EVERYTHING))
class TestWhoMayDoWhatToWhom:
    def test_nobody_but_admins(self, what: str) -> None:
        for role in Role:
            if role not in {Role.ADMIN, Role.SUPER_ADMIN}:
                given_account(registered()).when(EVERYTHING[what], by=somebody(role)).refused(NotPermitted)

    @pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
    def test_nobody_to_themselves(self, what: str, role: Role) -> None:
        oneself = somebody(role, account_id=STREAM)
        given_account(registered(role=role)).when(EVERYTHING[what], by=oneself).refused(NotPermitted)

    def test_an_admin_never_to_a_super_admin(self, what: str) -> None:
        given_account(a_chief).when(EVERYTHING[what], by=ADMINISTRATOR).refused(NotPermitted)

    @pytest.mark.parametrize("role", [Role.ADMIN, Role.SUPER_ADMIN])
    @pytest.mark.parametrize("status", [each for each in AccountStatus if each is not AccountStatus.APPROVED])
    def test_nobody_who_may_not_act_themselves(self, what: str, role: Role, status: AccountStatus) -> None:
        powerless = somebody(role, OTHER, status)
        given_account(registered()).when(EVERYTHING[what], by=powerless).refused(NotPermitted)


def test_a_super_admin_does_all_of_it_to_another_one() -> None:
    given_account(a_chief).when(suspend, by=CHIEF).then(AccountSuspended(by=ADMIN))
    given_account(a_chief).when(delete, by=CHIEF).then(AccountDeleted(by=ADMIN))


def test_an_admin_does_it_to_another_admin() -> None:
    given_account(an_admin).when(suspend, by=ADMINISTRATOR).then(AccountSuspended(by=ADMIN))


def test_whoever_takes_the_role_from_a_super_admin_is_one() -> None:
    # So there is always one: this is what makes counting them needless.
    chief = given_account(msgspec.structs.replace(a_chief)).state
    for role in Role:
        by = somebody(role)
        try:
            events = change_role(chief, by=by, role=Role.CUSTOMER)
        except NotPermitted:
            continue
        assert events
        assert by.role is Role.SUPER_ADMIN
        assert by.account_id != chief.account_id
