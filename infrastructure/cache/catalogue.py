"""Answers about the catalogue that everybody gets alike, kept in Redis for a while (requirements SRCH-08, API-12).

An answer is kept together with the epoch in which it was made, and is good as long as the epoch is still that one. The
projector begins a new epoch after each commit that changed what the catalogue shows; readers learn the epoch before they
ask the database. So whatever was made from old rows is kept under an old epoch, and is never served after the new one began.

The lifetime of an answer bounds how old it can be when the beginning of an epoch was lost: the projector could not reach
Redis, a read model was rebuilt beside the one that served, or the database that is read is a replica that lags.

Redis only helps: without it every question goes to the database. No reader waits for it longer than `PATIENCE_SECONDS`, and
after a failure it is not asked for a while. One that comes back empty has lost the epoch with the answers: nothing is kept
until the projector has noticed, and has begun another one.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import Any, Final

import msgspec
import redis as synchronous
from redis.asyncio import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from infrastructure.cache.absence import Absence
from infrastructure.security.secrets import Secret

EPOCH_KEY: Final = "daftar:catalogue:epoch"
TTL_SECONDS: Final = 60
PATIENCE_SECONDS: Final = 0.05
ANSWER_BYTES_MAXIMUM: Final = 1_000_000
"""Longer answers are not kept; a page of the longest listings is far below."""

READ_MODELS: Final = frozenset({"account_directory", "catalogue_search", "category_list", "listing_detail"})
"""Whose rows kept answers are made of: listings, and the names of their sellers and categories."""

PROJECTOR_CONNECT_SECONDS: Final = 0.5
PROJECTOR_ANSWER_SECONDS: Final = 0.25
PROJECTOR_PAUSE_SECONDS: Final = 2.0
PROJECTOR_LOOK_SECONDS: Final = 2.0
"""How often the projector looks whether the epoch is still there."""


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """An answer as it goes over the wire: the encoded body, and its entity tag where it has one."""

    body: bytes
    etag: str | None = None


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    epoch: bytes
    answer: Answer


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What a look into the cache gave; without an answer it says where to keep the one that is made now.

    `epoch` was read before the read models are; `None` means that nothing is kept. `patience_seconds` are left for that.
    """

    key: str
    epoch: bytes | None = None
    answer: Answer | None = None
    patience_seconds: float = 0.0


class CatalogueCache:
    """Keeps answers by what was asked. Only what any stranger may see goes in: it does not know who asks."""

    def __init__(
        self,
        redis: Redis | None,
        ttl_seconds: int = TTL_SECONDS,
        *,
        namespace: bytes = b"",
        monotonic: Callable[[], float] = time.monotonic,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Keeps nothing without Redis, or for no seconds.

        `namespace` (at most 64 bytes) is the same in all processes of an installation and differs between installations,
        so that two shops on one Redis never show each other's goods.
        """
        self._redis = redis if ttl_seconds > 0 else None
        self._ttl_seconds = ttl_seconds
        self._namespace = namespace
        self._monotonic = monotonic
        self._patience_seconds = patience_seconds
        self._absence = Absence("catalogue_cache_away", "catalogue_cache_back", monotonic=monotonic)

    @property
    def is_away(self) -> bool:
        """Whether nothing is kept now: it is switched off, or Redis was away a moment ago."""
        return self._redis is None or self._absence.lasts

    async def get(self, route: str, asked: object) -> Looked:
        """Look for the answer to a question; to be called before the read models are read. Never raises because of Redis.

        `asked` is everything that the answer depends on, as values that msgspec encodes; equal questions share an answer.
        """
        if self._redis is None or not self._absence.may_ask():
            return Looked(key="")
        key = self._key(route, asked)
        began = self._monotonic()
        try:
            async with asyncio.timeout(self._patience_seconds):
                found: Any = await self._redis.mget(EPOCH_KEY, key)
        except (RedisError, OSError, TimeoutError) as error:
            self._absence.begin(error)
            return Looked(key=key)
        self._absence.end()
        epoch, kept = found
        left = self._patience_seconds - (self._monotonic() - began)
        return Looked(key=key, epoch=epoch, answer=_good(kept, epoch), patience_seconds=left)

    async def put(self, looked: Looked, answer: Answer) -> None:
        """Keep an answer that was made after the look, under the epoch of the look. Never raises because of Redis."""
        if self._redis is None or looked.epoch is None or looked.patience_seconds <= 0 or self.is_away:
            return
        if len(answer.body) > ANSWER_BYTES_MAXIMUM:
            return
        kept = msgspec.msgpack.encode(_Kept(looked.epoch, answer))
        try:
            async with asyncio.timeout(looked.patience_seconds):
                await self._redis.set(looked.key, kept, ex=self._ttl_seconds)
        except (RedisError, OSError, TimeoutError) as error:
            self._absence.begin(error)

    def _key(self, route: str, asked: object) -> str:
        # What visitors search for is their own business: Redis sees a digest.
        question = msgspec.msgpack.encode((route, asked))
        digest = hashlib.blake2b(question, digest_size=16, key=self._namespace)
        return f"daftar:catalogue:{digest.hexdigest()}"


def _good(kept: bytes | None, epoch: bytes | None) -> Answer | None:
    if kept is None or epoch is None:
        return None
    try:
        found = msgspec.msgpack.decode(kept, type=_Kept)
    except msgspec.DecodeError:
        return None
    return found.answer if found.epoch == epoch else None


class CatalogueEpochs:
    """Begins new epochs; belongs to the projector, which works synchronously in a thread of its own.

    An epoch that could not be begun is owed, and tried again with the next call after a pause. One that was lost with
    Redis's memory is begun anew within `PROJECTOR_LOOK_SECONDS`, though nothing has changed: without it nothing is kept.
    """

    def __init__(self, url: Secret, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Connects when it is first needed. Close it with `close`."""
        self._redis = synchronous.Redis.from_url(
            url.reveal(),
            socket_connect_timeout=PROJECTOR_CONNECT_SECONDS,
            socket_timeout=PROJECTOR_ANSWER_SECONDS,
            socket_keepalive=True,
            retry=Retry(NoBackoff(), 1),
        )
        self._monotonic = monotonic
        # Whoever projected before may have died between the commit and the new epoch.
        self._owed = True
        self._look_at = 0.0
        self._absence = Absence(
            "catalogue_epoch_not_begun",
            "catalogue_epoch_begun",
            pause_seconds=PROJECTOR_PAUSE_SECONDS,
            monotonic=monotonic,
        )

    def on_progress(self, changed: frozenset[str]) -> None:
        """Begin a new epoch if one of these read models is in the catalogue, or one is owed. Never raises because of Redis."""
        self._owed = self._owed or not READ_MODELS.isdisjoint(changed)
        if not self._owed and self._monotonic() < self._look_at:
            return
        if not self._absence.may_ask():
            return
        try:
            if self._owed or not self._redis.exists(EPOCH_KEY):
                self._begin()
        except (RedisError, OSError) as error:
            # It may come back empty.
            self._owed = True
            self._absence.begin(error)
            return
        self._owed = False
        self._look_at = self._monotonic() + PROJECTOR_LOOK_SECONDS
        self._absence.end()

    def _begin(self) -> None:
        with self._redis.pipeline(transaction=True) as both:
            # A counter that was lost goes on from the clock: no epoch comes twice while answers of it are kept.
            both.set(EPOCH_KEY, time.time_ns() // 1000, nx=True)
            both.incr(EPOCH_KEY)
            both.execute()

    def close(self) -> None:
        """Give the connection back."""
        self._redis.close()
