"""How accounts stand now, kept in memory for a few seconds (requirements TOK-07)."""

import time
from collections.abc import Callable
from typing import Final, TypeVar
from uuid import UUID

from application.shared.store import EventStore, Kind
from domain.accounts.account import Account

FRESH_SECONDS: Final = 2.0
CAPACITY: Final = 50_000

T = TypeVar("T")


class AccountStandings:
    """Reads roles and statuses from the log itself, so that a new account is known at once."""

    def __init__(
        self, store: EventStore, kind: Kind[Account], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        """`now` counts seconds."""
        self._store = store
        self._kind = kind
        self._now = now
        self._known: dict[UUID, tuple[float, Account | None]] = {}

    async def of(self, account_id: UUID) -> Account | None:
        """The account as it stood at most `FRESH_SECONDS` ago; `None` when there is none.

        Raises:
            StoreUnavailable: it is not known and the log is away.
        """
        known = self._known.get(account_id)
        if known is not None and known[0] > self._now():
            return known[1]
        slot = (await self._store.load({account_id: self._kind}))[account_id]
        account = slot.state if isinstance(slot.state, Account) else None
        self._known.pop(account_id, None)
        self._known[account_id] = (self._now() + FRESH_SECONDS, account)
        if len(self._known) > CAPACITY:
            del self._known[next(iter(self._known))]
        return account
