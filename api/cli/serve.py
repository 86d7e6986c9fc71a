"""Start everything, or one role of it; bring the schema up to date."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence

import click
import psycopg
import uvloop

from api.cli.environment import EXIT_SETTINGS, data_folder, machinery, read_settings, stop
from api.cli.output import expecting_failures
from application.shared.command import StoreUnavailable
from infrastructure.bootstrap import Machinery
from infrastructure.embedded.child import Child, Output
from infrastructure.embedded.errors import AlreadyRunning, EmbeddedError
from infrastructure.embedded.folder import DataFolder
from infrastructure.embedded.services import ServiceUrls
from infrastructure.embedded.supervisor import Supervisor
from infrastructure.logging import configure_logging
from infrastructure.roles import ROLES, bring_schema_up_to_date, run_roles
from infrastructure.settings import Settings

API = "api"

EXIT_RUNNING = 3
"""Another Daftar runs in the same data folder."""

ALL_ROLES = (API, *ROLES)


def parse_roles(text: str) -> tuple[str, ...]:
    """Names of roles from a comma list; `all` is everything."""
    if text == "all":
        return ALL_ROLES
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    unknown = [name for name in names if name not in ALL_ROLES]
    if unknown or not names:
        raise click.BadParameter(f"roles are {', '.join(ALL_ROLES)}, or all")
    return names


@click.command()
@click.option("--workers", type=click.IntRange(1, 64), help="API processes; default: the setting WORKERS.")
@click.option("--roles", default="all", show_default=True, help=f"Comma list of: {', '.join(ALL_ROLES)}.")
@click.option(
    "--demo", "with_demo", is_flag=True, help="Fill an empty marketplace with something to look at."
)
def serve(workers: int | None, roles: str, *, with_demo: bool) -> None:
    """Run everything, with embedded servers where none are configured, until Ctrl-C or SIGTERM.

    Embedded servers (PostgreSQL, NATS, Valkey, an S3 store, a mail sink) keep their data in DAFTAR_DATA_DIR, by default
    the folder .daftar; they are never started in production.
    """
    names = parse_roles(roles)
    settings = read_settings(secrets={})
    configure_logging(settings.logging.level, settings.logging.format)
    wanted = unconfigured(settings)
    if settings.in_production and wanted:
        stop(
            f"In production every server is configured; missing: {', '.join(sorted(wanted))}.",
            code=EXIT_SETTINGS,
        )
    count = workers or settings.process.workers
    _refuse_busy_port(settings, names)
    supervisor = Supervisor(data_folder(), wanted)

    def environment(urls: ServiceUrls) -> dict[str, str]:
        secrets = {} if settings.in_production else supervisor.secrets.as_environment()
        return {**secrets, **urls.as_environment(), **os.environ}

    async def bring_up(urls: ServiceUrls) -> None:
        tools = Machinery(Settings.from_environment(environment(urls)))
        await asyncio.to_thread(bring_schema_up_to_date, tools)
        await _prepare(tools, names, with_demo=with_demo)

    def children(urls: ServiceUrls) -> Sequence[Child]:
        return describe(settings, names, count, environment(urls))

    def ready() -> None:
        _say_what_to_try(settings, names, with_demo=with_demo)

    from api.cli.seeding import DemoRefused

    try:
        asyncio.run(supervisor.run(migrate=bring_up, children=children, ready=ready))
    except AlreadyRunning as error:
        stop(str(error), code=EXIT_RUNNING)
    except (EmbeddedError, DemoRefused, StoreUnavailable, psycopg.OperationalError) as error:
        stop(str(error))


async def _prepare(tools: Machinery, names: Sequence[str], *, with_demo: bool) -> None:
    from api.cli.seeding import bootstrap_super_admin, seed_demo

    if API not in names:
        return
    await bootstrap_super_admin(tools)
    if with_demo and not tools.settings.in_production:
        await seed_demo(tools)


def unconfigured(settings: Settings) -> frozenset[str]:
    """The servers that no setting names."""
    named = {
        "postgres": settings.database.url is not None,
        "redis": settings.redis_url is not None,
        "nats": settings.nats_url is not None,
        "s3": settings.s3.endpoint is not None,
        "smtp": settings.mail.smtp is not None or settings.mail.transport.value != "smtp",
    }
    return frozenset(name for name, is_named in named.items() if not is_named)


def describe(
    settings: Settings, names: Sequence[str], workers: int, environment: Mapping[str, str]
) -> list[Child]:
    """Our own processes: API workers that share a port, and one process for all that runs behind them."""
    children = []
    program = (sys.executable, "-m", "api.cli", "role")
    if API in names:
        children += [
            Child(
                name=f"api-{number}",
                argv=(*program, API),
                env=environment,
                health=f"http://127.0.0.1:{settings.http.port}/health",
                output=Output.INHERIT,
                death_signal=signal.SIGTERM,
                order=1,
            )
            for number in range(1, workers + 1)
        ]
    behind = [name for name in names if name != API]
    if behind:
        children.append(
            Child(
                name="background",
                argv=(*program, ",".join(behind)),
                env=environment,
                output=Output.INHERIT,
                death_signal=signal.SIGTERM,
                order=1,
            )
        )
    return children


@click.command()
@click.argument("roles")
def role(roles: str) -> None:
    """Run roles in this one process, against configured servers: what containers start.

    ROLES is `api`, or a comma list of background roles. Run `daftar migrate` before.
    """
    names = parse_roles(roles)
    settings = read_settings()
    configure_logging(settings.logging.level, settings.logging.format)
    if API in names and len(names) > 1:
        stop("The API runs in a process of its own; name the other roles in another one.", code=EXIT_SETTINGS)
    missing = unconfigured(settings) - {"smtp"}
    if missing:
        stop(f"`daftar role` starts no servers; configure: {', '.join(sorted(missing))}.", code=EXIT_SETTINGS)
    tools = Machinery(settings)
    try:
        if names == (API,):
            from api.server import serve_api

            uvloop.run(serve_api(tools))
        else:
            uvloop.run(_run_until_stopped(tools, names))
    except StoreUnavailable as error:
        # At the start only: once it runs, a role outlasts its servers.
        stop(error.message)


async def _run_until_stopped(tools: Machinery, names: Sequence[str]) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await run_roles(tools, names, stopped)


@click.command()
@expecting_failures
def migrate() -> None:
    """Create or upgrade the schema, and rebuild read models whose shape has changed."""
    done = bring_schema_up_to_date(machinery())
    click.echo("\n".join(done) if done else "The schema is up to date.")


def _refuse_busy_port(settings: Settings, names: Sequence[str]) -> None:
    """Say at once that the port is taken, unless the folder tells more about it than the port.

    Whoever works in the folder is named by the supervisor; what a killed one left there is ended by it, the port freed.
    """
    if API not in names:
        return
    folder = DataFolder(data_folder())
    if folder.in_use() or any(left.alive() for left in folder.recorded().values()):
        return
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.http.listen_host, settings.http.port))
        except OSError:
            stop(f"Port {settings.http.port} is taken; choose another with PORT.", code=EXIT_SETTINGS)


def _say_what_to_try(settings: Settings, names: Sequence[str], *, with_demo: bool) -> None:
    if API not in names:
        return
    from api.cli.seeding import what_to_try

    click.echo(what_to_try(settings, with_demo=with_demo))
