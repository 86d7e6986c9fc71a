"""Signing up: customers, sellers, influencers and salons (requirements ACC-01 to ACC-12)."""

from typing import Final

import msgspec
from litestar import Controller, Response, post
from litestar.params import JSONBody

from api.accounts.answers import AnyRequest, language_of, note, signed_in, told
from api.accounts.failures import breaking_as
from api.accounts.requests import RegisterRequest, SignUpRequest
from api.accounts.views import RegisteredView, SignedUpView, UserView
from api.assembly import services_of
from api.context import context_of
from api.envelope import Envelope
from api.guessing import remember_place
from api.limits import limit_sign_ins
from api.localisation.catalogue import Notice
from api.openapi import UNCONDITIONAL, errors
from api.requests import idempotency_key
from domain.accounts.email import normalise_email
from domain.accounts.name import normalise_name
from domain.accounts.phone import normalise_phone
from domain.accounts.roles import AccountKind

_REFUSALS: Final = ("USER_EXISTS", "RATE_LIMIT_EXCEEDED", "REGISTRATION_FAILED")


class SigningUpController(Controller):
    """Where people become ours."""

    path = "/auth"
    tags = ("Accounts",)
    exception_handlers = breaking_as("REGISTRATION_FAILED")

    @post("/register", summary="Register", opt=UNCONDITIONAL, responses=errors(*_REFUSALS))
    async def register(
        self, request: AnyRequest, data: JSONBody[RegisterRequest]
    ) -> Response[Envelope[RegisteredView]]:
        """Register an account as a customer, who is signed in at once, or as a seller, who waits for approval.

        Both get a mail with a link that verifies the address. A repetition under the same `Idempotency-Key` answers with the
        same account and fresh tokens.
        """
        await limit_sign_ins(request, data.email)
        services = services_of(request)
        stranger = context_of(request).stranger()
        done = await services.door.registration.register(
            kind=AccountKind(data.kind),
            email=data.email,
            password=data.password,
            name=data.name,
            phone=data.phone,
            business_name=data.business_name,
            locale=language_of(request),
            caller=stranger,
            key=await idempotency_key(request, stranger),
        )
        view = RegisteredView(
            user=UserView.of_new(
                done.result,
                email=normalise_email(data.email),
                name=normalise_name(data.name),
                phone=None if data.phone is None else normalise_phone(data.phone),
            )
        )
        if done.result.session_id is not None:
            await remember_place(request, data.email)
            notice = Notice.WELCOME
            tokens = signed_in(services, done.result, view.user)
            view = msgspec.structs.replace(
                view,
                access_token=tokens.access_token,
                refresh_token=tokens.refresh_token,
                expires_in=tokens.expires_in,
                token_type=tokens.token_type,
            )
        elif done.result.kind is AccountKind.SELLER:
            notice = Notice.APPLICATION_WAITS
        else:
            notice = Notice.LINK_TO_FOLLOW
        if not done.replayed:
            note(request, "account_registered", done.result.account_id, done.result.role)
        return told(request, view, notice, position=done.position, status=201, replayed=done.replayed)

    @post(
        "/signup/influencer",
        summary="Sign up as an influencer",
        opt=UNCONDITIONAL,
        responses=errors(*_REFUSALS),
    )
    async def sign_up_influencer(
        self, request: AnyRequest, data: JSONBody[SignUpRequest]
    ) -> Response[Envelope[SignedUpView]]:
        """Register an influencer, who gets a code by mail and verifies the address by it before signing in."""
        return await _sign_up(request, data, AccountKind.INFLUENCER)

    @post("/signup/salon", summary="Sign up as a salon", opt=UNCONDITIONAL, responses=errors(*_REFUSALS))
    async def sign_up_salon(
        self, request: AnyRequest, data: JSONBody[SignUpRequest]
    ) -> Response[Envelope[SignedUpView]]:
        """Register a salon, which gets a code by mail and verifies the address by it before signing in."""
        return await _sign_up(request, data, AccountKind.SALON)


async def _sign_up(
    request: AnyRequest, data: SignUpRequest, kind: AccountKind
) -> Response[Envelope[SignedUpView]]:
    await limit_sign_ins(request, data.email)
    stranger = context_of(request).stranger()
    done = await services_of(request).door.registration.register(
        kind=kind,
        email=data.email,
        password=data.password,
        name=data.name,
        terms_accepted=data.terms_accepted,
        locale=language_of(request),
        caller=stranger,
        key=await idempotency_key(request, stranger),
    )
    if not done.replayed:
        note(request, "account_registered", done.result.account_id, done.result.role)
    return told(
        request,
        SignedUpView(user_id=done.result.account_id, email=normalise_email(data.email)),
        Notice.CODE_TO_ENTER,
        position=done.position,
        status=201,
        replayed=done.replayed,
    )
