"""Waiting for several things at once, of which the broker's client ends some in its own way."""

import asyncio
import gc
from typing import Any

from infrastructure.messaging.connection import first_of


async def closed_under_way() -> None:
    """What the client does when its connection breaks while somebody waits for a message: it fails a moment later."""
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        await asyncio.sleep(0.02)
        raise ConnectionError("The connection is closed.") from None


async def test_an_end_that_comes_first_ends_the_work() -> None:
    end = asyncio.Event()
    waiting = asyncio.create_task(first_of(closed_under_way(), end))
    await asyncio.sleep(0)
    end.set()
    assert await waiting is None


async def test_work_that_is_done_first_is_the_answer() -> None:
    async def work() -> int:
        return 7

    assert await first_of(work(), asyncio.Event()) == (7,)


async def test_nobody_complains_of_work_that_fails_when_everything_ends_at_once() -> None:
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    try:
        end = asyncio.Event()
        waiting = asyncio.create_task(first_of(closed_under_way(), end))
        await asyncio.sleep(0)
        end.set()
        await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        del waiting
        await asyncio.sleep(0.05)
        gc.collect()
        assert complaints == []
    finally:
        loop.set_exception_handler(before)
