"""`daftar serve` as a process of its own, with a data folder and a port of its own, and all that it starts."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import httpx

from infrastructure.embedded import processes
from tests.support.running import ROOT, free_port

READY = "Daftar is open at"
START_SECONDS = 60.0
STOP_SECONDS = 40.0


class Process:
    """One process for good: its number, and when it started."""

    def __init__(self, pid: int) -> None:
        """`pid` runs at this moment, or did so until just now."""
        self.pid = pid
        self.started = processes.started(pid)
        self.command = processes.command_line(pid)

    @property
    def runs(self) -> bool:
        """Whether it is still there; a number that was given to another process does not count."""
        return self.started is not None and processes.started(self.pid) == self.started

    def __repr__(self) -> str:
        """For the message of a failed test."""
        return f"{self.pid} {self.command[:120]}"


class Serving:
    """One `daftar serve`. At the end of the block it has ended, and so has everything that it started."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        port: int | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`folder` is the data folder; it need not be there yet."""
        self.folder = folder
        self.port = free_port() if port is None else port
        self.url = f"http://127.0.0.1:{self.port}"
        self.options = options
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environment = {
            **kept,
            "DAFTAR_DATA_DIR": str(folder),
            "PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
            **(settings or {}),
        }
        self._log = folder.parent / f"serve-{uuid4().hex}.log"
        self._process: asyncio.subprocess.Process | None = None
        self._family: list[Process] = []

    async def start(self) -> None:
        """Start it, without waiting for anything."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "api.cli", "serve", *self.options,
                cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    async def __aenter__(self) -> Self:
        """Start it and wait until it says that it is open, and is."""
        await self.start()
        try:
            await self._until_open()
        except BaseException:
            await self._end()
            raise
        self._family = family(self.pid)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See to it that nothing is left, whatever the test did."""
        await self._end()

    @property
    def pid(self) -> int:
        """Its process number."""
        return self._running().pid

    @property
    def family(self) -> list[Process]:
        """Itself and everything that it had started when it was open."""
        return self._family

    def said(self) -> str:
        """Everything that it and its children printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; it alone."""
        self._running().send_signal(number)

    async def ended(self, seconds: float = STOP_SECONDS) -> int:
        """Wait for its end; its exit code, negative for a signal.

        Raises:
            AssertionError: it still runs.
        """
        try:
            return await asyncio.wait_for(self._running().wait(), seconds)
        except TimeoutError:
            raise AssertionError(f"It did not end in {seconds} s:\n{self.said()[-4000:]}") from None

    async def daftar(self, *arguments: str) -> str:
        """Run another command of `daftar` beside it; its output.

        Raises:
            AssertionError: it failed.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "api.cli", *arguments,
            cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, f"daftar {' '.join(arguments)}: {out.decode()}{err.decode()}"
        return out.decode()

    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "it has not been started"
        return self._process

    async def _until_open(self) -> None:
        deadline = asyncio.get_running_loop().time() + START_SECONDS
        process = self._running()
        async with httpx.AsyncClient(timeout=5) as client:
            while True:
                assert process.returncode is None, (
                    f"It ended with {process.returncode}:\n{self.said()[-4000:]}"
                )
                # Each line is whole before the next one begins, but a line may still be in the making.
                if READY in self.said():
                    try:
                        if (await client.get(f"{self.url}/health")).status_code == 200:
                            return
                    except httpx.TransportError:
                        pass
                in_time = asyncio.get_running_loop().time() < deadline
                assert in_time, f"It is not open after {START_SECONDS} s:\n{self.said()[-4000:]}"
                await asyncio.sleep(0.05)

    async def _end(self) -> None:
        process = self._process
        if process is None:
            return
        members = [*self._family, *family(process.pid)]
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
            except TimeoutError:
                process.kill()
                await process.wait()
        for member in members:
            if member.runs:
                os.kill(member.pid, signal.SIGKILL)


async def until_gone(members: list[Process], seconds: float = 20.0) -> list[Process]:
    """Wait for the end of all; those that still run when the time is up."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        left = [member for member in members if member.runs]
        if not left or asyncio.get_running_loop().time() > deadline:
            return left
        await asyncio.sleep(0.05)


def family(pid: int) -> list[Process]:
    """A process and all its descendants, whatever session or process group they are in."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except (FileNotFoundError, ProcessLookupError):
            continue  # It ended while we looked.
        parents[int(fields["Pid"])] = int(fields["PPid"])
    found = [pid]
    for member in found:  # grows while it is walked
        found.extend(child for child, parent in parents.items() if parent == member)
    return [Process(member) for member in found if processes.started(member) is not None]
