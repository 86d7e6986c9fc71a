"""A session: for how long a signed-in account may act, and by which refresh tokens it is prolonged (TOK-03, TOK-09 to
TOK-13).
"""

import hashlib
from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID, uuid5

import msgspec

from domain.accounts.events import (
    RefreshTokenReuseDetected,
    RefreshTokenRotated,
    SessionEnding,
    SessionEvent,
    SessionOpened,
    SessionRevoked,
)
from domain.shared.errors import NotAuthenticated, NotFound
from domain.shared.events import State


class SessionNotFound(NotFound):
    """There is no such session, or it is somebody else's."""


class RefreshTokenInvalid(NotAuthenticated):
    """The token belongs to no session."""

    code = "INVALID_REFRESH_TOKEN"


class RefreshTokenExpired(NotAuthenticated):
    """The session was not prolonged in time."""

    code = "REFRESH_TOKEN_EXPIRED"


class SessionIsRevoked(NotAuthenticated):
    """The session was ended, or a token of it was shown twice, which ends it."""

    code = "TOKEN_REVOKED"


def refresh_token_id(session_id: UUID, number: int) -> UUID:
    """The id (`jti`) of a session's refresh token; `number` counts them from 1.

    It follows from the session's id, so that a repeated request mints the same token again. It needs not be secret: what
    makes a token good is its signature.
    """
    return uuid5(session_id, f"refresh-token:{number}")


def access_token_id(session_id: UUID, number: int) -> UUID:
    """The id (`jti`) of the access token that goes with a session's refresh token of this number."""
    return uuid5(session_id, f"access-token:{number}")


def first_refresh_token_id(session_id: UUID) -> UUID:
    """The id of the refresh token that comes with a new session."""
    return refresh_token_id(session_id, 1)


def refresh_token_hash(token_id: UUID) -> str:
    """What is kept of a refresh token: the SHA-256 of its id, in hex (requirements TOK-13)."""
    return hashlib.sha256(str(token_id).encode()).hexdigest()


class Session(State, frozen=True, kw_only=True):
    """Whose session it is, by which token it is prolonged, and whether it is over before its time.

    `number` counts its refresh tokens; `previous_jti_hash` is that of the one before, which was used at `rotated_at`.
    """

    session_id: UUID
    account_id: UUID
    revoked: bool
    refresh_jti_hash: str | None = None
    previous_jti_hash: str | None = None
    number: int = 1
    rotated_at: datetime | None = None
    expires_at: datetime | None = None

    @property
    def stream_id(self) -> UUID:
        """A session's own id."""
        return self.session_id

    @property
    def subject_id(self) -> UUID | None:
        """Its account; the state itself holds no personal data."""
        return self.account_id

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

    def is_over(self, at: datetime) -> bool:
        """Whether it was ended, or not prolonged in time."""
        return self.revoked or (self.expires_at is not None and self.expires_at <= at)

    def rotate(
        self, *, jti_hash: str, at: datetime, expires_at: datetime, grace: timedelta
    ) -> list[SessionEvent]:
        """Prolong the session by its refresh token, which is thereby used up.

        The token before the current one is an honest retry within `grace` of its use, when the answer may have been lost
        on its way or several windows of one browser asked at once: nothing changes, and the current pair is answered
        again. Any other token of the session was used before, so that two have it: the session ends (requirements TOK-10).

        Raises:
            SessionIsRevoked: it was ended before.
            RefreshTokenExpired: it was not prolonged in time.
        """
        if self.revoked:
            raise SessionIsRevoked("This session was signed out.")
        if self.is_over(at):
            raise RefreshTokenExpired("This session was not prolonged in time. Sign in again.")
        if jti_hash == self.refresh_jti_hash:
            return [
                RefreshTokenRotated(
                    old_jti_hash=jti_hash,
                    new_jti_hash=refresh_token_hash(refresh_token_id(self.session_id, self.number + 1)),
                    expires_at=expires_at,
                    rotated_at=at,
                )
            ]
        if (
            jti_hash == self.previous_jti_hash
            and self.rotated_at is not None
            and at < self.rotated_at + grace
        ):
            return []
        return [RefreshTokenReuseDetected(jti_hash=jti_hash), *self.end(SessionEnding.REUSE)]

    def log_out(self, *, by: UUID) -> list[SessionEvent]:
        """End the session. Signing out twice is signing out once.

        Raises:
            SessionNotFound: it is not `by`'s; strangers learn nothing.
        """
        if by != self.account_id:
            raise SessionNotFound(f"No session {self.session_id}.")
        return self.end(SessionEnding.LOGOUT)

    def end(self, reason: SessionEnding) -> list[SessionEvent]:
        """End the session, for a reason that is the account's. One that was ended before stays as it is."""
        if self.revoked:
            return []
        return [SessionRevoked(account_id=self.account_id, reason=reason)]


def evolve(session: Session | None, event: SessionEvent, stream_id: UUID) -> Session:
    """Fold one recorded fact into the state."""
    if isinstance(event, SessionOpened):
        return Session(
            session_id=stream_id,
            account_id=event.account_id,
            revoked=False,
            refresh_jti_hash=event.refresh_jti_hash,
            expires_at=event.expires_at,
        )
    assert session is not None, f"stream {stream_id} of a session begins with SessionOpened"
    match event:
        case RefreshTokenRotated():
            return msgspec.structs.replace(
                session,
                refresh_jti_hash=event.new_jti_hash,
                previous_jti_hash=event.old_jti_hash,
                number=session.number + 1,
                rotated_at=event.rotated_at,
                expires_at=event.expires_at,
            )
        case RefreshTokenReuseDetected():
            return session
        case SessionRevoked():
            return msgspec.structs.replace(session, revoked=True)
        case _:
            assert_never(event)
