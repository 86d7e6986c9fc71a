"""The whole product under `daftar serve`, and how its parts are killed: from outside, by process number."""

import os
import signal
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from infrastructure.bootstrap import Machinery
from infrastructure.embedded.folder import DataFolder
from infrastructure.embedded.keeper import CRASH_WINDOW_SECONDS, CRASHES_ALLOWED
from infrastructure.embedded.processes import started
from infrastructure.embedded.services import DevelopmentSecrets, ServiceUrls
from infrastructure.embedded.supervisor import find_running
from infrastructure.settings import Settings
from tests.journeys.crash.plan import Blow
from tests.journeys.serving import Serving, family
from tests.support.running import ADMIN_EMAIL, ADMIN_PASSWORD

SETTINGS: Final = {
    "APP_ENV": "test",
    "BCRYPT_ROUNDS": "4",
    "RATE_LIMIT_ENABLED": "false",
    "JWT_EXPIRES_IN": "6h",
    "SUPER_ADMIN_EMAIL": ADMIN_EMAIL,
    "SUPER_ADMIN_PASSWORD": ADMIN_PASSWORD,
}

LISTENING: Final = "0A"
"""The state of a listening socket in /proc/net/tcp."""


Killed = dict[str, int]
"""Process numbers by the name that the supervisor has for them."""


class House:
    """One installation in a data folder of its own, with its embedded servers, from its opening to its end."""

    def __init__(self, folder: Path, *, workers: int, settings: Mapping[str, str] | None = None) -> None:
        """`folder` holds everything; it is not cleaned up. `settings` are added to those of all rounds."""
        self.data = folder / "data"
        self.workers = workers
        self.serving = Serving(
            self.data, "--workers", str(workers), settings={**SETTINGS, **(settings or {})}
        )
        self.url = self.serving.url
        self._journal = DataFolder(self.data)
        self._kills: dict[str, deque[float]] = defaultdict(deque)

    async def __aenter__(self) -> Self:
        """Open."""
        await self.serving.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, and leave no process behind."""
        await self.serving.__aexit__(kind, error, trace)

    # --- who runs ------------------------------------------------------------------------------------------

    def pid_of(self, name: str) -> int | None:
        """The number of the process that runs under this name now; `None` while it is being started again."""
        process = self._journal.recorded().get(name)
        return process.pid if process is not None and process.alive() else None

    def is_back(self, blow: Blow, killed: Killed) -> bool:
        """Whether other processes than the killed ones do the victim's work; API workers listen, too."""
        for name, pid in killed.items():
            now = self.pid_of(name)
            if now is None:
                return False
            if blow.how == "backend":
                continue  # The postmaster lives; what it answers shows whether it has recovered.
            if now == pid or (blow.victim == "api" and not _listens(now, self.serving.port)):
                return False
        return True

    # --- killing -------------------------------------------------------------------------------------------

    def seconds_to_spare(self, blow: Blow) -> float:
        """How long to wait so that the supervisor does not take our blows for a program that cannot run at all.

        It gives up on what ends five times in a minute, as it should.
        """
        return max(self._seconds_to_spare(name) for name in blow.names)

    def _seconds_to_spare(self, name: str) -> float:
        kills = self._kills[name]
        while kills and time.monotonic() - kills[0] > CRASH_WINDOW_SECONDS:
            kills.popleft()
        if len(kills) < CRASHES_ALLOWED - 1:
            return 0.0
        return kills[0] + CRASH_WINDOW_SECONDS - time.monotonic() + 0.5

    def strike(self, blow: Blow) -> Killed:
        """Kill; returns the processes that the supervisor knows, by name.

        Raises:
            AssertionError: the victim does not run.
        """
        killed: Killed = {}
        for name in blow.names:
            pid = self.pid_of(name)
            assert pid is not None, f"{name} does not run:\n{self.serving.said()[-4000:]}"
            killed[name] = pid
        members = list(killed.values())
        if blow.how in {"everything", "backend"}:
            members = [member.pid for member in family(members[0])]
        if blow.how == "backend":
            others = members[1:]
            members = [others[int(blow.draw * len(others))]]
        else:
            for name in killed:
                self._kills[name].append(time.monotonic())
        for member in members:
            _kill(member)
        return killed

    # --- looking inside ------------------------------------------------------------------------------------

    def urls(self) -> ServiceUrls:
        """Where its servers answer."""
        return self._running()[0]

    def tools(self) -> Machinery:
        """What it takes to read its log."""
        urls, secrets = self._running()
        environment = {**self.serving.environment, **urls.as_environment(), **secrets.as_environment()}
        return Machinery(Settings.from_environment(environment))

    def _running(self) -> tuple[ServiceUrls, DevelopmentSecrets]:
        found = find_running(self.data)
        assert found is not None, "nothing runs in the data folder"
        return found


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # The one before took it along.


def _listens(pid: int, port: int) -> bool:
    """Whether a process itself holds a listening socket on a port."""
    if started(pid) is None:
        return False
    sockets = set()
    try:
        for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
        return any(str(link.readlink()) in sockets for link in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return False
