"""What only the real event store promises: sealed personal data, secrets beside the log, snapshots, a log without gaps."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import psycopg
import pytest

from application.shared.caller import Caller
from application.shared.command import Done, IdempotencyKey
from application.shared.loop import CommandLoop
from application.shared.store import Slot
from domain.shared.personal import ERASED
from infrastructure.event_store.keyring import DataKeyBroken
from infrastructure.event_store.log import PostgresLog
from infrastructure.event_store.names import UnknownEvent
from infrastructure.event_store.postgres import PostgresEventStore
from infrastructure.identity import new_id
from projections.shared.log import LogGap
from tests.support import tickets_office as office
from tests.support.commands import CLAIMS, TestClock
from tests.support.stores import make_codec, postgres_store
from tests.support.tickets_office import AddSeats, LookAtOffice, OpenOffice, SeatSold, SellSeat

pytestmark = pytest.mark.services

BUYER = UUID("01890000-0000-7000-8000-00000000000b")
CALLER = Caller(actor_id=BUYER, role="customer", ip="203.0.113.77", user_agent="Netscape/4.0")
MODULE = office.events_module()


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[PostgresEventStore]:
    """A store on an empty log."""
    async with postgres_store(database_url, [MODULE]) as opened:
        yield opened


def loop_over(store: PostgresEventStore, *, snapshot_every: int = 200) -> CommandLoop:
    """A loop that is not started yet."""
    return CommandLoop(
        store,
        handlers=office.HANDLERS,
        kinds=[office.OFFICE, CLAIMS],
        clock=TestClock(),
        new_id=new_id,
        snapshot_every=snapshot_every,
    )


def query(database_url: str, statement: str, *parameters: object) -> list[tuple[object, ...]]:
    """Look behind the store's back."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        return connection.execute(statement.encode(), parameters).fetchall()


