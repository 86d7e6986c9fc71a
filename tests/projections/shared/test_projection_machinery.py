"""Read models follow the log exactly once, fail alone, and are rebuilt while they serve."""

import threading
from collections.abc import AsyncIterator, Iterator
from typing import ClassVar
from uuid import UUID

import msgspec
import psycopg
import pytest
from psycopg import sql

from application.shared.caller import Caller
from application.shared.loop import CommandLoop
from domain.shared.events import Recorded
from infrastructure.event_store.log import PostgresLog
from infrastructure.identity import new_id
from projections.shared import rebuild as rebuilding
from projections.shared import tracking
from projections.shared.projection import Batch, Projection
from projections.shared.rebuild import CLOSE_ENOUGH, RebuildProgress, create_missing, rebuild
from projections.shared.runner import ProjectionRunner
from projections.shared.table import Table
from tests.support import tickets_office as office
from tests.support.commands import CLAIMS, TestClock
from tests.support.stores import make_codec, postgres_store
from tests.support.tickets_office import AddSeats, OfficeOpened, OpenOffice, SeatsAdded, SeatSold, SellSeat

pytestmark = pytest.mark.services

CALLER = Caller(actor_id=new_id(), role="customer")
MODULE = office.events_module()
Connection = psycopg.Connection[tuple[object, ...]]


class SalesRow(msgspec.Struct):
    """One office's sales."""

    office_id: UUID
    name: str
    left_seats: int
    sold: int = 0
    passengers: list[str] = []
    tags: dict[str, int] = {}


SALES = Table(
    "office_sales",
    SalesRow,
    key=("office_id",),
    columns="""
        office_id uuid NOT NULL,
        name text NOT NULL,
        left_seats integer NOT NULL,
        sold integer NOT NULL,
        passengers text[] NOT NULL,
        tags jsonb NOT NULL
    """,
    indexes={"name": "(name)"},
)


class OfficeSales(Projection):
    """What each office has sold."""

    name = "office_sales"
    tables = (SALES,)
    events = (OfficeOpened, SeatSold, SeatsAdded)
    personal = True
    broken: ClassVar[bool] = False

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        rows = batch.rows(SALES)
        match recorded.event:
            case OfficeOpened(name=name, seats=seats):
                rows.put(SalesRow(office_id=recorded.stream_id, name=name, left_seats=seats))
            case SeatSold(passenger=passenger):
                if self.broken:
                    raise ZeroDivisionError("a bug in the read model")
                row = rows.change(recorded.stream_id)
                if row is not None:
                    row.sold += 1
                    row.left_seats -= 1
                    row.passengers = [*row.passengers, passenger]
                    row.tags = {**row.tags, passenger: row.tags.get(passenger, 0) + 1}
            case SeatsAdded(seats=seats):
                row = rows.change(recorded.stream_id)
                if row is not None:
                    row.left_seats += seats
            case _:
                pass


class OfficeCount(OfficeSales):
    """The same facts under another name, to see that one read model does not hold up another."""

    name = "office_count"
    tables = (Table("office_count", SalesRow, key=("office_id",), columns=SALES.columns),)

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Count births only."""
        match recorded.event:
            case OfficeOpened(name=name, seats=seats):
                batch.rows(self.tables[0]).put(
                    SalesRow(office_id=recorded.stream_id, name=name, left_seats=seats)
                )
            case _:
                pass


class OfficeBirths(OfficeCount):
    """A read model whom sales do not concern."""

    name = "office_births"
    tables = (Table("office_births", SalesRow, key=("office_id",), columns=SALES.columns),)
    events = (OfficeOpened,)


@pytest.fixture
async def loop(database_url: str) -> AsyncIterator[CommandLoop]:
    """The shop that is open all the while."""
    async with (
        postgres_store(database_url, [MODULE]) as store,
        CommandLoop(
            store,
            handlers=office.HANDLERS,
            kinds=[office.OFFICE, CLAIMS],
            clock=TestClock(),
            new_id=new_id,
        ) as running,
    ):
        yield running


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    """The projector's connection."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def log(database_url: str) -> Iterator[PostgresLog]:
    """The projector's log."""
    opened = PostgresLog(psycopg.connect(database_url, autocommit=True), make_codec([MODULE]))
    yield opened
    opened.close()


