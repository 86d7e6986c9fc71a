"""Which way out the settings choose for text messages (requirements NTF-17, D-30)."""

from pathlib import Path

from application.shared.ports import Clock
from infrastructure.outbound.breaker import PAUSE_SECONDS, CircuitBreaker
from infrastructure.settings import SmsProvider, SmsSettings
from infrastructure.sms import eskiz, twilio
from infrastructure.sms.eskiz import EskizSms
from infrastructure.sms.folder import SmsFolder
from infrastructure.sms.ports import SmsOutage, SmsSender
from infrastructure.sms.twilio import TwilioSms


class SmsNotConfigured(LookupError):
    """The settings choose a provider and lack what it needs."""

    code = "SMS_NOT_CONFIGURED"


def make_sms_sender(
    settings: SmsSettings, *, folder: Path, clock: Clock, pause_seconds: float = PAUSE_SECONDS
) -> SmsSender | None:
    """The sender for `SMS_PROVIDER`, `None` when it is off. It opens nothing yet; `folder` is where `log` keeps messages.

    After outages a provider is left alone for `pause_seconds`.

    Raises:
        SmsNotConfigured: the provider's own settings are missing.
    """
    match settings.provider:
        case SmsProvider.ESKIZ:
            if settings.eskiz is None:
                raise SmsNotConfigured("SMS_PROVIDER is eskiz, and ESKIZ_EMAIL or ESKIZ_PASSWORD is not set.")
            return EskizSms(
                email=settings.eskiz.email,
                password=settings.eskiz.password,
                sender=settings.eskiz.sender,
                base_url=settings.eskiz.api_url,
                clock=clock,
                breaker=CircuitBreaker(eskiz.NAME, SmsOutage, pause_seconds=pause_seconds),
            )
        case SmsProvider.TWILIO:
            if settings.twilio is None:
                raise SmsNotConfigured("SMS_PROVIDER is twilio, and one of its settings is not set.")
            return TwilioSms(
                account_sid=settings.twilio.account_sid,
                auth_token=settings.twilio.auth_token,
                sender=settings.twilio.sender,
                base_url=settings.twilio.api_url,
                clock=clock,
                breaker=CircuitBreaker(twilio.NAME, SmsOutage, pause_seconds=pause_seconds),
            )
        case SmsProvider.LOG:
            return SmsFolder(folder, clock)
        case SmsProvider.OFF:
            return None
