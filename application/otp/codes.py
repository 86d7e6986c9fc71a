"""One-time codes, from the wish for one to the proof of it (requirements OTP-01 to OTP-11).

The code is drawn here, and goes to the vault, which keeps a keyed digest, and to the sender. It is in no command, no event,
no message of the broker and no line of the log.
"""

from datetime import datetime, timedelta
from typing import assert_never
from uuid import UUID

import msgspec

from application.otp.commands import (
    RecordOtpFailed,
    RecordOtpLocked,
    RecordOtpRequest,
    RecordOtpVerified,
)
from application.otp.ports import (
    CodeMessage,
    CodeVault,
    Commands,
    Delivery,
    DestinationHash,
    DrawCode,
    Outcome,
)
from application.shared.caller import Caller
from application.shared.command import Done
from application.shared.ports import Clock, NewId
from domain.otp.challenge import OtpChallenge, otp_challenge_id
from domain.otp.code import OneTimeCode
from domain.otp.events import OtpChannel, OtpPurpose
from domain.otp.masking import masked
from domain.otp.refusals import OtpAttemptsExceeded, OtpExpired, OtpInvalid


class CodeRequested(msgspec.Struct, frozen=True, kw_only=True):
    """A code is on its way, or so it looks; `position` is that of the fact in the log."""

    destination_masked: str
    expires_at: datetime
    position: int


class OneTimeCodes:
    """Gives codes out and checks them. Destinations are normalised by the caller: a phone in E.164, an email in lower case."""

    def __init__(
        self,
        *,
        vault: CodeVault,
        delivery: Delivery,
        commands: Commands,
        draw: DrawCode,
        destination_hash: DestinationHash,
        clock: Clock,
        new_id: NewId,
        lifetime: timedelta,
        attempts_maximum: int,
    ) -> None:
        """`lifetime` is how long a code is good; `attempts_maximum` the wrong ones that the vault lets it survive."""
        self._vault = vault
        self._delivery = delivery
        self._commands = commands
        self._draw = draw
        self._destination_hash = destination_hash
        self._clock = clock
        self._new_id = new_id
        self._lifetime = lifetime
        self._attempts_maximum = attempts_maximum

    async def request(
        self,
        *,
        purpose: OtpPurpose,
        channel: OtpChannel,
        destination: str,
        caller: Caller,
        account_id: UUID | None = None,
        language: str = "en",
    ) -> CodeRequested:
        """Send a code to a destination; the one before is good no more.

        It returns when the fact is durable, not when the code has arrived: sending goes on behind the request, so a slow
        provider neither keeps anybody waiting nor tells who has an account.

        Raises:
            OtpRateLimited: the destination, or the caller's address, has had its share.
            Unavailable: the memory of codes or the log is away, or codes cannot leave on this way.
        """
        code = self._draw()
        asked = await self._ask(purpose, channel, destination, code, caller, account_id)
        self._delivery.hand_over(
            CodeMessage(
                message_id=self._new_id(),
                purpose=purpose,
                channel=channel,
                destination=destination,
                code=code,
                lifetime=self._lifetime,
                expires_at=asked.expires_at,
                language=language,
            )
        )
        return asked

    async def pretend(
        self, *, purpose: OtpPurpose, channel: OtpChannel, destination: str, caller: Caller
    ) -> CodeRequested:
        """As `request`, for a destination that must get no code, so that a stranger cannot tell it from others.

        It is counted, refused, recorded and, later, wrongly guessed in the same way; nothing is sent, and no code is right.

        Raises:
            OtpRateLimited, Unavailable: see `request`.
        """
        return await self._ask(purpose, channel, destination, None, caller, None)

    async def verify(
        self, *, purpose: OtpPurpose, destination: str, code: str, caller: Caller
    ) -> Done[OtpChallenge]:
        """Use up the code of a destination, if this is it. When it returns, the destination is the caller's.

        Raises:
            OtpInvalid: it is not; `attemptsLeft` tells how many more wrong ones the right one survives.
            OtpExpired: none is out, whatever the reason.
            OtpAttemptsExceeded: too many wrong ones came before; the right one is gone.
            Unavailable: the memory of codes or the log is away.
        """
        shown = OneTimeCode(code)
        hashed = self._destination_hash(destination)
        checked = await self._vault.check(purpose=purpose, destination_hash=hashed, code=shown)
        if checked.requested_at is None:
            # Nothing is recorded of guesses at what is not there: strangers could fill the log with them.
            raise OtpExpired()
        challenge_id = otp_challenge_id(purpose, hashed, checked.requested_at)
        match checked.outcome:
            case Outcome.RIGHT:
                return await self._commands.submit(
                    RecordOtpVerified(challenge_id=challenge_id, purpose=purpose), caller
                )
            case Outcome.WRONG:
                await self._commands.submit(
                    RecordOtpFailed(challenge_id=challenge_id, attempts=checked.attempts), caller
                )
                left = max(0, self._attempts_maximum - checked.attempts)
                raise OtpInvalid("This is not the code.", details={"attemptsLeft": left})
            case Outcome.LOCKED:
                await self._commands.submit(
                    RecordOtpLocked(challenge_id=challenge_id, attempts=checked.attempts), caller
                )
                raise OtpAttemptsExceeded()
            case Outcome.ABSENT:
                raise OtpExpired()
            case _:
                assert_never(checked.outcome)

    async def _ask(
        self,
        purpose: OtpPurpose,
        channel: OtpChannel,
        destination: str,
        code: OneTimeCode | None,
        caller: Caller,
        account_id: UUID | None,
    ) -> CodeRequested:
        self._delivery.check(channel)
        hashed = self._destination_hash(destination)
        now = self._clock()
        await self._vault.keep(
            purpose=purpose,
            destination_hash=hashed,
            code=code,
            address=caller.ip,
            requested_at=now,
            lifetime=self._lifetime,
        )
        expires_at = now + self._lifetime
        shown = masked(destination)
        done = await self._commands.submit(
            RecordOtpRequest(
                challenge_id=otp_challenge_id(purpose, hashed, now),
                purpose=purpose,
                channel=channel,
                destination_masked=shown,
                expires_at=expires_at,
                account_id=account_id,
            ),
            caller,
        )
        return CodeRequested(destination_masked=shown, expires_at=expires_at, position=done.position)
