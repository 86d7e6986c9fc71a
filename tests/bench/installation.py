"""Daftar as its users run it, with people and goods in it, for measurements over HTTP.

One API worker and one process for all roles behind it, on embedded servers, with the settings of production as far as
they can be had on one machine: JSON logs at the default level, here into a file, and the catalogue's cache. Mail is
rendered and logged instead of sent, the object store is left out, since nothing here uses it, and there are no rate
limits, since all requests come from one address.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

import psycopg

from api.assembly import token_issuer
from api.cli.seeding import bootstrap_super_admin
from application.shared.loop import CommandLoop
from infrastructure.bootstrap import Machinery
from infrastructure.embedded.supervisor import EmbeddedServices
from infrastructure.identity import new_id, utc_now
from infrastructure.roles import bring_schema_up_to_date
from infrastructure.settings import Settings
from tests.bench.load import Generator, generator
from tests.bench.orders import Market, make_market, put_up
from tests.bench.processes import PART, Watch
from tests.bench.wire import get, links
from tests.support.running import Running, environment_of

SERVERS = frozenset(("postgres", "nats", "redis"))

LIKE_PRODUCTION = {
    "APP_ENV": "development",  # of production it differs in what follows, and in that the sandbox takes payments
    "LOG_FORMAT": "json",
    "LOG_LEVEL": "info",
    "BCRYPT_ROUNDS": "10",
    "MAIL_TRANSPORT": "log",
    "S3_ENDPOINT": "http://127.0.0.1:9",
    "S3_ACCESS_KEY": "nobody",
    "S3_SECRET_KEY": "asks for this",
    "S3_BUCKET": "none",
}

BUYERS = 2_000
LISTINGS = 500

QUIET = 0.05
"""Below this part of a core the processes behind the API count as having nothing to do."""


class Installation:
    """A shop that is open."""

    def __init__(
        self, daftar: Running, tools: Machinery, market: Market, servers: EmbeddedServices, load: Generator
    ) -> None:
        """`load` is the process that asks."""
        self.daftar = daftar
        self.url = daftar.url
        self.tools = tools
        self.market = market
        self.load = load
        self._servers = servers
        tokens = token_issuer(tools.settings, utc_now)
        self.tokens = [
            tokens.issue_access(
                account_id=account_id, role="customer", session_id=session_id, token_id=new_id()
            ).token.reveal()
            for account_id, session_id in market.sessions.items()
        ]
        self.listings = [str(listing_id) for listing_id in market.listings]

    def pid_of(self, name: str) -> int:
        """The number of one of our own processes: `api-1`, `background`."""
        return self.daftar.processes[name].pid

    def watch(self, **more: int) -> Watch:
        """Look at what its processes spend from now on, and at `more` of them, by name."""
        roots = {name: [process.pid] for name, process in self.daftar.processes.items()}
        roots |= {name: [self._servers.pid_of(name)] for name in sorted(SERVERS)}
        for client, pids in self._sessions().items():
            roots[f"postgres{PART}{client}"] = pids
        return Watch(
            roots
            | {"load generator": [self.load.pid], "bench": [os.getpid()]}
            | {name: [pid] for name, pid in more.items()}
        )

    def _sessions(self) -> dict[str, list[int]]:
        """The processes of PostgreSQL by whom they serve."""
        with self.tools.connect(name="bench") as connection:
            rows = connection.execute(
                """
                SELECT application_name, array_agg(pid)
                FROM pg_stat_activity
                WHERE datname = current_database() AND application_name LIKE 'daftar%'
                GROUP BY application_name
                """
            ).fetchall()
        return dict(rows)

    @asynccontextmanager
    async def commands(self) -> AsyncIterator[CommandLoop]:
        """A command loop in this process, beside that of the API."""
        async with self.tools.open_pool(name="bench") as pool, self.tools.open_commands(pool) as (loop, _):
            yield loop

    async def put_up(self, name: str, *, stock: int) -> UUID:
        """One more listing on sale."""
        async with self.commands() as loop:
            return await put_up(loop, self.market.seller, name=name, stock=stock)

    async def get(self, path: str) -> bytes:
        """The body of the answer to a question of one of the customers.

        Raises:
            AssertionError: there is none.
        """
        async with links(self.url, 1) as (link,):
            reply = await link.ask(get(path, self.tokens[0]))
        assert reply.status == 200, reply.body
        return reply.body

    def behind(self) -> int:
        """How many events the read model that is farthest behind has not taken yet."""
        with self.tools.connect(name="bench") as connection:
            row = connection.execute(
                """
                SELECT (SELECT position FROM log_head) - min(position) FROM projection_tracking WHERE live
                """
            ).fetchone()
        assert row is not None
        return int(row[0])

    async def until_quiet(self, seconds: float = 120.0) -> None:
        """Wait until everything that follows the log has caught up with it.

        Raises:
            TimeoutError: it does not.
        """
        busy = {"background": [self.pid_of("background")], "nats": [self._servers.pid_of("nats")]}
        async with asyncio.timeout(seconds):
            while True:
                watch = Watch(busy)
                await asyncio.sleep(0.5)
                spent = watch.spent()
                caught_up = await asyncio.to_thread(self.behind) == 0
                if caught_up and sum(spent.cpu.values()) < QUIET * spent.seconds:
                    return


Fill = Callable[[CommandLoop], Awaitable[Market]]


async def people_and_goods(loop: CommandLoop) -> Market:
    """Enough of both that they rarely meet."""
    return await make_market(loop, buyers=BUYERS, listings=LISTINGS)


@asynccontextmanager
async def installation(
    servers: EmbeddedServices,
    database_url: str,
    folder: Path,
    *,
    fill: Fill = people_and_goods,
    opening: Callable[[Machinery], Awaitable[None]] | None = None,
) -> AsyncIterator[Installation]:
    """A shop until the end of the block. `database_url` names an empty database, which `fill` puts something into.

    `opening` is called when that is done, and nothing follows the log yet.
    """
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    environment = environment_of(servers.urls.as_environment(), database_url, **LIKE_PRODUCTION)
    tools = Machinery(Settings.from_environment(environment))
    await asyncio.to_thread(bring_schema_up_to_date, tools)
    await bootstrap_super_admin(tools)
    async with tools.open_pool(name="bench") as pool, tools.open_commands(pool) as (loop, _):
        market = await fill(loop)
    if opening is not None:
        await opening(tools)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    async with AsyncExitStack() as stack:
        load = await stack.enter_async_context(generator())
        daftar = Running(environment, folder, workers=1)
        stack.push_async_callback(daftar.stop_all)
        await daftar.start_all()
        shop = Installation(daftar, tools, market, servers, load)
        await shop.until_quiet()
        yield shop
