"""Follows the log for what changes how somebody stands: sessions that end, accounts that may not act, keys taken back; and for
people who are erased, of whom nothing stays in memory (ADR 0013, ADR 0016).

Nothing else is read of these facts but whose they are. The wake-up is the store's hint; the log is looked at without one, too.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Final, Protocol, Self
from uuid import UUID

import psycopg
import structlog

from application.shared.ending import end
from domain.accounts.events import (
    AccountDeleted,
    AccountRoleChanged,
    AccountSuspended,
    AccountUnsuspended,
    SellerApproved,
    SellerRejected,
    SessionRevoked,
)
from domain.api_keys.events import ApiKeyRevoked
from domain.shared.events import DomainEvent
from infrastructure.database import ImpatientConnection
from infrastructure.event_store.names import EventNames
from infrastructure.event_store.postgres import CHANNEL
from infrastructure.standing import FRESH_SECONDS, Standings

DECISIVE: Final[tuple[type[DomainEvent], ...]] = (
    AccountDeleted,
    AccountRoleChanged,
    AccountSuspended,
    AccountUnsuspended,
    ApiKeyRevoked,
    SellerApproved,
    SellerRejected,
    SessionRevoked,
)
"""The facts after which an account, a session or a key opens more, or less, than before."""

POLL_SECONDS: Final = FRESH_SECONDS / 4
"""How long a hint may be missing before the log is looked at without one."""

PAUSE_SECONDS: Final = 0.05
"""Between two looks at a log that grows without end."""

AGAIN_SECONDS: Final = 0.5
"""Before another attempt to reach the log."""

CONNECT_SECONDS: Final = 3
"""A database that takes longer to let somebody in counts as away; whoever stops waits no longer for it."""

ANSWER_SECONDS: Final = FRESH_SECONDS
"""A log that takes longer to answer counts as away."""

LEAP: Final = 100_000
"""Somebody who is further behind than this forgets all they know rather than to read on."""

_HEAD: Final = "SELECT position FROM log_head"

_CHANGED: Final = """
    SELECT head.position, decisive.originator_id, decisive.topic
    FROM log_head AS head
    LEFT JOIN stored_events AS decisive
        ON decisive.notification_id > %(after)s
        AND decisive.notification_id <= least(head.position, %(after)s + %(leap)s)
        AND decisive.topic = ANY(%(topics)s)
"""

log: Final = structlog.get_logger(__name__)


class People(Protocol):
    """Whoever keeps something of people in memory."""

    def forget_person(self, subject_id: UUID) -> None:
        """Somebody was erased, by whichever process."""
        ...

    def forget_people(self) -> None:
        """Some may have been erased; who is not known."""
        ...


class StandingFollower(AbstractAsyncContextManager["StandingFollower"]):
    """Keeps `Standings` true, and memories without those who were erased, for the life of a process, through outages of the database."""

    def __init__(
        self,
        standings: Standings | None,
        *,
        database_url: str,
        names: EventNames,
        memories: Sequence[People] = (),
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`memories` are told of people who were erased; `now` is that of `standings`, which a process at no door lacks."""
        self._standings = standings
        self._memories = memories
        self._erasing = frozenset(names.all_names_of(AccountDeleted))
        self._database_url = database_url
        self._topics = [name for event in DECISIVE for name in names.all_names_of(event)]
        self._now = now
        self._position: int | None = None
        self._following: asyncio.Task[None] | None = None
        self._ending = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._following = asyncio.create_task(self._run(), name="standing-follower")
        self._following.add_done_callback(_tell_of_end)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._following is not None:
            # Cancelling alone is not enough: a server that hangs turns it into an outage, which is outlasted.
            self._ending.set()
            await end(self._following)

    async def _run(self) -> None:
        away = False
        while not self._ending.is_set():
            try:
                async with await self._connect() as connection:
                    await connection.execute(f"LISTEN {CHANNEL}".encode())
                    await self._catch_up(connection)
                    if away:
                        away = False
                        log.info("standings_back")
                    await self._follow(connection)
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if self._ending.is_set():
                    return
                if not away:
                    away = True
                    log.warning("standings_lost_database", error=type(error).__name__)
                await asyncio.sleep(AGAIN_SECONDS)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        """A connection made whole, even for somebody who is told to stop meanwhile: dropped half made, it would be kept by the
        garbage collector, and the server would wait a minute for the rest.
        """
        connecting = asyncio.ensure_future(
            ImpatientConnection.connect(
                self._database_url,
                autocommit=True,
                application_name="daftar-standings",
                connect_timeout=CONNECT_SECONDS,
                answer_seconds=ANSWER_SECONDS,
            )
        )
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            [made] = await asyncio.gather(connecting, return_exceptions=True)
            if isinstance(made, psycopg.AsyncConnection):
                await made.close()
            raise

    async def _follow(self, connection: psycopg.AsyncConnection[Any]) -> None:
        while not self._ending.is_set():
            hints = [hint async for hint in connection.notifies(timeout=POLL_SECONDS, stop_after=1)]
            if hints:
                # Once for all that came together, or there would be ever more of them.
                await asyncio.sleep(PAUSE_SECONDS)
            await self._catch_up(connection)

    async def _catch_up(self, connection: psycopg.AsyncConnection[Any]) -> None:
        began = self._now()
        if self._position is None:
            cursor = await connection.execute(_HEAD)
        else:
            asked = {"after": self._position, "leap": LEAP, "topics": self._topics}
            cursor = await connection.execute(_CHANGED, asked, prepare=True)
        rows = await cursor.fetchall()
        if not rows:
            return  # There is no log yet.
        head: int = rows[0][0]
        if self._position is None or not 0 <= head - self._position <= LEAP:
            # The first look, or the first after so long, or at another log than before.
            self._lose_track()
        else:
            self._take_in([(stream_id, topic) for _, stream_id, topic in rows if stream_id is not None])
        self._position = head
        if self._standings is not None:
            self._standings.true_as_of(began)

    def _take_in(self, decisive: Sequence[tuple[UUID, str]]) -> None:
        if self._standings is not None:
            self._standings.forget(*(stream_id for stream_id, _ in decisive))
        for stream_id, topic in decisive:
            if topic in self._erasing:
                for memory in self._memories:
                    memory.forget_person(stream_id)

    def _lose_track(self) -> None:
        if self._standings is not None:
            self._standings.forget_all()
        for memory in self._memories:
            memory.forget_people()


def _tell_of_end(following: "asyncio.Task[None]") -> None:
    """A bug; what is known stays good for two seconds at a time."""
    if not following.cancelled():
        log.error("standings_end", exc_info=following.exception())
