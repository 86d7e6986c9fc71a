"""Handing over what was gathered, again and again and at the end."""

import asyncio
from contextlib import suppress

from infrastructure.flushing import Flushing


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
