"""What the log knows of the codes for one destination: whether one is out that may still be used.

The codes themselves, and how often one was guessed, are kept in Redis for their few minutes. What is decided here does not
depend on that memory: a code that has been used, or has been locked, is over, even when a Redis that lost its last seconds
says otherwise.
"""

from datetime import datetime
from typing import assert_never
from uuid import UUID

import msgspec

from domain.otp.events import (
    OtpChannel,
    OtpEvent,
    OtpFailed,
    OtpLocked,
    OtpPurpose,
    OtpRequested,
    OtpVerified,
)
from domain.otp.refusals import OtpExpired
from domain.shared.claims import derived_id
from domain.shared.events import State


def otp_challenge_id(purpose: OtpPurpose, destination_hash: str, requested_at: datetime) -> UUID:
    """The stream for one purpose, one destination (a keyed hash of it) and the day in UTC on which the code was asked for."""
    return derived_id("otp_challenge", f"{purpose.value}:{destination_hash}:{requested_at:%Y-%m-%d}")


class OtpChallenge(State, frozen=True, kw_only=True):
    """The last code that was asked for; `expires_at` is `None` when none is out."""

    challenge_id: UUID
    expires_at: datetime | None

    @property
    def stream_id(self) -> UUID:
        """Derived from purpose, destination and day."""
        return self.challenge_id

    @property
    def subject_id(self) -> UUID | None:
        """Nobody: what is kept here is about no person."""
        return None

    @staticmethod
    def request(
        *,
        purpose: OtpPurpose,
        channel: OtpChannel,
        destination_masked: str,
        expires_at: datetime,
        account_id: UUID | None,
    ) -> list[OtpEvent]:
        """Ask for a code; it takes the place of the one before."""
        return [
            OtpRequested(
                purpose=purpose,
                channel=channel,
                destination_masked=destination_masked,
                expires_at=expires_at,
                account_id=account_id,
            )
        ]

    def verify(self, *, purpose: OtpPurpose, at: datetime) -> list[OtpEvent]:
        """Use the code up that was just found to be right.

        Raises:
            OtpExpired: it has been used or locked before, or its time is over.
        """
        if self.expires_at is None or at >= self.expires_at:
            raise OtpExpired()
        return [OtpVerified(purpose=purpose)]

    @staticmethod
    def fail(*, attempts: int) -> list[OtpEvent]:
        """Note one wrong code, and how many there have been."""
        return [OtpFailed(attempts=attempts)]

    @staticmethod
    def lock(*, attempts: int) -> list[OtpEvent]:
        """Note that the code is good no more, after so many wrong ones."""
        return [OtpLocked(attempts=attempts)]


def evolve(challenge: OtpChallenge | None, event: OtpEvent, stream_id: UUID) -> OtpChallenge:
    """Fold one recorded fact into the state."""
    if challenge is None:
        # A guess may be recorded first: that of a code whose request was counted while the log was away.
        challenge = OtpChallenge(challenge_id=stream_id, expires_at=None)
    match event:
        case OtpRequested():
            return msgspec.structs.replace(challenge, expires_at=event.expires_at)
        case OtpFailed():
            return challenge
        case OtpVerified() | OtpLocked():
            return msgspec.structs.replace(challenge, expires_at=None)
        case _:
            assert_never(event)
