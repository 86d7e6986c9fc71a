"""Whoever asks whatever, of whichever process, in whatever order, and whatever breaks: a marketplace keeps its promises.

A machine (`marketplace.py`) asks; a model in plain Python (`model.py`) says what must become of it; the log is read and
folded anew after every step (`clerk.py`, `history.py`). `MACHINE_MINUTES` has each machine run for so long, with other cases
each time; without it they are short and always the same.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.application.machines.broken import BROKEN, Break
from tests.application.machines.marketplace import Marketplace
from tests.application.machines.worlds import World, WorldInMemory, WorldInPostgres

MINUTES = float(os.environ.get("MACHINE_MINUTES", "0"))

pytestmark = pytest.mark.timeout(300 + 120 * MINUTES)

SHORT = settings(
    max_examples=300,
    stateful_step_count=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
"""Health checks suspect long examples; long ones are what this is about."""

MUST_BE_SEEN = {
    "replayed",
    "took effect unanswered",
    "unavailable",
    "killed",
    "shutdown",
    "hanging_up",
    "conflict",
    "batch of several",
    "order of several sellers",
    "order refunded",
    "payment partially_refunded",
    "AccrueEarnings",
    "INSUFFICIENT_STOCK",
    "REFUND_EXCEEDS_PAYMENT",
    "IDEMPOTENCY_KEY_REUSED",
    "INVALID_ORDER_STATE",
}
"""What a run in memory has to come across, or it proves less than it says."""


@pytest.fixture
def in_memory() -> Iterator[WorldInMemory]:
    """All in this process."""
    world = WorldInMemory()
    yield world
    world.close()


@pytest.fixture
def in_postgres(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[WorldInPostgres]:
    """A database of the test's own."""
    world = WorldInPostgres(database_url, monkeypatch)
    yield world
    world.close()


def run(world: World, short: settings) -> Counter[str]:
    """Let the machine run; returns what it has come across, and how often."""
    seen: Counter[str] = Counter()

    class MarketplaceHere(Marketplace):
        def __init__(self) -> None:
            super().__init__(world, seen)

    if not MINUTES:
        run_state_machine_as_test(MarketplaceHere, settings=short)
        return seen
    until = time.monotonic() + 60 * MINUTES
    wild = settings(short, max_examples=50, stateful_step_count=120, derandomize=False)
    while time.monotonic() < until:
        run_state_machine_as_test(MarketplaceHere, settings=wild)
    return seen


def test_a_marketplace_keeps_its_promises(in_memory: WorldInMemory) -> None:
    seen = run(in_memory, SHORT)
    assert not {happening for happening in MUST_BE_SEEN if not seen[happening]}


@pytest.mark.services
def test_a_marketplace_keeps_its_promises_in_the_real_database(in_postgres: WorldInPostgres) -> None:
    seen = run(in_postgres, settings(SHORT, max_examples=60, stateful_step_count=40))
    assert not {happening for happening in ("conflict", "order delivered") if not seen[happening]}


@pytest.mark.skipif(bool(MINUTES), reason="what breaks is found quickly, or not at all")
@pytest.mark.parametrize("break_it", BROKEN, ids=lambda each: each.__name__)
def test_a_broken_marketplace_is_found_out(
    break_it: Break, in_memory: WorldInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_it(monkeypatch)
    with pytest.raises(AssertionError):
        run(in_memory, settings(SHORT, phases=[Phase.generate], report_multiple_bugs=False, print_blob=False))
