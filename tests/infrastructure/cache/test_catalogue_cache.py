"""Kept answers about the catalogue are never older than the read models that the projector has shown to all."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from infrastructure.cache import catalogue
from infrastructure.cache.absence import PAUSE_SECONDS
from infrastructure.cache.catalogue import EPOCH_KEY, Answer, CatalogueCache, CatalogueEpochs
from infrastructure.cache.redis import connect
from infrastructure.embedded.services import ServiceUrls
from infrastructure.security.secrets import Secret
from infrastructure.settings import Settings, SettingsError

TEAPOT = Answer(body=b'{"name":"Teapot"}', etag='"listing-1-2"')
PRICED = frozenset({"catalogue_search", "listing_detail"})
NOBODY_LISTENS = Secret("redis://127.0.0.1:1/0")


class Watch:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def redis(urls: ServiceUrls) -> AsyncIterator[Redis]:
    assert urls.redis_url is not None
    client = connect(Secret(urls.redis_url))
    yield client
    await client.aclose()


@pytest.fixture
def epochs(urls: ServiceUrls) -> Iterator[CatalogueEpochs]:
    """A projector's, which has begun."""
    assert urls.redis_url is not None
    begun = CatalogueEpochs(Secret(urls.redis_url))
    begun.on_progress(frozenset())
    yield begun
    begun.close()


def patient(redis: Redis, ttl_seconds: int = 60, namespace: bytes = b"shop") -> CatalogueCache:
    """A cache that waits for a busy machine."""
    return CatalogueCache(redis, ttl_seconds, namespace=namespace, patience_seconds=10)


async def keep(cache: CatalogueCache, asked: object, answer: Answer = TEAPOT) -> None:
    await cache.put(await cache.get("listings", asked), answer)


async def kept(cache: CatalogueCache, asked: object) -> Answer | None:
    return (await cache.get("listings", asked)).answer


@pytest.mark.services
@pytest.mark.usefixtures("epochs")
class TestKeeping:
    async def test_what_one_process_has_answered_another_need_not_ask_again(self, redis: Redis) -> None:
        asked = str(uuid4())
        before = await kept(patient(redis), asked)
        await keep(patient(redis), asked)
        assert (before, await kept(patient(redis), asked)) == (None, TEAPOT)

    async def test_every_question_has_an_answer_of_its_own(self, redis: Redis) -> None:
        cache, asked = patient(redis), str(uuid4())
        await keep(cache, (asked, 1))
        assert await kept(cache, (asked, 2)) is None
        assert (await cache.get("listings/search", (asked, 1))).answer is None

    async def test_two_shops_on_one_redis_never_show_each_others_goods(self, redis: Redis) -> None:
        asked = str(uuid4())
        await keep(patient(redis, namespace=b"ours"), asked)
        assert await kept(patient(redis, namespace=b"theirs"), asked) is None

    async def test_an_answer_ends_by_itself_and_does_not_tell_what_was_asked(self, redis: Redis) -> None:
        asked = f"a gift for {uuid4()}"
        cache = patient(redis, ttl_seconds=7)
        await keep(cache, asked)
        looked = await cache.get("listings", asked)
        assert 0 < await redis.ttl(looked.key) <= 7
        assert "gift" not in looked.key
        assert b"gift" not in (await redis.get(looked.key) or b"")

    async def test_an_answer_is_gone_after_its_time(self, redis: Redis) -> None:
        cache, asked = patient(redis, ttl_seconds=1), str(uuid4())
        await keep(cache, asked)
        await asyncio.sleep(1.2)
        assert await kept(cache, asked) is None

    @pytest.mark.parametrize("rubbish", [b"", b"\xff\xff", b"\x92\xc4\x01x\x01", b"{}"])
    async def test_what_is_not_ours_is_no_answer(self, redis: Redis, rubbish: bytes) -> None:
        cache, asked = patient(redis), str(uuid4())
        await redis.set((await cache.get("listings", asked)).key, rubbish, ex=60)
        assert await kept(cache, asked) is None
        assert not cache.is_away

    async def test_an_answer_without_end_is_not_kept(self, redis: Redis) -> None:
        cache, asked = patient(redis), str(uuid4())
        await keep(cache, asked, Answer(body=b"x" * (catalogue.ANSWER_BYTES_MAXIMUM + 1)))
        assert await kept(cache, asked) is None


