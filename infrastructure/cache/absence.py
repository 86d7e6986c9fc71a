"""Whether Redis is away, as one of its users has learnt: who notices first tells it, one tries again after a while."""

import time
from collections.abc import Callable
from typing import Final

import structlog

PAUSE_SECONDS: Final = 1.0

log: Final = structlog.get_logger(__name__)


class Absence:
    """What one user of Redis knows about it in this process.

    After a failure nobody asks for `pause_seconds`; then one asks, while the others go on without. So a Redis that hangs
    costs one question in each pause, and not everybody's. Going away and coming back are logged once each.
    """

    def __init__(
        self,
        away: str,
        back: str,
        *,
        pause_seconds: float = PAUSE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`away` and `back` are the names of the log's events."""
        self._away_event = away
        self._back_event = back
        self._pause_seconds = pause_seconds
        self._monotonic = monotonic
        self._skip_until = 0.0
        self._since: float | None = None

    @property
    def lasts(self) -> bool:
        """Whether it was away a moment ago, so that nobody should ask."""
        return self._since is not None and self._monotonic() < self._skip_until

    def may_ask(self) -> bool:
        """Whether to ask now. Whoever is told so while it is away asks for everybody: the others wait for the outcome."""
        if self._since is None:
            return True
        now = self._monotonic()
        if now < self._skip_until:
            return False
        self._skip_until = now + self._pause_seconds
        return True

    def begin(self, error: Exception) -> None:
        """It did not answer."""
        now = self._monotonic()
        self._skip_until = now + self._pause_seconds
        if self._since is None:
            self._since = now
            log.warning(self._away_event, error=type(error).__name__)

    def end(self) -> None:
        """It answered."""
        if self._since is not None:
            log.info(self._back_event, after_seconds=round(self._monotonic() - self._since, 3))
            self._since = None
