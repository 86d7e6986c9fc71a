"""A mailer that is not waited for without end, and left alone while it does not work (requirement SEC-23)."""

import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from application.notifications.ports import Mail, Mailer, MailNotAsked, MailOutage
from infrastructure.outbound.breaker import PAUSE_SECONDS, CircuitBreaker, CircuitOpen
from infrastructure.outbound.patience import OPERATION_SECONDS, within_patience


class PatientMailer:
    """Implements `application.notifications.ports.Mailer` over another one."""

    def __init__(
        self,
        mailer: Mailer,
        *,
        name: str,
        seconds: float = OPERATION_SECONDS,
        pause_seconds: float = PAUSE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name` is the transport's, for the log; `seconds` is for one mail, with all that its sending takes."""
        self.mailer = mailer
        self._name = name
        self._seconds = seconds
        self._breaker = CircuitBreaker(name, MailOutage, pause_seconds=pause_seconds, monotonic=monotonic)

    async def send(self, mail: Mail) -> str | None:
        """See the port."""
        async with self._within_patience():
            return await self.mailer.send(mail)

    async def check(self) -> None:
        """See the port."""
        async with self._within_patience():
            await self.mailer.check()

    @asynccontextmanager
    async def _within_patience(self) -> AsyncIterator[None]:
        late = MailOutage(f"The mail was not handed over in {self._seconds:g} seconds.")
        try:
            async with within_patience(self._breaker, late=late, seconds=self._seconds):
                yield
        except CircuitOpen as circuit:
            raise MailNotAsked(
                f"The way out for mail ({self._name}) is left alone after failures.",
                retry_after_seconds=math.ceil(circuit.retry_after_seconds),
            ) from None
