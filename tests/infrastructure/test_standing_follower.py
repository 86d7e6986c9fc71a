"""What one process ends, all others know in a moment: they follow the log (requirements TOK-11, TOK-12, ACC-27, KEY-08)."""

import asyncio
import gc
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
import pytest

from application.accounts.commands import BootstrapSuperAdmin, DeleteAccount, LogOut, RegisterAccount
from application.accounts.opening import as_owner, new_session
from application.shared.caller import SYSTEM, Caller
from application.shared.loop import CommandLoop
from domain.accounts.roles import AccountKind
from infrastructure.bootstrap import Machinery, kinds_by_name
from infrastructure.event_store.postgres import CHANNEL
from infrastructure.settings import Settings
from infrastructure.standing import Standings
from infrastructure.standing_follower import StandingFollower

pytestmark = pytest.mark.services

PATIENCE_SECONDS = 20.0


class Memory:
    """Keeps something of people."""

    def __init__(self) -> None:
        self.erased: list[UUID] = []
        self.lost_track = 0

    def forget_person(self, subject_id: UUID) -> None:
        self.erased.append(subject_id)

    def forget_people(self) -> None:
        self.lost_track += 1


class House:
    """A process that ends sessions, and another one that lets people in and follows the log."""

    def __init__(
        self, machinery: Machinery, commands: CommandLoop, standings: Standings, memory: "Memory"
    ) -> None:
        self.machinery = machinery
        self.commands = commands
        self.standings = standings
        self.memory = memory

    async def somebody(self) -> tuple[UUID, UUID]:
        """An account that is signed in, and known at the door."""
        account_id, session_id = self.machinery.new_id(), self.machinery.new_id()
        session = new_session(session_id, now=self.machinery.clock(), lifetime=timedelta(days=7))
        await self.commands.submit(
            RegisterAccount(
                account_id=account_id,
                kind=AccountKind.CUSTOMER,
                email=f"{account_id}@example.uz",
                name="Zebo Karimova",
                password_hash=b"-",
                session=session,
            ),
            as_owner(Caller(), account_id),
        )
        assert not (await self.standings.of(account_id, session_id)).session_over
        return account_id, session_id

    async def sign_out(self, account_id: UUID, session_id: UUID) -> None:
        """End the session, in the process that does not let people in."""
        await self.commands.submit(LogOut(session_id=session_id), as_owner(Caller(), account_id))

    async def sees_the_end(self, account_id: UUID, session_id: UUID) -> bool:
        return (await self.standings.of(account_id, session_id)).session_over


@pytest.fixture
async def house(database_url: str) -> AsyncIterator[House]:
    machinery = Machinery(Settings.from_environment({"APP_ENV": "test", "DATABASE_URL": database_url}))
    kinds = kinds_by_name()
    async with machinery.open_pool(name="test") as pool, machinery.open_commands(pool) as (commands, store):
        # The clock stands still: nothing that was seen once is looked up again because of its age.
        standings = Standings(
            store,
            account=kinds["account"],
            session=kinds["session"],
            api_key=kinds["api_key"],
            now=lambda: 0.0,
        )
        memory = Memory()
        follower = StandingFollower(
            standings,
            database_url=database_url,
            names=machinery.names,
            memories=[memory],
            now=lambda: 0.0,
        )
        async with follower:
            await until(lambda: true(memory.lost_track == 1))
            yield House(machinery, commands, standings, memory)


async def until(claim: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await claim():  # noqa: ASYNC110 - what it waits for is in a database
            await asyncio.sleep(0.01)


async def true(claim: bool) -> bool:
    return claim


def sockets() -> int:
    """How many this process holds open."""
    found = 0
    for number in os.listdir("/dev/fd"):
        try:
            found += stat.S_ISSOCK(os.fstat(int(number)).st_mode)
        except OSError:
            continue  # The listing itself.
    return found


async def test_whoever_stops_while_it_connects_leaves_no_half_made_connection(database_url: str) -> None:
    machinery = Machinery(Settings.from_environment({"DATABASE_URL": database_url}))
    gc.collect()
    gc.disable()
    try:
        before = sockets()
        kept = []
        for milliseconds in range(12):
            follower = StandingFollower(None, database_url=database_url, names=machinery.names)
            async with follower:
                await asyncio.sleep(milliseconds / 1000)
            kept.append(follower)
        assert sockets() == before
    finally:
        gc.enable()


class Hanging(StandingFollower):
    """Over a server that hangs: asked to stop, the driver cancels the question, in vain, and calls that an outage."""

    def __init__(self, database_url: str) -> None:
        names = Machinery(Settings.from_environment({"APP_ENV": "test", "DATABASE_URL": database_url})).names
        super().__init__(None, database_url=database_url, names=names)
        self.asking = asyncio.Event()

    async def _catch_up(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self.asking.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise psycopg.OperationalError("wait timeout expired") from None


async def test_whoever_stops_while_the_server_hangs_stops(database_url: str) -> None:
    hanging = Hanging(database_url)
    async with asyncio.timeout(PATIENCE_SECONDS), hanging:
        await hanging.asking.wait()


async def test_a_session_that_another_process_ended_is_over(house: House) -> None:
    one, other = await house.somebody(), await house.somebody()

    await house.sign_out(*one)

    await until(lambda: house.sees_the_end(*one))
    assert not await house.sees_the_end(*other)


async def test_many_hints_at_once_hold_nobody_up(house: House, database_url: str) -> None:
    one, other = await house.somebody(), await house.somebody()
    with psycopg.connect(database_url, autocommit=True) as connection:
        # As many as come in when a shop is busy; with different texts, or the server would pass on one only.
        connection.execute(f"SELECT pg_notify('{CHANNEL}', n::text) FROM generate_series(1, 1000) AS n")

    # The follower may still be at what came before the hints when the first one goes; it has them all when the second does.
    for somebody in (one, other):
        await house.sign_out(*somebody)
        await until(partial(house.sees_the_end, *somebody))


async def test_nothing_is_kept_of_whoever_another_process_has_erased(house: House) -> None:
    account_id, session_id = await house.somebody()
    admin_id = house.machinery.new_id()
    await house.commands.submit(
        BootstrapSuperAdmin(account_id=admin_id, email="admin@example.uz", name="Admin", password_hash=b"-"),
        SYSTEM,
    )

    await house.commands.submit(DeleteAccount(account_id=account_id), as_owner(Caller(), admin_id))

    await until(lambda: true(house.memory.erased == [account_id]))
    assert await house.sees_the_end(account_id, session_id)
    assert house.memory.lost_track == 1


async def test_what_happened_while_the_log_was_out_of_reach_is_learnt_afterwards(
    house: House, database_url: str
) -> None:
    somebody = await house.somebody()
    with psycopg.connect(database_url, autocommit=True) as connection:

        async def cut_off() -> bool:
            ended = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'daftar-standings'"
            ).fetchall()
            return bool(ended)

        await until(cut_off)
        await house.sign_out(*somebody)

    await until(lambda: house.sees_the_end(*somebody))
