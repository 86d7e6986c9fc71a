"""The security log: failed attempts to sign in, one stream an identifier and day (requirements ACC-17)."""

from datetime import datetime
from typing import assert_never
from uuid import UUID

import msgspec

from domain.accounts.events import (
    LoginFailed,
    LoginFailureClass,
    ProofDenied,
    ProofPurpose,
    SecurityLogEvent,
)
from domain.shared.claims import derived_id
from domain.shared.events import State


def security_log_id(identifier_hash: str, at: datetime) -> UUID:
    """The stream for one identifier (a keyed hash of it) on the day of `at` in UTC."""
    return derived_id("security_log", f"{identifier_hash}:{at:%Y-%m-%d}")


class SecurityLog(State, frozen=True, kw_only=True):
    """How often sign-in failed for one identifier on one day, and how often it asked for mails that it does not get."""

    log_id: UUID
    failures: int = 0
    denied: int = 0

    @property
    def stream_id(self) -> UUID:
        """Derived from the identifier's hash and the day."""
        return self.log_id

    @staticmethod
    def login_failed(
        *, identifier_hash: str, reason_class: LoginFailureClass, ip: str | None
    ) -> list[SecurityLogEvent]:
        """Note one failed attempt, from an address that may be unknown."""
        return [LoginFailed(identifier_hash=identifier_hash, reason_class=reason_class, ip=ip)]

    @staticmethod
    def proof_denied(
        *, identifier_hash: str, purpose: ProofPurpose, ip: str | None
    ) -> list[SecurityLogEvent]:
        """Note that a link or a code was asked for in vain."""
        return [ProofDenied(identifier_hash=identifier_hash, purpose=purpose, ip=ip)]


def evolve(log: SecurityLog | None, event: SecurityLogEvent, stream_id: UUID) -> SecurityLog:
    """Fold one recorded fact into the state."""
    log = log or SecurityLog(log_id=stream_id)
    match event:
        case LoginFailed():
            return msgspec.structs.replace(log, failures=log.failures + 1)
        case ProofDenied():
            return msgspec.structs.replace(log, denied=log.denied + 1)
        case _:
            assert_never(event)
