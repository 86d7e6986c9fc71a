"""Decisions tested in one breath: `given_order(placed).when(Order.cancel, by=BUYER).then(cancelled)`."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest

from domain.shared.errors import DomainError
from domain.shared.events import DomainEvent

STREAM = UUID("01890000-0000-7000-8000-000000000001")


def fold(evolve: Callable[..., Any], events: Sequence[DomainEvent], stream_id: UUID = STREAM) -> Any:
    """The state after these facts, `None` when there are none."""
    state: Any = None
    for event in events:
        state = evolve(state, event, stream_id)
    return state


class Asked:
    """A decision that was asked for and not judged yet."""

    def __init__(self, ask: Callable[[], Sequence[DomainEvent]]) -> None:
        self._ask = ask

    def then(self, *expected: DomainEvent) -> None:
        """The decision is exactly these facts; none means that nothing needed to change."""
        assert list(self._ask()) == list(expected)

    def refused(self, refusal: type[DomainError]) -> DomainError:
        """The business refuses, for this reason and no other."""
        with pytest.raises(refusal) as caught:
            self._ask()
        assert type(caught.value) is refusal
        return caught.value


class Given:
    """What has happened so far."""

    def __init__(self, evolve: Callable[..., Any], events: Sequence[DomainEvent], stream_id: UUID) -> None:
        self._state = fold(evolve, events, stream_id)

    @property
    def state(self) -> Any:
        """The state after what has happened."""
        return self._state

    def when(self, decision: Callable[..., Sequence[DomainEvent]], **arguments: Any) -> Asked:
        """Ask for a decision: a method of the state, called with it as `self`."""
        return Asked(lambda: decision(self._state, **arguments))


def given(evolve: Callable[..., Any], *events: DomainEvent, stream_id: UUID = STREAM) -> Given:
    """Begin a claim about a decision."""
    return Given(evolve, events, stream_id)
