"""A person is forgotten in the commit that says so: over the store in memory and over the real one alike (ES-17, ADR 0013)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import psycopg
import pytest

from application.shared.caller import Caller
from application.shared.command import Command, Done, IdempotencyKey
from application.shared.loop import CommandLoop
from application.shared.store import Credential
from application.shared.unit import Unit
from domain.shared.personal import ERASED
from infrastructure.event_store.log import PostgresLog
from infrastructure.event_store.postgres import PostgresEventStore
from infrastructure.identity import new_id
from tests.support import tickets_office as office
from tests.support.commands import CLAIMS, TestClock
from tests.support.memory_store import InMemoryEventStore
from tests.support.stores import make_codec, postgres_store
from tests.support.tickets_office import LookAtOffice, Office, OpenOffice, SeatSold, SellSeat

ADA = UUID("01890000-0000-7000-8000-000000000ada")
BOB = UUID("01890000-0000-7000-8000-000000000b0b")
CLERK = Caller(actor_id=UUID("01890000-0000-7000-8000-0000000000c1"), role="admin")


class ForgetPerson(Command, frozen=True, kw_only=True):
    """Note something in an office, and forget a person; or refuse after having said so."""

    office_id: UUID
    person_id: UUID
    refuse: bool = False
    refuse_when_sold: int = 1000


def forget_person(command: ForgetPerson, unit: Unit) -> Office:
    state = unit.get(Office, command.office_id)
    unit.keep(Credential(owner_id=command.person_id, name="password", value=b"new"))
    unit.forget(command.person_id)
    if command.refuse or state.sold >= command.refuse_when_sold:
        raise office.SoldOut("Refused after all.")
    return unit.record(state, [office.SeatsAdded(seats=1)])


def by(person_id: UUID) -> Caller:
    return Caller(actor_id=person_id, role="customer", ip="203.0.113.7", user_agent="test")


class Processes:
    """Several command loops on one log, as several processes have them."""

    def __init__(self, stack: AsyncExitStack, database_url: str | None) -> None:
        self._stack = stack
        self.database_url = database_url
        self.memory = InMemoryEventStore()
        self._module = office.events_module()

    async def another(self) -> tuple[CommandLoop, Any]:
        """One more process and its way to the log."""
        store: Any = self.memory
        if self.database_url is not None:
            store = await self._stack.enter_async_context(postgres_store(self.database_url, [self._module]))
        loop = CommandLoop(
            store,
            handlers={**office.HANDLERS, ForgetPerson: forget_person},
            kinds=[office.OFFICE, CLAIMS],
            clock=TestClock(),
            new_id=new_id,
        )
        return await self._stack.enter_async_context(loop), store

    async def secret(self, owner_id: UUID, store: Any) -> bytes | None:
        """What is kept beside the log."""
        value: bytes | None = await store.credential(owner_id, "password")
        return value


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.services)])
def store_url(request: pytest.FixtureRequest) -> str | None:
    """The real store's database, or none for the store in memory."""
    return request.getfixturevalue("database_url") if request.param == "postgres" else None


@pytest.fixture
async def processes(store_url: str | None) -> AsyncIterator[Processes]:
    """On both stores."""
    async with AsyncExitStack() as stack:
        yield Processes(stack, store_url)


async def sold_to(loop: CommandLoop, person_id: UUID, passenger: str) -> UUID:
    """An office that has sold a seat to somebody."""
    office_id = new_id()
    await loop.submit(OpenOffice(office_id=office_id, name=str(office_id), seats=99), CLERK)
    await loop.submit(SellSeat(office_id=office_id, passenger=passenger), by(person_id))
    return office_id


async def passenger_of(loop: CommandLoop, office_id: UUID) -> str:
    return str((await loop.submit(LookAtOffice(office_id=office_id), CLERK)).result.last_passenger)


