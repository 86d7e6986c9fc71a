"""Who works when only some may at a time."""

import asyncio

import pytest

from projections.shared.turns import TooManyAsk, Turns


class Workshop:
    """Work that lasts until it is let go."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun: list[int] = []
        self.let_go: dict[int, asyncio.Event] = {}

    async def work(self, number: int) -> int:
        self.let_go[number] = asyncio.Event()
        async with self.turns.one():
            self.begun.append(number)
            await self.let_go[number].wait()
        return number

    async def start(self, *numbers: int) -> list["asyncio.Task[int]"]:
        tasks = [asyncio.create_task(self.work(number)) for number in numbers]
        await asyncio.sleep(0.01)
        return tasks


async def test_so_many_work_at_once_and_the_others_in_the_order_in_which_they_came() -> None:
    shop = Workshop(Turns(2, patience_seconds=10))
    tasks = await shop.start(1, 2, 3, 4)
    assert shop.begun == [1, 2]
    shop.let_go[2].set()
    await asyncio.sleep(0.01)
    assert shop.begun == [1, 2, 3]
    for event in shop.let_go.values():
        event.set()
    assert await asyncio.gather(*tasks) == [1, 2, 3, 4]
    assert shop.begun == [1, 2, 3, 4]


async def test_whoever_waits_too_long_is_refused_and_holds_nobody_up() -> None:
    shop = Workshop(Turns(1, patience_seconds=0.05))
    first, second = await shop.start(1, 2)
    with pytest.raises(TooManyAsk):
        await second
    shop.let_go[1].set()
    assert await first == 1
    (third,) = await shop.start(3)
    shop.let_go[3].set()
    assert await third == 3


async def test_whoever_hangs_up_or_fails_gives_the_turn_back() -> None:
    turns = Turns(1, patience_seconds=10)
    shop = Workshop(turns)
    first, second = await shop.start(1, 2)
    second.cancel()
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    with pytest.raises(ZeroDivisionError):
        async with turns.one():
            raise ZeroDivisionError
    async with asyncio.timeout(1), turns.one():
        pass
