"""The promises of the house itself: who may know whom, and facts that can be read for ever (requirements ES-03, ES-20)."""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from importlinter import api as import_linter
from importlinter.application.use_cases import SUCCESS, lint_imports

import api
import application
import domain
import infrastructure
import projections
from domain.shared.events import DomainEvent, State
from domain.shared.personal import ERASED
from infrastructure.bootstrap import EVENT_MODULES, KINDS, UPCASTERS
from infrastructure.event_store.codec import KeysNeeded
from infrastructure.event_store.keyring import DataKey
from infrastructure.event_store.personal import PersonalFields
from tests.fixtures.make_event_fixtures import (
    DATA_KEY,
    FOLDER,
    NAMES,
    StoredExample,
    make_codec,
    read_example,
)
from tests.support.any_event import any_event, example_of

ROOT: Final = Path(__file__).parents[1]
ROOMS: Final = (api, application, domain, infrastructure, projections)

CODEC: Final = make_codec()
CLASSES: Final = CODEC.names.classes
STORED: Final = sorted({*CLASSES, *UPCASTERS})
CONTEXTS: Final = sorted(
    path.name for path in (ROOT / "domain").iterdir() if path.is_dir() and not path.name.startswith("__")
)
MEMORY: Final = b'"personal":"'


def modules_of(room: str) -> list[Path]:
    found = sorted((ROOT / room).rglob("*.py"))
    assert found, f"{room} is not empty"
    return found


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module is not None
            # `from domain.orders import order` names a module as well.
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if (ROOT / f"{inner.replace('.', '/')}.py").exists() else node.module


def strangers_in(room: str, *welcome: str) -> dict[str, list[str]]:
    """What is imported and neither in the standard library nor welcome."""
    found = {}
    for path in modules_of(room):
        strange = sorted(
            name
            for name in set(imports_of(path))
            if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith(welcome)
        )
        if strange:
            found[str(path.relative_to(ROOT))] = strange
    return found


class TestTheRooms:
    @pytest.mark.parametrize("room", ROOMS, ids=lambda room: str(room.__name__))
    def test_every_room_that_is_tested_lies_in_this_repository(self, room: Any) -> None:
        assert Path(room.__file__).is_relative_to(ROOT)

    def test_the_repository_has_the_rooms_that_it_promises(self) -> None:
        assert all((ROOT / name).is_dir() for name in ("domain", "application", "infrastructure"))
        assert all((ROOT / name).is_dir() for name in ("projections", "api", "tests"))
        assert all((ROOT / name).is_file() for name in ("pyproject.toml", "docker-compose.yml"))

    def test_imports_point_inwards(self) -> None:
        assert len(import_linter.read_configuration(str(ROOT / "pyproject.toml"))["contracts_options"]) >= 3
        assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None) is SUCCESS

    def test_what_is_true_knows_only_the_standard_library_and_msgspec(self) -> None:
        assert strangers_in("domain", "msgspec", "domain.") == {}

    def test_what_may_be_asked_knows_only_the_domain_and_msgspec(self) -> None:
        assert strangers_in("application", "msgspec", "domain.", "application.") == {}

    def test_what_is_read_knows_the_database_and_the_facts(self) -> None:
        # rapidfuzz only counts how far two words are apart.
        welcome = ("msgspec", "psycopg", "rapidfuzz", "domain.", "projections.")
        assert strangers_in("projections", *welcome) == {}

    def test_a_decision_asks_for_no_time_no_chance_and_no_network(self) -> None:
        outside = {"asyncio", "http", "logging", "os", "random", "secrets", "socket", "ssl", "subprocess"}
        outside |= {"threading", "time", "urllib.request"}
        found = {
            str(path.relative_to(ROOT)): taken
            for path in modules_of("domain")
            if (taken := sorted(outside.intersection(imports_of(path))))
        }
        assert found == {}

    @pytest.mark.parametrize("call", ["now", "utcnow", "today", "uuid1", "uuid4", "getenv"])
    def test_a_decision_is_handed_its_time_and_its_ids(self, call: str) -> None:
        for path in [*modules_of("domain"), *modules_of("application")]:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                    assert name != call, f"{path.relative_to(ROOT)}:{node.lineno} calls {call}()"

    @pytest.mark.parametrize("context", CONTEXTS)
    def test_a_context_decides_without_knowing_the_others(self, context: str) -> None:
        others = tuple(f"domain.{other}" for other in CONTEXTS if other not in (context, "shared"))
        known = {name for path in modules_of(f"domain/{context}") for name in imports_of(path)}
        assert sorted(name for name in known if name.startswith(others)) == []

    def test_policies_know_other_contexts_by_their_facts_alone(self) -> None:
        policies = [path for path in modules_of("application") if path.name == "policies.py"]
        assert policies
        for path in policies:
            foreign = [
                name
                for name in imports_of(path)
                if name.startswith("domain.") and name.split(".")[1] not in (path.parent.name, "shared")
            ]
            assert all(name.endswith(".events") for name in foreign), f"{path}: {foreign}"

    def test_no_screen_looks_into_an_aggregate(self) -> None:
        aggregates = {kind.state.__module__ for kind in KINDS}
        assert "domain.orders.order" in aggregates
        found = {
            str(path.relative_to(ROOT)): known
            for path in modules_of("projections")
            if (known := sorted(aggregates.intersection(imports_of(path))))
        }
        assert found == {}


