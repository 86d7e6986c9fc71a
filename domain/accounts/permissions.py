"""Which role may do what: permissions are `<area>:<action>` (requirements RBAC-04, RBAC-05, RBAC-07).

What is left to owners (their own listings, orders, figures) needs no permission but ownership, which each aggregate
decides itself (RBAC-02).
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from domain.accounts.roles import Role


class Permission(StrEnum):
    """One thing that a role or an API key may be allowed."""

    LISTINGS_WRITE = "listings:write"
    ORDERS_READ = "orders:read"
    ORDERS_FULFIL = "orders:fulfil"
    PAYMENTS_REFUND = "payments:refund"
    PAYOUTS_MANAGE = "payouts:manage"
    ACCOUNTS_MANAGE = "accounts:manage"
    AUDIT_READ = "audit:read"
    ANALYTICS_READ = "analytics:read"
    EVENTS_SUBSCRIBE = "events:subscribe"
    SUPPORT_MANAGE = "support:manage"
    EVERYTHING = "*"


PERMISSIONS: Final[Mapping[Role, frozenset[Permission]]] = MappingProxyType(
    {
        Role.CUSTOMER: frozenset({Permission.ORDERS_READ}),
        Role.SELLER: frozenset({Permission.LISTINGS_WRITE, Permission.ORDERS_READ, Permission.ORDERS_FULFIL}),
        Role.INFLUENCER: frozenset({Permission.ORDERS_READ}),
        Role.SALON: frozenset({Permission.ORDERS_READ}),
        Role.ADMIN: frozenset(set(Permission) - {Permission.EVERYTHING}),
        Role.SUPER_ADMIN: frozenset({Permission.EVERYTHING}),
    }
)
"""What each role is allowed. `orders:read` of those who are not admins ends at their own orders."""


def permits(role: str | None, permission: Permission) -> bool:
    """Whether a role holds a permission. No role, or one that is unknown, holds none: denied by default (W-15)."""
    if role is None or role not in set(Role):
        return False
    held = PERMISSIONS[Role(role)]
    return permission in held or Permission.EVERYTHING in held


def grantable(role: str) -> frozenset[Permission]:
    """What somebody of this role may give to an API key of theirs (requirements KEY-01).

    `*` stands for all that the role holds, and only admins and super admins may give it.
    """
    held = frozenset(each for each in Permission if permits(role, each))
    return held | {Permission.EVERYTHING} if role in {Role.ADMIN, Role.SUPER_ADMIN} else held


def permitted_to_key(given: Iterable[str], *, issued_as: str, role: str) -> frozenset[Permission]:
    """What a key may do: what it was given, as far as its owner held it on issuing it and holds it now.

    A demotion shrinks a key and a promotion does not widen it: `*` is no more than what the role `issued_as` holds.
    """
    named = frozenset(given)
    return frozenset(
        each
        for each in Permission
        if (each in named or Permission.EVERYTHING in named)
        and permits(issued_as, each)
        and permits(role, each)
    )
