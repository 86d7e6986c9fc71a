"""Which role may do what; whoever has no role may do nothing."""

import re

import pytest

from domain.accounts.permissions import PERMISSIONS, Permission, permits
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
