"""How accounts and their sessions stand now, kept in memory for two seconds (requirements TOK-07, TOK-11, TOK-12)."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import msgspec

from application.shared.bounded import forget_oldest
from application.shared.store import EventStore, Kind
from domain.accounts.account import Account
from domain.accounts.session import Session

FRESH_SECONDS: Final = 2.0
CAPACITY: Final = 50_000
TOGETHER_MAXIMUM: Final = 500
"""How many askers one query serves at most."""


class Stood(msgspec.Struct, frozen=True):
    """An account (`None`: there is none), and whether the session that it acts in is over, or never was."""

    account: Account | None
    session_over: bool


class AccountStandings:
    """Reads from the log itself, so that a new account is known at once, and an ended session soon.

    One query loads account and session of everybody who asked while the query before was under way: a door that many
    come through at once costs the database no more than one that few come through.
    """

    def __init__(
        self,
        store: EventStore,
        account_kind: Kind[Account],
        session_kind: Kind[Session],
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now` counts seconds."""
        self._store = store
        self._account_kind = account_kind
        self._session_kind = session_kind
        self._now = now
        self._known: dict[UUID, tuple[float, UUID, Stood]] = {}
        self._asked: dict[tuple[UUID, UUID], asyncio.Future[Stood]] = {}
        self._loading: asyncio.Task[None] | None = None

    async def of(self, account_id: UUID, session_id: UUID) -> Stood:
        """As they stood at most `FRESH_SECONDS` ago.

        Raises:
            StoreUnavailable: it is not known and the log is away.
        """
        known = self._known.get(session_id)
        if known is not None and known[0] > self._now() and known[1] == account_id:
            return known[2]
        pair = (account_id, session_id)
        asked = self._asked.get(pair)
        if asked is None:
            asked = self._asked[pair] = asyncio.get_running_loop().create_future()
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load(), name="account-standings")
        # Somebody who hangs up leaves the answer to the others who wait for it.
        return await asyncio.shield(asked)

    def forget(self, session_id: UUID) -> None:
        """Look again when the session is next asked for: it has just been ended here."""
        self._known.pop(session_id, None)

    async def _load(self) -> None:
        while self._asked:
            pairs = list(self._asked)[:TOGETHER_MAXIMUM]
            waiting = [self._asked.pop(pair) for pair in pairs]
            streams: dict[UUID, Kind[Any]] = {}
            for account_id, session_id in pairs:
                streams[account_id] = self._account_kind
                streams[session_id] = self._session_kind
            try:
                slots = await self._store.load(streams)
            except BaseException as error:
                for each in waiting:
                    if isinstance(error, Exception):
                        each.set_exception(error)
                        each.exception()  # Whoever asked may be gone; that is no error of ours.
                    else:
                        each.cancel()
                if not isinstance(error, Exception):
                    raise
                continue
            fresh_until = self._now() + FRESH_SECONDS
            for (account_id, session_id), each in zip(pairs, waiting, strict=True):
                account = slots[account_id].state
                session = slots[session_id].state
                stood = Stood(
                    account if isinstance(account, Account) else None,
                    not isinstance(session, Session) or session.revoked or session.account_id != account_id,
                )
                self._known.pop(session_id, None)
                self._known[session_id] = (fresh_until, account_id, stood)
                each.set_result(stood)
            forget_oldest(self._known, CAPACITY)