class TestForgetting:
    async def test_the_person_is_gone_everywhere_and_others_are_not(self, processes: Processes) -> None:
        loop, store = await processes.another()
        adas, bobs = await sold_to(loop, ADA, "Ada Lovelace"), await sold_to(loop, BOB, "Bob")
        await loop.submit(ForgetPerson(office_id=bobs, person_id=ADA), CLERK)
        # What this process has in memory, what it loads, and what another one loads.
        assert await passenger_of(loop, adas) == ERASED
        slots = await store.load({adas: office.OFFICE, bobs: office.OFFICE})
        assert (slots[adas].state.last_passenger, slots[adas].version) == (ERASED, 2)
        other, _ = await processes.another()
        assert await passenger_of(other, adas) == ERASED
        sold = await other.submit(SellSeat(office_id=bobs, passenger="Bob again"), by(BOB))
        assert sold.result.last_passenger == "Bob again"

    async def test_their_secrets_and_kept_answers_go_with_them(self, processes: Processes) -> None:
        loop, store = await processes.another()
        adas = await sold_to(loop, ADA, "Ada Lovelace")
        keys = {who: IdempotencyKey(who, "once", b"digest") for who in (ADA, BOB)}
        for who, key in keys.items():
            await loop.submit(SellSeat(office_id=adas), by(who), key=key)
        await loop.submit(ForgetPerson(office_id=adas, person_id=ADA), CLERK)
        # Also a secret that the same command kept.
        assert await processes.secret(ADA, store) is None
        kept = await store.answers([(ADA, "once"), (BOB, "once")])
        assert list(kept) == [(BOB, "once")]

    async def test_who_is_refused_forgets_nobody(self, processes: Processes) -> None:
        loop, store = await processes.another()
        adas = await sold_to(loop, ADA, "Ada Lovelace")
        with pytest.raises(office.SoldOut):
            await loop.submit(ForgetPerson(office_id=adas, person_id=ADA, refuse=True), CLERK)
        other, _ = await processes.another()
        assert await passenger_of(other, adas) == "Ada Lovelace"
        assert await processes.secret(ADA, store) is None

    async def test_who_lost_a_race_and_is_refused_then_forgets_nobody(self, processes: Processes) -> None:
        loop, _ = await processes.another()
        there, _ = await processes.another()
        adas = await sold_to(loop, ADA, "Ada Lovelace")
        await passenger_of(there, adas)
        await loop.submit(SellSeat(office_id=adas, passenger="Ada Lovelace"), by(ADA))
        late = ForgetPerson(office_id=adas, person_id=ADA, refuse_when_sold=2)
        with pytest.raises(office.SoldOut):
            await there.submit(late, CLERK)
        other, _ = await processes.another()
        for each in (loop, there, other):
            assert await passenger_of(each, adas) == "Ada Lovelace"

    async def test_nothing_more_is_written_about_them(self, processes: Processes) -> None:
        loop, _ = await processes.another()
        adas = await sold_to(loop, ADA, "Ada Lovelace")
        await loop.submit(ForgetPerson(office_id=adas, person_id=ADA), CLERK)
        await loop.submit(SellSeat(office_id=adas, passenger="Ada once more"), by(ADA))
        other, _ = await processes.another()
        assert await passenger_of(other, adas) == ERASED
        assert await passenger_of(loop, adas) == ERASED

    async def test_who_was_never_known_is_forgotten_too_and_stays_so(self, processes: Processes) -> None:
        loop, _ = await processes.another()
        bobs = await sold_to(loop, BOB, "Bob")
        await loop.submit(ForgetPerson(office_id=bobs, person_id=ADA), CLERK)
        adas = await sold_to(loop, ADA, "Ada Lovelace")
        other, _ = await processes.another()
        assert await passenger_of(other, adas) == ERASED

    async def test_twice_is_once(self, processes: Processes) -> None:
        loop, _ = await processes.another()
        adas = await sold_to(loop, ADA, "Ada Lovelace")
        for _ in range(2):
            await loop.submit(ForgetPerson(office_id=adas, person_id=ADA), CLERK)
        assert await passenger_of(loop, adas) == ERASED

    async def test_what_is_decided_at_the_same_time_leaves_no_trace_of_them(
        self, processes: Processes
    ) -> None:
        loop, _ = await processes.another()
        there, _ = await processes.another()
        adas, bobs = await sold_to(loop, ADA, "Ada Lovelace"), await sold_to(loop, BOB, "Bob")
        assert await passenger_of(there, adas) == "Ada Lovelace"
        asked: list[Any] = []
        for number in range(30):
            asked.append((loop, there)[number % 2].submit(SellSeat(office_id=bobs), by(BOB)))
            asked.append((there, loop)[number % 2].submit(SellSeat(office_id=adas), by(ADA)))
            if number == 15:
                asked.append(loop.submit(ForgetPerson(office_id=bobs, person_id=ADA), CLERK))
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(each, Done) for each in answers) >= 31
        assert await passenger_of(loop, adas) == ERASED
        other, _ = await processes.another()
        assert await passenger_of(other, adas) == ERASED

    async def test_another_process_forgets_when_it_is_told(self, processes: Processes) -> None:
        loop, _ = await processes.another()
        there, store = await processes.another()
        adas = await sold_to(loop, ADA, "Ada Lovelace")
        assert await passenger_of(there, adas) == "Ada Lovelace"
        await loop.submit(ForgetPerson(office_id=adas, person_id=ADA), CLERK)
        if isinstance(store, PostgresEventStore):
            store.forget_person(ADA)
        there.forget_person(ADA)
        assert await passenger_of(there, adas) == ERASED


