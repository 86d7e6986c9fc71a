"""Phone numbers: E.164, the form in which the whole world dials the same number (ACC-06)."""

import re
from typing import Final

from domain.shared.errors import InvalidInput, Problem

_PUNCTUATION: Final = re.compile(r"[ ().\-]")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
"""ITU-T E.164 §6.2.1: at most 15 digits with the country code. Fewer than 7 are no subscriber's number anywhere."""

_TEXT_CHARACTERS_MAXIMUM: Final = 40


class PhoneInvalid(InvalidInput):
    """A text is no phone number that can be dialled from anywhere."""

    def __init__(self, message: str) -> None:
        """The number itself is never echoed: it is personal data."""
        super().__init__(message, problems=[Problem("phone", message, "phone")])


def normalise_phone(text: str) -> str:
    """A phone number in E.164: `+998 (90) 123-45-67` becomes `+998901234567`.

    Spaces, brackets, dots and hyphens are left out. The country code must be given with its plus sign: guessing a
    country gives the number of somebody else.

    Raises:
        PhoneInvalid: it is no such number.
    """
    if len(text) <= _TEXT_CHARACTERS_MAXIMUM:
        phone = _PUNCTUATION.sub("", text.strip())
        if _E164.fullmatch(phone):
            return phone
    raise PhoneInvalid("A phone number is a plus sign, the country code and the number: 7 to 15 digits.")
