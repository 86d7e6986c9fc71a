"""New passwords: by the old one, or by a mailbox when it is forgotten (requirements ACC-23 to ACC-25).

Whoever asks for a link or a code is told the same, and waits as long, whether or not an address has an account.
"""

from datetime import timedelta
from typing import Final

from application.accounts.commands import (
    ChangePassword,
    NewProof,
    PermitPasswordReset,
    RecordProofDenied,
    RequestPasswordReset,
    ResetPassword,
)
from application.accounts.links import Links
from application.accounts.mailboxes import Mailboxes
from application.accounts.names import PASSWORD
from application.accounts.opening import as_owner
from application.accounts.ports import (
    Codes,
    Credentials,
    IdentifierHash,
    KnownAccounts,
    LinkPurpose,
    PasswordHasher,
    RandomBytes,
)
from application.accounts.results import AccountOutcome, ResetTicket
from application.accounts.tickets import (
    PASSWORD_RESET,
    TOKEN_BYTES,
    read_ticket,
    token_digest,
    token_of,
)
from application.shared.caller import Caller
from application.shared.command import Done
from application.shared.loop import CommandLoop
from application.shared.ports import Clock
from domain.accounts.email import normalise_email
from domain.accounts.events import ProofPurpose
from domain.accounts.password import PASSWORD_CHARACTERS_MAXIMUM, check_password
from domain.accounts.proofs import InvalidCurrentPassword, ResetTokenInvalid, can_be_mailed
from domain.accounts.roles import MailedProof
from domain.otp.events import OtpChannel, OtpPurpose
from domain.shared.errors import NotAuthenticated

TICKET_LIFETIME: Final = timedelta(minutes=10)
"""Between a code that was right and the new password."""


class PasswordResetService:
    """Lets people set a new password who forgot the old one, and have their mailbox."""

    def __init__(
        self,
        *,
        accounts: KnownAccounts,
        credentials: Credentials,
        passwords: PasswordHasher,
        codes: Codes,
        links: Links,
        identifier_hash: IdentifierHash,
        commands: CommandLoop,
        clock: Clock,
        random_bytes: RandomBytes,
    ) -> None:
        """`random_bytes` is that of the operating system."""
        self._mailboxes = Mailboxes(accounts)
        self._credentials = credentials
        self._passwords = passwords
        self._codes = codes
        self._links = links
        self._identifier_hash = identifier_hash
        self._commands = commands
        self._clock = clock
        self._random_bytes = random_bytes

    async def request_link(self, *, email: str, caller: Caller) -> None:
        """Mail a link to an address, if it has an account (requirements ACC-25).

        Raises:
            EmailInvalid: see there.
            Unavailable: the queue is full, or the store is away.
        """
        email = normalise_email(email)
        account = await self._mailboxes.account_of(email)
        link = self._links.draw(LinkPurpose.PASSWORD_RESET)
        if account is None or not can_be_mailed(account):
            await self._deny(email, caller)
            return
        await self._commands.submit(
            RequestPasswordReset(account_id=account.account_id, proof=link.proof), caller
        )
        self._links.send(link, account.account_id, to=email, to_name=account.name, locale=account.locale)

    async def request_code(self, *, email: str, caller: Caller, language: str = "en") -> None:
        """Mail a code to an address, if it has an account (requirements ACC-24, OTP-10).

        Raises:
            EmailInvalid: see there.
            OtpRateLimited: for any address alike.
            Unavailable: the memory of codes or the log is away, or the queue is full.
        """
        email = normalise_email(email)
        account = await self._mailboxes.account_of(email)
        if account is None or not can_be_mailed(account):
            await self._codes.pretend(
                purpose=OtpPurpose.RESET, channel=OtpChannel.EMAIL, destination=email, caller=caller
            )
            await self._deny(email, caller)
            return
        asked = await self._codes.request(
            purpose=OtpPurpose.RESET,
            channel=OtpChannel.EMAIL,
            destination=email,
            caller=caller,
            account_id=account.account_id,
            language=account.locale or language,
        )
        proof = NewProof(method=MailedProof.OTP, expires_at=asked.expires_at)
        await self._commands.submit(RequestPasswordReset(account_id=account.account_id, proof=proof), caller)

    async def verify_code(self, *, email: str, code: str, caller: Caller) -> ResetTicket:
        """Give a ticket for the code that was mailed to an address: it is good for one new password, for ten minutes.

        Raises:
            EmailInvalid: see there.
            OtpInvalid, OtpExpired, OtpAttemptsExceeded: see `application.otp`; for an address without an account, too.
            ResetTokenInvalid: a link was asked for since, or the account has ended.
            Unavailable: the memory of codes or the log is away, or the queue is full.
        """
        email = normalise_email(email)
        await self._codes.verify(purpose=OtpPurpose.RESET, destination=email, code=code, caller=caller)
        account = await self._mailboxes.account_of(email)
        if account is None:
            raise ResetTokenInvalid
        token, digest = token_of(self._random_bytes(TOKEN_BYTES))
        expires_at = self._clock() + TICKET_LIFETIME
        command = PermitPasswordReset(account_id=account.account_id, digest=digest, expires_at=expires_at)
        await self._commands.submit(command, as_owner(caller, account.account_id))
        return ResetTicket(token=token, expires_at=expires_at)

    async def reset(self, *, token: str, password: str, caller: Caller) -> Done[AccountOutcome]:
        """Set a new password by a link or a ticket, and end all sessions.

        Raises:
            PasswordUnfit: no account may have this password; the token is not used up.
            ResetTokenInvalid: the token is unknown, used, too old, or not the newest.
            Unavailable: the queue is full, or the store is away.
        """
        check_password(password)
        digest = token_digest(token)
        found = None if digest is None else await self._credentials.find_credential(PASSWORD_RESET, digest)
        if found is None:
            raise ResetTokenInvalid
        account_id, value = found
        ticket = read_ticket(value)
        # Before the slow hash: a token that is too old is not worth it.
        if ticket.expires_at <= self._clock():
            raise ResetTokenInvalid
        hashed = await self._passwords.hash(password)
        command = ResetPassword(account_id=account_id, number=ticket.number, password_hash=hashed.encode())
        return await self._commands.submit(command, as_owner(caller, account_id))

    async def _deny(self, email: str, caller: Caller) -> None:
        command = RecordProofDenied(identifier_hash=self._identifier_hash(email), purpose=ProofPurpose.RESET)
        await self._commands.submit(command, caller)


