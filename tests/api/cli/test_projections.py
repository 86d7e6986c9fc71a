"""Read models are shown as they are, and rebuilt while the old ones serve."""

import asyncio
import os
import signal
import subprocess
import time
from typing import Any

import psycopg
import pytest

from api.cli import seeding
from api.cli.seeding import seed_demo
from infrastructure import rebuilding, roles
from infrastructure.bootstrap import PROJECTIONS, Machinery
from infrastructure.messaging import publisher
from infrastructure.migrations import migrate
from projections.shared import tracking
from projections.shared.rebuild import _lock_number
from projections.shared.runner import ProjectionRunner
from tests.api.cli.conftest import PROGRAM, Run, facts

pytestmark = pytest.mark.services

NAMES = sorted(projection.name for projection in PROJECTIONS)
ONE = NAMES[0]


@pytest.fixture
async def demo(tools: Machinery) -> int:
    """The demo, shown by every read model; the position of its last event."""
    await seed_demo(tools)
    return catch_up(tools)


def catch_up(tools: Machinery) -> int:
    history = tools.open_log(name="test")
    broken: list[Exception] = []
    with tools.connect(name="test") as connection:
        ProjectionRunner(
            PROJECTIONS, history, connection, on_error=lambda _, error: broken.append(error)
        ).catch_up()
    head = history.head()
    history.close()
    assert not broken
    return head


def shown(run: Run) -> dict[str, dict[str, Any]]:
    models = facts(run("projections", "--json"))
    assert isinstance(models, list)
    return {model["name"]: model for model in models}


class TestProjections:
    def test_each_is_listed_with_its_lag(self, tools: Machinery, demo: int, run: Run) -> None:
        models = shown(run)
        assert sorted(models) == NAMES
        assert {model["lag"] for model in models.values()} == {0}
        assert {model["position"] for model in models.values()} == {demo}

    async def test_what_has_not_been_taken_yet_is_lag(self, tools: Machinery, run: Run) -> None:
        await seed_demo(tools)
        result = await asyncio.to_thread(run, "projections")
        assert result.exit_code == 0
        head = catch_up(tools)
        assert all(f"{head}" in line for line in result.stdout.splitlines()[1:])

    def test_one_that_was_never_created_is_called_missing(self, tools: Machinery, run: Run) -> None:
        with tools.connect(name="test") as connection:
            connection.execute("DELETE FROM projection_tracking WHERE name = %s", (ONE,))
        assert shown(run)[ONE]["generation"] is None
        assert "missing: run `daftar migrate`" in run("projections").stdout

    def test_one_whose_shape_has_changed_is_called_outdated(self, tools: Machinery, run: Run) -> None:
        with tools.connect(name="test") as connection:
            connection.execute("UPDATE projection_tracking SET fingerprint = 'old' WHERE name = %s", (ONE,))
        assert {name for name, model in shown(run).items() if model["outdated"]} == {ONE}

    def test_without_a_schema_it_says_what_to_do(
        self, environment: dict[str, str], empty_database_url: str, run: Run
    ) -> None:
        environment["DATABASE_URL"] = empty_database_url
        refused = run("projections")
        assert refused.exit_code == 1
        assert "daftar migrate" in refused.stderr

    def test_watching_shows_the_rate_since_the_last_look(
        self, tools: Machinery, demo: int, environment: dict[str, str]
    ) -> None:
        with start(environment, "projections", "--watch", "--every", "0.3", "--json") as watching:
            assert watching.stdout is not None
            watching.stdout.readline()
            with tools.connect(name="test") as connection:
                connection.execute("UPDATE projection_tracking SET position = position + 100")
            looks = [watching.stdout.readline() for _ in range(2)]
            watching.send_signal(signal.SIGINT)
            assert watching.wait(10) == 130
            assert watching.stderr is not None
            assert watching.stderr.read() == ""
        assert any('"rate":0.0' not in look for look in looks)


