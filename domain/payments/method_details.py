"""What may be remembered of a means of payment (requirements PAY-11)."""

import re

import msgspec

from domain.payments.events import MethodDetails

_LAST_FOUR = re.compile(r"[0-9]{4}", re.ASCII)
_MOST_DIGITS = 4
_LONGEST_WORD = 40


def without_card_data(details: MethodDetails | None) -> MethodDetails | None:
    """The details, less whatever could be more of a card than its last four digits.

    A careless provider is no reason to refuse its money, so nothing is refused here: what is suspicious is dropped.
    """
    if details is None:
        return None
    last4 = details.last4
    return msgspec.structs.replace(
        details,
        type=_harmless(details.type) or "unknown",
        last4=last4 if last4 is not None and _LAST_FOUR.fullmatch(last4) else None,
        brand=_harmless(details.brand),
    )


def _harmless(word: str | None) -> str | None:
    if word is None or len(word) > _LONGEST_WORD or sum(map(str.isdigit, word)) > _MOST_DIGITS:
        return None
    return word
