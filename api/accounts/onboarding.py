"""How influencers and salons are onboarded (requirements ONB-01 to ONB-03)."""

from typing import Final
from uuid import UUID

from litestar import Controller, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from api.accounts.answers import AnyRequest, note
from api.accounts.current import current_account
from api.accounts.requests import InfluencerOnboardingRequest, SalonOnboardingRequest
from api.accounts.views import OwnProfileView
from api.assembly import services_of
from api.envelope import Envelope, envelope
from api.openapi import errors
from api.submission import recorded, submit
from application.accounts.commands import CompleteInfluencerOnboarding, CompleteSalonOnboarding
from application.shared.caller import Caller

_REFUSALS: Final = ("EMAIL_NOT_VERIFIED", "ALREADY_ONBOARDED")

Onboarded = Response[Envelope[OwnProfileView]]


class OnboardingController(Controller):
    """The first thing that influencers and salons say of themselves; later changes go through the profile."""

    path = "/onboarding"
    tags = ("Accounts",)

    @post(
        "/influencer",
        status_code=200,
        summary="Be found as an influencer",
        responses=errors(*_REFUSALS, PHONE_IS_ONLY_KEY=409),
    )
    async def onboard_influencer(
        self,
        request: AnyRequest,
        data: JSONBody[InfluencerOnboardingRequest],
        caller: NamedDependency[Caller],
    ) -> Onboarded:
        """Say, once, how salons shall find one. The email address has been verified before.

        Everybody who is signed in sees what is said here, but for the phone: by that one can be called, see `PUT /profile/me`.
        """
        command = CompleteInfluencerOnboarding(
            account_id=_account_of(caller),
            display_name=data.display_name,
            bio=data.bio,
            categories=data.categories,
            region=data.region,
            phone=data.phone,
        )
        return await _onboard(request, command, caller)

    @post(
        "/salon",
        status_code=200,
        summary="Be found as a salon",
        responses=errors(*_REFUSALS, PHONE_IS_ONLY_KEY=409),
    )
    async def onboard_salon(
        self, request: AnyRequest, data: JSONBody[SalonOnboardingRequest], caller: NamedDependency[Caller]
    ) -> Onboarded:
        """Say, once, how influencers shall find the salon. The email address has been verified before.

        Everybody who is signed in sees what is said here, but for the phone: by that one can be called, see `PUT /profile/me`.
        """
        command = CompleteSalonOnboarding(
            account_id=_account_of(caller),
            business_name=data.business_name,
            description=data.description,
            categories=data.categories,
            region=data.region,
            address=data.address,
            phone=data.phone,
        )
        return await _onboard(request, command, caller)


def _account_of(caller: Caller) -> UUID:
    assert caller.actor_id is not None, "whoever is signed in has an account"
    return caller.actor_id


async def _onboard(
    request: AnyRequest, command: CompleteInfluencerOnboarding | CompleteSalonOnboarding, caller: Caller
) -> Onboarded:
    answer = await submit(request, command, lambda _: None, kind="account", entity=command.account_id)
    if recorded(answer):
        note(request, "account_onboarded", caller.actor_id, caller.role)
    # What is kept for an equal request holds no personal data, so the profile is shown as it stands.
    account = (await current_account(services_of(request).store, command.account_id)).account
    return Response(
        envelope(OwnProfileView.of(account), meta=answer.content.meta or None),
        headers=dict(answer.headers),
    )
