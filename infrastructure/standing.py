"""How accounts, their sessions and their API keys stand now, kept in memory (requirements TOK-07, TOK-11, TOK-12, KEY-04).

What was read once is good until the log says otherwise: a follower (`infrastructure.standing_follower`) reads every fact that
takes something from somebody, and has it looked up again. While the follower is cut off from the log, what is known is good for
two seconds only. So nobody whose session was ended, or who was suspended, goes on for longer than that; and while all is well
nobody who was seen before costs the database a query.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final
from uuid import UUID

import msgspec

from application.api_keys.results import KeyBearer
from application.api_keys.using import KeyDoor, bearer_of
from application.shared.bounded import forget_oldest
from application.shared.ports import Clock
from application.shared.store import EventStore, Kind
from domain.accounts.account import Account
from domain.accounts.session import Session
from domain.api_keys.api_key import ApiKey, key_digest

FRESH_SECONDS: Final = 2.0
"""For so long what was read is good without a word from the log."""

CAPACITY: Final = 150_000
"""How many accounts, sessions and keys are kept together."""

TOGETHER_MAXIMUM: Final = 1000
"""How many streams one query loads at most."""


class Stood(msgspec.Struct, frozen=True):
    """An account (`None`: there is none), and whether the session that it acts in is over, or never was."""

    account: Account | None
    session_over: bool


Watcher = Callable[[Collection[UUID] | None], None]
"""Is told whose accounts, sessions or keys have changed; `None`: that is not known."""


class _Seen(msgspec.Struct, frozen=True, gc=False):
    """A state as it was when it was read, at a time of `now`."""

    state: Any
    read_at: float


class Standings:
    """Reads from the log itself, so that a new account is known at once.

    One query loads all that was asked for while the query before was under way: a door that many come through at once costs
    the database no more than one that few come through.
    """

    def __init__(
        self,
        store: EventStore,
        *,
        account: Kind[Account],
        session: Kind[Session],
        api_key: Kind[ApiKey],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`now` counts seconds."""
        self._store = store
        self._account = account
        self._session = session
        self._api_key = api_key
        self._now = now
        self._seen: dict[UUID, _Seen] = {}
        self._true_until = float("-inf")
        self._asked: dict[UUID, tuple[Kind[Any], asyncio.Future[Any]]] = {}
        self._under_way: frozenset[UUID] = frozenset()
        self._outdated: set[UUID] = set()
        self._loading: asyncio.Task[None] | None = None
        self._watchers: list[Watcher] = []

    # --- asking --------------------------------------------------------------------------------------------

    async def of(self, account_id: UUID, session_id: UUID) -> Stood:
        """An account and a session as they stand, or stood two seconds ago at most.

        Raises:
            StoreUnavailable: they are not known and the log is away.
        """
        account, session = self._known(account_id), self._known(session_id)
        if account is None or session is None:
            account, session = await self._look_up((account_id, self._account), (session_id, self._session))
        return Stood(
            account if isinstance(account, Account) else None,
            not isinstance(session, Session) or session.revoked or session.account_id != account_id,
        )

    async def key(self, key_id: UUID, owner_id: UUID) -> tuple[ApiKey | None, Account | None]:
        """An API key and its owner's account, as `of`."""
        key, owner = self._known(key_id), self._known(owner_id)
        if key is None or owner is None:
            key, owner = await self._look_up((key_id, self._api_key), (owner_id, self._account))
        return (
            key if isinstance(key, ApiKey) else None,
            owner if isinstance(owner, Account) else None,
        )

    # --- keeping up ----------------------------------------------------------------------------------------

    def watch(self, watcher: Watcher) -> None:
        """Tell somebody at once, who would otherwise ask again and again."""
        self._watchers.append(watcher)

    def forget(self, *changed: UUID) -> None:
        """Look again when these accounts, sessions or keys are next asked for: something has happened to them."""
        for stream_id in changed:
            self._seen.pop(stream_id, None)
            if stream_id in self._under_way:
                self._outdated.add(stream_id)
        for watcher in self._watchers:
            watcher(changed)

    def forget_all(self) -> None:
        """Look everybody up again: what happened meanwhile is not known."""
        self._seen.clear()
        self._outdated |= self._under_way
        self._true_until = float("-inf")
        for watcher in self._watchers:
            watcher(None)

    def true_as_of(self, moment: float) -> None:
        """Take what is known for true until two seconds after `moment` (of `now`), up to which the log was read."""
        self._true_until = moment + FRESH_SECONDS

    def _known(self, stream_id: UUID) -> Any:
        seen = self._seen.get(stream_id)
        if seen is None:
            return None
        now = self._now()
        return seen.state if now < self._true_until or now < seen.read_at + FRESH_SECONDS else None

    # --- looking up ----------------------------------------------------------------------------------------

    async def _look_up(self, *wanted: tuple[UUID, Kind[Any]]) -> list[Any]:
        futures = []
        for stream_id, kind in wanted:
            asked = self._asked.get(stream_id)
            if asked is None:
                asked = self._asked[stream_id] = (kind, asyncio.get_running_loop().create_future())
            futures.append(asked[1])
        if self._loading is None or self._loading.done():
            self._loading = asyncio.create_task(self._load(), name="standings")
        # Somebody who hangs up leaves the answer to the others who wait for it.
        return [await asyncio.shield(each) for each in futures]

    async def _load(self) -> None:
        while self._asked:
            streams = list(self._asked)[:TOGETHER_MAXIMUM]
            wanted = {stream_id: self._asked.pop(stream_id) for stream_id in streams}
            self._under_way = frozenset(wanted)
            self._outdated.clear()
            read_at = self._now()
            try:
                slots = await self._store.load({each: kind for each, (kind, _) in wanted.items()})
            except BaseException as error:
                _fail((future for _, future in wanted.values()), error)
                if not isinstance(error, Exception):
                    raise
                continue
            finally:
                self._under_way = frozenset()
            for stream_id, (_, future) in wanted.items():
                state = slots[stream_id].state
                # What has changed since the question is good for whoever asked it, and for nobody after them.
                if state is not None and stream_id not in self._outdated:
                    self._seen.pop(stream_id, None)
                    self._seen[stream_id] = _Seen(state, read_at)
                if not future.done():
                    future.set_result(state)
            forget_oldest(self._seen, CAPACITY)


