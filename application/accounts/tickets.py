"""Tokens that go out by mail: what is kept of them, and how they are found again (ACC-14, ACC-25, ES-18).

The token is 32 random bytes in hex. In the credential store is its SHA-256, then the number that the account gave it, then
until when it is good: 48 bytes.
"""

import hashlib
import re
import struct
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

TOKEN_BYTES: Final = 32
DIGEST_BYTES: Final = 32

EMAIL_VERIFICATION: Final = "email_verification"
"""Under which name the credential store keeps the newest link to verify an email address."""

PASSWORD_RESET: Final = "password_reset"  # noqa: S105 - the name of a credential
"""Under which name it keeps the newest link or ticket to set a new password."""

_TOKEN: Final = re.compile(r"[0-9a-f]{64}")
_REST: Final = struct.Struct("!qq")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a token; `number` is the account's, see `domain.accounts.account.Pending`."""

    digest: bytes
    number: int
    expires_at: datetime

    def __repr__(self) -> str:
        """Without the digest."""
        return f"Ticket(number={self.number}, expires_at={self.expires_at})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return [("number", self.number), ("expires_at", self.expires_at)]

    def written(self) -> bytes:
        """As the credential store has it."""
        return self.digest + _REST.pack(self.number, (self.expires_at - _EPOCH) // _MICROSECOND)


def read_ticket(value: bytes) -> Ticket:
    """What `Ticket.written` wrote."""
    number, expires_at = _REST.unpack(value[DIGEST_BYTES:])
    return Ticket(digest=value[:DIGEST_BYTES], number=number, expires_at=_EPOCH + expires_at * _MICROSECOND)


def token_digest(token: str) -> bytes | None:
    """The SHA-256 of a token; `None` when the text can be no token of ours."""
    return hashlib.sha256(token.encode()).digest() if _TOKEN.fullmatch(token) else None


def token_of(chance: bytes) -> tuple[str, bytes]:
    """A token of 32 random bytes, to be given away and kept nowhere, and its digest."""
    assert len(chance) == TOKEN_BYTES, "a token is made of 32 random bytes"
    token = chance.hex()
    return token, hashlib.sha256(token.encode()).digest()
