"""Who is asking (requirements TOK-05 to TOK-08, RBAC-01).

A token says who somebody was when it was issued. Role and status are those of the account now.
"""

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from litestar import Request
from litestar.handlers import BaseRouteHandler

from api.context import Connection, RequestContext, application_of, context_of
from api.services import SUSPENDED, Services
from application.shared.caller import Caller
from domain.shared.errors import NotAuthenticated, NotPermitted
from infrastructure.security.tokens import TokenInvalid, TokenRefused

_BEARER: Final = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] ([A-Za-z0-9._~+/=-]+)")
SUPER_ADMIN: Final = "super_admin"

EVEN_WHEN_SIGNED_OUT: Final = {"ended_session": True}
"""`opt` of the route that ends a session: a repeat whose first answer was lost is answered like the first."""

_NEEDS_CALLER: Final[MutableMapping[BaseRouteHandler, bool]] = WeakKeyDictionary()
"""Which routes depend on `caller`; found out once for each."""

Guard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]


class NoToken(NotAuthenticated):
    """The route needs somebody who is signed in, and no token came along."""

    code = "NO_TOKEN"


class InvalidToken(NotAuthenticated):
    """What came along is no access token of ours."""

    code = "INVALID_TOKEN"


class TokenTooOld(NotAuthenticated):
    """The access token was good once; a new one is had with the refresh token."""

    code = "TOKEN_EXPIRED"


class TokenRevoked(NotAuthenticated):
    """The access token was good until its session was ended (requirements TOK-11, TOK-12)."""

    code = "TOKEN_REVOKED"


class AccountGone(NotAuthenticated):
    """The token is good, but its account is no more."""

    code = "USER_NOT_FOUND"


class AccountSuspended(NotPermitted):
    """The account may do nothing now."""

    code = "ACCOUNT_SUSPENDED"


def look_at_token(context: RequestContext, services: Services) -> None:
    """Verify the access token, once a request; what is wrong with it is kept until somebody asks."""
    if context.token_looked_at:
        return
    context.token_looked_at = True
    header = context.headers.get(b"authorization")
    if header is None:
        return
    match = _BEARER.fullmatch(header)
    try:
        if match is None:
            raise TokenInvalid("The Authorization header must be: Bearer <token>.")
        context.claims = services.tokens.verify_access(match[1].decode("ascii"))
    except TokenRefused as refused:
        context.token_refusal = refused


async def authenticate(
    context: RequestContext, services: Services, *, session_may_be_over: bool = False
) -> Caller:
    """Who asks.

    Raises:
        NoToken, InvalidToken, TokenTooOld, TokenRevoked: there is no token, or not a good one.
        AccountGone: there is no such account any more.
        AccountSuspended: it may do nothing.
    """
    if context.caller is not None:
        return context.caller
    look_at_token(context, services)
    claims = context.claims
    if claims is None:
        refusal = context.token_refusal
        if refusal is None:
            raise NoToken("Sign in first: this needs an access token.")
        if isinstance(refusal, TokenInvalid):
            raise InvalidToken(str(refusal)) from refusal
        raise TokenTooOld(str(refusal)) from refusal
    standing = await services.accounts.standing(claims.account_id, claims.session_id)
    if standing is None:
        raise AccountGone("This account does not exist any more.")
    if standing.session_over and not session_may_be_over:
        raise TokenRevoked("This session was signed out.")
    if standing.status == SUSPENDED:
        raise AccountSuspended("This account is suspended.")
    context.caller = Caller(
        actor_id=claims.account_id,
        role=standing.role,
        session_id=claims.session_id,
        ip=context.client_address,
        user_agent=context.user_agent,
        correlation_id=context.correlation_id,
        trace_id=context.trace_id,
    )
    return context.caller


async def know_caller(request: Request[Any, Any, Any]) -> None:
    """Before every route: who must be signed in is asked for that before anything of the request is read.

    Raises:
        As `authenticate`, when the route depends on `caller`. Guards by `requires` come first, where there are any.
    """
    handler = request.route_handler
    needed = _NEEDS_CALLER.get(handler)
    if needed is None:
        needed = _NEEDS_CALLER[handler] = "caller" in handler.parsed_fn_signature.parameters
    if needed:
        await provide_caller(request)


async def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """The dependency `caller`: somebody who is signed in, or 401 or 403."""
    over = request.route_handler.opt.get("ended_session") is True
    return await authenticate(context_of(request), application_of(request).services, session_may_be_over=over)


async def provide_visitor(request: Request[Any, Any, Any]) -> Caller:
    """The dependency `visitor`: whoever asks; a stranger when the token is absent, bad, or of a suspended account."""
    context = context_of(request)
    try:
        return await authenticate(context, application_of(request).services)
    except (NotAuthenticated, NotPermitted):
        return context.stranger()


def asker(request: Request[Any, Any, Any]) -> Caller:
    """Whoever was found to ask, by a guard or a dependency of the route; a stranger when none looked."""
    context = context_of(request)
    return context.caller or context.stranger()


def requires(*roles: str) -> Guard:
    """A guard that lets in accounts with one of these roles; super administrators wherever administrators are let in.

    Anonymous callers get 401 `AUTHENTICATION_REQUIRED`, others 403 `INSUFFICIENT_PERMISSIONS`.
    """
    allowed = frozenset(roles) | ({SUPER_ADMIN} if "admin" in roles else frozenset())

    async def guard(connection: Connection, _: BaseRouteHandler) -> None:
        try:
            caller = await authenticate(context_of(connection), application_of(connection).services)
        except NoToken as error:
            raise NotAuthenticated("Sign in first.") from error
        if caller.role not in allowed:
            raise NotPermitted("Your role does not allow this.")

    guard.roles = allowed  # type: ignore[attr-defined]  # read by api.openapi
    return guard
