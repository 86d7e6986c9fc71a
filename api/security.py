"""Who is asking, and whether they may (requirements TOK-05 to TOK-08, KEY-04, KEY-06, RBAC-01).

A token or a key says who somebody was when it was issued. Role, status and permissions are those of the account now. Who comes
with both is taken at the word of the token.
"""

import re
from typing import Any, Final

from litestar import Request
from litestar.handlers import BaseRouteHandler

from api.access import Access, Door
from api.context import Connection, RequestContext, application_of, context_of
from api.services import Services, Standing
from application.api_keys.using import caller_by_key
from application.shared.caller import ActorKind, Caller
from domain.accounts.account import AccountIsPending, AccountIsRejected
from domain.accounts.roles import AccountStatus
from domain.api_keys.api_key import ApiKeyInvalid
from domain.shared.errors import NotAuthenticated, NotPermitted
from infrastructure.last_seen import Kind
from infrastructure.security.tokens import AccessClaims, TokenInvalid, TokenRefused

_BEARER: Final = re.compile(rb"[Bb][Ee][Aa][Rr][Ee][Rr] ([A-Za-z0-9._~+/=-]+)")
KEY_CHARACTERS_MAXIMUM: Final = 512

EVEN_WHEN_SIGNED_OUT: Final = {"ended_session": True}
"""`opt` of the route that ends a session: a repeat whose first answer was lost is answered like the first."""


class NoToken(NotAuthenticated):
    """The route needs somebody who is signed in, and no token came along."""

    code = "NO_TOKEN"


class ApiKeyRequired(NotAuthenticated):
    """The route is for programs, and no API key came along."""

    code = "API_KEY_REQUIRED"


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
    if match is None:
        context.token_refusal = TokenInvalid("The Authorization header must be: Bearer <token>.")
        return
    take_token(match[1].decode("ascii"), context, services)


def take_token(token: str, context: RequestContext, services: Services) -> None:
    """Take a text for the access token that came along, in place of one from before."""
    context.token_looked_at = True
    context.claims = context.token_refusal = context.caller = None
    try:
        context.claims = services.tokens.verify_access(token)
    except TokenRefused as refused:
        context.token_refusal = refused


def shown_key(context: RequestContext) -> str | None:
    """The API key that came along, where no token did."""
    if b"authorization" in context.headers:
        return None
    header = context.headers.get(b"x-api-key")
    return None if header is None else header.decode("latin-1").strip(" \t")


async def authenticate(
    context: RequestContext, services: Services, *, session_may_be_over: bool = False
) -> Caller:
    """Who asks.

    Raises:
        NoToken, InvalidToken, TokenTooOld, TokenRevoked: there is no token, or not a good one.
        ApiKeyRequired, ApiKeyInvalid, ApiKeyExpired: the same of a key.
        AccountGone: there is no such account any more.
        AccountSuspended, AccountIsPending, AccountIsRejected: it may do nothing, or not yet.
    """
    if context.caller is None:
        key = shown_key(context)
        if key is not None:
            context.caller = await _by_key(key, context, services)
        else:
            context.caller = await by_token(context, services, session_may_be_over=session_may_be_over)
    return context.caller


async def by_token(
    context: RequestContext, services: Services, *, session_may_be_over: bool = False
) -> Caller:
    """Who asks, by their access token.

    Raises:
        As `authenticate`.
    """
    look_at_token(context, services)
    claims = context.claims
    if claims is None:
        refusal = context.token_refusal
        if refusal is None:
            raise NoToken("Sign in first: this needs an access token.")
        if isinstance(refusal, TokenInvalid):
            raise InvalidToken(str(refusal)) from refusal
        raise TokenTooOld(str(refusal)) from refusal
    standing = await check_standing(claims, services, session_may_be_over=session_may_be_over)
    if services.last_seen is not None:
        services.last_seen.note(Kind.ACCOUNT, claims.account_id)
    if services.session_use is not None and not standing.session_over:
        services.session_use.note(claims.session_id, claims.account_id)
    return Caller(
        actor_id=claims.account_id,
        role=standing.role,
        session_id=claims.session_id,
        ip=context.client_address,
        user_agent=context.user_agent,
        correlation_id=context.correlation_id,
        trace_id=context.trace_id,
    )


