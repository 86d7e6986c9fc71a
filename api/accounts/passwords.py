"""New passwords, by the old one or by a mailbox (requirements ACC-23 to ACC-25, OTP-10).

Whether an address has an account, only its owner learns, from the mail.
"""

from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from api.accounts.answers import AnyRequest, language_of, note, told
from api.accounts.current import current_account
from api.accounts.failures import breaking_as
from api.accounts.requests import (
    ChangePasswordRequest,
    EmailCodeRequest,
    EmailRequest,
    ForgotPasswordRequest,
    ResetPasswordRequest,
)
from api.accounts.views import ResetTicketView
from api.assembly import services_of
from api.context import context_of
from api.envelope import Envelope
from api.guessing import limit_guesses, remember_place
from api.limits import Attempt, limit_sign_ins
from api.localisation.catalogue import Notice
from api.openapi import NOT_A_COMMAND, errors
from application.accounts.results import AccountOutcome
from application.shared.caller import Caller

Told = Response[Envelope[None]]


class PasswordsController(Controller):
    """Where passwords are set anew."""

    path = "/auth"
    tags = ("Accounts",)
    exception_handlers = breaking_as("PASSWORD_CHANGE_FAILED")

    @post(
        "/change-password",
        status_code=200,
        summary="Change one's password",
        opt=NOT_A_COMMAND,
        responses=errors(
            "INVALID_CURRENT_PASSWORD",
            "ACCOUNT_PENDING",
            "ACCOUNT_REJECTED",
            "RATE_LIMIT_EXCEEDED",
            "PASSWORD_CHANGE_FAILED",
            "CONCURRENCY_CONFLICT",
            "OVERLOADED",
        ),
    )
    async def change_password(
        self,
        request: AnyRequest,
        data: JSONBody[ChangePasswordRequest],
        caller: NamedDependency[Caller],
    ) -> Told:
        """Set a new password by the old one. All other sessions of the account end."""
        # Whoever holds a token is not yet its owner: guessing the password is counted like signing in.
        await limit_sign_ins(request, str(caller.actor_id))
        await limit_guesses(request, str(caller.actor_id))
        done = await services_of(request).door.password_changes.change(
            current=data.current_password, new=data.new_password, caller=caller
        )
        _end(request, done.result)
        note(request, "account_password_changed", done.result.account_id, done.result.role)
        return told(request, None, Notice.PASSWORD_CHANGED, position=done.position)

    @post(
        "/forgot-password",
        status_code=200,
        summary="Ask for a new password",
        opt=NOT_A_COMMAND,
        responses=errors("OTP_RATE_LIMITED", "RATE_LIMIT_EXCEEDED", "CONCURRENCY_CONFLICT", "OVERLOADED"),
    )
    async def forget_password(self, request: AnyRequest, data: JSONBody[ForgotPasswordRequest]) -> Told:
        """Mail a link to set a new password by, or a code for `POST /auth/verify-forgot-otp`; only the newest is good.

        The answer is the same for an address that nobody has.
        """
        await limit_sign_ins(request, data.email, Attempt.ASK)
        if data.channel == "otp":
            return await _mail_code(request, data.email)
        await services_of(request).door.password_resets.request_link(
            email=data.email, caller=context_of(request).stranger()
        )
        return told(request, None, Notice.LINK_MAYBE_MAILED)

    @post(
        "/resend-forgot-otp",
        status_code=200,
        summary="Have another code for a new password mailed",
        opt=NOT_A_COMMAND,
        responses=errors("OTP_RATE_LIMITED", "RATE_LIMIT_EXCEEDED", "CONCURRENCY_CONFLICT", "OVERLOADED"),
    )
    async def resend_code(self, request: AnyRequest, data: JSONBody[EmailRequest]) -> Told:
        """Mail a new code to set a new password by; the one before is good no more.

        The answer is the same for an address that nobody has.
        """
        await limit_sign_ins(request, data.email, Attempt.ASK)
        return await _mail_code(request, data.email)

    @post(
        "/verify-forgot-otp",
        status_code=200,
        summary="Show the code for a new password",
        opt=NOT_A_COMMAND,
        responses=errors(
            "OTP_INVALID",
            "OTP_EXPIRED",
            "OTP_ATTEMPTS_EXCEEDED",
            "RATE_LIMIT_EXCEEDED",
            "CONCURRENCY_CONFLICT",
            "OVERLOADED",
            RESET_TOKEN_INVALID=400,
        ),
    )
    async def verify_code(
        self, request: AnyRequest, data: JSONBody[EmailCodeRequest]
    ) -> Response[Envelope[ResetTicketView]]:
        """Give a token for the code that was mailed. It lets one new password be set, within ten minutes."""
        await limit_sign_ins(request, data.email, Attempt.PROVE)
        ticket = await services_of(request).door.password_resets.verify_code(
            email=data.email, code=data.otp, caller=context_of(request).stranger()
        )
        return told(request, ResetTicketView.of(ticket), Notice.CODE_ACCEPTED)

    @post(
        "/reset-password",
        status_code=200,
        summary="Set a forgotten password anew",
        opt=NOT_A_COMMAND,
        responses=errors(
            "RATE_LIMIT_EXCEEDED",
            "PASSWORD_CHANGE_FAILED",
            "CONCURRENCY_CONFLICT",
            "OVERLOADED",
            RESET_TOKEN_INVALID=400,
        ),
    )
    async def reset_password(self, request: AnyRequest, data: JSONBody[ResetPasswordRequest]) -> Told:
        """Set a new password by the token of a link or of a code. All sessions of the account end; sign in anew."""
        await limit_sign_ins(request, data.token, Attempt.PROVE)
        done = await services_of(request).door.password_resets.reset(
            token=data.token, password=data.password, caller=context_of(request).stranger()
        )
        _end(request, done.result)
        # Whoever has the mailbox is the owner: they come in with the new password however many guess at it elsewhere.
        found = await current_account(services_of(request).store, done.result.account_id)
        if found.account.email is not None:
            await remember_place(request, found.account.email)
        note(request, "account_password_reset", done.result.account_id, done.result.role)
        return told(request, None, Notice.PASSWORD_SET, position=done.position)


async def _mail_code(request: AnyRequest, email: str) -> Told:
    await services_of(request).door.password_resets.request_code(
        email=email, caller=context_of(request).stranger(), language=language_of(request)
    )
    return told(request, None, Notice.CODE_MAYBE_MAILED)


def _end(request: AnyRequest, outcome: AccountOutcome) -> None:
    accounts = services_of(request).accounts
    for session_id in outcome.ended_sessions:
        accounts.forget(session_id)
