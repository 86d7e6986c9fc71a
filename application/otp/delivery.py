"""Codes on their way out, each way with a courier of its own (requirements NTF-15)."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Final, Self

from application.otp.ports import CodeMessage, CodeSender
from application.shared.command import Unavailable
from application.shared.courier import (
    AT_ONCE,
    ENDING_SECONDS,
    PAUSES_SECONDS,
    WAITING_MAXIMUM,
    Courier,
    NotSent,
)
from application.shared.ports import Clock
from domain.otp.events import OtpChannel

_RETRY_WITHOUT_WAY: Final = 3600


class CodeDelivery(AbstractAsyncContextManager["CodeDelivery"]):
    """Implements `application.otp.ports.Delivery`; an asynchronous context, whose end waits for what is under way."""

    def __init__(
        self,
        senders: Mapping[OtpChannel, CodeSender],
        *,
        clock: Clock,
        on_lost: Callable[[CodeMessage, NotSent, int], None],
        pauses_seconds: tuple[float, ...] = PAUSES_SECONDS,
        waiting_maximum: int = WAITING_MAXIMUM,
        at_once: int = AT_ONCE,
        ending_seconds: float = ENDING_SECONDS,
    ) -> None:
        """`senders` are the ways that this installation has; for the rest see `Courier`."""
        # A way whose other side hangs keeps nobody from the others.
        self._couriers = {
            channel: Courier(
                sender,
                clock=clock,
                on_lost=on_lost,
                pauses_seconds=pauses_seconds,
                waiting_maximum=waiting_maximum,
                at_once=at_once,
                ending_seconds=ending_seconds,
            )
            for channel, sender in senders.items()
        }

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(courier.aclose() for courier in self._couriers.values()))

    @property
    def waiting(self) -> int:
        """How many codes are under way."""
        return sum(courier.waiting for courier in self._couriers.values())

    def check(self, channel: OtpChannel) -> None:
        """See the port."""
        if channel not in self._couriers:
            raise Unavailable(
                "Codes cannot be sent on this way here.", retry_after_seconds=_RETRY_WITHOUT_WAY
            )
        self._couriers[channel].check()

    def hand_over(self, message: CodeMessage) -> None:
        """See the port."""
        self._couriers[message.channel].hand_over(message)
