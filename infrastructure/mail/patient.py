"""A mailer that is not waited for without end, and left alone while it does not work (requirement SEC-23)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from application.notifications.ports import Mail, Mailer, MailOutage
from infrastructure.outbound.breaker import CircuitBreaker, CircuitOpen
from infrastructure.outbound.patience import OPERATION_SECONDS, within_patience


class PatientMailer:
    """Implements `application.notifications.ports.Mailer` over another one."""

    def __init__(
        self,
        mailer: Mailer,
        *,
        name: str,
        seconds: float = OPERATION_SECONDS,
        breaker: CircuitBreaker | None = None,
    ) -> None:
        """`name` is the transport's, for the log; `seconds` is for one mail, with all that its sending takes."""
        self.mailer = mailer
        self._name = name
        self._seconds = seconds
        self._breaker = breaker or CircuitBreaker(name, MailOutage)

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
        except CircuitOpen:
            raise MailOutage(f"The way out for mail ({self._name}) is left alone after failures.") from None
