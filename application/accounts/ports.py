"""What signing up and signing in need from outside."""

from typing import Protocol
from uuid import UUID


class Credentials(Protocol):
    """Secrets kept beside the log. May raise `StoreUnavailable`."""

    async def credential(self, owner_id: UUID, name: str) -> bytes | None:
        """A secret of an owner, `None` when there is none."""
        ...


class EmailHolders(Protocol):
    """Whose an email address is. May raise `StoreUnavailable`."""

    async def holder_of_email(self, email: str) -> UUID | None:
        """The account that holds a normalised address at this moment; not a read model's view of a while ago."""
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