async def check_standing(
    claims: AccessClaims, services: Services, *, session_may_be_over: bool = False
) -> Standing:
    """How whoever a good token names stands now, if they may act.

    Raises:
        TokenRevoked, AccountGone, AccountSuspended, AccountIsPending, AccountIsRejected: see `authenticate`.
    """
    standing = await services.accounts.standing(claims.account_id, claims.session_id)
    if standing is None or standing.status == AccountStatus.DELETED:
        raise AccountGone("This account does not exist any more.")
    if standing.status == AccountStatus.SUSPENDED:
        raise AccountSuspended("This account is suspended.")
    if standing.session_over and not session_may_be_over:
        raise TokenRevoked("This session was signed out.")
    if standing.status == AccountStatus.PENDING:
        raise AccountIsPending("This account waits for approval.")
    if standing.status == AccountStatus.REJECTED:
        raise AccountIsRejected("The application of this account was turned down.")
    return standing


async def _by_key(shown: str, context: RequestContext, services: Services) -> Caller:
    if not shown:
        raise ApiKeyRequired("The header X-API-Key is empty.")
    if services.keys is None or len(shown) > KEY_CHARACTERS_MAXIMUM:
        raise ApiKeyInvalid
    bearer = await services.keys.admit(shown)
    if services.last_seen is not None:
        services.last_seen.note(Kind.API_KEY, bearer.key_id)
    return caller_by_key(bearer, context.stranger())


# --- the door ----------------------------------------------------------------------------------------------


async def admit(connection: Connection, handler: BaseRouteHandler) -> None:
    """The guard before every route: let in those whom the table lets in, before anything of the request is read.

    Raises:
        As `authenticate`.
        NotAuthenticated, ApiKeyRequired: the route is not for just anybody, and nobody said who they are.
        NotPermitted: it is not for this role, or not for this key.
    """
    application = application_of(connection)
    access = access_of(connection)
    if access.door is not Door.CLOSED:
        return
    over = handler.opt.get("ended_session") is True
    try:
        caller = await authenticate(context_of(connection), application.services, session_may_be_over=over)
    except NoToken as error:
        if access.for_programs:
            raise ApiKeyRequired("This is for programs: send an API key.") from error
        if access.roles is not None:
            raise NotAuthenticated("Sign in first.") from error
        raise
    check_key(caller, access)
    if access.roles is not None and caller.role not in access.roles:
        raise NotPermitted("Your role does not allow this.")


def access_of(connection: Connection) -> Access:
    """The row of the table for the route that was asked for."""
    scope = connection.scope
    method = str(scope.get("method", "GET"))  # A WebSocket has none, and begins with GET.
    return application_of(connection).access[method, scope["path_template"]]


def check_key(caller: Caller, access: Access) -> None:
    """Whether whoever came by a key may use a route by it; all others may, as far as their key goes.

    Raises:
        NotPermitted: no key opens this route, or this one was not given what it takes.
    """
    if caller.actor_kind is not ActorKind.API_KEY:
        return
    if access.key is None:
        raise NotPermitted("An API key cannot do this. Sign in.")
    if caller.permissions is not None and access.key not in caller.permissions:
        raise NotPermitted(
            f"This API key was not given {access.key.value}.", details={"permission": access.key.value}
        )


async def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """The dependency `caller`: whoever was let in."""
    return await authenticate(context_of(request), application_of(request).services)


async def provide_visitor(request: Request[Any, Any, Any]) -> Caller:
    """The dependency `visitor`: whoever asks; a stranger when token or key are absent, bad, or not good for this."""
    context = context_of(request)
    try:
        caller = await authenticate(context, application_of(request).services)
        check_key(caller, access_of(request))
    except (NotAuthenticated, NotPermitted):
        return context.stranger()
    return caller


def asker(request: Request[Any, Any, Any]) -> Caller:
    """Whoever was found to ask, at the door or by a dependency of the route; a stranger when nobody looked."""
    context = context_of(request)
    return context.caller or context.stranger()
