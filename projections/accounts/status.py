"""How what admins decide changes an account, told once for all read models that need it."""

from typing import Final, Protocol

from domain.accounts.events import (
    AccountDeleted,
    AccountRoleChanged,
    AccountSuspended,
    AccountUnsuspended,
    SellerApproved,
    SellerRejected,
)
from domain.accounts.roles import AccountStatus
from domain.shared.events import DomainEvent

DECIDING: Final[tuple[type[DomainEvent], ...]] = (
    SellerApproved,
    SellerRejected,
    AccountSuspended,
    AccountUnsuspended,
    AccountRoleChanged,
    AccountDeleted,
)
"""The facts that change a role or a status."""


class Standing(Protocol):
    """A row that says how an account stands. `suspended_from` is its status before it was suspended."""

    role: str
    status: str
    suspended_from: str | None


def decide(row: Standing, event: DomainEvent) -> None:
    """Apply one fact; those that decide nothing change nothing."""
    match event:
        case SellerApproved():
            row.status = AccountStatus.APPROVED.value
        case SellerRejected():
            row.status = AccountStatus.REJECTED.value
        case AccountSuspended():
            row.suspended_from, row.status = row.status, AccountStatus.SUSPENDED.value
        case AccountUnsuspended():
            row.status = row.suspended_from or AccountStatus.APPROVED.value
            row.suspended_from = None
        case AccountRoleChanged():
            row.role = event.new_role.value
        case AccountDeleted():
            row.status = AccountStatus.DELETED.value
        case _:
            pass
