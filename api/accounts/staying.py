"""Staying signed in, and leaving (requirements TOK-09 to TOK-11)."""

from uuid import UUID

from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from api.accounts.answers import AnyRequest, note, refreshed
from api.accounts.failures import breaking_as
from api.accounts.requests import LogOutRequest, RefreshRequest
from api.accounts.views import TokensView
from api.assembly import services_of
from api.context import context_of
from api.envelope import Envelope, Meta, envelope
from api.localisation.catalogue import Notice
from api.localisation.languages import catalogue_for
from api.openapi import NEEDS_BODY, NOT_A_COMMAND, errors
from api.security import EVEN_WHEN_SIGNED_OUT, InvalidToken
from api.submission import recorded, submit
from application.accounts.commands import LogOut, LogOutEverywhere
from application.accounts.results import AccountOutcome
from application.shared.caller import Caller
from domain.accounts.session import RefreshTokenExpired, RefreshTokenInvalid, SessionIsRevoked
from domain.shared.errors import InvalidInput, Problem
from infrastructure.security.tokens import RefreshClaims, TokenExpired, TokenInvalid, TokenIssuer


class RefreshTokenRequired(InvalidInput):
    """Somebody wants to go on, and shows nothing to go on by (requirements TOK-09)."""

    code = "REFRESH_TOKEN_REQUIRED"

    def __init__(self) -> None:
        """The same words always."""
        message = "A refresh token is required."
        super().__init__(message, problems=[Problem("refreshToken", message, "required")])


class StayingController(Controller):
    """Sessions that go on, or end."""

    path = "/auth"
    tags = ("Accounts",)

    @post(
        "/refresh",
        status_code=200,
        summary="Go on with a new pair of tokens",
        opt={**NOT_A_COMMAND, **NEEDS_BODY},
        responses=errors(
            "REFRESH_TOKEN_REQUIRED",
            "INVALID_REFRESH_TOKEN",
            "REFRESH_TOKEN_EXPIRED",
            "INVALID_USER",
            "TOKEN_REVOKED",
            "TOKEN_REFRESH_FAILED",
            "CONCURRENCY_CONFLICT",
            "OVERLOADED",
        ),
        exception_handlers=breaking_as("TOKEN_REFRESH_FAILED"),
    )
    async def refresh(
        self, request: AnyRequest, data: JSONBody[RefreshRequest | None] = None
    ) -> Response[Envelope[TokensView]]:
        """Prolong a session by its refresh token, which is good once.

        A token that was just used is answered with the same pair again for a few seconds, in case the answer was lost; later
        than that it ends the session, since two must have it. Role and status are those of the account now.
        """
        if data is None or not data.refresh_token:
            raise RefreshTokenRequired
        services = services_of(request)
        claims = _claims(services.tokens, data.refresh_token)
        try:
            done = await services.door.refreshing.refresh(
                account_id=claims.account_id,
                session_id=claims.session_id,
                token_id=claims.token_id,
                caller=context_of(request).stranger(),
            )
        except SessionIsRevoked:
            # It may have been ended just now, by this very token.
            services.accounts.forget(claims.session_id)
            note(request, "refresh_refused", claims.account_id, None, session_id=claims.session_id)
            raise
        return Response(
            envelope(refreshed(services, done.result), meta=Meta(position=done.position)),
            headers={"X-Position": str(done.position)},
        )

    @post(
        "/logout",
        status_code=200,
        summary="Sign out",
        opt=EVEN_WHEN_SIGNED_OUT,
        responses=errors("LOGOUT_FAILED"),
        exception_handlers=breaking_as("LOGOUT_FAILED"),
    )
    async def log_out(
        self,
        request: AnyRequest,
        caller: NamedDependency[Caller],
        data: JSONBody[LogOutRequest | None] = None,
    ) -> Response[Envelope[None]]:
        """End the session that the access token belongs to, or with `allSessions` all of the account.

        Signing out twice is signing out once: a session that is over ends no others. Within two seconds the tokens are
        refused everywhere. The body may be left out.
        """
        if caller.session_id is None or caller.actor_id is None:
            raise InvalidToken("This token belongs to no session.")
        if data is not None and data.all_sessions:
            return await _leave_everywhere(request, caller, caller.actor_id)
        return await _leave(request, caller, caller.session_id)


def _claims(tokens: TokenIssuer, refresh_token: str) -> RefreshClaims:
    try:
        return tokens.verify_refresh(refresh_token)
    except TokenExpired as error:
        raise RefreshTokenExpired(str(error)) from error
    except TokenInvalid as error:
        raise RefreshTokenInvalid("This is no refresh token of ours.") from error


async def _leave(request: AnyRequest, caller: Caller, session_id: UUID) -> Response[Envelope[None]]:
    catalogue = catalogue_for(context_of(request).headers)
    answer = await submit(
        request,
        LogOut(session_id=session_id),
        lambda _: None,
        kind="session",
        entity=session_id,
        message=catalogue.notices[Notice.SIGNED_OUT],
        headers={"Content-Language": catalogue.language},
    )
    services_of(request).accounts.forget(session_id)
    if recorded(answer):
        note(request, "account_logged_out", caller.actor_id, caller.role)
    return answer


async def _leave_everywhere(
    request: AnyRequest, caller: Caller, account_id: UUID
) -> Response[Envelope[None]]:
    catalogue = catalogue_for(context_of(request).headers)
    accounts = services_of(request).accounts

    def forget(outcome: AccountOutcome) -> None:
        for session_id in outcome.ended_sessions:
            accounts.forget(session_id)

    answer = await submit(
        request,
        LogOutEverywhere(),
        forget,
        kind="account",
        entity=account_id,
        message=catalogue.notices[Notice.SIGNED_OUT_EVERYWHERE],
        headers={"Content-Language": catalogue.language},
    )
    if recorded(answer):
        note(request, "account_logged_out", caller.actor_id, caller.role, everywhere=True)
    return answer
