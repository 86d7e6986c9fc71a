"""The recorders pass the `eventsourcing` library's own test cases, unchanged."""

from urllib.parse import urlsplit

import pytest
from eventsourcing.postgres import PostgresDatastore
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
)

from infrastructure.event_store.recorder import DaftarAggregateRecorder, DaftarApplicationRecorder

pytestmark = pytest.mark.services


class _WithDatabase:
    """Gives each of the library's tests a database of its own."""

    datastore: PostgresDatastore

    @pytest.fixture(autouse=True)
    def _database(self, empty_database_url: str) -> object:
        parts = urlsplit(empty_database_url)
        assert parts.hostname is not None
        assert parts.username is not None
        assert parts.password is not None
        self.datastore = PostgresDatastore(
            parts.path.removeprefix("/"),
            parts.hostname,
            parts.port or 5432,
            parts.username,
            parts.password,
            pool_size=1,
            max_overflow=20,
        )
        yield
        self.datastore.close()


class TestAggregateRecorder(_WithDatabase, AggregateRecorderTestCase):
    """As a recorder of streams."""

    def create_recorder(self) -> DaftarAggregateRecorder:
        recorder = DaftarAggregateRecorder(self.datastore)
        recorder.create_table()
        return recorder


class TestApplicationRecorder(_WithDatabase, ApplicationRecorderTestCase[DaftarApplicationRecorder]):
    """As a recorder of the whole log."""

    def create_recorder(self) -> DaftarApplicationRecorder:
        recorder = DaftarApplicationRecorder(self.datastore)
        recorder.create_table()
        return recorder

    def test_insert_subscribe(self) -> None:
        """The library leaves subscriptions optional; ours has them."""
        self.optional_test_insert_subscribe()


class TestPositionsDoNotInterleave(_WithDatabase, NonInterleavingNotificationIDsBaseCase):
    """The positions of one append stand together."""

    def create_recorder(self) -> DaftarApplicationRecorder:
        recorder = DaftarApplicationRecorder(self.datastore)
        recorder.create_table()
        return recorder
