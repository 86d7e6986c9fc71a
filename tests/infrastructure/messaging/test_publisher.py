"""The relay out, against a real NATS and a real log."""

import asyncio
import time
from contextlib import AsyncExitStack
from uuid import uuid5

import msgspec
import psycopg
import pytest
from nats.js.api import Header

from application.shared.caller import ActorKind, Caller
from infrastructure.embedded.supervisor import EmbeddedServices
from infrastructure.identity import new_id
from infrastructure.messaging.connection import connected
from infrastructure.messaging.publisher import Publisher, StreamForeign
from infrastructure.messaging.streams import StreamNames, ensure_streams
from projections.shared.log import LogGap
from tests.infrastructure.messaging.conftest import Pen, arrived, publishing, running, until
from tests.infrastructure.messaging.makers import depleted, placed, registered

pytestmark = pytest.mark.services


async def saved_position(database_url: str) -> int:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        row = await (await connection.execute("SELECT max(position) FROM publisher_positions")).fetchone()
    return row[0] or 0 if row is not None else 0


class TestPublishing:
    async def test_every_event_arrives_once_in_the_order_of_the_log(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        streams = [new_id() for _ in range(7)]
        await asyncio.gather(*(pen.write(depleted(), stream_id=streams[n % 7]) for n in range(600)))
        async with publishing(database_url, nats_url, names):
            await asyncio.gather(*(pen.write(depleted(), stream_id=streams[n % 7]) for n in range(200)))
            messages = await arrived(nats_url, names, 800)
        assert [int(m.event.sequence) for m in messages] == list(range(1, 801))
        for stream in streams:
            versions = [int(m.event.streamversion) for m in messages if m.event.subject == stream]
            assert versions == list(range(1, len(versions) + 1))

    async def test_an_event_is_a_cloud_event_under_the_subject_of_its_name(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        fact = depleted()
        correlation, cause = new_id(), new_id()
        caller = Caller(
            actor_kind=ActorKind.WEBHOOK, actor_id=new_id(), correlation_id=correlation, causation_id=cause
        )
        stream = await pen.write(fact, by=caller)
        async with publishing(database_url, nats_url, names):
            (message,) = await arrived(nats_url, names, 1)
        assert message.subject == f"{names.prefix}.events.inventory.StockDepleted"
        assert message.headers["Content-Type"] == "application/cloudevents+json"
        assert message.headers[Header.MSG_ID] == "1"
        told = msgspec.json.decode(message.data)
        assert told.pop("time").endswith("Z")
        assert told == {
            "specversion": "1.0",
            "id": str(uuid5(stream, "1")),
            "source": "/daftar",
            "type": "inventory.StockDepleted.v1",
            "subject": str(stream),
            "sequence": "1",
            "partitionkey": str(stream),
            "streamversion": "1",
            "correlationid": str(correlation),
            "causationid": str(cause),
            "actorkind": "webhook",
            "datacontenttype": "application/json",
            "data": {"listing_id": str(fact.listing_id)},
        }

    async def test_personal_data_stays_behind_also_sealed(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        await pen.write(registered())
        await pen.write(placed(notes="Ring twice"), by=Caller(actor_id=new_id(), ip="203.0.113.7"))
        async with publishing(database_url, nats_url, names):
            messages = await arrived(nats_url, names, 2)
        wire = b"".join(m.data for m in messages) + repr([m.headers for m in messages]).encode()
        for secret in (b"dilnoza", b"Dilnoza", b"Karimova", b"Amir Temur", b"Ring twice", b"203.0.113.7"):
            assert secret not in wire
        assert b'"personal"' not in wire
        assert all(m.event.data is not None for m in messages)
        order = msgspec.json.decode(messages[1].event.data)
        assert order["order_number"] == "ORD-20260501-00001"

    async def test_an_event_longer_than_a_message_arrives_without_its_data(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        order = placed()
        line = msgspec.structs.replace(order.items[0], name="x" * 1000)
        await pen.write(msgspec.structs.replace(order, items=(line,) * 1200))
        await pen.write(depleted())
        async with publishing(database_url, nats_url, names):
            long, short = await arrived(nats_url, names, 2)
        assert long.event.dataomitted
        assert b'"data"' not in long.data
        assert not short.event.dataomitted

    async def test_the_position_is_saved(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        await pen.write(depleted(), depleted(), depleted())
        async with publishing(database_url, nats_url, names):
            await arrived(nats_url, names, 3)
        assert await saved_position(database_url) == 3


class TestStartingAgain:
    async def test_a_publisher_that_forgot_its_position_repeats_nothing(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        await pen.write(depleted(), depleted())
        async with publishing(database_url, nats_url, names):
            await arrived(nats_url, names, 2)
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            await connection.execute("DELETE FROM publisher_positions")
        await pen.write(depleted())
        async with publishing(database_url, nats_url, names):
            messages = await arrived(nats_url, names, 3)
        assert [m.event.sequence for m in messages] == ["1", "2", "3"]

    async def test_a_stream_whose_messages_have_expired_goes_on_from_the_saved_position(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        await pen.write(depleted(), depleted())
        async with publishing(database_url, nats_url, names):
            await arrived(nats_url, names, 2)
        async with connected(nats_url, name="test") as broker:
            await broker.jetstream.purge_stream(names.events)
        await pen.write(depleted())
        async with publishing(database_url, nats_url, names):
            (message,) = await arrived(nats_url, names, 1)
        assert message.event.sequence == "3"

    async def test_a_stream_that_was_lost_is_filled_anew_from_the_beginning(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        await pen.write(depleted(), depleted())
        async with publishing(database_url, nats_url, names):
            await arrived(nats_url, names, 2)
        async with connected(nats_url, name="test") as broker:
            await broker.jetstream.delete_stream(names.events)
        async with publishing(database_url, nats_url, names):
            messages = await arrived(nats_url, names, 2)
        assert [m.event.sequence for m in messages] == ["1", "2"]

    async def test_the_stream_of_another_log_is_refused(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        await pen.write(depleted())
        async with connected(nats_url, name="test") as broker:
            await ensure_streams(broker.jetstream, names)
            foreign = msgspec.json.encode(
                {
                    "specversion": "1.0", "id": str(new_id()), "source": "/daftar", "type": "a.B.v1",
                    "subject": str(new_id()), "time": "2026-05-01T12:00:00Z", "sequence": "1",
                    "partitionkey": "x", "streamversion": "1",
                }
            )  # fmt: skip
            await broker.jetstream.publish(names.event("a.B.v1"), foreign, headers={Header.MSG_ID.value: "1"})
        publisher = Publisher(database_url=database_url, nats_url=nats_url, names=names)
        with pytest.raises(StreamForeign):
            async with asyncio.timeout(10):
                await publisher.run(asyncio.Event())

    async def test_a_gap_in_the_log_stops_the_publisher_before_it(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        await pen.write(depleted())
        async with publishing(database_url, nats_url, names):
            await arrived(nats_url, names, 1)
        await pen.write(depleted(), depleted())
        async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
            await connection.execute("DELETE FROM stored_events WHERE notification_id = 2")
        publisher = Publisher(database_url=database_url, nats_url=nats_url, names=names)
        with pytest.raises(LogGap):
            async with asyncio.timeout(10):
                await publisher.run(asyncio.Event())
        assert [m.event.sequence for m in await arrived(nats_url, names, 1)] == ["1"]


class TestSeveralAndOutages:
    async def test_of_several_publishers_one_leads_and_another_takes_over(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        async with AsyncExitStack() as others:
            first = await others.enter_async_context(AsyncExitStack())
            await first.enter_async_context(publishing(database_url, nats_url, names))
            await others.enter_async_context(publishing(database_url, nats_url, names))
            await pen.write(*(depleted() for _ in range(50)))
            await arrived(nats_url, names, 50)
            await first.aclose()
            await pen.write(*(depleted() for _ in range(50)))
            messages = await arrived(nats_url, names, 100)
        assert [int(m.event.sequence) for m in messages] == list(range(1, 101))

    async def test_a_database_connection_that_breaks_loses_and_repeats_nothing(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        async with publishing(database_url, nats_url, names):
            for count in range(1, 5):
                await pen.write(*(depleted() for _ in range(20)))
                async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
                    await connection.execute(
                        """
                        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND application_name = 'daftar-publisher'
                        """
                    )
                await arrived(nats_url, names, count * 20)
            messages = await arrived(nats_url, names, 80)
        assert [int(m.event.sequence) for m in messages] == list(range(1, 81))

    async def test_nats_killed_in_the_middle_loses_and_repeats_nothing(
        self, embedded: EmbeddedServices, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        written = 0

        async def write() -> None:
            nonlocal written
            for _ in range(300):
                await pen.write(depleted(), depleted())
                written += 2

        async with publishing(database_url, nats_url, names):
            writing = asyncio.create_task(write())
            await until(lambda: written > 60)
            await embedded.kill_service("nats")
            await until(lambda: written > 300)
            await embedded.until_ready("nats")
            await writing
            messages = await arrived(nats_url, names, 600)
        assert [int(m.event.sequence) for m in messages] == list(range(1, 601))

    async def test_what_happens_while_nats_is_away_arrives_when_it_is_back(
        self, embedded: EmbeddedServices, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        async with publishing(database_url, nats_url, names):
            await pen.write(depleted())
            await arrived(nats_url, names, 1)
            await embedded.stop_service("nats")
            try:
                await pen.write(depleted(), depleted())
            finally:
                await embedded.start_service("nats")
            messages = await arrived(nats_url, names, 3)
        assert [m.event.sequence for m in messages] == ["1", "2", "3"]


class TestLatency:
    @pytest.mark.slow
    async def test_a_subscriber_hears_of_an_event_within_a_tenth_of_a_second(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        heard: dict[str, float] = {}
        told: dict[str, float] = {}

        async def tell(number: int) -> None:
            await asyncio.sleep(number / 200)
            stream = await pen.write(depleted())
            told[str(stream)] = time.perf_counter()

        async with connected(nats_url, name="test") as broker, publishing(database_url, nats_url, names):
            await pen.write(depleted())
            await arrived(nats_url, names, 1)

            async def hear(message: object) -> None:
                event = msgspec.json.decode(message.data)  # type: ignore[attr-defined]
                heard[event["subject"]] = time.perf_counter()

            await broker.client.subscribe(names.all_events, cb=hear)
            await asyncio.gather(*(tell(number) for number in range(600)))
            await until(lambda: heard.keys() >= told.keys())
        waits = sorted(max(0.0, heard[stream] - told[stream]) for stream in told)
        p99 = waits[int(len(waits) * 0.99)]
        print(f"p50 {waits[len(waits) // 2] * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")
        # The goal is 0.1 s; a machine that others share may take longer now and then.
        assert waits[len(waits) // 2] < 0.1
        assert p99 < 1.0


async def test_a_role_that_is_told_to_stop_before_its_turn_stops(
    database_url: str, nats_url: str, names: StreamNames
) -> None:
    async with publishing(database_url, nats_url, names):
        stand_by = Publisher(database_url=database_url, nats_url=nats_url, names=names)
        async with running(stand_by.run):
            await asyncio.sleep(0.1)
