"""The JetStream streams of an installation: their names, their limits, and how they come into being."""

from collections.abc import Sequence
from typing import Final

import msgspec
import nats.errors
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

from domain.shared.events import DomainEvent
from infrastructure.event_store.names import context_of

DEDUPLICATION_SECONDS: Final = 20 * 60.0
"""For how long a stream remembers the ids of its messages. A publisher that dies is back long before."""

DAY: Final = 86_400.0
MEBIBYTE: Final = 1024 * 1024

STREAM_NAME_IN_USE: Final = 10058
"""JetStream's error code for a stream that exists with another configuration."""


class StreamNames(msgspec.Struct, frozen=True):
    """What the streams and subjects of one installation begin with.

    Two logs must never be copied into the same streams. Installations that share a NATS account tell theirs
    apart by this word, or better, by accounts of their own.
    """

    prefix: str = "daftar"

    @property
    def events(self) -> str:
        """The stream with every event of the log."""
        return f"{self.prefix.upper()}_EVENTS"

    @property
    def dead_letters(self) -> str:
        """The stream of what no workflow could handle."""
        return f"{self.prefix.upper()}_DEAD_LETTERS"

    @property
    def retries(self) -> str:
        """The stream of dead letters that an operator sent back to their workflow."""
        return f"{self.prefix.upper()}_RETRIES"

    @property
    def all_events(self) -> str:
        """The subjects of all events."""
        return f"{self.prefix}.events.>"

    def event(self, stored_name: str) -> str:
        """The subject of an event by its stored name: `orders.OrderPlaced.v1` is `daftar.events.orders.OrderPlaced`."""
        name, _, _ = stored_name.rpartition(".v")
        return f"{self.prefix}.events.{name}"

    def of_class(self, event: type[DomainEvent]) -> str:
        """The subject of the events of a class, in all their versions."""
        return f"{self.prefix}.events.{context_of(event)}.{event.__name__}"

    def dead(self, consumer: str) -> str:
        """The subject of what one workflow could not handle."""
        return f"{self.prefix}.dead.{consumer}"

    def retry(self, consumer: str) -> str:
        """The subject of what one workflow is to try again; nobody else gets it."""
        return f"{self.prefix}.retry.{consumer}"


DAFTAR: Final = StreamNames()


def configurations(names: StreamNames) -> Sequence[StreamConfig]:
    """How the streams are made where they do not exist."""
    return (
        StreamConfig(
            name=names.events,
            description="Every event of the log, as CloudEvents, without personal data.",
            subjects=[names.all_events],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            discard=DiscardPolicy.OLD,
            max_age=30 * DAY,
            max_bytes=4096 * MEBIBYTE,
            duplicate_window=DEDUPLICATION_SECONDS,
        ),
        StreamConfig(
            name=names.dead_letters,
            description="What a workflow could not handle; operators list and retry it.",
            subjects=[names.dead("*")],
            storage=StorageType.FILE,
            retention=RetentionPolicy.LIMITS,
            # When it is full, letters wait with their workflow: none is thrown away unseen.
            discard=DiscardPolicy.NEW,
            max_age=0,
            max_bytes=256 * MEBIBYTE,
            duplicate_window=DEDUPLICATION_SECONDS,
        ),
        StreamConfig(
            name=names.retries,
            description="Dead letters on their way back to the workflow that they came from.",
            subjects=[names.retry("*")],
            storage=StorageType.FILE,
            retention=RetentionPolicy.WORK_QUEUE,
            discard=DiscardPolicy.NEW,
            max_age=0,
            max_bytes=64 * MEBIBYTE,
            duplicate_window=DEDUPLICATION_SECONDS,
        ),
    )


async def ensure_streams(jetstream: JetStreamContext, names: StreamNames) -> None:
    """Make the streams that do not exist; those that do are left as an operator may have tuned them.

    Replicas, limits and placement are an operator's to choose: `nats stream edit`, or streams made beforehand.

    Raises:
        nats.errors.Error: NATS is away, or refuses.
    """
    for configuration in configurations(names):
        assert configuration.name is not None, "every stream has a name"
        try:
            await jetstream.stream_info(configuration.name)
        except NotFoundError:
            try:
                await jetstream.add_stream(configuration)
            except BadRequestError as error:
                # Another process was faster, and somebody tuned it already.
                if error.err_code != STREAM_NAME_IN_USE:
                    raise


NATS_ERRORS: Final = (nats.errors.Error, OSError, TimeoutError)
"""What the client raises when NATS is away, or says no."""