@pytest.mark.services
class TestInPostgres:
    @pytest.fixture
    async def shop(self, database_url: str) -> AsyncIterator[tuple[Processes, CommandLoop, Any]]:
        async with AsyncExitStack() as stack:
            processes = Processes(stack, database_url)
            yield processes, *(await processes.another())

    def rows(self, database_url: str, statement: str, *parameters: object) -> list[Any]:
        with psycopg.connect(database_url, autocommit=True) as connection:
            return connection.execute(statement.encode(), parameters).fetchall()

    async def test_the_key_is_destroyed_and_its_place_kept(
        self, shop: tuple[Processes, CommandLoop, Any], database_url: str
    ) -> None:
        _, loop, _ = shop
        adas = await sold_to(loop, ADA, "Ada Lovelace")
        keys = "SELECT wrapped IS NULL, destroyed_at IS NULL FROM data_keys WHERE subject_id = %s"
        assert self.rows(database_url, keys, ADA) == [(False, True)]
        await loop.submit(ForgetPerson(office_id=adas, person_id=ADA), CLERK)
        assert self.rows(database_url, keys, ADA) == [(True, False)]
        [(first,)] = self.rows(database_url, "SELECT destroyed_at FROM data_keys WHERE subject_id = %s", ADA)
        await loop.submit(ForgetPerson(office_id=adas, person_id=ADA), CLERK)
        assert self.rows(database_url, "SELECT destroyed_at FROM data_keys WHERE subject_id = %s", ADA) == [
            (first,)
        ]

    async def test_the_events_stay_as_they_were_and_are_read_without_the_person(
        self, shop: tuple[Processes, CommandLoop, Any], database_url: str
    ) -> None:
        _, loop, _ = shop
        adas = await sold_to(loop, ADA, "Ada Lovelace")
        stored = """
            SELECT state, metadata::text FROM stored_events
            WHERE originator_id = %s AND originator_version < 3
            ORDER BY originator_version
        """
        before = self.rows(database_url, stored, adas)
        await loop.submit(ForgetPerson(office_id=adas, person_id=ADA), CLERK)
        assert self.rows(database_url, stored, adas) == before
        with psycopg.connect(database_url, autocommit=True) as connection:
            codec = make_codec([office.events_module()])
            log = PostgresLog(connection, codec)
            [sold] = log.read(0, 100, [SeatSold], personal=True).events
            assert sold.metadata is not None
            [(_, metadata)] = [row for row in before if b"passenger" not in row[0] and b"buyer" in row[0]]
            client = codec.decode_client(metadata.encode(), sold.metadata.command_id)
        assert isinstance(sold.event, SeatSold)
        assert (sold.event.buyer_id, sold.event.passenger) == (ADA, ERASED)
        assert (client.ip, client.user_agent) == (None, None)

    async def test_a_snapshot_of_them_is_read_without_them(
        self, shop: tuple[Processes, CommandLoop, Any]
    ) -> None:
        processes, loop, store = shop
        adas = await sold_to(loop, ADA, "Ada Lovelace")
        slot = (await store.load({adas: office.OFFICE}))[adas]
        await store.keep_snapshots([(adas, office.OFFICE, slot)])
        await loop.submit(ForgetPerson(office_id=adas, person_id=ADA), CLERK)
        other, _ = await processes.another()
        assert await passenger_of(other, adas) == ERASED

    async def test_events_and_erasure_stand_or_fall_together(
        self, shop: tuple[Processes, CommandLoop, Any], database_url: str
    ) -> None:
        _, loop, _ = shop
        adas = await sold_to(loop, ADA, "Ada Lovelace")
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("ALTER FUNCTION forget_people(uuid[]) RENAME TO forget_nobody")
        with pytest.raises(psycopg.errors.UndefinedFunction):
            await loop.submit(ForgetPerson(office_id=adas, person_id=ADA), CLERK)
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("ALTER FUNCTION forget_nobody(uuid[]) RENAME TO forget_people")
        assert self.rows(
            database_url, "SELECT count(*) FROM stored_events WHERE originator_id = %s", adas
        ) == [(2,)]
        assert self.rows(
            database_url, "SELECT max(notification_id) = (SELECT position FROM log_head) FROM stored_events"
        ) == [(True,)]
        assert await passenger_of(loop, adas) == "Ada Lovelace"

    async def test_a_key_that_was_read_before_its_end_and_arrives_after_it_does_not_come_back(
        self, shop: tuple[Processes, CommandLoop, Any], database_url: str
    ) -> None:
        _, loop, store = shop
        await sold_to(loop, ADA, "Ada Lovelace")
        late = self.rows(database_url, "SELECT subject_id, wrapped FROM data_keys WHERE subject_id = %s", ADA)
        keyring = store._codec.keyring
        store.forget_person(ADA)
        keyring.unwrapped(late)
        assert keyring.get(ADA) is None
        assert keyring.knows(ADA)

    async def test_a_token_is_found_by_its_digest_and_by_its_name(
        self, shop: tuple[Processes, CommandLoop, Any], database_url: str
    ) -> None:
        _, _, store = shop
        digest = bytes(range(32))
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO credentials (owner_id, name, value) VALUES (%s, 'password_reset', %s)",
                (ADA, digest + b"the rest"),
            )
            connection.execute("SET enable_seqscan = off")
            plan = connection.execute(
                "EXPLAIN SELECT owner_id FROM credentials WHERE name = 'x' AND substring(value FROM 1 FOR 32) = 'y'"
            ).fetchall()
        assert await store.find_credential("password_reset", digest) == (ADA, digest + b"the rest")
        assert await store.find_credential("email_verification", digest) is None
        assert await store.find_credential("password_reset", digest[:-1] + b"x") is None
        assert "credentials_digest_idx" in str(plan)
