"""`make bench`: start embedded servers, measure, print the table, write build/bench.json."""

import argparse
import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import structlog
import uvloop
from psycopg import sql

from infrastructure.bootstrap import Machinery
from infrastructure.embedded.supervisor import EmbeddedServices
from infrastructure.migrations.migrate import migrate
from infrastructure.settings import Settings
from tests.bench import append, orders, projector, search
from tests.bench.report import Figure, show


def database(url: str, name: str) -> str:
    """An empty database of that name on the same server."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def machinery(url: str) -> Machinery:
    """Over a database with the current schema."""
    with psycopg.connect(url, autocommit=True) as connection:
        migrate(connection)
    return Machinery(Settings.from_environment({"APP_ENV": "test", "DATABASE_URL": url}))


async def _append(url: str) -> list[Figure]:
    return await append.measure(database(url, "bench_append"), database(url, "bench_append_peer"))


async def _orders_and_projector(url: str) -> list[Figure]:
    tools = machinery(database(url, "bench_orders"))
    figures = await orders.measure(tools)
    return figures + await asyncio.to_thread(projector.measure, tools)


async def _search(url: str) -> list[Figure]:
    return await search.measure(machinery(database(url, "bench_search")))


MEASUREMENTS: dict[str, Callable[[str], Awaitable[list[Figure]]]] = {
    "append": _append,
    "orders": _orders_and_projector,
    "search": _search,
}


async def main(names: list[str]) -> None:
    """Measure what was named, or everything."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="daftar-bench-", ignore_cleanup_errors=True) as folder:
        async with EmbeddedServices(Path(folder), frozenset(("postgres",))) as services:
            assert services.urls.database_url is not None
            for name in names or list(MEASUREMENTS):
                figures += await MEASUREMENTS[name](services.urls.database_url)
    show(figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the hot paths beside their peers.")
    parser.add_argument("names", nargs="*", help="of " + ", ".join(MEASUREMENTS) + "; default: all")
    uvloop.run(main(list(parser.parse_args().names)))
