"""A session: for how long a signed-in account may act, until it signs out (requirements TOK-03, TOK-11, TOK-13)."""

import hashlib
from datetime import datetime
from typing import assert_never
from uuid import UUID, uuid5

import msgspec

from domain.accounts.events import SessionEnding, SessionEvent, SessionOpened, SessionRevoked
from domain.shared.errors import NotFound
from domain.shared.events import State


class SessionNotFound(NotFound):
    """There is no such session, or it is somebody else's."""


def first_refresh_token_id(session_id: UUID) -> UUID:
    """The id (`jti`) of the refresh token that comes with a new session.

    It follows from the session's id, so that a repeated request, answered from the record, mints a token that the
    session knows. It needs not be secret: what makes a token good is its signature.
    """
    return uuid5(session_id, "refresh-token:1")


def refresh_token_hash(token_id: UUID) -> str:
    """What is kept of a refresh token: the SHA-256 of its id, in hex (requirements TOK-13)."""
    return hashlib.sha256(str(token_id).encode()).hexdigest()


class Session(State, frozen=True, kw_only=True):
    """Whose session it is, and whether it is over before its time."""

    session_id: UUID
    account_id: UUID
    revoked: bool

    @property
    def stream_id(self) -> UUID:
        """A session's own id."""
        return self.session_id

    @staticmethod
    def open(
        *,
        account_id: UUID,
        refresh_jti_hash: str,
        expires_at: datetime,
        ip: str | None,
        user_agent: str | None,
    ) -> list[SessionEvent]:
        """Begin a session of an account that proved who it is."""
        return [
            SessionOpened(
                account_id=account_id,
                refresh_jti_hash=refresh_jti_hash,
                expires_at=expires_at,
                ip=ip,
                user_agent=user_agent,
            )
        ]

    def log_out(self, *, by: UUID) -> list[SessionEvent]:
        """End the session. Signing out twice is signing out once.

        Raises:
            SessionNotFound: it is not `by`'s; strangers learn nothing.
        """
        if by != self.account_id:
            raise SessionNotFound(f"No session {self.session_id}.")
        if self.revoked:
            return []
        return [SessionRevoked(account_id=self.account_id, reason=SessionEnding.LOGOUT)]


def evolve(session: Session | None, event: SessionEvent, stream_id: UUID) -> Session:
    """Fold one recorded fact into the state."""
    if isinstance(event, SessionOpened):
        return Session(session_id=stream_id, account_id=event.account_id, revoked=False)
    assert session is not None, f"stream {stream_id} of a session begins with SessionOpened"
    match event:
        case SessionRevoked():
            return msgspec.structs.replace(session, revoked=True)
        case _:
            assert_never(event)
