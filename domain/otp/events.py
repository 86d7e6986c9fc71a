"""Facts about one-time codes (requirements §46.2). No code, and no address in full, is ever in one (ES-18)."""

from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from domain.shared.events import DomainEvent


class OtpPurpose(StrEnum):
    """What a code opens; it opens nothing else (requirements OTP-05)."""

    SIGNUP = "signup"
    LOGIN = "login"
    RESET = "reset"


class OtpChannel(StrEnum):
    """On which way a code reaches whoever asked for it."""

    SMS = "sms"
    EMAIL = "email"


class OtpRequested(DomainEvent, frozen=True, kw_only=True):
    """Somebody asked for a code; it is good until `expires_at`, or until the next one is asked for.

    That does not say that one was sent: for a destination that nobody here has, the same is recorded as for others.
    `destination_masked` is enough to recognise a destination that one knows, and too little to find one out.
    """

    purpose: OtpPurpose
    channel: OtpChannel
    destination_masked: str
    expires_at: datetime
    account_id: UUID | None = None


class OtpVerified(DomainEvent, frozen=True, kw_only=True):
    """Whoever asked for the code has it: the destination is theirs. The code is used up."""

    purpose: OtpPurpose


class OtpFailed(DomainEvent, frozen=True, kw_only=True):
    """A wrong code was shown, the `attempts`-th since the right one was asked for."""

    attempts: int


class OtpLocked(DomainEvent, frozen=True, kw_only=True):
    """After `attempts` wrong codes one more was shown, and not even looked at: the right one is good no more."""

    attempts: int


OtpEvent: TypeAlias = OtpRequested | OtpVerified | OtpFailed | OtpLocked
