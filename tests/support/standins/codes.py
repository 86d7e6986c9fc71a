"""The memory of one-time codes without Redis, and a sender that notes what it was given."""

import hmac
from datetime import datetime, timedelta

from application.otp.ports import Checked, CodeMessage, Outcome
from application.shared.command import Unavailable
from application.shared.courier import NotSent
from application.shared.ports import Clock
from domain.otp.code import OneTimeCode
from domain.otp.events import OtpPurpose
from domain.otp.refusals import OtpRateLimited


class InMemoryCodeVault:
    """Keeps what the port says; `away = True` makes every call fail as an outage does."""

    def __init__(
        self,
        clock: Clock,
        *,
        attempts_maximum: int = 3,
        requests_maximum: int = 5,
        requests_per_address_maximum: int = 20,
        request_window: timedelta = timedelta(seconds=900),
    ) -> None:
        self._clock = clock
        self._attempts_maximum = attempts_maximum
        self._requests_maximum = requests_maximum
        self._requests_per_address_maximum = requests_per_address_maximum
        self._window = request_window
        self._counts: dict[str, tuple[int, datetime]] = {}
        self._codes: dict[tuple[OtpPurpose, str], tuple[str | None, int, datetime, datetime]] = {}
        self.away = False

    async def keep(
        self,
        *,
        purpose: OtpPurpose,
        destination_hash: str,
        code: OneTimeCode | None,
        address: str | None,
        requested_at: datetime,
        lifetime: timedelta,
    ) -> None:
        """See the port."""
        self._reach()
        if address is not None:
            self._count(f"address {address}", self._requests_per_address_maximum)
        self._count(destination_hash, self._requests_maximum)
        digits = code.reveal() if code is not None else None
        self._codes[purpose, destination_hash] = (digits, 0, requested_at, self._clock() + lifetime)

    async def check(self, *, purpose: OtpPurpose, destination_hash: str, code: OneTimeCode) -> Checked:
        """See the port."""
        self._reach()
        key = (purpose, destination_hash)
        digits, attempts, requested_at, ends = self._codes.get(key, (None, 0, None, None))
        if requested_at is None or ends is None or self._clock() >= ends:
            return Checked(outcome=Outcome.ABSENT)
        if attempts >= self._attempts_maximum:
            del self._codes[key]
            return Checked(outcome=Outcome.LOCKED, attempts=attempts, requested_at=requested_at)
        if digits is not None and hmac.compare_digest(digits, code.reveal()):
            del self._codes[key]
            return Checked(outcome=Outcome.RIGHT, attempts=attempts, requested_at=requested_at)
        self._codes[key] = (digits, attempts + 1, requested_at, ends)
        return Checked(outcome=Outcome.WRONG, attempts=attempts + 1, requested_at=requested_at)

    def _count(self, key: str, quota: int) -> None:
        now = self._clock()
        used, ends = self._counts.get(key, (0, now))
        if ends <= now:
            used, ends = 0, now + self._window
        if used >= quota:
            raise OtpRateLimited(max(1, round((ends - now).total_seconds())))
        self._counts[key] = (used + 1, ends)

    def _reach(self) -> None:
        if self.away:
            raise Unavailable("Away.")


class NotingSender:
    """A way out that keeps what it was given; each of `failures` is raised once, in order, instead."""

    def __init__(self, *failures: NotSent) -> None:
        self.sent: list[CodeMessage] = []
        self.attempts: list[int] = []
        self.failures = list(failures)

    async def send(self, message: CodeMessage, *, attempt: int) -> None:
        """See the port."""
        self.attempts.append(attempt)
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)

    @property
    def last(self) -> str:
        """The digits that went out last."""
        return self.sent[-1].code.reveal()
