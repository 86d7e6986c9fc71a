"""Wishes about one-time codes. None holds a code: it goes from the drawer to the vault and the sender, and nowhere else."""

from datetime import datetime
from uuid import UUID

from application.shared.command import Command
from domain.otp.events import OtpChannel, OtpPurpose


class RecordOtpRequest(Command, frozen=True, kw_only=True):
    """Note that a code was asked for (requirements OTP-07)."""

    challenge_id: UUID
    purpose: OtpPurpose
    channel: OtpChannel
    destination_masked: str
    expires_at: datetime
    account_id: UUID | None = None


class RecordOtpVerified(Command, frozen=True, kw_only=True):
    """Note that the right code was shown, so that it is never right again (requirements OTP-08)."""

    challenge_id: UUID
    purpose: OtpPurpose


class RecordOtpFailed(Command, frozen=True, kw_only=True):
    """Note that a wrong code was shown (requirements OTP-03)."""

    challenge_id: UUID
    attempts: int


class RecordOtpLocked(Command, frozen=True, kw_only=True):
    """Note that too many wrong codes were shown (requirements OTP-03)."""

    challenge_id: UUID
    attempts: int
