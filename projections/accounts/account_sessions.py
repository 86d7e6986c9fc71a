"""The screen "Where I am signed in": the sessions of one account (requirements TOK-13, TOK-18)."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec

from domain.accounts.events import (
    AccountDeleted,
    RefreshTokenRotated,
    SessionOpened,
    SessionRevoked,
)
from domain.shared.events import Recorded
from projections.shared.paging import Filter, NewestFirst, Page, PageRequest
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.table import Table


class SessionRow(msgspec.Struct):
    """One session. `prolonged_at` is when its refresh token was used last; `ended_at` and why, when it ended before its time."""

    session_id: UUID
    account_id: UUID
    opened_at: datetime
    expires_at: datetime
    ip: str | None = None
    user_agent: str | None = None
    prolonged_at: datetime | None = None
    ended_at: datetime | None = None
    ended_because: str | None = None

    def __repr__(self) -> str:
        """Without personal data."""
        return f"SessionRow({self.session_id})"


SESSIONS = Table(
    "account_sessions",
    SessionRow,
    key=("session_id",),
    columns="""
        session_id uuid NOT NULL,
        account_id uuid NOT NULL,
        opened_at timestamptz NOT NULL,
        expires_at timestamptz NOT NULL,
        ip text,
        user_agent text,
        prolonged_at timestamptz,
        ended_at timestamptz,
        ended_because text
    """,
    indexes={"account": "(account_id, opened_at DESC, session_id DESC)"},
)

_FORGET = "DELETE FROM {account_sessions} WHERE account_id = %(account_id)s"


class AccountSessionsProjection(Projection):
    """Keeps one row a session, until its account is deleted: a rebuild, too, ends with the deletion."""

    name = "account_sessions"
    tables = (SESSIONS,)
    events = (SessionOpened, RefreshTokenRotated, SessionRevoked, AccountDeleted)
    personal = True

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        event = recorded.event
        if isinstance(event, AccountDeleted):
            batch.execute(_FORGET, {"account_id": recorded.stream_id})
            return
        rows = batch.rows(SESSIONS)
        if isinstance(event, SessionOpened):
            rows.put(
                SessionRow(
                    recorded.stream_id,
                    event.account_id,
                    recorded.at,
                    event.expires_at,
                    event.ip,
                    event.user_agent,
                )
            )
            return
        row = rows.change(recorded.stream_id)
        if row is None:
            return
        match event:
            case RefreshTokenRotated():
                row.expires_at = event.expires_at
                row.prolonged_at = event.rotated_at
            case SessionRevoked():
                row.ended_at = recorded.at
                row.ended_because = event.reason.value
            case _:
                pass


# --- asking ------------------------------------------------------------------------------------------------


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """An open session, as its owner sees it."""

    session_id: UUID
    opened_at: datetime
    expires_at: datetime
    prolonged_at: datetime | None
    ip: str | None
    user_agent: str | None

    def __repr__(self) -> str:
        """Without personal data."""
        return f"SessionView({self.session_id})"


class _Place(msgspec.Struct, frozen=True, array_like=True):
    opened_at: Annotated[datetime, msgspec.Meta(tz=True)]
    session_id: UUID


class Sessions:
    """Questions about sessions. Whose they are is for the edge to say."""

    def __init__(self, reader: Reader) -> None:
        """`reader` may be behind the log."""
        self._newest = NewestFirst(
            reader,
            columns="session_id, opened_at, expires_at, prolonged_at, ip, user_agent",
            table="account_sessions",
            order=("opened_at", "session_id"),
            place=_Place,
            place_of=lambda session: _Place(session.opened_at, session.session_id),
            item_of=_view,
        )

    async def open_of(self, account_id: UUID, at: datetime, request: PageRequest) -> Page[SessionView]:
        """The sessions of an account that are open at a time, newest first."""
        wanted = Filter().add("account_id = %(account_id)s", account_id=account_id)
        wanted.add("ended_at IS NULL").add("expires_at > %(at)s", at=at)
        return await self._newest.page(wanted, request)


def _view(row: dict[str, Any]) -> SessionView:
    return SessionView(**row)
