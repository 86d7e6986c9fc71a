"""How often somebody may do something: some at once, and then as many a second."""


class Allowance:
    """One bucket of tokens, filled evenly."""

    __slots__ = ("_a_second", "_at_once", "_counted_at", "_left")

    def __init__(self, *, at_once: int, a_second: float, now: float) -> None:
        """It is full at `now`, in seconds of any clock that never goes back."""
        self._at_once = float(at_once)
        self._a_second = a_second
        self._left = self._at_once
        self._counted_at = now

    def take(self, now: float) -> bool:
        """Whether there is one more."""
        earned = (now - self._counted_at) * self._a_second
        self._left = min(self._at_once, self._left + earned) - 1.0
        self._counted_at = now
        return self._left >= 0
