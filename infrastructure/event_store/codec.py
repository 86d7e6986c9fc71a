"""Events and states as stored bytes: JSON, with the personal half sealed under its person's key."""

import hashlib
from typing import Any
from uuid import UUID

import msgspec

from application.shared.store import Envelope, Kind
from domain.shared.events import DomainEvent, Metadata, State
from domain.shared.personal import OptionalPersonalText
from infrastructure.event_store.keyring import DataKey, Keyring
from infrastructure.event_store.names import EventNames
from infrastructure.event_store.personal import PersonalFields, join, put_together, subject_of, take_apart


class ClientInfo(msgspec.Struct, frozen=True, kw_only=True):
    """From where a command came; personal data of its actor."""

    ip: OptionalPersonalText = None
    user_agent: OptionalPersonalText = None


class KeysNeeded(Exception):
    """Encoding needs the keys of these people in memory first."""

    def __init__(self, subjects: set[UUID]) -> None:
        """`subjects` are account ids."""
        super().__init__()
        self.subjects = subjects


class Codec:
    """Encodes and decodes events, their metadata and states. Keys must be in the keyring before."""

    def __init__(self, names: EventNames, keyring: Keyring) -> None:
        """`names` is the dictionary of stored names."""
        self.names = names
        self.keyring = keyring
        self._fields: dict[type[msgspec.Struct], PersonalFields] = {}
        self._classes: dict[str, tuple[type[DomainEvent], PersonalFields, bool]] = {}
        self._client = PersonalFields(ClientInfo)
        self._metadata_encoder = msgspec.json.Encoder()
        self._metadata_decoder = msgspec.json.Decoder(Metadata)
        self._fingerprints: dict[type[State], str] = {}

    # --- events --------------------------------------------------------------------------------------------

    def subject(self, event: DomainEvent, stream_id: UUID) -> UUID | None:
        """Whose personal data an event holds; `None` when it holds none."""
        if not self._fields_of(type(event)).present:
            return None
        if event.subject_field is None:
            return stream_id
        subject: UUID | None = getattr(event, event.subject_field)
        return subject

    def encode(
        self, event: DomainEvent, stream_id: UUID, version: int, key: DataKey | None
    ) -> tuple[bytes, bytes]:
        """Stored name and state. `key` is the subject's; without one (erased, unknown) the personal half is left out."""
        fields = self._fields_of(type(event))
        state = fields.public_json(event)
        if key is not None:
            personal = fields.personal_json(event)
            if personal is not None:
                state = join(state, key.seal(personal, _place(stream_id, version)))
        return self.names.name_of(type(event)).encode(), state

    def decode(
        self, name: str, state: bytes, stream_id: UUID, version: int, *, personal: bool = True
    ) -> DomainEvent:
        """The event of a stored row.

        With `personal`, the keys must be in the keyring; a destroyed or unknown key leaves the defaults.

        Raises:
            UnknownEvent: the name is newer than this program.
            DataKeyBroken: the row was tampered with.
        """
        known = self._classes.get(name)
        if known is None:
            event_class = self.names.class_of(name)
            known = (event_class, self._fields_of(event_class), name in self.names.upcasters)
            self._classes[name] = known
        _, fields, outdated = known
        if personal and fields.present:
            state = self._opened(state, _place(stream_id, version))
        if outdated:
            state = self.names.upcast(name, state)
        event: DomainEvent = fields.decode(state)
        return event

    def subject_of(self, state: bytes) -> UUID | None:
        """Whose key is needed to read stored bytes whole."""
        return subject_of(state)

    # --- metadata ------------------------------------------------------------------------------------------

    def encode_metadata(self, envelope: Envelope, key: DataKey | None) -> bytes:
        """Metadata as JSON; address and agent sealed under the actor's key, left out without one."""
        encoded = self._metadata_encoder.encode(envelope.metadata)
        if key is not None and (envelope.ip is not None or envelope.user_agent is not None):
            client = self._client.personal_json(ClientInfo(ip=envelope.ip, user_agent=envelope.user_agent))
            if client is not None:
                encoded = join(encoded, key.seal(client, envelope.metadata.command_id.bytes))
        return encoded

    def decode_metadata(self, stored: bytes) -> Metadata:
        """Metadata without address and agent."""
        return self._metadata_decoder.decode(stored)

    def decode_client(self, stored: bytes, command_id: UUID) -> ClientInfo:
        """Address and agent; their keys must be in the keyring."""
        client: ClientInfo = self._client.decode(self._opened(stored, command_id.bytes))
        return client

    # --- states --------------------------------------------------------------------------------------------

    def fingerprint(self, kind: Kind[Any]) -> str:
        """Names the shape of a state, so that a snapshot of another shape is never taken for this one."""
        known = self._fingerprints.get(kind.state)
        if known is None:
            shape = repr(msgspec.inspect.type_info(kind.state)) + str(
                getattr(kind.state, "snapshot_version", 1)
            )
            known = f"{kind.name}:{hashlib.sha256(shape.encode()).hexdigest()[:16]}"
            self._fingerprints[kind.state] = known
        return known

    def encode_state(self, state: State, version: int) -> bytes | None:
        """A state for the snapshot table; `None` when its person's key is not at hand."""
        fields = self._fields_of(type(state))
        encoded = fields.public_json(state)
        if fields.present:
            subject = state.subject_id
            key = None if subject is None else self.keyring.get(subject)
            if key is None:
                return None
            personal = fields.personal_json(state)
            if personal is not None:
                encoded = join(encoded, key.seal(personal, _place(state.stream_id, version)))
        return encoded

    def decode_state(self, kind: Kind[Any], stored: bytes, stream_id: UUID, version: int) -> State:
        """A state from the snapshot table; keys must be in the keyring."""
        fields = self._fields_of(kind.state)
        if fields.present:
            stored = self._opened(stored, _place(stream_id, version))
        state: State = fields.decode(stored)
        return state

    # --- inside --------------------------------------------------------------------------------------------

    def _opened(self, state: bytes, place: bytes) -> bytes:
        halves = take_apart(state)
        if halves is None:
            return state
        opening, sealed = halves
        subject = UUID(hex=sealed[:32])
        key = self.keyring.get(subject)
        if key is None:
            if not self.keyring.knows(subject):
                raise KeysNeeded({subject})
            return state
        return put_together(opening, key.open(sealed, place))

    def _fields_of(self, struct: type[msgspec.Struct]) -> PersonalFields:
        fields = self._fields.get(struct)
        if fields is None:
            fields = self._fields[struct] = PersonalFields(struct)
        return fields


def _place(stream_id: UUID, version: int) -> bytes:
    return stream_id.bytes + version.to_bytes(8, "big")
