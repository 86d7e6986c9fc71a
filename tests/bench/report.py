"""What a measurement says, and how it is shown."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Column, Table

RESULTS = Path("build/bench.json")


class Peer(msgspec.Struct, frozen=True):
    """What the figure is held against."""

    name: str
    value: float


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """What one process took: which part of all cores, and milliseconds of CPU for each thing that was measured.

    The latter is `None` for what is not ours.
    """

    machine: float
    milliseconds: float | None = None


class Hot(msgspec.Struct, frozen=True, kw_only=True):
    """A function's part of the samples of a profile: in itself, and with all that it called."""

    function: str
    own: float
    total: float


class Figure(msgspec.Struct, frozen=True):
    """One measured figure. `higher_is_better` says in which direction target and ratio to the peer count.

    `target` is what was asked for, in the unit of the figure. `processes` are those that ran meanwhile, by name, `profile`
    the functions in which one of them spent most, `details` whatever else is worth keeping.
    """

    name: str
    value: float
    unit: str
    peer: Peer | None = None
    higher_is_better: bool = True
    note: str = ""
    target: float | None = None
    processes: Mapping[str, Share] = {}
    profile: Sequence[Hot] = ()
    details: Mapping[str, Any] = {}

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer."""
        if self.peer is None or not self.peer.value or not self.value:
            return None
        ratio = self.value / self.peer.value
        return ratio if self.higher_is_better else 1 / ratio

    @property
    def reached(self) -> bool | None:
        """Whether it is as good as was asked for; `None` when nothing was."""
        if self.target is None:
            return None
        return self.value >= self.target if self.higher_is_better else self.value <= self.target


def machine(load_before: Sequence[float]) -> dict[str, Any]:
    """On what was measured; load averages over 1, 5 and 15 minutes before the first and after the last measurement."""
    return {
        "cpus": os.cpu_count(),
        "load": os.getloadavg(),
        "load_before": list(load_before),
        "python": platform.python_version(),
    }


def document(figures: Sequence[Figure], about: Mapping[str, Any]) -> dict[str, Any]:
    """What is written for programs to read: the machine, and each figure by its name.

    Raises:
        ValueError: two have the same name.
    """
    names = [figure.name for figure in figures]
    if len(set(names)) < len(names):
        raise ValueError(f"Two figures have the same name: {', '.join(sorted(names))}")
    return {"machine": dict(about)} | {figure.name: _entry(figure) for figure in figures}


def _entry(figure: Figure) -> dict[str, Any]:
    entry = {
        "value": figure.value,
        "unit": figure.unit,
        "peer": {"name": figure.peer.name, "value": figure.peer.value} if figure.peer else None,
        "ratio": figure.ratio,
        "target": figure.target,
        "reached": figure.reached,
        "note": figure.note,
        "processes": msgspec.to_builtins(figure.processes),
        "profile": msgspec.to_builtins(list(figure.profile)),
        "details": dict(figure.details),
    }
    needed = {"value", "unit", "peer", "ratio"}
    return {name: value for name, value in entry.items() if name in needed or value not in (None, "", {}, [])}


def keep(figures: Sequence[Figure], about: Mapping[str, Any], path: Path = RESULTS) -> None:
    """Write them down, in place of those of an earlier run."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document(figures, about), indent=2) + "\n")


def show(figures: Sequence[Figure], console: Console | None = None) -> None:
    """Print the table, and below it what processes and functions cost where that was looked at."""
    console = console or Console(width=170)
    console.print(_table(figures))
    watched = [figure for figure in figures if figure.processes]
    if watched:
        console.print(_processes(watched))
    for figure in figures:
        if figure.profile:
            console.print(_profile(figure))


def _table(figures: Sequence[Figure]) -> Table:
    table = Table(
        Column("measurement", no_wrap=True),
        "target",
        "figure",
        "unit",
        "reached",
        "peer",
        "its figure",
        "ratio",
        "note",
    )
    verdicts = {None: "", True: "yes", False: "NO"}
    for figure in figures:
        table.add_row(
            figure.name,
            "" if figure.target is None else f"{'' if figure.higher_is_better else '< '}{figure.target:,.0f}",
            _number(figure.value),
            figure.unit,
            verdicts[figure.reached],
            figure.peer.name if figure.peer else "",
            _number(figure.peer.value) if figure.peer else "",
            f"{figure.ratio:.2f} x" if figure.ratio is not None else "",
            figure.note,
        )
    return table


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.1f}"


def _processes(figures: Sequence[Figure]) -> Table:
    title = "What each process took: CPU milliseconds for one, and its part of all cores meanwhile"
    table = Table("process", *(figure.name for figure in figures), title=title)
    for name in dict.fromkeys(name for figure in figures for name in figure.processes):
        table.add_row(name, *(_share(figure.processes.get(name)) for figure in figures))
    return table


def _share(share: Share | None) -> str:
    if share is None:
        return ""
    each = "" if share.milliseconds is None else f"{share.milliseconds:.3f} "
    return f"{each}({share.machine:.1%})"


def _profile(figure: Figure) -> Table:
    table = Table(
        "own time", "with what it calls", "function", title=f"{figure.name}: where the API spent it"
    )
    for hot in figure.profile:
        table.add_row(f"{hot.own:.1%}", f"{hot.total:.1%}", hot.function)
    return table