def _fail(waiting: Iterable["asyncio.Future[Any]"], error: BaseException) -> None:
    for future in waiting:
        if isinstance(error, Exception):
            future.set_exception(error)
            future.exception()  # Whoever asked may be gone; that is no error of ours.
        else:
            future.cancel()


KEYS_REMEMBERED: Final = 10_000


class ProgramsAtTheDoor:
    """API keys that are shown: whose they are, remembered by their digests, and what they open now."""

    def __init__(self, door: KeyDoor, standings: Standings, clock: Clock) -> None:
        """`door` finds out whose a key is that was not seen before."""
        self._door = door
        self._standings = standings
        self._clock = clock
        self._ids: dict[str, tuple[UUID, UUID]] = {}
        self._bearers: dict[UUID, tuple[ApiKey, Account, KeyBearer]] = {}

    def known(self, shown: str) -> UUID | None:
        """The id of a key that was seen before, without asking anybody."""
        ids = self._ids.get(key_digest(shown))
        return None if ids is None else ids[0]

    async def admit(self, shown: str) -> KeyBearer:
        """Whose key this is, and what it opens.

        Raises:
            As `application.api_keys.using.KeyDoor.admit`.
        """
        digest = key_digest(shown)
        ids = self._ids.get(digest)
        if ids is None:
            ids = self._ids[digest] = await self._door.identify(shown)
            forget_oldest(self._ids, KEYS_REMEMBERED)
        key, owner = await self._standings.key(*ids)
        kept = self._bearers.get(ids[0])
        if kept is not None and kept[0] is key and kept[1] is owner:
            kept[0].check_good(self._clock())
            return kept[2]
        if key is None:
            # It was there when it was identified, and a stream never goes away.
            raise AssertionError(f"API key {ids[0]} has no history")
        bearer = bearer_of(key, owner, self._clock())
        if owner is not None:
            self._bearers[ids[0]] = (key, owner, bearer)
            forget_oldest(self._bearers, KEYS_REMEMBERED)
        return bearer
