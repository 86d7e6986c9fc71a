"""The shape of one read model's table, told once: as a struct of its row."""

from collections.abc import Callable
from typing import Any, Final, Generic, TypeVar

import msgspec
from psycopg import sql
from psycopg.types.json import Jsonb

R = TypeVar("R", bound=msgspec.Struct)

Key = tuple[Any, ...]

STATEMENTS_MAXIMUM: Final = 32
"""How many statements a table remembers: four for each generation that is written."""


class Table(Generic[R]):
    """A table whose columns are the fields of `row`, and perhaps generated ones beside them.

    `columns` is the DDL between the parentheses, without the primary key; `indexes` maps a short name to what follows
    `ON table`. Secondary indexes are made after a rebuild has filled the table.
    """

    def __init__(
        self,
        name: str,
        row: type[R],
        *,
        key: tuple[str, ...],
        columns: str,
        indexes: dict[str, str] | None = None,
    ) -> None:
        """`key` names the columns of the primary key, in order."""
        self.name = name
        self.row = row
        self.key = key
        self.columns = columns
        self.indexes = indexes or {}
        fields = msgspec.structs.fields(row)
        self.fields = tuple(field.name for field in fields)
        self._json = tuple(field.name for field in fields if _is_json(field.type))
        self._texts = frozenset(field.name for field in fields if field.type is str)
        unknown = set(key) - set(self.fields)
        if unknown:
            raise TypeError(f"{name}: key {unknown} is no field of {row.__name__}")
        self._statements: dict[tuple[str, str], bytes] = {}
        self._json_types = {field.name: field.type for field in fields if field.name in self._json}

    def key_of(self, row: R) -> Key:
        """The primary key of a row."""
        return tuple(getattr(row, name) for name in self.key)

    def values(self, row: R) -> list[Any]:
        """The row's values in the order of `fields`, ready for the driver."""
        values = [getattr(row, name) for name in self.fields]
        if self._json:
            for at, name in enumerate(self.fields):
                if name in self._json and values[at] is not None:
                    values[at] = Jsonb(values[at], dumps=msgspec.json.encode)
        return values

    def row_of(self, values: tuple[Any, ...]) -> R:
        """A row from what the driver returned for `fields`."""
        if not self._json:
            return self.row(*values)
        converted = [
            msgspec.convert(value, self._json_types[name])
            if name in self._json and value is not None
            else value
            for name, value in zip(self.fields, values, strict=True)
        ]
        return self.row(*converted)

    # --- statements ----------------------------------------------------------------------------------------

    def create(self, physical: str) -> sql.Composed:
        """DDL of the bare table under a physical name."""
        return sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY ({}))").format(
            sql.Identifier(physical),
            sql.SQL(self.columns),
            _names(self.key),
        )

    def create_indexes(self, physical: str, generation: int) -> list[sql.Composed]:
        """DDL of the secondary indexes."""
        return [
            sql.SQL("CREATE INDEX {} ON {} {}").format(
                sql.Identifier(f"{self.name}_g{generation}_{name}"),
                sql.Identifier(physical),
                sql.SQL(definition),
            )
            for name, definition in self.indexes.items()
        ]

    def select(self, physical: str) -> bytes:
        """Rows by a list of keys, given as one array for each column of the key."""
        return self._once(self._select, physical)

    def upsert(self, physical: str) -> bytes:
        """One row, new or changed."""
        return self._once(self._upsert, physical)

    def delete(self, physical: str) -> bytes:
        """One row by its key."""
        return self._once(self._delete, physical)

    def copy(self, physical: str) -> bytes:
        """Many new rows."""
        return self._once(self._copy, physical)

    def _once(self, compose: Callable[[str], sql.Composed], physical: str) -> bytes:
        """A statement, put together once for each table that it is about: that takes longer than to run it."""
        key = (compose.__name__, physical)
        statement = self._statements.get(key)
        if statement is None:
            if len(self._statements) >= STATEMENTS_MAXIMUM:  # one more with each rebuild
                self._statements.clear()
            statement = self._statements[key] = compose(physical).as_bytes(None)
        return statement

    def _select(self, physical: str) -> sql.Composed:
        # The driver sends texts without a type, and PostgreSQL does not guess that of `unnest`.
        arrays = sql.SQL(", ").join(
            sql.SQL("%s::text[]") if name in self._texts else sql.Placeholder() for name in self.key
        )
        join = sql.SQL(" AND ").join(
            sql.SQL("t.{0} = wanted.{0}").format(sql.Identifier(name)) for name in self.key
        )
        if len(self.key) == 1:
            return sql.SQL("SELECT {} FROM {} WHERE {} = ANY(%s)").format(
                _names(self.fields), sql.Identifier(physical), sql.Identifier(self.key[0])
            )
        return sql.SQL("SELECT {} FROM {} AS t JOIN unnest({}) AS wanted ({}) ON {}").format(
            sql.SQL(", ").join(sql.Identifier("t", name) for name in self.fields),
            sql.Identifier(physical),
            arrays,
            _names(self.key),
            join,
        )

    def _upsert(self, physical: str) -> sql.Composed:
        others = [name for name in self.fields if name not in self.key]
        action = (
            sql.SQL("UPDATE SET {}").format(
                sql.SQL(", ").join(
                    sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name)) for name in others
                )
            )
            if others
            else sql.SQL("NOTHING")
        )
        return sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO {}").format(
            sql.Identifier(physical),
            _names(self.fields),
            sql.SQL(", ").join([sql.Placeholder()] * len(self.fields)),
            _names(self.key),
            action,
        )

    def _delete(self, physical: str) -> sql.Composed:
        return sql.SQL("DELETE FROM {} WHERE {}").format(
            sql.Identifier(physical),
            sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in self.key),
        )

    def _copy(self, physical: str) -> sql.Composed:
        return sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(physical), _names(self.fields))


def _names(names: tuple[str, ...]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)


def _is_json(annotation: Any) -> bool:
    """Whether a field is kept as jsonb: structs and collections of them; a list of plain texts is `text[]`."""
    info = msgspec.inspect.type_info(annotation)
    return _json_like(info)


def _json_like(info: msgspec.inspect.Type) -> bool:
    if isinstance(info, msgspec.inspect.UnionType):
        return any(_json_like(part) for part in info.types)
    if isinstance(info, msgspec.inspect.StructType | msgspec.inspect.DictType):
        return True
    if isinstance(info, msgspec.inspect.ListType | msgspec.inspect.VarTupleType | msgspec.inspect.TupleType):
        item = getattr(info, "item_type", None)
        return item is None or not isinstance(
            item, msgspec.inspect.StrType | msgspec.inspect.UUIDType | msgspec.inspect.IntType
        )
    return False
