"""Which WebSockets are open in this process, and whose they are (requirement RT-06)."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Final
from uuid import UUID

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

SOCKETS_OF_ONE_MAXIMUM: Final = 20
"""How many an account may have open in one process: tabs and telephones, and some that nobody has noticed are dead."""

SOCKETS_MAXIMUM: Final = 10_000
"""How many one process holds, those that have not said yet whose they are included."""


class Seat:
    """One open socket; `doubtful` is set when it has to be asked again how whoever sits here stands."""

    __slots__ = ("account_id", "doubtful", "session_id")

    def __init__(self) -> None:
        """Somebody has come, who has not said yet who they are."""
        self.account_id: UUID | None = None
        self.session_id: UUID | None = None
        self.doubtful = asyncio.Event()


class Sockets(Collector):
    """All seats of a process."""

    def __init__(self) -> None:
        """Nobody has come yet."""
        self._seats: set[Seat] = set()
        self._by_id: defaultdict[UUID, set[Seat]] = defaultdict(set)

    @property
    def full(self) -> bool:
        """Whether there is no room for anybody."""
        return len(self._seats) >= SOCKETS_MAXIMUM

    def sit_down(self) -> Seat:
        """Take a seat."""
        seat = Seat()
        self._seats.add(seat)
        return seat

    def leave(self, seat: Seat) -> None:
        """Give a seat up."""
        self._seats.discard(seat)
        self._forget(seat)

    def has_room_for(self, account_id: UUID, seat: Seat) -> bool:
        """Whether an account may have this seat, too."""
        taken = self._by_id.get(account_id, set())
        return seat in taken or len(taken) < SOCKETS_OF_ONE_MAXIMUM

    def name(self, seat: Seat, account_id: UUID, session_id: UUID) -> None:
        """Note who sits here."""
        self._forget(seat)
        seat.account_id, seat.session_id = account_id, session_id
        for each in (account_id, session_id):
            self._by_id[each].add(seat)

    def doubt(self, changed: Collection[UUID] | None) -> None:
        """Something has happened to these accounts, sessions and keys; `None`: to whom is not known."""
        seats: Iterable[Seat] = self._seats
        if changed is not None:
            seats = [seat for each in changed for seat in self._by_id.get(each, ())]
        for seat in seats:
            seat.doubtful.set()

    def collect(self) -> Iterable[Metric]:
        """Called at each scrape of the metrics."""
        yield GaugeMetricFamily(
            "daftar_sockets_open", "WebSockets that are open in this process.", value=len(self._seats)
        )

    def _forget(self, seat: Seat) -> None:
        for each in (seat.account_id, seat.session_id):
            if each is None:
                continue
            self._by_id[each].discard(seat)
            if not self._by_id[each]:
                del self._by_id[each]
        seat.account_id = seat.session_id = None
