"""The event store of the command loop: `append` and `load` over asynchronous psycopg."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from application.shared.command import StoreUnavailable
from application.shared.store import NOTHING_KNOWN, UNTOUCHED, Answer, Append, Group, Kind, Prepared, Slot
from infrastructure.database import MARGIN_SECONDS, STATEMENT_SECONDS, ImpatientPool
from infrastructure.event_store import arrays
from infrastructure.event_store.codec import Codec
from infrastructure.event_store.keyring import DataKey
from infrastructure.security.cipher import KeyWrapper

CHANNEL = "daftar_log"
"""On this channel readers are told that the log has grown. A hint only: they also poll."""

HINTS_APART_SECONDS = 0.005
"""Readers are told of what came within so short a time by one hint: each one wakes all of them."""

_NOTIFY = f"NOTIFY {CHANNEL}".encode()

CONNECT_SECONDS = 5
LOCK_SECONDS = 10
"""How long a statement waits for a lock."""

_ANSWER = b"daftar answer to "

APPEND = "SELECT base, lost FROM append({})".format(", ".join(["%b"] * 26))  # noqa: S608 - placeholders only
_LOST = "SELECT lost_groups({})".format(", ".join(["%b"] * 8))

_LOAD = """
    SELECT wanted.id, snapshot.originator_version, snapshot.topic, snapshot.state,
           event.originator_version, event.topic, event.state
    FROM unnest(%b::uuid[], %b::text[], %b::bigint[]) AS wanted (id, shape, known)
    LEFT JOIN stream_snapshots AS snapshot
        ON snapshot.originator_id = wanted.id AND snapshot.topic = wanted.shape
        AND snapshot.originator_version > wanted.known
    LEFT JOIN LATERAL (
        SELECT e.originator_version, e.topic, e.state
        FROM stored_events AS e
        WHERE e.originator_id = wanted.id
            AND e.originator_version > coalesce(snapshot.originator_version, wanted.known)
    ) AS event ON true
    ORDER BY wanted.id, event.originator_version
"""

_FORGET = "SELECT forget_people(%b)"

_FIND_CREDENTIAL = """
    SELECT owner_id, value FROM credentials WHERE name = %s AND substring(value FROM 1 FOR 32) = %s
"""

_SNAPSHOT = """
    INSERT INTO stream_snapshots (originator_id, originator_version, topic, state)
    SELECT * FROM unnest(%b::uuid[], %b::bigint[], %b::text[], %b::bytea[])
    ON CONFLICT (originator_id) DO UPDATE SET
        originator_version = excluded.originator_version, topic = excluded.topic, state = excluded.state
    WHERE stream_snapshots.originator_version < excluded.originator_version
        OR stream_snapshots.topic <> excluded.topic
"""


def answer_seal(scope: UUID) -> bytes:
    """What the seal of a kept answer is bound to, besides the key: whose it is."""
    return _ANSWER + scope.bytes


@asynccontextmanager
async def store_errors() -> AsyncIterator[None]:
    """Turn the driver's outages into the port's; everything else is a bug and stays one."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed) as error:
        raise StoreUnavailable("The event store cannot be reached.", retry_after_seconds=1) from error


async def open_pool(
    database_url: str,
    *,
    min_size: int = 2,
    max_size: int = 20,
    name: str = "daftar",
    wait_seconds: float = 10.0,
    statement_seconds: int = STATEMENT_SECONDS,
) -> AsyncConnectionPool[psycopg.AsyncConnection[Any]]:
    """Connections in autocommit mode that give up on a statement after so many seconds, and soon after on the server."""

    async def configure(connection: psycopg.AsyncConnection[Any]) -> None:
        arrays.register(connection)

    pool = ImpatientPool(
        database_url,
        name=name,
        min_size=min_size,
        max_size=max_size,
        kwargs={
            "autocommit": True,
            "application_name": name,
            "connect_timeout": min(CONNECT_SECONDS, statement_seconds),
            "options": f"-c statement_timeout={statement_seconds}s -c lock_timeout={LOCK_SECONDS}s",
            "answer_seconds": statement_seconds + MARGIN_SECONDS,
        },
        configure=configure,
    )
    async with store_errors():
        await pool.open(wait=True, timeout=wait_seconds)
    return pool


