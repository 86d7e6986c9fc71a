"""Processes of one marketplace: command loops that share a log, and can be cut off from it, slowed down, or killed."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any
from uuid import UUID

from application.shared.command import Command, StoreUnavailable
from application.shared.loop import CommandLoop, Handler
from application.shared.ports import Clock, NewId
from application.shared.store import NOTHING_KNOWN, Answer, Append, EventStore, Group, Kind, Prepared, Slot

PATIENCE_SECONDS = 20.0
"""A process that takes longer has stopped for good."""


class Trouble(StrEnum):
    """What happens to a process the next time it reaches for the store."""

    CUT_BEFORE = "the store is away when the batch is to be appended"
    CUT_AFTER = "the batch is appended, and the connection breaks before the answer"
    CUT_PREPARING = "the store is away when keys are to be looked up for a batch"
    CUT_LOADING = "the store is away when streams are to be loaded"
    CUT_COUNTING = "the store is away when numbers are to be leased"
    CUT_ANSWERING = "the store is away when kept answers are to be looked up"
    KILLED_BEFORE = "the process is killed before the batch is appended"
    KILLED_AFTER = "the process is killed after the batch was appended"


class StoreInTrouble:
    """A process's way to the store. It reaches it late, or not at all.

    `struck` says that it was cut off since somebody last asked; `killed` that the process is not to live on.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._buried = asyncio.Event()
        self.trouble: Trouble | None = None
        self.late = 0
        self.struck = False
        self.killed = asyncio.Event()

    def bury(self) -> None:
        """Whatever still runs of the process reaches nothing any more."""
        self._buried.set()

    async def load(
        self, streams: Mapping[UUID, Kind[Any]], known: Mapping[UUID, Slot] = NOTHING_KNOWN
    ) -> dict[UUID, Slot]:
        await self._reach(Trouble.CUT_LOADING)
        return await self._store.load(streams, known)

    async def prepare(self, groups: Sequence[Group]) -> Prepared:
        await self._reach(Trouble.CUT_PREPARING)
        return await self._store.prepare(groups)

    async def append(self, prepared: Prepared) -> list[int | None]:
        await self._reach(Trouble.CUT_BEFORE)
        await self._die_if(Trouble.KILLED_BEFORE)
        positions = await self._store.append(prepared)
        await self._die_if(Trouble.KILLED_AFTER)
        await self._reach(Trouble.CUT_AFTER)
        return positions

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Append]:
        await self._reach(Trouble.CUT_BEFORE)
        await self._die_if(Trouble.KILLED_BEFORE)
        async with self._store.alone() as append:
            yield append
        await self._die_if(Trouble.KILLED_AFTER)
        await self._reach(Trouble.CUT_AFTER)

    async def answers(self, keys: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], Answer]:
        await self._reach(Trouble.CUT_ANSWERING)
        return await self._store.answers(keys)

    async def lease_numbers(self, series: str, count: int) -> int:
        await self._reach(Trouble.CUT_COUNTING)
        return await self._store.lease_numbers(series, count)

    async def return_numbers(self, series: str, first: int, last: int) -> None:
        await self._reach()
        await self._store.return_numbers(series, first, last)

    async def keep_snapshots(self, states: Sequence[tuple[UUID, Kind[Any], Slot]]) -> None:
        await self._reach()
        await self._store.keep_snapshots(states)

    async def _reach(self, trouble: Trouble | None = None) -> None:
        for _ in range(self.late):
            await asyncio.sleep(0)
        if self.trouble is not None and self.trouble is trouble:
            self.struck = True
            self.trouble = None
            raise _away()
        if self._buried.is_set():
            raise _away()

    async def _die_if(self, trouble: Trouble) -> None:
        if self.trouble is trouble:
            self.killed.set()
            await self._buried.wait()
            raise _away()


def _away() -> StoreUnavailable:
    return StoreUnavailable("The event store cannot be reached.")


class Process:
    """One running command loop. A new one has to be made for each life."""

    def __init__(
        self,
        store: EventStore,
        *,
        handlers: Mapping[type[Command], Handler],
        kinds: Sequence[Kind[Any]],
        clock: Clock,
        new_id: NewId,
        options: Mapping[str, int],
    ) -> None:
        self.store = StoreInTrouble(store)
        self.loop = CommandLoop(
            self.store, handlers=handlers, kinds=kinds, clock=clock, new_id=new_id, **options
        )

    async def start(self) -> None:
        """Begin to decide."""
        await self.loop.__aenter__()

    async def stop(self) -> None:
        """End in order."""
        self.store.trouble = None
        await self._end()

    async def die(self) -> None:
        """End as a process that is killed ends, as far as anybody else can tell: nothing more reaches the store."""
        self.store.bury()
        await self._end()

    async def _end(self) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.loop.__aexit__(None, None, None)

    @property
    def cached(self) -> Mapping[UUID, Slot]:
        """What the process holds in memory: it may be old, but never wrong."""
        return self.loop._cache  # no public way in: nobody but a test may look
