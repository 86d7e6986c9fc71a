"""Events on the wire: structured CloudEvents 1.0 (CNCF, and its NATS binding), the public half of what is stored."""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from domain.shared.events import Metadata
from infrastructure.event_store.names import event_id
from infrastructure.event_store.personal import take_apart
from infrastructure.event_store.tail import StoredEvent

CONTENT_TYPE: Final = "application/cloudevents+json"
SOURCE: Final = "/daftar"


class CloudEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of the log. Extensions (the names in one word) follow the standard's rules for names.

    `sequence` is the position in the log, as text; `partitionkey` the stream: events with the same one are in order.
    Where the data would be longer than NATS takes, it is left out and `dataomitted` says so: it is in the log.
    """

    specversion: str
    id: UUID
    source: str
    type: str
    subject: UUID
    time: datetime
    sequence: str
    partitionkey: str
    streamversion: str
    correlationid: UUID | None = None
    causationid: UUID | None = None
    actorkind: str | None = None
    datacontenttype: str | None = None
    dataomitted: bool = False
    data: msgspec.Raw = msgspec.Raw()


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(CloudEvent)
_metadata = msgspec.json.Decoder(Metadata)


def cloud_event(stored: StoredEvent, *, longest: int) -> bytes:
    """The message for a stored event, at most so many bytes long. What is sealed stays behind."""
    metadata = None if stored.metadata is None else _metadata.decode(stored.metadata)
    event = CloudEvent(
        specversion="1.0",
        id=event_id(stored.stream_id, stored.version),
        source=SOURCE,
        type=stored.name,
        subject=stored.stream_id,
        time=stored.recorded_at,
        sequence=str(stored.position),
        partitionkey=str(stored.stream_id),
        streamversion=str(stored.version),
        correlationid=metadata.correlation_id if metadata is not None else None,
        causationid=metadata.causation_id if metadata is not None else None,
        actorkind=metadata.actor_kind if metadata is not None else None,
    )
    whole = msgspec.structs.replace(
        event, datacontenttype="application/json", data=msgspec.Raw(public_half(stored.state))
    )
    encoded = _encoder.encode(whole)
    if len(encoded) <= longest:
        return encoded
    return _encoder.encode(msgspec.structs.replace(event, dataomitted=True))


def read_cloud_event(message: bytes) -> CloudEvent:
    """A message that `cloud_event` made, in this or another version of the program.

    Raises:
        msgspec.DecodeError: it is something else.
    """
    return _decoder.decode(message)


def public_half(state: bytes) -> bytes:
    """The stored JSON without its sealed member."""
    halves = take_apart(state)
    return state if halves is None else halves[0].removesuffix(b",") + b"}"
