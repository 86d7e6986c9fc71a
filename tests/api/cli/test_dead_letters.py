"""What no workflow could handle is listed, and sent back when an operator says so."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from infrastructure.embedded.services import ServiceUrls
from infrastructure.messaging.cloud_events import CloudEvent
from infrastructure.messaging.connection import connected
from infrastructure.messaging.dead_letters import CONSUMER, DELIVERIES, FAILED_AT, REASON, SEQUENCE, SUBJECT
from infrastructure.messaging.streams import DAFTAR, ensure_streams
from tests.api.cli.conftest import Run, facts

pytestmark = pytest.mark.services

EVENT = msgspec.json.encode(
    CloudEvent(
        specversion="1.0",
        id=uuid4(),
        source="/daftar",
        type="orders.OrderConfirmed.v1",
        subject=uuid4(),
        time=msgspec.convert("2026-05-01T12:00:00Z", type=datetime),
        sequence="42",
        partitionkey="x",
        streamversion="2",
    )
)


@pytest.fixture
def consumer() -> str:
    """A workflow that only this test has."""
    return f"test-{uuid4().hex}"


@pytest.fixture
async def letters(urls: ServiceUrls, consumer: str) -> list[int]:
    """The numbers of three dead letters of that workflow."""
    assert urls.nats_url is not None
    numbers = []
    async with connected(urls.nats_url, name="test") as broker:
        await ensure_streams(broker.jetstream, DAFTAR)
        for n in range(3):
            headers = {
                CONSUMER: consumer,
                REASON: f"MailRefused: no such \x1b[31mmailbox {n}",
                DELIVERIES: "5",
                SUBJECT: "daftar.events.orders.OrderConfirmed",
                SEQUENCE: str(n + 1),
                FAILED_AT: "2026-05-01T12:00:00+00:00",
            }
            done = await broker.jetstream.publish(DAFTAR.dead(consumer), EVENT, headers=headers)
            numbers.append(done.seq)
    return numbers


def listed(run: Run, consumer: str) -> list[dict[str, Any]]:
    found = facts(run("dead-letters", "list", "--consumer", consumer, "--json"))
    assert isinstance(found, list)
    return found


async def sent_back(urls: ServiceUrls, consumer: str) -> int:
    """How many messages wait for the workflow to try again."""
    assert urls.nats_url is not None
    async with connected(urls.nats_url, name="test") as broker:
        info = await broker.jetstream.stream_info(DAFTAR.retries, subjects_filter=DAFTAR.retry(consumer))
    return sum((info.state.subjects or {}).values())


async def test_they_are_listed_with_what_went_wrong(letters: list[int], consumer: str, run: Run) -> None:
    found = await asyncio.to_thread(listed, run, consumer)
    assert [letter["sequence"] for letter in found] == letters
    assert {letter["position"] for letter in found} == {42}
    shown = (await asyncio.to_thread(run, "dead-letters", "list", "--consumer", consumer)).stdout
    assert "MailRefused" in shown
    assert "\x1b" not in shown


async def test_one_is_sent_back_to_its_workflow(
    letters: list[int], consumer: str, run: Run, urls: ServiceUrls
) -> None:
    done = await asyncio.to_thread(run, "dead-letters", "retry", str(letters[1]))
    assert done.exit_code == 0, done.output
    left = await asyncio.to_thread(listed, run, consumer)
    assert [letter["sequence"] for letter in left] == [letters[0], letters[2]]
    assert await sent_back(urls, consumer) == 1


async def test_all_of_one_workflow_are_sent_back(
    letters: list[int], consumer: str, run: Run, urls: ServiceUrls
) -> None:
    done = await asyncio.to_thread(run, "dead-letters", "retry", "--all", "--consumer", consumer, "--json")
    assert facts(done) == {"sentBack": 3}
    assert await asyncio.to_thread(listed, run, consumer) == []
    assert await sent_back(urls, consumer) == 3
    empty = await asyncio.to_thread(run, "dead-letters", "list", "--consumer", consumer)
    assert empty.stdout == "There are no dead letters.\n"


def test_one_that_is_not_there_is_refused(run: Run) -> None:
    refused = run("dead-letters", "retry", "999999999")
    assert refused.exit_code == 1
    assert "There is no dead letter 999999999" in refused.stderr


@pytest.mark.parametrize("arguments", [(), ("1", "--all"), ("1", "--consumer", "mail")])
def test_it_must_be_clear_what_to_send_back(run: Run, arguments: tuple[str, ...]) -> None:
    assert run("dead-letters", "retry", *arguments).exit_code == 2


def test_a_broker_that_is_away_is_told_without_its_token(environment: dict[str, str], run: Run) -> None:
    environment["NATS_URL"] = "nats://hidden-word@127.0.0.1:1"
    refused = run("dead-letters", "list")
    assert refused.exit_code == 1
    assert "NATS cannot be reached" in refused.stderr
    assert "hidden-word" not in refused.output
