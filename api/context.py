"""What the edge knows of one request before any route has looked at it."""

import os
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid5

from litestar.connection import ASGIConnection

from application.shared.caller import Caller
from infrastructure.cache.rate_limits import Verdict
from infrastructure.security.tokens import AccessClaims, TokenRefused

if TYPE_CHECKING:
    from api.app import Application

SCOPE_KEY: Final = "daftar.request"
USER_AGENT_MAXIMUM: Final = 512
_REQUEST_IDS: Final = UUID("6f1c0a58-8f3b-5d0e-9a53-1d7a3b1f3c11")

Connection = ASGIConnection[Any, Any, Any, Any]


class RequestContext:
    """One request: where it came from, under which ids it is known, and what was found out about it since."""

    __slots__ = (
        "_correlation_id",
        "_trace_id",
        "caller",
        "claims",
        "client_address",
        "headers",
        "path",
        "peer_address",
        "problem_json",
        "request_id",
        "secure",
        "token_looked_at",
        "token_refusal",
        "verdicts",
    )

    def __init__(
        self,
        *,
        request_id: str,
        headers: dict[bytes, bytes],
        path: str,
        client_address: str,
        peer_address: str,
        secure: bool,
        trace_id: str | None,
        problem_json: bool,
    ) -> None:
        """`headers` are those of the request by lower-case name, the last of each; `secure` means that it came by HTTPS."""
        self.request_id = request_id
        self.headers = headers
        self.path = path
        self.client_address = client_address
        self.peer_address = peer_address
        self.secure = secure
        self.problem_json = problem_json
        self.caller: Caller | None = None
        self.claims: AccessClaims | None = None
        self.token_refusal: TokenRefused | None = None
        self.token_looked_at = False
        self.verdicts: tuple[Verdict, ...] = ()
        self._trace_id = trace_id
        self._correlation_id: UUID | None = None

    @property
    def correlation_id(self) -> UUID:
        """The request id as a UUID: itself when it is one, else one derived from it."""
        if self._correlation_id is None:
            try:
                self._correlation_id = UUID(self.request_id)
            except ValueError:
                self._correlation_id = uuid5(_REQUEST_IDS, self.request_id)
        return self._correlation_id

    @property
    def trace_id(self) -> str:
        """The trace that the request belongs to: its caller's, else a new one (W3C Trace Context)."""
        if self._trace_id is None:
            self._trace_id = os.urandom(16).hex()
        return self._trace_id

    @property
    def user_agent(self) -> str | None:
        """What the client says it is, cut to a sane length."""
        agent = self.headers.get(b"user-agent")
        if agent is None:
            return None
        return agent[:USER_AGENT_MAXIMUM].decode("latin-1").replace("\0", "")

    @property
    def actor_id(self) -> UUID | None:
        """Whose token or key came along, as far as that is known."""
        if self.claims is not None:
            return self.claims.account_id
        return self.caller.actor_id if self.caller is not None else None

    def stranger(self) -> Caller:
        """The caller as somebody who is not signed in."""
        return Caller(
            ip=self.client_address,
            user_agent=self.user_agent,
            correlation_id=self.correlation_id,
            trace_id=self.trace_id,
        )


def context_of(connection: Connection) -> RequestContext:
    """The context of a request."""
    scope: Any = connection.scope
    context: RequestContext = scope[SCOPE_KEY]
    return context


def application_of(connection: Connection) -> "Application":
    """The application that answers, with its services."""
    application: Application = connection.scope["litestar_app"]  # type: ignore[assignment]
    return application
