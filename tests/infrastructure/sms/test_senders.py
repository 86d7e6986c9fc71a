"""The way out that the settings choose, and the folder of those who develop."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from infrastructure.security.secrets import Secret
from infrastructure.settings import (
    EskizSettings,
    Settings,
    SettingsError,
    SmsProvider,
    SmsSettings,
    TwilioSettings,
)
from infrastructure.sms.folder import SmsFolder
from infrastructure.sms.ports import Reason, SmsFailed, SmsStatus
from infrastructure.sms.senders import SmsNotConfigured, make_sms_sender
from tests.infrastructure.sms.makers import PHONE, TEXT, sms
from tests.support.commands import TestClock


def chosen(provider: SmsProvider, **more: Any) -> SmsSettings:
    return SmsSettings(**({"provider": provider, "eskiz": None, "twilio": None} | more))


class TestChoosing:
    @pytest.mark.parametrize(
        "settings",
        [
            chosen(
                SmsProvider.ESKIZ,
                eskiz=EskizSettings(
                    email="a@b.uz", password=Secret("x"), sender="4546", api_url="http://e/api"
                ),
            ),
            chosen(
                SmsProvider.TWILIO,
                twilio=TwilioSettings(
                    account_sid="AC1", auth_token=Secret("x"), sender="+1", api_url="http://t"
                ),
            ),
            chosen(SmsProvider.LOG),
        ],
        ids=lambda settings: settings.provider.value,
    )
    def test_each_provider_has_its_sender(self, settings: SmsSettings, tmp_path: Path) -> None:
        sender = make_sms_sender(settings, folder=tmp_path, clock=TestClock())
        assert sender is not None
        assert sender.name == settings.provider.value
        sender.close()

    def test_one_that_is_off_has_none(self, tmp_path: Path) -> None:
        assert make_sms_sender(chosen(SmsProvider.OFF), folder=tmp_path, clock=TestClock()) is None

    @pytest.mark.parametrize("provider", [SmsProvider.ESKIZ, SmsProvider.TWILIO])
    def test_one_that_lacks_its_settings_is_refused(self, provider: SmsProvider, tmp_path: Path) -> None:
        with pytest.raises(SmsNotConfigured):
            make_sms_sender(chosen(provider), folder=tmp_path, clock=TestClock())

    def test_the_environment_tells_where_the_providers_are(self) -> None:
        environ = {
            "SMS_PROVIDER": "eskiz", "ESKIZ_EMAIL": "a@b.uz", "ESKIZ_PASSWORD": "x", "ESKIZ_FROM": "Bazaar",
            "ESKIZ_API_URL": "http://127.0.0.1:9/api/",
        }  # fmt: skip
        eskiz = Settings.from_environment(environ).sms.eskiz
        assert eskiz is not None
        assert (eskiz.sender, eskiz.api_url) == ("Bazaar", "http://127.0.0.1:9/api")

    @pytest.mark.parametrize("name", ["ESKIZ_API_URL", "TWILIO_API_URL"])
    def test_in_production_credentials_go_over_tls_only(self, name: str) -> None:
        with pytest.raises(SettingsError) as refused:
            Settings.from_environment({"APP_ENV": "production", name: "http://provider.example"})
        assert f"{name} must begin with https://" in str(refused.value)


class TestTheFolder:
    async def test_a_message_is_kept_for_its_owner_and_shown_to_no_log(self, tmp_path: Path) -> None:
        clock = TestClock()
        sender, given = SmsFolder(tmp_path / "sms", clock), sms()
        with capture_logs() as logged:
            sent = await sender.send(given)
        (path,) = (tmp_path / "sms").iterdir()
        assert path.read_text(encoding="utf-8") == (
            f"To: {PHONE}\nMessage-Id: {given.message_id}\nDate: 2026-05-01T12:00:00+00:00\n\n{TEXT}\n"
        )
        assert path.stat().st_mode & 0o077 == 0
        assert path.name == f"20260501T120000.000000Z-{given.message_id}.txt"
        assert [each["event"] for each in logged] == ["sms_kept"]
        assert not any(secret in str(logged) for secret in (PHONE, "481516", TEXT))
        assert await sender.status(sent.provider_id) is SmsStatus.DELIVERED
        assert await sender.status("another") is SmsStatus.FAILED

    async def test_a_folder_that_cannot_be_written_is_a_failure(self, tmp_path: Path) -> None:
        (tmp_path / "sms").write_text("no folder")
        with pytest.raises(SmsFailed) as failed:
            await SmsFolder(tmp_path / "sms", TestClock()).send(sms())
        assert failed.value.reason is Reason.AWAY


class TestAMessage:
    def test_it_shows_neither_its_text_nor_its_number(self) -> None:
        given = sms()
        for shown in (repr(given), str(given), f"{given.to} {given.text}"):
            assert "481516" not in shown
            assert PHONE not in shown
        with pytest.raises(TypeError):
            msgspec.json.encode(given)
