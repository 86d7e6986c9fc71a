"""One-time codes as text messages.

Eskiz has each text moderated before it takes it. So there are few, and they change only in the code, the minutes and the name
of the company: give it all nine, as `daftar` sends them, when you sign up there. All stay in the alphabet of GSM but the
Russian ones, which fit into one part all the same while the name of the company is short.
"""

from collections.abc import Mapping
from typing import Final

import structlog

from application.otp.ports import CodeMessage
from application.shared.courier import NotSent, SendingRefused
from domain.otp.events import OtpPurpose
from infrastructure.security.secrets import Secret
from infrastructure.sms.ports import Sms, SmsFailed, SmsRefused, SmsSender

ENGLISH: Final = "en"

TEXTS: Final[Mapping[str, Mapping[OtpPurpose, str]]] = {
    ENGLISH: {
        OtpPurpose.SIGNUP: "{company}: {code} is your code to sign up, for {minutes} min. Tell it to nobody.",
        OtpPurpose.LOGIN: "{company}: {code} is your code to sign in, for {minutes} min. Tell it to nobody.",
        OtpPurpose.RESET: "{company}: {code} is your code for a new password, for {minutes} min. Tell it to nobody.",
    },
    # With a plain apostrophe: the Uzbek letter would turn the whole text into UCS-2, and cost two parts.
    "uz": {
        OtpPurpose.SIGNUP: "{company}: ro'yxatdan o'tish kodi {code}. {minutes} daqiqa amal qiladi, hech kimga aytmang.",
        OtpPurpose.LOGIN: "{company}: kirish kodi {code}. {minutes} daqiqa amal qiladi, hech kimga aytmang.",
        OtpPurpose.RESET: "{company}: yangi parol uchun kod {code}. {minutes} daqiqa amal qiladi, hech kimga aytmang.",
    },
    "ru": {
        OtpPurpose.SIGNUP: "{company}: код регистрации {code}, {minutes} мин. Никому не говорите.",
        OtpPurpose.LOGIN: "{company}: код входа {code}, {minutes} мин. Никому не говорите.",
        OtpPurpose.RESET: "{company}: код смены пароля {code}, {minutes} мин. Никому не говорите.",
    },
}

log: Final = structlog.get_logger(__name__)


class SmsCodeSender:
    """Implements `application.otp.ports.CodeSender`."""

    def __init__(self, sender: SmsSender, *, company_name: str) -> None:
        """`company_name` is by whom people know us."""
        self._sender = sender
        self._company_name = company_name

    async def send(self, message: CodeMessage, *, attempt: int) -> None:
        """See the port."""
        sms = Sms(
            message_id=message.message_id.hex,
            to=Secret(message.destination),
            text=Secret(text_of(message, self._company_name)),
        )
        try:
            await self._sender.send(sms, attempt=attempt)
        except SmsFailed as error:
            log.warning(
                "code_not_sent",
                channel="sms",
                provider=error.provider,
                reason=error.reason,
                told=str(error),
                message_id=sms.message_id,
                attempt=attempt,
            )
            if isinstance(error, SmsRefused):
                raise SendingRefused(str(error)) from None
            raise NotSent(str(error), retry_after_seconds=error.retry_after_seconds) from None


def text_of(message: CodeMessage, company_name: str) -> str:
    """What the message says."""
    texts = TEXTS.get(message.language, TEXTS[ENGLISH])
    return texts[message.purpose].format(
        company=company_name,
        code=message.code.reveal(),
        minutes=max(1, round(message.lifetime.total_seconds() / 60)),
    )
