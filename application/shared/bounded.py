"""Memories that forget their oldest when they are full."""

from itertools import islice
from typing import Any

AT_ONCE = 16
"""A full memory gives up one in so many of its places together."""


def forget_oldest(memory: dict[Any, Any], capacity: int) -> None:
    """Keep a dict at `capacity` by what was put into it first.

    Many go together: the first key of a plain dict is found past the places of all that went before it, so one at a
    time would take ever longer.
    """
    if len(memory) > capacity:
        for key in list(islice(memory, len(memory) - capacity + capacity // AT_ONCE)):
            del memory[key]
