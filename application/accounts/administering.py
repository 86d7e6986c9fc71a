"""What admins do with the accounts of others, and all that ends with it, in one commit (ACC-26 to ACC-29, ES-17)."""

from uuid import UUID

from application.accounts.authority import acting_admin, owner_in_person
from application.accounts.commands import (
    ApproveSeller,
    ChangeAccountRole,
    DeleteAccount,
    RejectSeller,
    SuspendAccount,
    UnsuspendAccount,
)
from application.accounts.names import EMAIL, PHONE
from application.accounts.paying import release_payment_customers
from application.accounts.results import AccountOutcome, SellerDecision
from application.accounts.sessions import end_sessions, outcome_of
from application.api_keys.chain import revoke_keys_of
from application.media.hiding import hide_picture
from application.shared.unit import Unit
from domain.accounts import administration
from domain.accounts.account import Account, AccountNotFound
from domain.accounts.events import SessionEnding


def approve_seller(command: ApproveSeller, unit: Unit) -> SellerDecision:
    """Let a seller in."""
    admin, account = _admin_and(command.account_id, unit)
    return _decision(unit.record(account, administration.approve_seller(account, by=admin)))


def reject_seller(command: RejectSeller, unit: Unit) -> SellerDecision:
    """Turn a seller's application down."""
    admin, account = _admin_and(command.account_id, unit)
    events = administration.reject_seller(account, by=admin, reason=command.reason)
    return _decision(unit.record(account, events))


def suspend_account(command: SuspendAccount, unit: Unit) -> AccountOutcome:
    """Take it from an account to do anything; its sessions end, its keys open nothing meanwhile."""
    admin, account = _admin_and(command.account_id, unit)
    events = administration.suspend(account, by=admin, reason=command.reason)
    ended = end_sessions(unit, account, SessionEnding.SUSPENDED) if events else ()
    return outcome_of(unit.record(account, events), ended_sessions=ended)


def unsuspend_account(command: UnsuspendAccount, unit: Unit) -> AccountOutcome:
    """Give a suspended account back what it was; its owner has to sign in again."""
    admin, account = _admin_and(command.account_id, unit)
    return outcome_of(unit.record(account, administration.unsuspend(account, by=admin)))


def change_account_role(command: ChangeAccountRole, unit: Unit) -> AccountOutcome:
    """Make an account something else; its sessions end, so that no token speaks of the old role (ACC-29).

    A super admin does this in person: no API key makes anybody more than they are.
    """
    owner_in_person(unit)
    admin, account = _admin_and(command.account_id, unit)
    events = administration.change_role(account, by=admin, role=command.role)
    ended = end_sessions(unit, account, SessionEnding.ROLE) if events else ()
    return outcome_of(unit.record(account, events), ended_sessions=ended)


def delete_account(command: DeleteAccount, unit: Unit) -> AccountOutcome:
    """End an account for good: sessions, keys and secrets are gone, its names are free, its picture is hidden, its person
    is forgotten.
    """
    admin, account = _admin_and(command.account_id, unit)
    events = administration.delete(account, by=admin, reason=command.reason)
    if not events:
        return outcome_of(account)
    ended = end_sessions(unit, account, SessionEnding.DELETED)
    revoked = revoke_keys_of(unit, account.account_id, by=admin.account_id)
    if account.email is not None:
        unit.release(EMAIL, account.email, account.account_id)
    if account.verified_phone is not None:
        unit.release(PHONE, account.verified_phone, account.account_id)
    release_payment_customers(account, unit)
    hide_picture(account, unit, by=admin.account_id)
    account = unit.record(account, events)
    unit.forget(account.account_id)
    return outcome_of(account, ended_sessions=ended, revoked_keys=revoked)


def _decision(account: Account) -> SellerDecision:
    return SellerDecision(account_id=account.account_id, status=account.status)


def _admin_and(account_id: UUID, unit: Unit) -> tuple[Account, Account]:
    admin = acting_admin(unit)
    return admin, unit.get(Account, account_id, missing=AccountNotFound(f"No account {account_id}."))
