"""From where somebody has signed in before (requirement SEC-09): what an owner has and whoever guesses from afar has not.

Redis remembers, for a while, a digest of who and from where together; neither can be told from it. While Redis is away nobody
is unfamiliar: an outage must not keep owners out, and nobody outside can bring it about.
"""

import asyncio
import hashlib
from datetime import timedelta
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from infrastructure.cache.absence import Absence
from infrastructure.cache.rate_limits import PATIENCE_SECONDS

REMEMBERED: Final = timedelta(days=90)
"""Since the last sign-in from there."""


class FamiliarPlaces:
    """Pairs of an identifier (an email address) and a place (a network) that belong together."""

    def __init__(
        self, redis: Redis | None, *, namespace: bytes = b"", patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        """`namespace` (at most 64 bytes) as in `RateLimits`; without Redis every place is familiar."""
        self._redis = redis
        self._namespace = namespace
        self._patience_seconds = patience_seconds
        self._absence = Absence("familiar_places_without_redis", "familiar_places_with_redis")

    async def know(self, identifier: str, place: str) -> bool:
        """Whether somebody has signed in from there; never raises because of Redis."""
        if self._redis is None or not self._absence.may_ask():
            return True
        try:
            async with asyncio.timeout(self._patience_seconds):
                known = await self._redis.exists(self._key(identifier, place))
        except (RedisError, OSError, TimeoutError) as error:
            self._absence.begin(error)
            return True
        self._absence.end()
        return bool(known)

    async def remember(self, identifier: str, place: str) -> None:
        """Somebody has just signed in from there. Redis that is away forgets it."""
        if self._redis is None or not self._absence.may_ask():
            return
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._redis.set(self._key(identifier, place), 1, ex=REMEMBERED)
        except (RedisError, OSError, TimeoutError) as error:
            self._absence.begin(error)
        else:
            self._absence.end()

    def _key(self, identifier: str, place: str) -> str:
        pair = f"{place} {identifier}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(pair, digest_size=16, key=self._namespace).hexdigest()
        return f"daftar:familiar:{digest}"
