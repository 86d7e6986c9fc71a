"""What each process has cost, from /proc: figures that mean something on a busy machine, too."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tests.bench.report import Share

PART = " for "
"""In the name of what is a part of something that is shown, too."""

_TICK = 1 / os.sysconf("SC_CLK_TCK")


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """CPU seconds of our processes, by name, within a window of so many seconds; `others` is what all the rest took."""

    seconds: float
    cpu: dict[str, float]
    others: float

    def shares_of(self, count: int) -> dict[str, Share]:
        """What each took while so many things were done; all those that are not ours as `others`.

        What is named `X for Y` is a part of `X`, and shown after it.
        """
        whole = self.seconds * (os.cpu_count() or 1)
        totals: dict[str, float] = {}
        for name, spent in sorted(self.cpu.items()):
            of, _, part = name.partition(PART)
            totals[of] = totals.get(of, 0.0) + spent
            if part:
                totals[name] = spent
        shares = {
            name: Share(machine=spent / whole, milliseconds=spent * 1000 / count)
            for name, spent in totals.items()
        }
        return {**shares, "others": Share(machine=self.others / whole)}


class Watch:
    """Looks at processes and their descendants, from its making on. What descends from two of them counts for the nearer.

    One that has ended before it is looked at again is not counted.
    """

    def __init__(self, roots: Mapping[str, Sequence[int]]) -> None:
        """`roots` are process numbers by the name to show."""
        self._roots = roots
        self._began = time.monotonic()
        self._first = self._look()

    def spent(self) -> Spent:
        """What was spent so far."""
        now = self._look()
        seconds = time.monotonic() - self._began
        cpu = {name: max(0.0, now[name] - self._first[name]) for name in self._roots}
        busy = now[""] - self._first[""]
        return Spent(seconds=seconds, cpu=cpu, others=max(0.0, busy - sum(cpu.values())))

    def _look(self) -> dict[str, float]:
        parents, seconds = _table()
        found = {"": _busy()}
        ours = {pid for pids in self._roots.values() for pid in pids}
        for name, pids in self._roots.items():
            members = list(pids)
            for member in members:  # grows while it is walked
                members += [pid for pid, parent in parents.items() if parent == member and pid not in ours]
            found[name] = sum(seconds.get(member, 0.0) for member in members)
        return found


def _table() -> tuple[dict[int, int], dict[int, float]]:
    """Of every process its parent, and the CPU seconds of itself and of its children that have ended."""
    parents: dict[int, int] = {}
    seconds: dict[int, float] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # It ended while we looked.
        pid = int(entry.name)
        parents[pid] = int(fields[1])
        seconds[pid] = sum(map(int, fields[11:15])) * _TICK
    return parents, seconds


def _busy() -> float:
    """CPU seconds of the whole machine that were not idle."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) * _TICK
