"""Text messages over Eskiz, against a stand-in that speaks its protocol."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from infrastructure.identity import utc_now
from infrastructure.security.secrets import Secret
from infrastructure.sms.eskiz import EskizSms, status_of
from infrastructure.sms.ports import Reason, SmsFailed, SmsRefused, SmsStatus
from tests.infrastructure.sms.makers import PHONE, TEXT, sms
from tests.support.standins.eskiz import EMAIL, PASSWORD, Eskiz, eskiz
from tests.support.standins.http import Told

SEND = ("POST", "/message/sms/send")
LOGIN = ("POST", "/auth/login")
REFRESH = ("PATCH", "/auth/refresh")
LIST = ("POST", "/message/sms/get-user-messages")


@pytest.fixture
async def provider() -> AsyncIterator[Eskiz]:
    async with eskiz() as running:
        yield running


def adapter(provider: Eskiz, **changes: Any) -> EskizSms:
    details: dict[str, Any] = {
        "email": EMAIL,
        "password": Secret(PASSWORD),
        "clock": utc_now,
        "base_url": provider.url,
        "seconds": 5.0,
    }
    return EskizSms(**(details | changes))


@pytest.fixture
def sender(provider: Eskiz) -> Any:
    made = adapter(provider)
    yield made
    made.close()


async def failing(sender: EskizSms, **more: Any) -> SmsFailed:
    with pytest.raises(SmsFailed) as failed:
        await sender.send(sms(**more))
    return failed.value


class TestSending:
    async def test_a_message_arrives_as_it_was_meant(self, provider: Eskiz, sender: EskizSms) -> None:
        given = sms()
        sent = await sender.send(given)
        (message,) = provider.messages
        assert (message.to, message.text, message.sender) == ("998901234567", TEXT, "4546")
        assert message.user_sms_id == given.message_id
        assert (sent.provider_id, sent.status, sent.raw_status) == (
            message.id,
            SmsStatus.UNDER_WAY,
            "waiting",
        )
        assert (sent.size.encoding, sent.size.parts) == ("gsm7", 1)

    async def test_one_sign_in_serves_all_messages(self, provider: Eskiz, sender: EskizSms) -> None:
        await asyncio.gather(*(sender.send(sms()) for _ in range(8)))
        assert (provider.count(*LOGIN), len(provider.messages)) == (1, 8)

    async def test_a_number_of_another_country_is_refused_unasked(
        self, provider: Eskiz, sender: EskizSms
    ) -> None:
        failed = await failing(sender, to="+14155550100")
        assert (type(failed), failed.reason, provider.asked) == (SmsRefused, Reason.NUMBER, [])

    async def test_the_log_learns_that_it_was_sent_and_not_what_or_to_whom(
        self, provider: Eskiz, sender: EskizSms
    ) -> None:
        with capture_logs() as logged:
            await sender.send(sms())
        assert [each["event"] for each in logged] == ["sms_provider_signed_in", "sms_sent"]
        for secret in (PASSWORD, EMAIL, PHONE, PHONE[1:], "481516"):
            assert secret not in str(logged)


class TestTokens:
    async def test_an_expired_one_is_renewed_and_the_call_repeated(
        self, provider: Eskiz, sender: EskizSms
    ) -> None:
        await sender.send(sms())
        provider.expire_tokens()
        await sender.send(sms())
        assert provider.asked == [LOGIN, SEND, SEND, REFRESH, SEND]
        assert len(provider.messages) == 2

    async def test_one_that_cannot_be_renewed_is_replaced_by_a_new_sign_in(
        self, provider: Eskiz, sender: EskizSms
    ) -> None:
        provider.forgets_expired = True
        await sender.send(sms())
        provider.expire_tokens()
        await sender.send(sms())
        assert provider.asked == [LOGIN, SEND, SEND, REFRESH, LOGIN, SEND]

    async def test_many_who_notice_at_once_renew_it_once(self, provider: Eskiz, sender: EskizSms) -> None:
        await sender.send(sms())
        provider.expire_tokens()
        await asyncio.gather(*(sender.send(sms()) for _ in range(8)))
        assert (provider.count(*REFRESH), provider.count(*LOGIN)) == (1, 1)
        assert len(provider.messages) == 9

    async def test_a_provider_that_takes_no_token_is_asked_twice_and_then_left_alone(
        self, provider: Eskiz, sender: EskizSms
    ) -> None:
        provider.refuses_every_token = True
        failures = [await failing(sender) for _ in range(5)]
        assert {each.reason for each in failures} == {Reason.CREDENTIALS}
        assert provider.count(*SEND) == 10
        before = len(provider.asked)
        left_alone = await failing(sender)
        assert left_alone.reason is Reason.AWAY
        assert left_alone.retry_after_seconds == pytest.approx(30, abs=1)
        assert len(provider.asked) == before

    async def test_a_wrong_password_is_our_fault_and_not_the_messages(
        self, provider: Eskiz, sender: EskizSms
    ) -> None:
        provider.password = "another"
        failed = await failing(sender)
        assert (isinstance(failed, SmsRefused), failed.reason) == (False, Reason.CREDENTIALS)
        assert PASSWORD not in f"{failed} {failed!r}"


class TestRefusals:
    async def test_a_text_that_was_not_moderated_is_refused_for_good(
        self, provider: Eskiz, sender: EskizSms
    ) -> None:
        provider.moderates = True
        failed = await failing(sender)
        assert (type(failed), failed.reason, str(failed)) == (SmsRefused, Reason.TEXT, "eskiz: text (400)")
        await sender.send(sms(text="Bu Eskiz dan test"))

    async def test_an_empty_purse_is_not_the_messages_fault(self, provider: Eskiz, sender: EskizSms) -> None:
        provider.balance = 0
        failed = await failing(sender)
        assert (type(failed), failed.reason) == (SmsFailed, Reason.BALANCE)

    async def test_too_many_questions_are_answered_with_a_wait(
        self, provider: Eskiz, sender: EskizSms
    ) -> None:
        provider.refusals.append(Told(429, {"message": "Too Many Attempts."}, {"Retry-After": "17"}))
        failed = await failing(sender)
        assert (failed.reason, failed.retry_after_seconds) == (Reason.LIMIT, 17)

    @pytest.mark.parametrize(
        ("told", "reason"),
        [
            (Told(422, {"message": {"mobile_phone": ["The format is invalid."]}}), Reason.NUMBER),
            (Told(422, {"errors": {"message": ["required"]}}), Reason.TEXT),
            (Told(200, {"status": "error", "message": "Mablag' yetarli emas"}), Reason.BALANCE),
            (Told(400, {"message": "?"}), Reason.REQUEST),
            (Told(400, b"<html>"), Reason.REQUEST),
            (Told(400, [[[[["deep"]]]]]), Reason.REQUEST),
            (Told(402, None), Reason.BALANCE),
            (Told(403, None), Reason.CREDENTIALS),
            (Told(302, None, {"Location": "/elsewhere"}), Reason.UNKNOWN),
            (Told(500, b"<html>"), Reason.UNKNOWN),
            (Told(200, b"<html>"), Reason.UNKNOWN),
            (Told(200, {"status": "waiting"}), Reason.UNKNOWN),
            (Told(200, [1]), Reason.UNKNOWN),
        ],
    )
    async def test_whatever_is_answered_is_understood_as_well_as_it_can_be(
        self, provider: Eskiz, sender: EskizSms, told: Told, reason: Reason
    ) -> None:
        provider.refusals.append(told)
        failed = await failing(sender)
        assert failed.reason is reason
        assert "481516" not in str(failed)


class TestNotKnowing:
    async def test_a_message_that_was_taken_without_an_answer_is_found_and_not_sent_again(
        self, provider: Eskiz
    ) -> None:
        sender, given = adapter(provider, seconds=0.3), sms()
        await sender.send(sms())
        provider.swallowed = 1
        with pytest.raises(SmsFailed) as failed:
            await sender.send(given)
        assert failed.value.reason is Reason.UNKNOWN
        sent = await sender.send(given, attempt=2)
        sender.close()
        assert sent.provider_id == provider.messages[1].id
        assert len(provider.messages) == 2

    async def test_one_whose_answer_broke_off_is_found_too(self, provider: Eskiz, sender: EskizSms) -> None:
        given, provider.garbled = sms(), 1
        with pytest.raises(SmsFailed):
            await sender.send(given)
        await sender.send(given, attempt=2)
        assert len(provider.messages) == 1

    async def test_one_that_was_not_taken_is_sent_again(self, provider: Eskiz, sender: EskizSms) -> None:
        given, provider.dropped = sms(), 1
        with pytest.raises(SmsFailed):
            await sender.send(given)
        await sender.send(given, attempt=2)
        assert [each.user_sms_id for each in provider.messages] == [given.message_id]

    async def test_where_the_provider_does_not_say_nothing_is_sent(
        self, provider: Eskiz, sender: EskizSms
    ) -> None:
        provider.lists = False
        with pytest.raises(SmsFailed) as failed:
            await sender.send(sms(), attempt=2)
        assert (failed.value.reason, provider.messages) == (Reason.UNKNOWN, [])

    async def test_it_is_looked_for_on_every_page(self, provider: Eskiz, sender: EskizSms) -> None:
        given = sms()
        await sender.send(given)
        first = provider.messages[0]
        provider.messages.extend(type(first)("x", first.to, "x", "4546", f"o{n}") for n in range(250))
        sent = await sender.send(given, attempt=2)
        assert (sent.provider_id, provider.count(*LIST)) == (first.id, 3)

    async def test_one_that_failed_on_its_way_is_not_sent_again(
        self, provider: Eskiz, sender: EskizSms
    ) -> None:
        given = sms()
        await sender.send(given)
        provider.messages[0].status = "UNDELIV"
        with pytest.raises(SmsRefused):
            await sender.send(given, attempt=2)

    async def test_a_provider_that_is_away_has_not_got_it(self, unused_tcp_port: int) -> None:
        away = Eskiz()
        away.url = f"http://127.0.0.1:{unused_tcp_port}/api"
        sender = adapter(away)
        assert (await failing(sender)).reason is Reason.AWAY
        sender.close()

    async def test_one_that_hangs_ends_in_its_time(self, provider: Eskiz) -> None:
        sender, provider.swallowed = adapter(provider, seconds=0.2), 1
        begun = asyncio.get_running_loop().time()
        assert (await failing(sender)).reason is Reason.UNKNOWN
        assert asyncio.get_running_loop().time() - begun < 2
        sender.close()


class TestAsking:
    @pytest.mark.parametrize(
        ("word", "status"),
        [
            ("DELIVRD", SmsStatus.DELIVERED),
            ("delivered", SmsStatus.DELIVERED),
            ("UNDELIVERABLE", SmsStatus.FAILED),
            ("REJECTD", SmsStatus.FAILED),
            ("EXPIRED", SmsStatus.FAILED),
            ("FAILED", SmsStatus.FAILED),
            ("ACCEPTED", SmsStatus.UNDER_WAY),
            ("waiting", SmsStatus.UNDER_WAY),
            ("never seen", SmsStatus.UNDER_WAY),
        ],
    )
    async def test_every_operators_word_is_understood(
        self, provider: Eskiz, sender: EskizSms, word: str, status: SmsStatus
    ) -> None:
        sent = await sender.send(sms())
        provider.messages[0].status = word
        assert await sender.status(sent.provider_id) is status
        assert status_of(word) is status

    async def test_a_message_that_is_unknown_has_no_status(self, provider: Eskiz, sender: EskizSms) -> None:
        with pytest.raises(SmsFailed):
            await sender.status("../../user/get-limit")
        assert provider.asked[-1] == ("GET", "/message/sms/status_by_id/..%2F..%2Fuser%2Fget-limit")

    async def test_a_check_sends_nothing_and_finds_an_empty_purse(
        self, provider: Eskiz, sender: EskizSms
    ) -> None:
        await sender.check()
        provider.balance = 0
        with pytest.raises(SmsFailed, match="balance"):
            await sender.check()
        assert provider.messages == []
