"""Signing up, in and out, who one is and who others are (requirements §45.1)."""

from typing import Any, Final
from uuid import UUID

import msgspec
import structlog
from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from api.accounts.administration import AdminAccountsController, SellersController
from api.accounts.current import current_account
from api.accounts.failures import breaking_as
from api.accounts.requests import LogInRequest, RegisterRequest
from api.accounts.sessions import SessionsController
from api.accounts.views import PublicProfileView, RegisteredView, SignedInView, UserView
from api.assembly import AppServices, services_of
from api.context import context_of
from api.envelope import Envelope, Meta, envelope
from api.guessing import limit_guesses, remember_place
from api.limits import limit_sign_ins
from api.localisation.catalogue import Notice
from api.localisation.languages import catalogue_for
from api.openapi import NOT_A_COMMAND, NOT_A_QUERY, UNCONDITIONAL, errors
from api.requests import idempotency_key
from api.security import EVEN_WHEN_SIGNED_OUT, InvalidToken
from api.submission import recorded, submit
from application.accounts.commands import LogOut
from application.accounts.results import Registered, SignedIn
from application.shared.caller import Caller
from domain.accounts.account import AccountNotFound
from domain.accounts.email import normalise_email
from domain.accounts.name import normalise_name
from domain.accounts.phone import normalise_phone
from domain.accounts.roles import AccountKind
from domain.accounts.session import first_refresh_token_id
from projections.accounts.account_questions import Accounts

AnyRequest = Request[Any, Any, Any]

log: Final = structlog.get_logger(__name__)


class AuthController(Controller):
    """The door."""

    path = "/auth"
    tags = ("Accounts",)

    @post(
        "/register",
        summary="Register",
        opt=UNCONDITIONAL,
        responses=errors("USER_EXISTS", "RATE_LIMIT_EXCEEDED", "REGISTRATION_FAILED"),
        exception_handlers=breaking_as("REGISTRATION_FAILED"),
    )
    async def register(
        self, request: AnyRequest, data: JSONBody[RegisterRequest]
    ) -> Response[Envelope[RegisteredView]]:
        """Register an account as a customer, who is signed in at once, or as a seller, who waits for approval.

        A repetition under the same `Idempotency-Key` answers with the same account and fresh tokens.
        """
        await limit_sign_ins(request, data.email)
        services = services_of(request)
        stranger = context_of(request).stranger()
        key = await idempotency_key(request, stranger)
        done = await services.registration.register(
            kind=AccountKind(data.kind),
            email=data.email,
            password=data.password,
            name=data.name,
            phone=data.phone,
            business_name=data.business_name,
            caller=stranger,
            key=key,
        )
        view = RegisteredView(
            user=UserView.of_new(
                done.result,
                email=normalise_email(data.email),
                name=normalise_name(data.name),
                phone=None if data.phone is None else normalise_phone(data.phone),
            )
        )
        notice = Notice.WELCOME
        if done.result.session_id is None:
            notice = Notice.APPLICATION_WAITS
        else:
            await remember_place(request, data.email)
            tokens = _signed_in(services, done.result, view.user)
            view = msgspec.structs.replace(
                view,
                access_token=tokens.access_token,
                refresh_token=tokens.refresh_token,
                expires_in=tokens.expires_in,
                token_type=tokens.token_type,
            )
        catalogue = catalogue_for(context_of(request).headers)
        headers = {"X-Position": str(done.position), "Content-Language": catalogue.language}
        if done.replayed:
            headers["Idempotent-Replayed"] = "true"
        else:
            _note(request, "account_registered", done.result.account_id, done.result.role)
        message = catalogue.notices[notice]
        return Response(envelope(view, message=message, meta=Meta(position=done.position)), headers=headers)

    @post(
        "/login",
        status_code=200,
        summary="Sign in",
        opt=NOT_A_COMMAND,
        responses=errors(
            "INVALID_CREDENTIALS",
            "ACCOUNT_SUSPENDED",
            "ACCOUNT_PENDING",
            "ACCOUNT_REJECTED",
            "RATE_LIMIT_EXCEEDED",
            "LOGIN_FAILED",
            "CONCURRENCY_CONFLICT",
            "OVERLOADED",
        ),
        exception_handlers=breaking_as("LOGIN_FAILED"),
    )
    async def log_in(
        self, request: AnyRequest, data: JSONBody[LogInRequest]
    ) -> Response[Envelope[SignedInView]]:
        """Sign in with email and password; every sign-in opens a session of its own.

        Why somebody may not sign in (suspended, pending, rejected) is told only to those who know the password.
        """
        # Counted before the slow hash, so that guessing does not even cost us time (requirements SEC-09).
        await limit_sign_ins(request, data.email)
        await limit_guesses(request, data.email)
        services = services_of(request)
        done = await services.log_in.log_in(
            email=data.email, password=data.password, caller=context_of(request).stranger()
        )
        await remember_place(request, data.email)
        view = _signed_in(services, done.result, UserView.of(done.result))
        _note(request, "account_logged_in", done.result.account_id, done.result.role)
        return Response(
            envelope(view, meta=Meta(position=done.position)), headers={"X-Position": str(done.position)}
        )

    @post(
        "/logout",
        status_code=200,
        summary="Sign out",
        opt=EVEN_WHEN_SIGNED_OUT,
        responses=errors("LOGOUT_FAILED"),
        exception_handlers=breaking_as("LOGOUT_FAILED"),
    )
    async def log_out(self, request: AnyRequest, caller: NamedDependency[Caller]) -> Response[Envelope[None]]:
        """End the session that the access token belongs to. Signing out twice is signing out once.

        Within two seconds the token is refused everywhere.
        """
        if caller.session_id is None:
            raise InvalidToken("This token belongs to no session.")
        catalogue = catalogue_for(context_of(request).headers)
        answer = await submit(
            request,
            LogOut(session_id=caller.session_id),
            lambda _: None,
            kind="session",
            entity=caller.session_id,
            message=catalogue.notices[Notice.SIGNED_OUT],
            headers={"Content-Language": catalogue.language},
        )
        services_of(request).accounts.forget(caller.session_id)
        if recorded(answer):
            _note(request, "account_logged_out", caller.actor_id, caller.role)
        return answer

    @get(
        "/me",
        summary="Who am I",
        opt=NOT_A_QUERY,
        responses=errors("USER_FETCH_FAILED"),
        exception_handlers=breaking_as("USER_FETCH_FAILED"),
    )
    async def me(self, request: AnyRequest, caller: NamedDependency[Caller]) -> Envelope[UserView]:
        """The caller's own account, as it stands at this moment."""
        assert caller.actor_id is not None, "whoever is signed in has an account"
        account = await current_account(services_of(request).store, caller.actor_id)
        return envelope(UserView.of(account))


