"""The embedded servers, started once for all tests that need them, and a fresh database for each that wants one."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg
import pytest
import structlog
from psycopg import sql

from infrastructure.bootstrap import PROJECTIONS
from infrastructure.embedded.services import ServiceUrls
from infrastructure.embedded.supervisor import EmbeddedServices
from infrastructure.migrations.migrate import migrate
from projections.shared.rebuild import create_missing


@pytest.fixture(scope="session", autouse=True)
def _loggers_forget() -> Iterator[None]:
    """A logger that was used once keeps its configuration for good; in tests it must follow that of the test."""
    configure = structlog.configure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            structlog, "configure", lambda **how: configure(**how | {"cache_logger_on_first_use": False})
        )
        yield


@pytest.fixture(autouse=True)
def _default_logging() -> Iterator[None]:
    """What one test configures is gone for the next."""
    yield
    structlog.reset_defaults()


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
        create_missing(connection, PROJECTIONS)
    return "template_daftar"


class Databases:
    """Databases with the current schema and without events: emptying one is quicker than making one."""

    def __init__(self, server: str, template: str) -> None:
        """`server` is the URL of any database of the server, `template` the name of the one to copy."""
        self._server = server
        self._template = template
        self._free: list[str] = []

    def take(self) -> str:
        """The name of a database that nobody else uses."""
        if self._free:
            return self._free.pop()
        name = f"test_{uuid4().hex}"
        _execute(self._server, "CREATE DATABASE {} TEMPLATE {}", name, self._template)
        return name

    def give_back(self, name: str) -> None:
        """Empty it for the next test; one that is no longer as it was made is dropped."""
        with psycopg.connect(_named(self._server, name), autocommit=True) as connection:
            untouched = connection.execute(_UNTOUCHED, (len(PROJECTIONS),)).fetchone() == (True,)
            if untouched:
                connection.execute(_EMPTY)
        if untouched:
            self._free.append(name)
        else:
            _drop(self._server, name)


_UNTOUCHED = """
    SELECT count(*) = %s
        AND bool_and(generation = 1 AND live)
        AND (
            SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND backend_type = 'client backend'
        ) = 1
        AND NOT EXISTS (SELECT 1 FROM pg_tables WHERE schemaname = 'public' AND tablename LIKE '%%\\_\\_g%%')
    FROM projection_tracking
"""

_EMPTY = """
    DO $$
    DECLARE
        emptied text;
    BEGIN
        FOR emptied IN
            SELECT tablename FROM pg_tables
            WHERE schemaname = 'public'
                AND tablename NOT IN ('schema_migrations', 'log_head', 'projection_tracking')
        LOOP
            EXECUTE format('DELETE FROM %I', emptied);
        END LOOP;
        UPDATE log_head SET position = 0;
        UPDATE projection_tracking SET position = 0;
    END
    $$
"""


@pytest.fixture(scope="session")
def _databases(urls: ServiceUrls, _template: str) -> Databases:
    assert urls.database_url is not None
    return Databases(urls.database_url, _template)


@pytest.fixture
def database_url(urls: ServiceUrls, _databases: Databases) -> Iterator[str]:
    """A database of the test's own: current schema, all read models, no events."""
    assert urls.database_url is not None
    name = _databases.take()
    yield _named(urls.database_url, name)
    _databases.give_back(name)


@pytest.fixture
def empty_database_url(urls: ServiceUrls) -> Iterator[str]:
    """A database of the test's own without any schema."""
    assert urls.database_url is not None
    name = f"test_{uuid4().hex}"
    _execute(urls.database_url, "CREATE DATABASE {}", name)
    yield _named(urls.database_url, name)
    _drop(urls.database_url, name)


def _drop(url: str, name: str) -> None:
    """Drop a database; a worker of the server's own that looks after it just then ends by itself."""
    for attempt in range(50):
        try:
            _execute(url, "DROP DATABASE {} WITH (FORCE)", name)
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.ObjectInUse):
            if attempt == 49:
                raise
            time.sleep(0.1)
        else:
            return


def _execute(url: str, statement: str, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))  # type: ignore[arg-type]


def _named(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))
