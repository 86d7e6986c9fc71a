"""Signing in with email and password: the slow check outside the loop, the decision inside (ACC-16 to ACC-18)."""

from datetime import timedelta
from typing import NoReturn
from uuid import UUID

from application.accounts.commands import LogIn, RecordLoginFailure
from application.accounts.handlers import PASSWORD
from application.accounts.opening import as_owner, new_session
from application.accounts.ports import Credentials, EmailHolders, IdentifierHash, PasswordHasher
from application.accounts.results import SignedIn
from application.shared.caller import Caller
from application.shared.command import Done
from application.shared.loop import CommandLoop
from application.shared.ports import Clock, NewId
from domain.accounts.account import InvalidCredentials, LoginRefused
from domain.accounts.email import normalise_email
from domain.accounts.events import LoginFailureClass
from domain.accounts.password import PASSWORD_CHARACTERS_MAXIMUM
from domain.accounts.roles import LoginMethod
from domain.shared.errors import InvalidInput


class LogInService:
    """Lets people in who know their password, and tells all others the same."""

    def __init__(
        self,
        *,
        emails: EmailHolders,
        credentials: Credentials,
        passwords: PasswordHasher,
        identifier_hash: IdentifierHash,
        commands: CommandLoop,
        clock: Clock,
        new_id: NewId,
        session_lifetime: timedelta,
    ) -> None:
        """`session_lifetime` is that of refresh tokens (requirements D-03)."""
        self._emails = emails
        self._credentials = credentials
        self._passwords = passwords
        self._identifier_hash = identifier_hash
        self._commands = commands
        self._clock = clock
        self._new_id = new_id
        self._session_lifetime = session_lifetime

    async def log_in(self, *, email: str, password: str, caller: Caller) -> Done[SignedIn]:
        """Open a session for whoever knows the password of this email address.

        The refresh token to mint has the id `first_refresh_token_id(session_id)`. An unknown address costs as much
        time as a wrong password, and is answered and recorded alike.

        Raises:
            InvalidCredentials: unknown address, wrong password, or the account is deleted.
            AccountIsSuspended, AccountIsPending, AccountIsRejected: only after the password was right.
            Unavailable: the queue is full, or the store is away.
        """
        account_id, hashed = await self._known(email)
        fits = len(password) <= PASSWORD_CHARACTERS_MAXIMUM
        matches = await self._passwords.verify(
            password[:PASSWORD_CHARACTERS_MAXIMUM], hashed if fits else None
        )
        if not matches or account_id is None or hashed is None:
            await self._refuse(email, InvalidCredentials(), caller)
        renewed = await self._passwords.hash(password) if self._passwords.needs_rehash(hashed) else None
        command = LogIn(
            account_id=account_id,
            method=LoginMethod.PASSWORD,
            session=new_session(self._new_id(), now=self._clock(), lifetime=self._session_lifetime),
            password_hash=None if renewed is None else renewed.encode(),
        )
        try:
            return await self._commands.submit(command, as_owner(caller, account_id))
        except (InvalidCredentials, LoginRefused) as refusal:
            await self._refuse(email, refusal, caller)

    async def _known(self, email: str) -> tuple[UUID | None, str | None]:
        try:
            account_id = await self._emails.holder_of_email(normalise_email(email))
        except InvalidInput:
            # What is no address is an unknown one: signing in is no place to teach how addresses look.
            return None, None
        if account_id is None:
            return None, None
        stored = await self._credentials.credential(account_id, PASSWORD)
        return account_id, None if stored is None else stored.decode()

    async def _refuse(
        self, email: str, refusal: InvalidCredentials | LoginRefused, caller: Caller
    ) -> NoReturn:
        reason = (
            LoginFailureClass.STATUS if isinstance(refusal, LoginRefused) else LoginFailureClass.CREDENTIALS
        )
        await self._commands.submit(
            RecordLoginFailure(
                identifier_hash=self._identifier_hash(email.strip().lower()), reason_class=reason
            ),
            caller,
        )
        raise refusal
