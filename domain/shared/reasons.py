"""Words in which somebody says why: of an application that is turned down, an account that is suspended, a look into the log."""

import unicodedata
from typing import Final

from domain.shared.errors import InvalidInput, Problem

REASON_CHARACTERS_MAXIMUM: Final = 1000


class ReasonInvalid(InvalidInput):
    """A reason is given in words that can be read."""

    def __init__(self, message: str, rule: str) -> None:
        """`message` says what a reason is; `rule` is a stable word."""
        super().__init__(message, problems=[Problem("reason", message, rule)])


def clean_reason(text: str) -> str:
    """The words in which somebody is told why, trimmed.

    Raises:
        ReasonInvalid: there are none, more than 1000 characters, or control characters.
    """
    reason = text.strip()
    if not 1 <= len(reason) <= REASON_CHARACTERS_MAXIMUM:
        raise ReasonInvalid(f"A reason has 1 to {REASON_CHARACTERS_MAXIMUM} characters.", "length")
    if any(unicodedata.category(c) in {"Cc", "Cs"} and c not in "\n\r\t" for c in reason):
        raise ReasonInvalid("A reason has no control characters in it but the ends of lines.", "characters")
    return reason
