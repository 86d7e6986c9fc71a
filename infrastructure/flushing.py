"""What a process gathers in memory and hands over every few seconds, and once more when it ends."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import structlog

from application.shared.ending import end

FLUSH_SECONDS: Final = 15.0
REST_SECONDS: Final = 0.005

T = TypeVar("T")

log: Final = structlog.get_logger(__name__)


class Flushing(AbstractAsyncContextManager[Any]):
    """Flushes itself for as long as the context lasts. A failure is told and ends nothing."""

    def __init__(self, *, name: str, flush_seconds: float) -> None:
        """`name` is what the log calls it."""
        self._name = name
        self._flush_seconds = flush_seconds
        self._flushing: asyncio.Task[None] | None = None

    @abstractmethod
    async def flush(self, *, ending: bool = False) -> None:
        """Hand over what was gathered; what cannot be handed over now is kept for the next time."""

    async def __aenter__(self) -> Self:
        self._flushing = asyncio.create_task(self._flush_for_ever(), name=self._name)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._flushing is not None:
            await end(self._flushing)
        await self.flush(ending=True)

    async def _flush_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._flush_seconds)
            try:
                await self.flush()
            except Exception as error:
                log.error(f"{self._name}_not_kept", exc_info=error)


async def portions(items: Sequence[T], size: int, *, ending: bool = False) -> AsyncIterator[Sequence[T]]:
    """So many at a time, with a rest between two of them: to put thousands into words at once would stop everybody else.

    Who is ending does not rest.
    """
    for start in range(0, len(items), size):
        if start and not ending:
            await asyncio.sleep(REST_SECONDS)
        yield items[start : start + size]
