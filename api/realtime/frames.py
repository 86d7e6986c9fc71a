"""What is said over a WebSocket: JSON objects `{"event": ..., "data": ...}`, one a text message (requirement D-37, RT-07).

Clients ask in the imperative (`authenticate`), the server tells in the past tense (`authenticated`), or says what went wrong
(`error`), which ends nothing by itself (RT-08).
"""

from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import msgspec

from api.envelope import Timestamp
from api.errors import Failure
from domain.shared.errors import InvalidInput, Problem
from infrastructure.security.tokens import TOKEN_CHARACTERS_MAXIMUM

EVENT_CHARACTERS_MAXIMUM: Final = 100

D = TypeVar("D")


class Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a client says; `data` is read once it is known what `event` asks for."""

    event: Annotated[str, msgspec.Meta(min_length=1, max_length=EVENT_CHARACTERS_MAXIMUM)]
    data: msgspec.Raw = msgspec.Raw(b"{}")


class Authenticate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`authenticate`: who speaks, by an access token. Said again before the token expires, it keeps the channel open."""

    token: Annotated[str, msgspec.Meta(max_length=TOKEN_CHARACTERS_MAXIMUM)]

    def __repr__(self) -> str:
        """Without the token."""
        return "Authenticate(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return []


class Authenticated(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`authenticated`: who the server takes the client for, and until when."""

    user_id: UUID
    role: str
    session_id: UUID
    expires_at: Timestamp


def read_frame(text: str) -> Frame:
    """What a text message says.

    Raises:
        InvalidInput: it is no frame.
    """
    try:
        return msgspec.json.decode(text, type=Frame)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        message = 'A message is a JSON object: {"event": "...", "data": {...}}.'
        raise InvalidInput(message, problems=[Problem("", message, "invalid")]) from error


def read_data(frame: Frame, kind: type[D]) -> D:
    """What comes with an event.

    Raises:
        InvalidInput: not what belongs to it.
    """
    try:
        return msgspec.json.decode(frame.data, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        # The decoder's own words may repeat what was sent.
        message = f"This is not what comes with the event {frame.event}."
        raise InvalidInput(message, problems=[Problem("data", message, "invalid")]) from error


def written(event: str, data: object) -> str:
    """A frame of the server's."""
    return msgspec.json.encode({"event": event, "data": data}).decode()


def error_frame(failure: Failure, request_id: str) -> str:
    """What went wrong, as over HTTP: a stable code, a sentence, and which fields."""
    data: dict[str, Any] = {"code": failure.code, "message": failure.message, "requestId": request_id}
    if failure.details is not None:
        data["details"] = failure.details
    return msgspec.json.encode({"event": "error", "data": data}, enc_hook=str).decode()
