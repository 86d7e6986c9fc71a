"""A new API key: made here, shown to its owner once, kept as a digest (requirements KEY-01, KEY-02)."""

from collections.abc import Sequence

from application.accounts.ports import RandomBytes
from application.api_keys.commands import IssueApiKey
from application.api_keys.results import NewApiKey
from application.shared.caller import Caller
from application.shared.command import IdempotencyKey
from application.shared.loop import CommandLoop
from application.shared.ports import NewId
from domain.accounts.permissions import Permission
from domain.api_keys.api_key import DISPLAYED_CHARACTERS, SECRET_BYTES, key_digest


class ApiKeyIssuer:
    """Gives people keys for their programs."""

    def __init__(
        self, *, commands: CommandLoop, new_id: NewId, random_bytes: RandomBytes, prefix: str
    ) -> None:
        """`prefix` is how every key begins (`gm_`)."""
        self._commands = commands
        self._new_id = new_id
        self._random_bytes = random_bytes
        self._prefix = prefix

    async def issue(
        self,
        *,
        name: str,
        caller: Caller,
        permissions: Sequence[Permission] = (),
        expires_in_days: int | None = None,
        key: IdempotencyKey | None = None,
    ) -> NewApiKey:
        """Issue a key. A repeat under the same idempotency key tells of the key, and cannot show it again.

        Raises:
            NotAuthenticated, NotPermitted: nobody is signed in, or only by an API key.
            PermissionNotHeld: the key shall be given what the caller's role may not give.
            ApiKeyUnfit: name or time are no good; `problems` name the field.
            TooManyApiKeys: the account has as many as it may have.
            AccountIsSuspended, AccountIsPending, AccountIsRejected, AccountIsGone: the account may not act.
            Unavailable: the queue is full, or the store is away.
        """
        plain = self._prefix + self._random_bytes(SECRET_BYTES).hex()
        command = IssueApiKey(
            key_id=self._new_id(),
            name=name,
            permissions=tuple(permissions),
            expires_in_days=expires_in_days,
            digest=key_digest(plain),
            display_prefix=plain[: len(self._prefix) + DISPLAYED_CHARACTERS],
        )
        done = await self._commands.submit(command, caller, key=key)
        return NewApiKey(done=done, plain=None if done.replayed else plain)
