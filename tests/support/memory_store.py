"""The event store's port in memory: same contract, same suite as the real one, no I/O."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import msgspec

from application.shared.command import StoreUnavailable
from application.shared.store import (
    NOTHING_KNOWN,
    UNTOUCHED,
    Answer,
    Append,
    Group,
    Kind,
    NewEvent,
    Prepared,
    Slot,
)
from domain.shared.events import DomainEvent
from domain.shared.personal import PERSONAL


class InMemoryEventStore:
    """Keeps what the port says; `away = True` makes every call fail as an outage does."""

    def __init__(self, kinds: Iterable[Kind[Any]] = ()) -> None:
        """`kinds` tell streams apart by their events, as in the real store; without them the asker's word is taken."""
        self._kind_of = {event: kind for kind in kinds for event in kind.events}
        self.log: list[NewEvent] = []
        self.streams: dict[UUID, list[DomainEvent]] = {}
        self.kept_answers: dict[tuple[UUID, str], Answer] = {}
        self.credentials: dict[tuple[UUID, str], bytes] = {}
        self.erased: set[UUID] = set()
        self.series: dict[str, int] = {}
        self.snapshots: dict[UUID, Slot] = {}
        self.appends = 0
        self.away = False
        self._head = asyncio.Lock()

    async def load(
        self, streams: Mapping[UUID, Kind[Any]], known: Mapping[UUID, Slot] = NOTHING_KNOWN
    ) -> dict[UUID, Slot]:
        """Fold each stream from what is known or its snapshot, if there is one of the kind asked for, and the rest."""
        await self._reach()
        slots = {}
        for stream_id, asked in streams.items():
            kept = self.snapshots.get(stream_id)
            slot = known.get(stream_id, UNTOUCHED)
            if kept is not None and isinstance(kept.state, asked.state) and kept.version > slot.version:
                slot = kept
            events = self.streams.get(stream_id, [])
            state: Any = slot.state
            for event in events[slot.version :]:
                state = self._kind_of.get(type(event), asked).evolve(state, event, stream_id)
            slots[stream_id] = Slot(state, max(len(events), slot.version))
        return slots

    async def prepare(self, groups: Sequence[Group]) -> Prepared:
        """There is nothing to encode."""
        return Prepared(groups)

    async def append(self, prepared: Prepared) -> list[int | None]:
        """All checks against the log before the batch, then each surviving group whole."""
        await self._reach()
        async with self._head:
            return self._append(prepared)

    def _append(self, prepared: Prepared) -> list[int | None]:
        groups = prepared.groups
        self.appends += 1
        lost = [
            any(len(self.streams.get(stream, [])) != version for stream, version in group.checks.items())
            or any(key in self.kept_answers for key in group.keys)
            for group in groups
        ]
        positions: list[int | None] = []
        for group, is_lost in zip(groups, lost, strict=True):
            if is_lost:
                positions.append(None)
                continue
            first = len(self.log) + 1
            positions.append(first)
            for new in group.events:
                stream = self.streams.setdefault(new.stream_id, [])
                assert new.version == len(stream) + 1, "versions are contiguous"
                kept = self._without_erased(new)
                stream.append(kept.event)
                self.log.append(kept)
            for answer in group.answers:
                self.kept_answers[answer.scope, answer.key] = msgspec.structs.replace(
                    answer, position=first - 1 + answer.position
                )
            for credential in group.credentials:
                if credential.value is None:
                    self.credentials.pop((credential.owner_id, credential.name), None)
                else:
                    self.credentials[credential.owner_id, credential.name] = credential.value
            if group.erasures:
                self._erase(group.erasures)
        return positions

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[Append]:
        """Whoever else appends waits until the block ends."""

        async def append(prepared: Prepared) -> list[int | None]:
            await self._reach()
            return self._append(prepared)

        await self._reach()
        async with self._head:
            yield append

    async def answers(self, keys: Sequence[tuple[UUID, str]]) -> dict[tuple[UUID, str], Answer]:
        """Whatever was kept."""
        await self._reach()
        return {key: self.kept_answers[key] for key in keys if key in self.kept_answers}

    async def credential(self, owner_id: UUID, name: str) -> bytes | None:
        """A secret kept beside the log."""
        await self._reach()
        return self.credentials.get((owner_id, name))

    async def find_credential(self, name: str, beginning: bytes) -> tuple[UUID, bytes] | None:
        """Whose secret begins so."""
        await self._reach()
        for (owner_id, kept), value in self.credentials.items():
            if kept == name and value[: len(beginning)] == beginning:
                return owner_id, value
        return None

    async def lease_numbers(self, series: str, count: int) -> int:
        """Count from 1."""
        await self._reach()
        first = self.series.get(series, 1)
        self.series[series] = first + count
        return first

    async def return_numbers(self, series: str, first: int, last: int) -> None:
        """Only the end of the series can be taken back."""
        await self._reach()
        if self.series.get(series) == last + 1:
            self.series[series] = first

    async def keep_snapshots(self, states: Sequence[tuple[UUID, Kind[Any], Slot]]) -> None:
        """The newest of each stream wins."""
        await self._reach()
        for stream_id, _, slot in states:
            kept = self.snapshots.get(stream_id)
            if kept is None or kept.version < slot.version:
                self.snapshots[stream_id] = slot

    def _erase(self, people: Sequence[UUID]) -> None:
        self.erased.update(people)
        self.log = [self._without_erased(new) for new in self.log]
        for stream_id, events in self.streams.items():
            events[:] = [self._blank(event, stream_id) for event in events]
        self.credentials = {key: value for key, value in self.credentials.items() if key[0] not in people}
        self.kept_answers = {key: kept for key, kept in self.kept_answers.items() if key[0] not in people}
        for stream_id, slot in list(self.snapshots.items()):
            if slot.state is not None and slot.state.subject_id in self.erased:
                del self.snapshots[stream_id]

    def _without_erased(self, new: NewEvent) -> NewEvent:
        if not self.erased:
            return new
        envelope = new.envelope
        if envelope.metadata.actor_id in self.erased:
            envelope = msgspec.structs.replace(envelope, ip=None, user_agent=None)
        return msgspec.structs.replace(new, event=self._blank(new.event, new.stream_id), envelope=envelope)

    def _blank(self, event: DomainEvent, stream_id: UUID) -> DomainEvent:
        """As it is read once its person is forgotten: personal fields hold their defaults."""
        subject = stream_id if event.subject_field is None else getattr(event, event.subject_field)
        if subject not in self.erased:
            return event
        personal = {
            field.name: field.default
            for field in msgspec.structs.fields(event)
            if any(getattr(mark, "extra", None) == PERSONAL for mark in _marks(field.type))
        }
        return msgspec.structs.replace(event, **personal)

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailable("The event store cannot be reached.")

    # --- for tests -----------------------------------------------------------------------------------------

    def events(self, kind: type[DomainEvent] | None = None) -> list[DomainEvent]:
        """All events in order, or those of one class."""
        return [new.event for new in self.log if kind is None or isinstance(new.event, kind)]


def _marks(annotation: Any) -> tuple[Any, ...]:
    marks: tuple[Any, ...] = getattr(annotation, "__metadata__", ())
    return marks
