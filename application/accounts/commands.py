"""Wishes about accounts and sessions. Those that carry secrets or personal data never show them when printed."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from application.shared.command import Command
from domain.accounts.events import LoginFailureClass, ProofPurpose
from domain.accounts.presentation import InfluencerRevision, SalonRevision
from domain.accounts.roles import AccountKind, LoginMethod, MailedProof, Role


class NewSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session to open: its id, the hash of the refresh token that will prolong it, until when it is good."""

    session_id: UUID
    refresh_jti_hash: str
    expires_at: datetime


class NewProof(msgspec.Struct, frozen=True, kw_only=True):
    """A link or a code that is about to be mailed, good until `expires_at`; `digest` is the SHA-256 of a link's token."""

    method: MailedProof
    expires_at: datetime
    digest: bytes | None = None

    def __repr__(self) -> str:
        """Without the digest."""
        return f"NewProof({self.method}, expires_at={self.expires_at})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("method", self.method), ("expires_at", self.expires_at)]


class _Discreet(Command, frozen=True, kw_only=True):
    """A command that shows only which account it is about."""

    account_id: UUID

    def __repr__(self) -> str:
        """Without secrets and personal data."""
        return f"{type(self).__name__}(account_id={self.account_id})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("account_id", self.account_id)]


class RegisterAccount(_Discreet, frozen=True, kw_only=True):
    """Give somebody an account; a customer is signed in at once, others are not (requirements ACC-01, ACC-11, ACC-26).

    `password_hash` is the bcrypt hash, made before: it is kept beside the log, never in it. `must_verify` are the kinds of
    account that sign in only with a verified email address; `proof` is what is mailed to verify it.
    """

    kind: AccountKind
    email: str
    name: str
    password_hash: bytes
    session: NewSession
    phone: str | None = None
    business_name: str | None = None
    terms_accepted: bool = False
    locale: str | None = None
    must_verify: frozenset[AccountKind] = frozenset()
    proof: NewProof | None = None


class LogIn(_Discreet, frozen=True, kw_only=True):
    """Open a session for an account whose owner has just proved who they are.

    `password_generation` is the account's from before its password was read and checked: when another password has been
    set since, nobody is let in, and nothing is kept. `password_hash` replaces the kept one when that was made at a lower
    cost than today's (ACC-04). `must_verify` as in `RegisterAccount`.
    """

    method: LoginMethod
    session: NewSession
    password_generation: int | None = None
    password_hash: bytes | None = None
    must_verify: frozenset[AccountKind] = frozenset()


class SignInByPhone(_Discreet, frozen=True, kw_only=True):
    """Open a session for whoever has just shown that a phone is theirs; who is unknown is registered (OTP-08).

    `account_id` is the account that holds the phone as far as is known, else the id of the new one. `name` and `locale` are
    those of a new account.
    """

    phone: str
    session: NewSession
    name: str | None = None
    locale: str | None = None
    must_verify: frozenset[AccountKind] = frozenset()


class RecordLoginFailure(Command, frozen=True, kw_only=True):
    """Note that somebody was not let in; `identifier_hash` is a keyed hash of what they called themselves."""

    identifier_hash: str
    reason_class: LoginFailureClass


class RecordProofDenied(Command, frozen=True, kw_only=True):
    """Note that a link or a code was asked for by mail, and none was sent; `identifier_hash` as above."""

    identifier_hash: str
    purpose: ProofPurpose


class RotateRefreshToken(_Discreet, frozen=True, kw_only=True):
    """Prolong a session until `expires_at` by a refresh token that has been verified (requirements TOK-09, TOK-10).

    `jti_hash` is the hash of the token's id; the token before the current one is good for `grace_seconds` more.
    """

    session_id: UUID
    jti_hash: str
    expires_at: datetime
    grace_seconds: int


class LogOut(Command, frozen=True, kw_only=True):
    """End one session of the caller's own."""

    session_id: UUID


class RevokeSession(Command, frozen=True, kw_only=True):
    """End another session of the caller's own (requirements TOK-18)."""

    session_id: UUID


