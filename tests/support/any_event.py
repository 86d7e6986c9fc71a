"""Events of any kind: read off their fields, as a strategy for hypothesis or as one fixed example."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from msgspec import inspect

E = TypeVar("E", bound=msgspec.Struct)

LARGEST: Final = 2**53
"""What every JSON reader keeps exactly."""

_TEXT: Final = st.text(st.characters(codec="utf-8"), max_size=40)
_NAMES: Final = st.from_regex(r"[a-z]{1,8}_id", fullmatch=True)
_TIMES: Final = st.datetimes(
    min_value=datetime(1970, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(2999, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)


def any_event(event: type[E]) -> st.SearchStrategy[E]:
    """Events of one class with everything that its types allow."""
    return _strategy(inspect.type_info(event))


def example_of(event: type[E]) -> E:
    """The one example of a class: every field is filled, and those without a value of their own differ."""
    made: E = _example(inspect.type_info(event), "")
    return made


def _strategy(info: inspect.Type) -> st.SearchStrategy[Any]:
    simple: Mapping[type[inspect.Type], st.SearchStrategy[Any]] = {
        inspect.NoneType: st.none(),
        inspect.BoolType: st.booleans(),
        inspect.StrType: _TEXT,
        inspect.IntType: st.integers(-LARGEST, LARGEST),
        inspect.UUIDType: st.uuids(),
        inspect.DateTimeType: _TIMES,
        inspect.DateType: st.dates(),
        inspect.DecimalType: st.decimals(allow_nan=False, allow_infinity=False),
    }
    match info:
        case inspect.Metadata(type=inner):
            return _strategy(inner)
        case inspect.EnumType(cls=members):
            return st.sampled_from(list(members))
        case inspect.UnionType(types=types):
            return st.one_of([_strategy(each) for each in types])
        case inspect.VarTupleType(item_type=item):
            return st.lists(_strategy(item), max_size=3).map(tuple)
        case inspect.DictType(value_type=value):
            return st.dictionaries(_NAMES, _strategy(value), max_size=3)
        case inspect.StructType(cls=struct, fields=fields):
            return st.builds(struct, **{field.name: _strategy(field.type) for field in fields})
        case _:
            return simple[type(info)]


def _example(info: inspect.Type, path: str) -> Any:
    seed = sum(path.encode())
    simple: Mapping[type[inspect.Type], Callable[[], Any]] = {
        inspect.BoolType: lambda: True,
        inspect.StrType: lambda: f"{path} ş✓",
        inspect.IntType: lambda: seed,
        inspect.UUIDType: lambda: UUID(int=(0x0189 << 112) | (0x7 << 76) | (0b10 << 62) | seed),
        inspect.DateTimeType: lambda: datetime(2026, 3, 1, 12, seed % 60, 7, 123_456, tzinfo=UTC),
        inspect.DateType: lambda: date(2026, 3, 1 + seed % 28),
        inspect.DecimalType: lambda: Decimal(seed).scaleb(-2),
    }
    match info:
        case inspect.Metadata(type=inner):
            return _example(inner, path)
        case inspect.EnumType(cls=members):
            return list(members)[-1]
        case inspect.UnionType(types=types):
            return _example(next(each for each in types if not isinstance(each, inspect.NoneType)), path)
        case inspect.VarTupleType(item_type=item):
            return (_example(item, f"{path}.1"), _example(item, f"{path}.2"))
        case inspect.DictType(value_type=value):
            return {"order_id": _example(value, f"{path}.order_id")}
        case inspect.StructType(cls=struct, fields=fields):
            return struct(
                **{
                    field.name: "usd"
                    if field.name == "currency"
                    else _example(field.type, f"{path}.{field.name}".lstrip("."))
                    for field in fields
                }
            )
        case _:
            return simple[type(info)]()
