"""What of a listing's words goes into the search index: each word, with a letter before it that says where it stands.

So the index alone tells a word in a name from one in a description, and few listings need be looked at to be ranked.
"""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

NAME: Final = "N"
SHORT: Final = "S"
"""In the short description."""

TAG: Final = "T"
DESCRIPTION: Final = "D"
CATEGORY: Final = "C"
"""Before the hexadecimal id of the category that the listing is filed under; its name is looked up when it is searched for."""

WHOLE_NAME: Final = "X"
"""Before all words of a name, with dots between them."""

PLACES: Final = NAME + SHORT + TAG + DESCRIPTION
"""Where words of a listing's own stand, the best first."""

_TOLD: Final = frozenset((NAME, SHORT, TAG))

WHOLE_NAME_CHARACTERS_MAXIMUM: Final = 200
"""Longer names are not indexed as a whole: a search is shorter."""


class Lexemes(msgspec.Struct, frozen=True, gc=False):
    """A listing's words, each once, with the letter of the best place it has: `told` in name, short description or tags,
    `described` in the description only; `whole` is its whole name.
    """

    told: list[str]
    described: list[str]
    whole: str | None

    def lead(self, category_id: UUID | None) -> str:
        """The text of a `tsvector` of all but `described`, filed under a category."""
        lead = list(self.told)
        if self.whole is not None:
            lead.append(self.whole)
        if category_id is not None:
            lead.append(filed_under(category_id))
        return _text(lead)

    def rest(self) -> str:
        """The text of a `tsvector` of `described`."""
        return _text(self.described)


def lexemes_of(
    *, name: Sequence[str], short: Sequence[str], tags: Sequence[str], description: Sequence[str]
) -> Lexemes:
    """The words of a listing's texts."""
    places = dict.fromkeys(tags, TAG)
    places.update(dict.fromkeys(short, SHORT))
    places.update(dict.fromkeys(name, NAME))
    return Lexemes(
        told=[place + word for word, place in places.items()],
        described=[DESCRIPTION + word for word in set(description) if word not in places],
        whole=whole_name(name),
    )


def told_lexemes(lead: str) -> set[str]:
    """Those of name, tags and short description in the text of a `tsvector`."""
    return {each for each in _each(lead) if each[0] in _TOLD}


def refiled(lead: str, category_id: UUID | None) -> str:
    """The same words under another category."""
    kept = [each for each in _each(lead) if each[0] != CATEGORY]
    if category_id is not None:
        kept.append(filed_under(category_id))
    return _text(kept)


def filed_under(category_id: UUID) -> str:
    """The lexeme of a category."""
    return CATEGORY + category_id.hex


def whole_name(words: Sequence[str]) -> str | None:
    """The lexeme of a name that is exactly these words; `None` when it is too long, or nothing."""
    whole = WHOLE_NAME + ".".join(dict.fromkeys(words))
    return whole if len(WHOLE_NAME) < len(whole) <= WHOLE_NAME_CHARACTERS_MAXIMUM else None


def _each(lexemes: str) -> list[str]:
    return lexemes.replace("'", "").split()


def _text(lexemes: list[str]) -> str:
    # As PostgreSQL writes it, too: in the order of bytes, each between quotes.
    return "'" + "' '".join(sorted(lexemes)) + "'" if lexemes else ""
