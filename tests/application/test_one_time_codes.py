"""Asking for codes and showing them, and how they leave."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from application.otp.codes import OneTimeCodes
from application.otp.delivery import CodeDelivery
from application.otp.handlers import HANDLERS, KINDS
from application.otp.ports import CodeMessage
from application.shared.caller import Caller
from application.shared.command import Overloaded, StoreUnavailable, Unavailable
from application.shared.courier import NotSent, SendingRefused
from domain.otp.challenge import otp_challenge_id
from domain.otp.code import OneTimeCode
from domain.otp.events import (
    OtpChannel,
    OtpFailed,
    OtpLocked,
    OtpPurpose,
    OtpRequested,
    OtpVerified,
)
from domain.otp.refusals import OtpAttemptsExceeded, OtpExpired, OtpInvalid, OtpRateLimited
from infrastructure.cache.one_time_codes import draw_code
from infrastructure.identity import new_id
from tests.support.commands import NOON, Shop, TestClock, shop
from tests.support.standins.codes import InMemoryCodeVault, NotingSender

PHONE = "+998901234567"
ACCOUNT = UUID("01890000-0000-7000-8000-0000000000a1")
STRANGER = Caller(ip="192.0.2.7")
LIFETIME = timedelta(minutes=5)


def hashed(text: str) -> str:
    return f"hash of {text}"


def wrong(right: str) -> str:
    return "100000" if right != "100000" else "100001"


class Office:
    """One-time codes over memory, with a sender that notes what leaves."""

    def __init__(self, market: Shop, *failures: NotSent) -> None:
        self.market = market
        self.vault = InMemoryCodeVault(market.clock)
        self.sender = NotingSender(*failures)
        self.delivery = CodeDelivery(
            {OtpChannel.SMS: self.sender}, clock=market.clock, on_lost=lambda *_: None, pauses_seconds=(0.0,)
        )
        self.codes = OneTimeCodes(
            vault=self.vault,
            delivery=self.delivery,
            commands=market.loop,
            draw=draw_code,
            destination_hash=hashed,
            clock=market.clock,
            new_id=new_id,
            lifetime=LIFETIME,
            attempts_maximum=3,
        )

    async def ask(self, purpose: OtpPurpose = OtpPurpose.LOGIN, to: str = PHONE, **more: Any) -> str:
        """Ask for a code and wait until it has left; gives its digits."""
        await self.codes.request(
            purpose=purpose, channel=OtpChannel.SMS, destination=to, caller=STRANGER, **more
        )
        await self.delivery.__aexit__(None, None, None)
        return self.sender.last

    async def show(self, code: str, purpose: OtpPurpose = OtpPurpose.LOGIN, of: str = PHONE) -> Any:
        return await self.codes.verify(purpose=purpose, destination=of, code=code, caller=STRANGER)

    @property
    def facts(self) -> list[Any]:
        return self.market.store.events()


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with shop(HANDLERS, KINDS) as market:
        yield Office(market)


class TestAskingForACode:
    async def test_it_is_recorded_without_the_code_and_sent_with_it(self, office: Office) -> None:
        digits = await office.ask(account_id=ACCOUNT, language="uz")
        (fact,) = office.facts
        assert fact == OtpRequested(
            purpose=OtpPurpose.LOGIN,
            channel=OtpChannel.SMS,
            destination_masked="+998*******67",
            expires_at=NOON + LIFETIME,
            account_id=ACCOUNT,
        )
        assert digits.isdigit()
        assert 100_000 <= int(digits) <= 999_999
        (message,) = office.sender.sent
        assert (message.destination, message.language, message.expires_at) == (PHONE, "uz", NOON + LIFETIME)

    async def test_the_answer_tells_what_the_log_knows(self, office: Office) -> None:
        asked = await office.codes.request(
            purpose=OtpPurpose.SIGNUP, channel=OtpChannel.SMS, destination=PHONE, caller=STRANGER
        )
        assert (asked.destination_masked, asked.expires_at) == ("+998*******67", NOON + LIFETIME)
        assert asked.position == 1

    async def test_the_sixth_within_the_window_is_refused_and_nothing_of_it_happens(
        self, office: Office
    ) -> None:
        for _ in range(5):
            await office.ask()
        with pytest.raises(OtpRateLimited) as refused:
            await office.ask(OtpPurpose.SIGNUP)
        assert refused.value.retry_after_seconds == 900
        assert len(office.facts) == len(office.sender.sent) == 5

    async def test_a_way_that_is_not_there_is_unavailable_before_anything_is_counted(
        self, office: Office
    ) -> None:
        for _ in range(6):
            with pytest.raises(Unavailable):
                await office.codes.request(
                    purpose=OtpPurpose.LOGIN, channel=OtpChannel.EMAIL, destination="a@b.uz", caller=STRANGER
                )
        assert office.facts == []

    async def test_without_a_memory_there_are_no_codes(self, office: Office) -> None:
        office.vault.away = True
        with pytest.raises(Unavailable):
            await office.ask()
        assert (office.facts, office.sender.sent) == ([], [])

    async def test_a_code_that_could_not_be_recorded_does_not_leave(self, office: Office) -> None:
        office.market.store.away = True
        with pytest.raises(StoreUnavailable):
            await office.ask()
        assert office.sender.sent == []


class TestShowingACode:
    async def test_the_right_one_is_right_once(self, office: Office) -> None:
        digits = await office.ask()
        done = await office.show(digits)
        assert done.position == 2
        assert office.facts[1:] == [OtpVerified(purpose=OtpPurpose.LOGIN)]
        with pytest.raises(OtpExpired):
            await office.show(digits)

    async def test_a_wrong_one_tells_how_many_are_left(self, office: Office) -> None:
        digits = await office.ask()
        left = []
        for _ in range(2):
            with pytest.raises(OtpInvalid) as refused:
                await office.show(wrong(digits))
            left.append(refused.value.details)
        assert left == [{"attemptsLeft": 2}, {"attemptsLeft": 1}]
        assert office.facts[1:] == [OtpFailed(attempts=1), OtpFailed(attempts=2)]
        await office.show(digits)

    async def test_after_three_wrong_ones_even_the_right_one_is_refused(self, office: Office) -> None:
        digits = await office.ask()
        for _ in range(3):
            with pytest.raises(OtpInvalid):
                await office.show(wrong(digits))
        with pytest.raises(OtpAttemptsExceeded):
            await office.show(digits)
        with pytest.raises(OtpExpired):
            await office.show(digits)
        assert office.facts[-1] == OtpLocked(attempts=3)

    async def test_a_code_opens_only_what_it_was_asked_for(self, office: Office) -> None:
        digits = await office.ask(OtpPurpose.LOGIN)
        with pytest.raises(OtpExpired):
            await office.show(digits, OtpPurpose.RESET)
        with pytest.raises(OtpExpired):
            await office.show(digits, of="+998907654321")

    async def test_a_new_one_takes_the_place_of_the_old(self, office: Office) -> None:
        old, new = await office.ask(), await office.ask()
        if old != new:
            with pytest.raises(OtpInvalid):
                await office.show(old)
        await office.show(new)

    async def test_what_is_no_code_costs_no_attempt(self, office: Office) -> None:
        digits = await office.ask()
        for _ in range(5):
            with pytest.raises(OtpInvalid):
                await office.show("12 34")
        await office.show(digits)

    async def test_guesses_at_what_is_not_there_fill_no_log(self, office: Office) -> None:
        with pytest.raises(OtpExpired):
            await office.show("123456")
        assert office.facts == []

    async def test_a_code_asked_for_before_midnight_is_used_after_it(self, office: Office) -> None:
        office.market.clock.now = NOON.replace(hour=23, minute=59)
        asked_at = office.market.clock.now
        digits = await office.ask()
        office.market.clock.forward(minutes=2)
        await office.show(digits)
        stream = otp_challenge_id(OtpPurpose.LOGIN, hashed(PHONE), asked_at)
        assert len(office.market.store.streams[stream]) == 2

    async def test_a_memory_that_forgot_that_a_code_was_used_does_not_make_it_good(
        self, office: Office
    ) -> None:
        digits = await office.ask()
        await office.show(digits)
        # As a replica of Redis does that takes over without the last writes.
        await office.vault.keep(
            purpose=OtpPurpose.LOGIN,
            destination_hash=hashed(PHONE),
            code=OneTimeCode(digits),
            address=None,
            requested_at=NOON,
            lifetime=LIFETIME,
        )
        with pytest.raises(OtpExpired):
            await office.show(digits)


class TestPretending:
    async def test_a_stranger_sees_no_difference(self, office: Office) -> None:
        async def story(ask: Any, to: str) -> list[str]:
            told = []
            for _ in range(6):
                try:
                    asked = await ask(
                        purpose=OtpPurpose.RESET, channel=OtpChannel.SMS, destination=to, caller=STRANGER
                    )
                    told.append(f"{asked.expires_at}")
                except OtpRateLimited as refused:
                    told.append(f"{refused} {refused.retry_after_seconds}")
            for _ in range(5):
                try:
                    await office.show("100000", OtpPurpose.RESET, of=to)
                except (OtpInvalid, OtpExpired, OtpAttemptsExceeded) as refused:
                    told.append(f"{refused.code} {refused} {refused.details}")
            return told

        real = await story(office.codes.request, "+998900000001")
        facts = [type(fact) for fact in office.facts]
        pretended = await story(office.codes.pretend, "+998900000002")
        # One in 900,000 codes is 100000; three guesses at five of them.
        assert pretended == real
        assert [type(fact) for fact in office.facts[len(facts) :]] == facts
        assert {message.destination for message in office.sender.sent} <= {"+998900000001"}


def message(clock: TestClock, lifetime: timedelta = LIFETIME) -> CodeMessage:
    return CodeMessage(
        message_id=new_id(),
        purpose=OtpPurpose.LOGIN,
        channel=OtpChannel.SMS,
        destination=PHONE,
        code=draw_code(),
        lifetime=lifetime,
        expires_at=clock() + lifetime,
        language="en",
    )


class Loss:
    """Notes what was given up."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def __call__(self, message: CodeMessage, why: NotSent, attempts: int) -> None:
        self.told.append((str(why), attempts))


