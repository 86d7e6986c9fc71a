"""How accounts, sessions and keys stand: known at once, looked up rarely, together, and no longer than they are true
(requirements TOK-07, TOK-11, TOK-12, KEY-04).
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from application.api_keys.using import KeyDoor
from application.shared.command import StoreUnavailable
from application.shared.store import NOTHING_KNOWN, Kind, Slot
from domain.accounts.account import Account, AccountIsSuspended
from domain.accounts.roles import AccountKind, AccountStatus, Role
from domain.accounts.session import Session
from domain.api_keys.api_key import ApiKey, ApiKeyExpired, ApiKeyInvalid, key_digest
from domain.shared.claims import Claim, derived_id
from infrastructure.bootstrap import kinds_by_name
from infrastructure.identity import new_id
from infrastructure.standing import FRESH_SECONDS, ProgramsAtTheDoor, Standings
from tests.support.memory_store import InMemoryEventStore

KINDS = kinds_by_name()
NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


class CountingStore(InMemoryEventStore):
    """Answers from states that a test sets, and counts how often it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[UUID, Any] = {}
        self.loads: list[set[UUID]] = []

    async def load(
        self, streams: Mapping[UUID, Kind[Any]], known: Mapping[UUID, Slot] = NOTHING_KNOWN
    ) -> dict[UUID, Slot]:
        self.loads.append(set(streams))
        slots = {stream: Slot(self.states.get(stream), 1) for stream in streams}
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("away")
        return slots


class Door:
    """Standings over a store and a clock of the test's own."""

    def __init__(self) -> None:
        self.store = CountingStore()
        self.seconds = 0.0
        self.time = NOON
        self.standings = Standings(
            self.store,
            account=KINDS["account"],
            session=KINDS["session"],
            api_key=KINDS["api_key"],
            now=lambda: self.seconds,
        )
        door = KeyDoor(store=self.store, credentials=self.store, clock=lambda: self.time, prefix="gm_")
        self.programs = ProgramsAtTheDoor(door, self.standings, lambda: self.time)

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

    def end(self, session_id: UUID) -> None:
        """The log has it that the session is over."""
        self.store.states[session_id] = msgspec.structs.replace(self.store.states[session_id], revoked=True)

    def key_of(self, owner_id: UUID, **fields: Any) -> tuple[str, UUID]:
        """An API key: what is shown, and its id."""
        key_id, shown = new_id(), f"gm_{new_id().hex}{new_id().hex}"
        digest = key_digest(shown)
        claim_id = derived_id("api_key", digest)
        self.store.states[claim_id] = Claim(claim_id=claim_id, kind="api_key", owner_id=key_id)
        self.store.credentials[key_id, "api_key"] = digest.encode()
        self.store.states[key_id] = ApiKey(
            key_id=key_id, owner_id=owner_id, issued_as="customer", permissions=("orders:read",), **fields
        )
        return shown, key_id


@pytest.fixture
async def door() -> Door:
    return Door()


