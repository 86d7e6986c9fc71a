"""The product as its users run it: its own processes, on real servers, asked over HTTP."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import httpx

ROOT = Path(__file__).resolve().parents[2]
ADMIN_EMAIL = "admin@example.uz"
ADMIN_PASSWORD = "an admin of tests only"


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Running:
    """One installation: API workers and the background roles, each a process."""

    def __init__(self, environment: Mapping[str, str], folder: Path, *, workers: int) -> None:
        """`environment` names the servers; logs go to `folder`."""
        self.environment = dict(environment)
        self.port = int(self.environment["PORT"])
        self.url = f"http://127.0.0.1:{self.port}"
        self._folder = folder
        self._workers = workers
        self.processes: dict[str, asyncio.subprocess.Process] = {}

    async def start(self, name: str) -> None:
        """Start one process: `api-1`, `background`, ..."""
        role = "api" if name.startswith("api") else "projector,publisher,workflows,scheduler"
        with (self._folder / f"{name}.log").open("ab") as log:
            self.processes[name] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "api.cli", "role", role,
                cwd=ROOT, env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip

    async def start_all(self) -> None:
        """Start everything and wait until it answers."""
        for number in range(1, self._workers + 1):
            await self.start(f"api-{number}")
        await self.start("background")
        await self.until_healthy()

    async def until_healthy(self, seconds: float = 30.0) -> None:
        """Wait for the first answer.

        Raises:
            AssertionError: a process ended, or none answered in time.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        async with httpx.AsyncClient() as client:
            while True:
                for name, process in self.processes.items():
                    if process.returncode is not None:
                        raise AssertionError(f"{name} ended with {process.returncode}:\n{self.log_of(name)}")
                try:
                    if (await client.get(f"{self.url}/health")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                if asyncio.get_running_loop().time() > deadline:
                    raise AssertionError(f"No answer in {seconds} s:\n{self.log_of('api-1')}")
                await asyncio.sleep(0.05)

    async def kill(self, name: str) -> None:
        """SIGKILL: no chance to tidy up."""
        process = self.processes[name]
        process.kill()
        await process.wait()

    async def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask to end; returns the exit code."""
        process = self.processes.pop(name)
        if process.returncode is None:
            process.send_signal(number)
        try:
            return await asyncio.wait_for(process.wait(), 20)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError(f"{name} did not end in 20 s:\n{self.log_of(name)}") from None

    async def stop_all(self) -> None:
        """End everything that still runs."""
        for name in list(self.processes):
            await self.stop(name)

    def log_of(self, name: str) -> str:
        """The end of a process's log."""
        path = self._folder / f"{name}.log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    async def daftar(self, *arguments: str) -> tuple[int, str]:
        """Run the command line; exit code and output."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "api.cli", *arguments,
            cwd=ROOT, env=self.environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await asyncio.wait_for(process.communicate(), 300)
        assert process.returncode is not None
        return process.returncode, output.decode()


def environment_of(servers: Mapping[str, str], database_url: str, **more: str) -> dict[str, str]:
    """Settings of an installation for tests, without anything of the developer's shell."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        **servers,
        "DATABASE_URL": database_url,
        "APP_ENV": "test",
        "PORT": str(free_port()),
        "BCRYPT_ROUNDS": "4",
        "RATE_LIMIT_ENABLED": "false",
        "JWT_SECRET": "a" * 40,
        "JWT_REFRESH_SECRET": "b" * 40,
        "PASSWORD_PEPPER": "c" * 40,
        "ENCRYPTION_KEY": "d1" * 32,
        "SUPER_ADMIN_EMAIL": ADMIN_EMAIL,
        "SUPER_ADMIN_PASSWORD": ADMIN_PASSWORD,
        "NATS_PREFIX": f"t{uuid4().hex[:12]}",
        "PYTHONUNBUFFERED": "1",
        **more,
    }


@asynccontextmanager
async def running(
    environment: Mapping[str, str], folder: Path, *, workers: int = 1
) -> AsyncIterator[Running]:
    """An installation from its migration to its end."""
    from api.cli.seeding import bootstrap_super_admin
    from infrastructure.bootstrap import Machinery
    from infrastructure.roles import bring_schema_up_to_date
    from infrastructure.settings import Settings

    tools = Machinery(Settings.from_environment(environment))
    await asyncio.to_thread(bring_schema_up_to_date, tools)
    await bootstrap_super_admin(tools)
    installation = Running(environment, folder, workers=workers)
    try:
        await installation.start_all()
        yield installation
    finally:
        await installation.stop_all()
