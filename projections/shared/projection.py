"""What one read model is: tables, the facts that it takes, and how each changes its rows."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import msgspec
import psycopg
from psycopg import sql

from domain.shared.events import DomainEvent, Recorded
from projections.shared.rows import Rows
from projections.shared.table import Table

R = TypeVar("R", bound=msgspec.Struct)


class Batch:
    """The rows of all tables of one projection, during one batch of events."""

    def __init__(
        self,
        tables: Sequence[Table[Any]],
        physical: Mapping[str, str],
        connection: psycopg.Connection[Any] | None,
    ) -> None:
        """`physical` maps the name of a table to that of the generation that is written."""
        self._connection = connection
        self._physical = physical
        self._rows: dict[str, Rows[Any]] = {
            table.name: Rows(table, physical[table.name], connection) for table in tables
        }

    @property
    def is_dry(self) -> bool:
        """Whether this run only finds out which rows to read: what is put is forgotten."""
        return self._connection is None

    def rows(self, table: Table[R]) -> Rows[R]:
        """The rows of one table."""
        return self._rows[table.name]

    def execute(self, statement: str, parameters: Mapping[str, Any]) -> None:
        """A set-based change, for facts that touch rows which no key names (a renamed category).

        `{table}` in the statement stands for a table of this projection by its name. What was folded so far is written
        first, and read anew afterwards.
        """
        if self._connection is None:
            return
        self.flush()
        for rows in self._rows.values():
            rows.forget()
        names = {name: sql.Identifier(physical) for name, physical in self._physical.items()}
        self._connection.execute(sql.SQL(statement).format(**names), parameters)

    def flush(self, *, copy: bool = True) -> int:
        """Write what changed; returns how many rows. COPY cannot be used while a pipeline is open."""
        return sum(rows.flush(copy=copy) for rows in self._rows.values())

    def ask(self, keys: "Batch") -> None:
        """Ask in one query a table for the rows that a dry run of the same events found to be needed."""
        for name, rows in self._rows.items():
            rows.ask(keys._rows[name].asked)

    def receive(self) -> None:
        """Take in what was asked for."""
        for rows in self._rows.values():
            rows.receive()


class Projection:
    """A read model. Subclasses are stateless: all they know is in their rows.

    `project` must be a plain function of one fact and the rows: a rebuild runs it again over all of history. Before each
    batch it is run once dry, with every row unknown, to find out which rows to read; so it changes nothing but rows.
    """

    name: ClassVar[str]
    tables: ClassVar[tuple[Table[Any], ...]]
    events: tuple[type[DomainEvent], ...]
    personal: ClassVar[bool] = False
    """Whether it needs personal data."""

    version: ClassVar[int] = 1
    """Raised when `project` changes its meaning, so that the next migration rebuilds the read model."""

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        raise NotImplementedError

    @classmethod
    def fingerprint(cls) -> str:
        """Names the shape of the tables and the version of the fold."""
        shape = [str(cls.version)]
        for table in cls.tables:
            shape += [table.name, table.columns, ",".join(table.key), ",".join(table.fields)]
            shape += [f"{name} {definition}" for name, definition in sorted(table.indexes.items())]
        return hashlib.sha256("\n".join(shape).encode()).hexdigest()[:16]

    def apply(
        self, events: Sequence[Recorded], connection: psycopg.Connection[Any], physical: Mapping[str, str]
    ) -> int:
        """Fold a batch into the tables of one generation; returns how many rows were written."""
        taken = self.taken(events)
        if not taken:
            return 0
        batch = self.begin(taken, connection, physical)
        self.fold(taken, batch)
        return batch.flush()

    def taken(self, events: Sequence[Recorded]) -> list[Recorded]:
        """Those facts that concern it."""
        return [recorded for recorded in events if isinstance(recorded.event, self.events)]

    def begin(
        self, taken: Sequence[Recorded], connection: psycopg.Connection[Any], physical: Mapping[str, str]
    ) -> Batch:
        """Ask for the rows that facts which concern it will change."""
        dry = Batch(self.tables, physical, None)
        for recorded in taken:
            self.project(dry, recorded)
        batch = Batch(self.tables, physical, connection)
        batch.ask(dry)
        return batch

    def fold(self, taken: Sequence[Recorded], batch: Batch) -> None:
        """Change the rows that were asked for, in memory."""
        batch.receive()
        for recorded in taken:
            self.project(batch, recorded)
