"""A circuit breaker: who does not answer is left alone for a while (requirements SEC-23)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import structlog

FAILURES_MAXIMUM: Final = 5
PAUSE_SECONDS: Final = 30.0

log: Final = structlog.get_logger(__name__)


class CircuitOpen(Exception):
    """Nobody was asked; `retry_after_seconds` is when somebody will be."""

    def __init__(self, retry_after_seconds: float) -> None:
        """In seconds from now."""
        super().__init__("The circuit is open.")
        self.retry_after_seconds = retry_after_seconds


class CircuitBreaker:
    """Opens after so many failures in a row; after a pause one call tries, and the others wait for how it ends."""

    def __init__(
        self,
        name: str,
        *counted: type[Exception],
        failures_maximum: int = FAILURES_MAXIMUM,
        pause_seconds: float = PAUSE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`counted` are the failures of the other side; all other exceptions are answers of it. `name` is for the log."""
        self._name = name
        self._counted = counted
        self._failures_maximum = failures_maximum
        self._pause_seconds = pause_seconds
        self._monotonic = monotonic
        self._failures = 0
        self._open_until = 0.0
        self._trying = False

    @property
    def is_open(self) -> bool:
        """Whether the other side counts as away."""
        return self._failures >= self._failures_maximum

    @contextmanager
    def guard(self) -> Iterator[None]:
        """One call to the other side.

        Raises:
            CircuitOpen: it is left alone; nothing was asked.
        """
        tries = self._enter()
        try:
            yield
        except self._counted:
            self._failed()
            raise
        except Exception:
            self._succeeded()
            raise
        else:
            self._succeeded()
        finally:
            # Whoever was cancelled has learnt nothing: the next one tries.
            if tries:
                self._trying = False

    def _enter(self) -> bool:
        if not self.is_open:
            return False
        left = self._open_until - self._monotonic()
        if left > 0 or self._trying:
            raise CircuitOpen(max(left, 1.0))
        self._trying = True
        return True

    def _failed(self) -> None:
        was_open = self.is_open
        self._failures += 1
        if self.is_open:
            self._open_until = self._monotonic() + self._pause_seconds
            if not was_open:
                log.warning("circuit_opened", circuit=self._name, after_failures=self._failures)

    def _succeeded(self) -> None:
        if self.is_open:
            log.info("circuit_closed", circuit=self._name)
        self._failures = 0
