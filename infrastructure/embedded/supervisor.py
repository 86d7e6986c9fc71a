"""Embedded servers for those who need their URLs, and the supervision of a whole Daftar on one machine."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from infrastructure.embedded import services
from infrastructure.embedded.child import Child
from infrastructure.embedded.errors import EmbeddedError, NotRunning
from infrastructure.embedded.folder import DataFolder
from infrastructure.embedded.keeper import Crew, Keeper, unless_failed
from infrastructure.embedded.services import ALL, DevelopmentSecrets, ServiceUrls

log = structlog.get_logger(__name__)

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class EmbeddedServices:
    """Some of the five embedded servers, running while the context is open.

        async with EmbeddedServices(Path(".daftar"), frozenset(("postgres", "nats"))) as servers:
            connection = await psycopg.AsyncConnection.connect(servers.urls.database_url)

    Addresses, secrets and data stay the same from one start to the next. A server that crashes is started again.
    Must be used in the main thread.
    """

    def __init__(
        self, data_dir: Path, wanted: frozenset[str] = ALL, *, hurry: asyncio.Event | None = None
    ) -> None:
        """Choose a data folder and servers by name; `hurry`, once set, makes every stop a kill.

        Raises:
            ValueError: a name isn't one of ours.
        """
        self.folder = DataFolder(data_dir)
        self._wanted = services.checked(wanted)
        self._hurry = hurry or asyncio.Event()
        self._crew: Crew | None = None
        self._urls: ServiceUrls | None = None
        self._secrets: DevelopmentSecrets | None = None

    async def __aenter__(self) -> Self:
        """Start all together and wait until all answer.

        Raises:
            AlreadyRunning: another supervisor works on the folder.
            NotInstalled, RightsMissing, FolderUnusable, StartFailed: see there.
        """
        await self.folder.acquire()
        try:
            secrets = self.folder.secrets()
            ports = self.folder.ports(services.port_names(self._wanted))
            self._urls = services.urls(self._wanted, self.folder, ports, secrets)
            self._secrets = services.development_secrets(secrets)
            crew = Crew(
                services.children(self._wanted, self.folder, ports, secrets), self.folder, hurry=self._hurry
            )
            await crew.start()
            self._crew = crew
        except BaseException:
            self.folder.release()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all together and let the folder go."""
        crew, self._crew = self._crew, None
        try:
            if crew is not None:
                await crew.stop()
        finally:
            self.folder.release()

    @property
    def urls(self) -> ServiceUrls:
        """Where the servers answer."""
        if self._urls is None:
            raise NotRunning("The embedded servers haven't been started yet.")
        return self._urls

    @property
    def secrets(self) -> DevelopmentSecrets:
        """Secrets for an application that has none configured; they stay with the data folder."""
        if self._secrets is None:
            raise NotRunning("The embedded servers haven't been started yet.")
        return self._secrets

    async def stop_service(self, name: str) -> None:
        """Stop one server in order; it stays away until it is started again."""
        await self._keeper(name).stop()

    async def start_service(self, name: str) -> None:
        """Start a server that was stopped or given up, and wait until it answers.

        Raises:
            StartFailed: it doesn't.
        """
        await self._keeper(name).start()

    async def kill_service(self, name: str) -> None:
        """Kill one server with SIGKILL and wait until it is dead; it is started again by itself.

        Raises:
            NotRunning: there is nothing to kill.
        """
        await self._keeper(name).kill()

    async def until_ready(self, name: str, *, seconds: float = 30.0) -> None:
        """Wait until a server answers, after a kill or a crash.

        Raises:
            TimeoutError: it didn't in that time.
        """
        async with asyncio.timeout(seconds):
            await self._keeper(name).healthy()

    def pid_of(self, name: str) -> int:
        """The process number of a server; of the postmaster for PostgreSQL.

        Raises:
            NotRunning: it is stopped, or just being started again.
        """
        return self._keeper(name).pid

    async def failed(self) -> EmbeddedError:
        """Wait until some server is given up because it keeps crashing, and say why."""
        return await self._running().failed()

    async def unless_failed(self, work: Awaitable[None]) -> None:
        """Do some work, but abandon it when a server is given up.

        Raises:
            GaveUp: a server keeps crashing.
        """
        await unless_failed(self._running(), work)

    def _running(self) -> Crew:
        if self._crew is None:
            raise NotRunning("The embedded servers aren't running.")
        return self._crew

    def _keeper(self, name: str) -> Keeper:
        services.checked(frozenset((name,)))
        crew = self._running()
        if name not in crew:
            raise NotRunning(f"{name} isn't among the servers that were asked for.")
        return crew[name]