class PasswordChangeService:
    """Lets people set a new password who know the old one."""

    def __init__(
        self,
        *,
        accounts: KnownAccounts,
        credentials: Credentials,
        passwords: PasswordHasher,
        commands: CommandLoop,
    ) -> None:
        """Collaborators only; nothing is opened."""
        self._accounts = accounts
        self._credentials = credentials
        self._passwords = passwords
        self._commands = commands

    async def change(self, *, current: str, new: str, caller: Caller) -> Done[AccountOutcome]:
        """Set a new password for the caller and end all sessions but the one it is done in.

        Raises:
            NotAuthenticated, NotPermitted: nobody is signed in, or only by an API key.
            PasswordUnfit: no account may have the new password.
            InvalidCurrentPassword: the current one is another.
            AccountIsSuspended, AccountIsPending, AccountIsRejected, AccountIsGone: the account may not act.
            Unavailable: the queue is full, or the store is away.
        """
        if caller.actor_id is None:
            raise NotAuthenticated("Sign in first.")
        check_password(new, field="newPassword")
        # The account first: whatever is set after this moment has a higher generation than it says.
        account = await self._accounts.account(caller.actor_id)
        stored = await self._credentials.credential(caller.actor_id, PASSWORD)
        fits = len(current) <= PASSWORD_CHARACTERS_MAXIMUM
        matches = await self._passwords.verify(
            current[:PASSWORD_CHARACTERS_MAXIMUM], stored.decode() if stored is not None and fits else None
        )
        if not matches or account is None:
            raise InvalidCurrentPassword
        hashed = await self._passwords.hash(new)
        command = ChangePassword(
            account_id=account.account_id,
            password_generation=account.password_generation,
            password_hash=hashed.encode(),
        )
        return await self._commands.submit(command, caller)
