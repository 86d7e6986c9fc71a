"""Waiting for what other processes do: for the fact, with a limit, never for a number of seconds."""

import asyncio
import os
import time
from collections.abc import Callable

from infrastructure.embedded import processes


async def until(fact: Callable[[], object], *, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it didn't come true in time"
        await asyncio.sleep(0.01)


def runs(pid: int) -> bool:
    return processes.started(pid) is not None


def processes_that_mention(text: str) -> list[str]:
    """The command lines of all living processes, but this one, that contain a text."""
    pids = [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
    return [line for pid in pids if runs(pid) and text in (line := processes.command_line(pid))]
