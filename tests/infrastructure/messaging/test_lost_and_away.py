"""Streams that were lost while everybody was connected, providers that are away, and what is said of outages."""

import asyncio
import os
import signal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from structlog.testing import capture_logs

from application.payments.desk import PaymentDesk
from application.payments.ports import ProviderTimedOut
from domain.payments.events import RefundRequested
from domain.shared.money import Money
from infrastructure import roles
from infrastructure.embedded.services import ServiceUrls
from infrastructure.embedded.supervisor import EmbeddedServices
from infrastructure.event_store.postgres import open_pool
from infrastructure.identity import new_id
from infrastructure.messaging import connection, consuming, publisher
from infrastructure.messaging.connection import NatsAway, connected, keep_at
from infrastructure.messaging.consumers import refunds_workflow
from infrastructure.messaging.consuming import Consumers, Incoming, Workflow
from infrastructure.messaging.history import PostgresHistory
from infrastructure.messaging.streams import StreamNames, ensure_streams
from infrastructure.settings import Settings
from tests.infrastructure.messaging.conftest import EVENT_MODULES, Pen, arrived, publishing, running, until
from tests.infrastructure.messaging.makers import depleted
from tests.infrastructure.messaging.test_consumers import HASTY, dead
from tests.support.stores import make_codec


