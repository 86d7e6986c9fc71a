"""Small ports that most use cases need."""

from datetime import datetime
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    """What time it is."""

    def __call__(self) -> datetime:
        """Now, aware, in UTC."""
        ...


class NewId(Protocol):
    """Where new identities come from."""

    def __call__(self) -> UUID:
        """A UUIDv7 that nobody had before (requirements D-46)."""
        ...
