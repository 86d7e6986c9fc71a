"""Who asks, as far as accounts are concerned: their owner in person, or an admin (RBAC-02, RBAC-04, KEY-01)."""

from uuid import UUID

from application.shared.caller import ActorKind, Caller
from application.shared.unit import Unit
from domain.accounts.account import Account, AccountIsGone
from domain.accounts.permissions import Permission, permits
from domain.shared.errors import NotPermitted


def may(caller: Caller, permission: Permission) -> bool:
    """Whether the role of the caller holds a permission, and the API key, when they came by one, does, too."""
    return permits(caller.role, permission) and given_to_key(caller, permission)


def given_to_key(caller: Caller, permission: Permission) -> bool:
    """Whether a permission was given to the API key that the caller came by; whoever came by none has all their own."""
    return caller.permissions is None or permission in caller.permissions


def owner_in_person(unit: Unit) -> UUID:
    """The account that asks, signed in. What could make a key worth more than it is, no key may do.

    Raises:
        NotAuthenticated: nobody is signed in.
        NotPermitted: a program asks by an API key.
    """
    actor = unit.actor
    if unit.caller.actor_kind is not ActorKind.USER:
        raise NotPermitted("An API key cannot do this. Sign in.")
    return actor


def acting_account(unit: Unit) -> Account:
    """The account of the owner who asks in person, as the log has it.

    Raises:
        NotAuthenticated, NotPermitted: as `owner_in_person`.
        AccountIsGone: it was never there.
    """
    return _account_of_caller(unit, owner_in_person(unit))


def acting_admin(unit: Unit) -> Account:
    """The account of whoever wants to manage accounts, as the log has it: what it may do, the decision finds out.

    Raises:
        NotAuthenticated, NotPermitted, AccountIsGone: as `acting_staff`.
    """
    return acting_staff(unit, Permission.ACCOUNTS_MANAGE)


def acting_staff(unit: Unit, permission: Permission) -> Account:
    """The account of whoever does what takes this permission, as the log has it: whether its role holds it, others find out.

    Raises:
        NotAuthenticated: nobody is signed in.
        NotPermitted: a program asks by an API key that was not given it.
        AccountIsGone: the account was never there.
    """
    actor = unit.actor
    if unit.caller.actor_kind not in {ActorKind.USER, ActorKind.API_KEY} or not given_to_key(
        unit.caller, permission
    ):
        raise NotPermitted(f"This API key was not given {permission.value}.")
    return _account_of_caller(unit, actor)


def _account_of_caller(unit: Unit, account_id: UUID) -> Account:
    gone = AccountIsGone("This account does not exist any more.")
    return unit.get(Account, account_id, missing=gone)
