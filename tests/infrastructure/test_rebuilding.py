"""What was asked to be made anew is made anew once, by one process, whatever is killed meanwhile (requirement ADM-10)."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
import pytest

from api.cli.seeding import bootstrap_super_admin
from application.accounts.names import EMAIL as EMAIL_CLAIM
from application.audit.commands import RebuildProjection
from application.shared.caller import Caller
from domain.shared.claims import Claim, derived_id
from domain.shared.events import Recorded
from infrastructure import rebuilding
from infrastructure.bootstrap import PROJECTIONS, Machinery, kinds_by_name
from infrastructure.embedded.services import ServiceUrls
from infrastructure.rebuilding import Rebuilder
from infrastructure.roles import bring_schema_up_to_date
from infrastructure.settings import Settings
from projections.accounts.account_directory import AccountDirectory
from projections.audit import rebuild_requests
from projections.shared import tracking
from projections.shared.projection import Batch, Projection
from projections.shared.runner import ProjectionRunner
from tests.application.identity import EMAIL

pytestmark = pytest.mark.services

NAME = AccountDirectory.name
OTHER = "category_list"
"""Of a shop without categories: nothing to fold."""


@pytest.fixture
def environment(urls: ServiceUrls, database_url: str) -> dict[str, str]:
    # Nothing but a database: no NATS, no Redis.
    return {"DATABASE_URL": database_url, "APP_ENV": "test", "SUPER_ADMIN_EMAIL": EMAIL, "BCRYPT_ROUNDS": "4",
            "SUPER_ADMIN_PASSWORD": "correct horse battery staple"}  # fmt: skip


@pytest.fixture
def tools(environment: dict[str, str]) -> Machinery:
    made = Machinery(Settings.from_environment(environment))
    bring_schema_up_to_date(made)
    return made


@pytest.fixture
def connection(tools: Machinery) -> Iterator[psycopg.Connection[Any]]:
    with tools.connect(name="test") as opened:
        yield opened


def ask(tools: Machinery, *names: str) -> None:
    """A super admin asks for these to be made anew; every read model knows of it."""
    asyncio.run(submit_requests(tools, names))
    catch_up(tools)


async def submit_requests(tools: Machinery, names: Sequence[str]) -> None:
    """The super admin of the settings, who is there from now on, asks for these."""
    await bootstrap_super_admin(tools)
    email = tools.settings.accounts.super_admin_email
    assert email is not None
    async with tools.open_pool(name="test") as pool, tools.open_commands(pool) as (commands, store):
        claim_id = derived_id(EMAIL_CLAIM, email)
        held = (await store.load({claim_id: kinds_by_name()["claim"]}))[claim_id].state
        assert isinstance(held, Claim)
        for name in names:
            caller = Caller(actor_id=held.owner_id, role="super_admin")
            await commands.submit(RebuildProjection(projection=name), caller)


def catch_up(tools: Machinery) -> None:
    history = tools.open_log(name="test")
    broken: list[Exception] = []
    with tools.connect(name="test") as connection:
        ProjectionRunner(
            PROJECTIONS, history, connection, on_error=lambda _, error: broken.append(error)
        ).catch_up()
    history.close()
    assert not broken


def generations(connection: psycopg.Connection[Any]) -> dict[str, int]:
    return {each.name: each.generation for each in tracking.all_tracked(connection) if each.live}


def is_due(connection: psycopg.Connection[Any]) -> list[str]:
    return [each.projection for each in rebuild_requests.due(connection, [each.name for each in PROJECTIONS])]


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


def test_what_was_asked_for_is_done_in_its_order_and_only_once(
    tools: Machinery, connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "LOOK_SECONDS", 0.02)
    ask(tools, OTHER, NAME, OTHER)
    assert is_due(connection) == [NAME, OTHER]
    first, second = Rebuilder(tools), Rebuilder(tools)
    first.start()
    second.start()
    try:
        until(lambda: not is_due(connection))
    finally:
        first.stop()
        second.stop()
    done = generations(connection)
    # Whoever asked twice before it began is served once.
    assert (done[NAME], done[OTHER]) == (2, 2)
    assert {number for name, number in done.items() if name not in {NAME, OTHER}} == {1}


def test_who_asks_while_it_is_under_way_is_served_afterwards(
    tools: Machinery, connection: psycopg.Connection[Any]
) -> None:
    ask(tools, NAME)
    [asked] = rebuild_requests.due(connection, [NAME])
    rebuild_requests.begin(connection, asked)
    ask(tools, NAME)
    rebuild_requests.finish(connection, asked)
    [next_one] = rebuild_requests.due(connection, [NAME])
    assert next_one.request > asked.request


def test_killed_in_the_middle_it_is_begun_again_by_whoever_comes_next(
    tools: Machinery, environment: dict[str, str], connection: psycopg.Connection[Any]
) -> None:
    ask(tools, NAME)
    with psycopg.connect(tools.database_url) as reader:
        # Somebody reads the old rows for long, so that the new ones cannot take over yet.
        reader.execute("SELECT count(*) FROM account_directory")
        worker = multiprocessing.get_context("spawn").Process(target=work_for_ever, args=(environment,))
        worker.start()
        until(lambda: any(not each.live for each in tracking.all_tracked(connection)))
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join(10)
    assert is_due(connection) == [NAME]
    assert generations(connection)[NAME] == 1
    rebuilder = Rebuilder(tools)
    rebuilder.start()
    until(lambda: not is_due(connection))
    rebuilder.stop()
    assert generations(connection)[NAME] > 1
    assert not any(not each.live for each in tracking.all_tracked(connection))
    shown = connection.execute("SELECT count(*) FROM account_directory").fetchone()
    assert shown == (1,)


def work_for_ever(environment: Mapping[str, str]) -> None:
    Rebuilder(Machinery(Settings.from_environment(environment))).start()
    time.sleep(600)


def test_told_to_stop_it_stops_also_while_it_waits_for_a_lock(
    tools: Machinery, connection: psycopg.Connection[Any]
) -> None:
    ask(tools, NAME)
    with tools.connect(name="test") as other:
        other.execute("SELECT pg_advisory_lock(%s)", (tracking.LOCK,))
        rebuilder = Rebuilder(tools)
        rebuilder.start()
        until(lambda: waits_for_lock(connection))
        began = time.monotonic()
        rebuilder.stop()
        assert time.monotonic() - began < rebuilding.ENDING_SECONDS
        assert not rebuilder.is_alive
    assert is_due(connection) == [NAME]


def waits_for_lock(connection: psycopg.Connection[Any]) -> bool:
    row = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'daftar-rebuild' AND wait_event_type = 'Lock'"
    ).fetchone()
    return row is not None and row[0] > 0


class Broken(AccountDirectory):
    """A read model with a bug."""

    def project(self, batch: Batch, recorded: Recorded) -> None:
        raise ZeroDivisionError


class OnAFullDisk(AccountDirectory):
    """A read model for which the server has no room."""

    def project(self, batch: Batch, recorded: Recorded) -> None:
        raise psycopg.errors.DiskFull


class OfAnotherRelease(AccountDirectory):
    """A read model in another shape than the one that serves."""

    version = 99


@pytest.mark.parametrize(
    "made", [Broken(), OnAFullDisk(), OfAnotherRelease()], ids=lambda made: type(made).__name__
)
def test_one_that_cannot_be_made_does_not_hold_up_the_others(
    tools: Machinery, connection: psycopg.Connection[Any], made: Projection
) -> None:
    ask(tools, NAME, OTHER)
    known: dict[str, Projection] = {each.name: each for each in PROJECTIONS} | {NAME: made}
    rebuilder = Rebuilder(tools, known)
    rebuilder.start()
    until(lambda: generations(connection)[OTHER] == 2)
    rebuilder.stop()
    assert is_due(connection) == [NAME]
    assert generations(connection)[NAME] == 1
