"""The command loop: one writer in each process, instead of locks and retries (design §4, ADR 0001).

While one batch commits, the next one is decided on top of it and made ready, and a third gathers. A batch is written only
after all of the one before it stood; if a part of that did not, it is decided again. States are cached by stream and
advance only after the commit. The store checks the version of every stream that a decision looked at, so that answers,
refusals among them, are true also when other processes write: a stale cache is found out, reloaded and decided again.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from application.shared.bounded import forget_oldest
from application.shared.caller import Caller
from application.shared.command import (
    Command,
    ConcurrencyConflict,
    Done,
    IdempotencyInProgress,
    IdempotencyKey,
    IdempotencyKeyReused,
    Outcome,
    Overloaded,
    StaleVersion,
    StoreUnavailable,
    Unavailable,
)
from application.shared.ports import Clock, NewId
from application.shared.store import Answer, Envelope, EventStore, Group, Kind, NewEvent, Prepared, Slot
from application.shared.unit import Miss, NumberMiss, Unit
from domain.shared.errors import DomainError
from domain.shared.events import Metadata, State

MAX_ATTEMPTS = 5
"""How often a lost race is decided again (requirements ES-02)."""

FAIR_ATTEMPTS = 2
"""After so many lost races the next decision is made while nobody else can write."""

MAX_MISSES = 64
"""How many rounds of loading one run of a handler may ask for; more is a bug in the handler."""

UNDIVIDED = 16
"""So many waiting commands are not worth two commits."""

NUMBERS_AT_ONCE = 64
"""How many numbers of a series are leased at least; what is left of a lease is lost when a process dies."""

BATCHES_OF_NUMBERS = 8
"""A lease lasts for so many batches like the one that asked for it."""

FORGOTTEN_REMEMBERED = 10_000
"""Of so many people who were forgotten last no state is kept in memory, whatever was decided while they were."""

Handler = Callable[[Any, Unit], Any]


class LoopStatistics(msgspec.Struct):
    """Counters since the loop was made, for metrics."""

    commands: int = 0
    refusals: int = 0
    events: int = 0
    batches: int = 0
    conflicts: int = 0
    loads: int = 0
    reruns: int = 0
    largest_batch: int = 0


class _Entry:
    """One submitted command on its way through the loop."""

    __slots__ = (
        "attempts",
        "caller",
        "command",
        "command_id",
        "expected_version",
        "future",
        "key",
        "now",
        "outcome",
        "release",
        "unit",
    )

    def __init__(
        self,
        command: Command,
        caller: Caller,
        key: IdempotencyKey | None,
        expected_version: int | None,
        now: datetime,
        command_id: UUID,
        future: "asyncio.Future[Done[Any]]",
    ) -> None:
        self.command = command
        self.caller = caller
        self.key = key
        self.expected_version = expected_version
        self.now = now
        self.command_id = command_id
        self.future = future
        self.attempts = 0
        self.unit: Unit | None = None
        self.outcome: Any = None
        self.release: Callable[[], object] | None = None

    def settle(self, done: Done[Any]) -> None:
        self._end()
        if not self.future.done():
            self.future.set_result(done)

    def fail(self, error: BaseException) -> None:
        self._end()
        if not self.future.done():
            self.future.set_exception(error)

    def _end(self) -> None:
        # The key is free for a repeat the moment the answer is known, also when the caller has hung up.
        if self.release is not None:
            self.release()
            self.release = None


class CommandLoop:
    """Decides commands in order of arrival, commits them in batches, answers when they are durable."""

    def __init__(
        self,
        store: EventStore,
        *,
        handlers: Mapping[type[Command], Handler],
        kinds: Iterable[Kind[Any]],
        clock: Clock,
        new_id: NewId,
        queue_size: int = 4096,
        batch_size: int = 256,
        cached_states: int = 100_000,
        snapshot_every: int = 200,
    ) -> None:
        """`queue_size` bounds what waits, `batch_size` one commit, `cached_states` the memory for states.

        A state is kept as a snapshot whenever its stream passes a multiple of `snapshot_every` events.
        """
        self._store = store
        self._handlers = handlers
        self._kinds: dict[type[State], Kind[Any]] = {kind.state: kind for kind in kinds}
        self._clock = clock
        self._new_id = new_id
        self._queue_size = queue_size
        self._batch_size = batch_size
        self._cached_states = cached_states
        self._snapshot_every = snapshot_every
        self._queue: deque[_Entry] = deque()
        self._cache: dict[UUID, Slot] = {}
        self._forgotten: dict[UUID, None] = {}
        self._forgettings = 0
        self._numbers: dict[str, deque[int]] = {}
        self._in_progress: dict[tuple[UUID, str], bytes] = {}
        self._wake = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._snapshots: asyncio.Task[None] | None = None
        self._stopping = False
        self._position = 0
        self.statistics = LoopStatistics()

    # --- life ----------------------------------------------------------------------------------------------

    async def __aenter__(self) -> "CommandLoop":
        """Start deciding."""
        self._runner = asyncio.create_task(self._run(), name="command-loop")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Decide what was taken on, refuse what comes, stop."""
        self._stopping = True
        self._wake.set()
        if self._runner is not None:
            await self._runner
        if self._snapshots is not None:
            await self._snapshots
        await self._return_numbers()

    @property
    def waiting(self) -> int:
        """How many commands wait to be decided."""
        return len(self._queue)

    @property
    def position(self) -> int:
        """The position of the last event that this loop has written, 0 before the first."""
        return self._position

    @property
    def capacity(self) -> int:
        """How many commands may wait."""
        return self._queue_size

    # --- asking --------------------------------------------------------------------------------------------

    async def submit(
        self,
        command: Command,
        caller: Caller,
        *,
        key: IdempotencyKey | None = None,
        expected_version: int | None = None,
    ) -> Done[Any]:
        """Have a command decided; returns once its events are durable.

        Raises:
            DomainError: the business refuses.
            ConcurrencyConflict: other processes won five races.
            StaleVersion: `expected_version` is not the version that the answered stream had.
            IdempotencyInProgress, IdempotencyKeyReused: see ES-15.
            Unavailable: the queue is full, or the store is away.
        """
        if self._stopping:
            raise Unavailable("The server is shutting down.", retry_after_seconds=2)
        if len(self._queue) >= self._queue_size:
            raise Overloaded("Too many commands are waiting.", retry_after_seconds=1)
        future: asyncio.Future[Done[Any]] = asyncio.get_running_loop().create_future()
        entry = _Entry(command, caller, key, expected_version, self._clock(), self._new_id(), future)
        if key is not None:
            self._begin(key, entry)
        self._queue.append(entry)
        self._wake.set()
        # A caller who hangs up does not undo a decision: the entry is decided and committed all the same.
        return await future

    def _begin(self, key: IdempotencyKey, entry: _Entry) -> None:
        scoped = (key.scope, key.key)
        running = self._in_progress.get(scoped)
        if running is not None:
            if running != key.request_hash:
                raise IdempotencyKeyReused("This idempotency key came with another request.")
            raise IdempotencyInProgress("The first request with this idempotency key is still running.")
        self._in_progress[scoped] = key.request_hash
        entry.release = partial(self._in_progress.pop, scoped, None)

    def forget(self, stream_id: UUID) -> None:
        """Drop a stream from memory, so that it is loaded anew when it is next asked for."""
        self._cache.pop(stream_id, None)

    def forget_person(self, subject_id: UUID) -> None:
        """Drop from memory every state that holds data of somebody who was erased, here or by another process."""
        self._forgettings += 1
        self._forgotten[subject_id] = None
        forget_oldest(self._forgotten, FORGOTTEN_REMEMBERED)
        about = [stream for stream, slot in self._cache.items() if _holds_data_of(slot.state, subject_id)]
        for stream_id in about:
            del self._cache[stream_id]

    def forget_people(self) -> None:
        """Drop everything from memory: whom other processes have erased meanwhile is not known."""
        self._forgettings += 1
        self._cache.clear()

    # --- running -------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        ahead: _Batch | None = None
        while True:
            if ahead is not None and ahead.commit.done():
                ahead = None
            if not self._queue:
                if self._stopping and ahead is None:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            entries = self._take(ahead)
            batch: _Batch | None
            try:
                batch = await self._prepare(entries, {} if ahead is None else ahead.states)
            except Exception as error:  # noqa: BLE001 - every waiter learns of it, and the edge logs it as a bug
                self._abandon(entries, error)
                batch = None
            if batch is not None:
                batch.commit = asyncio.create_task(self._commit(batch, ahead), name="command-loop-commit")
                batch.commit.add_done_callback(self._wake_up)
            if ahead is not None:
                await ahead.commit
            ahead = batch

    def _wake_up(self, _: object) -> None:
        self._wake.set()

    def _take(self, ahead: "_Batch | None") -> list[_Entry]:
        """The next commands: half of all that are underway, so that one half is decided while the other commits."""
        waiting = len(self._queue)
        underway = waiting + (0 if ahead is None else len(ahead.entries))
        count = min(waiting, self._batch_size, max(UNDIVIDED, (underway + 1) // 2))
        self.statistics.batches += 1
        self.statistics.largest_batch = max(self.statistics.largest_batch, count)
        return [self._queue.popleft() for _ in range(count)]

    async def _prepare(self, entries: list[_Entry], ahead: Mapping[UUID, Slot]) -> "_Batch | None":
        states: dict[UUID, Slot] = {}
        decided = await self._decide(entries, states, ahead)
        if not decided:
            return None
        groups, members = self._group(decided)
        return _Batch(decided, states, members, await self._store.prepare(groups))

    async def _commit(self, batch: "_Batch", ahead: "_Batch | None") -> None:
        """Have a batch written, once the one ahead stands, and answer its callers."""
        current: _Batch | None = batch
        try:
            if ahead is not None and not await ahead.stood:
                batch.stood.set_result(False)
                await ahead.commit
                for entry in batch.entries:
                    self._take_back(entry)
                current = await self._prepare(batch.entries, {})
            while current is not None:
                lost = self._take_in(current, await self._store.append(current.prepared))
                current = None
                if any(entry.attempts >= FAIR_ATTEMPTS for entry in lost):
                    await self._decide_alone(lost)
                elif lost:
                    current = await self._prepare(await self._after_conflict(lost), {})
        except Exception as error:  # noqa: BLE001 - as above
            if not batch.stood.done():
                batch.stood.set_result(False)
            self._abandon(batch.entries, error)
        forget_oldest(self._cache, self._cached_states)

    async def _decide_alone(self, lost: list[_Entry]) -> None:
        """See to it that nobody is first again: others wait while these are loaded, decided and written."""
        while lost:
            current: _Batch | None = None
            async with self._store.alone() as append:
                current = await self._prepare(await self._after_conflict(lost), {})
                positions = [] if current is None else await append(current.prepared)
            lost = [] if current is None else self._take_in(current, positions)

    def _take_in(self, batch: "_Batch", positions: Sequence[int | None]) -> list[_Entry]:
        """Settle what was written, return what lost a race."""
        if not batch.stood.done():
            # First of all, so that the next batch is on its way to the store before the callers of this one go on.
            batch.stood.set_result(None not in positions)
        lost: list[_Entry] = []
        long_streams: list[tuple[UUID, Kind[Any], Slot]] = []
        for group, entries, position in zip(batch.prepared.groups, batch.members, positions, strict=True):
            if position is None:
                lost.extend(entries)
            else:
                for subject_id in group.erasures:
                    self.forget_person(subject_id)
                self._settle(group, entries, position, long_streams)
        if long_streams:
            self._keep_snapshots(long_streams)
        return lost

    def _abandon(self, entries: list[_Entry], error: Exception) -> None:
        # Whether the commit happened is unknown, so nothing in memory that the batch touched can be trusted.
        for entry in entries:
            if entry.unit is not None:
                for stream_id in entry.unit.begun:
                    self._cache.pop(stream_id, None)
            entry.fail(error)

    async def _decide(
        self, todo: list[_Entry], working: dict[UUID, Slot], ahead: Mapping[UUID, Slot]
    ) -> list[_Entry]:
        """Run handlers until none misses anything; each sees what those before it decided.

        Their states are put into `working`; `ahead` has those of the batch before this one.
        """
        decided: list[_Entry] = []
        broken: dict[UUID, Exception] = {}
        rounds = 0
        while todo:
            missing: dict[UUID, Kind[Any]] = {}
            numbers: dict[str, int] = {}
            later: list[_Entry] = []
            for entry in todo:
                try:
                    self._run_handler(entry, working, ahead)
                except Miss as miss:
                    unreadable = next((broken[each] for each in miss.streams if each in broken), None)
                    if unreadable is not None:
                        entry.fail(unreadable)
                        continue
                    missing.update(miss.streams)
                    later.append(entry)
                except NumberMiss as miss:
                    numbers[miss.series] = numbers.get(miss.series, 0) + 1
                    later.append(entry)
                except Exception as error:  # noqa: BLE001 - a bug in one handler fails its own command only
                    entry.fail(error)
                else:
                    decided.append(entry)
            if later:
                rounds += 1
                if rounds > MAX_MISSES:
                    for entry in later:
                        entry.fail(
                            RuntimeError(f"{type(entry.command).__name__} never stops asking for streams")
                        )
                    break
                self.statistics.reruns += len(later)
                if missing:
                    self.statistics.loads += 1
                    self._cache.update(await self._load(missing, broken))
                for series, count in numbers.items():
                    await self._lease(series, count)
            todo = later
        return decided

    async def _load(
        self, missing: Mapping[UUID, Kind[Any]], broken: dict[UUID, Exception]
    ) -> Mapping[UUID, Slot]:
        """Load streams; one that cannot be read is added to `broken` and fails those alone who asked for it."""
        try:
            return await self._store.load(missing)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - told to whoever asked for the stream, and logged by the edge
            if len(missing) == 1:
                broken[next(iter(missing))] = error
                return {}
        loaded: dict[UUID, Slot] = {}
        for stream_id, kind in missing.items():
            loaded.update(await self._load({stream_id: kind}, broken))
        return loaded

    def _run_handler(self, entry: _Entry, working: dict[UUID, Slot], ahead: Mapping[UUID, Slot]) -> None:
        cache = self._cache

        def look(stream_id: UUID) -> Slot | None:
            return working.get(stream_id) or ahead.get(stream_id) or cache.get(stream_id)

        unit = Unit(
            caller=entry.caller, now=entry.now, kinds=self._kinds, look=look, take_number=self._take_number
        )
        entry.unit = unit
        try:
            result = self._handlers[type(entry.command)](entry.command, unit)
            self._check_precondition(entry, unit, result)
        except DomainError as refusal:
            self._give_back(unit)
            unit.events.clear()
            unit.credentials.clear()
            unit.erasures.clear()
            entry.outcome = refusal
        except BaseException:
            self._give_back(unit)
            raise
        else:
            entry.outcome = result
            working.update(unit.changed)

    @staticmethod
    def _check_precondition(entry: _Entry, unit: Unit, result: Any) -> None:
        if entry.expected_version is None or not isinstance(result, State | Outcome):
            return
        before = unit.begun[result.stream_id].version
        if before != entry.expected_version:
            raise StaleVersion(
                f"The version is {before}, not {entry.expected_version}.", details={"version": before}
            )

    def _group(self, decided: list[_Entry]) -> tuple[list[Group], list[list[_Entry]]]:
        """Put decisions that build on each other into one group; all others can fail alone."""
        parent = list(range(len(decided)))
        writer: dict[UUID, int] = {}
        for index, entry in enumerate(decided):
            unit = entry.unit
            assert unit is not None
            for stream_id in unit.begun:
                earlier = writer.get(stream_id)
                if earlier is not None:
                    parent[_root(parent, index)] = _root(parent, earlier)
            if unit.events:
                for stream_id in unit.changed:
                    writer[stream_id] = index
        groups: dict[int, Group] = {}
        members: dict[int, list[_Entry]] = {}
        for index, entry in enumerate(decided):
            root = _root(parent, index)
            group = groups.get(root)
            if group is None:
                group = groups[root] = Group(checks={}, events=[], keys=[], answers=[], credentials=[])
                members[root] = []
            members[root].append(entry)
            self._add_to_group(group, entry)
        return list(groups.values()), list(members.values())

    def _add_to_group(self, group: Group, entry: _Entry) -> None:
        unit = entry.unit
        assert unit is not None
        for stream_id, slot in unit.begun.items():
            # The first member to touch a stream saw it as the store has it; later ones saw the members before them.
            group.checks.setdefault(stream_id, slot.version)
        if entry.key is not None:
            group.keys.append((entry.key.scope, entry.key.key))
        if isinstance(entry.outcome, DomainError):
            return
        if unit.events:
            envelope = _envelope(entry)
            group.events.extend(
                NewEvent(stream_id, version, event, envelope) for stream_id, version, event in unit.events
            )
        group.credentials.extend(unit.credentials)
        if unit.erasures:
            group.erasures.extend(unit.erasures)
        if entry.key is not None:
            group.answers.append(
                Answer(
                    scope=entry.key.scope,
                    key=entry.key.key,
                    request_hash=entry.key.request_hash,
                    result=msgspec.json.encode(entry.outcome),
                    version=_version(entry),
                    position=len(group.events),
                )
            )

    def _settle(
        self,
        group: Group,
        entries: list[_Entry],
        first: int,
        long_streams: list[tuple[UUID, Kind[Any], Slot]],
    ) -> None:
        position = first - 1
        for entry in entries:
            unit = entry.unit
            assert unit is not None
            if isinstance(entry.outcome, DomainError):
                self.statistics.refusals += 1
                entry.fail(entry.outcome)
                continue
            self.statistics.commands += 1
            self.statistics.events += len(unit.events)
            position += len(unit.events)
            if unit.events:
                self._position = max(self._position, position)
            for stream_id, slot in unit.changed.items():
                self._cache.pop(stream_id, None)
                if self._forgotten and slot.state is not None and slot.state.subject_id in self._forgotten:
                    continue
                self._cache[stream_id] = slot
                before = unit.begun[stream_id].version
                if before // self._snapshot_every != slot.version // self._snapshot_every:
                    long_streams.append((stream_id, self._kinds[type(slot.state)], slot))  # type: ignore[index]
            entry.settle(
                Done(result=entry.outcome, version=_version(entry), position=position if unit.events else 0)
            )

    async def _after_conflict(self, lost: list[_Entry]) -> list[_Entry]:
        """Bring what a lost race was decided on up to date, answer repeats from their record, return who decides again.

        The first time by what others have added to it; should that not be enough, everything is read anew.
        """
        self.statistics.conflicts += len(lost)
        stale: dict[UUID, Kind[Any]] = {}
        held: dict[UUID, Slot] = {}
        anew = any(entry.attempts for entry in lost)
        forgettings = self._forgettings
        for entry in lost:
            unit = entry.unit
            assert unit is not None
            for stream_id, slot in unit.begun.items():
                committed = self._cache.pop(stream_id, None)
                if committed is not None and not anew:
                    held[stream_id] = committed
                state = slot.state or (unit.changed[stream_id].state if stream_id in unit.changed else None)
                if state is not None:
                    stale[stream_id] = self._kinds[type(state)]
            self._take_back(entry)
        known = await self._store.answers([(e.key.scope, e.key.key) for e in lost if e.key is not None])
        again: list[_Entry] = []
        for entry in lost:
            answer = known.get((entry.key.scope, entry.key.key)) if entry.key is not None else None
            if answer is not None:
                self._repeat(entry, answer)
                continue
            entry.attempts += 1
            if entry.attempts > MAX_ATTEMPTS:
                entry.fail(ConcurrencyConflict("Others keep changing this; try again."))
            else:
                again.append(entry)
        if again:
            loaded = await self._store.load(stale, held)
            if held and self._forgettings != forgettings:
                # What was held may be about somebody who was erased meanwhile: the log knows better.
                loaded = await self._store.load(stale)
            self._cache.update(loaded)
        return again

    def _repeat(self, entry: _Entry, answer: Answer) -> None:
        assert entry.key is not None
        if answer.request_hash != entry.key.request_hash:
            entry.fail(IdempotencyKeyReused("This idempotency key came with another request."))
            return
        result_type = self._handlers[type(entry.command)].__annotations__["return"]
        entry.settle(
            Done(
                result=msgspec.json.decode(answer.result, type=result_type),
                version=answer.version,
                position=answer.position,
                replayed=True,
            )
        )

    # --- numbers, snapshots, memory ------------------------------------------------------------------------

    def _take_number(self, series: str) -> int:
        numbers = self._numbers.get(series)
        if not numbers:
            raise NumberMiss(series)
        return numbers.popleft()

    def _take_back(self, entry: _Entry) -> None:
        """Nothing of what was decided happens."""
        if entry.unit is not None:
            self._give_back(entry.unit)

    def _give_back(self, unit: Unit) -> None:
        for series, number in reversed(unit.numbers):
            self._numbers.setdefault(series, deque()).appendleft(number)
        unit.numbers.clear()

    async def _lease(self, series: str, wanted: int) -> None:
        count = max(wanted * BATCHES_OF_NUMBERS, NUMBERS_AT_ONCE)
        first = await self._store.lease_numbers(series, count)
        for name in [name for name, left in self._numbers.items() if not left]:
            del self._numbers[name]
        self._numbers.setdefault(series, deque()).extend(range(first, first + count))

    async def _return_numbers(self) -> None:
        """Give unused numbers back, so that a process that ends in order leaves no hole."""
        for series, numbers in self._numbers.items():
            unused = sorted(numbers)
            while len(unused) > 1 and unused[-1] - unused[0] != len(unused) - 1:
                del unused[0]
            try:
                if unused:
                    await self._store.return_numbers(series, unused[0], unused[-1])
            except StoreUnavailable:
                return  # A hole in the numbers harms nobody.
        self._numbers.clear()

    def _keep_snapshots(self, long_streams: list[tuple[UUID, Kind[Any], Slot]]) -> None:
        if self._snapshots is None or self._snapshots.done():
            self._snapshots = asyncio.create_task(self._try_keep(long_streams), name="snapshots")

    async def _try_keep(self, long_streams: list[tuple[UUID, Kind[Any], Slot]]) -> None:
        try:
            await self._store.keep_snapshots(long_streams)
        except StoreUnavailable:
            return  # A snapshot is a cache: the next one will do.


class _Batch:
    """Commands that were decided together and are written in one commit.

    `states` are those that the decisions lead to; `members` are the commands of each group. `stood` tells whoever has
    decided on top of them, before anybody else, whether all came about as decided; `commit` ends when all callers are
    answered.
    """

    __slots__ = ("commit", "entries", "members", "prepared", "states", "stood")

    commit: "asyncio.Task[None]"

    def __init__(
        self,
        entries: list[_Entry],
        states: Mapping[UUID, Slot],
        members: list[list[_Entry]],
        prepared: Prepared,
    ) -> None:
        self.entries = entries
        self.states = states
        self.members = members
        self.prepared = prepared
        self.stood: asyncio.Future[bool] = asyncio.get_running_loop().create_future()


def _root(parent: list[int], index: int) -> int:
    while parent[index] != index:
        parent[index] = parent[parent[index]]
        index = parent[index]
    return index


def _holds_data_of(state: State | None, subject_id: UUID) -> bool:
    return state is not None and state.subject_id == subject_id


def _version(entry: _Entry) -> int | None:
    unit = entry.unit
    assert unit is not None
    if isinstance(entry.outcome, State | Outcome):
        return unit.version_of(entry.outcome.stream_id)
    return None


def _envelope(entry: _Entry) -> Envelope:
    caller = entry.caller
    return Envelope(
        metadata=Metadata(
            occurred_at=entry.now,
            command=type(entry.command).__name__,
            command_id=entry.command_id,
            correlation_id=caller.correlation_id or entry.command_id,
            causation_id=caller.causation_id,
            actor_id=caller.actor_id,
            actor_kind=caller.actor_kind.value,
            actor_role=caller.role,
            trace_id=caller.trace_id,
        ),
        ip=caller.ip,
        user_agent=caller.user_agent,
    )