class TestPeople:
    async def test_account_and_session_are_looked_up_in_one_query_and_remembered(self, door: Door) -> None:
        account_id, session_id = door.somebody()

        first = await door.standings.of(account_id, session_id)
        again = await door.standings.of(account_id, session_id)

        assert first.account is not None
        assert not first.session_over
        assert again == first
        assert door.store.loads == [{account_id, session_id}]

    async def test_without_word_from_the_log_what_is_older_than_two_seconds_is_looked_up_again(
        self, door: Door
    ) -> None:
        account_id, session_id = door.somebody()
        await door.standings.of(account_id, session_id)
        door.end(session_id)

        door.seconds = FRESH_SECONDS - 0.001
        assert not (await door.standings.of(account_id, session_id)).session_over
        door.seconds = FRESH_SECONDS
        assert (await door.standings.of(account_id, session_id)).session_over

    async def test_with_word_from_the_log_nobody_is_looked_up_twice(self, door: Door) -> None:
        account_id, session_id = door.somebody()
        await door.standings.of(account_id, session_id)

        for door.seconds in range(1, 100):
            door.standings.true_as_of(door.seconds)
            await door.standings.of(account_id, session_id)

        assert len(door.store.loads) == 1

    async def test_when_the_word_stays_away_what_is_known_is_good_for_two_seconds_more(
        self, door: Door
    ) -> None:
        account_id, session_id = door.somebody()
        await door.standings.of(account_id, session_id)
        door.standings.true_as_of(50)
        door.end(session_id)

        door.seconds = 50 + FRESH_SECONDS - 0.001
        assert not (await door.standings.of(account_id, session_id)).session_over
        door.seconds = 50 + FRESH_SECONDS
        assert (await door.standings.of(account_id, session_id)).session_over

    async def test_what_has_changed_is_looked_up_at_once(self, door: Door) -> None:
        account_id, session_id = door.somebody()
        await door.standings.of(account_id, session_id)
        door.standings.true_as_of(0)
        door.end(session_id)

        door.standings.forget(session_id)

        assert (await door.standings.of(account_id, session_id)).session_over

    async def test_what_changes_while_it_is_looked_up_is_not_remembered(self, door: Door) -> None:
        account_id, session_id = door.somebody()
        door.standings.true_as_of(0)
        looking = asyncio.create_task(door.standings.of(account_id, session_id))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert door.store.loads == [{account_id, session_id}]

        door.end(session_id)
        door.standings.forget(session_id)

        assert not (await looking).session_over
        assert (await door.standings.of(account_id, session_id)).session_over

    async def test_whoever_lost_track_asks_about_everybody_anew(self, door: Door) -> None:
        people = [door.somebody() for _ in range(3)]
        door.standings.true_as_of(0)
        for each in people:
            await door.standings.of(*each)
        for _, session_id in people:
            door.end(session_id)

        door.standings.forget_all()

        assert [(await door.standings.of(*each)).session_over for each in people] == [True] * 3

    async def test_a_session_of_somebody_else_or_of_nobody_is_over(self, door: Door) -> None:
        account_id, _ = door.somebody()
        _, foreign = door.somebody()

        assert (await door.standings.of(account_id, foreign)).session_over
        assert (await door.standings.of(account_id, new_id())).session_over
        assert (await door.standings.of(new_id(), foreign)).account is None

    async def test_many_who_come_at_once_share_queries(self, door: Door) -> None:
        people = [door.somebody() for _ in range(100)]

        stood = await asyncio.gather(*(door.standings.of(*each) for each in people for _ in range(3)))

        assert len(stood) == 300
        assert not any(each.session_over for each in stood)
        assert len(door.store.loads) <= 2

    async def test_an_outage_is_told_to_all_who_wait_and_forgotten(self, door: Door) -> None:
        people = [door.somebody() for _ in range(3)]
        door.store.away = True
        answers = await asyncio.gather(*(door.standings.of(*each) for each in people), return_exceptions=True)
        assert all(isinstance(each, StoreUnavailable) for each in answers)

        door.store.away = False

        assert (await door.standings.of(*people[0])).account is not None

    async def test_who_hangs_up_takes_nothing_from_the_others(self, door: Door) -> None:
        account_id, session_id = door.somebody()
        leaving = asyncio.create_task(door.standings.of(account_id, session_id))
        staying = asyncio.create_task(door.standings.of(account_id, session_id))
        await asyncio.sleep(0)

        leaving.cancel()

        assert (await staying).account is not None
        with pytest.raises(asyncio.CancelledError):
            await leaving


class TestPrograms:
    async def test_a_key_that_was_seen_costs_no_query(self, door: Door) -> None:
        owner_id, _ = door.somebody()
        shown, key_id = door.key_of(owner_id)
        door.standings.true_as_of(0)
        assert door.programs.known(shown) is None
        first = await door.programs.admit(shown)
        asked = len(door.store.loads)

        again = await door.programs.admit(shown)

        assert (first.key_id, first.owner_id) == (key_id, owner_id)
        assert again is first
        assert len(door.store.loads) == asked
        assert door.programs.known(shown) == key_id

    async def test_a_key_that_is_taken_back_opens_nothing(self, door: Door) -> None:
        owner_id, _ = door.somebody()
        shown, key_id = door.key_of(owner_id)
        door.standings.true_as_of(0)
        await door.programs.admit(shown)
        door.store.states[key_id] = msgspec.structs.replace(door.store.states[key_id], revoked=True)

        door.standings.forget(key_id)

        with pytest.raises(ApiKeyInvalid):
            await door.programs.admit(shown)

    async def test_a_key_ends_with_its_time_without_a_word_from_the_log(self, door: Door) -> None:
        owner_id, _ = door.somebody()
        shown, _ = door.key_of(owner_id, expires_at=NOON + timedelta(hours=1))
        door.standings.true_as_of(0)
        await door.programs.admit(shown)

        door.time = NOON + timedelta(hours=1)

        with pytest.raises(ApiKeyExpired):
            await door.programs.admit(shown)

    async def test_a_key_stands_as_its_owner_does(self, door: Door) -> None:
        owner_id, _ = door.somebody()
        shown, _ = door.key_of(owner_id)
        door.standings.true_as_of(0)
        await door.programs.admit(shown)
        door.store.states[owner_id] = msgspec.structs.replace(
            door.store.states[owner_id], status=AccountStatus.SUSPENDED
        )

        door.standings.forget(owner_id)

        with pytest.raises(AccountIsSuspended):
            await door.programs.admit(shown)
