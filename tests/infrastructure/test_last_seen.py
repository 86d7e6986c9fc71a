"""When somebody was last seen: no write a request, nothing lost while Redis is away (requirements ACC-19, KEY-05)."""

import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from infrastructure.bootstrap import Pool
from infrastructure.cache.redis import connect
from infrastructure.embedded.services import ServiceUrls
from infrastructure.event_store.postgres import open_pool
from infrastructure.identity import new_id
from infrastructure.last_seen import Kind, LastSeen, forget_deleted, keep, move
from infrastructure.security.secrets import Secret

pytestmark = pytest.mark.services

ZEBO, ANVAR = new_id(), new_id()


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[Pool]:
    opened = await open_pool(database_url, min_size=1, max_size=2, name="test")
    yield opened
    await opened.close()


@pytest.fixture
async def redis(urls: ServiceUrls) -> AsyncIterator[Redis]:
    assert urls.redis_url is not None
    client = connect(Secret(urls.redis_url))
    yield client
    await client.aclose()


@pytest.fixture
def namespace() -> bytes:
    return uuid4().bytes


async def kept(pool: Pool, kind: Kind = Kind.ACCOUNT) -> dict[UUID, float]:
    async with pool.connection() as connection:
        cursor = await connection.execute(
            "SELECT id, extract(epoch FROM at)::float8 FROM last_seen WHERE kind = %s", (kind.value,)
        )
        return dict(await cursor.fetchall())


async def test_what_processes_have_seen_reaches_the_table_by_redis(
    redis: Redis, pool: Pool, namespace: bytes
) -> None:
    began = time.time()
    one, other = [LastSeen(redis, pool, namespace=namespace) for _ in range(2)]
    one.note(Kind.ACCOUNT, ZEBO)
    other.note(Kind.ACCOUNT, ANVAR)
    other.note(Kind.ACCOUNT, ZEBO)
    await one.flush()
    await other.flush()
    assert await kept(pool) == {}

    assert await move(redis, pool, Kind.ACCOUNT, namespace=namespace) == 2

    seen = await kept(pool)
    assert set(seen) == {ZEBO, ANVAR}
    assert all(began - 0.001 <= at <= time.time() + 0.001 for at in seen.values())
    assert await move(redis, pool, Kind.ACCOUNT, namespace=namespace) == 0


async def test_an_older_sight_replaces_no_later_one(redis: Redis, pool: Pool, namespace: bytes) -> None:
    await keep(pool, Kind.ACCOUNT, [(ZEBO, 2_000.0)])
    await keep(pool, Kind.ACCOUNT, [(ZEBO, 1_000.0)])
    assert await kept(pool) == {ZEBO: 2_000.0}


async def test_what_cannot_be_handed_over_is_kept_for_the_next_time(
    redis: Redis, pool: Pool, namespace: bytes
) -> None:
    nowhere = connect(Secret("redis://127.0.0.1:1/0"))
    last_seen = LastSeen(nowhere, pool, namespace=namespace)
    last_seen.note(Kind.API_KEY, ZEBO)
    await last_seen.flush()
    await nowhere.aclose()

    last_seen._redis = redis
    last_seen._absence.end()
    await last_seen.flush()

    assert await move(redis, pool, Kind.API_KEY, namespace=namespace) == 1


async def test_where_there_is_no_redis_the_process_writes_the_table_itself(pool: Pool) -> None:
    async with LastSeen(None, pool) as last_seen:
        last_seen.note(Kind.ACCOUNT, ZEBO)
        await last_seen.flush()
        first = await kept(pool)
        last_seen.note(Kind.ACCOUNT, ANVAR)
        await last_seen.flush()
        # Not again so soon; but nothing is lost at the end.
        assert set(await kept(pool)) == set(first) == {ZEBO}
    assert set(await kept(pool)) == {ZEBO, ANVAR}


async def test_deleted_accounts_are_not_remembered(pool: Pool) -> None:
    await keep(pool, Kind.ACCOUNT, [(ZEBO, 1.0), (ANVAR, 2.0)])
    async with pool.connection() as connection:
        await connection.execute(
            """
            INSERT INTO account_directory (account_id, role, status, kind, registered_at, find_text, email_verified)
            VALUES (%s, 'customer', 'deleted', 'customer', now(), '', false)
            """,
            (ZEBO,),
        )
    await forget_deleted(pool)
    assert set(await kept(pool)) == {ANVAR}
