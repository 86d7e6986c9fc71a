"""Durable consumers and dead letters, against a real NATS."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from nats.js.api import Header

from application.shared.command import StoreUnavailable
from infrastructure.embedded.supervisor import EmbeddedServices
from infrastructure.messaging.connection import connected
from infrastructure.messaging.consuming import Consumers, Incoming, Terms, Unprocessable, Workflow
from infrastructure.messaging.dead_letters import DeadLetter, DeadLetterNotFound, open_dead_letters
from infrastructure.messaging.streams import StreamNames, ensure_streams
from tests.infrastructure.messaging.conftest import Pen, arrived, publishing, running, until
from tests.infrastructure.messaging.makers import depleted, registered

pytestmark = pytest.mark.services

HASTY = Terms(
    first_pause_seconds=0.02, pause_factor=2.0, ack_wait_seconds=2.0, concurrency=4, grace_seconds=1.0
)

Handle = Callable[[Incoming], Awaitable[None]]


@asynccontextmanager
async def consuming(
    nats_url: str, names: StreamNames, handle: Handle, *, name: str = "tests", terms: Terms = HASTY
) -> AsyncIterator[None]:
    workflow = Workflow(
        name=name, subjects=(f"{names.prefix}.events.inventory.StockDepleted",), handle=handle
    )
    async with running(Consumers([workflow], nats_url=nats_url, names=names, terms=terms).run):
        yield


async def dead(nats_url: str, names: StreamNames, count: int = 1) -> list[DeadLetter]:
    """The dead letters, once there are so many."""
    async with asyncio.timeout(20), open_dead_letters(nats_url, names=names) as letters:
        while len(found := await letters.list()) < count:  # noqa: ASYNC110 - another process works
            await asyncio.sleep(0.05)
        return found


class TestHandling:
    async def test_a_workflow_gets_each_event_of_its_subjects_and_no_other(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        got: list[int] = []

        async def handle(incoming: Incoming) -> None:
            got.append(incoming.position)

        await pen.write(registered())
        await pen.write(*(depleted() for _ in range(100)))
        async with publishing(database_url, nats_url, names), consuming(nats_url, names, handle):
            await until(lambda: len(got) >= 100)
            await pen.write(depleted())
            await until(lambda: len(got) >= 101)
        assert sorted(got) == list(range(2, 103))

    async def test_two_processes_share_the_events_out(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        got: list[tuple[str, int]] = []

        def by(process: str) -> Handle:
            async def handle(incoming: Incoming) -> None:
                await asyncio.sleep(0.01)
                got.append((process, incoming.position))

            return handle

        await pen.write(*(depleted() for _ in range(60)))
        async with (
            publishing(database_url, nats_url, names),
            consuming(nats_url, names, by("one")),
            consuming(nats_url, names, by("two")),
        ):
            await until(lambda: len(got) >= 60)
        assert sorted(position for _, position in got) == list(range(1, 61))
        assert {process for process, _ in got} == {"one", "two"}

    async def test_what_failed_is_tried_again(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        tried: list[tuple[UUID, int]] = []

        async def handle(incoming: Incoming) -> None:
            tried.append((incoming.event_id, incoming.deliveries))
            if incoming.deliveries < 3:
                raise RuntimeError("not yet")

        await pen.write(depleted())
        async with publishing(database_url, nats_url, names), consuming(nats_url, names, handle):
            await until(lambda: len(tried) == 3)
            await asyncio.sleep(0.2)
        assert [deliveries for _, deliveries in tried] == [1, 2, 3]
        assert len({event_id for event_id, _ in tried}) == 1

    async def test_what_a_process_died_over_is_given_to_the_next_one(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        begun = asyncio.Event()
        got: list[int] = []

        async def dies(_: Incoming) -> None:
            begun.set()
            await asyncio.Event().wait()

        async def handle(incoming: Incoming) -> None:
            got.append(incoming.deliveries)

        await pen.write(depleted())
        impatient = Terms(ack_wait_seconds=1.0, concurrency=1, grace_seconds=0.05)
        async with publishing(database_url, nats_url, names):
            async with consuming(nats_url, names, dies, terms=impatient):
                await begun.wait()
            async with consuming(nats_url, names, handle, terms=impatient):
                await until(lambda: got)
        assert got == [2]

    async def test_a_long_work_is_not_given_to_anybody_else(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        got: list[int] = []

        async def handle(incoming: Incoming) -> None:
            await asyncio.sleep(1.5)
            got.append(incoming.deliveries)

        await pen.write(depleted())
        impatient = Terms(ack_wait_seconds=0.6, concurrency=2)
        async with (
            publishing(database_url, nats_url, names),
            consuming(nats_url, names, handle, terms=impatient),
        ):
            await until(lambda: got)
            await asyncio.sleep(0.8)
        assert got == [1]

    async def test_an_outage_of_the_log_uses_up_no_attempts(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        tries: list[int] = []

        async def handle(incoming: Incoming) -> None:
            tries.append(incoming.deliveries)
            if len(tries) < 4:
                raise StoreUnavailable("away")

        await pen.write(depleted())
        async with publishing(database_url, nats_url, names), consuming(nats_url, names, handle):
            await until(lambda: len(tries) == 4)
        assert tries == [1, 1, 1, 1]

    async def test_nats_killed_in_the_middle_loses_nothing(
        self, embedded: EmbeddedServices, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        got: set[int] = set()

        async def handle(incoming: Incoming) -> None:
            await asyncio.sleep(0.01)
            got.add(incoming.position)

        await pen.write(*(depleted() for _ in range(200)))
        async with publishing(database_url, nats_url, names), consuming(nats_url, names, handle):
            await until(lambda: len(got) > 40)
            await embedded.kill_service("nats")
            await embedded.until_ready("nats")
            await pen.write(*(depleted() for _ in range(100)))
            await until(lambda: len(got) == 300, seconds=30)


class TestDeadLetters:
    async def test_after_five_deliveries_an_event_is_a_dead_letter_and_can_be_retried(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        tried: list[int] = []
        mended = False

        async def handle(incoming: Incoming) -> None:
            tried.append(incoming.deliveries)
            if not mended:
                raise RuntimeError("no luck for jane@example.com\nat all")

        stream = await pen.write(depleted())
        async with publishing(database_url, nats_url, names), consuming(nats_url, names, handle):
            (letter,) = await dead(nats_url, names)
            assert tried == [1, 2, 3, 4, 5]
            assert letter.consumer == "tests"
            assert letter.deliveries == 5
            assert letter.reason == "RuntimeError: no luck for *** at all"
            assert letter.original_subject == f"{names.prefix}.events.inventory.StockDepleted"
            assert (letter.original_sequence, letter.position, letter.stream_id) == (1, 1, stream)
            mended = True
            async with open_dead_letters(nats_url, names=names) as letters:
                await letters.retry(letter.sequence)
                await until(lambda: len(tried) == 6)
                assert await letters.list() == []
                with pytest.raises(DeadLetterNotFound):
                    await letters.retry(letter.sequence)
        assert tried[-1] == 1
        assert len(await arrived(nats_url, names, 1)) == 1, "other subscribers do not see it again"

    async def test_a_dead_letter_is_the_message_byte_for_byte(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        async def handle(_: Incoming) -> None:
            raise Unprocessable("never")

        await pen.write(depleted())
        async with publishing(database_url, nats_url, names), consuming(nats_url, names, handle):
            (letter,) = await dead(nats_url, names)
            (original,) = await arrived(nats_url, names, 1)
            async with connected(nats_url, name="test") as broker:
                kept = await broker.jetstream.get_msg(names.dead_letters, seq=letter.sequence)
        assert kept.data == original.data

    async def test_what_can_never_be_handled_is_not_tried_again(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        tried: list[int] = []

        async def handle(incoming: Incoming) -> None:
            tried.append(incoming.deliveries)
            raise Unprocessable("never")

        await pen.write(depleted())
        async with publishing(database_url, nats_url, names), consuming(nats_url, names, handle):
            (letter,) = await dead(nats_url, names)
        assert tried == [1]
        assert letter.deliveries == 1

    async def test_a_message_that_is_no_event_is_a_dead_letter(
        self, nats_url: str, names: StreamNames
    ) -> None:
        async def handle(_: Incoming) -> None:
            raise AssertionError("nothing to handle")

        async with consuming(nats_url, names, handle), connected(nats_url, name="test") as broker:
            await ensure_streams(broker.jetstream, names)
            await broker.jetstream.publish(
                f"{names.prefix}.events.inventory.StockDepleted",
                b"{nonsense",
                headers={Header.MSG_ID.value: "1"},
            )
            (letter,) = await dead(nats_url, names)
        assert letter.event_id is None
        assert letter.reason.startswith("Unreadable")

    async def test_all_dead_letters_of_one_workflow_are_retried_and_no_others(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        mended = False
        got: list[tuple[str, int]] = []

        def by(name: str) -> Handle:
            async def handle(incoming: Incoming) -> None:
                if not mended:
                    raise Unprocessable("never")
                got.append((name, incoming.position))

            return handle

        await pen.write(depleted(), depleted(), depleted())
        async with (
            publishing(database_url, nats_url, names),
            consuming(nats_url, names, by("one"), name="one"),
            consuming(nats_url, names, by("two"), name="two"),
        ):
            await dead(nats_url, names, 6)
            mended = True
            async with open_dead_letters(nats_url, names=names) as letters:
                assert len(await letters.list(limit=2)) == 2
                assert {letter.consumer for letter in await letters.list(consumer="two")} == {"two"}
                assert await letters.retry_all(consumer="one") == 3
                await until(lambda: len(got) == 3)
                assert len(await letters.list()) == 3
        assert sorted(got) == [("one", 1), ("one", 2), ("one", 3)]

    async def test_one_that_fails_again_is_a_dead_letter_again(
        self, database_url: str, nats_url: str, names: StreamNames, pen: Pen
    ) -> None:
        tried: list[int] = []

        async def handle(incoming: Incoming) -> None:
            tried.append(incoming.deliveries)
            raise RuntimeError("still broken")

        await pen.write(depleted())
        async with publishing(database_url, nats_url, names), consuming(nats_url, names, handle):
            (first,) = await dead(nats_url, names)
            async with open_dead_letters(nats_url, names=names) as letters:
                assert await letters.retry_all() == 1
            await until(lambda: len(tried) == 10)
            (second,) = await dead(nats_url, names)
        assert second.sequence > first.sequence
        assert second.original_sequence == first.original_sequence
        assert second.original_subject == first.original_subject
