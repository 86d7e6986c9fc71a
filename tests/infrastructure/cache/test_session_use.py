"""When sessions were used last: known to all processes by Redis, and lost without harm (requirement TOK-14)."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from infrastructure.cache.redis import connect
from infrastructure.cache.session_use import SessionUse
from infrastructure.embedded.services import ServiceUrls
from infrastructure.identity import new_id
from infrastructure.security.secrets import Secret

pytestmark = pytest.mark.services

ZEBO = new_id()
HERE, THERE = new_id(), new_id()
DAY = 86_400


@pytest.fixture
async def redis(urls: ServiceUrls) -> AsyncIterator[Redis]:
    assert urls.redis_url is not None
    client = connect(Secret(urls.redis_url))
    yield client
    await client.aclose()


@pytest.fixture
async def nowhere() -> AsyncIterator[Redis]:
    client = connect(Secret("redis://127.0.0.1:1/0"))
    yield client
    await client.aclose()


@pytest.fixture
def namespace() -> bytes:
    return uuid4().bytes


async def test_all_processes_know_what_one_has_seen(redis: Redis, namespace: bytes) -> None:
    began = time.time()
    one, other = [SessionUse(redis, seconds=DAY, namespace=namespace) for _ in range(2)]
    one.note(HERE, ZEBO)
    assert await other.last_used([HERE]) == {}

    await one.flush()

    for process in (one, other):
        used = await process.last_used([THERE, HERE])
        assert set(used) == {HERE}
        assert began - 0.001 <= used[HERE].timestamp() <= time.time() + 0.001


async def test_the_later_use_counts(redis: Redis, namespace: bytes) -> None:
    use = SessionUse(redis, seconds=DAY, namespace=namespace)
    use.note(HERE, ZEBO)
    await use.flush()
    [first] = (await use.last_used([HERE])).values()

    use.note(HERE, ZEBO)

    [second] = (await use.last_used([HERE])).values()
    assert second > first


async def test_redis_keeps_it_for_as_long_as_is_set_and_nothing_else(redis: Redis, namespace: bytes) -> None:
    use = SessionUse(redis, seconds=77, namespace=namespace)
    use.note(HERE, ZEBO)
    await use.flush()

    [key] = [each async for each in redis.scan_iter(f"*{namespace[:8].hex()}*")]

    assert 0 < await redis.ttl(key) <= 77
    kept = await redis.get(key)
    assert kept is not None
    assert str(ZEBO) in str(kept)
    assert str(kept).count(":") == 2  # Whose it is, and when.


async def test_of_a_session_that_has_ended_nothing_stays(redis: Redis, namespace: bytes) -> None:
    one, other = [SessionUse(redis, seconds=DAY, namespace=namespace) for _ in range(2)]
    one.note(HERE, ZEBO)
    await one.flush()
    one.note(HERE, ZEBO)

    one.forget({HERE, ZEBO})

    assert await one.last_used([HERE]) == {}
    await one.flush()
    assert await other.last_used([HERE]) == {}
    assert [each async for each in redis.scan_iter(f"*{namespace[:8].hex()}*")] == []


async def test_what_cannot_be_told_is_kept_for_the_next_time(
    redis: Redis, nowhere: Redis, namespace: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    use = SessionUse(nowhere, seconds=DAY, namespace=namespace)
    use.note(HERE, ZEBO)
    use.note(THERE, ZEBO)
    await use.flush()
    use.forget({THERE})
    assert set(await use.last_used([HERE, THERE])) == {HERE}

    monkeypatch.setattr(use, "_redis", redis)
    monkeypatch.setattr(use._absence, "_skip_until", 0.0)
    await use.flush()

    other = SessionUse(redis, seconds=DAY, namespace=namespace)
    assert set(await other.last_used([HERE, THERE])) == {HERE}


async def test_without_redis_a_process_knows_its_own(namespace: bytes) -> None:
    use = SessionUse(None, seconds=DAY, namespace=namespace)
    use.note(HERE, ZEBO)
    await use.flush()

    assert set(await use.last_used([HERE, THERE])) == {HERE}


async def test_what_somebody_else_left_there_is_as_nothing(redis: Redis, namespace: bytes) -> None:
    use = SessionUse(redis, seconds=DAY, namespace=namespace)
    use.note(HERE, ZEBO)
    await use.flush()
    [key] = [each async for each in redis.scan_iter(f"*{namespace[:8].hex()}*")]
    await redis.set(key, b"rubbish")

    assert await use.last_used([HERE]) == {}


async def test_it_tells_redis_when_it_ends(redis: Redis, namespace: bytes) -> None:
    async with SessionUse(redis, seconds=DAY, namespace=namespace) as use:
        use.note(HERE, ZEBO)

    other = SessionUse(redis, seconds=DAY, namespace=namespace)
    assert (await other.last_used([HERE]))[HERE] <= datetime.now(UTC)