class TestLostStreams:
    @pytest.mark.services
    async def test_a_stream_that_is_deleted_on_a_quiet_day_is_filled_anew_all_the_same(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(publisher, "LOOK_SECONDS", 0.2)
        await pen.write(depleted(), depleted(), depleted())
        async with publishing(database_url, nats_url, names):
            await arrived(nats_url, names, 3)
            async with connected(nats_url, name="test") as broker:
                await broker.jetstream.delete_stream(names.events)
            messages = await arrived(nats_url, names, 3)
        assert [m.event.sequence for m in messages] == ["1", "2", "3"]

    @pytest.mark.services
    async def test_a_quiet_day_without_a_loss_is_quiet(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(publisher, "LOOK_SECONDS", 0.05)
        await pen.write(depleted())
        with capture_logs() as lines:
            async with publishing(database_url, nats_url, names):
                await arrived(nats_url, names, 1)
                await asyncio.sleep(0.4)
                await pen.write(depleted())
                messages = await arrived(nats_url, names, 2)
        assert [m.event.sequence for m in messages] == ["1", "2"]
        assert [line["event"] for line in lines] == ["publisher_leads"]

    @pytest.mark.services
    async def test_a_workflow_whose_consumer_was_lost_under_it_gets_all_events_again(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(publisher, "LOOK_SECONDS", 0.2)
        monkeypatch.setattr(consuming, "FETCH_SECONDS", 0.5)
        got: list[int] = []

        async def handle(incoming: Incoming) -> None:
            got.append(incoming.position)

        workflow = Workflow(name="tests", subjects=(f"{names.prefix}.events.>",), handle=handle)
        consumers = Consumers([workflow], nats_url=nats_url, names=names, terms=HASTY)
        await pen.write(depleted(), depleted())
        async with publishing(database_url, nats_url, names), running(consumers.run):
            await until(lambda: len(got) == 2)
            async with connected(nats_url, name="test") as broker:
                await broker.jetstream.delete_stream(names.events)
            await until(lambda: sorted(got) == [1, 1, 2, 2])
            await pen.write(depleted())
            await until(lambda: 3 in got)


class Context:
    """As much of a process as the publisher's role needs."""

    def __init__(self, urls: ServiceUrls, database_url: str, names: StreamNames) -> None:
        environment = urls.as_environment() | {"APP_ENV": "test", "NATS_PREFIX": names.prefix}
        self.settings = Settings.from_environment(environment)
        self.database_url = database_url


class TestAlarms:
    @pytest.mark.services
    async def test_a_foreign_stream_ends_no_process_and_is_done_with_once_an_operator_has_deleted_it(
        self,
        urls: ServiceUrls,
        database_url: str,
        nats_url: str,
        names: StreamNames,
        pen: Pen,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(roles, "ALARM_SECONDS", 0.2)
        await pen.write(depleted(), depleted())
        async with connected(nats_url, name="test") as broker:
            await ensure_streams(broker.jetstream, names)
            await broker.jetstream.publish(names.event("inventory.Foreign.v1"), b"of another log")
            context: Any = Context(urls, database_url, names)
            with capture_logs() as lines:
                async with running(lambda stopped: roles.ROLES["publisher"](context, stopped)) as role:
                    await until(lambda: [line["event"] for line in lines].count("stream_is_foreign") >= 2)
                    assert not role.done()
                    await broker.jetstream.delete_stream(names.events)
                    messages = await arrived(nats_url, names, 2)
        assert [m.event.sequence for m in messages] == ["1", "2"]


class TestHanging:
    @pytest.mark.services
    async def test_a_nats_that_hangs_is_given_up_and_what_was_written_meanwhile_arrives_once(
        self,
        embedded: EmbeddedServices,
        database_url: str,
        nats_url: str,
        names: StreamNames,
        pen: Pen,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(connection, "PING_SECONDS", 0.2)
        got: list[int] = []

        async def handle(incoming: Incoming) -> None:
            got.append(incoming.position)

        workflow = Workflow(name="tests", subjects=(f"{names.prefix}.events.>",), handle=handle)
        consumers = Consumers([workflow], nats_url=nats_url, names=names, terms=HASTY)
        await pen.write(depleted())
        with capture_logs() as lines:
            async with publishing(database_url, nats_url, names), running(consumers.run):
                await until(lambda: got == [1])
                os.kill(embedded.pid_of("nats"), signal.SIGSTOP)
                try:
                    await pen.write(depleted(), depleted())
                    await until(
                        lambda: (
                            {"publisher_interrupted", "workflows_interrupted"}
                            <= {line["event"] for line in lines}
                        )
                    )
                finally:
                    os.kill(embedded.pid_of("nats"), signal.SIGCONT)
                await until(lambda: sorted(set(got)) == [1, 2, 3])
                messages = await arrived(nats_url, names, 3)
        assert [m.event.sequence for m in messages] == ["1", "2", "3"]


class TestTellingOfOutages:
    async def test_each_outage_is_told_of_once_and_its_end_once_however_soon_they_follow(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection, "FIRST_PAUSE_SECONDS", 0.001)
        stopped = asyncio.Event()
        attempts = iter([False, False, True, False, True])

        async def work(under_way: object) -> None:
            works = next(attempts, None)
            if works is None:
                stopped.set()
                return
            if works:
                under_way()  # type: ignore[operator]
            raise NatsAway("away")

        with capture_logs() as lines:
            await keep_at(work, stopped, name="work")
        assert [line["event"] for line in lines] == [
            "work_interrupted",
            "work_back",
            "work_interrupted",
            "work_back",
            "work_interrupted",
        ]


class Desk(PaymentDesk):
    """A payment desk with two providers, one of which never answers."""

    def __init__(self, reachable: UUID) -> None:
        self._reachable = reachable
        self.paid_back: list[UUID] = []

    async def carry_out_refund(self, payment_id: UUID, refund_id: UUID) -> Any:
        if refund_id != self._reachable:
            raise ProviderTimedOut("The payment provider did not answer in time.")
        self.paid_back.append(refund_id)


@pytest.mark.services
async def test_a_provider_that_is_away_is_asked_a_bounded_number_of_times_and_holds_up_nobody_elses_refund(
    database_url: str, nats_url: str, names: StreamNames, pen: Pen
) -> None:
    refunds = [RefundRequested(refund_id=new_id(), amount=Money(12_50), reason="broken") for _ in range(9)]
    desk = Desk(refunds[-1].refund_id)
    terms = msgspec.structs.replace(HASTY, max_deliveries=3, first_pause_seconds=0.3, pause_factor=1.0)
    await pen.write(*refunds)
    pool = await open_pool(database_url, min_size=1, max_size=4)
    try:
        workflow = refunds_workflow(
            desk, history=PostgresHistory(pool, make_codec(EVENT_MODULES)), names=names
        )
        consumers = Consumers([workflow], nats_url=nats_url, names=names, terms=terms)
        async with publishing(database_url, nats_url, names), running(consumers.run):
            await until(lambda: desk.paid_back == [refunds[-1].refund_id], seconds=5)
            letters = await dead(nats_url, names, 8)
    finally:
        await pool.close()
    assert {letter.position for letter in letters} == set(range(1, 9))
    assert {letter.deliveries for letter in letters} == {3}
    assert {letter.reason for letter in letters} == {
        "RefundPostponed: UPSTREAM_TIMEOUT: The payment provider did not answer in time."
    }
    assert desk.paid_back == [refunds[-1].refund_id]
