"""What runs behind the API: the roles that follow the log, together in one process or each in its own (design §9)."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, ExitStack, closing
from typing import Final

import psycopg
import structlog
from redis.exceptions import RedisError

from application.shared.command import StoreUnavailable
from application.shared.loop import CommandLoop
from infrastructure import last_seen
from infrastructure.bootstrap import PROJECTIONS, Machinery, derived_key
from infrastructure.cache.catalogue import CatalogueEpochs
from infrastructure.cache.redis import connect
from infrastructure.event_store.postgres import PostgresEventStore
from infrastructure.memory import settle_memory
from infrastructure.messaging.connection import first_of
from infrastructure.messaging.consumers import run_workflows
from infrastructure.messaging.consuming import Terms
from infrastructure.messaging.publisher import StreamForeign, run_publisher
from infrastructure.messaging.streams import StreamNames
from infrastructure.migrations.migrate import migrate
from infrastructure.rebuilding import Rebuilder
from infrastructure.standing_follower import StandingFollower
from projections.shared.log import LogGap
from projections.shared.rebuild import RebuildRunning, create_missing, rebuild
from projections.shared.runner import ProjectionRunner

log = structlog.get_logger(__name__)

PAUSE_SECONDS: Final = 1.0
"""Between attempts to reach a server that is away."""

ALARM_SECONDS: Final = 30.0
"""Between two alarms about something that only an operator can mend."""

PROJECTOR_ANSWER_SECONDS: Final = 60.0
"""How long the database may take over one statement of a batch of thousands of events, before it counts as away."""

CLEAN_UP_SECONDS: Final = 3600.0
"""Between deletions of what is kept for a time only (requirements JOB-06)."""

CLEAN_UP_LOCK: Final = 0x0DAF7A14
"""Advisory lock: whoever has it cleans up, all others leave it to them."""


class RoleContext:
    """What the roles of one process share."""

    def __init__(self, machinery: Machinery, commands: CommandLoop, store: PostgresEventStore) -> None:
        """The loop is running."""
        self.machinery = machinery
        self.settings = machinery.settings
        self.codec = machinery.codec
        self.database_url = machinery.database_url
        self.gateways = machinery.payment_gateways()
        self.files = machinery.files()
        self.new_id = machinery.new_id
        self.clock = machinery.clock
        self.commands = commands
        self.store = store
        self.pool = store.pool


Role = Callable[[RoleContext, asyncio.Event], Awaitable[None]]


def bring_schema_up_to_date(machinery: Machinery) -> list[str]:
    """Migrate the write side, create and fill read models that are missing, rebuild those whose shape has changed.

    Returns what was done, a line each. Safe to run in several processes at once.
    """
    with machinery.connect(name="daftar-migrate") as connection:
        done = [f"applied {name}" for name in migrate(connection)]
        with closing(machinery.open_log(name="daftar-migrate")) as history:
            create_missing(connection, PROJECTIONS)
            for projection in PROJECTIONS:
                while create_missing(connection, [projection], head=history.head()):
                    try:
                        rebuild(connection, projection, history)
                        done.append(f"rebuilt {projection.name}")
                    except RebuildRunning:
                        # Another process is at it, perhaps in another shape. What it leaves is looked at again.
                        time.sleep(PAUSE_SECONDS)
    return done


async def run_projector(context: RoleContext, stopped: asyncio.Event) -> None:
    """Keep all read models in step with the log, and make those anew that somebody asked for.

    It works in threads, since it reads and writes synchronously.
    """
    ending = threading.Event()
    work = asyncio.create_task(asyncio.to_thread(_project, context.machinery, ending))
    rebuilder = Rebuilder(context.machinery)
    rebuilder.start()
    told = asyncio.ensure_future(stopped.wait())
    try:
        # Work that ends before it is told to is a bug, and the end of the role: nobody else would notice.
        await asyncio.wait({work, told}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        told.cancel()
        ending.set()
        await asyncio.gather(work, asyncio.to_thread(rebuilder.stop))


def _project(machinery: Machinery, ending: threading.Event) -> None:
    away = False

    def under_way() -> None:
        nonlocal away
        if away:
            log.info("projector_back")
        away = False

    while not ending.is_set():
        try:
            _follow(machinery, ending, under_way)
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            if not away:
                log.warning("projector_lost_database", error=type(error).__name__)
            away = True
            ending.wait(PAUSE_SECONDS)
        except LogGap as gap:
            # Reading on would lose an event for good. An operator must look; meanwhile keep saying so.
            log.critical("log_has_a_gap", reason=str(gap))
            ending.wait(ALARM_SECONDS)


def _follow(machinery: Machinery, ending: threading.Event, under_way: Callable[[], None]) -> None:
    """Follow the log over connections of one's own; `under_way` is called once they are open.

    Raises:
        psycopg.OperationalError, psycopg.InterfaceError: the database is away.
        LogGap: the log lacks a position.
    """

    def on_error(name: str, error: Exception) -> None:
        log.error("projection_failed", projection=name, exc_info=error)

    with ExitStack() as stack:
        on_progress = None
        if machinery.settings.redis_url is not None and machinery.settings.catalogue_cache_seconds:
            epochs = CatalogueEpochs(machinery.settings.redis_url)
            stack.callback(epochs.close)
            on_progress = epochs.on_progress
        history = machinery.open_log(name="daftar-projector", answer_seconds=PROJECTOR_ANSWER_SECONDS)
        stack.callback(history.close)
        connection = stack.enter_context(
            machinery.connect(name="daftar-projector", answer_seconds=PROJECTOR_ANSWER_SECONDS)
        )
        runner = ProjectionRunner(
            PROJECTIONS, history, connection, on_error=on_error, on_progress=on_progress
        )
        under_way()
        runner.run(ending.is_set)


async def run_scheduler(context: RoleContext, stopped: asyncio.Event) -> None:
    """Run jobs by the clock."""
    async with asyncio.TaskGroup() as group:
        group.create_task(_clean_up(context, stopped), name="clean-up")
        group.create_task(_move_last_seen(context, stopped), name="last-seen")


async def _move_last_seen(context: RoleContext, stopped: asyncio.Event) -> None:
    """Let the table know who was at the door; several processes at once do no harm."""
    if context.settings.redis_url is None:
        return
    namespace = derived_key(context.settings, b"last seen")
    due = dict.fromkeys(last_seen.Kind, 0.0)
    redis = connect(context.settings.redis_url)
    try:
        while not stopped.is_set():
            for kind, pace in last_seen.PACE_SECONDS.items():
                if time.monotonic() < due[kind]:
                    continue
                due[kind] = time.monotonic() + pace
                try:
                    await last_seen.move(redis, context.pool, kind, namespace=namespace)
                except (RedisError, TimeoutError, OSError, StoreUnavailable) as error:
                    log.warning("last_seen_postponed", kind=kind.value, error=type(error).__name__)
            await first_of(asyncio.sleep(min(last_seen.PACE_SECONDS.values()) / 4), stopped)
    finally:
        await redis.aclose()


async def _clean_up(context: RoleContext, stopped: asyncio.Event) -> None:
    """Delete what is kept for a time only; among several processes one at a time."""
    while not stopped.is_set():
        try:
            await last_seen.forget_deleted(context.pool)
            forgotten = await context.store.forget_old_answers(lock=CLEAN_UP_LOCK)
            log.info("old_answers_forgotten", count=forgotten)
        except StoreUnavailable:
            log.warning("clean_up_postponed")
        try:
            async with asyncio.timeout(CLEAN_UP_SECONDS):
                await stopped.wait()
        except TimeoutError:
            continue


async def _run_publisher(context: RoleContext, stopped: asyncio.Event) -> None:
    while not stopped.is_set():
        try:
            await run_publisher(context, stopped, names=StreamNames(context.settings.nats_prefix))
        except (LogGap, StreamForeign):
            # It has told so. Only an operator can mend it; screens and mails must not suffer meanwhile.
            await first_of(asyncio.sleep(ALARM_SECONDS), stopped)


async def _run_workflows(context: RoleContext, stopped: asyncio.Event) -> None:
    await run_workflows(
        context,
        stopped,
        names=StreamNames(context.settings.nats_prefix),
        terms=Terms(max_deliveries=context.settings.message_deliveries),
    )


ROLES: Final[Mapping[str, Role]] = {
    "projector": run_projector,
    "publisher": _run_publisher,
    "workflows": _run_workflows,
    "scheduler": run_scheduler,
}
"""The background roles by name."""


async def run_roles(machinery: Machinery, names: Collection[str], stopped: asyncio.Event) -> None:
    """Run these roles until told to stop. The end of one is the end of all: the supervisor starts them anew."""
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(machinery.open_pool(name="daftar-background"))
        commands, store = await stack.enter_async_context(machinery.open_commands(pool))
        context = RoleContext(machinery, commands, store)
        stack.callback(context.files.close)
        await stack.enter_async_context(
            StandingFollower(
                None,
                database_url=machinery.database_url,
                names=machinery.names,
                memories=(store, commands),
            )
        )
        settle_memory()
        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(_run(name, context, stopped), name=name)


async def _run(name: str, context: RoleContext, stopped: asyncio.Event) -> None:
    log.info("role_started", role=name)
    await ROLES[name](context, stopped)
    log.info("role_stopped", role=name)
