"""How often one caller may ask: counters in Redis that all processes share (requirements SEC-07 to SEC-09, SEC-24).

A window begins with the first request of a partition and ends after its length; a refused request is not counted,
so that asking again and again does not lengthen the wait. Counting and comparing is one step in Redis, so that many
processes together never let more through than the quota.

Redis is never waited for longer than `PATIENCE_SECONDS`, and after a failure not asked for a while: until then each process
counts by itself. A Redis that comes back empty has forgotten the windows: they begin anew.
"""

import asyncio
import hashlib
import math
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import msgspec
from redis.asyncio import Redis
from redis.exceptions import RedisError

from infrastructure.cache.absence import Absence

PATIENCE_SECONDS: Final = 0.05
PARTITIONS_MAXIMUM: Final = 100_000
"""How many partitions one process counts by itself; beyond that, the oldest windows are forgotten."""

_TAKE: Final = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local quota = tonumber(ARGV[1])
local window = tonumber(ARGV[2])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  used = 0
  left = window
end
if used >= quota then
  return {0, used, left}
end
if used == 0 then
  redis.call('SET', KEYS[1], 1, 'PX', window)
else
  redis.call('INCR', KEYS[1])
end
return {1, used + 1, left}
"""


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """So many requests (`quota`) in each window for each partition; `name` is shown to callers."""

    name: str
    quota: int
    window: timedelta

    @property
    def header(self) -> str:
        """The policy as an item of the `RateLimit-Policy` field."""
        return f'"{self.name}";q={self.quota};w={max(1, round(self.window.total_seconds()))}'


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy says to one request. `used` counts it, if it was allowed."""

    policy: Policy
    allowed: bool
    used: int
    reset_seconds: int
    """In how many whole seconds the window ends, at least 1."""

    @property
    def remaining(self) -> int:
        """How many more requests the window has."""
        return max(0, self.policy.quota - self.used)

    @property
    def header(self) -> str:
        """The state as an item of the `RateLimit` field."""
        return f'"{self.policy.name}";r={self.remaining};t={self.reset_seconds}'


class RateLimits:
    """Counts requests, in Redis where it is there, in this process where it is not."""

    def __init__(
        self,
        redis: Redis | None,
        *,
        namespace: bytes = b"",
        monotonic: Callable[[], float] = time.monotonic,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """`monotonic` gives seconds that never go back; Redis is never waited for longer than `patience_seconds`.

        `namespace` (at most 64 bytes) is the same in all processes of an installation and secret: it keys the digests that
        stand for callers, and keeps two installations on one Redis from counting each other's.
        """
        self._namespace = namespace
        self._patience_seconds = patience_seconds
        self._take_in_redis = redis.register_script(_TAKE) if redis is not None else None
        self._monotonic = monotonic
        self._absence = Absence("rate_limits_without_redis", "rate_limits_with_redis", monotonic=monotonic)
        self._local: dict[str, tuple[int, float]] = {}

    @property
    def counts_alone(self) -> bool:
        """Whether this process counts by itself now, because Redis is not there or was away a moment ago."""
        return self._take_in_redis is None or self._absence.lasts

    async def take(self, policy: Policy, partition: str) -> Verdict:
        """Count one request of a partition (an address, an account); never raises because of Redis."""
        # Addresses and emails are personal data: Redis sees a digest.
        digest = hashlib.blake2b(
            partition.encode("utf-8", "surrogatepass"), digest_size=16, key=self._namespace
        ).hexdigest()
        key = f"daftar:limit:{policy.name}:{digest}"
        if self._take_in_redis is not None and self._absence.may_ask():
            window_ms = max(1, round(policy.window.total_seconds() * 1000))
            try:
                async with asyncio.timeout(self._patience_seconds):
                    answer: Any = await self._take_in_redis(keys=[key], args=[policy.quota, window_ms])
            except (RedisError, OSError, TimeoutError) as error:
                self._absence.begin(error)
            else:
                self._absence.end()
                return _verdict(policy, allowed=answer[0] == 1, used=int(answer[1]), left=answer[2] / 1000)
        return self._take_alone(policy, key)

    def _take_alone(self, policy: Policy, key: str) -> Verdict:
        now = self._monotonic()
        used, ends = self._local.get(key, (0, 0.0))
        if ends <= now:
            used, ends = 0, now + policy.window.total_seconds()
            self._local.pop(key, None)
            self._make_room(now)
        allowed = used < policy.quota
        if allowed:
            used += 1
            self._local[key] = (used, ends)
        return _verdict(policy, allowed=allowed, used=used, left=ends - now)

    def _make_room(self, now: float) -> None:
        if len(self._local) < PARTITIONS_MAXIMUM:
            return
        self._local = {key: entry for key, entry in self._local.items() if entry[1] > now}
        # A dictionary keeps the order of insertion, and a window is inserted when it begins.
        for key in list(self._local)[: len(self._local) - PARTITIONS_MAXIMUM * 9 // 10]:
            del self._local[key]


def _verdict(policy: Policy, *, allowed: bool, used: int, left: float) -> Verdict:
    # Times have fractions that binary numbers cannot hold; a millisecond more or less is no second more.
    seconds = max(1, math.ceil(round(left, 3)))
    return Verdict(policy=policy, allowed=allowed, used=used, reset_seconds=seconds)
