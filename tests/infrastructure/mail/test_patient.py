"""A mail server that does not work is not waited for, and left alone; one that refuses a mail works."""

import asyncio
import time

import pytest

from application.notifications.ports import Mail, MailFailed, MailNotAsked, MailOutage, MailRefused
from application.shared.courier import NotSent, SendingRefused
from domain.otp.events import OtpChannel
from infrastructure.mail.codes import MailCodeSender
from infrastructure.mail.patient import PatientMailer
from infrastructure.mail.rendering import JinjaRenderer
from infrastructure.settings import Settings
from tests.infrastructure.mail.test_mailers import mail, server, smtp
from tests.infrastructure.outbound.clock import Watch
from tests.infrastructure.sms.test_codes import NOON, message


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
    return PatientMailer(way, name="test", seconds=0.05, monotonic=watch or Watch())


async def fail(mailer: PatientMailer, kind: type[Exception], times: int) -> None:
    for _ in range(times):
        with pytest.raises(kind):
            await mailer.send(mail())


async def test_after_five_outages_in_a_row_nobody_is_asked_until_one_tries_again() -> None:
    way, watch = Way(), Watch()
    mailer = patient(way, watch)
    way.error = MailOutage("away")
    await fail(mailer, MailOutage, 5)
    watch.now += 28.5
    with pytest.raises(MailNotAsked) as left_alone:
        await mailer.send(mail())
    assert left_alone.value.retry_after_seconds == 2
    assert way.asked == 5
    watch.now += 1.5
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
    mailer = patient(way)
    await fail(mailer, MailOutage, 5)
    await fail(mailer, MailNotAsked, 2)
    assert time.monotonic() - begun < 2
    assert way.asked == 5


async def test_a_code_waits_as_long_as_the_way_out_is_left_alone() -> None:
    way = Way()
    way.error = MailOutage("away")
    mailer = patient(way)
    await fail(mailer, MailOutage, 5)
    settings = Settings.from_environment({"APP_ENV": "test"})
    sender = MailCodeSender(mailer, JinjaRenderer(settings.mail, settings.http), lambda: NOON)
    with pytest.raises(NotSent) as waits:
        await sender.send(message(channel=OtpChannel.EMAIL, destination="zebo@shop.test"), attempt=1)
    assert not isinstance(waits.value, SendingRefused)
    assert waits.value.retry_after_seconds == 30


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
