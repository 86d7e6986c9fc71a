"""The tail of the log: every event once, in order, whatever happens to the database meanwhile."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from api.assembly import open_services
from api.cli.demo_shop import CUSTOMER, PURCHASES
from api.cli.seeding import seed_demo
from application.categories.commands import CreateCategory
from application.shared.caller import SYSTEM
from infrastructure.bootstrap import Machinery
from infrastructure.embedded.supervisor import EmbeddedServices
from infrastructure.identity import new_id
from tests.api.cli.conftest import PROGRAM, Run

pytestmark = pytest.mark.services


@pytest.fixture
async def demo(tools: Machinery) -> int:
    """The demo; the position of its last event."""
    await seed_demo(tools)
    history = tools.open_log(name="test")
    try:
        return history.head()
    finally:
        history.close()


def lines(run: Run, *arguments: str) -> list[dict[str, Any]]:
    result = run("tail", "--no-follow", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return [msgspec.json.decode(line) for line in result.stdout.splitlines()]


class TestReading:
    def test_from_the_first_on_no_event_is_left_out(self, demo: int, run: Run) -> None:
        assert [event["position"] for event in lines(run, "--from", "1")] == list(range(1, demo + 1))

    def test_the_last_ones_come_without_asking(self, demo: int, run: Run) -> None:
        assert [event["position"] for event in lines(run)] == list(range(demo - 9, demo + 1))
        assert lines(run, "--last", "0") == []

    def test_types_are_chosen_by_their_names(self, demo: int, run: Run) -> None:
        placed = lines(run, "--from", "1", "--type", "orders.OrderPlaced")
        assert len(placed) == len(PURCHASES)
        both = lines(run, "--from", "1", "--type", "orders.orderplaced.v1", "--type", "orders.OrderShipped")
        assert {event["name"] for event in both} == {"orders.OrderPlaced.v1", "orders.OrderShipped.v1"}

    def test_an_unknown_type_is_answered_with_close_ones(self, run: Run) -> None:
        refused = run("tail", "--type", "orders.OrderPlacd")
        assert refused.exit_code == 2
        assert "orders.OrderPlaced" in refused.stderr

    def test_personal_data_never_show(self, demo: int, run: Run) -> None:
        for arguments in (("--json",), ()):
            text = run("tail", "--from", "1", "--no-follow", *arguments).stdout
            assert CUSTOMER.name not in text
            assert CUSTOMER.email not in text
            assert '"personal"' not in text

    def test_people_read_a_line_an_event(self, demo: int, run: Run) -> None:
        shown = run("tail", "--from", "1", "--no-follow").stdout.splitlines()
        assert len(shown) == demo
        assert any("orders.OrderShipped.v1" in line and "by seller" in line for line in shown)

    def test_a_gap_in_the_log_ends_it(self, demo: int, tools: Machinery, run: Run) -> None:
        with tools.connect(name="test") as connection:
            connection.execute("DELETE FROM stored_events WHERE notification_id = 5")
        stopped = run("tail", "--from", "1", "--no-follow")
        assert stopped.exit_code == 1
        assert "Position 5 of the log is missing" in stopped.stderr

    def test_without_a_database_it_says_so(self, environment: dict[str, str], run: Run) -> None:
        environment["DATABASE_URL"] = "postgresql://daftar:hidden-word@127.0.0.1:1/daftar"
        refused = run("tail")
        assert refused.exit_code == 1
        assert "cannot be reached" in refused.stderr
        assert "hidden-word" not in refused.output


class TestFollowing:
    async def test_new_events_appear_until_it_is_stopped(
        self, demo: int, tools: Machinery, environment: dict[str, str]
    ) -> None:
        async with following(environment, "--from", "1") as tail:
            assert [await position(tail) for _ in range(demo)] == list(range(1, demo + 1))
            new = await happen(tools)
            assert [await position(tail) for _ in range(new - demo)] == list(range(demo + 1, new + 1))
            tail.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(tail.wait(), 10) == 130
            assert tail.stderr is not None
            assert await tail.stderr.read() == b""

    async def test_a_database_that_was_killed_and_came_back_costs_no_event(
        self, demo: int, tools: Machinery, environment: dict[str, str], embedded: EmbeddedServices
    ) -> None:
        async with following(environment, "--from", str(demo)) as tail:
            assert await position(tail) == demo
            await embedded.kill_service("postgres")
            await embedded.until_ready("postgres")
            new = await happen(tools)
            assert [await position(tail) for _ in range(new - demo)] == list(range(demo + 1, new + 1))
            tail.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(tail.wait(), 10) == 130
            assert tail.stderr is not None
            said = (await tail.stderr.read()).decode()
        assert said.splitlines() == ["The database is away; waiting for it.", "The database is back."]


async def happen(tools: Machinery) -> int:
    """Something happens; the position of its last event."""
    async with open_services(tools) as services:
        done = await services.commands.submit(CreateCategory(category_id=new_id(), name="Spices"), SYSTEM)
    return done.position


async def position(tail: asyncio.subprocess.Process) -> int:
    assert tail.stdout is not None
    line = await asyncio.wait_for(tail.stdout.readline(), 30)
    shown: int = msgspec.json.decode(line)["position"]
    return shown


@asynccontextmanager
async def following(
    environment: dict[str, str], *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *PROGRAM,
        "tail",
        "--json",
        *arguments,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
