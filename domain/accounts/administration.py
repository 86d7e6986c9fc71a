"""What admins do with the accounts of others: let sellers in, suspend, change roles, delete (ACC-26 to ACC-29, RBAC-04).

The admin is passed in as the log has them, not as a token says: whoever was an admin until a moment ago is none. Nobody
does any of this to themselves. So there is always a super admin: whoever takes the role from another one keeps theirs.
"""

from domain.accounts.account import Account, AccountNotFound
from domain.accounts.events import (
    AccountDeleted,
    AccountEvent,
    AccountRoleChanged,
    AccountSuspended,
    AccountUnsuspended,
)
from domain.accounts.permissions import Permission, permits
from domain.accounts.roles import AccountStatus, Role
from domain.shared.errors import NotPermitted
from domain.shared.reasons import clean_reason


def approve_seller(account: Account, *, by: Account) -> list[AccountEvent]:
    """Let a seller in. Approving twice is approving once.

    Raises:
        NotPermitted, AccountNotFound: as `suspend`.
        SellerNotPending: see `Account.approve_seller`.
    """
    _check_manages(by, account)
    return account.approve_seller(by=by.account_id)


def reject_seller(account: Account, *, by: Account, reason: str) -> list[AccountEvent]:
    """Turn a seller's application down. Doing so twice is doing so once, for the first reason.

    Raises:
        NotPermitted, AccountNotFound: as `suspend`.
        ReasonInvalid, SellerNotPending: see `Account.reject_seller`.
    """
    _check_manages(by, account)
    return account.reject_seller(by=by.account_id, reason=reason)


def suspend(account: Account, *, by: Account, reason: str | None = None) -> list[AccountEvent]:
    """Take it from an account to do anything, until it is given back. Doing so twice is doing so once.

    Raises:
        NotPermitted: `by` manages no accounts, or not this one: their own, or a super admin's when they are none.
        AccountNotFound: the account is deleted.
        ReasonInvalid: see `clean_reason`.
    """
    _check_manages(by, account)
    if account.status is AccountStatus.SUSPENDED:
        return []
    return [AccountSuspended(by=by.account_id, reason=_optional(reason))]


def unsuspend(account: Account, *, by: Account) -> list[AccountEvent]:
    """Give a suspended account back what it was. One that is not suspended stays as it is.

    Raises:
        NotPermitted, AccountNotFound: as `suspend`.
    """
    _check_manages(by, account)
    if account.status is not AccountStatus.SUSPENDED:
        return []
    return [AccountUnsuspended(by=by.account_id)]


def change_role(account: Account, *, by: Account, role: Role) -> list[AccountEvent]:
    """Make an account something else. What it is already adds no fact.

    Raises:
        NotPermitted: `by` is no super admin, or it is their own account.
        AccountNotFound: the account is deleted.
    """
    if not (by.role is Role.SUPER_ADMIN and by.status is AccountStatus.APPROVED):
        raise NotPermitted("Only super admins change roles.")
    _check_manages(by, account)
    if account.role is role:
        return []
    return [AccountRoleChanged(old_role=account.role, new_role=role, by=by.account_id)]


def delete(account: Account, *, by: Account, reason: str | None = None) -> list[AccountEvent]:
    """End an account for good. What is deleted stays so.

    Raises:
        NotPermitted: as `suspend`.
        ReasonInvalid: see `clean_reason`.
    """
    _check_authority(by, account)
    if account.status is AccountStatus.DELETED:
        return []
    return [AccountDeleted(by=by.account_id, reason=_optional(reason))]


def _check_manages(by: Account, account: Account) -> None:
    _check_authority(by, account)
    if account.status is AccountStatus.DELETED:
        raise AccountNotFound(f"No account {account.account_id}.")


def _check_authority(by: Account, account: Account) -> None:
    if by.status is not AccountStatus.APPROVED or not permits(by.role, Permission.ACCOUNTS_MANAGE):
        raise NotPermitted("Only admins manage accounts.")
    if by.account_id == account.account_id:
        raise NotPermitted("Nobody does this to their own account.")
    if account.role is Role.SUPER_ADMIN and by.role is not Role.SUPER_ADMIN:
        raise NotPermitted("Only a super admin manages a super admin's account.")


def _optional(reason: str | None) -> str | None:
    return None if reason is None else clean_reason(reason)
