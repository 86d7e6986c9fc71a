"""Every read model of the product, followed fact by fact: in memory, or in the real tables."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from domain.shared.events import Recorded
from projections.listings.catalogue_search import CATALOGUE_SEARCH, CATALOGUE_TEXT
from projections.shared import runner
from projections.shared.log import EventLog
from projections.shared.projection import Projection
from projections.shared.rebuild import rebuild
from projections.shared.runner import ProjectionRunner
from projections.shared.table import Key, Table

Shown = dict[str, dict[Key, Any]]
"""All rows by their keys, by table."""


class _Answer:
    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows


class _Copy:
    def __init__(self, connection: "TablesInMemory", table: Table[Any]) -> None:
        self._connection = connection
        self._table = table

    def write_row(self, values: Sequence[Any]) -> None:
        self._connection.put(self._table, values, new=True)


class TablesInMemory:
    """As much of a database connection as `Projection.apply` needs: it knows the statements of `Table` by their text."""

    def __init__(self, projections: Iterable[Projection]) -> None:
        self.rows: dict[str, dict[Key, tuple[Any, ...]]] = {}
        self._statements: dict[bytes, tuple[str, Table[Any]]] = {}
        for projection in projections:
            for table in projection.tables:
                self.rows[table.name] = {}
                for what in ("select", "upsert", "delete", "copy"):
                    self._statements[getattr(table, what)(table.name)] = (what, table)

    def cursor(self) -> "TablesInMemory":
        return self

    def __enter__(self) -> "TablesInMemory":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, statement: bytes | sql.Composed, parameters: Any) -> _Answer:
        if isinstance(statement, sql.Composed):
            self._rename_category(statement.as_string(None), parameters)
            return _Answer([])
        what, table = self._statements[statement]
        assert what == "select"
        rows = self.rows[table.name]
        keys = zip(*parameters, strict=True)
        return _Answer([rows[key] for key in keys if key in rows])

    def executemany(self, statement: bytes, many: Iterable[Sequence[Any]]) -> None:
        what, table = self._statements[statement]
        for values in many:
            if what == "delete":
                self.rows[table.name].pop(tuple(values), None)
            else:
                self.put(table, values)

    @contextmanager
    def copy(self, statement: bytes) -> Iterator[_Copy]:
        what, table = self._statements[statement]
        assert what == "copy"
        yield _Copy(self, table)

    def put(self, table: Table[Any], values: Sequence[Any], *, new: bool = False) -> None:
        """A row as the driver gets it; jsonb goes through JSON, as it does there."""
        kept = tuple(
            msgspec.json.decode(msgspec.json.encode(value.obj)) if isinstance(value, Jsonb) else value
            for value in values
        )
        key = tuple(kept[table.fields.index(name)] for name in table.key)
        assert not (new and key in self.rows[table.name]), f"{table.name}: COPY of a row that is there"
        self.rows[table.name][key] = kept

    def _rename_category(self, text: str, parameters: Mapping[str, Any]) -> None:
        """The two statements of the catalogue that touch rows which no key names."""
        filed = CATALOGUE_SEARCH.fields.index("category_id")
        facts = self.rows[CATALOGUE_SEARCH.name]
        keys = [key for key, row in facts.items() if row[filed] == parameters["category_id"]]
        if 'UPDATE "catalogue_text"' in text:
            self._set(CATALOGUE_TEXT, keys, "category_words", parameters["words"])
        else:
            assert 'UPDATE "catalogue_search" SET category_id = NULL' in text, text
            self._set(CATALOGUE_SEARCH, keys, "category_id", None)

    def _set(self, table: Table[Any], keys: Iterable[Key], field: str, value: Any) -> None:
        at = table.fields.index(field)
        rows = self.rows[table.name]
        for key in keys:
            rows[key] = (*rows[key][:at], value, *rows[key][at + 1 :])


class ScreensInMemory:
    """All read models over tables in memory."""

    def __init__(self, projections: Sequence[Projection]) -> None:
        self._projections = projections
        self._tables = TablesInMemory(projections)
        self._position = 0

    def follow(self, log: Sequence[Recorded], count: int, projector: int = 0) -> None:
        """Apply the next facts of the log, so many, as one batch."""
        connection: Any = self._tables
        events = log[self._position : self._position + count]
        for projection in self._projections:
            projection.apply(events, connection, {table.name: table.name for table in projection.tables})
        self._position += len(events)

    def rebuild(self, which: int) -> None:
        """There is nothing to swap in memory."""

    def shown(self) -> Shown:
        """All rows."""
        return {
            table.name: {key: table.row_of(values) for key, values in self._tables.rows[table.name].items()}
            for projection in self._projections
            for table in projection.tables
        }


class ScreensInPostgres:
    """All read models in their live tables, kept by two projectors of the product's own."""

    def __init__(
        self,
        projections: Sequence[Projection],
        connection: psycopg.Connection[Any],
        logs: Sequence[EventLog],
        patch: pytest.MonkeyPatch,
    ) -> None:
        """`connection` is for looking, rebuilding and the first projector; `logs` are one for each."""
        self._projections = projections
        self._connection = connection
        self._log = logs[0]
        self._patch = patch
        self._projectors = [
            ProjectionRunner(projections, log, connection, on_error=self._fail) for log in logs
        ]

    def _fail(self, name: str, error: Exception) -> None:
        raise AssertionError(f"read model {name} does not take what happened") from error

    def follow(self, log: Sequence[Recorded], count: int, projector: int = 0) -> None:
        """One projector catches up, so many positions at a time."""
        self._patch.setattr(runner, "LIVE_BATCH", count)
        assert self._projectors[projector % len(self._projectors)].catch_up() == len(log)

    def rebuild(self, which: int) -> None:
        """Rebuild one of them while the others serve."""
        rebuild(self._connection, self._projections[which % len(self._projections)], self._log)

    def shown(self) -> Shown:
        """All rows."""
        shown: Shown = {}
        for projection in self._projections:
            for table in projection.tables:
                names = sql.SQL(", ").join(map(sql.Identifier, table.fields))
                rows = self._connection.execute(
                    sql.SQL("SELECT {} FROM {}").format(names, sql.Identifier(table.name))
                ).fetchall()
                shown[table.name] = {table.key_of(row): row for row in map(table.row_of, rows)}
        return shown
