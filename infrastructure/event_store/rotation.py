"""A new key of the house: what the old ones sealed is sealed anew, while the shop is open (requirements ES-17, SEC-17).

The house key (`ENCRYPTION_KEY`) seals two things: the data keys of people, and the answers that are kept for repeats. What a data
key has sealed stays as it is. A row is replaced only where it still holds what was read: whoever was erased meanwhile stays so.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
import psycopg
from psycopg import sql

from infrastructure.event_store.postgres import answer_seal
from infrastructure.security.cipher import KeyWrapper, SealBroken

BATCH: Final = 1_000
"""Rows that are locked together, for some hundredths of a second."""

_NEXT_KEYS: Final = """
    SELECT subject_id, wrapped
    FROM data_keys
    WHERE wrapped IS NOT NULL AND NOT starts_with(wrapped, %(current)s) AND subject_id > %(after)s
    ORDER BY subject_id
    LIMIT %(limit)s
"""
_REPLACE_KEYS: Final = """
    UPDATE data_keys AS kept
    SET wrapped = rotated.new
    FROM unnest(%(subjects)s::uuid[], %(old)s::text[], %(new)s::text[]) AS rotated (subject_id, old, new)
    WHERE kept.subject_id = rotated.subject_id AND kept.wrapped = rotated.old
"""
_NEXT_ANSWERS: Final = """
    SELECT scope, key, result
    FROM command_answers
    WHERE NOT starts_with(result, %(current)s) AND (scope, key) > (%(scope)s, %(key)s)
    ORDER BY scope, key
    LIMIT %(limit)s
"""
_REPLACE_ANSWERS: Final = """
    UPDATE command_answers AS kept
    SET result = rotated.new
    FROM unnest(%(scopes)s::uuid[], %(keys)s::text[], %(old)s::text[], %(new)s::text[])
        AS rotated (scope, key, old, new)
    WHERE kept.scope = rotated.scope AND kept.key = rotated.key AND kept.result = rotated.old
"""
_BY_KEY: Final = """
    SELECT left({column}, 8) AS key_id, count(*) AS count
    FROM {table}
    WHERE {column} IS NOT NULL
    GROUP BY 1
    ORDER BY 1
"""

_FIRST: Final = UUID(int=0)


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """How much is sealed by one house key: `key_id` is the beginning of its SHA-256.

    `known` says whether the settings have it, `current` whether new things are sealed by it.
    """

    key_id: str
    data_keys: int
    answers: int
    known: bool
    current: bool


class Rotated(msgspec.Struct, frozen=True, kw_only=True):
    """What one pass has sealed anew, and how much it had to leave, since no key of the settings opens it."""

    data_keys: int = 0
    answers: int = 0
    left: int = 0


OnProgress = Callable[[int], None]
"""Told how many more are done."""


def sealed_by_key(connection: psycopg.Connection[Any], wrapper: KeyWrapper) -> list[Sealed]:
    """By which keys of the house everything is sealed."""
    data_keys = _count(connection, "data_keys", "wrapped")
    answers = _count(connection, "command_answers", "result")
    return [
        Sealed(
            key_id=key_id,
            data_keys=data_keys.get(key_id, 0),
            answers=answers.get(key_id, 0),
            known=wrapper.knows(key_id),
            current=key_id == wrapper.current_key_id,
        )
        for key_id in sorted({*data_keys, *answers, wrapper.current_key_id})
    ]


def rotate(
    connection: psycopg.Connection[Any],
    wrapper: KeyWrapper,
    *,
    batch: int = BATCH,
    on_progress: OnProgress = lambda _: None,
) -> Rotated:
    """Seal everything by the current key, in batches, each in a commit of its own. Safe to interrupt and to do again.

    Processes that still have the old settings may seal by the old key meanwhile: do it again when none is left.
    """
    data_keys, left = _rotate_data_keys(connection, wrapper, batch, on_progress)
    answers, more_left = _rotate_answers(connection, wrapper, batch, on_progress)
    return Rotated(data_keys=data_keys, answers=answers, left=left + more_left)


def _rotate_data_keys(
    connection: psycopg.Connection[Any], wrapper: KeyWrapper, batch: int, on_progress: OnProgress
) -> tuple[int, int]:
    done = left = 0
    after = _FIRST
    while True:
        wanted = {"current": f"{wrapper.current_key_id}:", "after": after, "limit": batch}
        rows = connection.execute(_NEXT_KEYS, wanted).fetchall()
        if not rows:
            return done, left
        opened: list[tuple[UUID, str, str]] = []
        for subject_id, old in rows:
            try:
                opened.append((subject_id, old, wrapper.rewrap(old, subject_id)))
            except SealBroken:
                left += 1
        subjects, olds, news = _columns(opened, 3)
        cursor = connection.execute(_REPLACE_KEYS, {"subjects": subjects, "old": olds, "new": news})
        done += cursor.rowcount
        on_progress(len(rows))
        after = rows[-1][0]


def _rotate_answers(
    connection: psycopg.Connection[Any], wrapper: KeyWrapper, batch: int, on_progress: OnProgress
) -> tuple[int, int]:
    done = left = 0
    scope, key = _FIRST, ""
    while True:
        wanted = {"current": f"{wrapper.current_key_id}:", "scope": scope, "key": key, "limit": batch}
        rows = connection.execute(_NEXT_ANSWERS, wanted).fetchall()
        if not rows:
            return done, left
        opened: list[tuple[UUID, str, str, str]] = []
        for whose, name, old in rows:
            bound = answer_seal(whose)
            try:
                opened.append((whose, name, old, wrapper.seal(wrapper.open(old, bound), bound)))
            except SealBroken:
                left += 1
        scopes, keys, olds, news = _columns(opened, 4)
        cursor = connection.execute(
            _REPLACE_ANSWERS, {"scopes": scopes, "keys": keys, "old": olds, "new": news}
        )
        done += cursor.rowcount
        on_progress(len(rows))
        scope, key = rows[-1][0], rows[-1][1]


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [[row[at] for row in rows] for at in range(width)]


def _count(connection: psycopg.Connection[Any], table: str, column: str) -> dict[str, int]:
    statement = sql.SQL(_BY_KEY).format(table=sql.Identifier(table), column=sql.Identifier(column))
    return dict(connection.execute(statement).fetchall())
