"""Signing in, and who one is (requirements §45.1); beside it all other routes of accounts."""

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from api.accounts.administering import AccountsOfOthersController
from api.accounts.administration import AdminAccountsController, DashboardController, SellersController
from api.accounts.answers import AnyRequest, language_of, note, signed_in, told
from api.accounts.current import current_account
from api.accounts.export import ExportController
from api.accounts.failures import breaking_as
from api.accounts.onboarding import OnboardingController
from api.accounts.passwords import PasswordsController
from api.accounts.picture import PictureController
from api.accounts.profiles import ProfilesController
from api.accounts.requests import (
    LogInRequest,
    PhoneRequest,
    PhoneSignInRequest,
)
from api.accounts.sessions import SessionsController
from api.accounts.signing_up import SigningUpController
from api.accounts.staying import StayingController
from api.accounts.verification import VerificationController
from api.accounts.views import CodeSentView, SignedInView, UserView
from api.assembly import services_of
from api.context import context_of
from api.envelope import Envelope, Meta, envelope, timestamp
from api.guessing import limit_guesses, remember_place
from api.limits import Attempt, limit_sign_ins
from api.localisation.catalogue import Notice
from api.openapi import NOT_A_COMMAND, NOT_A_QUERY, errors
from application.accounts.results import SignedIn
from application.shared.caller import Caller
from application.shared.command import Done
from domain.accounts.phone import normalise_phone


class AuthController(Controller):
    """The door."""

    path = "/auth"
    tags = ("Accounts",)

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
            "EMAIL_NOT_VERIFIED",
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

        Why somebody may not sign in (suspended, pending, rejected, not verified) is told only to those who know the password.
        """
        # Counted before the slow hash, so that guessing does not even cost us time (requirements SEC-09).
        await limit_sign_ins(request, data.email)
        await limit_guesses(request, data.email)
        done = await services_of(request).door.log_in.log_in(
            email=data.email, password=data.password, caller=context_of(request).stranger()
        )
        return await _let_in(request, done)

    @post(
        "/otp/send",
        status_code=200,
        summary="Have a code to sign in sent",
        opt=NOT_A_COMMAND,
        responses=errors("OTP_RATE_LIMITED", "RATE_LIMIT_EXCEEDED", "CONCURRENCY_CONFLICT", "OVERLOADED"),
    )
    async def send_code(
        self, request: AnyRequest, data: JSONBody[PhoneRequest]
    ) -> Response[Envelope[CodeSentView]]:
        """Send a code to a phone, whether or not it has an account; the one before is good no more."""
        phone = normalise_phone(data.phone)
        await limit_sign_ins(request, phone, Attempt.ASK)
        asked = await services_of(request).door.phone_sign_in.request_code(
            phone=phone, caller=context_of(request).stranger(), language=language_of(request)
        )
        return told(request, CodeSentView(expires_at=timestamp(asked.expires_at)), Notice.CODE_SENT)

    @post(
        "/otp/verify",
        status_code=200,
        summary="Sign in by a code",
        opt=NOT_A_COMMAND,
        responses=errors(
            "OTP_INVALID",
            "OTP_EXPIRED",
            "OTP_ATTEMPTS_EXCEEDED",
            "INVALID_CREDENTIALS",
            "ACCOUNT_SUSPENDED",
            "ACCOUNT_PENDING",
            "ACCOUNT_REJECTED",
            "EMAIL_NOT_VERIFIED",
            "RATE_LIMIT_EXCEEDED",
            "LOGIN_FAILED",
            "CONCURRENCY_CONFLICT",
            "OVERLOADED",
        ),
        exception_handlers=breaking_as("LOGIN_FAILED"),
    )
    async def sign_in_by_code(
        self, request: AnyRequest, data: JSONBody[PhoneSignInRequest]
    ) -> Response[Envelope[SignedInView]]:
        """Sign in by the code that was sent to a phone. Whoever is new here becomes a customer, with the `name` given."""
        phone = normalise_phone(data.phone)
        await limit_sign_ins(request, phone, Attempt.PROVE)
        done = await services_of(request).door.phone_sign_in.sign_in(
            phone=phone,
            code=data.otp,
            caller=context_of(request).stranger(),
            name=data.name,
            locale=language_of(request),
        )
        return await _let_in(request, done)

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
        found = await current_account(services_of(request).store, caller.actor_id)
        return envelope(UserView.of(found.account))


async def _let_in(request: AnyRequest, done: Done[SignedIn]) -> Response[Envelope[SignedInView]]:
    if done.result.email is not None:
        await remember_place(request, done.result.email)
    event = "account_registered" if done.result.registered else "account_logged_in"
    note(request, event, done.result.account_id, done.result.role)
    view = signed_in(services_of(request), done.result, UserView.of(done.result))
    return Response(
        envelope(view, meta=Meta(position=done.position)), headers={"X-Position": str(done.position)}
    )


CONTROLLERS: tuple[type[Controller], ...] = (
    SigningUpController,
    AuthController,
    StayingController,
    VerificationController,
    PasswordsController,
    ProfilesController,
    ExportController,
    PictureController,
    OnboardingController,
    SessionsController,
    AdminAccountsController,
    AccountsOfOthersController,
    DashboardController,
    SellersController,
)
