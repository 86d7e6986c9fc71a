"""The embedded servers, started once for all tests that need them, and a fresh database for each that wants one."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from infrastructure.embedded.services import ServiceUrls
from infrastructure.embedded.supervisor import EmbeddedServices
from infrastructure.migrations.migrate import migrate


@pytest.fixture(scope="session")
async def embedded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedServices]:
    """All five servers, real ones, on free ports of the loopback address."""
    folder: Path = tmp_path_factory.mktemp("daftar")
    async with EmbeddedServices(folder) as services:
        yield services


@pytest.fixture(scope="session")
def urls(embedded: EmbeddedServices) -> ServiceUrls:
    """Where the embedded servers listen."""
    return embedded.urls


@pytest.fixture(scope="session")
def _template(urls: ServiceUrls) -> str:
    """A database with the current schema, to be copied."""
    assert urls.database_url is not None
    _execute(urls.database_url, "CREATE DATABASE {}", "template_daftar")
    url = _named(urls.database_url, "template_daftar")
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection)
    return "template_daftar"


@pytest.fixture
def database_url(urls: ServiceUrls, _template: str) -> Iterator[str]:
    """A database of the test's own: current schema, no events."""
    assert urls.database_url is not None
    name = f"test_{uuid4().hex}"
    _execute(urls.database_url, "CREATE DATABASE {} TEMPLATE {}", name, _template)
    yield _named(urls.database_url, name)
    _execute(urls.database_url, "DROP DATABASE {} WITH (FORCE)", name)


@pytest.fixture
def empty_database_url(urls: ServiceUrls) -> Iterator[str]:
    """A database of the test's own without any schema."""
    assert urls.database_url is not None
    name = f"test_{uuid4().hex}"
    _execute(urls.database_url, "CREATE DATABASE {}", name)
    yield _named(urls.database_url, name)
    _execute(urls.database_url, "DROP DATABASE {} WITH (FORCE)", name)


def _execute(url: str, statement: str, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
