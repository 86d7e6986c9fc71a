"""Use cases of accounts: registering and signing in; and where the others are."""

from typing import Final

from application.accounts import administering, paying, proving, sessions
from application.accounts.commands import (
    ApproveSeller,
    BootstrapSuperAdmin,
    ChangeAccountRole,
    ChangePassword,
    CompleteInfluencerOnboarding,
    CompleteSalonOnboarding,
    DeleteAccount,
    LinkPaymentCustomer,
    LogIn,
    LogOut,
    LogOutEverywhere,
    NewSession,
    PermitPasswordReset,
    RecordLoginFailure,
    RecordProofDenied,
    RegisterAccount,
    RejectSeller,
    RequestEmailVerification,
    RequestPasswordReset,
    ResetPassword,
    RevokeSession,
    RotateRefreshToken,
    SignInByPhone,
    SuspendAccount,
    UnsuspendAccount,
    UpdateProfile,
    VerifyEmail,
    VerifyPhone,
)
from application.accounts.names import EMAIL, PASSWORD, PHONE
from application.accounts.results import Registered, SignedIn, SuperAdmin
from application.shared.command import Command
from application.shared.loop import Handler
from application.shared.store import Credential, Kind
from application.shared.unit import Unit
from domain.accounts import account as account_states
from domain.accounts import registration
from domain.accounts import security_log as security_logs
from domain.accounts import session as session_states
from domain.accounts.account import Account, InvalidCredentials, UserExists
from domain.accounts.email import normalise_email
from domain.accounts.phone import normalise_phone
from domain.accounts.roles import AccountKind, LoginMethod, Role
from domain.accounts.security_log import SecurityLog, security_log_id
from domain.accounts.session import Session
from domain.shared.errors import NotPermitted, RuleViolation


class PhoneMovedOn(RuleViolation):
    """The phone has another owner than it had a moment ago: look again."""


def register_account(command: RegisterAccount, unit: Unit) -> Registered:
    """Register an account with its email address, its password and, for a customer, its first session."""
    email = normalise_email(command.email)
    signed_in = command.kind is AccountKind.CUSTOMER and command.kind not in command.must_verify
    events = registration.register(
        kind=command.kind,
        email=email,
        name=command.name,
        phone=command.phone,
        business_name=command.business_name,
        terms_accepted_at=unit.now if command.terms_accepted else None,
        locale=command.locale,
        session_id=command.session.session_id if signed_in else None,
    )
    unit.claim(EMAIL, email, command.account_id, taken=UserExists("This email address has an account."))
    account = unit.create(Account, command.account_id, events)
    unit.keep(Credential(owner_id=command.account_id, name=PASSWORD, value=command.password_hash))
    if command.proof is not None:
        account = proving.request_verification_in(unit, account, command.proof)
    if signed_in:
        sessions.open_session(account.account_id, command.session, unit)
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
    # Before any of its sessions is looked at.
    account.check_may_log_in(must_verify=command.must_verify, password_generation=command.password_generation)
    signed_in = _let_in(account, command.session, command.method, command.must_verify, unit)
    if command.password_hash is not None:
        unit.keep(Credential(owner_id=account.account_id, name=PASSWORD, value=command.password_hash))
    return signed_in


def sign_in_by_phone(command: SignInByPhone, unit: Unit) -> SignedIn:
    """Let the owner of a phone in; one who is new here becomes a customer.

    Raises:
        PhoneMovedOn: the phone is not `command.account_id`'s.
    """
    phone = normalise_phone(command.phone)
    taken = PhoneMovedOn("This phone has just been given another account.")
    holder_id = unit.holder(PHONE, phone)
    if holder_id is None:
        if unit.find(Account, command.account_id) is not None:
            raise taken
        events = registration.register_by_phone(
            phone=phone,
            name=command.name,
            locale=command.locale,
            session_id=command.session.session_id,
        )
        unit.claim(PHONE, phone, command.account_id, taken=taken)
        account = unit.create(Account, command.account_id, events)
        sessions.open_session(account.account_id, command.session, unit)
        return _signed_in(account, command.session, registered=True)
    if holder_id != command.account_id:
        raise taken
    account = unit.get(Account, holder_id, missing=InvalidCredentials())
    account.check_may_log_in(must_verify=command.must_verify)
    return _let_in(account, command.session, LoginMethod.PHONE_OTP, command.must_verify, unit)


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


def record_proof_denied(command: RecordProofDenied, unit: Unit) -> SecurityLog:
    """Note that a link or a code was asked for in vain, with the address that the wish came from."""
    return unit.begin(
        SecurityLog,
        security_log_id(command.identifier_hash, unit.now),
        SecurityLog.proof_denied(
            identifier_hash=command.identifier_hash, purpose=command.purpose, ip=unit.caller.ip
        ),
    )


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
    events = registration.bootstrap_super_admin(email=email, name=command.name)
    unit.create(Account, command.account_id, events)
    unit.keep(Credential(owner_id=command.account_id, name=PASSWORD, value=command.password_hash))
    return SuperAdmin(account_id=command.account_id, created=True)


def _let_in(
    account: Account,
    session: NewSession,
    method: LoginMethod,
    must_verify: frozenset[AccountKind],
    unit: Unit,
) -> SignedIn:
    over = sessions.make_room(account, unit)
    account = unit.record(
        account,
        account.log_in(session_id=session.session_id, method=method, must_verify=must_verify, over=over),
    )
    sessions.open_session(account.account_id, session, unit)
    return _signed_in(account, session)


def _signed_in(account: Account, session: NewSession, *, registered: bool = False) -> SignedIn:
    return SignedIn(
        account_id=account.account_id,
        role=account.role,
        status=account.status,
        kind=account.kind,
        session_id=session.session_id,
        session_expires_at=session.expires_at,
        email=account.email,
        name=account.name,
        phone=account.phone,
        registered=registered,
    )


HANDLERS: Final[dict[type[Command], Handler]] = {
    RegisterAccount: register_account,
    LogIn: log_in,
    SignInByPhone: sign_in_by_phone,
    RecordLoginFailure: record_login_failure,
    RecordProofDenied: record_proof_denied,
    RotateRefreshToken: sessions.rotate_refresh_token,
    LogOut: sessions.log_out,
    RevokeSession: sessions.revoke_session,
    LogOutEverywhere: sessions.log_out_everywhere,
    RequestEmailVerification: proving.request_email_verification,
    VerifyEmail: proving.verify_email,
    VerifyPhone: proving.verify_phone,
    RequestPasswordReset: proving.request_password_reset,
    PermitPasswordReset: proving.permit_password_reset,
    ResetPassword: proving.reset_password,
    ChangePassword: proving.change_password,
    UpdateProfile: proving.update_profile,
    CompleteInfluencerOnboarding: proving.complete_influencer_onboarding,
    CompleteSalonOnboarding: proving.complete_salon_onboarding,
    LinkPaymentCustomer: paying.link_payment_customer,
    ApproveSeller: administering.approve_seller,
    RejectSeller: administering.reject_seller,
    SuspendAccount: administering.suspend_account,
    UnsuspendAccount: administering.unsuspend_account,
    ChangeAccountRole: administering.change_account_role,
    DeleteAccount: administering.delete_account,
    BootstrapSuperAdmin: bootstrap_super_admin,
}

KINDS = (
    Kind("account", Account, account_states.evolve),
    Kind("session", Session, session_states.evolve),
    Kind("security_log", SecurityLog, security_logs.evolve),
)