class TestFacts:
    def test_every_context_with_facts_is_known_to_the_log(self) -> None:
        written = {f"domain.{path.parent.name}.events" for path in (ROOT / "domain").glob("*/events.py")}
        written.remove("domain.shared.events")  # there stands what a fact is, and none
        assert {module.__name__ for module in EVENT_MODULES} == written | {"domain.shared.claims"}

    @pytest.mark.parametrize("event", CLASSES.values(), ids=CLASSES.keys())
    def test_every_fact_says_what_became_true(self, event: type[DomainEvent]) -> None:
        assert event.__doc__ != DomainEvent.__doc__
        assert event.__doc__ is not None
        assert len(event.__doc__.split()) >= 4
        assert event.__doc__.split("\n")[0].endswith((".", ";", ",")) or "\n" in event.__doc__

    def test_no_stored_name_was_changed_or_forgotten(self) -> None:
        pinned = NAMES.read_text(encoding="utf-8").split()
        assert pinned == sorted(set(pinned))
        assert set(pinned) == set(STORED), "run python -m tests.fixtures.make_event_fixtures for new events"
        for name in pinned:
            assert issubclass(CODEC.names.class_of(name), DomainEvent)

    def test_every_stored_name_has_an_example_and_every_example_a_name(self) -> None:
        assert sorted(path.name.removesuffix(".json") for path in FOLDER.glob("*.json")) == STORED

    @pytest.mark.parametrize("name", STORED)
    def test_what_was_stored_is_still_read(self, name: str) -> None:
        stored = read_example(name)
        event = _decoded(stored)
        read = json.loads(msgspec.json.encode(event))
        added = {key: value for key, value in read.items() if key not in stored.becomes}
        assert stored.name == name
        assert {key: read[key] for key in stored.becomes} == stored.becomes
        assert added.keys() <= _optional(type(event)), "a field without a default is missing in old rows"

    @pytest.mark.parametrize("name", sorted(CLASSES))
    def test_an_example_fills_every_field(self, name: str) -> None:
        stored = read_example(name)
        assert None not in stored.becomes.values()
        assert [] not in stored.becomes.values()
        has_personal_data = PersonalFields(CODEC.names.class_of(name)).present
        assert (MEMORY.decode() in stored.state) is has_personal_data

    @pytest.mark.parametrize("name", sorted(CLASSES))
    def test_a_fact_that_a_newer_program_wrote_is_read_by_this_one(self, name: str) -> None:
        stored = read_example(name)
        newer = msgspec.structs.replace(stored, state='{"fromTheFuture":[1],' + stored.state[1:].lstrip(","))
        if stored.state == "{}":
            newer = msgspec.structs.replace(stored, state='{"fromTheFuture":[1]}')
        assert _decoded(newer) == _decoded(stored)

    @pytest.mark.parametrize("event", CLASSES.values(), ids=CLASSES.keys())
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(data=st.data())
    def test_any_fact_comes_back_from_the_log_as_it_went_in(
        self, event: type[DomainEvent], data: st.DataObject
    ) -> None:
        happened = data.draw(any_event(event))
        stream_id = data.draw(st.uuids(version=4))
        version = data.draw(st.integers(1, 2**62))
        codec = make_codec()
        subject = codec.subject(happened, stream_id)
        key = None if subject is None else DataKey(subject, data.draw(st.binary(min_size=32, max_size=32)))

        name, state = codec.encode(happened, stream_id, version, key)

        assert codec.names.class_of(name.decode()) is event
        assert _personal_names(event).isdisjoint(json.loads(state))
        if codec.subject_of(state) is not None:
            assert key is not None
            assert codec.subject_of(state) == subject
            with pytest.raises(KeysNeeded):
                codec.decode(name.decode(), state, stream_id, version)
            codec.keyring.remember(key)
        assert codec.decode(name.decode(), state, stream_id, version) == happened

    @pytest.mark.parametrize(
        "event",
        [each for each in CLASSES.values() if PersonalFields(each).present],
        ids=lambda each: each.__name__,
    )
    def test_of_somebody_who_was_forgotten_nothing_personal_is_left(self, event: type[DomainEvent]) -> None:
        codec = make_codec()
        happened = example_of(event)
        stream_id, version = UUID(int=5), 1
        subject = codec.subject(happened, stream_id)
        assert subject is not None
        name, state = codec.encode(happened, stream_id, version, DataKey(subject, DATA_KEY))
        codec.keyring.unwrapped([(subject, None)])

        left = codec.decode(name.decode(), state, stream_id, version)

        for field in msgspec.structs.fields(event):
            value = getattr(left, field.name)
            if field.name in _personal_names(event):
                assert value == field.default
                assert value is None or ERASED in msgspec.json.encode(value).decode()
                assert msgspec.json.encode(getattr(happened, field.name)) not in state
            else:
                assert value == getattr(happened, field.name)

    def test_every_state_says_of_which_stream_it_is(self) -> None:
        for kind in KINDS:
            assert issubclass(kind.state, State)
            assert kind.state.stream_id is not State.stream_id


def _decoded(stored: StoredExample) -> DomainEvent:
    codec = make_codec()
    if stored.subject_id is not None:
        codec.keyring.remember(DataKey(stored.subject_id, DATA_KEY))
    return codec.decode(stored.name, stored.state.encode(), stored.stream_id, stored.version)


def _optional(event: type[DomainEvent]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(event) if not field.required}


def _personal_names(event: type[DomainEvent]) -> set[str]:
    fields = PersonalFields(event)
    return set(fields._personal_names)
