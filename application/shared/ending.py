"""Tasks that are ended by somebody else."""

import asyncio
from typing import Any, Final

AGAIN_SECONDS: Final = 1.0


async def end(*tasks: "asyncio.Future[Any]", again_seconds: float = AGAIN_SECONDS) -> None:
    """Cancel tasks, and return when all of them are over; how they ended is no news to anybody.

    Cancelling once is not enough. `asyncio.wait_for` of Python 3.11, which clients of Redis, NATS and SMTP use, loses a
    cancellation that comes together with the answer (https://github.com/python/cpython/issues/86296): a loop around it would
    go on for ever, and whoever waits for its end with it.
    """
    for each in tasks:
        # Even if whoever waits here is cancelled meanwhile.
        each.add_done_callback(_see)
    left = {each for each in tasks if not each.done()}
    while left:
        for each in left:
            each.cancel()
        _, left = await asyncio.wait(left, timeout=again_seconds)


def _see(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled():
        task.exception()
