"""Limits hold across processes while Redis is there, and in each process while it is away."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from infrastructure.cache import rate_limits
from infrastructure.cache.absence import PAUSE_SECONDS
from infrastructure.cache.rate_limits import Policy, RateLimits
from infrastructure.cache.redis import connect
from infrastructure.embedded.services import ServiceUrls
from infrastructure.security.secrets import Secret


def policy(quota: int = 3, seconds: float = 60) -> Policy:
    return Policy(name="test", quota=quota, window=timedelta(seconds=seconds))


class Watch:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class TestAlone:
    async def test_a_window_has_its_quota_and_no_more(self) -> None:
        watch = Watch()
        limits = RateLimits(None, monotonic=watch)
        verdicts = [await limits.take(policy(), "a") for _ in range(5)]
        assert [each.allowed for each in verdicts] == [True, True, True, False, False]
        assert [each.remaining for each in verdicts] == [2, 1, 0, 0, 0]

    async def test_refused_requests_do_not_lengthen_the_wait(self) -> None:
        watch = Watch()
        limits = RateLimits(None, monotonic=watch)
        for _ in range(3):
            await limits.take(policy(), "a")
        watch.now += 59.5
        refused = await limits.take(policy(), "a")
        watch.now += 0.5
        allowed = await limits.take(policy(), "a")
        assert (refused.allowed, refused.reset_seconds) == (False, 1)
        assert (allowed.allowed, allowed.remaining, allowed.reset_seconds) == (True, 2, 60)

    async def test_partitions_and_policies_are_counted_apart(self) -> None:
        limits = RateLimits(None)
        other = Policy(name="other", quota=1, window=timedelta(seconds=60))
        assert (await limits.take(policy(1), "a")).allowed
        assert (await limits.take(policy(1), "b")).allowed
        assert (await limits.take(other, "a")).allowed
        assert not (await limits.take(policy(1), "a")).allowed

    async def test_a_flood_of_partitions_does_not_fill_the_memory(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rate_limits, "PARTITIONS_MAXIMUM", 100)
        limits = RateLimits(None)
        for number in range(1000):
            await limits.take(policy(1), str(number))
        assert len(limits._local) <= 100
        assert not (await limits.take(policy(1), "999")).allowed

    async def test_headers_are_those_of_the_draft(self) -> None:
        verdict = await RateLimits(None).take(policy(), "a")
        assert verdict.policy.header == '"test";q=3;w=60'
        assert verdict.header == '"test";r=2;t=60'


@pytest.fixture
async def redis(urls: ServiceUrls) -> AsyncIterator[Redis]:
    assert urls.redis_url is not None
    client = connect(Secret(urls.redis_url))
    yield client
    await client.aclose()


@pytest.mark.services
class TestWithRedis:
    async def test_several_processes_share_one_quota(self, redis: Redis) -> None:
        ours, theirs = (RateLimits(redis, patience_seconds=10) for _ in range(2))
        partition = str(uuid4())
        await ours.take(policy(50), partition)
        verdicts = await asyncio.gather(
            *((ours, theirs)[number % 2].take(policy(50), partition) for number in range(60))
        )
        assert not ours.counts_alone
        assert sum(each.allowed for each in verdicts) == 49

    async def test_the_window_ends(self, redis: Redis) -> None:
        limits = RateLimits(redis)
        partition = str(uuid4())
        short = policy(1, 0.2)
        assert (await limits.take(short, partition)).allowed
        assert not (await limits.take(short, partition)).allowed
        await asyncio.sleep(0.3)
        assert (await limits.take(short, partition)).allowed

    async def test_every_counter_ends_by_itself_and_names_nobody(self, redis: Redis) -> None:
        partition = f"203.0.113.7 {uuid4()}@shop.test"
        await RateLimits(redis).take(policy(), partition)
        keys = [key async for key in redis.scan_iter("daftar:limit:test:*")]
        assert keys
        assert -1 not in [await redis.pttl(key) for key in keys]
        assert not [key for key in keys if b"@" in key or b"203" in key[:20]]

    async def test_a_counter_that_lost_its_end_gets_one(self, redis: Redis) -> None:
        limits = RateLimits(redis)
        partition = str(uuid4())
        before = {key async for key in redis.scan_iter("daftar:limit:*")}
        await limits.take(policy(1), partition)
        (key,) = {key async for key in redis.scan_iter("daftar:limit:*")} - before
        await redis.persist(key)
        assert (await limits.take(policy(1), partition)).allowed
        assert await redis.pttl(key) > 0

    async def test_two_installations_on_one_redis_do_not_count_each_others_requests(
        self, redis: Redis
    ) -> None:
        one, other = (RateLimits(redis, namespace=name, patience_seconds=5.0) for name in (b"one", b"other"))
        partition = str(uuid4())
        verdicts = [await limits.take(policy(1), partition) for limits in (one, one, other)]
        assert [verdict.allowed for verdict in verdicts] == [True, False, True]


class TestWithoutRedis:
    async def test_a_redis_that_refuses_costs_nothing_and_limits_still_hold(self) -> None:
        client = connect(Secret("redis://127.0.0.1:1/0"))
        limits = RateLimits(client)
        started = time.monotonic()
        verdicts = [await limits.take(policy(), "a") for _ in range(100)]
        assert time.monotonic() - started < 0.5
        assert limits.counts_alone
        assert sum(each.allowed for each in verdicts) == 3
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
        limits = RateLimits(client)
        started = time.monotonic()
        first = await limits.take(policy(), "a")
        waited = time.monotonic() - started
        assert first.allowed
        assert waited < 0.3
        started = time.monotonic()
        for _ in range(50):
            await limits.take(policy(100), "b")
        assert time.monotonic() - started < 0.1
        await client.aclose()
        server.close()

    async def test_it_is_asked_again_after_a_while(self) -> None:
        watch = Watch()
        client = connect(Secret("redis://127.0.0.1:1/0"))
        limits = RateLimits(client, monotonic=watch)
        before = limits.counts_alone
        await limits.take(policy(), "a")
        away = limits.counts_alone
        watch.now += PAUSE_SECONDS
        assert (before, away, limits.counts_alone) == (False, True, False)
        await client.aclose()

    @pytest.mark.services
    async def test_going_away_and_coming_back_are_told_once_each_however_many_ask(
        self, urls: ServiceUrls
    ) -> None:
        assert urls.redis_url is not None
        watch = Watch()
        away, back = connect(Secret("redis://127.0.0.1:1/0")), connect(Secret(urls.redis_url))
        limits = RateLimits(away, monotonic=watch, patience_seconds=5.0)
        with capture_logs() as lines:
            for _ in range(5):
                await asyncio.gather(*(limits.take(policy(), str(number)) for number in range(20)))
                watch.now += PAUSE_SECONDS
            limits._take_in_redis = RateLimits(back)._take_in_redis  # the server is back
            for _ in range(3):
                await asyncio.gather(*(limits.take(policy(), str(number)) for number in range(20)))
        assert [line["event"] for line in lines] == ["rate_limits_without_redis", "rate_limits_with_redis"]
        assert not limits.counts_alone
        await away.aclose()
        await back.aclose()


class TestEmptied:
    @pytest.mark.services
    async def test_a_redis_that_comes_back_empty_begins_every_window_anew(self, redis: Redis) -> None:
        limits, partition = RateLimits(redis, patience_seconds=5.0), str(uuid4())
        refused = [(await limits.take(policy(1), partition)).allowed for _ in range(2)]
        await redis.script_flush()
        for key in await redis.keys("daftar:limit:*"):
            await redis.delete(key)
        verdict = await limits.take(policy(1), partition)
        assert (refused, verdict.allowed, verdict.used) == ([True, False], True, 1)
        assert not limits.counts_alone
