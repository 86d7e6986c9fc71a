"""One operation of somebody else's: within its time, behind its circuit breaker (requirements SEC-23, PAY-12)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from infrastructure.outbound.breaker import CircuitBreaker

OPERATION_SECONDS: Final = 30.0
"""For all requests of one operation: signing in, asking, asking again."""


@asynccontextmanager
async def within_patience(
    breaker: CircuitBreaker, *, late: Exception, seconds: float = OPERATION_SECONDS
) -> AsyncIterator[None]:
    """Let one operation run. `late` is raised when time is up; let it be of a kind that the breaker counts.

    Raises:
        CircuitOpen: the other side is left alone for now, so nothing has left.
    """
    with breaker.guard():
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            raise late from None