def runner(connection: Connection, log: PostgresLog, *projections: Projection) -> ProjectionRunner:
    """A projector over read models that exist."""
    create_missing(connection, projections)
    return ProjectionRunner(projections, log, connection, on_error=lambda _name, _error: None)


def rows_of(connection: Connection, table: str = "office_sales") -> list[tuple[object, ...]]:
    """The screen."""
    return connection.execute(
        sql.SQL("SELECT office_id, name, left_seats, sold, passengers, tags FROM {} ORDER BY name").format(
            sql.Identifier(table)
        )
    ).fetchall()


async def trade(loop: CommandLoop, *, offices: int, sales: int, prefix: str = "office") -> list[UUID]:
    """Open offices, sell in each, add a seat to each."""
    ids = [new_id() for _ in range(offices)]
    for number, office_id in enumerate(ids):
        await loop.submit(OpenOffice(office_id=office_id, name=f"{prefix} {number:03}", seats=100), CALLER)
        for sale in range(sales):
            await loop.submit(SellSeat(office_id=office_id, passenger=f"P{sale}"), CALLER)
        await loop.submit(AddSeats(office_id=office_id, seats=1), CALLER)
    return ids


class TestFollowing:
    async def test_the_screen_shows_what_happened(
        self, loop: CommandLoop, connection: Connection, log: PostgresLog
    ) -> None:
        [office_id] = await trade(loop, offices=1, sales=2)
        runner(connection, log, OfficeSales()).catch_up()
        assert rows_of(connection) == [(office_id, "office 000", 99, 2, ["P0", "P1"], {"P0": 1, "P1": 1})]

    async def test_events_are_applied_once_however_they_are_cut_into_batches(
        self, loop: CommandLoop, connection: Connection, log: PostgresLog
    ) -> None:
        following = runner(connection, log, OfficeSales())
        for part in range(3):
            await trade(loop, offices=2, sales=3, prefix=f"part {part}")
            following.catch_up()
            following.catch_up()
        assert [row[2:4] for row in rows_of(connection)] == [(98, 3)] * 6

    async def test_a_crash_between_rows_and_position_repeats_nothing(
        self, loop: CommandLoop, connection: Connection, log: PostgresLog
    ) -> None:
        await trade(loop, offices=1, sales=2)
        create_missing(connection, [OfficeSales()])
        batch = log.read(0, 100, OfficeSales.events, personal=True)
        with connection.transaction():
            OfficeSales().apply(batch.events, connection, {"office_sales": "office_sales"})
            raise psycopg.Rollback
        runner(connection, log, OfficeSales()).catch_up()
        assert [row[3] for row in rows_of(connection)] == [2]

    async def test_rows_are_looked_up_by_key_also_while_a_table_is_young(
        self, loop: CommandLoop, log: PostgresLog, database_url: str
    ) -> None:
        with psycopg.connect(database_url, autocommit=True) as mine:
            following = runner(mine, log, OfficeSales())
            mine.execute("ANALYZE office_sales")  # Nothing in it: reading all of it costs nothing.

            def scans() -> tuple[int, int]:
                mine.execute("SELECT pg_stat_force_next_flush()")
                statement = (
                    "SELECT seq_scan, idx_scan FROM pg_stat_user_tables WHERE relname = 'office_sales'"
                )
                [(whole, by_key)] = mine.execute(statement).fetchall()
                return whole, by_key

            whole, by_key = scans()
            for part in range(12):  # more often than plans are made anew
                await trade(loop, offices=1, sales=1, prefix=f"part {part}")
                following.catch_up()
            assert scans()[0] == whole
            assert scans()[1] > by_key

    @pytest.mark.parametrize(
        ("head", "due"), [(0, []), (CLOSE_ENOUGH, []), (CLOSE_ENOUGH + 1, ["office_sales"])]
    )
    async def test_a_new_one_is_to_be_filled_at_once_where_following_would_take_long(
        self, connection: Connection, head: int, due: list[str]
    ) -> None:
        assert create_missing(connection, [OfficeSales()], head=head) == due
        # Whoever was interrupted finds it so again; once it shows anything it is the projector's.
        assert create_missing(connection, [OfficeSales()], head=head) == due
        connection.execute("UPDATE projection_tracking SET position = 1")
        assert create_missing(connection, [OfficeSales()], head=head) == []

    async def test_two_projectors_at_once_apply_each_event_once(
        self, loop: CommandLoop, connection: Connection, log: PostgresLog, database_url: str
    ) -> None:
        create_missing(connection, [OfficeSales()])

        def follow() -> None:
            with (
                psycopg.connect(database_url, autocommit=True) as mine,
                psycopg.connect(database_url, autocommit=True) as reading,
            ):
                other = ProjectionRunner(
                    [OfficeSales()], PostgresLog(reading, make_codec([MODULE])), mine, on_error=print
                )
                while not stop.is_set():
                    other.catch_up()
                other.catch_up()

        stop = threading.Event()
        threads = [threading.Thread(target=follow) for _ in range(2)]
        for thread in threads:
            thread.start()
        await trade(loop, offices=5, sales=10)
        stop.set()
        for thread in threads:
            thread.join()
        assert [row[3] for row in rows_of(connection)] == [10] * 5

    async def test_a_broken_read_model_does_not_hold_up_the_others_and_recovers(
        self, loop: CommandLoop, connection: Connection, log: PostgresLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await trade(loop, offices=1, sales=1)
        following = runner(connection, log, OfficeSales(), OfficeCount())
        monkeypatch.setattr(OfficeSales, "broken", True)
        following.catch_up()
        assert rows_of(connection) == []
        assert len(rows_of(connection, "office_count")) == 1
        assert following.progress["office_sales"].error == "ZeroDivisionError: a bug in the read model"
        monkeypatch.setattr(OfficeSales, "broken", False)
        following.progress["office_sales"].retry_at = 0.0
        following.catch_up()
        assert [row[3] for row in rows_of(connection)] == [1]
        assert following.progress["office_sales"].error is None

    async def test_a_read_model_whom_nothing_concerns_keeps_step_with_the_others(
        self, loop: CommandLoop, connection: Connection, log: PostgresLog
    ) -> None:
        following = runner(connection, log, OfficeSales(), OfficeBirths())
        [office_id] = await trade(loop, offices=1, sales=1)
        following.catch_up()
        for passenger in ("Zebo", "Anvar"):
            await loop.submit(SellSeat(office_id=office_id, passenger=passenger), CALLER)
            following.catch_up()
        places = {each.name: each.position for each in tracking.all_tracked(connection)}
        assert places["office_sales"] == places["office_births"] == log.head()
        await trade(loop, offices=1, sales=0, prefix="later")
        following.catch_up()
        assert [row[3] for row in rows_of(connection)] == [0, 3]
        assert len(rows_of(connection, "office_births")) == 2


class TestRebuilding:
    async def test_a_rebuilt_read_model_equals_the_live_one(
        self, loop: CommandLoop, connection: Connection, log: PostgresLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rebuilding, "CLOSE_ENOUGH", 5)
        monkeypatch.setattr(rebuilding, "REBUILD_BATCH", 7)
        await trade(loop, offices=12, sales=4)
        runner(connection, log, OfficeSales()).catch_up()
        live = rows_of(connection)
        reports: list[RebuildProgress] = []
        done = rebuild(connection, OfficeSales(), log, report=reports.append)
        assert rows_of(connection) == live
        assert (done.position, done.done) == (log.head(), True)
        assert [report.position for report in reports] == sorted(report.position for report in reports)
        assert len(reports) > 5

    async def test_a_large_batch_goes_in_by_copy(
        self, loop: CommandLoop, connection: Connection, log: PostgresLog
    ) -> None:
        await trade(loop, offices=70, sales=1)
        following = runner(connection, log, OfficeSales())
        following.catch_up()
        live = rows_of(connection)
        assert len(live) == 70
        for office_id, *_ in live:
            await loop.submit(SellSeat(office_id=office_id, passenger="late"), CALLER)  # type: ignore[arg-type]
        following.catch_up()
        changed = rows_of(connection)
        assert [row[3] for row in changed] == [2] * 70
        rebuild(connection, OfficeSales(), log)
        assert rows_of(connection) == changed

    async def test_the_old_one_serves_and_follows_until_the_new_one_takes_over(
        self, loop: CommandLoop, connection: Connection, log: PostgresLog, database_url: str
    ) -> None:
        await trade(loop, offices=3, sales=1)
        create_missing(connection, [OfficeSales()])
        with psycopg.connect(database_url, autocommit=True) as mine:
            reading = PostgresLog(psycopg.connect(database_url, autocommit=True), make_codec([MODULE]))
            following = ProjectionRunner([OfficeSales()], reading, mine, on_error=lambda *_: None)
            following.catch_up()
            seen: list[int] = []

            def look(progress: RebuildProgress) -> None:
                seen.append(len(rows_of(connection)))
                following.catch_up()

            rebuild(connection, OfficeSales(), log, report=look)
            await trade(loop, offices=1, sales=1, prefix="after")
            following.catch_up()
            reading.close()
        assert set(seen) == {3}
        assert len(rows_of(connection)) == 4

    async def test_an_interrupted_rebuild_leaves_the_old_one_and_can_be_run_again(
        self, loop: CommandLoop, connection: Connection, log: PostgresLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rebuilding, "CLOSE_ENOUGH", 1)
        monkeypatch.setattr(rebuilding, "REBUILD_BATCH", 5)
        await trade(loop, offices=4, sales=2)
        runner(connection, log, OfficeSales()).catch_up()
        live = rows_of(connection)

        def interrupt(progress: RebuildProgress) -> None:
            if progress.position > 5:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            rebuild(connection, OfficeSales(), log, report=interrupt)
        assert rows_of(connection) == live
        rebuild(connection, OfficeSales(), log)
        assert rows_of(connection) == live
        mine = [t for t in tracking.all_tracked(connection) if t.name == "office_sales"]
        assert [t.live for t in mine] == [True]
        left = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'office\\_sales%'"
        ).fetchone()
        assert left == (1,)

    async def test_only_one_rebuilds_at_a_time(
        self, loop: CommandLoop, connection: Connection, log: PostgresLog, database_url: str
    ) -> None:
        create_missing(connection, [OfficeSales()])
        refused: list[Exception] = []

        def again(progress: RebuildProgress) -> None:
            if progress.done or refused:
                return
            with psycopg.connect(database_url, autocommit=True) as other:
                try:
                    rebuild(other, OfficeSales(), log)
                except rebuilding.RebuildRunning as error:
                    refused.append(error)

        rebuild(connection, OfficeSales(), log, report=again)
        assert len(refused) == 1

    async def test_the_indexes_are_there_afterwards(
        self, loop: CommandLoop, connection: Connection, log: PostgresLog
    ) -> None:
        create_missing(connection, [OfficeSales()])
        rebuild(connection, OfficeSales(), log)
        rebuild(connection, OfficeSales(), log)
        names = connection.execute(
            "SELECT indexname FROM pg_indexes WHERE tablename = 'office_sales'"
        ).fetchall()
        assert ("office_sales_g3_name",) in names
