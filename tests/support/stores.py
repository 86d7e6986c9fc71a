"""The real event store over a database of the test's own."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from types import ModuleType

from domain.shared import claims
from infrastructure.event_store.codec import Codec
from infrastructure.event_store.keyring import Keyring
from infrastructure.event_store.names import EventNames
from infrastructure.event_store.postgres import PostgresEventStore, open_pool
from infrastructure.security.cipher import KeyWrapper
from infrastructure.security.secrets import Secret

HOUSE_KEY = Secret("ab" * 32)


def make_codec(modules: Iterable[ModuleType]) -> Codec:
    """A codec with an empty keyring under the tests' house key."""
    return Codec(EventNames([*modules, claims]), Keyring(KeyWrapper(HOUSE_KEY)))


@asynccontextmanager
async def postgres_store(
    database_url: str, modules: Iterable[ModuleType]
) -> AsyncIterator[PostgresEventStore]:
    """A store with a pool and a keyring of its own, as another process would have."""
    pool = await open_pool(database_url, min_size=1, max_size=4, name="test")
    store = PostgresEventStore(pool, make_codec(modules), KeyWrapper(HOUSE_KEY))
    try:
        yield store
    finally:
        await store.aclose()
        await pool.close()
