"""The rows that a batch of events changes, folded in memory: each is read once and written once."""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import msgspec
import psycopg

from projections.shared.table import Key, Table

R = TypeVar("R", bound=msgspec.Struct)

COPY_FROM = 50
"""From so many new rows on, COPY is faster than inserts."""


class Rows(Generic[R]):
    """One table, during one batch."""

    def __init__(self, table: Table[R], physical: str, connection: psycopg.Connection[Any] | None) -> None:
        """Without a connection nothing is read: every row is unknown. So the keys of a batch are found out beforehand."""
        self.table = table
        self._physical = physical
        self._connection = connection
        self._rows: dict[Key, R | None] = {}
        self._stored: set[Key] = set()
        self._dirty: set[Key] = set()
        self._answer: psycopg.Cursor[Any] | None = None
        self.asked: set[Key] = set()

    def get(self, *key: Any) -> R | None:
        """A row to look at; `None` when there is none."""
        if self._connection is None:
            self.asked.add(key)
            return None
        if key not in self._rows:
            self.load([key])
        return self._rows[key]

    def change(self, *key: Any) -> R | None:
        """A row to change in place; `None` when there is none."""
        row = self.get(*key)
        if row is not None:
            self._dirty.add(key)
        return row

    def change_or_new(self, make: Callable[[], R], *key: Any) -> R:
        """A row to change in place, made when there is none."""
        row = self.change(*key)
        if row is None:
            row = make()
            self.put(row)
        return row

    def put(self, row: R) -> None:
        """Insert or replace a whole row."""
        key = self.table.key_of(row)
        if self._connection is None:
            self.asked.add(key)
            return
        if key not in self._rows:
            self.load([key])
        self._rows[key] = row
        self._dirty.add(key)

    def add(self, row: R) -> None:
        """Insert a row whose key no row can have had: it is not looked for."""
        if self._connection is None:
            return
        key = self.table.key_of(row)
        self._rows[key] = row
        self._dirty.add(key)

    def delete(self, *key: Any) -> None:
        """Remove a row; nothing happens when there is none."""
        if self._connection is None:
            self.asked.add(key)
            return
        if key not in self._rows:
            self.load([key])
        self._rows[key] = None
        self._dirty.add(key)

    # --- for the runner ------------------------------------------------------------------------------------

    def load(self, keys: Iterable[Key]) -> None:
        """Read rows that are not in memory yet, in one query."""
        self.ask(keys)
        self.receive()

    def ask(self, keys: Iterable[Key]) -> None:
        """Begin a `load`, which `receive` ends; between the two many tables' questions can be under way."""
        wanted = [key for key in keys if key not in self._rows]
        if not wanted or self._connection is None:
            return
        columns = [list(column) for column in zip(*wanted, strict=True)]
        for key in wanted:
            self._rows[key] = None
        self._answer = self._connection.execute(self.table.select(self._physical), columns)

    def receive(self) -> None:
        """Take in the rows that were asked for."""
        if self._answer is None:
            return
        answer, self._answer = self._answer, None
        for values in answer.fetchall():
            row = self.table.row_of(values)
            key = self.table.key_of(row)
            self._rows[key] = row
            self._stored.add(key)

    def flush(self, *, copy: bool = True) -> int:
        """Write what changed; returns how many rows. COPY cannot be used while a pipeline is open."""
        if not self._dirty or self._connection is None:
            return 0
        gone: list[Key] = []
        new: list[R] = []
        changed: list[R] = []
        for key in self._dirty:
            row = self._rows[key]
            if row is None:
                gone.append(key)
            elif key in self._stored:
                changed.append(row)
            else:
                new.append(row)
        with self._connection.cursor() as cursor:
            if gone:
                cursor.executemany(self.table.delete(self._physical), gone)
            if copy and len(changed) >= COPY_FROM:
                # Many at once: replacing them by COPY beats updating them one by one.
                cursor.executemany(
                    self.table.delete(self._physical), [self.table.key_of(row) for row in changed]
                )
                new.extend(changed)
            elif changed:
                cursor.executemany(
                    self.table.upsert(self._physical), [self.table.values(row) for row in changed]
                )
            if copy and len(new) >= COPY_FROM:
                with cursor.copy(self.table.copy(self._physical)) as lines:
                    for row in new:
                        lines.write_row(self.table.values(row))
            elif new:
                cursor.executemany(self.table.upsert(self._physical), [self.table.values(row) for row in new])
        count = len(self._dirty)
        self._stored.difference_update(gone)
        self._stored.update(self.table.key_of(row) for row in new)
        self._dirty.clear()
        return count

    def forget(self) -> None:
        """Drop everything from memory, after a flush."""
        assert not self._dirty, "rows are flushed before they are forgotten"
        self._rows.clear()
        self._stored.clear()
