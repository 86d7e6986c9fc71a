"""Text messages for those who develop: each becomes a file, and none is sent (D-30). The settings refuse it in production.

Files are named `<moment>-<message id>.txt`, so that names in order are messages in order. They hold the whole text, codes
included, and only their owner may read them; the log is told that there is one, and not what it says.
"""

import asyncio
import os
from datetime import UTC
from pathlib import Path
from typing import Final

import structlog

from application.shared.ports import Clock
from infrastructure.sms.ports import Reason, SentSms, Sms, SmsStatus, failure, masked_number
from infrastructure.sms.segments import size_of

NAME: Final = "log"

log: Final = structlog.get_logger(__name__)


class SmsFolder:
    """Implements `infrastructure.sms.ports.SmsSender`."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """The folder is made when the first message comes."""
        self._folder = folder
        self._clock = clock

    @property
    def name(self) -> str:
        """As in settings."""
        return NAME

    async def send(self, sms: Sms, *, attempt: int = 1) -> SentSms:
        """See the port; the file appears under its name only when it is whole."""
        try:
            path = await asyncio.to_thread(self._keep, sms)
        except OSError as error:
            raise failure(NAME, Reason.AWAY, type(error).__name__) from None
        size = size_of(sms.text.reveal())
        log.info(
            "sms_kept",
            provider=NAME,
            message_id=sms.message_id,
            recipient=masked_number(sms.to),
            encoding=size.encoding,
            parts=size.parts,
            file=str(path),
        )
        return SentSms(provider_id=path.name, status=SmsStatus.DELIVERED, raw_status="kept", size=size)

    async def status(self, provider_id: str) -> SmsStatus:
        """See the port."""
        there = await asyncio.to_thread((self._folder / Path(provider_id).name).exists)
        return SmsStatus.DELIVERED if there else SmsStatus.FAILED

    async def check(self) -> None:
        """See the port; there is always room."""

    def close(self) -> None:
        """See the port; nothing is held."""

    def _keep(self, sms: Sms) -> Path:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        now = self._clock().astimezone(UTC)
        name = f"{now:%Y%m%dT%H%M%S.%fZ}-{sms.message_id}.txt"
        fresh = self._folder / f".{name}.new"
        with os.fdopen(
            os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "w", encoding="utf-8"
        ) as file:
            file.write(f"To: {sms.to.reveal()}\nMessage-Id: {sms.message_id}\nDate: {now.isoformat()}\n\n")
            file.write(f"{sms.text.reveal()}\n")
        return fresh.rename(self._folder / name)
