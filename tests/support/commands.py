"""Run commands through the real loop over the in-memory store: a command in, events or a refusal out."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from application.shared.caller import SYSTEM, Caller
from application.shared.command import Command, Done, IdempotencyKey
from application.shared.loop import CommandLoop, Handler
from application.shared.store import Kind
from domain.shared import claims
from domain.shared.events import DomainEvent
from infrastructure.identity import new_id
from tests.support.memory_store import InMemoryEventStore

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
CLAIMS = Kind("claim", claims.Claim, claims.evolve)


class TestClock:
    """A clock that stands still until it is moved."""

    __test__ = False

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **by: float) -> None:
        """Move on by a timedelta's keywords."""
        self.now += timedelta(**by)


class Shop:
    """One in-memory marketplace."""

    def __init__(self, loop: CommandLoop, store: InMemoryEventStore, clock: TestClock) -> None:
        self.loop = loop
        self.store = store
        self.clock = clock

    async def ask(
        self,
        command: Command,
        by: Caller = SYSTEM,
        *,
        key: IdempotencyKey | None = None,
        expected_version: int | None = None,
    ) -> Done[Any]:
        """Submit one command."""
        return await self.loop.submit(command, by, key=key, expected_version=expected_version)

    async def events_of(self, command: Command, by: Caller = SYSTEM) -> list[DomainEvent]:
        """The facts that one command adds to the log."""
        before = len(self.store.log)
        await self.ask(command, by)
        return [new.event for new in self.store.log[before:]]


@asynccontextmanager
async def shop(handlers: Mapping[type[Command], Handler], kinds: Iterable[Kind[Any]]) -> AsyncIterator[Shop]:
    """A running loop with these use cases; kinds of claims are always there."""
    store = InMemoryEventStore()
    clock = TestClock()
    loop = CommandLoop(store, handlers=handlers, kinds=[*kinds, CLAIMS], clock=clock, new_id=new_id)
    async with loop:
        yield Shop(loop, store, clock)


def customer(account_id: UUID) -> Caller:
    """A signed-in customer."""
    return Caller(actor_id=account_id, role="customer")


def seller(account_id: UUID) -> Caller:
    """A signed-in seller."""
    return Caller(actor_id=account_id, role="seller")


def admin(account_id: UUID) -> Caller:
    """A signed-in admin."""
    return Caller(actor_id=account_id, role="admin")
