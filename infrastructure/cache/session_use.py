"""When each session was used last: what Redis holds of sessions (requirement TOK-14), for `SESSION_CACHE_TTL_SECONDS`.

People see by it which of their sessions lie idle and which do not. Nobody is let in by it: how a session stands is read from the log
(ADR 0016), so what is here may be lost, and costs a request no more than an entry in memory. Every few seconds that goes to Redis,
one key a session. Of a session that has ended nothing stays.
"""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from application.shared.bounded import forget_oldest
from infrastructure.cache.absence import Absence
from infrastructure.flushing import FLUSH_SECONDS, Flushing, portions

CAPACITY: Final = 100_000
TOGETHER_MAXIMUM: Final = 64
"""How many are told at once: it takes the event loop a millisecond."""

PATIENCE_SECONDS: Final = 2.0


class _Copy(msgspec.Struct, frozen=True, rename="camel"):
    """What the key of a session holds; `last_used_at` is in seconds since 1970."""

    account_id: UUID
    last_used_at: float


class SessionUse(Flushing):
    """What one API process has seen of sessions."""

    def __init__(
        self,
        redis: Redis | None,
        *,
        seconds: int,
        namespace: bytes = b"",
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        """`seconds` is for how long Redis keeps what it is told; without Redis the process knows its own only.

        `namespace` is the same in all processes of an installation, and tells it from others on the same Redis.
        """
        super().__init__(name="session_use", flush_seconds=flush_seconds)
        self._redis = redis
        self._seconds = seconds
        self._namespace = namespace
        self._used: dict[UUID, _Copy] = {}
        self._ended: dict[UUID, None] = {}
        self._absence = Absence("session_use_without_redis", "session_use_with_redis")

    def note(self, session_id: UUID, account_id: UUID) -> None:
        """Somebody has just been let in by a token of this session."""
        # To the end, so that what was used last is forgotten last.
        self._used.pop(session_id, None)
        self._used[session_id] = _Copy(account_id, time.time())

    def forget(self, changed: Collection[UUID] | None) -> None:
        """Something was taken from these accounts, sessions or keys; which they are is not known here."""
        for each in changed or ():
            self._used.pop(each, None)
            self._ended[each] = None
        forget_oldest(self._ended, CAPACITY)

    async def last_used(self, sessions: Sequence[UUID]) -> Mapping[UUID, datetime]:
        """When these sessions were used last, to within the seconds between two flushes, as far as is known.

        While Redis is away, that is what this process has not told it yet.
        """
        found = {each: self._used[each].last_used_at for each in sessions if each in self._used}
        for each, copy in zip(sessions, await self._ask(sessions), strict=False):
            if copy is not None and each not in self._ended:
                found[each] = max(copy.last_used_at, found.get(each, 0.0))
        return {each: datetime.fromtimestamp(at, UTC) for each, at in found.items()}

    async def _ask(self, sessions: Sequence[UUID]) -> list[_Copy | None]:
        if self._redis is None or not sessions or not self._absence.may_ask():
            return []
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                kept = await self._redis.mget([self._key(each) for each in sessions])
        except (RedisError, OSError, TimeoutError) as error:
            self._absence.begin(error)
            return []
        self._absence.end()
        return [None if each is None else _read(each) for each in kept]

    async def flush(self, *, ending: bool = False) -> None:
        """Tell Redis; what cannot be told now is kept for the next time."""
        if self._redis is None:
            forget_oldest(self._used, CAPACITY)
            self._ended.clear()
            return
        used, self._used = self._used, {}
        ended = list(self._ended)
        told = False
        try:
            told = not (used or ended)
            told = told or (
                self._absence.may_ask() and await self._tell(self._redis, used, ended, ending=ending)
            )
        finally:
            if told:
                for each in ended:
                    self._ended.pop(each, None)
            else:
                # Meanwhile some may have ended.
                kept = {each: copy for each, copy in used.items() if each not in self._ended}
                self._used = {**kept, **self._used}
                forget_oldest(self._used, CAPACITY)

    async def _tell(
        self, redis: Redis, used: Mapping[UUID, _Copy], ended: Sequence[UUID], *, ending: bool
    ) -> bool:
        try:
            async for copies in portions(list(used.items()), TOGETHER_MAXIMUM, ending=ending):
                async with asyncio.timeout(PATIENCE_SECONDS), redis.pipeline(transaction=False) as pipeline:
                    for each, copy in copies:
                        pipeline.set(self._key(each), msgspec.json.encode(copy), ex=self._seconds)
                    await pipeline.execute()
            # Last: what ended is not to come back by what was noted before.
            async for some in portions(ended, TOGETHER_MAXIMUM, ending=ending):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await redis.delete(*(self._key(each) for each in some))
        except (RedisError, OSError, TimeoutError) as error:
            self._absence.begin(error)
            return False
        self._absence.end()
        return True

    def _key(self, session_id: UUID) -> str:
        return f"daftar:session:{self._namespace[:8].hex()}:{session_id}"


def _read(kept: bytes | str) -> _Copy | None:
    try:
        return msgspec.json.decode(kept, type=_Copy)
    except msgspec.DecodeError:
        return None  # Of another version of ours, or nobody's: as if there were nothing.