def change(database_url: str, statement: str, *parameters: object) -> None:
    """Tamper behind the store's back."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(statement.encode(), parameters)


async def sold_to_ada(store: PostgresEventStore) -> UUID:
    """An office that has sold one seat to Ada."""
    office_id = new_id()
    async with loop_over(store) as loop:
        await loop.submit(OpenOffice(office_id=office_id, name="Chorsu", seats=9, door_code=b"4711"), CALLER)
        await loop.submit(SellSeat(office_id=office_id, passenger="Ada Lovelace"), CALLER)
    return office_id


class TestPersonalData:
    async def test_it_is_nowhere_in_the_log_in_clear(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        await sold_to_ada(store)
        rows = query(
            database_url, "SELECT topic || encode(state, 'escape') || metadata::text FROM stored_events"
        )
        text = "\n".join(str(row[0]) for row in rows)
        assert "offices.SeatSold.v1" in text
        for secret in ("Ada", "Lovelace", "203.0.113.77", "Netscape", "4711"):
            assert secret not in text

    async def test_another_process_reads_it(self, store: PostgresEventStore, database_url: str) -> None:
        office_id = await sold_to_ada(store)
        async with postgres_store(database_url, [MODULE]) as there, loop_over(there) as loop:
            found = await loop.submit(LookAtOffice(office_id=office_id), CALLER)
        assert found.result.last_passenger == "Ada Lovelace"

    async def test_a_destroyed_key_leaves_the_event_and_masks_the_person(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        office_id = await sold_to_ada(store)
        change(database_url, "UPDATE data_keys SET wrapped = NULL, destroyed_at = now()")
        async with postgres_store(database_url, [MODULE]) as there, loop_over(there) as loop:
            found = await loop.submit(LookAtOffice(office_id=office_id), CALLER)
            again = await loop.submit(SellSeat(office_id=office_id, passenger="Ada Lovelace"), CALLER)
        assert (found.result.sold, found.result.last_passenger) == (1, ERASED)
        assert again.result.sold == 2

    async def test_a_reader_who_had_the_key_open_forgets_who_was_erased_meanwhile(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        office_id = await sold_to_ada(store)
        with psycopg.connect(database_url, autocommit=True) as connection:
            log = PostgresLog(connection, make_codec([MODULE]))

            def passengers() -> list[str]:
                read = log.read(0, 100, [SeatSold], personal=True).events
                assert [each.event for each in log.stream(office_id)][-1] == read[-1].event
                return [each.event.passenger for each in read if isinstance(each.event, SeatSold)]

            assert passengers() == ["Ada Lovelace"]
            change(database_url, "UPDATE data_keys SET wrapped = NULL, destroyed_at = now()")
            # Sealed by a process that has not heard of it yet.
            async with loop_over(store) as loop:
                await loop.submit(SellSeat(office_id=office_id, passenger="Ada Lovelace"), CALLER)
            assert passengers() == [ERASED, ERASED]

    async def test_sealed_data_moved_to_another_event_does_not_open(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        await sold_to_ada(store)
        victim = await sold_with_name(store, "second", passenger="Bob")
        change(
            database_url,
            """
            UPDATE stored_events SET state = (SELECT state FROM stored_events
                WHERE topic = 'offices.SeatSold.v1' ORDER BY notification_id LIMIT 1)
            WHERE originator_id = %s AND topic = 'offices.SeatSold.v1'
            """,
            victim,
        )
        with psycopg.connect(database_url, autocommit=True) as connection, pytest.raises(DataKeyBroken):
            list(PostgresLog(connection, make_codec([MODULE])).stream(victim))

    async def test_each_person_has_a_key_of_their_own(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        await sold_to_ada(store)
        other = Caller(actor_id=new_id(), role="customer")
        async with loop_over(store) as loop:
            await loop.submit(OpenOffice(office_id=new_id(), name="Other", seats=1), other)
        assert query(database_url, "SELECT count(DISTINCT wrapped) FROM data_keys") == [(2,)]


async def sold_with_name(store: PostgresEventStore, name: str, *, passenger: str) -> UUID:
    """An office that has sold one seat."""
    office_id = new_id()
    async with loop_over(store) as loop:
        await loop.submit(OpenOffice(office_id=office_id, name=name, seats=9), CALLER)
        await loop.submit(SellSeat(office_id=office_id, passenger=passenger), CALLER)
    return office_id


class TestCredentials:
    async def test_a_secret_is_kept_in_the_commit_of_its_event(self, store: PostgresEventStore) -> None:
        office_id = await sold_to_ada(store)
        assert await store.credential(office_id, "door") == b"4711"

    async def test_a_refused_command_keeps_no_secret(self, store: PostgresEventStore) -> None:
        await sold_to_ada(store)
        office_id = new_id()
        async with loop_over(store) as loop:
            with pytest.raises(office.NameTaken):
                await loop.submit(
                    OpenOffice(office_id=office_id, name="Chorsu", seats=9, door_code=b"x"), CALLER
                )
        assert await store.credential(office_id, "door") is None


class TestSnapshots:
    async def test_a_long_stream_is_read_from_its_snapshot(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        office_id = new_id()
        async with loop_over(store, snapshot_every=10) as loop:
            await loop.submit(OpenOffice(office_id=office_id, name="Long", seats=99), CALLER)
            for _ in range(24):
                await loop.submit(SellSeat(office_id=office_id, passenger="Ada"), CALLER)
        [(version,)] = query(database_url, "SELECT originator_version FROM stream_snapshots")
        assert version in (10, 20)
        # The events before it are gone: only a reader of the snapshot still finds the state.
        change(
            database_url,
            "DELETE FROM stored_events WHERE originator_version <= %s AND originator_id = %s",
            version,
            office_id,
        )
        async with postgres_store(database_url, [MODULE]) as there:
            slot = (await there.load({office_id: office.OFFICE}))[office_id]
        assert slot.version == 25
        assert slot.state == office.Office(
            office_id=office_id, left=75, sold=24, last_buyer_id=BUYER, last_passenger="Ada"
        )

    async def test_a_snapshot_of_another_shape_is_not_trusted(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        office_id = await sold_to_ada(store)
        change(
            database_url,
            "INSERT INTO stream_snapshots VALUES (%s, 2, 'office:0000000000000000', '{\"left\": 1000}')",
            office_id,
        )
        slot = (await store.load({office_id: office.OFFICE}))[office_id]
        assert isinstance(slot.state, office.Office)
        assert slot.state.left == 8

    async def test_losing_all_snapshots_loses_nothing(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        office_id = new_id()
        async with loop_over(store, snapshot_every=2) as loop:
            await loop.submit(OpenOffice(office_id=office_id, name="Long", seats=9), CALLER)
            for _ in range(5):
                await loop.submit(SellSeat(office_id=office_id), CALLER)
        change(database_url, "DELETE FROM stream_snapshots")
        assert (await store.load({office_id: office.OFFICE}))[office_id].version == 6


class TestWhatIsKnown:
    async def test_only_what_came_after_it_is_read(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        office_id, untouched_id = await sold_to_ada(store), new_id()
        async with loop_over(store) as loop:
            await loop.submit(OpenOffice(office_id=untouched_id, name="Farhad", seats=3), CALLER)
        known = await store.load(dict.fromkeys((office_id, untouched_id), office.OFFICE))
        async with postgres_store(database_url, [MODULE]) as there, loop_over(there) as loop:
            await loop.submit(AddSeats(office_id=office_id, seats=5), CALLER)
        change(database_url, "DELETE FROM stored_events WHERE originator_version <= 2")
        empty_id = new_id()
        slots = await store.load(dict.fromkeys((office_id, untouched_id, empty_id), office.OFFICE), known)
        assert slots[untouched_id] == known[untouched_id]
        assert slots[empty_id] == Slot(None, 0)
        assert slots[office_id].version == 3
        assert isinstance(slots[office_id].state, office.Office)
        assert (slots[office_id].state.left, slots[office_id].state.sold) == (13, 1)

    async def test_a_snapshot_that_is_newer_serves_better(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        office_id = await sold_to_ada(store)
        known = await store.load({office_id: office.OFFICE})
        async with loop_over(store, snapshot_every=4) as loop:
            for _ in range(3):
                await loop.submit(SellSeat(office_id=office_id), CALLER)
        change(database_url, "DELETE FROM stored_events WHERE originator_version <= 4")
        slot = (await store.load({office_id: office.OFFICE}, known))[office_id]
        assert isinstance(slot.state, office.Office)
        assert (slot.version, slot.state.left) == (5, 5)


class TestTheLog:
    async def test_positions_have_no_holes_also_beside_refused_groups(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        async with (
            postgres_store(database_url, [MODULE]) as there,
            loop_over(store) as here_loop,
            loop_over(there) as there_loop,
        ):
            office_id = new_id()
            await here_loop.submit(OpenOffice(office_id=office_id, name="A", seats=99), CALLER)
            for _ in range(10):
                await here_loop.submit(SellSeat(office_id=office_id), CALLER)
                await there_loop.submit(AddSeats(office_id=office_id, seats=1), CALLER)
        rows = query(database_url, "SELECT notification_id FROM stored_events ORDER BY notification_id")
        assert [row[0] for row in rows] == list(range(1, 23))

    async def test_a_missing_position_is_an_alarm(self, store: PostgresEventStore, database_url: str) -> None:
        await sold_to_ada(store)
        change(database_url, "DELETE FROM stored_events WHERE notification_id = 2")
        with psycopg.connect(database_url, autocommit=True) as connection:
            log = PostgresLog(connection, make_codec([MODULE]))
            with pytest.raises(LogGap):
                log.read(0, 100, [SeatSold], personal=False)

    async def test_readers_may_leave_personal_data_out(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        await sold_to_ada(store)
        with psycopg.connect(database_url, autocommit=True) as connection:
            log = PostgresLog(connection, make_codec([MODULE]))
            [bare] = log.read(0, 100, [SeatSold], personal=False).events
            [whole] = log.read(0, 100, [SeatSold], personal=True).events
        assert isinstance(bare.event, SeatSold)
        assert isinstance(whole.event, SeatSold)
        assert (bare.event.passenger, whole.event.passenger) == (ERASED, "Ada Lovelace")

    async def test_times_along_the_log_never_run_backwards(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        for name in ("a", "b", "c"):
            await sold_with_name(store, name, passenger="Ada")
        rows = query(database_url, "SELECT recorded_at FROM stored_events ORDER BY notification_id")
        assert rows == sorted(rows)  # type: ignore[type-var]

    async def test_an_event_from_the_future_is_named_and_not_guessed(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        office_id = await sold_to_ada(store)
        change(
            database_url,
            "UPDATE stored_events SET topic = 'offices.SeatSold.v9' WHERE topic = 'offices.SeatSold.v1'",
        )
        with pytest.raises(UnknownEvent, match=r"offices\.SeatSold\.v9"):
            await store.load({office_id: office.OFFICE})

    async def test_a_stream_that_cannot_be_read_fails_only_those_who_ask_for_it(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        broken, sound = await sold_to_ada(store), await sold_with_name(store, "sound", passenger="Bob")
        change(
            database_url,
            "UPDATE stored_events SET topic = 'offices.SeatSold.v9' WHERE originator_id = %s",
            broken,
        )
        async with postgres_store(database_url, [MODULE]) as there, loop_over(there) as loop:
            asked = [loop.submit(LookAtOffice(office_id=each), CALLER) for each in (broken, sound, broken)]
            first, second, third = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(first, UnknownEvent)
        assert isinstance(third, UnknownEvent)
        assert isinstance(second, Done)
        assert second.result.last_passenger == "Bob"


class TestYoungTables:
    async def test_what_an_append_looks_up_it_looks_up_by_key(self, database_url: str) -> None:
        def whole_readings() -> int:
            statement = "SELECT sum(seq_scan)::int FROM pg_stat_user_tables WHERE relname = ANY(%s)"
            [(count,)] = query(database_url, statement, ["command_answers", "data_keys"])
            assert isinstance(count, int)
            return count

        before = whole_readings()
        async with postgres_store(database_url, [MODULE]) as store:
            # Nothing in them: reading all of them costs nothing.
            change(database_url, "ANALYZE command_answers, data_keys")
            office_id = new_id()
            async with loop_over(store) as loop:
                opening = OpenOffice(office_id=office_id, name="Chorsu", seats=99, door_code=b"4711")
                await loop.submit(opening, CALLER)
                for number in range(50):
                    key = IdempotencyKey(BUYER, f"k-{number}", b"hash")
                    await loop.submit(SellSeat(office_id=office_id, passenger="Ada"), CALLER, key=key)
        # Sessions tell of it when they end. A few are other business: whose key is opened, the end of the last test.
        assert whole_readings() - before < 10


class TestKeptAnswers:
    async def test_old_ones_are_forgotten_by_one_process_at_a_time(
        self, store: PostgresEventStore, database_url: str
    ) -> None:
        change(
            database_url,
            """
            INSERT INTO command_answers (scope, key, request_hash, result, position, recorded_at)
            VALUES (%(id)s, 'old', '', '', 1, now() - interval '25 hours'), (%(id)s, 'new', '', '', 2, now())
            """.replace("%(id)s", "'01890000-0000-7000-8000-00000000000b'"),
        )
        with psycopg.connect(database_url) as busy:
            busy.execute("SELECT pg_advisory_xact_lock(7)")
            assert await store.forget_old_answers(lock=7) == 0
        assert await store.forget_old_answers(lock=7) == 1
        assert query(database_url, "SELECT key FROM command_answers") == [("new",)]
