"""Which role may do what; whoever has no role may do nothing."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.accounts.permissions import PERMISSIONS, Permission, grantable, permits, permitted_to_key
from domain.accounts.roles import Role


def test_every_role_has_its_fixed_set() -> None:
    assert set(PERMISSIONS) == set(Role)


@pytest.mark.parametrize("permission", list(Permission))
def test_a_super_admin_may_do_everything(permission: Permission) -> None:
    assert permits("super_admin", permission)


@pytest.mark.parametrize("permission", [each for each in Permission if each is not Permission.EVERYTHING])
def test_an_admin_may_do_everything_that_has_a_name(permission: Permission) -> None:
    assert permits("admin", permission)


def test_only_a_super_admin_holds_the_star() -> None:
    assert [role for role in Role if permits(role, Permission.EVERYTHING)] == [Role.SUPER_ADMIN]


@pytest.mark.parametrize("role", [None, "", "system", "root", "Admin", "*"])
def test_no_role_or_an_unknown_one_may_do_nothing(role: str | None) -> None:
    assert not any(permits(role, permission) for permission in Permission)


def test_a_seller_writes_listings_and_sends_orders_and_manages_nobody() -> None:
    assert permits("seller", Permission.LISTINGS_WRITE)
    assert permits("seller", Permission.ORDERS_FULFIL)
    assert not permits("seller", Permission.ACCOUNTS_MANAGE)
    assert not permits("seller", Permission.ANALYTICS_READ)


@pytest.mark.parametrize("role", ["customer", "influencer", "salon"])
def test_others_only_read_their_orders(role: str) -> None:
    assert [each for each in Permission if permits(role, each)] == [Permission.ORDERS_READ]


def test_permissions_are_written_area_and_action() -> None:
    assert all(each == "*" or re.fullmatch(r"[a-z]+:[a-z]+", each) for each in Permission)


class TestKeys:
    @pytest.mark.parametrize("role", list(Role))
    def test_everybody_may_give_a_key_what_their_role_holds(self, role: Role) -> None:
        assert {each for each in Permission if permits(role, each)} <= grantable(role)

    def test_only_admins_may_give_everything(self) -> None:
        may = [role for role in Role if Permission.EVERYTHING in grantable(role)]
        assert may == [Role.ADMIN, Role.SUPER_ADMIN]

    @pytest.mark.parametrize("role", ["", "system", "root"])
    def test_who_has_no_role_gives_nothing(self, role: str) -> None:
        assert grantable(role) == frozenset()

    def test_a_demotion_shrinks_a_key(self) -> None:
        given_to = [Permission.ORDERS_READ, Permission.ACCOUNTS_MANAGE]
        before = permitted_to_key(given_to, issued_as=Role.ADMIN, role=Role.ADMIN)
        after = permitted_to_key(given_to, issued_as=Role.ADMIN, role=Role.CUSTOMER)
        assert before == set(given_to)
        assert after == {Permission.ORDERS_READ}

    def test_a_promotion_does_not_widen_it(self) -> None:
        held = permitted_to_key([Permission.EVERYTHING], issued_as=Role.ADMIN, role=Role.SUPER_ADMIN)
        assert held == PERMISSIONS[Role.ADMIN]
        assert Permission.EVERYTHING not in held

    def test_everything_of_a_super_admin_is_everything(self) -> None:
        held = permitted_to_key([Permission.EVERYTHING], issued_as=Role.SUPER_ADMIN, role=Role.SUPER_ADMIN)
        assert held == set(Permission)

    @settings(max_examples=200, deadline=None)
    @given(
        given_to=st.frozensets(st.sampled_from([*(each.value for each in Permission), "made:up", ""])),
        issued_as=st.sampled_from(list(Role)),
        role=st.sampled_from(list(Role)),
    )
    def test_no_key_may_more_than_its_owner_might_then_and_may_now(
        self, given_to: frozenset[str], issued_as: Role, role: Role
    ) -> None:
        held = permitted_to_key(given_to, issued_as=issued_as, role=role)
        assert all(permits(issued_as, each) and permits(role, each) for each in held)
        assert held <= given_to or Permission.EVERYTHING.value in given_to
