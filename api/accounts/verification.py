"""Showing that an email address is one's own, after signing up (requirements ACC-13 to ACC-15, OTP-09).

Whether an address has an account, only its owner learns, from the mail.
"""

from litestar import Controller, Response, post
from litestar.params import JSONBody

from api.accounts.answers import AnyRequest, language_of, note, told
from api.accounts.requests import EmailCodeRequest, EmailRequest, VerifyEmailRequest
from api.assembly import services_of
from api.context import context_of
from api.envelope import Envelope
from api.limits import Attempt, limit_sign_ins
from api.localisation.catalogue import Notice
from api.openapi import NOT_A_COMMAND, errors
from application.accounts.results import AccountOutcome
from application.shared.command import Done

Told = Response[Envelope[None]]


class VerificationController(Controller):
    """Codes and links that verify an address."""

    path = "/auth"
    tags = ("Accounts",)

    @post(
        "/verify-otp",
        status_code=200,
        summary="Verify an address by a code",
        opt=NOT_A_COMMAND,
        responses=errors(
            "OTP_INVALID",
            "OTP_EXPIRED",
            "OTP_ATTEMPTS_EXCEEDED",
            "RATE_LIMIT_EXCEEDED",
            "CONCURRENCY_CONFLICT",
            "OVERLOADED",
            VERIFICATION_TOKEN_INVALID=400,
        ),
    )
    async def verify_code(self, request: AnyRequest, data: JSONBody[EmailCodeRequest]) -> Told:
        """Take an address for verified by the code that was mailed to it. A code is good once, and not for long."""
        await limit_sign_ins(request, data.email, Attempt.PROVE)
        done = await services_of(request).door.verification.verify_by_code(
            email=data.email, code=data.otp, caller=context_of(request).stranger()
        )
        return _verified(request, done)

    @post(
        "/resend-otp",
        status_code=200,
        summary="Have another code mailed",
        opt=NOT_A_COMMAND,
        responses=errors("OTP_RATE_LIMITED", "RATE_LIMIT_EXCEEDED", "CONCURRENCY_CONFLICT", "OVERLOADED"),
    )
    async def resend_code(self, request: AnyRequest, data: JSONBody[EmailRequest]) -> Told:
        """Mail a new code to an address that waits to be verified; the one before is good no more.

        The answer is the same for an address that nobody has, or that is verified.
        """
        await limit_sign_ins(request, data.email, Attempt.ASK)
        await services_of(request).door.verification.request_code(
            email=data.email, caller=context_of(request).stranger(), language=language_of(request)
        )
        return told(request, None, Notice.CODE_MAYBE_MAILED)

    @post(
        "/verify-email",
        status_code=200,
        summary="Verify an address by a link",
        opt=NOT_A_COMMAND,
        responses=errors(
            "RATE_LIMIT_EXCEEDED", "CONCURRENCY_CONFLICT", "OVERLOADED", VERIFICATION_TOKEN_INVALID=400
        ),
    )
    async def verify_link(self, request: AnyRequest, data: JSONBody[VerifyEmailRequest]) -> Told:
        """Take an address for verified by the link that was mailed to it. It is good for 24 hours, once."""
        await limit_sign_ins(request, data.token, Attempt.PROVE)
        done = await services_of(request).door.verification.verify_by_link(
            token=data.token, caller=context_of(request).stranger()
        )
        return _verified(request, done)

    @post(
        "/resend-verification",
        status_code=200,
        summary="Have another link mailed",
        opt=NOT_A_COMMAND,
        responses=errors("RATE_LIMIT_EXCEEDED", "CONCURRENCY_CONFLICT", "OVERLOADED"),
    )
    async def resend_link(self, request: AnyRequest, data: JSONBody[EmailRequest]) -> Told:
        """Mail a new link to an address that waits to be verified; the one before is good no more.

        The answer is the same for an address that nobody has, or that is verified.
        """
        await limit_sign_ins(request, data.email, Attempt.ASK)
        await services_of(request).door.verification.request_link(
            email=data.email, caller=context_of(request).stranger()
        )
        return told(request, None, Notice.LINK_MAYBE_MAILED)


def _verified(request: AnyRequest, done: Done[AccountOutcome]) -> Told:
    note(request, "account_email_verified", done.result.account_id, done.result.role)
    return told(request, None, Notice.EMAIL_VERIFIED, position=done.position)
