"""What a process took is counted for it, for its descendants, and for nobody else."""

import os
import subprocess
import sys

from tests.bench.processes import Spent, Watch
from tests.bench.report import Share

BUSY = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"


def _busy_child(within: str = "") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", within or BUSY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _wait(child: "subprocess.Popen[str]") -> None:
    assert child.stdout is not None
    child.stdout.readline()


def test_what_a_process_and_its_children_took_is_counted() -> None:
    nested = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}])"
    with _busy_child(nested) as child:
        watch = Watch({"child": [child.pid]})
        _wait(child)
        spent = watch.spent()
        child.communicate("\n")
    assert spent.cpu["child"] >= 0.15


def test_what_is_named_by_itself_does_not_count_for_its_parent() -> None:
    with _busy_child() as child:
        watch = Watch({"here": [os.getpid()], "child": [child.pid]})
        _wait(child)
        spent = watch.spent()
        child.communicate("\n")
    assert spent.cpu["child"] >= 0.15
    assert spent.cpu["here"] < 0.15


def test_a_part_is_shown_and_counts_for_the_whole() -> None:
    spent = Spent(seconds=10.0, cpu={"postgres": 1.0, "postgres for api": 3.0, "api": 2.0}, others=0.0)
    shares = spent.shares_of(1000)
    assert shares["postgres"].milliseconds == 4.0
    assert shares["postgres for api"].milliseconds == 3.0
    assert shares["others"] == Share(machine=0.0)
    assert shares["api"].machine == 2.0 / 10.0 / (os.cpu_count() or 1)
