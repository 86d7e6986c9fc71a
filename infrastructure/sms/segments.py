"""How long a text message is, as networks count and providers charge (3GPP TS 23.038, TS 23.040).

A text in the alphabet of GSM has seven bits a character and room for 160; any other character turns all of it into UCS-2, with
room for 70. A longer text goes in parts, each of which gives up seven characters (three in UCS-2) to the number of the part,
and no character is cut in two.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

_BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION: Final = frozenset("\f^{}\\[~]|€")
"""Each takes two places: an escape and itself."""


class Encoding(StrEnum):
    """How a text is written on the air."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


class Size(msgspec.Struct, frozen=True):
    """What is charged: so many parts in this encoding."""

    encoding: Encoding
    parts: int


def size_of(text: str) -> Size:
    """How a text goes out; an empty one is one part."""
    if all(character in _BASIC or character in _EXTENSION for character in text):
        widths = [2 if character in _EXTENSION else 1 for character in text]
        return Size(Encoding.GSM7, _parts(widths, alone=160, in_parts=153))
    widths = [2 if ord(character) > 0xFFFF else 1 for character in text]
    return Size(Encoding.UCS2, _parts(widths, alone=70, in_parts=67))


def _parts(widths: list[int], *, alone: int, in_parts: int) -> int:
    if sum(widths) <= alone:
        return 1
    return sum(1 for _ in _breaks(widths, in_parts)) + 1


def _breaks(widths: Iterable[int], room: int) -> Iterable[None]:
    """One item for each place where a new part begins."""
    used = 0
    for width in widths:
        if used + width > room:
            yield None
            used = 0
        used += width
