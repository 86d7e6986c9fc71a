"""Mailboxes, phones and passwords: what is asked for, proved and set anew (ACC-13 to ACC-15, ACC-23 to ACC-25)."""

from collections.abc import Sequence
from uuid import UUID

from application.accounts.authority import acting_account
from application.accounts.commands import (
    ChangePassword,
    CompleteInfluencerOnboarding,
    CompleteSalonOnboarding,
    NewProof,
    PermitPasswordReset,
    RequestEmailVerification,
    RequestPasswordReset,
    ResetPassword,
    UpdateProfile,
    VerifyEmail,
    VerifyPhone,
)
from application.accounts.names import PASSWORD, PHONE
from application.accounts.results import AccountOutcome
from application.accounts.sessions import end_sessions, outcome_of
from application.accounts.tickets import EMAIL_VERIFICATION, PASSWORD_RESET, Ticket
from application.shared.store import Credential
from application.shared.unit import Unit
from domain.accounts import onboarding, profile, proofs
from domain.accounts.account import Account, AccountNotFound, UserExists
from domain.accounts.events import AccountEvent, SessionEnding
from domain.accounts.phone import normalise_phone
from domain.accounts.proofs import ResetTokenInvalid, VerificationTokenInvalid
from domain.shared.errors import DomainError, NotPermitted

PHONE_TAKEN = "This phone belongs to another account."


# --- the email address --------------------------------------------------------------------------------------


def request_email_verification(command: RequestEmailVerification, unit: Unit) -> AccountOutcome:
    """Note what is mailed to verify an address; of a link, its digest is kept in place of the one before."""
    account = _known(command.account_id, unit, AccountNotFound(f"No account {command.account_id}."))
    return outcome_of(request_verification_in(unit, account, command.proof))


def request_verification_in(unit: Unit, account: Account, proof: NewProof) -> Account:
    """As above, for an account that was read or made in this unit."""
    events = proofs.request_verification(account, method=proof.method, expires_at=proof.expires_at)
    account = unit.record(account, events)
    if events and proof.digest is not None:
        assert account.verification is not None, "a link was asked for"
        _keep_ticket(unit, account, EMAIL_VERIFICATION, proof, account.verification.number)
    return account


def verify_email(command: VerifyEmail, unit: Unit) -> AccountOutcome:
    """Take an address for verified; the link that did it, or was left over, is good no more."""
    account = _known(command.account_id, unit, VerificationTokenInvalid())
    if command.number is None:
        events = proofs.verify_by_code(account)
    else:
        events = proofs.verify_by_link(account, number=command.number, at=unit.now)
    if events:
        unit.keep(Credential(owner_id=account.account_id, name=EMAIL_VERIFICATION, value=None))
    return outcome_of(unit.record(account, events))


# --- passwords ------------------------------------------------------------------------------------------------


def request_password_reset(command: RequestPasswordReset, unit: Unit) -> AccountOutcome:
    """Note what is mailed to somebody who forgot the password. Links and tickets from before are good no more."""
    account = _known(command.account_id, unit, AccountNotFound(f"No account {command.account_id}."))
    proof = command.proof
    account = unit.record(
        account, proofs.request_reset(account, channel=proof.method, expires_at=proof.expires_at)
    )
    if proof.digest is None:
        unit.keep(Credential(owner_id=account.account_id, name=PASSWORD_RESET, value=None))
    else:
        assert account.reset is not None, "a link was asked for"
        _keep_ticket(unit, account, PASSWORD_RESET, proof, account.reset.number)
    return outcome_of(account)


def permit_password_reset(command: PermitPasswordReset, unit: Unit) -> AccountOutcome:
    """Keep the ticket that is given for a code which was right."""
    account = _known(command.account_id, unit, ResetTokenInvalid())
    account = unit.record(account, proofs.permit_reset(account, expires_at=command.expires_at))
    assert account.reset is not None, "a ticket was given"
    ticket = Ticket(digest=command.digest, number=account.reset.number, expires_at=command.expires_at)
    unit.keep(Credential(owner_id=account.account_id, name=PASSWORD_RESET, value=ticket.written()))
    return outcome_of(account)


