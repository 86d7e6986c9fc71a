"""What the log is told about one-time codes."""

from typing import Final

from application.otp.commands import (
    RecordOtpFailed,
    RecordOtpLocked,
    RecordOtpRequest,
    RecordOtpVerified,
)
from application.shared.command import Command
from application.shared.loop import Handler
from application.shared.store import Kind
from application.shared.unit import Unit
from domain.otp.challenge import OtpChallenge, evolve
from domain.otp.refusals import OtpExpired


def record_otp_request(command: RecordOtpRequest, unit: Unit) -> OtpChallenge:
    """Note that a code was asked for."""
    return unit.begin(
        OtpChallenge,
        command.challenge_id,
        OtpChallenge.request(
            purpose=command.purpose,
            channel=command.channel,
            destination_masked=command.destination_masked,
            expires_at=command.expires_at,
            account_id=command.account_id,
        ),
    )


def record_otp_verified(command: RecordOtpVerified, unit: Unit) -> OtpChallenge:
    """Use up a code that was found to be right, once."""
    challenge = unit.get(OtpChallenge, command.challenge_id, missing=OtpExpired())
    return unit.record(challenge, challenge.verify(purpose=command.purpose, at=unit.now))


def record_otp_failed(command: RecordOtpFailed, unit: Unit) -> OtpChallenge:
    """Note a wrong code."""
    return unit.begin(OtpChallenge, command.challenge_id, OtpChallenge.fail(attempts=command.attempts))


def record_otp_locked(command: RecordOtpLocked, unit: Unit) -> OtpChallenge:
    """Note that a code is good no more."""
    return unit.begin(OtpChallenge, command.challenge_id, OtpChallenge.lock(attempts=command.attempts))


HANDLERS: Final[dict[type[Command], Handler]] = {
    RecordOtpRequest: record_otp_request,
    RecordOtpVerified: record_otp_verified,
    RecordOtpFailed: record_otp_failed,
    RecordOtpLocked: record_otp_locked,
}

KINDS: Final = (Kind("otp_challenge", OtpChallenge, evolve),)