class ProfilesController(Controller):
    """What people see of each other."""

    path = "/profile"
    tags = ("Accounts",)

    @get("/{account_id:uuid}", summary="Somebody's public profile", responses=errors("RESOURCE_NOT_FOUND"))
    async def profile(
        self, request: AnyRequest, account_id: FromPath[UUID], caller: NamedDependency[Caller]
    ) -> Envelope[PublicProfileView]:
        """What anybody who is signed in may know of an account."""
        profile = await Accounts(services_of(request).reader).public_profile(account_id)
        if profile is None:
            raise AccountNotFound(f"No account {account_id}.")
        return envelope(PublicProfileView.of(profile))


def _note(request: AnyRequest, event: str, account_id: UUID | None, role: str | None) -> None:
    """Say in the log who came or went, and from where; never by name or email (requirements LOG-04)."""
    context = context_of(request)
    log.info(
        event,
        account_id=account_id,
        role=role,
        client_address=context.client_address,
        request_id=context.request_id,
    )


def _signed_in(services: AppServices, opened: Registered | SignedIn, user: UserView) -> SignedInView:
    """Tokens for a session that was opened; a repeated registration mints new ones for the same session."""
    assert opened.session_id is not None, "whoever is signed in has a session"
    tokens = services.tokens
    access = tokens.issue_access(
        account_id=opened.account_id,
        role=opened.role.value,
        session_id=opened.session_id,
        token_id=services.new_id(),
    )
    refresh = tokens.issue_refresh(
        account_id=opened.account_id,
        role=opened.role.value,
        session_id=opened.session_id,
        token_id=first_refresh_token_id(opened.session_id),
    )
    lifetime = services.settings.tokens.access_lifetime
    return SignedInView(
        user=user,
        access_token=access.token.reveal(),
        refresh_token=refresh.token.reveal(),
        expires_in=int(lifetime.total_seconds()),
    )


CONTROLLERS: tuple[type[Controller], ...] = (
    AuthController,
    ProfilesController,
    SessionsController,
    AdminAccountsController,
    SellersController,
)