def reset_password(command: ResetPassword, unit: Unit) -> AccountOutcome:
    """Set a new password by a link or ticket; all sessions end."""
    account = _known(command.account_id, unit, ResetTokenInvalid())
    events = proofs.reset_password(account, number=command.number, at=unit.now)
    ended = end_sessions(unit, account, SessionEnding.PASSWORD)
    _set_password(unit, account.account_id, command.password_hash)
    return outcome_of(unit.record(account, events), ended_sessions=ended)


def change_password(command: ChangePassword, unit: Unit) -> AccountOutcome:
    """Set a new password by the old one; all other sessions end."""
    account = _own(command.account_id, unit)
    kept = unit.caller.session_id
    events = proofs.change_password(account, password_generation=command.password_generation, session_id=kept)
    ended = end_sessions(unit, account, SessionEnding.PASSWORD, kept=kept)
    _set_password(unit, account.account_id, command.password_hash)
    return outcome_of(unit.record(account, events), ended_sessions=ended)


# --- what owners say of themselves ----------------------------------------------------------------------------


def update_profile(command: UpdateProfile, unit: Unit) -> AccountOutcome:
    """Note what is new. A verified phone that is given up for another is free for its new owner."""
    account = _own(command.account_id, unit)
    events = profile.update_profile(
        account,
        name=command.name,
        avatar_url=command.avatar_url,
        phone=command.phone,
        influencer=command.influencer,
        salon=command.salon,
    )
    return outcome_of(_record_and_free_phone(unit, account, events))


def complete_influencer_onboarding(command: CompleteInfluencerOnboarding, unit: Unit) -> AccountOutcome:
    """Let salons find the caller. A verified phone that is given up for another is free for its new owner."""
    account = _own(command.account_id, unit)
    events = onboarding.onboard_influencer(
        account,
        display_name=command.display_name,
        bio=command.bio,
        categories=command.categories,
        region=command.region,
        phone=command.phone,
    )
    return outcome_of(_record_and_free_phone(unit, account, events))


def complete_salon_onboarding(command: CompleteSalonOnboarding, unit: Unit) -> AccountOutcome:
    """Let influencers find the caller's salon. A verified phone that is given up for another is free for its new owner."""
    account = _own(command.account_id, unit)
    events = onboarding.onboard_salon(
        account,
        business_name=command.business_name,
        description=command.description,
        categories=command.categories,
        region=command.region,
        address=command.address,
        phone=command.phone,
    )
    return outcome_of(_record_and_free_phone(unit, account, events))


def _record_and_free_phone(unit: Unit, account: Account, events: Sequence[AccountEvent]) -> Account:
    before = account.verified_phone
    account = unit.record(account, events)
    if before is not None and account.verified_phone is None:
        unit.release(PHONE, before, account.account_id)
    return account


def verify_phone(command: VerifyPhone, unit: Unit) -> AccountOutcome:
    """Take a phone for the caller's: they sign in by it from now on, and by the one before no more.

    Raises:
        UserExists: somebody else has shown before that it is theirs.
    """
    account = _own(command.account_id, unit)
    before = account.verified_phone
    phone = normalise_phone(command.phone)
    events = profile.verify_phone(account, phone=phone)
    if events:
        unit.claim(PHONE, phone, account.account_id, taken=UserExists(PHONE_TAKEN))
        if before is not None:
            unit.release(PHONE, before, account.account_id)
    return outcome_of(unit.record(account, events))


def _known(account_id: UUID, unit: Unit, missing: DomainError) -> Account:
    return unit.get(Account, account_id, missing=missing)


def _own(account_id: UUID, unit: Unit) -> Account:
    account = acting_account(unit)
    if account.account_id != account_id:
        raise NotPermitted("Everybody does this to their own account only.")
    return account


def _keep_ticket(unit: Unit, account: Account, name: str, proof: NewProof, number: int) -> None:
    assert proof.digest is not None, "a link has a token"
    ticket = Ticket(digest=proof.digest, number=number, expires_at=proof.expires_at)
    unit.keep(Credential(owner_id=account.account_id, name=name, value=ticket.written()))


def _set_password(unit: Unit, account_id: UUID, password_hash: bytes) -> None:
    unit.keep(Credential(owner_id=account_id, name=PASSWORD, value=password_hash))
    unit.keep(Credential(owner_id=account_id, name=PASSWORD_RESET, value=None))
