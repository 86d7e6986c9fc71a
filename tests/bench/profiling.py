"""In which functions a process spends its time, sampled from outside by py-spy (in the `dev` group).

The same by hand, for any Daftar that runs, with the number of its API process:

    py-spy record --pid PID --duration 10 --rate 250 --function --format raw --output build/api.folded

Where py-spy is missing, or may not look into other processes (containers without the right to trace, hardened
kernels), there is no profile, and the figures stand without.
"""

import asyncio
import shutil
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.bench.report import Hot

RATE = 250
"""Samples a second."""


def find_sampler() -> Path | None:
    """py-spy, if it is installed."""
    beside = Path(sys.executable).parent / "py-spy"
    found = beside if beside.exists() else shutil.which("py-spy")
    return None if found is None else Path(found)


async def profile(pid: int, seconds: int, folded: Path) -> list[Hot] | None:
    """Look at a process for so long; the functions by their own time, most first. `folded` keeps the stacks.

    None when it cannot be looked at.
    """
    sampler = find_sampler()
    if sampler is None:
        return None
    await asyncio.to_thread(folded.parent.mkdir, exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        str(sampler), "record", "--pid", str(pid), "--duration", str(seconds), "--rate", str(RATE),
        "--function", "--format", "raw", "--output", str(folded),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    if await asyncio.wait_for(process.wait(), seconds + 30) != 0:
        return None
    return hottest((await asyncio.to_thread(folded.read_text)).splitlines())


def hottest(stacks: Iterable[str]) -> list[Hot]:
    """Functions by their own time, from folded stacks: `outermost;...;innermost count`, a line each."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    samples = 0
    for line in stacks:
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        samples += int(count)
        own[frames[-1]] += int(count)
        for frame in set(frames):
            total[frame] += int(count)
    return [
        Hot(function=function, own=count / samples, total=total[function] / samples)
        for function, count in own.most_common()
    ]
