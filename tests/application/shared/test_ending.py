"""Tasks are ended, even those that lose a cancellation."""

import asyncio
from contextlib import suppress

from application.shared.ending import end


async def test_what_loses_a_cancellation_is_cancelled_again() -> None:
    lost = 0

    async def loses_two() -> None:
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if lost == 2:
                    raise
                lost += 1

    task = asyncio.create_task(loses_two())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await end(task, again_seconds=0.01)
    assert task.cancelled()
    assert lost == 2


async def test_how_they_ended_is_nobodys_news() -> None:
    async def fails() -> None:
        raise ValueError("of its own")

    async def fails_when_cancelled() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("while tidying up")

    failed, failing = asyncio.create_task(fails()), asyncio.create_task(fails_when_cancelled())
    await asyncio.sleep(0)
    await end(failed, failing)
    assert isinstance(failed.exception(), ValueError)
    assert isinstance(failing.exception(), ValueError)


async def test_whoever_waits_can_be_cancelled() -> None:
    released = asyncio.Event()

    async def stays() -> None:
        while not released.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)

    staying = asyncio.create_task(stays())
    ending = asyncio.create_task(end(staying, again_seconds=0.01))
    await asyncio.sleep(0.05)
    ending.cancel()
    await asyncio.wait({ending}, timeout=5)
    assert ending.cancelled()
    released.set()
    await end(staying)
    assert staying.done()


async def test_nothing_to_end_is_fine() -> None:
    await end()
