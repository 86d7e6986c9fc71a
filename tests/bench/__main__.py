"""`make bench`: start embedded servers, measure, print the table, write build/bench.json."""

import argparse
import asyncio
import logging
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
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
from tests.bench import append, checkout, door, orders, orders_http, projector, rebuild, search, stream
from tests.bench.installation import SERVERS, Installation, installation
from tests.bench.report import Figure, keep, machine, show


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


class Stage:
    """Servers, and on them a shop for those measurements that can share one, opened when the first of them comes."""

    def __init__(self, servers: EmbeddedServices, folder: Path) -> None:
        """The servers run; logs go to `folder`."""
        assert servers.urls.database_url is not None
        self.servers = servers
        self.url = servers.urls.database_url
        self.folder = folder
        self._open = AsyncExitStack()
        self._shop: Installation | None = None

    def database(self, name: str) -> str:
        """An empty one."""
        return database(self.url, f"bench_{name}")

    async def shop(self) -> Installation:
        """The common one."""
        if self._shop is None:
            self._shop = await self._open.enter_async_context(
                installation(self.servers, self.database("shop"), self.folder / "shop")
            )
        return self._shop

    async def close(self) -> None:
        """Close the common one, so that it does not disturb."""
        self._shop = None
        await self._open.aclose()


async def _append(stage: Stage) -> list[Figure]:
    return await append.measure(stage.database("append"), stage.database("append_peer"))


async def _orders_and_projector(stage: Stage) -> list[Figure]:
    tools = machinery(stage.database("orders"))
    figures = await orders.measure(tools)
    return figures + await asyncio.to_thread(projector.measure, tools)


async def _search(stage: Stage) -> list[Figure]:
    return await search.measure(machinery(stage.database("search")))


async def _order_http(stage: Stage) -> list[Figure]:
    return await orders_http.measure(await stage.shop())


async def _door(stage: Stage) -> list[Figure]:
    return await door.measure(machinery(stage.database("door")))


async def _sign_ins(stage: Stage) -> list[Figure]:
    return await door.measure_beside_orders(await stage.shop())


async def _hot_listing(stage: Stage) -> list[Figure]:
    return await orders_http.measure_hot(await stage.shop())


async def _stream_latency(stage: Stage) -> list[Figure]:
    return await stream.measure(await stage.shop())


async def _checkout(stage: Stage) -> list[Figure]:
    return await checkout.measure(await stage.shop())


async def _rebuild(stage: Stage) -> list[Figure]:
    await stage.close()
    opened = installation(
        stage.servers,
        stage.database("rebuild"),
        stage.folder / "rebuild",
        fill=rebuild.fill,
        opening=rebuild.set_to_the_end,
    )
    async with opened as shop:
        return await rebuild.measure(shop)


MEASUREMENTS: dict[str, Callable[[Stage], Awaitable[list[Figure]]]] = {
    "append": _append,
    "orders": _orders_and_projector,
    "search": _search,
    "order_http": _order_http,
    "hot_listing": _hot_listing,
    "door": _door,
    "sign_ins": _sign_ins,
    "stream_latency": _stream_latency,
    "checkout": _checkout,
    "rebuild": _rebuild,
}


async def main(names: Sequence[str]) -> bool:
    """Measure what was named, or everything; whether all went well. What is measured is kept as it comes."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    load_before = os.getloadavg()
    figures: list[Figure] = []
    failed = []
    with tempfile.TemporaryDirectory(prefix="daftar-bench-", ignore_cleanup_errors=True) as folder:
        async with EmbeddedServices(Path(folder) / "data", SERVERS) as servers:
            stage = Stage(servers, Path(folder))
            try:
                for name in names or list(MEASUREMENTS):
                    began = time.monotonic()
                    print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
                    try:
                        figures += await MEASUREMENTS[name](stage)
                    except Exception as error:
                        failed.append(name)
                        structlog.get_logger().error("measurement_failed", name=name, exc_info=error)
                    print(f"{time.monotonic() - began:.0f} s", file=sys.stderr)
                    keep(figures, machine(load_before))
            finally:
                await stage.close()
    show(figures)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return not failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Measure the hot paths beside their peers.")
    parser.add_argument(
        "names",
        nargs="*",
        choices=[*MEASUREMENTS, []],
        help="which measurements; default: all",
        metavar="NAME",
    )
    sys.exit(0 if uvloop.run(main(parser.parse_args().names)) else 1)
