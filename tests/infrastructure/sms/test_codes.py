"""Codes as text messages: what they say, what they cost, and how failures are told on."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from application.otp.ports import CodeMessage
from application.shared.courier import NotSent, SendingRefused
from domain.otp.code import OneTimeCode
from domain.otp.events import OtpChannel, OtpPurpose
from infrastructure.sms.codes import TEXTS, SmsCodeSender, text_of
from infrastructure.sms.ports import Reason, SentSms, Sms, SmsStatus, failure
from infrastructure.sms.segments import Encoding, Size, size_of
from tests.infrastructure.sms.makers import PHONE

NOON = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def message(**changes: Any) -> CodeMessage:
    fields: dict[str, Any] = {
        "message_id": UUID(int=7),
        "purpose": OtpPurpose.LOGIN,
        "channel": OtpChannel.SMS,
        "destination": PHONE,
        "code": OneTimeCode("481516"),
        "lifetime": timedelta(minutes=5),
        "expires_at": NOON + timedelta(minutes=5),
        "language": "en",
    }
    return CodeMessage(**(fields | changes))


class FakeSms:
    """A provider that does as it is told."""

    name = "fake"

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.sent: list[tuple[Sms, int]] = []

    async def send(self, sms: Sms, *, attempt: int = 1) -> SentSms:
        self.sent.append((sms, attempt))
        if self.failures:
            raise self.failures.pop(0)
        return SentSms(
            provider_id="1", status=SmsStatus.UNDER_WAY, raw_status="", size=Size(Encoding.GSM7, 1)
        )

    async def status(self, provider_id: str) -> SmsStatus:
        return SmsStatus.UNDER_WAY

    async def check(self) -> None: ...

    def close(self) -> None: ...


class TestTheText:
    @pytest.mark.parametrize("language", TEXTS)
    @pytest.mark.parametrize("purpose", OtpPurpose)
    def test_it_names_shop_code_and_time_and_costs_one_part(self, language: str, purpose: OtpPurpose) -> None:
        text = text_of(message(language=language, purpose=purpose), "Your Store")
        assert text.startswith("Your Store: ")
        assert "481516" in text
        assert " 5 " in text
        assert size_of(text).parts == 1
        assert (size_of(text).encoding is Encoding.UCS2) == (language == "ru")

    def test_each_says_what_the_code_is_for(self) -> None:
        for texts in TEXTS.values():
            assert len(set(texts.values())) == len(OtpPurpose)

    def test_somebody_with_another_language_reads_english(self) -> None:
        assert text_of(message(language="fr"), "Shop") == text_of(message(), "Shop")

    def test_less_than_a_minute_is_called_one(self) -> None:
        assert "for 1 min" in text_of(message(lifetime=timedelta(seconds=20)), "Shop")


class TestSending:
    async def test_every_attempt_is_the_same_message(self) -> None:
        provider = FakeSms()
        for attempt in (1, 2):
            await SmsCodeSender(provider, company_name="Shop").send(message(), attempt=attempt)
        assert [(sms.message_id, attempt) for sms, attempt in provider.sent] == [
            (UUID(int=7).hex, 1),
            (UUID(int=7).hex, 2),
        ]

    @pytest.mark.parametrize(
        ("reason", "kind"),
        [
            (Reason.NUMBER, SendingRefused),
            (Reason.TEXT, SendingRefused),
            (Reason.BALANCE, NotSent),
            (Reason.UNKNOWN, NotSent),
        ],
    )
    async def test_a_failure_is_logged_and_told_on_without_the_code(
        self, reason: Reason, kind: type[NotSent]
    ) -> None:
        provider = FakeSms(failure("fake", reason, "400", retry_after_seconds=9))
        with capture_logs() as logged, pytest.raises(NotSent) as failed:
            await SmsCodeSender(provider, company_name="Shop").send(message(), attempt=1)
        assert type(failed.value) is kind
        assert failed.value.retry_after_seconds == (None if kind is SendingRefused else 9)
        (line,) = logged
        assert (line["event"], line["reason"]) == ("code_not_sent", reason)
        assert not any(secret in f"{line} {failed.value}" for secret in ("481516", PHONE))
