"""Keeping children running: start, health, restart after a crash, ordered end.

Children are spawned from the main thread only: the kernel sends the death signal of `launch.py` when the *thread* that
spawned a child ends (prctl(2)), not when the process does.
"""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import structlog

from infrastructure.embedded import health
from infrastructure.embedded.child import Child, Output, Restart
from infrastructure.embedded.errors import EmbeddedError, GaveUp, NotRunning, StartFailed
from infrastructure.embedded.folder import DataFolder
from infrastructure.embedded.processes import exit_description

log = structlog.get_logger(__name__)

LAUNCHER = Path(__file__).with_name("launch.py")

POLL_SECONDS = 0.02
SETTLE_SECONDS = 0.1
"""How long a child without a health question must run to count as healthy."""

CRASHES_ALLOWED = 5
CRASH_WINDOW_SECONDS = 60.0
BACKOFF_SECONDS = 0.1
BACKOFF_LIMIT_SECONDS = 5.0
KILLED_SECONDS = 10.0
"""How long the kernel may take to end a killed process; only one that hangs in a disk or driver takes longer."""


class RunningProcess:
    """One started process of a child, from its start to its end."""

    def __init__(self, child: Child, folder: DataFolder) -> None:
        self._child = child
        self._folder = folder
        self._popen, self._log_start = _spawn(child, folder)
        self.pid = self._popen.pid
        self.ended: asyncio.Task[int] = asyncio.create_task(self._collect(), name=f"{child.name}-ended")

    def note(self) -> None:
        """Write it down for the next supervisor."""
        self._folder.remember(self._child.name, self.pid, self._child.death_signal)

    def send(self, number: signal.Signals) -> None:
        """Send a signal; a process that has ended takes no notice."""
        if self._popen.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def end(self, *, number: signal.Signals, grace_seconds: float, hurry: asyncio.Event) -> int | None:
        """Ask it to end; kill its process group when the grace is over or someone is in a hurry.

        Returns:
            Its exit code, or None when not even killing ended it.
        """
        if not self.ended.done():
            self.send(number)
            hurried = asyncio.create_task(hurry.wait())
            try:
                await asyncio.wait(
                    {self.ended, hurried}, timeout=grace_seconds, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                hurried.cancel()
        if not self.ended.done():
            log.warning("child_killed", name=self._child.name, pid=self.pid, after_seconds=grace_seconds)
            self._kill_group()
            await asyncio.wait({self.ended}, timeout=KILLED_SECONDS)
        if not self.ended.done():
            log.error("child_unkillable", name=self._child.name, pid=self.pid)
            return None
        return self.ended.result()

    async def kill(self) -> None:
        """End it at once, with everything in its process group."""
        if not self.ended.done():
            self._kill_group()
            await asyncio.wait({self.ended}, timeout=KILLED_SECONDS)

    def last_words(self) -> str:
        """The end of what it printed, to follow a message; empty when it printed nothing."""
        if self._child.output is Output.INHERIT:
            return ""
        tail = self._folder.tail(self._child.name, since=self._log_start)
        return f"\n--- {self._folder.log_of(self._child.name)}\n{tail}" if tail else ""

    async def _collect(self) -> int:
        await _exited(self._popen)
        # The ended process is still a zombie, so its number can't belong to another group yet.
        self._kill_group()
        code = self._popen.wait()
        self._folder.forget(self._child.name)
        return code

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def _spawn(child: Child, folder: DataFolder) -> tuple[subprocess.Popen[bytes], int]:
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("Children are started from the main thread: the kernel ends them with the thread.")
    argv = (
        sys.executable,
        "-I",
        "-S",
        str(LAUNCHER),
        str(os.getpid()),
        child.run_as or "-",
        str(int(child.death_signal)),
        *child.argv,
    )
    with nullcontext(None) if child.output is Output.INHERIT else folder.open_log(child.name) as file:
        log_start = 0 if file is None else file.tell()
        popen = subprocess.Popen(  # noqa: S603 - the argument lists are ours, no shell takes part
            argv,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=child.cwd,
            env=child.env,
            start_new_session=True,
        )
    return popen, log_start


async def _exited(popen: subprocess.Popen[bytes]) -> None:
    """Wait until a process is a zombie (Linux) or collected (elsewhere)."""
    try:
        descriptor = os.pidfd_open(popen.pid)
    except (AttributeError, OSError):
        while popen.poll() is None:  # noqa: ASYNC110 - there is no event to wait for without a pidfd
            await asyncio.sleep(POLL_SECONDS)
        return
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


async def run_once(child: Child, folder: DataFolder) -> None:
    """Run a program to its end.

    Raises:
        StartFailed: it ended with another exit code than 0, or took longer than `start_seconds`.
    """
    process = RunningProcess(child, folder)
    try:
        process.note()
        await asyncio.wait({process.ended}, timeout=child.start_seconds)
        if not process.ended.done():
            raise StartFailed(
                f"{child.name} took longer than {child.start_seconds:g} s.{process.last_words()}"
            )
        code = process.ended.result()
        if code != 0:
            raise StartFailed(f"{child.name} failed: {exit_description(code)}.{process.last_words()}")
    finally:
        await process.kill()


class Keeper:
    """Keeps one child running until it is told to stop."""

    def __init__(
        self,
        child: Child,
        folder: DataFolder,
        *,
        hurry: asyncio.Event,
        failed: Callable[[EmbeddedError], None],
    ) -> None:
        if isinstance(child.health, str):
            health.http_address(child.health)
        self.child = child
        self._folder = folder
        self._hurry = hurry
        self._failed = failed
        self._turn = asyncio.Lock()
        self._process: RunningProcess | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._healthy = asyncio.Event()
        self._killed_on_purpose = False

    @property
    def pid(self) -> int:
        """The process number of the child.

        Raises:
            NotRunning: it is stopped, or just being started again.
        """
        if self._process is None or self._process.ended.done():
            raise NotRunning(f"{self.child.name} isn't running.")
        return self._process.pid

    async def start(self) -> None:
        """Start the child and wait until it is healthy; one that runs is left alone.

        Raises:
            StartFailed: it ended or didn't answer in time. The first start isn't repeated: a fault that is there from
                the beginning is for people to mend.
        """
        async with self._turn:
            if self._watcher is not None and not self._watcher.done():
                return
            await self._launch()
            self._watcher = asyncio.create_task(self._watch(), name=f"{self.child.name}-watch")

    async def stop(self) -> None:
        """Stop the child in order and leave it stopped; one that is stopped is left alone."""
        async with self._turn:
            if self._watcher is not None:
                self._watcher.cancel()
                await asyncio.wait({self._watcher})
                self._watcher = None
            self._healthy.clear()
            process, self._process = self._process, None
            if process is None:
                self._clean()
                return
            began = time.monotonic()
            code = await process.end(
                number=self.child.stop_signal, grace_seconds=self.child.grace_seconds, hurry=self._hurry
            )
            self._clean()
            log.info(
                "child_stopped",
                name=self.child.name,
                how="still there" if code is None else exit_description(code),
                seconds=round(time.monotonic() - began, 3),
            )

    async def kill(self) -> None:
        """Kill the child's process as an outage would, and wait until it is dead; it is then started again.

        Such an end isn't counted among the crashes.
        """
        pid = self.pid
        assert self._process is not None, "it has a process number"
        self._killed_on_purpose = True
        self._healthy.clear()
        os.kill(pid, signal.SIGKILL)
        await asyncio.wait({self._process.ended})

    async def healthy(self) -> None:
        """Wait until the child answers."""
        await self._healthy.wait()

    async def _launch(self) -> None:
        child = self.child
        began = time.monotonic()
        process: RunningProcess | None = None
        try:
            async with asyncio.timeout(child.start_seconds) as deadline:
                if child.prepare is not None:
                    await child.prepare()
                process = self._process = RunningProcess(child, self._folder)
                process.note()
                await self._until_it_answers(process)
                if child.complete is not None:
                    await child.complete()
            if process.ended.done():
                raise self._start_failure(process, "after its first answer")
        except (EmbeddedError, asyncio.CancelledError):
            await self._abandon(process)
            raise
        except Exception as error:
            await self._abandon(process)
            words = process.last_words() if process is not None else ""
            if deadline.expired():
                raise StartFailed(
                    f"{child.name} wasn't ready after {child.start_seconds:g} s.{words}"
                ) from error
            raise StartFailed(f"{child.name} can't be started: {error}{words}") from error
        self._healthy.set()
        log.info("child_ready", name=child.name, pid=process.pid, seconds=round(time.monotonic() - began, 3))

    async def _until_it_answers(self, process: RunningProcess) -> None:
        question = self.child.health
        if question is None:
            await asyncio.wait({process.ended}, timeout=SETTLE_SECONDS)
        while not process.ended.done():
            if question is None or await health.asked(question):
                return
            await asyncio.wait({process.ended}, timeout=POLL_SECONDS)
        raise self._start_failure(process, "before it answered")

    def _start_failure(self, process: RunningProcess, when: str) -> StartFailed:
        how = exit_description(process.ended.result())
        return StartFailed(f"{self.child.name} ended {when}: {how}.{process.last_words()}")

    async def _abandon(self, process: RunningProcess | None) -> None:
        if process is not None:
            await process.kill()
        self._process = None
        self._clean()

    def _clean(self) -> None:
        if self.child.clean is not None:
            self.child.clean()

    async def _watch(self) -> None:
        """Start the child again whenever it ends, until it ends too often."""
        crashes: deque[float] = deque()
        failed_starts = 0
        last = ""
        while True:
            process = self._process
            if process is not None:
                await asyncio.wait({process.ended})
                self._healthy.clear()
                how = exit_description(process.ended.result())
                log.warning("child_ended", name=self.child.name, pid=process.pid, how=how)
                last = f"{self.child.name} ended: {how}.{process.last_words()}"
            if self.child.restart is Restart.NEVER:
                self._failed(GaveUp(last))
                return
            if self._killed_on_purpose:
                self._killed_on_purpose = False
            else:
                now = time.monotonic()
                crashes.append(now)
                while now - crashes[0] > CRASH_WINDOW_SECONDS:
                    crashes.popleft()
            if len(crashes) >= CRASHES_ALLOWED or failed_starts >= CRASHES_ALLOWED:
                self._failed(
                    GaveUp(
                        f"{self.child.name} ended too often and isn't started again. The last time: {last}"
                    )
                )
                return
            await asyncio.sleep(min(BACKOFF_SECONDS * 2 ** max(len(crashes) - 1, 0), BACKOFF_LIMIT_SECONDS))
            try:
                await self._launch()
            except EmbeddedError as error:
                failed_starts += 1
                last = str(error)
                log.warning("restart_failed", name=self.child.name, error=last)
            else:
                failed_starts = 0


class Crew:
    """Several children that start together, in order, and end together, the other way round."""

    def __init__(self, children: Iterable[Child], folder: DataFolder, *, hurry: asyncio.Event) -> None:
        self._keepers: dict[str, Keeper] = {}
        self._failure: EmbeddedError | None = None
        self._has_failed = asyncio.Event()
        for child in children:
            if child.name in self._keepers:
                raise ValueError(f"Two children have the name {child.name!r}.")
            self._keepers[child.name] = Keeper(child, folder, hurry=hurry, failed=self._note_failure)

    def __getitem__(self, name: str) -> Keeper:
        return self._keepers[name]

    def __contains__(self, name: str) -> bool:
        return name in self._keepers

    async def start(self) -> None:
        """Start all; when one can't be started, those that are already up are stopped again.

        Raises:
            EmbeddedError: the reason of the first that failed.
        """
        try:
            for group in self._in_order():
                await _all([keeper.start() for keeper in group])
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all; what stands in the way of one is raised when the others are stopped."""
        problems: list[BaseException] = []
        for group in reversed(self._in_order()):
            outcomes = await asyncio.gather(*(keeper.stop() for keeper in group), return_exceptions=True)
            problems += [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if problems:
            raise problems[0]

    async def failed(self) -> EmbeddedError:
        """Wait until a child is given up, and say why. Others keep running."""
        await self._has_failed.wait()
        assert self._failure is not None, "the event is set with the reason"
        return self._failure

    def _note_failure(self, error: EmbeddedError) -> None:
        if self._failure is None:
            self._failure = error
            self._has_failed.set()

    def _in_order(self) -> Sequence[list[Keeper]]:
        keepers = sorted(self._keepers.values(), key=lambda keeper: keeper.child.order)
        return [list(group) for _, group in itertools.groupby(keepers, key=lambda keeper: keeper.child.order)]


async def _all(starts: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run all together; the first failure cancels the rest and is raised."""
    tasks = [asyncio.create_task(start) for start in starts]
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise


async def unless_failed(crew: Crew, work: Awaitable[None]) -> None:
    """Do some work, but give it up when a child of the crew is given up.

    Raises:
        EmbeddedError: the crew's failure.
    """
    task = asyncio.ensure_future(work)
    failure = asyncio.create_task(crew.failed())
    try:
        await asyncio.wait({task, failure}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise failure.result()
    finally:
        failure.cancel()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()  # Seen, and outweighed by why the work was abandoned.
    await task
