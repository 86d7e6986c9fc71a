"""Where somebody is signed in (requirement TOK-18): look, and end what should not go on."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from litestar import Controller, Request, Response, delete, get
from litestar.di import NamedDependency
from litestar.params import FromPath

from api.assembly import services_of
from api.envelope import Envelope, Page, ResponseBody, Timestamp, timestamp
from api.openapi import errors
from api.paging import numbered, wanted
from api.requests import PageRequest
from api.submission import submit
from application.accounts.commands import RevokeSession
from application.shared.caller import Caller
from projections.accounts.account_sessions import Sessions, SessionView

AnyRequest = Request[Any, Any, Any]

KIND: Final = "session"


class OpenSessionView(ResponseBody, frozen=True, kw_only=True):
    """A session that is open; `current` is the one that asks. Address and device are as they were at sign-in.

    `lastUsedAt` is when a token of it was shown last, to within half a minute; null when that is longer ago than is remembered
    (a day, unless set otherwise), or not known just now.
    """

    session_id: UUID
    current: bool
    ip: str | None
    user_agent: str | None
    opened_at: Timestamp
    prolonged_at: Timestamp | None
    last_used_at: Timestamp | None
    expires_at: Timestamp

    def __repr__(self) -> str:
        """Without personal data."""
        return f"OpenSessionView({self.session_id})"

    @classmethod
    def of(cls, session: SessionView, *, current: bool, last_used_at: datetime | None) -> "OpenSessionView":
        """Show a session to its owner."""
        return cls(
            session_id=session.session_id,
            current=current,
            ip=session.ip,
            user_agent=session.user_agent,
            opened_at=timestamp(session.opened_at),
            prolonged_at=None if session.prolonged_at is None else timestamp(session.prolonged_at),
            last_used_at=None if last_used_at is None else timestamp(last_used_at),
            expires_at=timestamp(session.expires_at),
        )


class EndedSessionView(ResponseBody, frozen=True, kw_only=True):
    """A session that is over."""

    session_id: UUID


class SessionsController(Controller):
    """One's own sessions."""

    path = "/auth/sessions"
    tags = ("Accounts",)

    @get("/", summary="List own sessions")
    async def list_sessions(
        self, request: AnyRequest, page_request: NamedDependency[PageRequest], caller: NamedDependency[Caller]
    ) -> Page[OpenSessionView]:
        """Where the caller is signed in, newest first."""
        services = services_of(request)
        assert caller.actor_id is not None, "whoever is signed in has an account"
        found = await Sessions(services.reader).open_of(
            caller.actor_id, services.clock(), wanted(page_request)
        )
        used = await services.session_use.last_used([session.session_id for session in found.items])
        return numbered(
            found,
            lambda session: OpenSessionView.of(
                session,
                current=session.session_id == caller.session_id,
                last_used_at=used.get(session.session_id),
            ),
        )

    @delete(
        "/{session_id:uuid}", status_code=200, summary="End a session", responses=errors("RESOURCE_NOT_FOUND")
    )
    async def end(
        self, request: AnyRequest, session_id: FromPath[UUID]
    ) -> Response[Envelope[EndedSessionView]]:
        """End one of the caller's sessions, also the one that asks. Its tokens are refused everywhere at once."""
        answer = await submit(
            request,
            RevokeSession(session_id=session_id),
            lambda session: EndedSessionView(session_id=session.session_id),
            kind=KIND,
            entity=session_id,
        )
        services_of(request).accounts.forget(session_id)
        return answer
