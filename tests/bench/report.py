"""What a measurement says, and how it is shown."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

RESULTS = Path("build/bench.json")


class Peer(msgspec.Struct, frozen=True):
    """What the figure is held against."""

    name: str
    value: float


class Figure(msgspec.Struct, frozen=True):
    """One measured figure. `higher_is_better` says in which direction the ratio to the peer counts."""

    name: str
    value: float
    unit: str
    peer: Peer | None = None
    higher_is_better: bool = True
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer."""
        if self.peer is None or not self.peer.value or not self.value:
            return None
        ratio = self.value / self.peer.value
        return ratio if self.higher_is_better else 1 / ratio


def show(figures: Sequence[Figure]) -> None:
    """Print the table and keep it as JSON."""
    table = Table("measurement", "figure", "unit", "peer", "its figure", "ratio", "note")
    for figure in figures:
        table.add_row(
            figure.name,
            f"{figure.value:,.1f}",
            figure.unit,
            figure.peer.name if figure.peer else "",
            f"{figure.peer.value:,.1f}" if figure.peer else "",
            f"{figure.ratio:.1f} x" if figure.ratio is not None else "",
            figure.note,
        )
    Console(width=160).print(table)
    RESULTS.parent.mkdir(exist_ok=True)
    document = {
        "machine": {"cpus": os.cpu_count(), "load": os.getloadavg()},
        **{
            figure.name: {
                "value": figure.value,
                "unit": figure.unit,
                "peer": {"name": figure.peer.name, "value": figure.peer.value} if figure.peer else None,
                "ratio": figure.ratio,
            }
            for figure in figures
        },
    }
    RESULTS.write_text(json.dumps(document, indent=2) + "\n")
