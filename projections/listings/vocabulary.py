"""Misspelt words and the words of the catalogue that were probably meant."""

import asyncio
import time
from collections import OrderedDict, defaultdict
from collections.abc import Callable
from typing import Final

from rapidfuzz import process
from rapidfuzz.distance import OSA

from projections.shared.reader import Reader

REFRESH_SECONDS: Final = 30.0
"""The catalogue's words are read anew no more often than this."""

WORDS_MAXIMUM: Final = 200_000
"""So many words are known, those of most listings first."""

REMEMBERED_MAXIMUM: Final = 10_000
"""So many answers are remembered until the words are read anew."""

SHORTEST: Final = 3
"""Shorter words are taken as they are: everything is like them."""


class Vocabulary:
    """The words of the catalogue, kept in the process."""

    def __init__(
        self,
        reader: Reader,
        *,
        refresh_seconds: float = REFRESH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` counts seconds."""
        self._reader = reader
        self._refresh_seconds = refresh_seconds
        self._clock = clock
        self._refreshed_at: float | None = None
        self._signature: tuple[int, int] | None = None
        self._counts: dict[str, int] = {}
        self._by_length: dict[int, list[str]] = {}
        self._answers: OrderedDict[str, str | None] = OrderedDict()
        self._lock = asyncio.Lock()

    async def correct(self, word: str) -> str | None:
        """The word of the catalogue that is most like this one, `None` when none is like enough.

        Up to four letters one mistake is allowed, in longer words two; a mistake is a letter too many, missing, wrong, or
        two neighbours exchanged. Numbers are not corrected.
        """
        if len(word) < SHORTEST or word.isdigit():
            return None
        await self._refresh()
        if word in self._answers:
            self._answers.move_to_end(word)
            return self._answers[word]
        by_length, counts = self._by_length, self._counts
        answer = await asyncio.to_thread(_nearest, word, by_length, counts)
        if by_length is self._by_length:
            self._answers[word] = answer
            if len(self._answers) > REMEMBERED_MAXIMUM:
                self._answers.popitem(last=False)
        return answer

    def remembered(self, word: str) -> str | None:
        """What `correct` said of a word not long ago; also `None` when nobody asked."""
        return None if self._stale() else self._answers.get(word)

    async def _refresh(self) -> None:
        if not self._stale() or (self._lock.locked() and self._signature is not None):
            return  # While somebody reads anew, the words of before will do.
        async with self._lock:
            if not self._stale():
                return
            row = await self._reader.one(
                """
                SELECT count(*) AS words, coalesce(max(changed_at), 0) AS changed_at
                FROM catalogue_vocabulary
                WHERE listings > 0 OR categories > 0
                """
            )
            signature = (0, 0) if row is None else (row["words"], row["changed_at"])
            if signature != self._signature:
                await self._load()
                self._signature = signature
            self._refreshed_at = self._clock()

    def _stale(self) -> bool:
        return self._refreshed_at is None or self._clock() - self._refreshed_at >= self._refresh_seconds

    async def _load(self) -> None:
        # As two texts: hundreds of thousands of rows would hold up everything else in this process.
        row = await self._reader.one(
            """
            SELECT string_agg(word, ' ') AS words, string_agg(uses::text, ' ') AS uses
            FROM (
                SELECT word, listings + categories AS uses
                FROM catalogue_vocabulary
                WHERE listings > 0 OR categories > 0
                ORDER BY listings + categories DESC, word
                LIMIT %(limit)s
            ) AS known
            """,
            {"limit": WORDS_MAXIMUM},
        )
        words, uses = ("", "") if row is None else (row["words"] or "", row["uses"] or "")
        self._counts, self._by_length = await asyncio.to_thread(_shelve, words, uses)
        self._answers.clear()


def _shelve(words: str, uses: str) -> tuple[dict[str, int], dict[int, list[str]]]:
    counts = dict(zip(words.split(" "), map(int, uses.split(" ")), strict=True)) if words else {}
    by_length: dict[int, list[str]] = defaultdict(list)
    for word in counts:
        if not word.isdigit():
            by_length[len(word)].append(word)
    return counts, dict(by_length)


def _nearest(word: str, by_length: dict[int, list[str]], counts: dict[str, int]) -> str | None:
    allowed = 1 if len(word) <= 4 else 2
    found: list[tuple[int, bool, int, str]] = []
    for length in range(max(len(word) - allowed, SHORTEST), len(word) + allowed + 1):
        choices = by_length.get(length)
        if choices:
            found += [
                (int(distance), choice[0] != word[0], -counts[choice], choice)
                for choice, distance, _ in process.extract(
                    word, choices, scorer=OSA.distance, score_cutoff=allowed, limit=None
                )
            ]
    return min(found)[3] if found else None