class TestRebuild:
    def test_one_is_made_anew_and_serves(self, tools: Machinery, demo: int, run: Run) -> None:
        before = rows(tools, ONE)
        (rebuilt,) = as_list(facts(run("rebuild", ONE, "--json")))
        assert rebuilt["events"] == demo
        assert shown(run)[ONE]["generation"] == rebuilt["generation"] == 2
        assert rows(tools, ONE) == before

    def test_all_are_made_anew(self, tools: Machinery, demo: int, run: Run) -> None:
        rebuilt = run("rebuild", "--all")
        assert rebuilt.exit_code == 0, rebuilt.output
        assert {model["generation"] for model in shown(run).values()} == {2}
        assert len(
            [line for line in rebuilt.stdout.splitlines() if "rebuilt as generation 2" in line]
        ) == len(NAMES)

    def test_an_unknown_name_is_answered_with_the_known_ones(self, run: Run) -> None:
        refused = run("rebuild", "sales")
        assert refused.exit_code == 2
        assert "There is no read model sales" in refused.stderr
        assert all(name in refused.stderr.replace("\n", "") for name in NAMES)

    @pytest.mark.parametrize("arguments", [(), (ONE, "--all")])
    def test_it_must_be_clear_what_to_rebuild(self, run: Run, arguments: tuple[str, ...]) -> None:
        assert run("rebuild", *arguments).exit_code == 2

    def test_two_at_once_are_one(self, tools: Machinery, demo: int, run: Run) -> None:
        with tools.connect(name="test") as other:
            other.execute("SELECT pg_advisory_lock(%s, %s)", (tracking.LOCK, _lock_number(ONE)))
            refused = run("rebuild", ONE)
        assert refused.exit_code == 1
        assert "is being rebuilt by another process" in refused.stderr

    def test_an_interrupted_one_leaves_the_old_serving(
        self, tools: Machinery, demo: int, environment: dict[str, str], run: Run
    ) -> None:
        before = rows(tools, ONE)
        table = next(projection for projection in PROJECTIONS if projection.name == ONE).tables[0].name
        with psycopg.connect(tools.database_url) as reader:
            # Somebody reads the old table for long, so that the new one cannot take over yet.
            reader.execute(f"SELECT count(*) FROM {table}")
            with start(environment, "rebuild", ONE) as rebuilding:
                wait_for_generation(tools, 2)
                rebuilding.send_signal(signal.SIGINT)
                assert rebuilding.wait(20) == 130
                assert rebuilding.stderr is not None
                said = rebuilding.stderr.read()
        assert f"the old {ONE} goes on serving" in said
        assert "Traceback" not in said
        assert shown(run)[ONE]["generation"] == 1
        assert rows(tools, ONE) == before
        assert as_list(facts(run("rebuild", ONE, "--json")))[0]["events"] == demo


class TestLocks:
    def test_each_purpose_has_a_lock_of_its_own(self) -> None:
        # The publisher holds its lock for as long as it runs: shared with read models, no rebuild would ever begin.
        locks = [
            publisher.LOCK,
            tracking.LOCK,
            migrate.LOCK,
            roles.CLEAN_UP_LOCK,
            seeding.LOCK,
            rebuilding.LOCK,
        ]
        assert len(set(locks)) == len(locks)

    def test_a_lock_that_is_not_given_back_ends_the_rebuild_in_a_sentence(
        self, tools: Machinery, demo: int, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.cli.rebuild.LOCK_SECONDS", 1)
        with tools.connect(name="test") as other:
            other.execute("SELECT pg_advisory_lock(%s)", (tracking.LOCK,))
            refused = run("rebuild", ONE)
        assert refused.exit_code == 1
        assert f"Somebody holds on to {ONE}" in refused.stderr
        assert shown(run)[ONE]["generation"] == 1


def as_list(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value


def rows(tools: Machinery, name: str) -> list[Any]:
    projection = next(each for each in PROJECTIONS if each.name == name)
    with tools.connect(name="test") as connection:
        return [
            sorted(map(repr, connection.execute(f"SELECT * FROM {table.name}").fetchall()))
            for table in projection.tables
        ]


def wait_for_generation(tools: Machinery, generation: int) -> None:
    deadline = time.monotonic() + 20
    with tools.connect(name="test") as connection:
        while time.monotonic() < deadline:
            if any(tracked.generation == generation for tracked in tracking.all_tracked(connection)):
                return
            time.sleep(0.02)
    raise AssertionError("the rebuild did not begin")


def start(environment: dict[str, str], *arguments: str) -> "subprocess.Popen[str]":
    """`daftar` as a process of its own."""
    return subprocess.Popen(
        (*PROGRAM, *arguments),
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
