"""Taking turns: so many at a time, in the order in which they came."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class TooManyAsk(Exception):
    """Those who came before are not through in time; nothing was done."""


class Turns:
    """Work that only burdens a server more when more of it is done at once.

    On a server that is busy, many questions at the same time are each as late as the last of them; one after the other most
    are early and the last is no later.
    """

    def __init__(self, at_once: int, *, patience_seconds: float) -> None:
        """`at_once` are inside at the same time; nobody waits for longer than `patience_seconds` to be one of them."""
        self._free = asyncio.Semaphore(at_once)
        self._patience_seconds = patience_seconds

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Be inside for the length of the block.

        Raises:
            TooManyAsk: nobody went in time.
        """
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._free.acquire()
        except TimeoutError as error:
            raise TooManyAsk(f"No turn came within {self._patience_seconds:g} seconds.") from error
        try:
            yield
        finally:
            self._free.release()
