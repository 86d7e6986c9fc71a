"""The security log: failed attempts to sign in, one stream an identifier and day (requirements ACC-17)."""

from datetime import datetime
from uuid import UUID

import msgspec

from domain.accounts.events import LoginFailed, LoginFailureClass, SecurityLogEvent
from domain.shared.claims import derived_id
from domain.shared.events import State


def security_log_id(identifier_hash: str, at: datetime) -> UUID:
    """The stream for one identifier (a keyed hash of it) on the day of `at` in UTC."""
    return derived_id("security_log", f"{identifier_hash}:{at:%Y-%m-%d}")


class SecurityLog(State, frozen=True, kw_only=True):
    """How often sign-in failed for one identifier on one day."""

    log_id: UUID
    failures: int

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


def evolve(log: SecurityLog | None, event: SecurityLogEvent, stream_id: UUID) -> SecurityLog:
    """Fold one recorded fact into the state."""
    assert isinstance(event, LoginFailed), f"{type(event).__name__} is no event of a security log"
    if log is None:
        return SecurityLog(log_id=stream_id, failures=1)
    return msgspec.structs.replace(log, failures=log.failures + 1)
