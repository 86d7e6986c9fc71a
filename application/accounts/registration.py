"""Signing up: input checked whole, the password hashed outside the loop, the account made inside (ACC-01 to ACC-10)."""

from collections.abc import Callable
from datetime import timedelta

from application.accounts.commands import BootstrapSuperAdmin, RegisterAccount
from application.accounts.opening import as_owner, new_session
from application.accounts.ports import PasswordHasher
from application.accounts.results import Registered, SuperAdmin
from application.shared.caller import SYSTEM, Caller
from application.shared.command import Done, IdempotencyKey
from application.shared.loop import CommandLoop
from application.shared.ports import Clock, NewId
from domain.accounts.account import Account, RegistrationInvalid
from domain.accounts.email import normalise_email
from domain.accounts.name import normalise_name
from domain.accounts.password import check_password
from domain.accounts.phone import normalise_phone
from domain.accounts.roles import AccountKind
from domain.shared.errors import InvalidInput, Problem


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
    ) -> None:
        """`session_lifetime` is that of refresh tokens (requirements D-03)."""
        self._passwords = passwords
        self._commands = commands
        self._clock = clock
        self._new_id = new_id
        self._session_lifetime = session_lifetime

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
        key: IdempotencyKey | None = None,
    ) -> Done[Registered]:
        """Register an account; a customer gets a session, too.

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
        Account.register(kind=kind, email=email, name=name, phone=phone, business_name=business_name)
        hashed = await self._passwords.hash(password)
        account_id = self._new_id()
        command = RegisterAccount(
            account_id=account_id,
            kind=kind,
            email=email,
            name=name,
            phone=phone,
            business_name=business_name,
            password_hash=hashed.encode(),
            session=new_session(self._new_id(), now=self._clock(), lifetime=self._session_lifetime),
        )
        return await self._commands.submit(command, as_owner(caller, account_id), key=key)

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
