"""Which fields of a class are personal, and how they are taken apart from the public ones.

A stored event is a JSON object. Its personal fields are not in it; they are one more JSON object, sealed under the data
key of the person, and stand as the last member: `..., "personal": "<subject>:<iv>:<tag>:<ciphertext>"` (all hex).
"""

import re
from typing import Any
from uuid import UUID

import msgspec

from domain.shared.personal import PERSONAL

MEMBER = b'"personal":"'
SUBJECT_LENGTH = 32

_SEALED = re.compile(rb'([0-9a-f]{32}:[0-9a-f]{24}:[0-9a-f]{32}:[0-9a-f]*)"\}')


class PersonalFields:
    """The two halves of one struct class: what may be seen, and what belongs to a person."""

    __slots__ = (
        "_decoder",
        "_encoder",
        "_personal",
        "_personal_names",
        "_public",
        "_public_names",
        "present",
    )

    def __init__(self, struct: type[msgspec.Struct]) -> None:
        """Reads the marks of domain.shared.personal off the class's fields."""
        personal: list[Any] = []
        public: list[Any] = []
        for field in msgspec.structs.fields(struct):
            (personal if _is_personal(field.type) else public).append(field)
        for field in personal:
            if field.required:
                raise TypeError(f"{struct.__name__}.{field.name} is personal and has no default")
        self.present = bool(personal)
        self._encoder = msgspec.json.Encoder()
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(struct)
        self._public_names = [field.name for field in public]
        self._personal_names = [field.name for field in personal]
        if self.present:
            self._public = _half(struct, "Public", public)
            self._personal = _half(struct, "Personal", personal)

    def public_json(self, value: msgspec.Struct) -> bytes:
        """The public half."""
        if not self.present:
            return self._encoder.encode(value)
        return self._encoder.encode(self._public(*[getattr(value, name) for name in self._public_names]))

    def personal_json(self, value: msgspec.Struct) -> bytes | None:
        """The personal half, or `None` when there is nothing personal in it."""
        if not self.present:
            return None
        encoded = self._encoder.encode(
            self._personal(*[getattr(value, name) for name in self._personal_names])
        )
        return None if encoded == b"{}" else encoded

    def decode(self, state: bytes) -> Any:
        """The struct; personal fields that are not in `state` hold their defaults."""
        return self._decoder.decode(state)


def join(public: bytes, sealed: str) -> bytes:
    """Add the sealed half to the public one as its last member."""
    comma = b"" if public == b"{}" else b","
    return public[:-1] + comma + MEMBER + sealed.encode() + b'"}'


def subject_of(state: bytes) -> UUID | None:
    """Whose key seals the personal half of a stored event; `None` when there is none."""
    halves = take_apart(state)
    return None if halves is None else UUID(hex=halves[1][:SUBJECT_LENGTH])


def take_apart(state: bytes) -> tuple[bytes, str] | None:
    """The public JSON without its closing brace and the sealed half; `None` when nothing is sealed."""
    at = state.rfind(MEMBER)
    if at < 0:
        return None
    sealed = _SEALED.fullmatch(state, at + len(MEMBER))
    if sealed is None:
        return None
    return state[:at], sealed[1].decode()


def put_together(opening: bytes, personal: bytes) -> bytes:
    """The whole struct's JSON from the opening of the public half and the opened personal one."""
    return opening + personal[1:]


def _half(struct: type[msgspec.Struct], suffix: str, fields: list[Any]) -> type[Any]:
    definition = [
        (field.name, field.type, msgspec.field(default=None, name=field.encode_name)) for field in fields
    ]
    if suffix == "Personal":
        definition = [
            (
                field.name,
                Any,
                msgspec.field(
                    default=field.default
                    if field.default_factory is msgspec.NODEFAULT
                    else field.default_factory(),
                    name=field.encode_name,
                ),
            )
            for field in fields
        ]
    return msgspec.defstruct(
        struct.__name__ + suffix, definition, omit_defaults=suffix == "Personal", frozen=True
    )


def _is_personal(annotation: Any) -> bool:
    metadata = getattr(annotation, "__metadata__", ())
    return any(isinstance(mark, msgspec.Meta) and mark.extra == PERSONAL for mark in metadata)