class LogOutEverywhere(Command, frozen=True, kw_only=True):
    """End all sessions of the caller, this one, too (requirements TOK-11)."""


class ApproveSeller(Command, frozen=True, kw_only=True):
    """Let a seller in."""

    account_id: UUID


class RejectSeller(Command, frozen=True, kw_only=True):
    """Turn a seller's application down, for a reason that they are told."""

    account_id: UUID
    reason: str


class BootstrapSuperAdmin(_Discreet, frozen=True, kw_only=True):
    """See to it that there is a super admin with this email address (requirements ACC-30)."""

    email: str
    name: str
    password_hash: bytes


# --- verifying ------------------------------------------------------------------------------------------------


class RequestEmailVerification(_Discreet, frozen=True, kw_only=True):
    """Note that a link or a code is mailed to an account (requirements ACC-14)."""

    proof: NewProof


class VerifyEmail(_Discreet, frozen=True, kw_only=True):
    """Take an email address for verified: by the link of this number, or, without one, by a code that was right."""

    number: int | None = None


class VerifyPhone(_Discreet, frozen=True, kw_only=True):
    """Take a phone for the caller's, who gave the code that was sent to it; `account_id` is the caller's own."""

    phone: str


# --- passwords ------------------------------------------------------------------------------------------------


class RequestPasswordReset(_Discreet, frozen=True, kw_only=True):
    """Note that a link or a code is mailed to an account whose owner forgot the password (ACC-24, ACC-25)."""

    proof: NewProof


class PermitPasswordReset(_Discreet, frozen=True, kw_only=True):
    """Give out a ticket for a code that was right: `digest` is the SHA-256 of its token (requirements ACC-24)."""

    digest: bytes
    expires_at: datetime


class ResetPassword(_Discreet, frozen=True, kw_only=True):
    """Set a new password by the link or ticket of this number, whose token has been found."""

    number: int
    password_hash: bytes


class ChangePassword(_Discreet, frozen=True, kw_only=True):
    """Set a new password for the caller, who showed the old one; `password_generation` as in `LogIn` (ACC-23)."""

    password_generation: int
    password_hash: bytes


# --- profile --------------------------------------------------------------------------------------------------


class UpdateProfile(_Discreet, frozen=True, kw_only=True):
    """Note what the caller says of themselves; what is left out stays (requirements ACC-22)."""

    name: str | UnsetType = UNSET
    avatar_url: str | UnsetType | None = UNSET
    phone: str | UnsetType | None = UNSET
    influencer: InfluencerRevision | UnsetType = UNSET
    salon: SalonRevision | UnsetType = UNSET


class CompleteInfluencerOnboarding(_Discreet, frozen=True, kw_only=True):
    """Let salons find the caller, who is an influencer, by what they say of themselves (requirements ONB-01, ONB-03)."""

    display_name: str
    categories: tuple[str, ...]
    region: str
    bio: str | None = None
    phone: str | None = None


class CompleteSalonOnboarding(_Discreet, frozen=True, kw_only=True):
    """Let influencers find the caller's salon by what it says of itself (requirements ONB-02, ONB-03)."""

    business_name: str
    categories: tuple[str, ...]
    region: str
    description: str | None = None
    address: str | None = None
    phone: str | None = None


class LinkPaymentCustomer(_Discreet, frozen=True, kw_only=True):
    """Keep who the account's owner is to a payment provider, which has just made them known there (requirements ACC-33)."""

    provider: str
    provider_customer_id: str


# --- administration -------------------------------------------------------------------------------------------


class SuspendAccount(Command, frozen=True, kw_only=True):
    """Take it from an account to do anything (requirements ACC-27)."""

    account_id: UUID
    reason: str | None = None


class UnsuspendAccount(Command, frozen=True, kw_only=True):
    """Give a suspended account back what it was."""

    account_id: UUID


class ChangeAccountRole(Command, frozen=True, kw_only=True):
    """Make an account something else (requirements ACC-29)."""

    account_id: UUID
    role: Role


class DeleteAccount(Command, frozen=True, kw_only=True):
    """End an account for good and forget its person (requirements ACC-28, ES-17)."""

    account_id: UUID
    reason: str | None = None
