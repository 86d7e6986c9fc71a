"""Under which names events are stored, and how old shapes become new ones.

A stored name is `<context>.<ClassName>.v<version>`. Names are never reused: a test pins them.
"""

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any
from uuid import UUID, uuid5

import msgspec

from domain.shared.events import DomainEvent

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns the stored fields of one version into those of the next."""


class UnknownEvent(LookupError):
    """The log holds an event that this program has no class for: it is older than the log."""


class EventNames:
    """The one dictionary between event classes and their stored names."""

    def __init__(self, modules: Iterable[ModuleType], upcasters: dict[str, Upcaster] | None = None) -> None:
        """`modules` are the contexts' `events.py` and the shared claims; `upcasters` are keyed by stored name."""
        self.upcasters = upcasters or {}
        self._names: dict[type[DomainEvent], str] = {}
        self._classes: dict[str, type[DomainEvent]] = {}
        for module in modules:
            for thing in vars(module).values():
                if (
                    isinstance(thing, type)
                    and issubclass(thing, DomainEvent)
                    and thing.__module__ == module.__name__
                ):
                    self._add(thing, context_of(thing))

    def _add(self, event: type[DomainEvent], context: str) -> None:
        name = f"{context}.{event.__name__}.v{event.schema_version}"
        self._names[event] = name
        self._classes[name] = event

    @property
    def classes(self) -> dict[str, type[DomainEvent]]:
        """Event classes by current stored name."""
        return dict(self._classes)

    def name_of(self, event: type[DomainEvent]) -> str:
        """The stored name.

        Raises:
            UnknownEvent: the class is in no context's `events.py`.
        """
        try:
            return self._names[event]
        except KeyError as error:
            raise UnknownEvent(f"{event.__qualname__} has no stored name") from error

    def class_of(self, name: str) -> type[DomainEvent]:
        """The class of a current or an outdated stored name.

        Raises:
            UnknownEvent: this program does not know the name.
        """
        found = self._classes.get(name)
        if found is None:
            latest = self.latest(name)
            found = self._classes.get(latest)
        if found is None:
            raise UnknownEvent(f"Event {name} is unknown to this version of the program.")
        return found

    def called(self, text: str) -> list[type[DomainEvent]]:
        """The classes that people call so: by the stored name, by it without the version, or by the bare name; none is none."""
        word = text.casefold()
        return [
            event
            for name, event in self._classes.items()
            if word in {name.casefold(), name.rpartition(".v")[0].casefold(), event.__name__.casefold()}
        ]

    def all_names_of(self, event: type[DomainEvent]) -> list[str]:
        """The current stored name and every outdated one that is upcast to it."""
        current = self.name_of(event)
        return [current, *(name for name in self.upcasters if self.latest(name) == current)]

    def latest(self, name: str) -> str:
        """The newest name that a stored name is upcast to; itself when it is current."""
        while name in self.upcasters:
            stem, _, version = name.rpartition(".v")
            name = f"{stem}.v{int(version) + 1}"
        return name

    def upcast(self, name: str, state: bytes) -> bytes:
        """Stored bytes in the newest shape; the bytes themselves when they are current."""
        if name not in self.upcasters:
            return state
        fields: dict[str, Any] = msgspec.json.decode(state)
        while name in self.upcasters:
            fields = self.upcasters[name](fields)
            stem, _, version = name.rpartition(".v")
            name = f"{stem}.v{int(version) + 1}"
        return msgspec.json.encode(fields)


def context_of(event: type[DomainEvent]) -> str:
    """The business word of the room that an event class lives in (`orders`); `shared` for claims."""
    return event.__module__.split(".")[1]


def event_id(stream_id: UUID, version: int) -> UUID:
    """The id of an event outside the log, in CloudEvents and for what follows from it: always the same one."""
    return uuid5(stream_id, str(version))
