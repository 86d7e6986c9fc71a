"""How influencers and salons are onboarded: once each, after they have verified who they are (ONB-01 to ONB-03)."""

from typing import Final

from domain.accounts.account import Account
from domain.accounts.events import AccountEvent, InfluencerOnboardingCompleted, SalonOnboardingCompleted
from domain.accounts.phone import normalise_phone
from domain.accounts.presentation import (
    Fields,
    InfluencerProfile,
    InfluencerRevision,
    SalonProfile,
    SalonRevision,
    revised_influencer,
    revised_salon,
)
from domain.accounts.profile import check_phone_is_free
from domain.accounts.roles import Role
from domain.shared.errors import NotPermitted, RuleViolation


class AlreadyOnboarded(RuleViolation):
    """The account was onboarded as this before: what it says of itself is revised in its profile (ONB-03)."""

    code = "ALREADY_ONBOARDED"


_NO_INFLUENCER: Final = InfluencerProfile(display_name="", bio=None, categories=(), region="")
_NO_SALON: Final = SalonProfile(business_name="", description=None, categories=(), region="", address=None)


def onboard_influencer(
    account: Account,
    *,
    display_name: str,
    bio: str | None,
    categories: tuple[str, ...],
    region: str,
    phone: str | None,
) -> list[AccountEvent]:
    """Let salons find an influencer. `phone`, when it is given, is where they can be called from now on.

    Raises:
        NotPermitted: it is no influencer's account.
        EmailNotVerified: the email address has to be verified first.
        AlreadyOnboarded: it was done before.
        PresentationInvalid: see there.
        PhoneIsOnlyKey: nobody could sign in any more.
        AccountIsSuspended, AccountIsPending, AccountIsRejected, AccountIsGone: the account may not act.
    """
    _check_may_be_onboarded(account, Role.INFLUENCER, account.influencer)
    given = InfluencerRevision(display_name=display_name, bio=bio, categories=categories, region=region)
    with Fields() as fields:
        profile = revised_influencer(_NO_INFLUENCER, given, fields)
        phone = fields.clean("phone", _clean_phone, phone, kept=None)
    if phone is not None:
        check_phone_is_free(account, phone)
    return [
        InfluencerOnboardingCompleted(
            display_name=profile.display_name,
            bio=profile.bio,
            categories=profile.categories,
            region=profile.region,
            phone=phone,
        )
    ]


def onboard_salon(
    account: Account,
    *,
    business_name: str,
    description: str | None,
    categories: tuple[str, ...],
    region: str,
    address: str | None,
    phone: str | None,
) -> list[AccountEvent]:
    """Let influencers find a salon. `phone`, when it is given, is where it can be called from now on.

    Raises:
        As `onboard_influencer`, of a salon's account.
    """
    _check_may_be_onboarded(account, Role.SALON, account.salon)
    given = SalonRevision(
        business_name=business_name,
        description=description,
        categories=categories,
        region=region,
        address=address,
    )
    with Fields() as fields:
        profile = revised_salon(_NO_SALON, given, fields)
        phone = fields.clean("phone", _clean_phone, phone, kept=None)
    if phone is not None:
        check_phone_is_free(account, phone)
    return [
        SalonOnboardingCompleted(
            business_name=profile.business_name,
            description=profile.description,
            categories=profile.categories,
            region=profile.region,
            address=profile.address,
            phone=phone,
        )
    ]


def _check_may_be_onboarded(
    account: Account, role: Role, before: InfluencerProfile | SalonProfile | None
) -> None:
    account.check_may_act()
    if account.role is not role:
        raise NotPermitted(f"Only accounts of {role}s are onboarded as such.")
    account.check_is_verified()
    if before is not None:
        raise AlreadyOnboarded("This account was onboarded before. Change its profile instead.")


def _clean_phone(phone: str | None, _: str) -> str | None:
    return None if phone is None else normalise_phone(phone)