async def deliver(sender: Any, *, pauses: tuple[float, ...] = (0.0, 0.0), **more: Any) -> Loss:
    clock, loss = TestClock(), Loss()
    async with CodeDelivery(
        {OtpChannel.SMS: sender}, clock=clock, on_lost=loss, pauses_seconds=pauses, **more
    ) as delivery:
        delivery.hand_over(message(clock))
    assert delivery.waiting == 0
    return loss


class TestDelivering:
    async def test_a_failure_is_followed_by_another_attempt_that_says_so(self) -> None:
        sender = NotingSender(NotSent("busy"))
        loss = await deliver(sender)
        assert (sender.attempts, len(sender.sent), loss.told) == ([1, 2], 1, [])

    async def test_what_is_refused_for_good_is_not_tried_again(self) -> None:
        sender = NotingSender(SendingRefused("no such number"))
        assert (await deliver(sender)).told == [("no such number", 1)]

    async def test_after_the_last_attempt_it_is_given_up_and_told(self) -> None:
        sender = NotingSender(*(NotSent(f"busy {number}") for number in range(9)))
        assert (await deliver(sender)).told == [("busy 2", 3)]

    async def test_a_code_that_would_come_too_late_is_given_up(self) -> None:
        sender = NotingSender(NotSent("come back later", retry_after_seconds=151))
        assert (await deliver(sender)).told == [("come back later", 1)]

    async def test_the_end_of_the_process_waits_for_codes_but_not_for_ever(self) -> None:
        class Slow:
            async def send(self, message: CodeMessage, *, attempt: int) -> None:
                await asyncio.sleep(60)

        loss = await deliver(Slow(), ending_seconds=0.01)
        assert loss.told == [("The process ended.", 1)]

    async def test_too_many_that_wait_are_an_overload(self) -> None:
        class Hanging:
            async def send(self, message: CodeMessage, *, attempt: int) -> None:
                await asyncio.Event().wait()

        clock = TestClock()
        async with CodeDelivery(
            {OtpChannel.SMS: Hanging()}, clock=clock, on_lost=Loss(), waiting_maximum=2, ending_seconds=0.0
        ) as delivery:
            for _ in range(2):
                delivery.check(OtpChannel.SMS)
                delivery.hand_over(message(clock))
            with pytest.raises(Overloaded):
                delivery.check(OtpChannel.SMS)

    async def test_what_is_handed_over_beyond_all_bounds_is_lost_and_told(self) -> None:
        class Hanging:
            async def send(self, message: CodeMessage, *, attempt: int) -> None:
                await asyncio.Event().wait()

        clock, loss = TestClock(), Loss()
        async with CodeDelivery(
            {OtpChannel.SMS: Hanging()}, clock=clock, on_lost=loss, waiting_maximum=1, ending_seconds=0.0
        ) as delivery:
            for _ in range(3):
                delivery.hand_over(message(clock))
            assert (delivery.waiting, loss.told) == (2, [("Too many messages wait to be sent.", 0)])

    async def test_one_way_that_hangs_keeps_nobody_from_another(self) -> None:
        class Hanging:
            async def send(self, message: CodeMessage, *, attempt: int) -> None:
                await asyncio.Event().wait()

        clock, mails = TestClock(), NotingSender()
        async with CodeDelivery(
            {OtpChannel.SMS: Hanging(), OtpChannel.EMAIL: mails},
            clock=clock,
            on_lost=Loss(),
            at_once=1,
            ending_seconds=0.01,
        ) as delivery:
            delivery.hand_over(message(clock))
            delivery.hand_over(message(clock))

            delivery.hand_over(msgspec.structs.replace(message(clock), channel=OtpChannel.EMAIL))
        assert len(mails.sent) == 1
