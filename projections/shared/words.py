"""How what is found and what is searched for are folded and cut into words: both alike, or nothing would be found.

Texts are folded (Unicode NFKC, case), accents come off Latin, Greek and Cyrillic letters (`café`, `cafe`; `ё`, `е`), and
whatever is neither letter, digit nor mark parts words. The apostrophe-like sign after o and g belongs to the letter in
Uzbek (`oʻ`, `gʻ`) and is typed in many ways: it is left out. The database takes words as they are cut here: its own parser
would cut them in another way in each locale, and takes longer.
"""

import re
import unicodedata
from typing import Final

WORD_CHARACTERS_MAXIMUM: Final = 64
"""Longer ones are cut: nobody types them, and an index has its limits."""

QUERY_CHARACTERS_MAXIMUM: Final = 100
QUERY_WORDS_MAXIMUM: Final = 16

_LETTER_SIGN: Final = re.compile("(?<=[og])['`´ʹʻʼʽˈ‘’‛′](?=\\w)")
_ACCENTS: Final = re.compile("[\u0300-\u036f]+")


class _Letters(dict[int, str]):
    """For `str.translate`: letters, digits and marks as they are, all else a space. Remembers what it was asked."""

    def __missing__(self, code: int) -> str:
        letter = chr(code)
        kept = letter if letter.isalnum() or unicodedata.category(letter)[0] == "M" else " "
        self[code] = kept
        return kept


_LETTERS: Final = _Letters()


def words_of(text: str) -> list[str]:
    """The words of a text in their order, each as often as it is there."""
    if text.isascii():
        folded = text.lower()
        if "'" in folded or "`" in folded:
            folded = _LETTER_SIGN.sub("", folded)
    else:
        folded = unicodedata.normalize("NFKC", text).casefold()
        folded = unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", folded)))
        folded = _LETTER_SIGN.sub("", folded)
    words = folded.translate(_LETTERS).split()
    if len(folded) <= WORD_CHARACTERS_MAXIMUM:
        return words
    return [word[:WORD_CHARACTERS_MAXIMUM] for word in words]


def query_words(text: str) -> list[str]:
    """The words that are searched for: each once, in their order, of the first characters only."""
    return list(dict.fromkeys(words_of(text[:QUERY_CHARACTERS_MAXIMUM])))[:QUERY_WORDS_MAXIMUM]


def fold(text: str) -> str:
    """A text as it is compared, whatever its case."""
    # The database's own case rules depend on its locale. It stores neither NUL nor lone surrogates.
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\0", "")
    return folded if folded.isascii() else folded.encode("utf-8", "ignore").decode()
