"""Destinations as they may be shown and recorded: known to their owner, of no use to others (requirements OTP-07)."""

from typing import Final

_PHONE_HEAD: Final = 4
_PHONE_TAIL: Final = 2


def masked(destination: str) -> str:
    """A normalised telephone number as `+998*******67`, an email address as `n***@e***.uz`.

    Whoever looks over a shoulder, or reads the log long after the person was forgotten, learns no number that can be dialled
    and no address that can be written to, nor how long the hidden parts of an address are.
    """
    local, at, host = destination.rpartition("@")
    if at:
        name, _, top = host.rpartition(".")
        return f"{local[:1]}***@{name[:1]}***.{top}"
    hidden = max(len(destination) - _PHONE_HEAD - _PHONE_TAIL, 4)
    return destination[:_PHONE_HEAD] + "*" * hidden + destination[-_PHONE_TAIL:]
