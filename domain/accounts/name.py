"""Names of people and businesses, as they want to be called (ACC-05)."""

import unicodedata
from typing import Final

from domain.shared.errors import InvalidInput, Problem

NAME_CHARACTERS_MINIMUM: Final = 2
NAME_CHARACTERS_MAXIMUM: Final = 100

_FORBIDDEN_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of characters (no UTF-8 has them), separators of lines and paragraphs."""

_DIRECTION_OVERRIDES: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They show the text around a name in another order (Unicode UAX #9; "Trojan Source"). Joiners, which Persian
needs, and the plain direction marks are let through."""


class NameInvalid(InvalidInput):
    """Nobody can be called that."""

    def __init__(self, field: str, message: str) -> None:
        """`field` is the name of the field in requests; the value is never echoed."""
        super().__init__(message, problems=[Problem(field, message, "name")])


def normalise_name(text: str, *, field: str = "name") -> str:
    """A name as it is kept: trimmed, composed (Unicode NFC), 2 to 100 characters, something to read in it.

    Raises:
        NameInvalid: it is shorter, longer, unreadable, or holds control characters.
    """
    if len(text) > 4 * NAME_CHARACTERS_MAXIMUM:
        raise NameInvalid(field, _LENGTH)
    name = unicodedata.normalize("NFC", text).strip()
    if not is_printable(name):
        raise NameInvalid(field, "A name has no control characters in it.")
    if not NAME_CHARACTERS_MINIMUM <= len(name) <= NAME_CHARACTERS_MAXIMUM:
        raise NameInvalid(field, _LENGTH)
    if not any(c.isalnum() for c in name):
        raise NameInvalid(field, "A name has letters or digits in it.")
    return name


def is_printable(text: str, *, also: str = "") -> bool:
    """Whether a text can be shown beside others and leaves them alone. `also` are characters that are let through besides."""
    return not any(
        (unicodedata.category(c) in _FORBIDDEN_CATEGORIES and c not in also) or c in _DIRECTION_OVERRIDES
        for c in text
    )


_LENGTH: Final = f"A name has {NAME_CHARACTERS_MINIMUM} to {NAME_CHARACTERS_MAXIMUM} characters."
