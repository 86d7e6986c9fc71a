"""An API key: for whom a program acts, what it may do, and until when (requirements KEY-01 to KEY-08)."""

import hashlib
import unicodedata
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, assert_never
from uuid import UUID

import msgspec

from domain.api_keys.events import ApiKeyEvent, ApiKeyIssued, ApiKeyRevoked
from domain.shared.errors import (
    InvalidInput,
    NotAuthenticated,
    NotFound,
    NotPermitted,
    Problem,
    RuleViolation,
)
from domain.shared.events import State

KEYS_MAXIMUM: Final = 20
"""How many keys an account may have at a time; expired and revoked ones do not count."""

NAME_CHARACTERS_MAXIMUM: Final = 100
DAYS_MAXIMUM: Final = 3650
SECRET_BYTES: Final = 32
DISPLAYED_CHARACTERS: Final = 8
"""How many characters after the prefix are kept in clear (requirements KEY-02)."""

EVERYTHING: Final = "*"


class ApiKeyNotFound(NotFound):
    """There is no such key, or it is somebody else's."""

    code = "API_KEY_NOT_FOUND"


class ApiKeyInvalid(NotAuthenticated):
    """The key is unknown or was revoked, or its owner is no more: which of them is not told."""

    code = "API_KEY_INVALID"

    def __init__(self) -> None:
        """The same words always."""
        super().__init__("This API key is not valid.")


class ApiKeyExpired(NotAuthenticated):
    """The time that the key was issued for is over."""

    code = "API_KEY_EXPIRED"


class ApiKeyUnfit(InvalidInput):
    """No key is issued like that."""

    def __init__(self, field: str, message: str, rule: str) -> None:
        """`field` is the name of the field in requests; `rule` is a stable word."""
        super().__init__(message, problems=[Problem(field, message, rule)])


class PermissionNotHeld(NotPermitted):
    """Nobody gives a key more than they have (requirements KEY-01)."""


class TooManyApiKeys(RuleViolation):
    """The account has as many keys as it may have."""

    code = "API_KEY_LIMIT_REACHED"


def key_digest(key: str) -> str:
    """What is kept of a key: its SHA-256 in hex (requirements KEY-02)."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


class ApiKey(State, frozen=True, kw_only=True):
    """One key as it stands. `issued_as` is the role that its owner had when they issued it."""

    key_id: UUID
    owner_id: UUID
    issued_as: str
    permissions: tuple[str, ...]
    expires_at: datetime | None = None
    revoked: bool = False

    @property
    def stream_id(self) -> UUID:
        """The key's own id."""
        return self.key_id

    @property
    def subject_id(self) -> UUID | None:
        """Its owner; the state itself holds no personal data."""
        return self.owner_id

    @staticmethod
    def issue(
        *,
        owner_id: UUID,
        owner_role: str,
        name: str,
        display_prefix: str,
        permissions: Sequence[str],
        grantable: Collection[str],
        expires_at: datetime | None,
        at: datetime,
    ) -> list[ApiKeyEvent]:
        """Let a program act for the owner. `grantable` is what the owner's role may give; a permission twice is it once.

        Raises:
            ApiKeyUnfit: the name is empty, longer than 100 characters or unreadable, or the time is over already.
            PermissionNotHeld: something else is to be given; `details` name it.
        """
        beyond = sorted(set(permissions) - set(grantable))
        if beyond:
            raise PermissionNotHeld(
                "Your role does not hold what this key shall be given: " + ", ".join(beyond) + ".",
                details={"permissions": beyond},
            )
        if expires_at is not None and expires_at <= at:
            raise ApiKeyUnfit("expiresInDays", "A key is issued for a day at least.", "minimum")
        return [
            ApiKeyIssued(
                owner_id=owner_id,
                owner_role=owner_role,
                name=clean_name(name),
                display_prefix=display_prefix,
                permissions=tuple(dict.fromkeys(permissions)),
                expires_at=expires_at,
            )
        ]

    def is_over(self, at: datetime) -> bool:
        """Whether it opens nothing any more, for ever."""
        return self.revoked or (self.expires_at is not None and self.expires_at <= at)

    def check_good(self, at: datetime) -> None:
        """Let through who shows the key.

        Raises:
            ApiKeyInvalid: it was revoked.
            ApiKeyExpired: its time is over.
        """
        if self.revoked:
            raise ApiKeyInvalid
        if self.is_over(at):
            raise ApiKeyExpired("This API key has expired.")

    def revoke(self, *, by: UUID) -> list[ApiKeyEvent]:
        """Take the key back. Revoked twice is revoked once.

        Raises:
            ApiKeyNotFound: it is not `by`'s; strangers learn nothing.
        """
        if by != self.owner_id:
            raise ApiKeyNotFound(f"No API key {self.key_id}.")
        return self.end(by=by)

    def end(self, *, by: UUID) -> list[ApiKeyEvent]:
        """Take the key back because its owner's account ends. One that was revoked before stays as it is."""
        return [] if self.revoked else [ApiKeyRevoked(by=by)]


def clean_name(text: str) -> str:
    """What an owner calls a key, trimmed and composed (Unicode NFC).

    Raises:
        ApiKeyUnfit: it is empty, longer than 100 characters, or holds control characters.
    """
    if len(text) <= 4 * NAME_CHARACTERS_MAXIMUM:
        name = unicodedata.normalize("NFC", text).strip()
        if any(unicodedata.category(each) in {"Cc", "Cs", "Zl", "Zp"} for each in name):
            raise ApiKeyUnfit("name", "A name has no control characters in it.", "characters")
        if 1 <= len(name) <= NAME_CHARACTERS_MAXIMUM:
            return name
    raise ApiKeyUnfit("name", f"A key's name has 1 to {NAME_CHARACTERS_MAXIMUM} characters.", "length")


def evolve(key: ApiKey | None, event: ApiKeyEvent, stream_id: UUID) -> ApiKey:
    """Fold one recorded fact into the state."""
    if isinstance(event, ApiKeyIssued):
        return ApiKey(
            key_id=stream_id,
            owner_id=event.owner_id,
            issued_as=event.owner_role,
            permissions=event.permissions,
            expires_at=event.expires_at,
        )
    assert key is not None, f"stream {stream_id} of an API key begins with ApiKeyIssued"
    match event:
        case ApiKeyRevoked():
            return msgspec.structs.replace(key, revoked=True)
        case _:
            assert_never(event)
