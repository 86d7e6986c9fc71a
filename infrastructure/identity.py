"""New identities and the time."""

import os
import threading
import time
from datetime import UTC, datetime
from uuid import UUID

_lock = threading.Lock()
_last = 0


def new_id() -> UUID:
    """A UUIDv7 (RFC 9562): 48 bits of milliseconds, then a counter and 62 random bits.

    Ascending within a process, also within one millisecond, so that new rows land at the right edge of an index.
    """
    global _last  # noqa: PLW0603 - one clock for the process
    with _lock:
        # 60 bits: milliseconds in the upper 48, a 12 bit counter below. It runs ahead of the clock under extreme load.
        stamp = max((time.time_ns() // 1_000_000) << 12, _last + 1)
        _last = stamp
    millis, counter = stamp >> 12, stamp & 0xFFF
    tail = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    return UUID(int=(millis << 80) | (7 << 76) | (counter << 64) | (2 << 62) | tail)


def utc_now() -> datetime:
    """Now, aware, in UTC."""
    return datetime.now(UTC)
