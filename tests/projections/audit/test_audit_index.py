"""Whatever happened has a place in the index, however history is cut, and belongs to one kind of stream."""

from collections import Counter
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from domain.audit.events import ProjectionRebuildRequested
from domain.shared.claims import ClaimReleased, ValueClaimed
from domain.shared.events import DomainEvent, Metadata, Recorded
from infrastructure.bootstrap import AUDITABLE, EVENT_MODULES, KINDS
from infrastructure.event_store.names import EventNames
from projections.audit.audit_index import AuditIndexProjection, name_of
from projections.audit.rebuild_requests import RebuildRequestsProjection
from tests.projections.orders.makers import NOON, many_lives, rows_after

pytestmark = pytest.mark.services

EVENTS = EventNames(EVENT_MODULES).classes
INDEX = AuditIndexProjection(event for kind in AUDITABLE for event in kind.events)
ADMIN = UUID("01890000-0000-7000-8000-0000000000ad")


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


def test_a_rebuild_shows_the_same_as_following_one_fact_at_a_time(
    connection: psycopg.Connection[Any],
) -> None:
    events = many_lives(seed=5, orders=80).events
    followed = rows_after(connection, INDEX, [[event] for event in events])
    assert len(followed["audit_index"]) == sum(type(each.event) in INDEX.events for each in events)
    for size in (len(events), 300):
        cut = [events[start : start + size] for start in range(0, len(events), size)]
        assert rows_after(connection, INDEX, cut) == followed


def test_what_has_no_metadata_is_found_by_its_kind_all_the_same(
    connection: psycopg.Connection[Any],
) -> None:
    events = [msgspec.structs.replace(each, metadata=None) for each in many_lives(seed=5, orders=2).events]
    [row, *_] = rows_after(connection, INDEX, [events])["audit_index"]
    assert row[2:] == (None, None)


def test_the_newest_request_for_a_read_model_is_the_one_that_counts(
    connection: psycopg.Connection[Any],
) -> None:
    rows = rows_after(
        connection,
        RebuildRequestsProjection(),
        [[asked(7, "catalogue"), asked(9, "orders"), asked(11, "catalogue")]],
    )
    assert [row[:2] for row in rows["rebuild_requests"]] == [("catalogue", 11), ("orders", 9)]


@pytest.mark.parametrize("event", EVENTS.values(), ids=EVENTS.keys())
def test_every_fact_belongs_to_one_kind_of_stream(event: type[DomainEvent]) -> None:
    assert len([kind for kind in KINDS if event in kind.events]) == 1
    # Where a claim is, is what it claims.
    assert (event in INDEX.events) == (event not in {ValueClaimed, ClaimReleased})


def test_the_bare_name_of_a_fact_names_one_only() -> None:
    assert set(Counter(event.__name__ for event in EVENTS.values()).values()) == {1}
    assert all(name.startswith(name_of(event) + ".v") for name, event in EVENTS.items())


def asked(position: int, projection: str) -> Recorded:
    return Recorded(
        position=position,
        stream_id=UUID(int=1),
        version=position,
        event=ProjectionRebuildRequested(projection=projection, from_position=0),
        recorded_at=NOON,
        metadata=Metadata(
            occurred_at=NOON,
            command="RebuildProjection",
            command_id=UUID(int=position),
            correlation_id=UUID(int=position),
            actor_id=ADMIN,
            actor_role="super_admin",
        ),
    )
