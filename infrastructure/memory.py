"""What a process that lives long does about its memory once it has started."""

import gc
from typing import Final

GARBAGE_THRESHOLDS: Final = (20_000, 20, 50)
"""After how many new objects that are still there the young are looked at, and how often the older ones with them."""


def settle_memory() -> None:
    """Keep the cycle collector from walking, over and over, what lives as long as the process.

    The states that the command loop remembers are many and hold no cycles; a full walk over them stops all work for
    tens of milliseconds, and by default one is due every few hundred requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
