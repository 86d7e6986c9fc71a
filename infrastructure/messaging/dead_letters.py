"""What no workflow could handle: kept in a stream of its own, listed and sent back by operators (requirements ES-12).

A dead letter is the message that the workflow got, byte for byte, with headers that say whose it was and why it failed.
It is sent back on a subject that only its workflow reads, so that nobody else sees the event again.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import msgspec
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import Header, RawStreamMsg
from nats.js.errors import NotFoundError

from domain.shared.errors import NotFound
from infrastructure.messaging.cloud_events import CONTENT_TYPE, read_cloud_event
from infrastructure.messaging.connection import connected
from infrastructure.messaging.streams import DAFTAR, StreamNames, ensure_streams

CONSUMER: Final = "Daftar-Consumer"
REASON: Final = "Daftar-Reason"
DELIVERIES: Final = "Daftar-Deliveries"
SUBJECT: Final = "Daftar-Original-Subject"
SEQUENCE: Final = "Daftar-Original-Sequence"
FAILED_AT: Final = "Daftar-Failed-At"


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One message that a workflow gave up on.

    `sequence` names it to operators; `original_sequence` is its place in the stream of events. The rest of the event
    is `None` when the message is no event of ours.
    """

    sequence: int
    consumer: str
    reason: str
    deliveries: int
    original_subject: str
    original_sequence: int
    failed_at: datetime | None
    event_id: UUID | None
    event: str | None
    stream_id: UUID | None
    position: int | None


class DeadLetterNotFound(NotFound):
    """There is no dead letter of this number: it was sent back, or deleted."""

    code = "DEAD_LETTER_NOT_FOUND"


class DeadLetters:
    """The dead letters of one installation."""

    def __init__(self, jetstream: JetStreamContext, names: StreamNames = DAFTAR) -> None:
        """The streams exist."""
        self._jetstream = jetstream
        self._names = names

    async def park(self, message: Msg, *, consumer: str, reason: str) -> None:
        """Keep a message that cannot be handled; `reason` is one line of ASCII without personal data.

        Raises:
            nats.errors.Error: NATS is away, or the stream is full.
        """
        metadata = message.metadata
        headers = message.headers or {}
        await self._jetstream.publish(
            self._names.dead(consumer),
            message.data,
            headers={
                # Parked twice, when we die before the workflow's consumer learns of it, is parked once.
                Header.MSG_ID.value: f"{consumer}:{metadata.stream}:{metadata.sequence.stream}",
                "Content-Type": headers.get("Content-Type", CONTENT_TYPE),
                CONSUMER: consumer,
                REASON: reason,
                DELIVERIES: str(metadata.num_delivered),
                SUBJECT: headers.get(SUBJECT, message.subject),
                SEQUENCE: headers.get(SEQUENCE, str(metadata.sequence.stream)),
                FAILED_AT: datetime.now(UTC).isoformat(timespec="milliseconds"),
            },
        )

    async def list(self, *, limit: int = 100, consumer: str | None = None) -> list[DeadLetter]:
        """The oldest dead letters, at most so many, of one workflow or of all.

        Raises:
            nats.errors.Error: NATS is away.
        """
        letters: list[DeadLetter] = []
        async for message in self._messages(consumer):
            if len(letters) == limit:
                break
            letters.append(_letter(message))
        return letters

    async def retry(self, sequence: int) -> DeadLetter:
        """Send one back to its workflow, which gets all its attempts anew; returns what was sent.

        Raises:
            DeadLetterNotFound: there is none of this number.
            nats.errors.Error: NATS is away.
        """
        try:
            message = await self._jetstream.get_msg(self._names.dead_letters, seq=sequence)
        except NotFoundError as error:
            raise DeadLetterNotFound(f"There is no dead letter {sequence}.") from error
        return await self._send_back(message)

    async def retry_all(self, *, consumer: str | None = None) -> int:
        """Send back all that there are now, of one workflow or of all; returns how many.

        Raises:
            nats.errors.Error: NATS is away.
        """
        info = await self._jetstream.stream_info(self._names.dead_letters)
        count = 0
        async for message in self._messages(consumer):
            if (message.seq or 0) > info.state.last_seq:
                break  # It came back already: once is enough for one call.
            await self._send_back(message)
            count += 1
        return count

    async def _send_back(self, message: RawStreamMsg) -> DeadLetter:
        letter = _letter(message)
        headers = message.headers or {}
        await self._jetstream.publish(
            self._names.retry(letter.consumer),
            message.data or b"",
            headers={
                # Two operators who retry the same letter at once retry it once.
                Header.MSG_ID.value: f"{self._names.dead_letters}:{letter.sequence}",
                "Content-Type": headers.get("Content-Type", CONTENT_TYPE),
                SUBJECT: letter.original_subject,
                SEQUENCE: str(letter.original_sequence),
            },
        )
        with suppress(NotFoundError):  # The other operator was faster.
            await self._jetstream.delete_msg(self._names.dead_letters, letter.sequence)
        return letter

    async def _messages(self, consumer: str | None) -> AsyncIterator[RawStreamMsg]:
        subject = self._names.dead("*" if consumer is None else consumer)
        sequence = 1
        while True:
            try:
                message = await self._jetstream.get_msg(
                    self._names.dead_letters, seq=sequence, subject=subject, next=True
                )
            except NotFoundError:
                return
            yield message
            sequence = (message.seq or sequence) + 1


@asynccontextmanager
async def open_dead_letters(nats_url: str, *, names: StreamNames = DAFTAR) -> AsyncIterator[DeadLetters]:
    """The dead letters over a connection of one's own, for tools.

    Raises:
        NatsAway: NATS cannot be reached.
    """
    async with connected(nats_url, name="daftar-dead-letters") as broker:
        await broker.unless_lost(ensure_streams(broker.jetstream, names))
        yield DeadLetters(broker.jetstream, names)


def _letter(message: RawStreamMsg) -> DeadLetter:
    headers = message.headers or {}
    try:
        told = read_cloud_event(message.data or b"")
    except msgspec.DecodeError:
        told = None
    failed_at = headers.get(FAILED_AT)
    return DeadLetter(
        sequence=message.seq or 0,
        consumer=headers.get(CONSUMER) or (message.subject or "").rpartition(".")[2],
        reason=headers.get(REASON, ""),
        deliveries=_number(headers.get(DELIVERIES)),
        original_subject=headers.get(SUBJECT, ""),
        original_sequence=_number(headers.get(SEQUENCE)),
        failed_at=None if failed_at is None else datetime.fromisoformat(failed_at),
        event_id=told.id if told is not None else None,
        event=told.type if told is not None else None,
        stream_id=told.subject if told is not None else None,
        position=_number(told.sequence) if told is not None else None,
    )


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() else 0