class _Encoded(msgspec.Struct, frozen=True, gc=False):
    """What `append` sends, the keys that it makes (person -> group, key, wrapped key), and whom it erases (group, person)."""

    parameters: tuple[arrays.BinaryArray, ...]
    fresh: Mapping[UUID, tuple[int, DataKey, str]]
    erasures: Sequence[tuple[int, UUID]] = ()


class PostgresEventStore:
    """Implements `application.shared.store.EventStore` on PostgreSQL 15 or newer."""

    def __init__(
        self,
        pool: AsyncConnectionPool[psycopg.AsyncConnection[Any]],
        codec: Codec,
        wrapper: KeyWrapper,
        kinds: Iterable[Kind[Any]] = (),
    ) -> None:
        """`wrapper` seals kept answers, which may hold personal data.

        `kinds` tell streams apart by their events. Ids come from callers, who may name an order where a listing is
        meant; folding it as a listing would fail, and with it everybody whose command is decided in the same batch.
        """
        self._pool = pool
        self._kind_of = {event: kind for kind in kinds for event in kind.events}
        self._codec = codec
        self._wrapper = wrapper
        self._notifying: asyncio.Task[None] | None = None
        self._notify_again = False

    @property
    def pool(self) -> AsyncConnectionPool[psycopg.AsyncConnection[Any]]:
        """The connections, for what stands beside the log in the same database."""
        return self._pool

    # --- reading -------------------------------------------------------------------------------------------

    async def load(
        self, streams: Mapping[UUID, Kind[Any]], known: Mapping[UUID, Slot] = NOTHING_KNOWN
    ) -> dict[UUID, Slot]:
        """Fold each stream from what is known of it, or its snapshot of the right shape, and the events after it."""
        codec = self._codec
        wanted = (
            arrays.Uuids(list(streams)),
            arrays.Texts([codec.fingerprint(kind).encode() for kind in streams.values()]),
            arrays.Int8s([known.get(stream_id, UNTOUCHED).version for stream_id in streams]),
        )
        async with store_errors(), self._pool.connection() as connection:
            cursor = connection.cursor(binary=True)
            await cursor.execute(_LOAD, wanted, prepare=True)
            rows = await cursor.fetchall()
            subjects = {subject for row in rows for state in (row[3], row[6]) if state is not None
                        if (subject := codec.subject_of(state)) is not None}  # fmt: skip
            await codec.keyring.load(connection, subjects)
        slots: dict[UUID, Slot] = {}
        for stream_id, snapshot_version, _, snapshot, version, topic, state in rows:
            kind = streams[stream_id]
            slot = slots.get(stream_id)
            if slot is None:
                slot = (
                    Slot(codec.decode_state(kind, snapshot, stream_id, snapshot_version), snapshot_version)
                    if snapshot is not None
                    else known.get(stream_id, UNTOUCHED)
                )
            if version is not None:
                event = codec.decode(topic, state, stream_id, version)
                kind = self._kind_of.get(type(event), kind)
                slot = Slot(kind.evolve(slot.state, event, stream_id), version)
            slots[stream_id] = slot
        return slots

    async def answers(self, keys: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], Answer]:
        """Kept answers of the last 24 hours."""
        if not keys:
            return {}
        async with store_errors(), self._pool.connection() as connection:
            cursor = await connection.execute(
                """
                SELECT a.scope, a.key, a.request_hash, a.result, a.stream_version, a.position
                FROM unnest(%s::uuid[], %s::text[]) AS k (scope, key)
                JOIN command_answers AS a ON a.scope = k.scope AND a.key = k.key
                WHERE a.recorded_at > now() - interval '24 hours'
                """,
                ([scope for scope, _ in keys], [key for _, key in keys]),
            )
            rows = await cursor.fetchall()
        return {
            (scope, key): Answer(
                scope=scope,
                key=key,
                request_hash=bytes(request_hash),
                result=self._wrapper.open(result, answer_seal(scope)),
                version=version,
                position=position,
            )
            for scope, key, request_hash, result, version, position in rows
        }

    async def credential(self, owner_id: UUID, name: str) -> bytes | None:
        """A secret kept beside the log."""
        async with store_errors(), self._pool.connection() as connection:
            cursor = await connection.execute(
                "SELECT value FROM credentials WHERE owner_id = %s AND name = %s", (owner_id, name)
            )
            row = await cursor.fetchone()
        return None if row is None else bytes(row[0])

    async def find_credential(self, name: str, beginning: bytes) -> tuple[UUID, bytes] | None:
        """Whose secret of this name begins with these 32 bytes (a digest), and the whole of it."""
        async with store_errors(), self._pool.connection() as connection:
            cursor = await connection.execute(_FIND_CREDENTIAL, (name, beginning))
            row = await cursor.fetchone()
        return None if row is None else (row[0], bytes(row[1]))

    async def head(self) -> int:
        """The position of the newest event, 0 when there is none."""
        async with store_errors(), self._pool.connection() as connection:
            cursor = await connection.execute("SELECT position FROM log_head")
            row = await cursor.fetchone()
        if row is None:
            raise StoreUnavailable("The event store has no schema yet; run `daftar migrate`.")
        return int(row[0])

    # --- writing -------------------------------------------------------------------------------------------

    async def prepare(self, groups: Sequence[Group]) -> Prepared:
        """Seal and encode; makes keys for people who have none yet, which the append then keeps."""
        if not any(group.writes for group in groups):
            return Prepared(groups)
        fresh = await self._make_keys_ready(groups)
        erasures = [(number, person) for number, group in enumerate(groups) for person in group.erasures]
        return Prepared(groups, _Encoded(self._parameters(groups, fresh), fresh, erasures))

    async def append(self, prepared: Prepared) -> list[int | None]:
        """One call, one commit. Groups that only ask whether their checks hold take no lock."""
        async with store_errors(), self._pool.connection() as connection:
            written = await self._append_over(connection, prepared)
        return self._written(prepared, *written)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Append]:
        """Hold the head of the log, for which every append has to wait."""
        done: list[tuple[Prepared, int, set[int]]] = []
        async with store_errors(), self._pool.connection() as connection:

            async def append(prepared: Prepared) -> list[int | None]:
                base, lost = await self._append_over(connection, prepared)
                done.append((prepared, base, lost))
                return _positions(prepared, base, lost)

            async with connection.transaction():
                await connection.execute("SELECT FROM log_head FOR UPDATE")
                yield append
        for written in done:
            self._written(*written)

    async def _append_over(
        self, connection: psycopg.AsyncConnection[Any], prepared: Prepared
    ) -> tuple[int, set[int]]:
        """Write, or check; the position before the first event, and the numbers of the groups that were lost."""
        encoded = prepared.encoded
        if encoded is None:
            return 0, await self._check(connection, prepared.groups)
        assert isinstance(encoded, _Encoded), "prepared by another store"
        if not encoded.erasures:
            return await self._write(connection, encoded)
        async with connection.transaction():
            base, lost = await self._write(connection, encoded)
            await self._erase(connection, [one for group, one in encoded.erasures if group not in lost])
        return base, lost

    def _written(self, prepared: Prepared, base: int, lost: set[int]) -> list[int | None]:
        """What follows from an append that is durable."""
        groups, encoded = prepared.groups, prepared.encoded
        if encoded is None:
            return _positions(prepared, base, lost)
        positions = _positions(prepared, base, lost)
        for number, key, _ in encoded.fresh.values():
            if number not in lost:
                self._codec.keyring.remember(key)
        for number, person in encoded.erasures:
            if number not in lost:
                self._codec.keyring.destroyed(person)
        if any(group.events for number, group in enumerate(groups) if number not in lost):
            self._tell_readers()
        return positions

    async def _write(
        self, connection: psycopg.AsyncConnection[Any], encoded: _Encoded
    ) -> tuple[int, set[int]]:
        """The position before the first event that was written, and the groups that were left out."""
        cursor = connection.cursor(binary=True)
        await cursor.execute(APPEND, encoded.parameters, prepare=True)
        row = await cursor.fetchone()
        assert row is not None, "append() returns one row"
        return row[0], set(row[1])

    async def _erase(self, connection: psycopg.AsyncConnection[Any], people: Sequence[UUID]) -> None:
        """Destroy keys, credentials and kept answers, still under the head's lock: no group can come in between."""
        await connection.cursor(binary=True).execute(_FORGET, (arrays.Uuids(people),))

    async def _check(self, connection: psycopg.AsyncConnection[Any], groups: Sequence[Group]) -> set[int]:
        cursor = connection.cursor(binary=True)
        await cursor.execute(
            _LOST, (*_checks(groups), *_keys(groups), arrays.Int4s(()), arrays.Uuids(())), prepare=True
        )
        row = await cursor.fetchone()
        return set(row[0] or ()) if row is not None else set()

    async def _make_keys_ready(self, groups: Sequence[Group]) -> dict[UUID, tuple[int, DataKey, str]]:
        """Load the keys that the groups' events need; make those that no one has yet (person -> group, key, wrapped)."""
        codec = self._codec
        wanted: dict[UUID, int] = {}
        for number, group in enumerate(groups):
            for new in group.events:
                subject = codec.subject(new.event, new.stream_id)
                if subject is not None:
                    wanted.setdefault(subject, number)
            for actor in {new.envelope.metadata.actor_id for new in group.events}:
                if actor is not None:
                    wanted.setdefault(actor, number)
        missing = codec.keyring.missing(wanted)
        if missing:
            async with store_errors(), self._pool.connection() as connection:
                await codec.keyring.load(connection, missing)
        return {
            subject: (wanted[subject], *codec.keyring.create(subject))
            for subject in missing
            if not codec.keyring.knows(subject)
        }

    def _parameters(
        self, groups: Sequence[Group], fresh: Mapping[UUID, tuple[int, DataKey, str]]
    ) -> tuple[arrays.BinaryArray, ...]:
        codec = self._codec

        def key_of(subject: UUID | None) -> DataKey | None:
            if subject is None:
                return None
            made = fresh.get(subject)
            return made[1] if made is not None else codec.keyring.get(subject)

        event_group: list[int] = []
        streams: list[UUID] = []
        versions: list[int] = []
        names: list[bytes] = []
        states: list[bytes] = []
        metadata: list[bytes] = []
        answers: list[tuple[int, Answer, int]] = []
        for number, group in enumerate(groups):
            before = len(event_group)
            envelope: Any = None
            encoded_envelope = b""
            for new in group.events:
                if new.envelope is not envelope:
                    envelope = new.envelope
                    encoded_envelope = codec.encode_metadata(envelope, key_of(envelope.metadata.actor_id))
                name, state = codec.encode(
                    new.event, new.stream_id, new.version, key_of(codec.subject(new.event, new.stream_id))
                )
                event_group.append(number)
                streams.append(new.stream_id)
                versions.append(new.version)
                names.append(name)
                states.append(state)
                metadata.append(encoded_envelope)
            answers.extend((number, answer, before + answer.position) for answer in group.answers)
        credentials = [(number, c) for number, group in enumerate(groups) for c in group.credentials]
        made = list(fresh.values())
        return (
            *_checks(groups),
            *_keys(groups),
            arrays.Int4s([number for number, _, _ in made]),
            arrays.Uuids([key.subject_id for _, key, _ in made]),
            arrays.Texts([wrapped.encode() for _, _, wrapped in made]),
            arrays.Int4s(event_group),
            arrays.Uuids(streams),
            arrays.Int8s(versions),
            arrays.Texts(names),
            arrays.Byteas(states),
            arrays.Texts(metadata),
            arrays.Int4s([number for number, _, _ in answers]),
            arrays.Uuids([answer.scope for _, answer, _ in answers]),
            arrays.Texts([answer.key.encode() for _, answer, _ in answers]),
            arrays.Byteas([answer.request_hash for _, answer, _ in answers]),
            arrays.Texts(
                [self._wrapper.seal(a.result, answer_seal(a.scope)).encode() for _, a, _ in answers]
            ),
            arrays.Int8s([answer.version for _, answer, _ in answers]),
            arrays.Int4s([end for _, _, end in answers]),
            arrays.Int4s([number for number, _ in credentials]),
            arrays.Uuids([credential.owner_id for _, credential in credentials]),
            arrays.Texts([credential.name.encode() for _, credential in credentials]),
            arrays.Byteas([credential.value for _, credential in credentials]),
        )

    async def lease_numbers(self, series: str, count: int) -> int:
        """Advance a counter in a commit of its own, so that nobody waits for it."""
        async with store_errors(), self._pool.connection() as connection:
            cursor = await connection.execute(
                """
                INSERT INTO number_series AS s (series, next) VALUES (%(series)s, 1 + %(count)s)
                ON CONFLICT (series) DO UPDATE SET next = s.next + %(count)s
                RETURNING next - %(count)s
                """,
                {"series": series, "count": count},
            )
            row = await cursor.fetchone()
        assert row is not None, "an upsert with RETURNING returns a row"
        return int(row[0])

    async def return_numbers(self, series: str, first: int, last: int) -> None:
        """Set the counter back to `first`, if it still stands right behind `last`."""
        async with store_errors(), self._pool.connection() as connection:
            await connection.execute(
                "UPDATE number_series SET next = %s WHERE series = %s AND next = %s",
                (first, series, last + 1),
            )

    async def keep_snapshots(self, states: Sequence[tuple[UUID, Kind[Any], Slot]]) -> None:
        """The newest of each stream wins."""
        rows = [
            (stream_id, slot.version, self._codec.fingerprint(kind).encode(), encoded)
            for stream_id, (kind, slot) in {s[0]: (s[1], s[2]) for s in states}.items()
            if slot.state is not None
            and (encoded := self._codec.encode_state(slot.state, slot.version)) is not None
        ]
        async with store_errors(), self._pool.connection() as connection:
            await connection.execute(
                _SNAPSHOT,
                (
                    arrays.Uuids([row[0] for row in rows]),
                    arrays.Int8s([row[1] for row in rows]),
                    arrays.Texts([row[2] for row in rows]),
                    arrays.Byteas([row[3] for row in rows]),
                ),
            )

    async def forget_old_answers(self, *, lock: int) -> int:
        """Delete answers kept for longer than 24 hours; returns how many: none when another process is at it.

        `lock` is the number of the advisory lock that only one of them gets.
        """
        async with store_errors(), self._pool.connection() as connection:
            cursor = await connection.execute(
                """
                DELETE FROM command_answers
                WHERE recorded_at < now() - interval '24 hours' AND (SELECT pg_try_advisory_xact_lock(%s))
                """,
                (lock,),
            )
        return cursor.rowcount

    def forget_person(self, subject_id: UUID) -> None:
        """Drop the open key of somebody whom another process erased: what this one reads from now on is without them."""
        self._codec.keyring.destroyed(subject_id)

    def forget_people(self) -> None:
        """Drop all open keys: whom other processes have erased meanwhile is not known."""
        self._codec.keyring.forget_all()

    # --- waking readers ------------------------------------------------------------------------------------

    def _tell_readers(self) -> None:
        # One notification at a time, outside the append: inside, it would take a lock of the whole cluster at each commit.
        if self._notifying is not None and not self._notifying.done():
            self._notify_again = True
            return
        self._notifying = asyncio.create_task(self._notify(), name="notify-readers")

    async def _notify(self) -> None:
        self._notify_again = True
        while self._notify_again:
            self._notify_again = False
            try:
                async with self._pool.connection() as connection:
                    await connection.execute(_NOTIFY)
            except (psycopg.Error, PoolTimeout, PoolClosed):
                return  # A hint only: readers poll, too.
            await asyncio.sleep(HINTS_APART_SECONDS)

    async def aclose(self) -> None:
        """Wait for the last hint; the pool belongs to who opened it."""
        if self._notifying is not None:
            await self._notifying


def _positions(prepared: Prepared, base: int, lost: set[int]) -> list[int | None]:
    """Of the first event of each group, or `None`."""
    positions: list[int | None] = []
    position = base
    for number, group in enumerate(prepared.groups):
        if number in lost:
            positions.append(None)
            continue
        positions.append(position + 1)
        position += len(group.events)
    return positions


def _checks(groups: Sequence[Group]) -> tuple[arrays.BinaryArray, ...]:
    numbers: list[int] = []
    streams: list[UUID] = []
    versions: list[int] = []
    for number, group in enumerate(groups):
        numbers.extend([number] * len(group.checks))
        streams.extend(group.checks)
        versions.extend(group.checks.values())
    return arrays.Int4s(numbers), arrays.Uuids(streams), arrays.Int8s(versions)


def _keys(groups: Sequence[Group]) -> tuple[arrays.BinaryArray, ...]:
    keys = [(number, scope, key) for number, group in enumerate(groups) for scope, key in group.keys]
    return (
        arrays.Int4s([number for number, _, _ in keys]),
        arrays.Uuids([scope for _, scope, _ in keys]),
        arrays.Texts([key.encode() for _, _, key in keys]),
    )
