"""What signing up, signing in and proving who one is need from outside."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

import msgspec

from application.shared.caller import Caller
from domain.accounts.account import Account
from domain.otp.events import OtpChannel, OtpPurpose


class Credentials(Protocol):
    """Secrets kept beside the log. May raise `StoreUnavailable`."""

    async def credential(self, owner_id: UUID, name: str) -> bytes | None:
        """A secret of an owner, `None` when there is none."""
        ...

    async def find_credential(self, name: str, beginning: bytes) -> tuple[UUID, bytes] | None:
        """Whose secret of this name begins with these 32 bytes (a digest), and the whole of it."""
        ...


class KnownAccounts(Protocol):
    """Accounts as they are at this moment; not a read model's view of a while ago. May raise `StoreUnavailable`."""

    async def holder_of_email(self, email: str) -> UUID | None:
        """The account that holds a normalised address."""
        ...

    async def holder_of_phone(self, phone: str) -> UUID | None:
        """The account that holds a normalised phone, which it has verified."""
        ...

    async def account(self, account_id: UUID) -> Account | None:
        """An account as it stands."""
        ...


class PasswordHasher(Protocol):
    """Makes and checks hashes of passwords without blocking. Both methods may refuse when too many wait."""

    async def hash(self, password: str) -> str:
        """A new salted hash at the cost of today."""
        ...

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether the password is the one that was hashed.

        `None` stands for an account that is unknown or has no password: always false, after as much work as a
        real check.
        """
        ...

    def needs_rehash(self, hashed: str) -> bool:
        """Whether the hash was made at a lower cost than today's."""
        ...


class IdentifierHash(Protocol):
    """A keyed one-way name for what somebody called themselves."""

    def __call__(self, text: str) -> str:
        """Equal for equal texts; without the key, nobody can tell whose it is, nor try out guesses."""
        ...


class RandomBytes(Protocol):
    """Where secrets come from."""

    def __call__(self, count: int, /) -> bytes:
        """Bytes that nobody can foretell."""
        ...


# --- links by mail ----------------------------------------------------------------------------------------------


class LinkPurpose(StrEnum):
    """What a link in a mail is for."""

    EMAIL_VERIFICATION = "email_verification"
    PASSWORD_RESET = "password_reset"  # noqa: S105 - the name of a purpose


class LinkMail(msgspec.Struct, frozen=True, kw_only=True):
    """A link on its way to one person; neither is shown in a representation of it.

    `message_id` is the same for every attempt. `locale` is the language that the account was registered in, as far as known.
    """

    message_id: UUID
    purpose: LinkPurpose
    account_id: UUID
    to: str
    to_name: str | None
    token: str
    lifetime: timedelta
    expires_at: datetime
    locale: str | None = None

    def __repr__(self) -> str:
        """Without the person and the token."""
        return f"LinkMail(message_id={self.message_id}, purpose={self.purpose.value!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """The same for debuggers that print structs field by field."""
        return [("message_id", self.message_id), ("purpose", self.purpose.value)]


class LinkPost(Protocol):
    """Takes links to the mail server, behind the back of the request and past log and broker."""

    def hand_over(self, mail: LinkMail) -> None:
        """Take a link on, to be sent in a moment; returns at once, whatever becomes of it."""
        ...


# --- one-time codes ---------------------------------------------------------------------------------------------


class CodeOnItsWay(Protocol):
    """A code was asked for."""

    @property
    def expires_at(self) -> datetime:
        """Until when it is good."""
        ...


class Codes(Protocol):
    """One-time codes, as `application.otp` gives them out and checks them; its refusals and outages go through."""

    async def request(
        self,
        *,
        purpose: OtpPurpose,
        channel: OtpChannel,
        destination: str,
        caller: Caller,
        account_id: UUID | None = None,
        language: str = "en",
    ) -> CodeOnItsWay:
        """Send a code to a normalised destination."""
        ...

    async def pretend(
        self, *, purpose: OtpPurpose, channel: OtpChannel, destination: str, caller: Caller
    ) -> CodeOnItsWay:
        """As `request`, but that nothing is sent and no code will be right."""
        ...

    async def verify(self, *, purpose: OtpPurpose, destination: str, code: str, caller: Caller) -> object:
        """Use up the code of a destination. When it returns, the destination is the caller's."""
        ...
