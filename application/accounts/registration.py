"""Signing up: input checked whole, the password hashed outside the loop, the account made inside (ACC-01 to ACC-10)."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Final

from application.accounts.commands import (
    BootstrapSuperAdmin,
    NewProof,
    RegisterAccount,
    RequestEmailVerification,
)
from application.accounts.links import Links
from application.accounts.opening import as_owner, new_session
from application.accounts.ports import Codes, LinkPurpose, PasswordHasher
from application.accounts.results import Registered, SuperAdmin
from application.shared.caller import SYSTEM, Caller
from application.shared.command import Done, IdempotencyKey, Unavailable
from application.shared.loop import CommandLoop
from application.shared.ports import Clock, NewId
from domain.accounts import registration
from domain.accounts.email import normalise_email
from domain.accounts.name import normalise_name
from domain.accounts.password import check_password
from domain.accounts.phone import normalise_phone
from domain.accounts.proofs import proof_of
from domain.accounts.registration import RegistrationInvalid
from domain.accounts.roles import AccountKind, MailedProof
from domain.otp.events import OtpChannel, OtpPurpose
from domain.shared.errors import DomainError, InvalidInput, Problem

DEFAULT_LANGUAGE: Final = "en"


class RegistrationService:
    """Gives people accounts."""

    def __init__(
        self,
        *,
        passwords: PasswordHasher,
        commands: CommandLoop,
        clock: Clock,
        new_id: NewId,
        session_lifetime: timedelta,
        must_verify: frozenset[AccountKind] = frozenset(),
        links: Links | None = None,
        codes: Codes | None = None,
    ) -> None:
        """`session_lifetime` is that of refresh tokens (requirements D-03).

        `must_verify` are the kinds of account that sign in only with a verified email address (D-08). Without `links` or
        `codes` nothing is mailed to verify it.
        """
        self._passwords = passwords
        self._commands = commands
        self._clock = clock
        self._new_id = new_id
        self._session_lifetime = session_lifetime
        self._must_verify = must_verify
        self._links = links
        self._codes = codes

    async def register(
        self,
        *,
        kind: AccountKind,
        email: str,
        password: str,
        name: str,
        caller: Caller,
        phone: str | None = None,
        business_name: str | None = None,
        terms_accepted: bool = False,
        locale: str | None = None,
        key: IdempotencyKey | None = None,
    ) -> Done[Registered]:
        """Register an account; a customer gets a session, too, and all get a mail to verify their address by.

        Influencers and salons get a code, all others a link. It is sent behind the request; one that does not arrive can be
        asked for again, so the account is there whatever becomes of it.

        The refresh token to mint has the id `first_refresh_token_id(session_id)`, also when the answer is replayed.

        Raises:
            RegistrationInvalid: something is wrong with the input; `problems` name every field (ACC-10).
            UserExists: the email address has an account.
            Unavailable: the queue is full, or the store is away.
        """
        _check(
            lambda: check_password(password),
            lambda: normalise_email(email),
            lambda: normalise_name(name),
            lambda: phone is None or normalise_phone(phone),
            lambda: business_name is None or normalise_name(business_name, field="businessName"),
        )
        # What only the whole can be wrong about, before anything costs time.
        registration.register(
            kind=kind,
            email=email,
            name=name,
            phone=phone,
            business_name=business_name,
            terms_accepted_at=self._clock() if terms_accepted else None,
        )
        hashed = await self._passwords.hash(password)
        account_id = self._new_id()
        link = None
        if self._links is not None and proof_of(kind) is MailedProof.LINK:
            link = self._links.draw(LinkPurpose.EMAIL_VERIFICATION)
        command = RegisterAccount(
            account_id=account_id,
            kind=kind,
            email=email,
            name=name,
            phone=phone,
            business_name=business_name,
            terms_accepted=terms_accepted,
            locale=locale,
            password_hash=hashed.encode(),
            session=new_session(self._new_id(), now=self._clock(), lifetime=self._session_lifetime),
            must_verify=self._must_verify,
            proof=None if link is None else link.proof,
        )
        done = await self._commands.submit(command, as_owner(caller, account_id), key=key)
        if not done.replayed:
            if self._links is not None and link is not None:
                self._links.send(
                    link, account_id, to=normalise_email(email), to_name=normalise_name(name), locale=locale
                )
            elif proof_of(kind) is MailedProof.OTP:
                await self._send_code(done.result, normalise_email(email), caller, locale)
        return done

    async def _send_code(
        self, registered: Registered, email: str, caller: Caller, locale: str | None
    ) -> None:
        if self._codes is None:
            return
        # The account is there; a code that cannot be had now can be asked for again.
        with suppress(DomainError, Unavailable):
            asked = await self._codes.request(
                purpose=OtpPurpose.SIGNUP,
                channel=OtpChannel.EMAIL,
                destination=email,
                caller=caller,
                account_id=registered.account_id,
                language=locale or DEFAULT_LANGUAGE,
            )
            await self._commands.submit(
                RequestEmailVerification(
                    account_id=registered.account_id,
                    proof=NewProof(method=MailedProof.OTP, expires_at=asked.expires_at),
                ),
                as_owner(caller, registered.account_id),
            )

    async def bootstrap_super_admin(
        self, *, email: str, password: str, name: str = "Super admin"
    ) -> Done[SuperAdmin]:
        """See to it that there is a super admin with this address; one that is there stays as it is.

        Raises:
            RegistrationInvalid: something is wrong with the input.
            UserExists: somebody who is no super admin has the email address.
            Unavailable: the queue is full, or the store is away.
        """
        _check(
            lambda: check_password(password),
            lambda: normalise_email(email),
            lambda: normalise_name(name),
        )
        hashed = await self._passwords.hash(password)
        return await self._commands.submit(
            BootstrapSuperAdmin(
                account_id=self._new_id(), email=email, name=name, password_hash=hashed.encode()
            ),
            SYSTEM,
        )


def _check(*checks: Callable[[], object]) -> None:
    """Run all checks, so that whoever fills in a form learns of everything at once."""
    problems: list[Problem] = []
    for check in checks:
        try:
            check()
        except InvalidInput as refusal:
            problems.extend(refusal.problems)
    if problems:
        raise RegistrationInvalid(
            "Some of what was entered cannot be used: " + " ".join(problem.message for problem in problems),
            problems=problems,
        )
