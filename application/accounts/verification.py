"""Showing that a mailbox or a phone is one's own, after signing up (requirements ACC-13 to ACC-15, OTP-09).

Whoever asks is told the same, and waits as long, whether or not an address has an account.
"""

from uuid import UUID

from application.accounts.commands import (
    NewProof,
    RecordProofDenied,
    RequestEmailVerification,
    VerifyEmail,
    VerifyPhone,
)
from application.accounts.links import Links
from application.accounts.mailboxes import Mailboxes
from application.accounts.opening import as_owner
from application.accounts.ports import (
    CodeOnItsWay,
    Codes,
    Credentials,
    IdentifierHash,
    KnownAccounts,
    LinkPurpose,
)
from application.accounts.results import AccountOutcome
from application.accounts.tickets import EMAIL_VERIFICATION, read_ticket, token_digest
from application.shared.caller import Caller
from application.shared.command import Done
from application.shared.loop import CommandLoop
from domain.accounts.account import Account
from domain.accounts.email import normalise_email
from domain.accounts.events import ProofPurpose
from domain.accounts.phone import normalise_phone
from domain.accounts.proofs import VerificationTokenInvalid, can_be_mailed
from domain.accounts.roles import MailedProof
from domain.otp.events import OtpChannel, OtpPurpose
from domain.shared.errors import NotAuthenticated


class VerificationService:
    """Takes addresses and phones for verified."""

    def __init__(
        self,
        *,
        accounts: KnownAccounts,
        credentials: Credentials,
        codes: Codes,
        links: Links,
        identifier_hash: IdentifierHash,
        commands: CommandLoop,
    ) -> None:
        """Collaborators only; nothing is opened."""
        self._mailboxes = Mailboxes(accounts)
        self._credentials = credentials
        self._codes = codes
        self._links = links
        self._identifier_hash = identifier_hash
        self._commands = commands

    # --- by link -------------------------------------------------------------------------------------------

    async def request_link(self, *, email: str, caller: Caller) -> None:
        """Mail a new link to an address, if it has an account that is not verified yet.

        Raises:
            EmailInvalid: see there.
            Unavailable: the queue is full, or the store is away.
        """
        email = normalise_email(email)
        account = await self._mailboxes.account_of(email)
        link = self._links.draw(LinkPurpose.EMAIL_VERIFICATION)
        if account is None or not _waits(account):
            await self._deny(email, caller)
            return
        await self._commands.submit(
            RequestEmailVerification(account_id=account.account_id, proof=link.proof), caller
        )
        self._links.send(link, account.account_id, to=email, to_name=account.name, locale=account.locale)

    async def verify_by_link(self, *, token: str, caller: Caller) -> Done[AccountOutcome]:
        """Take the address for verified that a link was mailed to.

        Raises:
            VerificationTokenInvalid: it is unknown, used, too old, or not the newest.
            Unavailable: the queue is full, or the store is away.
        """
        digest = token_digest(token)
        found = (
            None if digest is None else await self._credentials.find_credential(EMAIL_VERIFICATION, digest)
        )
        if found is None:
            raise VerificationTokenInvalid
        account_id, value = found
        command = VerifyEmail(account_id=account_id, number=read_ticket(value).number)
        return await self._commands.submit(command, as_owner(caller, account_id))

    # --- by code -------------------------------------------------------------------------------------------

    async def request_code(self, *, email: str, caller: Caller, language: str = "en") -> None:
        """Mail a new code to an address, if it has an account that is not verified yet (requirements OTP-09).

        Raises:
            EmailInvalid: see there.
            OtpRateLimited: for any address alike.
            Unavailable: the memory of codes or the log is away, or the queue is full.
        """
        email = normalise_email(email)
        account = await self._mailboxes.account_of(email)
        if account is None or not _waits(account):
            await self._codes.pretend(
                purpose=OtpPurpose.SIGNUP, channel=OtpChannel.EMAIL, destination=email, caller=caller
            )
            await self._deny(email, caller)
            return
        asked = await self._codes.request(
            purpose=OtpPurpose.SIGNUP,
            channel=OtpChannel.EMAIL,
            destination=email,
            caller=caller,
            account_id=account.account_id,
            language=account.locale or language,
        )
        proof = NewProof(method=MailedProof.OTP, expires_at=asked.expires_at)
        await self._commands.submit(
            RequestEmailVerification(account_id=account.account_id, proof=proof), caller
        )

    async def verify_by_code(self, *, email: str, code: str, caller: Caller) -> Done[AccountOutcome]:
        """Take an address for verified by the code that was mailed to it (requirements ACC-13).

        Raises:
            EmailInvalid: see there.
            OtpInvalid, OtpExpired, OtpAttemptsExceeded: see `application.otp`; for an address without an account, too.
            VerificationTokenInvalid: the account has ended meanwhile.
            Unavailable: the memory of codes or the log is away, or the queue is full.
        """
        email = normalise_email(email)
        await self._codes.verify(purpose=OtpPurpose.SIGNUP, destination=email, code=code, caller=caller)
        account = await self._mailboxes.account_of(email)
        if account is None:
            raise VerificationTokenInvalid
        command = VerifyEmail(account_id=account.account_id)
        return await self._commands.submit(command, as_owner(caller, account.account_id))

    # --- phones --------------------------------------------------------------------------------------------

    async def request_phone_code(self, *, phone: str, caller: Caller, language: str = "en") -> CodeOnItsWay:
        """Send a code to a phone that the caller, who is signed in, wants to sign in by.

        Raises:
            PhoneInvalid: see there.
            NotAuthenticated: nobody is signed in.
            OtpRateLimited, Unavailable: see `application.otp`.
        """
        return await self._codes.request(
            purpose=OtpPurpose.SIGNUP,
            channel=OtpChannel.SMS,
            destination=normalise_phone(phone),
            caller=caller,
            account_id=_own_id(caller),
            language=language,
        )

    async def verify_phone(self, *, phone: str, code: str, caller: Caller) -> Done[AccountOutcome]:
        """Take a phone for the caller's, who is signed in, by the code that was sent to it (requirements ACC-06).

        Raises:
            PhoneInvalid: see there.
            NotAuthenticated, NotPermitted: nobody is signed in, or only by an API key.
            OtpInvalid, OtpExpired, OtpAttemptsExceeded: see `application.otp`.
            UserExists: somebody else has shown before that it is theirs.
            Unavailable: the memory of codes or the log is away, or the queue is full.
        """
        account_id = _own_id(caller)
        phone = normalise_phone(phone)
        await self._codes.verify(purpose=OtpPurpose.SIGNUP, destination=phone, code=code, caller=caller)
        return await self._commands.submit(VerifyPhone(account_id=account_id, phone=phone), caller)

    async def _deny(self, email: str, caller: Caller) -> None:
        command = RecordProofDenied(
            identifier_hash=self._identifier_hash(email), purpose=ProofPurpose.VERIFICATION
        )
        await self._commands.submit(command, caller)


def _waits(account: Account) -> bool:
    return can_be_mailed(account) and not account.email_verified


def _own_id(caller: Caller) -> UUID:
    if caller.actor_id is None:
        raise NotAuthenticated("Sign in first.")
    return caller.actor_id
