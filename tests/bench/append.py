"""How many single-event commands a second become durable, beside the `eventsourcing` library's own recorder and pgbench."""

import asyncio
import shutil
import subprocess
import tempfile
import time
import types
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import psycopg
from eventsourcing.persistence import StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore

from application.shared.caller import Caller
from application.shared.command import Command, IdempotencyKey
from application.shared.loop import CommandLoop
from application.shared.store import Kind
from application.shared.unit import Unit
from domain.shared.events import DomainEvent, State
from domain.shared.personal import ERASED, PersonalText
from infrastructure.identity import new_id, utc_now
from infrastructure.memory import settle_memory
from infrastructure.migrations.migrate import migrate
from tests.bench.report import Figure, Peer
from tests.support.stores import postgres_store

WAITERS = 128
COMMANDS = 40_000
PEER_THREADS = 16
PEER_SECONDS = 4.0
TIMES_THE_LIBRARY = 15


class Noted(DomainEvent, frozen=True, kw_only=True):
    """One fact of a realistic size, partly personal."""

    subject_field: ClassVar[str | None] = "author_id"

    author_id: UUID
    amount: int
    text: PersonalText = ERASED


class Note(State, frozen=True, kw_only=True):
    """What is left of it."""

    note_id: UUID
    amount: int

    @property
    def stream_id(self) -> UUID:
        """Its own."""
        return self.note_id


class TakeNote(Command, frozen=True, kw_only=True):
    """Record one fact in a stream of its own."""

    note_id: UUID
    amount: int
    text: str


def take_note(command: TakeNote, unit: Unit) -> Note:
    """One event."""
    noted = Noted(author_id=unit.actor, amount=command.amount, text=command.text)
    return unit.create(Note, command.note_id, [noted])


def evolve(_: Note | None, event: Noted, stream_id: UUID) -> Note:
    """Fold one fact."""
    return Note(note_id=stream_id, amount=event.amount)


def _module() -> types.ModuleType:
    module = types.ModuleType("domain.bench.events")
    Noted.__module__ = module.__name__
    module.Noted = Noted  # type: ignore[attr-defined]
    return module


TEXT = "Four hundred grams of saffron, to be fetched on Thursday at the corner of the bazaar"


async def measure(database_url: str, peer_database_url: str) -> list[Figure]:
    """The loop, then its peers on the same server."""
    ours = await _ours(database_url)
    library = await asyncio.to_thread(_library, peer_database_url)
    figures = [
        Figure(
            "append",
            ours,
            "commands/s",
            Peer(f"library recorder, {PEER_THREADS} threads", library),
            target=TIMES_THE_LIBRARY * library,
        )
    ]
    bare = await asyncio.to_thread(_pgbench, peer_database_url)
    if bare is not None:
        figures.append(
            Figure("append_bare", ours, "commands/s", Peer("pgbench single-row insert", bare), target=bare)
        )
    return figures


async def _ours(database_url: str) -> float:
    with psycopg.connect(database_url, autocommit=True) as connection:
        migrate(connection)
    authors = [new_id() for _ in range(64)]
    async with (
        postgres_store(database_url, [_module()]) as store,
        CommandLoop(
            store,
            handlers={TakeNote: take_note},
            kinds=[Kind("note", Note, evolve)],
            clock=utc_now,
            new_id=new_id,
        ) as loop,
    ):

        async def waiter(number: int, count: int) -> None:
            author = authors[number % len(authors)]
            caller = Caller(actor_id=author, role="customer", ip="203.0.113.7", user_agent="bench/1.0")
            for amount in range(count):
                command = TakeNote(note_id=new_id(), amount=amount, text=TEXT)
                key = IdempotencyKey(author, f"{number}-{amount}-{count}", b"#" * 32)
                await loop.submit(command, caller, key=key)

        await asyncio.gather(*(waiter(number, 10) for number in range(WAITERS)))
        settle_memory()  # as the API process does
        began = time.perf_counter()
        await asyncio.gather(*(waiter(number, COMMANDS // WAITERS) for number in range(WAITERS)))
        return COMMANDS / (time.perf_counter() - began)


def _library(database_url: str) -> float:
    parts = urlsplit(database_url)
    assert parts.hostname is not None
    assert parts.username is not None
    assert parts.password is not None
    datastore = PostgresDatastore(
        parts.path[1:], parts.hostname, parts.port or 5432, parts.username, parts.password,
        pool_size=PEER_THREADS,
    )  # fmt: skip
    recorder = PostgresApplicationRecorder(datastore)
    recorder.create_table()
    state = b"x" * 520

    def work(until: float) -> int:
        count = 0
        while time.perf_counter() < until:
            recorder.insert_events([StoredEvent(uuid4(), 1, "bench.Noted.v1", state)])
            count += 1
        return count

    until = time.perf_counter() + PEER_SECONDS
    began = time.perf_counter()
    with ThreadPoolExecutor(PEER_THREADS) as pool:
        total = sum(pool.map(work, [until] * PEER_THREADS))
    seconds = time.perf_counter() - began
    datastore.close()
    return total / seconds


def _pgbench(database_url: str) -> float | None:
    program = shutil.which("pgbench")
    if program is None:
        return None
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "CREATE TABLE bare (id uuid, version bigint, topic text, state bytea, PRIMARY KEY (id, version))"
        )
    with tempfile.NamedTemporaryFile("w", suffix=".sql", delete=False) as script:
        script.write(
            "INSERT INTO bare VALUES (gen_random_uuid(), 1, 'bench', decode(repeat('78', 520), 'hex'));\n"
        )
    best = 0.0
    for clients in (16, 64):
        command = [
            program,
            "-n",
            "-M",
            "prepared",
            "-f",
            script.name,
            "-c",
            str(clients),
            "-j",
            "2",
            "-T",
            "3",
        ]
        run = subprocess.run(
            [*command, database_url], capture_output=True, text=True, check=False, timeout=60
        )
        for line in run.stdout.splitlines():
            if line.startswith("tps ="):
                best = max(best, float(line.split()[2]))
    Path(script.name).unlink()
    return best or None
