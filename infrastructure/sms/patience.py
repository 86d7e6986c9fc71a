"""One operation with a provider: within its time, behind its circuit breaker (requirements SEC-23, PAY-12)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from infrastructure.sms.breaker import CircuitBreaker, CircuitOpen
from infrastructure.sms.ports import Reason, failure

OPERATION_SECONDS: Final = 30.0
"""For all requests of one operation: signing in, asking, asking again."""


@asynccontextmanager
async def within_patience(
    provider: str, breaker: CircuitBreaker, *, seconds: float = OPERATION_SECONDS
) -> AsyncIterator[None]:
    """Let one operation run.

    Raises:
        SmsFailed: the provider is left alone for now, so nothing has left; or time is up, and nobody knows.
    """
    try:
        with breaker.guard():
            try:
                async with asyncio.timeout(seconds):
                    yield
            except TimeoutError:
                raise failure(provider, Reason.UNKNOWN, f"not done in {seconds:g} s") from None
    except CircuitOpen as circuit:
        raise failure(
            provider,
            Reason.AWAY,
            "left alone after failures",
            retry_after_seconds=circuit.retry_after_seconds,
        ) from None
