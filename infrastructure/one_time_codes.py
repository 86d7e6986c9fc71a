"""One-time codes put together: the vault in Redis, the ways out that the settings name, the delivery between them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Final

import structlog
from redis.asyncio import Redis

from application.otp.codes import OneTimeCodes
from application.otp.delivery import CodeDelivery
from application.otp.ports import CodeMessage, CodeSender, Commands, DestinationHash
from application.shared.courier import NotSent
from application.shared.ports import Clock, NewId
from domain.otp.events import OtpChannel
from infrastructure.bootstrap import derived_key
from infrastructure.cache.one_time_codes import RedisCodeVault, draw_code
from infrastructure.mail.codes import MailCodeSender
from infrastructure.mail.mailers import MailNotConfigured, make_mailer
from infrastructure.mail.rendering import JinjaRenderer
from infrastructure.settings import Settings
from infrastructure.sms.codes import SmsCodeSender
from infrastructure.sms.senders import make_sms_sender

SMS_FOLDER: Final = "sms"
"""Below the data folder: where `SMS_PROVIDER=log` keeps what it does not send."""

log: Final = structlog.get_logger(__name__)


@asynccontextmanager
async def open_one_time_codes(
    settings: Settings,
    *,
    redis: Redis | None,
    commands: Commands,
    destination_hash: DestinationHash,
    clock: Clock,
    new_id: NewId,
) -> AsyncIterator[OneTimeCodes]:
    """Codes for the life of one process. Without Redis, or a way out, they are refused as unavailable when asked for."""
    accounts = settings.accounts
    lifetime = timedelta(seconds=accounts.otp_lifetime_seconds)
    async with AsyncExitStack() as stack:
        senders: dict[OtpChannel, CodeSender] = {}
        pause_seconds = settings.process.upstream_pause_seconds
        sms = make_sms_sender(
            settings.sms,
            folder=settings.process.data_dir / SMS_FOLDER,
            clock=clock,
            pause_seconds=pause_seconds,
        )
        if sms is not None:
            stack.callback(sms.close)
            senders[OtpChannel.SMS] = SmsCodeSender(sms, company_name=settings.mail.company_name)
        try:
            mailer = make_mailer(settings.mail, pause_seconds=pause_seconds)
        except MailNotConfigured:
            log.warning("codes_cannot_be_mailed")
        else:
            senders[OtpChannel.EMAIL] = MailCodeSender(
                mailer, JinjaRenderer(settings.mail, settings.http), clock
            )
        delivery = await stack.enter_async_context(CodeDelivery(senders, clock=clock, on_lost=_tell_of_loss))
        yield OneTimeCodes(
            vault=RedisCodeVault(
                redis,
                key=derived_key(settings, b"one-time codes"),
                attempts_maximum=accounts.otp_attempts_maximum,
                requests_maximum=accounts.otp_requests_maximum,
                requests_per_address_maximum=accounts.otp_requests_per_address_maximum,
                request_window=timedelta(seconds=accounts.otp_request_window_seconds),
            ),
            delivery=delivery,
            commands=commands,
            draw=draw_code,
            destination_hash=destination_hash,
            clock=clock,
            new_id=new_id,
            lifetime=lifetime,
            attempts_maximum=accounts.otp_attempts_maximum,
        )


def _tell_of_loss(message: CodeMessage, why: NotSent, attempts: int) -> None:
    log.error(
        "code_lost",
        message_id=str(message.message_id),
        purpose=message.purpose.value,
        channel=message.channel.value,
        reason=str(why),
        attempts=attempts,
    )
