"""Use cases of accounts: registering, signing in and out, deciding on sellers."""

from typing import Final
from uuid import UUID

from application.accounts.commands import (
    ApproveSeller,
    BootstrapSuperAdmin,
    LogIn,
    LogOut,
    NewSession,
    RecordLoginFailure,
    RegisterAccount,
    RejectSeller,
)
from application.accounts.results import Registered, SellerDecision, SignedIn, SuperAdmin
from application.shared.command import Command
from application.shared.loop import Handler
from application.shared.store import Credential, Kind
from application.shared.unit import Unit
from domain.accounts import account as accounts
from domain.accounts import security_log as security_logs
from domain.accounts import session as sessions
from domain.accounts.account import Account, AccountNotFound, InvalidCredentials, UserExists
from domain.accounts.email import normalise_email
from domain.accounts.permissions import Permission, permits
from domain.accounts.roles import AccountStatus, Role
from domain.accounts.security_log import SecurityLog, security_log_id
from domain.accounts.session import Session, SessionNotFound
from domain.shared.errors import NotPermitted

PASSWORD: Final = "password"  # noqa: S105 - the name of a credential
"""Under which name the credential store keeps an account's bcrypt hash."""

EMAIL: Final = "email"
"""The kind of claim that an email address is."""


def register_account(command: RegisterAccount, unit: Unit) -> Registered:
    """Register an account with its email address, its password and, for a customer, its first session."""
    email = normalise_email(command.email)
    events = Account.register(
        kind=command.kind,
        email=email,
        name=command.name,
        phone=command.phone,
        business_name=command.business_name,
    )
    unit.claim(EMAIL, email, command.account_id, taken=UserExists("This email address has an account."))
    account = unit.create(Account, command.account_id, events)
    unit.keep(Credential(owner_id=command.account_id, name=PASSWORD, value=command.password_hash))
    signed_in = account.status is AccountStatus.APPROVED
    if signed_in:
        _open_session(account.account_id, command.session, unit)
    return Registered(
        account_id=account.account_id,
        role=account.role,
        status=account.status,
        kind=account.kind,
        registered_at=unit.now,
        session_id=command.session.session_id if signed_in else None,
        session_expires_at=command.session.expires_at if signed_in else None,
    )


def log_in(command: LogIn, unit: Unit) -> SignedIn:
    """Let the owner of an account in, if its status allows."""
    account = unit.get(Account, command.account_id, missing=InvalidCredentials())
    account = unit.record(
        account, account.log_in(session_id=command.session.session_id, method=command.method)
    )
    _open_session(account.account_id, command.session, unit)
    if command.password_hash is not None:
        unit.keep(Credential(owner_id=account.account_id, name=PASSWORD, value=command.password_hash))
    return SignedIn(
        account_id=account.account_id,
        role=account.role,
        status=account.status,
        kind=account.kind,
        session_id=command.session.session_id,
        session_expires_at=command.session.expires_at,
        email=account.email,
        name=account.name,
        phone=account.phone,
    )


def record_login_failure(command: RecordLoginFailure, unit: Unit) -> SecurityLog:
    """Note one failed attempt, with the address that it came from."""
    return unit.begin(
        SecurityLog,
        security_log_id(command.identifier_hash, unit.now),
        SecurityLog.login_failed(
            identifier_hash=command.identifier_hash,
            reason_class=command.reason_class,
            ip=unit.caller.ip,
        ),
    )


def log_out(command: LogOut, unit: Unit) -> Session:
    """End one session of the caller's own."""
    actor = unit.actor
    session = unit.get(
        Session, command.session_id, missing=SessionNotFound(f"No session {command.session_id}.")
    )
    return unit.record(session, session.log_out(by=actor))


def approve_seller(command: ApproveSeller, unit: Unit) -> SellerDecision:
    """Let a seller in, as an admin."""
    admin = _manager(unit)
    account = _account(command.account_id, unit)
    account = unit.record(account, account.approve_seller(by=admin))
    return SellerDecision(account_id=account.account_id, status=account.status)


def reject_seller(command: RejectSeller, unit: Unit) -> SellerDecision:
    """Turn a seller's application down, as an admin."""
    admin = _manager(unit)
    account = _account(command.account_id, unit)
    account = unit.record(account, account.reject_seller(by=admin, reason=command.reason))
    return SellerDecision(account_id=account.account_id, status=account.status)


def bootstrap_super_admin(command: BootstrapSuperAdmin, unit: Unit) -> SuperAdmin:
    """Make the first admin, once. One that is there keeps its name and password.

    Raises:
        NotPermitted: the house itself does this, at start-up or from its command line; no caller does.
        UserExists: somebody who is no super admin has the email address: whoever registered it before must not be
            lifted into the house.
    """
    if not unit.caller.is_system:
        raise NotPermitted("Only the system makes a super admin.")
    email = normalise_email(command.email)
    taken = UserExists("The super admin's email address belongs to an account that is no super admin.")
    holder_id = unit.holder(EMAIL, email)
    if holder_id is not None:
        if unit.get(Account, holder_id).role is not Role.SUPER_ADMIN:
            raise taken
        return SuperAdmin(account_id=holder_id, created=False)
    unit.claim(EMAIL, email, command.account_id, taken=taken)
    events = Account.bootstrap_super_admin(email=email, name=command.name)
    unit.create(Account, command.account_id, events)
    unit.keep(Credential(owner_id=command.account_id, name=PASSWORD, value=command.password_hash))
    return SuperAdmin(account_id=command.account_id, created=True)


def _open_session(account_id: UUID, new: NewSession, unit: Unit) -> None:
    unit.create(
        Session,
        new.session_id,
        Session.open(
            account_id=account_id,
            refresh_jti_hash=new.refresh_jti_hash,
            expires_at=new.expires_at,
            ip=unit.caller.ip,
            user_agent=unit.caller.user_agent,
        ),
    )


def _manager(unit: Unit) -> UUID:
    """The account of the caller, who may manage accounts."""
    actor = unit.actor
    if not permits(unit.caller.role, Permission.ACCOUNTS_MANAGE):
        raise NotPermitted("Only admins decide on sellers.")
    return actor


def _account(account_id: UUID, unit: Unit) -> Account:
    return unit.get(Account, account_id, missing=AccountNotFound(f"No account {account_id}."))


HANDLERS: Final[dict[type[Command], Handler]] = {
    RegisterAccount: register_account,
    LogIn: log_in,
    RecordLoginFailure: record_login_failure,
    LogOut: log_out,
    ApproveSeller: approve_seller,
    RejectSeller: reject_seller,
    BootstrapSuperAdmin: bootstrap_super_admin,
}

KINDS = (
    Kind("account", Account, accounts.evolve),
    Kind("session", Session, sessions.evolve),
    Kind("security_log", SecurityLog, security_logs.evolve),
)
