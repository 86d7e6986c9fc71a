"""Handing over what was gathered, again and again and at the end."""

import asyncio
from contextlib import suppress

import pytest

from infrastructure.flushing import Flushing, portions


class Gathering(Flushing):
    """Counts; the first flush loses what cancels it, as `asyncio.wait_for` of Python 3.11 does now and then."""

    def __init__(self, *, loses: bool = False) -> None:
        super().__init__(name="gathering", flush_seconds=0.001)
        self.loses = loses
        self.under_way = asyncio.Event()
        self.flushed: list[bool] = []

    async def flush(self, *, ending: bool = False) -> None:
        self.flushed.append(ending)
        self.under_way.set()
        if self.loses and not ending:
            self.loses = False
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)


async def test_it_is_handed_over_once_more_at_the_end() -> None:
    gathering = Gathering()
    async with gathering:
        await gathering.under_way.wait()
    assert gathering.flushed[-1] is True
    assert gathering.flushed.count(True) == 1


async def test_it_ends_although_a_cancellation_is_lost() -> None:
    gathering = Gathering(loses=True)
    async with asyncio.timeout(10):
        async with gathering:
            await gathering.under_way.wait()
    assert gathering.flushed[-1] is True


async def test_between_two_portions_others_have_their_turn() -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beside = asyncio.create_task(others())
    seen = [(list(some), turns) async for some in portions(list(range(5)), 2)]
    beside.cancel()
    assert [some for some, _ in seen] == [[0, 1], [2, 3], [4]]
    assert seen[0][1] < seen[1][1] < seen[2][1]


async def test_whoever_is_ending_does_not_rest() -> None:
    async def all_of_it() -> int:
        return len([some async for some in portions(range(100_000), 1, ending=True)])

    # It runs to its end in one go, without giving way.
    with pytest.raises(StopIteration) as end:
        all_of_it().send(None)
    assert end.value.value == 100_000
