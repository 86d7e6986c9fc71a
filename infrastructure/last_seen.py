"""When somebody was last at the door (requirements ACC-19, KEY-05): never an event, and no write a request.

An API process notes in memory whom it has let in, which is all that a request pays. Every few seconds that goes to Redis, into one
sorted set a kind that all processes share; the scheduler moves it from there into the table `last_seen`, keys once a minute, accounts
every five. What is in memory dies with its process, and what is in Redis with Redis: minutes of nothing but this.

Without Redis, or while it is away, the process keeps what it has, newest of each, and no more than so many. Where none is
configured it writes the table itself, at the same pace.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool
from redis.asyncio import Redis
from redis.exceptions import RedisError

from application.shared.bounded import forget_oldest
from application.shared.command import StoreUnavailable
from infrastructure.cache.absence import Absence
from infrastructure.event_store.postgres import store_errors
from infrastructure.flushing import FLUSH_SECONDS, Flushing, portions

Pool = AsyncConnectionPool[psycopg.AsyncConnection[Any]]

CAPACITY: Final = 100_000
TOGETHER_MAXIMUM: Final = 5_000
PORTION: Final = 250
"""How many an API process tells Redis at once: it takes its event loop a millisecond."""

PATIENCE_SECONDS: Final = 2.0


class Kind(StrEnum):
    """Of whom it is told."""

    ACCOUNT = "account"
    API_KEY = "api_key"


PACE_SECONDS: Final[Mapping[Kind, float]] = {Kind.ACCOUNT: 300.0, Kind.API_KEY: 60.0}
"""How often the table learns of it, at most."""

_KEEP: Final = """
    INSERT INTO last_seen (kind, id, at)
    SELECT %(kind)s, id, to_timestamp(seconds)
    FROM unnest(%(ids)s::uuid[], %(seconds)s::float8[]) AS seen (id, seconds)
    ON CONFLICT (kind, id) DO UPDATE SET at = greatest(last_seen.at, excluded.at)
"""

_FORGET_DELETED: Final = """
    DELETE FROM last_seen
    USING account_directory AS account
    WHERE last_seen.kind = 'account' AND last_seen.id = account.account_id AND account.status = 'deleted'
"""

# Only what is still as it was read: somebody may have come in again meanwhile.
_TAKE_OUT: Final = """
for at = 1, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[at])
  if score and tonumber(score) == tonumber(ARGV[at + 1]) then
    redis.call('ZREM', KEYS[1], ARGV[at])
  end
end
"""


class LastSeen(Flushing):
    """What one API process has seen."""

    def __init__(
        self,
        redis: Redis | None,
        pool: Pool,
        *,
        namespace: bytes = b"",
        flush_seconds: float = FLUSH_SECONDS,
    ) -> None:
        """`pool` is where the table is, for installations without Redis.

        `namespace` is the same in all processes of an installation, and tells it from others on the same Redis.
        """
        super().__init__(name="last_seen", flush_seconds=flush_seconds)
        self._redis = redis
        self._pool = pool
        self._namespace = namespace
        self._seen: dict[Kind, dict[UUID, float]] = {kind: {} for kind in Kind}
        self._kept_at: dict[Kind, float] = dict.fromkeys(Kind, float("-inf"))
        self._absence = Absence("last_seen_without_redis", "last_seen_with_redis")

    def note(self, kind: Kind, whose: UUID) -> None:
        """Somebody has just been let in."""
        seen = self._seen[kind]
        # To the end, so that whoever came last is forgotten last.
        seen.pop(whose, None)
        seen[whose] = time.time()

    async def flush(self, *, ending: bool = False) -> None:
        """Hand over what was seen; what cannot be handed over now is kept for the next time."""
        for kind in Kind:
            seen, self._seen[kind] = self._seen[kind], {}
            handed_over = not seen
            try:
                handed_over = handed_over or await self._hand_over(kind, seen, ending=ending)
            finally:
                if not handed_over:
                    self._seen[kind] = {**seen, **self._seen[kind]}
                    forget_oldest(self._seen[kind], CAPACITY)

    async def _hand_over(self, kind: Kind, seen: dict[UUID, float], *, ending: bool) -> bool:
        if self._redis is not None:
            return await self._to_redis(self._redis, kind, seen, ending=ending)
        if not ending and time.monotonic() < self._kept_at[kind] + PACE_SECONDS[kind]:
            return False
        try:
            await keep(self._pool, kind, list(seen.items()))
        except StoreUnavailable:
            return False
        self._kept_at[kind] = time.monotonic()
        return True

    async def _to_redis(self, redis: Redis, kind: Kind, seen: Mapping[UUID, float], *, ending: bool) -> bool:
        if not self._absence.may_ask():
            return False
        try:
            async for some in portions(list(seen.items()), PORTION, ending=ending):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await redis.zadd(
                        _key(self._namespace, kind), {str(whose): at for whose, at in some}, gt=True
                    )
        except (RedisError, OSError, TimeoutError) as error:
            self._absence.begin(error)
            return False
        self._absence.end()
        return True


async def move(redis: Redis, pool: Pool, kind: Kind, *, namespace: bytes = b"") -> int:
    """Move what Redis has into the table; returns how many were moved.

    Raises:
        RedisError, TimeoutError: Redis is away.
        StoreUnavailable: the database is.
    """
    key = _key(namespace, kind)
    take_out = redis.register_script(_TAKE_OUT)
    moved = 0
    while True:
        async with asyncio.timeout(PATIENCE_SECONDS):
            read: Any = await redis.zrange(key, 0, TOGETHER_MAXIMUM - 1, withscores=True)
        if not read:
            break
        await keep(pool, kind, [(UUID(whose.decode()), float(at)) for whose, at in read])
        async with asyncio.timeout(PATIENCE_SECONDS):
            await take_out(keys=[key], args=[each for whose, at in read for each in (whose, repr(float(at)))])
        moved += len(read)
        if len(read) < TOGETHER_MAXIMUM:
            break
    return moved


async def forget_deleted(pool: Pool) -> None:
    """Drop what is known of accounts that are deleted.

    Raises:
        StoreUnavailable: the database is away.
    """
    async with store_errors(), pool.connection() as connection:
        await connection.execute(_FORGET_DELETED)


async def keep(pool: Pool, kind: Kind, seen: Sequence[tuple[UUID, float]]) -> None:
    """Write the table: of each the later moment.

    Raises:
        StoreUnavailable: the database is away.
    """
    # In one order in all processes, so that no two wait for each other.
    ordered = sorted(seen)
    async with store_errors(), pool.connection() as connection:
        await connection.execute(
            _KEEP,
            {
                "kind": kind.value,
                "ids": [whose for whose, _ in ordered],
                "seconds": [at for _, at in ordered],
            },
        )


def _key(namespace: bytes, kind: Kind) -> str:
    return f"daftar:last_seen:{namespace[:8].hex()}:{kind.value}"
