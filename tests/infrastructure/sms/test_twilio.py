"""Text messages over Twilio, against a stand-in that speaks its protocol."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from infrastructure.security.secrets import Secret
from infrastructure.sms.ports import Reason, SmsFailed, SmsRefused, SmsStatus
from infrastructure.sms.twilio import TwilioSms
from tests.infrastructure.sms.makers import PHONE, TEXT, sms
from tests.support.standins.http import Told
from tests.support.standins.twilio import (
    ACCOUNT_SID,
    AUTH_TOKEN,
    OPTED_OUT,
    SERVICE_SID,
    UNREACHABLE,
    Twilio,
    twilio,
)

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
async def provider() -> AsyncIterator[Twilio]:
    async with twilio() as running:
        yield running


def adapter(provider: Twilio, **changes: Any) -> TwilioSms:
    details: dict[str, Any] = {
        "account_sid": ACCOUNT_SID,
        "auth_token": Secret(AUTH_TOKEN),
        "sender": "+15005550006",
        "clock": lambda: NOON,
        "base_url": provider.url,
        "seconds": 5.0,
    }
    return TwilioSms(**(details | changes))


@pytest.fixture
def sender(provider: Twilio) -> Any:
    made = adapter(provider)
    yield made
    made.close()


async def failing(sender: TwilioSms, **more: Any) -> SmsFailed:
    with pytest.raises(SmsFailed) as failed:
        await sender.send(sms(**more))
    return failed.value


class TestSending:
    async def test_a_message_arrives_as_it_was_meant(self, provider: Twilio, sender: TwilioSms) -> None:
        sent = await sender.send(sms())
        (message,) = provider.messages
        assert (message.to, message.body, message.sender) == (PHONE, TEXT, "+15005550006")
        assert (sent.provider_id, sent.status, sent.raw_status) == (
            message.sid,
            SmsStatus.UNDER_WAY,
            "queued",
        )

    async def test_a_messaging_service_chooses_the_number(self, provider: Twilio) -> None:
        sender = adapter(provider, sender=SERVICE_SID)
        await sender.send(sms())
        sender.close()
        assert provider.messages[0].sender == SERVICE_SID

    async def test_the_log_learns_that_it_was_sent_and_not_what_or_to_whom(
        self, provider: Twilio, sender: TwilioSms
    ) -> None:
        with capture_logs() as logged:
            await sender.send(sms())
        assert [each["event"] for each in logged] == ["sms_sent"]
        for secret in (AUTH_TOKEN, PHONE, PHONE[1:], "481516"):
            assert secret not in str(logged)


class TestRefusals:
    @pytest.mark.parametrize("problem_details", [False, True])
    async def test_errors_are_understood_in_both_shapes(
        self, provider: Twilio, sender: TwilioSms, problem_details: bool
    ) -> None:
        provider.problem_details = problem_details
        for number in (UNREACHABLE, OPTED_OUT, "+1"):
            failed = await failing(sender, to=number)
            assert (type(failed), failed.reason) == (SmsRefused, Reason.NUMBER)
            assert number not in str(failed)
        provider.refusals.append(provider.error(429, 20429, "Too Many Requests", **{"Retry-After": "3"}))
        failed = await failing(sender)
        assert (type(failed), failed.reason, failed.retry_after_seconds) == (SmsFailed, Reason.LIMIT, 3)

    async def test_a_wrong_token_is_our_fault_and_not_the_messages(self, provider: Twilio) -> None:
        sender = adapter(provider, auth_token=Secret("another-token"))
        failed = await failing(sender)
        sender.close()
        assert (isinstance(failed, SmsRefused), failed.reason) == (False, Reason.CREDENTIALS)
        assert "another-token" not in f"{failed} {failed!r} {sender!r}"

    @pytest.mark.parametrize(
        ("told", "reason"),
        [
            (Told(400, {"code": "21610", "status": 400}), Reason.NUMBER),
            (Told(400, {"code": 21606, "status": 400}), Reason.CREDENTIALS),
            (Told(400, {"code": 1, "status": 400}), Reason.REQUEST),
            (Told(400, b"<html>"), Reason.REQUEST),
            (Told(429, None), Reason.LIMIT),
            (Told(307, None, {"Location": "https://elsewhere.example/"}), Reason.UNKNOWN),
            (Told(503, {"code": 20500}), Reason.UNKNOWN),
            (Told(201, b"{}"), Reason.UNKNOWN),
            (Told(201, b'{"sid": "SM1", "sta', {"Content-Length": "500"}), Reason.UNKNOWN),
        ],
    )
    async def test_whatever_is_answered_is_understood_as_well_as_it_can_be(
        self, provider: Twilio, sender: TwilioSms, told: Told, reason: Reason
    ) -> None:
        provider.refusals.append(told)
        assert (await failing(sender)).reason is reason

    async def test_a_text_that_is_too_long_is_refused_unasked(
        self, provider: Twilio, sender: TwilioSms
    ) -> None:
        assert (await failing(sender, text="x" * 1601)).reason is Reason.TEXT
        assert provider.asked == []
        await sender.send(sms(text="x" * 1600))

    async def test_a_provider_that_keeps_failing_is_left_alone(
        self, provider: Twilio, sender: TwilioSms
    ) -> None:
        provider.refusals.extend(Told(503, None) for _ in range(9))
        reasons = [(await failing(sender)).reason for _ in range(7)]
        assert reasons == [Reason.UNKNOWN] * 5 + [Reason.AWAY] * 2
        assert len(provider.asked) == 5


class TestNotKnowing:
    async def test_a_message_that_was_taken_without_an_answer_is_found_and_not_sent_again(
        self, provider: Twilio
    ) -> None:
        sender, given, provider.swallowed = adapter(provider, seconds=0.3), sms(), 1
        with pytest.raises(SmsFailed) as failed:
            await sender.send(given)
        assert failed.value.reason is Reason.UNKNOWN
        sent = await sender.send(given, attempt=2)
        sender.close()
        assert [sent.provider_id] == [each.sid for each in provider.messages]

    async def test_one_that_was_not_taken_is_sent_again(self, provider: Twilio, sender: TwilioSms) -> None:
        given, provider.dropped = sms(), 1
        with pytest.raises(SmsFailed):
            await sender.send(given)
        await sender.send(given, attempt=2)
        assert len(provider.messages) == 1

    async def test_an_equal_text_of_long_ago_is_another_message(
        self, provider: Twilio, sender: TwilioSms
    ) -> None:
        provider.now = NOON - timedelta(hours=2)
        await sender.send(sms())
        provider.now = NOON
        await sender.send(sms(), attempt=2)
        assert len(provider.messages) == 2

    async def test_where_the_provider_does_not_say_nothing_is_sent(
        self, provider: Twilio, sender: TwilioSms
    ) -> None:
        provider.refusals.append(Told(500, None))
        with pytest.raises(SmsFailed):
            await sender.send(sms(), attempt=2)
        assert provider.messages == []

    async def test_one_that_failed_on_its_way_is_not_sent_again(
        self, provider: Twilio, sender: TwilioSms
    ) -> None:
        given = sms()
        await sender.send(given)
        provider.messages[0].status = "undelivered"
        with pytest.raises(SmsRefused):
            await sender.send(given, attempt=2)

    async def test_many_at_once_keep_apart(self, provider: Twilio, sender: TwilioSms) -> None:
        sent = await asyncio.gather(*(sender.send(sms(text=f"code {n}")) for n in range(20)))
        assert len({each.provider_id for each in sent}) == len(provider.messages) == 20


class TestAsking:
    @pytest.mark.parametrize(
        ("word", "status"),
        [
            ("delivered", SmsStatus.DELIVERED),
            ("read", SmsStatus.DELIVERED),
            ("undelivered", SmsStatus.FAILED),
            ("failed", SmsStatus.FAILED),
            ("canceled", SmsStatus.FAILED),
            ("sent", SmsStatus.UNDER_WAY),
            ("partially_delivered", SmsStatus.UNDER_WAY),
        ],
    )
    async def test_a_message_can_be_asked_after(
        self, provider: Twilio, sender: TwilioSms, word: str, status: SmsStatus
    ) -> None:
        sent = await sender.send(sms())
        provider.messages[0].status = word
        assert await sender.status(sent.provider_id) is status

    async def test_a_check_sends_nothing_and_finds_a_closed_account(
        self, provider: Twilio, sender: TwilioSms
    ) -> None:
        await sender.check()
        provider.account_status = "suspended"
        with pytest.raises(SmsFailed, match="not active"):
            await sender.check()
        assert provider.messages == []
