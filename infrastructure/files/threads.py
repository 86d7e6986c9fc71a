"""A few threads for slow work, and a bounded number of those who wait for them."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from application.shared.command import Overloaded

T = TypeVar("T")


class BoundedThreads:
    """Work that would hold up the event loop. What hangs in here holds up nothing else; a flood is refused early."""

    def __init__(self, name: str, *, threads: int, waiting_maximum: int) -> None:
        """`waiting_maximum` counts callers served or waiting. No thread is started before it is needed."""
        self._waiting_maximum = waiting_maximum
        self._waiting = 0
        self._counting = threading.Lock()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[[], T]) -> T:
        """Do it in a thread.

        Raises:
            Overloaded: too many wait already.
        """
        with self._counting:
            if self._waiting >= self._waiting_maximum:
                raise Overloaded("Too many files are being worked on. Try again shortly.")
            self._waiting += 1
        try:
            job = self._threads.submit(work)
        except BaseException:
            self._free_place()
            raise
        # A caller who goes away leaves a running job behind, so the place is free when the job ends.
        job.add_done_callback(self._free_place)
        return await asyncio.wrap_future(job)

    def close(self) -> None:
        """Drop those that wait, and start no more. Work in hand ends by its own time limits."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _free_place(self, _job: object = None) -> None:
        with self._counting:
            self._waiting -= 1
