"""A new ENCRYPTION_KEY, without closing the shop and without bringing anybody back (requirements ES-17, SEC-17)."""

from typing import Any

import psycopg
import pytest

from api.cli.seeding import seed_demo
from infrastructure.bootstrap import Machinery
from infrastructure.event_store import rotation
from infrastructure.security.secrets import fresh_secrets
from infrastructure.settings import Settings
from tests.api.cli.conftest import Run, facts

pytestmark = pytest.mark.services


@pytest.fixture
async def shop(tools: Machinery) -> Machinery:
    """People with personal data, and answers that are kept for repeats."""
    await seed_demo(tools)
    return tools


def with_a_new_key(environment: dict[str, str], *, old_is_kept: bool = True) -> Machinery:
    """From now on the settings have another key."""
    old = environment["ENCRYPTION_KEY"]
    environment["ENCRYPTION_KEY"] = fresh_secrets()["ENCRYPTION_KEY"]
    if old_is_kept:
        environment["ENCRYPTION_KEYS_PREVIOUS"] = old
    return Machinery(Settings.from_environment(environment))


def names_in_log(tools: Machinery) -> list[str]:
    """What the log holds of people, read with these settings alone."""
    from domain.accounts.events import AccountRegistered

    log = tools.open_log(name="test")
    try:
        events = log.read(0, 1_000_000, [AccountRegistered], personal=True).events
    finally:
        log.close()
    return [str(each.event.name) for each in events if isinstance(each.event, AccountRegistered)]


def status(run: Run) -> dict[str, dict[str, Any]]:
    found = facts(run("keys", "status", "--json"))
    assert isinstance(found, list)
    return {each["key_id"]: each for each in found}


def test_everything_is_sealed_by_the_new_key_and_the_old_one_can_go(
    run: Run, shop: Machinery, environment: dict[str, str]
) -> None:
    people = names_in_log(shop)
    assert "Zebo Karimova" in people
    renewed = with_a_new_key(environment)
    before = status(run)
    assert before[shop.wrapper.current_key_id]["data_keys"] >= len(people)

    done = facts(run("keys", "rotate", "--json"))

    assert isinstance(done, dict)
    assert (done["data_keys"], done["left"]) == (before[shop.wrapper.current_key_id]["data_keys"], 0)
    assert set(status(run)) == {renewed.wrapper.current_key_id}
    del environment["ENCRYPTION_KEYS_PREVIOUS"]
    assert names_in_log(Machinery(Settings.from_environment(environment))) == people
    assert facts(run("keys", "rotate", "--json")) == {"data_keys": 0, "answers": 0, "left": 0}


def test_what_no_key_opens_is_left_and_told(run: Run, shop: Machinery, environment: dict[str, str]) -> None:
    with_a_new_key(environment, old_is_kept=False)
    result = run("keys", "rotate")
    assert result.exit_code == 1
    assert "not in ENCRYPTION_KEYS_PREVIOUS" in result.output
    assert {each["known"] for each in status(run).values() if each["data_keys"]} == {False}
    doctor = run("doctor")
    assert doctor.exit_code == 1
    assert "an ENCRYPTION_KEY that is not here" in doctor.output


def test_whoever_is_erased_while_keys_are_rotated_stays_erased(
    shop: Machinery, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed = with_a_new_key(environment)
    rewrap = type(renewed.wrapper).rewrap
    erased = False

    def erase_first(self: Any, wrapped: str, owner_id: Any) -> str:
        nonlocal erased
        if not erased:
            # Between the reading of the row and its replacement.
            erased = True
            with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
                connection.execute("SELECT forget_people(array_agg(subject_id)) FROM data_keys")
        return rewrap(self, wrapped, owner_id)

    monkeypatch.setattr(type(renewed.wrapper), "rewrap", erase_first)
    with renewed.connect(name="test") as connection:
        done = rotation.rotate(connection, renewed.wrapper)
        kept = connection.execute("SELECT count(*) FROM data_keys WHERE wrapped IS NOT NULL").fetchone()
    assert erased
    assert (done.data_keys, kept) == (0, (0,))
    assert set(names_in_log(renewed)) == {"None"}


def test_a_rotation_in_small_steps_forgets_nobody(shop: Machinery, environment: dict[str, str]) -> None:
    renewed = with_a_new_key(environment)
    with renewed.connect(name="test") as connection:
        [old] = [each for each in rotation.sealed_by_key(connection, renewed.wrapper) if not each.current]
        steps: list[int] = []
        done = rotation.rotate(connection, renewed.wrapper, batch=2, on_progress=steps.append)
        [left] = rotation.sealed_by_key(connection, renewed.wrapper)
    assert max(steps) == 2
    assert (done.data_keys, done.answers) == (old.data_keys, old.answers) == (left.data_keys, left.answers)
