"""Texts and searches are cut into the same words, however they were typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections.shared.words import (
    QUERY_WORDS_MAXIMUM,
    WORD_CHARACTERS_MAXIMUM,
    query_words,
    words_of,
)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("Red  SHOES, size-42!", ["red", "shoes", "size", "42"]),
        ("Café CAFE\u0301", ["cafe", "cafe"]),
        ("Ёлка ЕЛКА", ["елка", "елка"]),
        ("O'zbek oʻzbek O‘zbek gʼoza", ["ozbek", "ozbek", "ozbek", "goza"]),
        ("l'eau men's", ["l", "eau", "men", "s"]),
        ("ﬁne Ⅳ", ["fine", "iv"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("snake_case 1.5", ["snake", "case", "1", "5"]),
        ("हिन्दी 한국어", ["हिन्दी", "한국어"]),
        ("' OR 1=1; --", ["or", "1", "1"]),
        ("\0\ud800", []),
    ],
)
def test_words_are_folded_alike(typed: str, words: list[str]) -> None:
    assert words_of(typed) == words


def test_a_search_has_each_word_once_and_not_too_many() -> None:
    assert query_words("red Red shoes RED") == ["red", "shoes"]
    assert len(query_words(" ".join(f"{n}x" for n in range(90)))) == QUERY_WORDS_MAXIMUM
    assert query_words("x" * 5_000) == ["x" * WORD_CHARACTERS_MAXIMUM]


@given(st.text(st.characters(), max_size=200))
def test_folding_what_is_folded_changes_nothing(text: str) -> None:
    once = words_of(text)
    assert words_of(" ".join(once)) == once


@given(st.text(st.characters(), max_size=200))
def test_words_hold_nothing_that_a_query_language_could_read(text: str) -> None:
    for word in words_of(text):
        assert word.encode()
        assert not set(word) & set("'\"\\ &|!():*<>%\0")
