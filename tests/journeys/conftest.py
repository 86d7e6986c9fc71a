"""What whole stories share: a marketplace for each module that asks for one."""

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest

from infrastructure.cache.redis import connect
from infrastructure.embedded.services import ServiceUrls
from infrastructure.embedded.supervisor import EmbeddedServices
from infrastructure.security.secrets import Secret
from tests.conftest import Databases
from tests.journeys.outages import Marketplace
from tests.journeys.shop import open_shop
from tests.support.running import environment_of, running


@pytest.fixture(scope="module")
async def market(
    request: pytest.FixtureRequest,
    embedded: EmbeddedServices,
    urls: ServiceUrls,
    _databases: Databases,
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Marketplace]:
    """A running installation for all tests of a module, with the settings that the module names as `SETTINGS`."""
    folder: Path = tmp_path_factory.mktemp("market")
    settings = {"LOG_FORMAT": "json", "DAFTAR_DATA_DIR": str(folder / "data")} | getattr(
        request.module, "SETTINGS", {}
    )
    assert urls.database_url is not None
    database = _databases.take()
    database_url = urlunsplit(urlsplit(urls.database_url)._replace(path=f"/{database}"))
    environment = environment_of(urls.as_environment(), database_url, **settings)
    assert urls.redis_url is not None
    redis = connect(Secret(urls.redis_url))
    await redis.flushdb()  # Nobody has signed in too often yet.
    async with running(environment, folder) as daftar, open_shop(daftar) as shop:
        yield Marketplace(daftar, shop, embedded, folder, redis)
    await redis.aclose()
    _databases.give_back(database)