class Supervisor:
    """Runs a whole Daftar: embedded servers, then migrations, then roles; and stops it the other way round."""

    def __init__(self, data_dir: Path, wanted: frozenset[str] = ALL) -> None:
        """Choose a data folder, and by name the servers that aren't configured elsewhere; none is fine.

        Raises:
            ValueError: a name isn't one of ours.
        """
        self._hurry = asyncio.Event()
        self._services = EmbeddedServices(data_dir, wanted, hurry=self._hurry)

    @property
    def services(self) -> EmbeddedServices:
        """The embedded servers, for `migrate` and `children` to ask for secrets."""
        return self._services

    @property
    def secrets(self) -> DevelopmentSecrets:
        """Secrets for an application that has none configured; known from the moment `migrate` is called."""
        return self._services.secrets

    async def run(
        self,
        *,
        migrate: Callable[[ServiceUrls], Awaitable[None]],
        children: Callable[[ServiceUrls], Sequence[Child]],
        ready: Callable[[], None] | None = None,
    ) -> None:
        """Start everything, and return when SIGTERM, SIGINT or SIGHUP has asked to stop and everything has ended.

        A second signal kills what hasn't ended yet. Must be called in the main thread.

        Args:
            migrate: called once all servers answer; brings the database up to date.
            children: describes the roles, which start when it is up to date. Two with one name are an error.
            ready: called once all roles are healthy.

        Raises:
            EmbeddedError: something couldn't be started, or kept crashing; everything else has been stopped.
        """
        stop = asyncio.Event()
        with self._listening(stop):
            work = asyncio.create_task(self._everything(migrate, children, ready))
            asked = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                asked.cancel()
                stopped_here = not work.done()
                work.cancel()
                await asyncio.wait({work})
            if stopped_here and work.cancelled():
                return
            work.result()

    async def _everything(
        self,
        migrate: Callable[[ServiceUrls], Awaitable[None]],
        children: Callable[[ServiceUrls], Sequence[Child]],
        ready: Callable[[], None] | None,
    ) -> None:
        """Run until cancelled or until something fails for good."""
        async with self._services as embedded:
            await embedded.unless_failed(migrate(embedded.urls))
            roles = Crew(children(embedded.urls), embedded.folder, hurry=self._hurry)
            try:
                await embedded.unless_failed(roles.start())
                if ready is not None:
                    ready()
                await embedded.unless_failed(self._until_failure(roles))
            finally:
                await roles.stop()

    @staticmethod
    async def _until_failure(roles: Crew) -> None:
        raise await roles.failed()

    @contextmanager
    def _listening(self, stop: asyncio.Event) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("A supervisor runs in the main thread, where signals arrive.")
        loop = asyncio.get_running_loop()

        def on_signal(number: signal.Signals) -> None:
            log.info("stop_asked", signal=number.name, again=stop.is_set())
            (self._hurry if stop.is_set() else stop).set()

        # Whoever started us with nohup wants us to survive the end of the terminal.
        numbers = [
            n for n in STOP_SIGNALS if n is not signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN
        ]
        for number in numbers:
            loop.add_signal_handler(number, on_signal, number)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)


def find_running(data_dir: Path) -> tuple[ServiceUrls, DevelopmentSecrets] | None:
    """The servers that another process keeps running in a data folder, for tools beside it; None when there is none.

    Raises:
        FolderUnusable: the folder's secrets can't be read.
    """
    folder = DataFolder(data_dir)
    if not folder.in_use():
        return None
    secrets = folder.known_secrets()
    ports = folder.known_ports()
    running = frozenset(
        name
        for name in folder.recorded()
        if name in ALL and all(port in ports for port in services.PORTS[name])
    )
    if secrets is None:
        return None
    return services.urls(running, folder, ports, secrets), services.development_secrets(secrets)
