"""PostgreSQL arrays in binary form, built in a few joins instead of item by item.

A batch of the command loop is some two dozen arrays of up to a thousand items, which the driver's generic list adapter would
adapt one by one.
"""

import struct
from collections.abc import Sequence
from uuid import UUID

import psycopg
from psycopg.adapt import Dumper
from psycopg.pq import Format

_UUID, _INT4, _INT8, _TEXT, _BYTEA = 2950, 23, 20, 25, 17
_UUID_ARRAY, _INT4_ARRAY, _INT8_ARRAY, _TEXT_ARRAY, _BYTEA_ARRAY = 2951, 1007, 1016, 1009, 1001
_NULL = struct.pack("!i", -1)
_pack_length = struct.Struct("!i").pack


class BinaryArray:
    """An array parameter, ready for the wire."""

    __slots__ = ("payload",)

    def __init__(self, element: int, count: int, payload: bytes, *, nulls: bool = False) -> None:
        """`payload` holds `count` items of type `element`, each after its length."""
        if count == 0:
            self.payload = struct.pack("!iii", 0, 0, element)
        else:
            self.payload = struct.pack("!iiiii", 1, int(nulls), element, count, 1) + payload


class Uuids(BinaryArray):
    """`uuid[]`."""

    def __init__(self, items: Sequence[UUID]) -> None:
        """No item may be missing."""
        prefix = b"\x00\x00\x00\x10"
        super().__init__(_UUID, len(items), b"".join([prefix + item.bytes for item in items]))


class Int4s(BinaryArray):
    """`int[]`."""

    def __init__(self, items: Sequence[int]) -> None:
        """No item may be missing."""
        flat = [part for item in items for part in (4, item)]
        super().__init__(_INT4, len(items), struct.pack(f"!{len(flat)}i", *flat))


class Int8s(BinaryArray):
    """`bigint[]`, items may be missing."""

    def __init__(self, items: Sequence[int | None]) -> None:
        """`None` is NULL."""
        packed = [_NULL if item is None else struct.pack("!iq", 8, item) for item in items]
        super().__init__(_INT8, len(items), b"".join(packed), nulls=None in items)


class Byteas(BinaryArray):
    """`bytea[]`, items may be missing."""

    def __init__(self, items: Sequence[bytes | None]) -> None:
        """`None` is NULL."""
        packed = [_NULL if item is None else _pack_length(len(item)) + item for item in items]
        super().__init__(_BYTEA, len(items), b"".join(packed), nulls=None in items)


class Texts(BinaryArray):
    """`text[]` of items that are UTF-8 already."""

    def __init__(self, items: Sequence[bytes]) -> None:
        """No item may be missing."""
        super().__init__(_TEXT, len(items), b"".join([_pack_length(len(item)) + item for item in items]))


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: BinaryArray) -> bytes:
        return obj.payload


class _UuidsDumper(_ArrayDumper):
    oid = _UUID_ARRAY


class _Int4sDumper(_ArrayDumper):
    oid = _INT4_ARRAY


class _Int8sDumper(_ArrayDumper):
    oid = _INT8_ARRAY


class _TextsDumper(_ArrayDumper):
    oid = _TEXT_ARRAY


class _ByteasDumper(_ArrayDumper):
    oid = _BYTEA_ARRAY


def register(connection: "psycopg.AsyncConnection[object] | psycopg.Connection[object]") -> None:
    """Teach a connection these parameters."""
    connection.adapters.register_dumper(Uuids, _UuidsDumper)
    connection.adapters.register_dumper(Int4s, _Int4sDumper)
    connection.adapters.register_dumper(Int8s, _Int8sDumper)
    connection.adapters.register_dumper(Texts, _TextsDumper)
    connection.adapters.register_dumper(Byteas, _ByteasDumper)
