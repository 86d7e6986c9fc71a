"""A connection to the broker that breaks, and waiting for several things at once, some of which end in a way of their own."""

import asyncio
import gc
from typing import Any

import pytest
from nats.aio.client import Client

from infrastructure.embedded.services import ServiceUrls
from infrastructure.messaging.connection import connected, first_of


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


@pytest.mark.services
async def test_a_connection_that_is_over_is_noticed_though_the_client_does_not_say_so(
    urls: ServiceUrls, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert urls.nats_url is not None
    async with connected(urls.nats_url, name="test") as broker:
        with monkeypatch.context() as patch:
            # As it is when tidying up has failed half-way: over, and nobody was called back.
            patch.setattr(broker.client, "_status", Client.CLOSED)
            await asyncio.wait_for(broker.lost.wait(), 3)
