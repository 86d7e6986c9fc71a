"""How accounts and sessions stand: known at once, looked up rarely, together (requirements TOK-07, TOK-11, TOK-12)."""

import asyncio
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from application.shared.command import StoreUnavailable
from application.shared.store import Kind, Slot
from domain.accounts.account import Account
from domain.accounts.roles import AccountKind, AccountStatus, Role
from domain.accounts.session import Session
from infrastructure.bootstrap import kinds_by_name
from infrastructure.identity import new_id
from infrastructure.standing import FRESH_SECONDS, AccountStandings
from tests.support.memory_store import InMemoryEventStore

ACCOUNT = kinds_by_name()["account"]
SESSION = kinds_by_name()["session"]


class CountingStore(InMemoryEventStore):
    """Answers from states that a test sets, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[UUID, Any] = {}
        self.loads: list[set[UUID]] = []

    async def load(self, streams: Mapping[UUID, Kind[Any]]) -> dict[UUID, Slot]:
        self.loads.append(set(streams))
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("away")
        return {stream: Slot(self.states.get(stream), 1) for stream in streams}


class Door:
    """Standings over a store and a clock of the test's own."""

    def __init__(self) -> None:
        self.store = CountingStore()
        self.seconds = 0.0
        self.standings = AccountStandings(self.store, ACCOUNT, SESSION, now=lambda: self.seconds)

    def somebody(self, **fields: Any) -> tuple[UUID, UUID]:
        """An account that is signed in: its id and its session's."""
        account_id, session_id = new_id(), new_id()
        self.store.states[account_id] = Account(
            account_id=account_id,
            role=Role.CUSTOMER,
            status=AccountStatus.APPROVED,
            kind=AccountKind.CUSTOMER,
        )
        self.store.states[session_id] = Session(
            session_id=session_id, **{"account_id": account_id, "revoked": False, **fields}
        )
        return account_id, session_id


@pytest.fixture
async def door() -> Door:
    return Door()


async def test_account_and_session_are_looked_up_in_one_query_and_remembered(door: Door) -> None:
    account_id, session_id = door.somebody()

    first = await door.standings.of(account_id, session_id)
    again = await door.standings.of(account_id, session_id)

    assert first.account is not None
    assert not first.session_over
    assert again is first
    assert door.store.loads == [{account_id, session_id}]


async def test_what_is_older_than_two_seconds_is_looked_up_again(door: Door) -> None:
    account_id, session_id = door.somebody()
    await door.standings.of(account_id, session_id)
    door.store.states[session_id] = Session(session_id=session_id, account_id=account_id, revoked=True)

    door.seconds = FRESH_SECONDS - 0.001
    assert not (await door.standings.of(account_id, session_id)).session_over
    door.seconds = FRESH_SECONDS
    assert (await door.standings.of(account_id, session_id)).session_over


async def test_a_session_that_was_ended_here_is_looked_up_at_once(door: Door) -> None:
    account_id, session_id = door.somebody()
    await door.standings.of(account_id, session_id)
    door.store.states[session_id] = Session(session_id=session_id, account_id=account_id, revoked=True)

    door.standings.forget(session_id)

    assert (await door.standings.of(account_id, session_id)).session_over


async def test_a_session_of_somebody_else_or_of_nobody_is_over(door: Door) -> None:
    account_id, _ = door.somebody()
    _, foreign = door.somebody()

    assert (await door.standings.of(account_id, foreign)).session_over
    assert (await door.standings.of(account_id, new_id())).session_over
    assert (await door.standings.of(new_id(), foreign)).account is None


async def test_many_who_come_at_once_share_queries(door: Door) -> None:
    people = [door.somebody() for _ in range(100)]

    stood = await asyncio.gather(*(door.standings.of(*each) for each in people for _ in range(3)))

    assert len(stood) == 300
    assert not any(each.session_over for each in stood)
    assert len(door.store.loads) <= 2


async def test_an_outage_is_told_to_all_who_wait_and_forgotten(door: Door) -> None:
    people = [door.somebody() for _ in range(3)]
    door.store.away = True
    answers = await asyncio.gather(*(door.standings.of(*each) for each in people), return_exceptions=True)
    assert all(isinstance(each, StoreUnavailable) for each in answers)

    door.store.away = False

    assert (await door.standings.of(*people[0])).account is not None


async def test_who_hangs_up_takes_nothing_from_the_others(door: Door) -> None:
    account_id, session_id = door.somebody()
    leaving = asyncio.create_task(door.standings.of(account_id, session_id))
    staying = asyncio.create_task(door.standings.of(account_id, session_id))
    await asyncio.sleep(0)

    leaving.cancel()

    assert (await staying).account is not None
    with pytest.raises(asyncio.CancelledError):
        await leaving
