"""Signing in, with email and password or by a phone: the slow and the outside outside the loop, the decision inside
(ACC-16 to ACC-18, OTP-07, OTP-08).
"""

from contextlib import suppress
from datetime import timedelta
from typing import Final, NoReturn
from uuid import UUID

from application.accounts.commands import LogIn, RecordLoginFailure, SignInByPhone
from application.accounts.handlers import PhoneMovedOn
from application.accounts.mailboxes import NOBODY
from application.accounts.names import PASSWORD
from application.accounts.opening import as_owner, new_session
from application.accounts.ports import (
    CodeOnItsWay,
    Codes,
    Credentials,
    IdentifierHash,
    KnownAccounts,
    PasswordHasher,
)
from application.accounts.results import SignedIn
from application.shared.caller import Caller
from application.shared.command import Done
from application.shared.loop import CommandLoop
from application.shared.ports import Clock, NewId
from domain.accounts.account import Account, InvalidCredentials, LoginRefused
from domain.accounts.email import normalise_email
from domain.accounts.events import LoginFailureClass
from domain.accounts.name import normalise_name
from domain.accounts.password import PASSWORD_CHARACTERS_MAXIMUM
from domain.accounts.phone import normalise_phone
from domain.accounts.roles import AccountKind, LoginMethod
from domain.otp.events import OtpChannel, OtpPurpose
from domain.shared.errors import InvalidInput

MOVES_MAXIMUM: Final = 3
"""How often a phone may change hands while somebody signs in by it."""


class LogInService:
    """Lets people in who know their password, and tells all others the same."""

    def __init__(
        self,
        *,
        emails: KnownAccounts,
        credentials: Credentials,
        passwords: PasswordHasher,
        identifier_hash: IdentifierHash,
        commands: CommandLoop,
        clock: Clock,
        new_id: NewId,
        session_lifetime: timedelta,
        must_verify: frozenset[AccountKind] = frozenset(),
    ) -> None:
        """`session_lifetime` is that of refresh tokens (requirements D-03).

        `must_verify` are the kinds of account that sign in only with a verified email address (D-08).
        """
        self._accounts = emails
        self._credentials = credentials
        self._passwords = passwords
        self._identifier_hash = identifier_hash
        self._commands = commands
        self._clock = clock
        self._new_id = new_id
        self._session_lifetime = session_lifetime
        self._must_verify = must_verify

    async def log_in(self, *, email: str, password: str, caller: Caller) -> Done[SignedIn]:
        """Open a session for whoever knows the password of this email address.

        The refresh token to mint has the id `first_refresh_token_id(session_id)`. An unknown address costs as much
        time as a wrong password, and is answered and recorded alike.

        Raises:
            InvalidCredentials: unknown address, wrong password, or the account is deleted.
            AccountIsSuspended, AccountIsPending, AccountIsRejected, EmailNotVerified: only after the password was right.
            Unavailable: the queue is full, or the store is away.
        """
        account, hashed = await self._known(email)
        fits = len(password) <= PASSWORD_CHARACTERS_MAXIMUM
        matches = await self._passwords.verify(
            password[:PASSWORD_CHARACTERS_MAXIMUM], hashed if fits else None
        )
        if not matches or account is None or hashed is None:
            await self._refuse(email, InvalidCredentials(), caller)
        renewed = await self._passwords.hash(password) if self._passwords.needs_rehash(hashed) else None
        command = LogIn(
            account_id=account.account_id,
            method=LoginMethod.PASSWORD,
            session=new_session(self._new_id(), now=self._clock(), lifetime=self._session_lifetime),
            password_generation=account.password_generation,
            password_hash=None if renewed is None else renewed.encode(),
            must_verify=self._must_verify,
        )
        try:
            return await self._commands.submit(command, as_owner(caller, account.account_id))
        except (InvalidCredentials, LoginRefused) as refusal:
            await self._refuse(email, refusal, caller)

    async def _known(self, email: str) -> tuple[Account | None, str | None]:
        """The account of an address, and after it, so that a change in between is noticed, the hash of its password."""
        account_id: UUID | None = None
        # What is no address is an unknown one: signing in is no place to teach how addresses look.
        with suppress(InvalidInput):
            account_id = await self._accounts.holder_of_email(normalise_email(email))
        account = await self._accounts.account(account_id or NOBODY)
        stored = await self._credentials.credential(account_id or NOBODY, PASSWORD)
        return account, None if stored is None else stored.decode()

    async def _refuse(
        self, email: str, refusal: InvalidCredentials | LoginRefused, caller: Caller
    ) -> NoReturn:
        hashed = self._identifier_hash(email.strip().lower())
        await record_failure(self._commands, hashed, refusal, caller)
        raise refusal


