"""One operation with a provider of text messages: within its time, behind its circuit breaker (requirement SEC-23)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from infrastructure.outbound import patience
from infrastructure.outbound.breaker import CircuitBreaker, CircuitOpen
from infrastructure.outbound.patience import OPERATION_SECONDS
from infrastructure.sms.ports import Reason, failure


@asynccontextmanager
async def within_patience(
    provider: str, breaker: CircuitBreaker, *, seconds: float = OPERATION_SECONDS
) -> AsyncIterator[None]:
    """Let one operation run.

    Raises:
        SmsFailed: the provider is left alone for now, so nothing has left; or time is up, and nobody knows.
    """
    late = failure(provider, Reason.UNKNOWN, f"not done in {seconds:g} s")
    try:
        async with patience.within_patience(breaker, late=late, seconds=seconds):
            yield
    except CircuitOpen as circuit:
        raise failure(
            provider,
            Reason.AWAY,
            "left alone after failures",
            retry_after_seconds=circuit.retry_after_seconds,
        ) from None
