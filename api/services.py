"""What the HTTP edge needs of the rest of the program; `infrastructure.bootstrap` provides it."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol
from uuid import UUID

import msgspec
from redis.asyncio import Redis

from application.api_keys.results import KeyBearer
from application.shared.loop import CommandLoop
from application.shared.ports import Clock, NewId
from infrastructure.last_seen import Kind
from infrastructure.security.tokens import TokenIssuer
from infrastructure.settings import Settings

HealthCheck = Callable[[], Awaitable[object]]
"""Asks one server whether it is there; raises when it is not."""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How an account stands now, whatever its tokens say."""

    role: str
    status: str
    session_over: bool = False
    """Whether the session that the token belongs to has ended (requirements TOK-11)."""


class Accounts(Protocol):
    """The directory of accounts, as far as the door needs it."""

    def standing(self, account_id: UUID, session_id: UUID) -> Awaitable[Standing | None]:
        """How an account, and a session of it, stand, at most a few seconds old; `None`: there is no such account."""
        ...


class Keys(Protocol):
    """API keys, as far as the door needs them."""

    def known(self, shown: str) -> UUID | None:
        """The id of a key that was seen before, without asking anybody."""
        ...

    def admit(self, shown: str) -> Awaitable[KeyBearer]:
        """Whose key this is, and what it opens now; refuses as `application.api_keys.using.KeyDoor.admit`."""
        ...


class LastSeen(Protocol):
    """Who was at the door, and when."""

    def note(self, kind: Kind, whose: UUID) -> None:
        """Somebody has just been let in; costs nothing."""
        ...


class SessionUse(Protocol):
    """Which session was used, and when."""

    def note(self, session_id: UUID, account_id: UUID) -> None:
        """Somebody has just been let in by a token of this session; costs nothing."""
        ...


class Reader(Protocol):
    """The read side as a whole."""

    @property
    def reached(self) -> int:
        """A position that the whole read side was seen to show."""
        ...

    async def wait_for(self, position: int, timeout: float) -> bool:  # noqa: ASYNC109 -- bounded by the caller's wish
        """Wait until every read model shows the log up to `position`; false when `timeout` seconds were not enough."""
        ...


class Services(Protocol):
    """Everything that the edge is given."""

    @property
    def settings(self) -> Settings:
        """The settings of this process."""
        ...

    @property
    def commands(self) -> CommandLoop | None:
        """Where commands are decided; nothing only in processes that answer no commands."""
        ...

    @property
    def tokens(self) -> TokenIssuer:
        """Says whose a token is."""
        ...

    @property
    def accounts(self) -> Accounts:
        """Says how an account stands."""
        ...

    @property
    def keys(self) -> Keys | None:
        """Says what a key opens; nothing where no keys are issued."""
        ...

    @property
    def last_seen(self) -> LastSeen | None:
        """Is told who was let in; nobody, where that is not kept."""
        ...

    @property
    def session_use(self) -> SessionUse | None:
        """Is told which session was used; nobody, where that is not kept."""
        ...

    @property
    def redis(self) -> Redis | None:
        """Where limits are counted across processes."""
        ...

    @property
    def clock(self) -> Clock:
        """What time it is."""
        ...

    @property
    def new_id(self) -> NewId:
        """Where new identities come from."""
        ...

    @property
    def health_checks(self) -> Mapping[str, HealthCheck]:
        """By name; `database` is the one without which nothing works."""
        ...

    @property
    def reader(self) -> Reader:
        """The read side."""
        ...

    async def head(self) -> int:
        """The position of the newest event, 0 when there is none."""
        ...