@pytest.mark.services
class TestEpochs:
    async def test_a_changed_price_ends_all_answers(self, redis: Redis, epochs: CatalogueEpochs) -> None:
        cache, asked = patient(redis), str(uuid4())
        await keep(cache, asked)
        epochs.on_progress(PRICED)
        assert await kept(cache, asked) is None

    async def test_what_was_made_of_old_rows_is_not_kept_as_new(
        self, redis: Redis, epochs: CatalogueEpochs
    ) -> None:
        cache, asked = patient(redis), str(uuid4())
        looked = await cache.get("listings", asked)
        epochs.on_progress(PRICED)  # while the reader is still at the database
        await cache.put(looked, TEAPOT)
        assert await kept(cache, asked) is None

    @pytest.mark.parametrize("changed", [frozenset(), frozenset({"cart_view", "order_detail"})])
    async def test_what_the_catalogue_does_not_show_ends_nothing(
        self, redis: Redis, epochs: CatalogueEpochs, changed: frozenset[str]
    ) -> None:
        cache, asked = patient(redis), str(uuid4())
        await keep(cache, asked)
        epochs.on_progress(changed)
        assert await kept(cache, asked) == TEAPOT

    async def test_a_projector_that_begins_ends_what_its_predecessor_may_have_left(
        self, redis: Redis, epochs: CatalogueEpochs, urls: ServiceUrls
    ) -> None:
        cache, asked = patient(redis), str(uuid4())
        await keep(cache, asked)
        assert urls.redis_url is not None
        successor = CatalogueEpochs(Secret(urls.redis_url))
        successor.on_progress(frozenset())
        successor.close()
        assert await kept(cache, asked) is None

    async def test_a_lost_counter_brings_no_old_answer_back(
        self, redis: Redis, epochs: CatalogueEpochs
    ) -> None:
        cache, asked = patient(redis), str(uuid4())
        seen = set()
        for _ in range(3):
            seen.add(await redis.get(EPOCH_KEY))
            await keep(cache, asked)
            await redis.delete(EPOCH_KEY)
            assert await kept(cache, asked) is None
            epochs.on_progress(PRICED)
            assert await kept(cache, asked) is None
        assert len(seen) == 3

    async def test_nothing_is_kept_before_a_projector_has_begun(self, redis: Redis) -> None:
        await redis.delete(EPOCH_KEY)
        cache, asked = patient(redis), str(uuid4())
        await keep(cache, asked)
        assert await redis.exists((await cache.get("listings", asked)).key) == 0

    async def test_an_epoch_that_could_not_be_begun_is_begun_later(
        self, redis: Redis, epochs: CatalogueEpochs, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        watch = Watch()
        late = CatalogueEpochs(NOBODY_LISTENS, monotonic=watch)
        cache, asked = patient(redis), str(uuid4())
        await keep(cache, asked)
        with capture_logs() as lines:
            late.on_progress(PRICED)
            watch.now += catalogue.PROJECTOR_PAUSE_SECONDS
            late.on_progress(frozenset())
        assert [line["event"] for line in lines] == ["catalogue_epoch_not_begun"]
        monkeypatch.setattr(late, "_redis", epochs._redis)  # the server is back
        late.on_progress(frozenset())
        resting = await kept(cache, asked)
        watch.now += catalogue.PROJECTOR_PAUSE_SECONDS
        late.on_progress(frozenset())
        assert (resting, await kept(cache, asked)) == (TEAPOT, None)

    async def test_a_redis_that_comes_back_empty_keeps_answers_again_though_nothing_has_changed(
        self, urls: ServiceUrls, redis: Redis
    ) -> None:
        assert urls.redis_url is not None
        watch = Watch()
        epochs = CatalogueEpochs(Secret(urls.redis_url), monotonic=watch)
        epochs.on_progress(frozenset())
        cache, asked = patient(redis), str(uuid4())
        await keep(cache, asked)
        await redis.delete(EPOCH_KEY, (await cache.get("listings", asked)).key)
        await keep(cache, asked)
        forgotten = await kept(cache, asked)
        watch.now += catalogue.PROJECTOR_LOOK_SECONDS
        epochs.on_progress(frozenset())
        await keep(cache, asked)
        assert (forgotten, await kept(cache, asked)) == (None, TEAPOT)
        # While the epoch is there, looking does not end it.
        watch.now += catalogue.PROJECTOR_LOOK_SECONDS
        epochs.on_progress(frozenset())
        assert await kept(cache, asked) == TEAPOT
        epochs.close()


class TestSetting:
    @pytest.mark.parametrize(
        ("environment", "seconds"),
        [
            ({"APP_ENV": "development"}, 60),
            ({"APP_ENV": "test"}, 0),
            ({"APP_ENV": "test", "CATALOGUE_CACHE_SECONDS": "5"}, 5),
            ({"APP_ENV": "development", "CATALOGUE_CACHE_SECONDS": "0"}, 0),
        ],
    )
    def test_a_minute_unless_said_otherwise_and_none_in_tests(
        self, environment: dict[str, str], seconds: int
    ) -> None:
        assert Settings.from_environment(environment).catalogue_cache_seconds == seconds

    @pytest.mark.parametrize("value", ["-1", "1.5", "60s", "86401"])
    def test_what_is_no_number_of_seconds_is_refused_by_name(self, value: str) -> None:
        with pytest.raises(SettingsError, match="CATALOGUE_CACHE_SECONDS"):
            Settings.from_environment({"APP_ENV": "test", "CATALOGUE_CACHE_SECONDS": value})


class TestWithoutRedis:
    async def test_a_redis_that_refuses_costs_nothing(self) -> None:
        client = connect(NOBODY_LISTENS)
        cache = CatalogueCache(client)
        started = time.monotonic()
        for number in range(100):
            await keep(cache, number)
            assert await kept(cache, number) is None
        assert time.monotonic() - started < 0.5
        assert cache.is_away
        await client.aclose()

    async def test_a_redis_that_says_nothing_is_not_waited_for(self) -> None:
        async def silence(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                await asyncio.sleep(30)
            finally:
                writer.close()

        server = await asyncio.start_server(silence, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        client = connect(Secret(f"redis://127.0.0.1:{port}/0"))
        cache = CatalogueCache(client)
        started = time.monotonic()
        for number in range(50):
            await keep(cache, number)
        assert time.monotonic() - started < 0.4
        await client.aclose()
        server.close()

    async def test_it_is_asked_again_after_a_while(self) -> None:
        watch = Watch()
        client = connect(NOBODY_LISTENS)
        cache = CatalogueCache(client, monotonic=watch)
        await kept(cache, 1)
        away = cache.is_away
        watch.now += PAUSE_SECONDS
        assert (away, cache.is_away) == (True, False)
        await client.aclose()

    @pytest.mark.services
    async def test_switched_off_it_keeps_nothing(self, redis: Redis, epochs: CatalogueEpochs) -> None:
        cache, asked = patient(redis, ttl_seconds=0), str(uuid4())
        await keep(cache, asked)
        assert (await kept(cache, asked), await kept(patient(redis), asked)) == (None, None)

    async def test_the_projector_goes_on_and_says_so_once(self) -> None:
        epochs = CatalogueEpochs(NOBODY_LISTENS)
        started = time.monotonic()
        with capture_logs() as lines:
            for _ in range(100):
                epochs.on_progress(PRICED)
        assert time.monotonic() - started < 1.0
        assert [line["event"] for line in lines] == ["catalogue_epoch_not_begun"]
        epochs.close()
