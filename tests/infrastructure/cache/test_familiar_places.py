"""An owner's own places are known again; Redis names neither owner nor place, and its absence locks nobody out."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from infrastructure.cache.familiar_places import REMEMBERED, FamiliarPlaces
from infrastructure.cache.redis import connect
from infrastructure.embedded.services import ServiceUrls
from infrastructure.security.secrets import Secret

HOME = "203.0.113.7"
ABROAD = "198.51.100.1"


@pytest.fixture
async def redis(urls: ServiceUrls) -> AsyncIterator[Redis]:
    assert urls.redis_url is not None
    client = connect(Secret(urls.redis_url))
    yield client
    await client.aclose()


@pytest.mark.services
class TestWithRedis:
    async def test_a_place_is_familiar_to_whom_it_was_remembered_for_and_nobody_else(
        self, redis: Redis
    ) -> None:
        ours, theirs = (FamiliarPlaces(redis, namespace=b"k", patience_seconds=5) for _ in range(2))
        zebo, anvar = f"zebo.{uuid4()}@shop.test", f"anvar.{uuid4()}@shop.test"
        assert not await ours.know(zebo, HOME)
        await ours.remember(zebo, HOME)
        assert await theirs.know(zebo, HOME)
        assert not await theirs.know(zebo, ABROAD)
        assert not await theirs.know(anvar, HOME)

    async def test_it_is_forgotten_after_a_while_and_names_nobody(self, redis: Redis) -> None:
        before = {key async for key in redis.scan_iter("daftar:familiar:*")}
        await FamiliarPlaces(redis, namespace=b"k", patience_seconds=5).remember("zebo@shop.test", HOME)
        [key] = {key async for key in redis.scan_iter("daftar:familiar:*")} - before
        assert 0 < await redis.ttl(key) <= REMEMBERED.total_seconds()
        assert b"zebo" not in key
        assert b"203" not in key.removeprefix(b"daftar:familiar:")[:3]
        await redis.delete(key)


class TestWithoutRedis:
    async def test_nobody_is_unfamiliar_while_redis_is_away(self) -> None:
        client = connect(Secret("redis://127.0.0.1:1/0"))
        places = FamiliarPlaces(client)
        await places.remember("zebo@shop.test", HOME)
        assert await places.know("zebo@shop.test", ABROAD)
        await client.aclose()
