"""What people say of themselves, and see of each other (requirements ACC-22, ACC-31, OTP-08)."""

from typing import Any, Final
from uuid import UUID

from litestar import Controller, Response, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UNSET

from api.accounts.answers import AnyRequest, language_of, note, told
from api.accounts.current import Current, current_account
from api.accounts.failures import breaking_as
from api.accounts.requests import PhoneCodeRequest, PhoneRequest, UpdateProfileRequest
from api.accounts.views import CodeSentView, OwnProfileView, PublicProfileView
from api.assembly import services_of
from api.envelope import Envelope, Meta, envelope, timestamp
from api.limits import Attempt, limit_sign_ins
from api.localisation.catalogue import Notice
from api.openapi import NOT_A_COMMAND, NOT_A_QUERY, errors
from api.requests import etag
from api.submission import recorded, submit
from application.accounts.commands import UpdateProfile
from application.shared.caller import Caller
from domain.accounts.account import Account, AccountNotFound
from domain.accounts.phone import normalise_phone
from domain.accounts.presentation import InfluencerProfile, SalonProfile
from projections.accounts.account_questions import Accounts

KIND: Final = "account"


class ProfilesController(Controller):
    """Profiles: one's own, and those of others."""

    path = "/profile"
    tags = ("Accounts",)

    @get(
        "/me",
        summary="My profile",
        opt=NOT_A_QUERY,
        responses=errors("USER_FETCH_FAILED"),
        exception_handlers=breaking_as("USER_FETCH_FAILED"),
    )
    async def own_profile(
        self, request: AnyRequest, caller: NamedDependency[Caller]
    ) -> Response[Envelope[OwnProfileView]]:
        """The caller's own account as it stands at this moment, and what of it is verified."""
        found = await _own(request, caller)
        return Response(
            envelope(OwnProfileView.of(found.account), meta=Meta(version=found.version)),
            headers={"ETag": etag(KIND, found.account.account_id, found.version)},
        )

    @put(
        "/me",
        summary="Change my profile",
        responses=errors(
            "ACCOUNT_PENDING",
            "ACCOUNT_REJECTED",
            "NOT_ONBOARDED",
            "PROFILE_UPDATE_FAILED",
            PHONE_IS_ONLY_KEY=409,
        ),
        exception_handlers=breaking_as("PROFILE_UPDATE_FAILED"),
    )
    async def update_profile(
        self,
        request: AnyRequest,
        data: JSONBody[UpdateProfileRequest],
        caller: NamedDependency[Caller],
    ) -> Response[Envelope[OwnProfileView]]:
        """Change name, picture, phone, and how one is found as an influencer or a salon, all of it or nothing.

        What is left out stays; null takes picture, phone, bio, description or address away. A phone that is given here is only
        where one can be called: who was able to sign in by another is not any more, until the new one is verified.
        """
        before = (await _own(request, caller)).account
        answer = await submit(
            request,
            UpdateProfile(
                account_id=before.account_id,
                name=data.name,
                avatar_url=data.avatar_url,
                phone=data.phone,
                influencer=UNSET if data.influencer is UNSET else data.influencer.revision(),
                salon=UNSET if data.salon is UNSET else data.salon.revision(),
            ),
            lambda _: None,
            kind=KIND,
            entity=before.account_id,
        )
        after = (await _own(request, caller)).account
        if recorded(answer):
            note(
                request,
                "account_profile_changed",
                caller.actor_id,
                caller.role,
                fields=_changed(before, after),
            )
        # What is kept for an equal request holds no personal data, so the profile is shown as it stands.
        return Response(
            envelope(OwnProfileView.of(after), meta=_meta_of(answer)), headers=dict(answer.headers)
        )

    @post(
        "/me/phone/send-code",
        status_code=200,
        summary="Have a code sent to my phone",
        opt=NOT_A_COMMAND,
        responses=errors("OTP_RATE_LIMITED", "RATE_LIMIT_EXCEEDED", "CONCURRENCY_CONFLICT", "OVERLOADED"),
    )
    async def send_code(
        self, request: AnyRequest, data: JSONBody[PhoneRequest], caller: NamedDependency[Caller]
    ) -> Response[Envelope[CodeSentView]]:
        """Send a code to a phone that the caller wants to sign in by. It becomes theirs once the code is shown."""
        phone = normalise_phone(data.phone)
        await limit_sign_ins(request, phone, Attempt.ASK)
        asked = await services_of(request).door.verification.request_phone_code(
            phone=phone, caller=caller, language=language_of(request)
        )
        return told(request, CodeSentView(expires_at=timestamp(asked.expires_at)), Notice.CODE_SENT)

    @post(
        "/me/phone/verify",
        status_code=200,
        summary="Verify my phone",
        opt=NOT_A_COMMAND,
        responses=errors(
            "OTP_INVALID",
            "OTP_EXPIRED",
            "OTP_ATTEMPTS_EXCEEDED",
            "USER_EXISTS",
            "ACCOUNT_PENDING",
            "ACCOUNT_REJECTED",
            "RATE_LIMIT_EXCEEDED",
            "CONCURRENCY_CONFLICT",
            "OVERLOADED",
        ),
    )
    async def verify_phone(
        self, request: AnyRequest, data: JSONBody[PhoneCodeRequest], caller: NamedDependency[Caller]
    ) -> Response[Envelope[OwnProfileView]]:
        """Take a phone for the caller's by the code that was sent to it; a phone has one account."""
        phone = normalise_phone(data.phone)
        await limit_sign_ins(request, phone, Attempt.PROVE)
        done = await services_of(request).door.verification.verify_phone(
            phone=phone, code=data.otp, caller=caller
        )
        note(request, "account_phone_verified", caller.actor_id, caller.role)
        account = (await _own(request, caller)).account
        return told(request, OwnProfileView.of(account), Notice.PHONE_VERIFIED, position=done.position)

    @get("/{account_id:uuid}", summary="Somebody's public profile", responses=errors("RESOURCE_NOT_FOUND"))
    async def profile(
        self, request: AnyRequest, account_id: FromPath[UUID], caller: NamedDependency[Caller]
    ) -> Envelope[PublicProfileView]:
        """What anybody who is signed in may know of an account."""
        profile = await Accounts(services_of(request).reader).public_profile(account_id)
        if profile is None:
            raise AccountNotFound(f"No account {account_id}.")
        return envelope(PublicProfileView.of(profile))


def _changed(before: Account, after: Account) -> list[str]:
    """The names of the fields that are not as they were (requirements LOG-04)."""
    pairs: list[tuple[str, Any, Any, tuple[str, ...]]] = [
        ("", before, after, ("name", "avatar_url", "phone")),
        ("influencer.", before.influencer, after.influencer, InfluencerProfile.__struct_fields__),
        ("salon.", before.salon, after.salon, SalonProfile.__struct_fields__),
    ]
    return [
        within + name
        for within, one, other, names in pairs
        for name in names
        if getattr(one, name, None) != getattr(other, name, None)
    ]


async def _own(request: AnyRequest, caller: Caller) -> Current:
    assert caller.actor_id is not None, "whoever is signed in has an account"
    return await current_account(services_of(request).store, caller.actor_id)


def _meta_of(answer: Response[Envelope[Any]]) -> Meta | None:
    meta = answer.content.meta
    return meta if isinstance(meta, Meta) else None
