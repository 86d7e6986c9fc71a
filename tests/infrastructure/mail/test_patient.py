"""A mail server that does not work is not waited for, and left alone; one that refuses a mail works."""

import asyncio
import time

import pytest

from application.notifications.ports import Mail, MailFailed, MailOutage, MailRefused
from infrastructure.mail.patient import PatientMailer
from infrastructure.outbound.breaker import CircuitBreaker
from tests.infrastructure.mail.test_mailers import mail, server, smtp
from tests.infrastructure.outbound.clock import Watch


class Way:
    """A way out that does as it is told."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.hangs = False
        self.asked = 0

    async def send(self, _: Mail) -> str | None:
        await self.check()
        return "taken"

    async def check(self) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error


def patient(way: Way, watch: Watch | None = None) -> PatientMailer:
    breaker = CircuitBreaker("test", MailOutage, monotonic=watch or Watch())
    return PatientMailer(way, name="test", seconds=0.05, breaker=breaker)


async def fail(mailer: PatientMailer, kind: type[MailFailed], times: int) -> None:
    for _ in range(times):
        with pytest.raises(kind):
            await mailer.send(mail())


async def test_after_five_outages_in_a_row_nobody_is_asked_until_one_tries_again() -> None:
    way, watch = Way(), Watch()
    mailer = patient(way, watch)
    way.error = MailOutage("away")
    await fail(mailer, MailOutage, 7)
    assert way.asked == 5
    watch.now += 30
    way.error = None
    assert await mailer.send(mail()) == "taken"
    assert way.asked == 6


@pytest.mark.parametrize("error", [MailRefused("no such address"), MailFailed("greylisted")])
async def test_a_server_that_refuses_a_mail_works(error: MailFailed) -> None:
    way = Way()
    way.error = error
    await fail(patient(way), type(error), 7)
    assert way.asked == 7


async def test_a_server_that_hangs_is_not_waited_for_and_counts_as_away() -> None:
    way = Way()
    way.hangs = True
    begun = time.monotonic()
    await fail(patient(way), MailOutage, 7)
    assert time.monotonic() - begun < 2
    assert way.asked == 5


@pytest.mark.parametrize(
    ("answers", "outage"),
    [
        (("421 busy",), True),
        (("220 hello", "250 hi", "250 OK", "450 greylisted", "250 OK", "221 bye"), False),
    ],
)
async def test_a_greylisted_recipient_is_no_outage_and_a_server_that_takes_nothing_is(
    answers: tuple[str, ...], outage: bool
) -> None:
    async with server(*answers) as port:
        with pytest.raises(MailFailed) as failed:
            await smtp(port).send(mail())
    assert isinstance(failed.value, MailOutage) is outage