class PhoneSignInService:
    """Lets people in who have the code that was sent to their phone; who is new here becomes a customer."""

    def __init__(
        self,
        *,
        accounts: KnownAccounts,
        codes: Codes,
        identifier_hash: IdentifierHash,
        commands: CommandLoop,
        clock: Clock,
        new_id: NewId,
        session_lifetime: timedelta,
        must_verify: frozenset[AccountKind] = frozenset(),
    ) -> None:
        """As `LogInService`."""
        self._accounts = accounts
        self._codes = codes
        self._identifier_hash = identifier_hash
        self._commands = commands
        self._clock = clock
        self._new_id = new_id
        self._session_lifetime = session_lifetime
        self._must_verify = must_verify

    async def request_code(self, *, phone: str, caller: Caller, language: str = "en") -> CodeOnItsWay:
        """Send a code to a phone, whether or not it has an account (requirements OTP-07).

        Raises:
            PhoneInvalid: see there.
            OtpRateLimited, Unavailable: see `application.otp`.
        """
        return await self._codes.request(
            purpose=OtpPurpose.LOGIN,
            channel=OtpChannel.SMS,
            destination=normalise_phone(phone),
            caller=caller,
            language=language,
        )

    async def sign_in(
        self,
        *,
        phone: str,
        code: str,
        caller: Caller,
        name: str | None = None,
        locale: str | None = None,
    ) -> Done[SignedIn]:
        """Open a session for whoever has the code; `name` and `locale` are those of a new account (requirements OTP-08).

        The refresh token to mint has the id `first_refresh_token_id(session_id)`.

        Raises:
            PhoneInvalid, NameInvalid: see there; the code is not used up.
            OtpInvalid, OtpExpired, OtpAttemptsExceeded: see `application.otp`.
            AccountIsSuspended, AccountIsPending, AccountIsRejected, EmailNotVerified: only after the code was right.
            InvalidCredentials: the phone keeps changing hands.
            Unavailable: the memory of codes or the log is away, or the queue is full.
        """
        phone = normalise_phone(phone)
        if name is not None:
            normalise_name(name)
        await self._codes.verify(purpose=OtpPurpose.LOGIN, destination=phone, code=code, caller=caller)
        for _ in range(MOVES_MAXIMUM):
            account_id = await self._accounts.holder_of_phone(phone) or self._new_id()
            command = SignInByPhone(
                account_id=account_id,
                phone=phone,
                name=name,
                locale=locale,
                session=new_session(self._new_id(), now=self._clock(), lifetime=self._session_lifetime),
                must_verify=self._must_verify,
            )
            try:
                return await self._commands.submit(command, as_owner(caller, account_id))
            except PhoneMovedOn:
                continue
            except (InvalidCredentials, LoginRefused) as refusal:
                await record_failure(self._commands, self._identifier_hash(phone), refusal, caller)
                raise
        raise InvalidCredentials


async def record_failure(
    commands: CommandLoop,
    identifier_hash: str,
    refusal: InvalidCredentials | LoginRefused,
    caller: Caller,
) -> None:
    """Note in the security log that somebody was not let in."""
    reason = LoginFailureClass.STATUS if isinstance(refusal, LoginRefused) else LoginFailureClass.CREDENTIALS
    await commands.submit(RecordLoginFailure(identifier_hash=identifier_hash, reason_class=reason), caller)
