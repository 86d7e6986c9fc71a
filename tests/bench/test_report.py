"""What `make bench` says about a figure."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.profiling import hottest
from tests.bench.report import Figure, Hot, Peer, Share, document, keep, show


def test_more_is_better_than_the_peer_when_more_is_what_is_wanted() -> None:
    assert Figure("rate", 300.0, "1/s", Peer("other", 100.0)).ratio == 3.0


def test_less_is_better_than_the_peer_when_less_is_what_is_wanted() -> None:
    assert Figure("p99", 50.0, "ms", Peer("other", 100.0), higher_is_better=False).ratio == 2.0


def test_there_is_no_ratio_without_a_peer_or_to_nothing() -> None:
    assert Figure("rate", 300.0, "1/s").ratio is None
    assert Figure("rate", 300.0, "1/s", Peer("other", 0.0)).ratio is None
    assert Figure("wait", 0.0, "ms", Peer("other", 1.0), higher_is_better=False).ratio is None


def test_a_rate_reaches_its_target_from_below_and_a_delay_from_above() -> None:
    assert Figure("rate", 1000.0, "1/s", target=1000.0).reached is True
    assert Figure("rate", 999.9, "1/s", target=1000.0).reached is False
    assert Figure("p99", 150.0, "ms", target=150.0, higher_is_better=False).reached is True
    assert Figure("p99", 150.1, "ms", target=150.0, higher_is_better=False).reached is False


def test_what_has_no_target_is_neither_reached_nor_missed() -> None:
    assert Figure("rate", 1.0, "1/s").reached is None


def test_programs_read_each_figure_beside_its_peer(tmp_path: Path) -> None:
    keep([Figure("rate", 300.0, "1/s", Peer("other", 100.0))], {"cpus": 2}, tmp_path / "build" / "bench.json")
    read = json.loads((tmp_path / "build" / "bench.json").read_text())
    assert read == {
        "machine": {"cpus": 2},
        "rate": {
            "value": 300.0,
            "unit": "1/s",
            "peer": {"name": "other", "value": 100.0},
            "ratio": 3.0,
        },
    }


def test_programs_read_a_missed_target_and_what_the_processes_took() -> None:
    figure = Figure(
        "rate",
        300.0,
        "1/s",
        target=400.0,
        processes={"api": Share(machine=0.25, milliseconds=1.5), "others": Share(machine=0.5)},
        profile=[Hot(function="send", own=0.1, total=0.2)],
    )
    entry = document([figure], {})["rate"]
    assert entry["reached"] is False
    assert entry["peer"] is None
    assert entry["ratio"] is None
    assert entry["processes"]["api"] == {"machine": 0.25, "milliseconds": 1.5}
    assert entry["profile"] == [{"function": "send", "own": 0.1, "total": 0.2}]


def test_no_figure_takes_the_place_of_another() -> None:
    with pytest.raises(ValueError, match="same name"):
        document([Figure("rate", 1.0, "1/s"), Figure("rate", 2.0, "1/s")], {})


def test_people_see_what_each_process_took_for_each_figure() -> None:
    out = io.StringIO()
    figures = [
        Figure("orders", 1.0, "1/s", processes={"api": Share(machine=0.25, milliseconds=1.5)}),
        Figure("purchases", 1.0, "1/s", processes={"api": Share(machine=0.5), "nats": Share(machine=0.125)}),
    ]
    show(figures, Console(file=out, width=170))
    api, nats = (line for line in out.getvalue().splitlines() if "api" in line or "nats" in line)
    assert "1.500 (25.0%)" in api
    assert "(50.0%)" in api
    assert "(12.5%)" in nats


def test_people_see_which_targets_were_missed() -> None:
    out = io.StringIO()
    show(
        [
            Figure("rate_of_orders", 300.0, "1/s", Peer("other", 100.0), target=400.0),
            Figure("slowest", 20.0, "ms", target=30.0, higher_is_better=False),
        ],
        Console(file=out, width=170),
    )
    missed, reached = (
        line for line in out.getvalue().splitlines() if "rate_of_orders" in line or "slowest" in line
    )
    assert "NO" in missed
    assert "3.00 x" in missed
    assert "< 30" in reached
    assert "yes" in reached


def test_the_function_that_was_seen_innermost_most_often_is_the_hottest() -> None:
    hot = hottest(["main (a.py);place (b.py) 3", "main (a.py);place (b.py);send (c.py) 5", "main (a.py) 2"])
    assert hot == [
        Hot(function="send (c.py)", own=0.5, total=0.5),
        Hot(function="place (b.py)", own=0.3, total=0.8),
        Hot(function="main (a.py)", own=0.2, total=1.0),
    ]


def test_a_function_that_calls_itself_is_counted_once_a_sample() -> None:
    (hot,) = hottest(["walk (a.py);walk (a.py) 4"])
    assert hot == Hot(function="walk (a.py)", own=1.0, total=1.0)
