"""A read model kept by the `eventsourcing` library's own projection runner, over the same events in the same database.

It is as simple as one gets: one row an order, with its status. Stored events are decoded by our own codec, so that what
is compared is how events are read, applied and tracked.
"""

import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.persistence import Mapper, StoredEvent, Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg import sql

from domain.orders.events import (
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderPlaced,
    OrderProcessingStarted,
    OrderShipped,
)
from domain.shared.events import DomainEvent, Recorded
from infrastructure.bootstrap import Machinery
from infrastructure.identity import utc_now
from infrastructure.settings import Settings

STATUSES: dict[type[DomainEvent], str] = {
    OrderConfirmed: "confirmed",
    OrderProcessingStarted: "processing",
    OrderShipped: "shipped",
    OrderDelivered: "delivered",
    OrderCancelled: "cancelled",
}


class OrderStatuses(PostgresTrackingRecorder):
    """The table, and the library's tracking of how far it is."""

    def __init__(self, datastore: PostgresDatastore, **kwargs: Any) -> None:
        super().__init__(datastore, **kwargs)
        self.sql_create_statements.append(
            sql.Composed(
                [
                    sql.SQL("""
                CREATE TABLE IF NOT EXISTS library_orders (
                    order_id uuid PRIMARY KEY,
                    order_number text,
                    customer_id uuid,
                    status text,
                    currency text,
                    total_minor bigint,
                    placed_at timestamptz
                )
                """)
                ]
            )
        )

    def place(self, order_id: UUID, placed: OrderPlaced, tracking: Tracking) -> None:
        """A new row, together with the position."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO library_orders VALUES (%s, %s, %s, 'pending', %s, %s, %s)",
                (
                    order_id,
                    placed.order_number,
                    placed.customer_id,
                    placed.total.currency,
                    placed.total.minor,
                    placed.placed_at,
                ),
                prepare=True,
            )

    def change(self, order_id: UUID, status: str, tracking: Tracking) -> None:
        """Another status, together with the position."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "UPDATE library_orders SET status = %s WHERE order_id = %s", (status, order_id), prepare=True
            )


class OrderStatusProjection(Projection[OrderStatuses]):
    """Takes one event after the other."""

    name = "library_orders"
    topics = ("orders.OrderPlaced.v1", *(f"orders.{event.__name__}.v1" for event in STATUSES))

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Apply one fact."""
        recorded: Recorded = domain_event
        event = recorded.event
        if isinstance(event, OrderPlaced):
            self.view.place(recorded.stream_id, event, tracking)
        else:
            self.view.change(recorded.stream_id, STATUSES[type(event)], tracking)


def events_a_second(settings: Mapping[str, str], after: int, seconds: float) -> float:
    """How fast the runner walks along the log from a position on, counted in positions of the log.

    It commits as ours do, without waiting for the disk. For a process of its own, whose environment it changes.
    """
    os.environ["PGOPTIONS"] = "-c synchronous_commit=off"
    tools = Machinery(Settings.from_environment(settings))

    class OurMapper(Mapper[UUID]):
        def to_domain_event(self, stored_event: StoredEvent) -> Any:
            event = tools.codec.decode(
                stored_event.topic,
                stored_event.state,
                stored_event.originator_id,  # type: ignore[arg-type]  # UUIDs in this database
                stored_event.originator_version,
                personal=False,
            )
            return Recorded(
                position=0,
                stream_id=stored_event.originator_id,  # type: ignore[arg-type]
                version=stored_event.originator_version,
                event=event,
                recorded_at=utc_now(),
            )

    class Stored(Application[UUID]):
        """Its name makes `stored_events` its table."""

        name = "stored"

        def construct_mapper(self) -> Mapper[UUID]:
            return OurMapper(self.construct_transcoder())

    parts = urlsplit(tools.database_url)
    environment = {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": parts.path[1:],
        "POSTGRES_HOST": parts.hostname or "",
        "POSTGRES_PORT": str(parts.port or 5432),
        "POSTGRES_USER": parts.username or "",
        "POSTGRES_PASSWORD": parts.password or "",
        "STORED_CREATE_TABLE": "n",
    }
    with PostgresDatastore(
        environment["POSTGRES_DBNAME"], environment["POSTGRES_HOST"], environment["POSTGRES_PORT"],
        environment["POSTGRES_USER"], environment["POSTGRES_PASSWORD"],
    ) as datastore:  # fmt: skip
        begin = OrderStatuses(datastore, tracking_table_name="library_orders_tracking")
        begin.create_table()
        begin.insert_tracking(Tracking("stored", after))
    with ProjectionRunner(
        application_class=Stored,
        projection_class=OrderStatusProjection,
        view_class=OrderStatuses,
        env=environment,
    ) as runner:
        first = _until_moving(runner.view, after)
        began = time.perf_counter()
        runner.run_forever(timeout=seconds)
        last = runner.view.max_tracking_id("stored") or after
        return (last - first) / (time.perf_counter() - began)


def _until_moving(view: OrderStatuses, after: int) -> int:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        position = view.max_tracking_id("stored") or 0
        if position > after:
            return position
        time.sleep(0.02)
    raise AssertionError("The library's runner does not move.")
