"""What an owner says of themselves: name, picture, phone, how they want to be found (requirements ACC-06, ACC-22)."""

import unicodedata
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from msgspec import UNSET, UnsetType

from domain.accounts.account import Account
from domain.accounts.events import (
    AccountEvent,
    AccountRenamed,
    AvatarChanged,
    ContactPhoneChanged,
    InfluencerProfileRevised,
    PhoneVerified,
    SalonProfileRevised,
)
from domain.accounts.name import normalise_name
from domain.accounts.phone import normalise_phone
from domain.accounts.presentation import (
    Fields,
    InfluencerRevision,
    SalonRevision,
    revised_influencer,
    revised_salon,
)
from domain.accounts.roles import Role
from domain.shared.errors import InvalidInput, NotPermitted, Problem, RuleViolation

URL_CHARACTERS_MAXIMUM: Final = 2048


class AvatarInvalid(InvalidInput):
    """A picture is named by an absolute http(s) address."""

    def __init__(self, message: str) -> None:
        """The address is never echoed: it is personal data."""
        super().__init__(message, problems=[Problem("avatarUrl", message, "format")])


class PhoneIsOnlyKey(RuleViolation):
    """The account is entered by its verified phone alone: another one takes its place only once it is verified, too."""

    code = "PHONE_IS_ONLY_KEY"


class NotOnboarded(RuleViolation):
    """There is nothing to revise yet: the account has not been onboarded as what it is."""

    code = "NOT_ONBOARDED"


def update_profile(
    account: Account,
    *,
    name: str | UnsetType = UNSET,
    avatar_url: str | UnsetType | None = UNSET,
    phone: str | UnsetType | None = UNSET,
    influencer: InfluencerRevision | UnsetType = UNSET,
    salon: SalonRevision | UnsetType = UNSET,
) -> list[AccountEvent]:
    """Note what is new; what is left out, or is so already, adds no fact. One thing that cannot be changes nothing at all.

    A phone that is given here is where the owner can be called. It is not verified, so that a verified one, when it is
    another, opens the account no more.

    Raises:
        NameInvalid, AvatarInvalid, PhoneInvalid, PresentationInvalid: see there.
        PhoneIsOnlyKey: nobody could sign in any more.
        NotPermitted: it is no influencer's account, or no salon's.
        NotOnboarded: there is no such profile to revise yet.
        AccountIsSuspended, AccountIsPending, AccountIsRejected, AccountIsGone: the account may not act.
    """
    account.check_may_act()
    events: list[AccountEvent] = []
    if name is not UNSET:
        name = normalise_name(name)
        if name != account.name:
            events.append(AccountRenamed(name=name))
    if avatar_url is not UNSET:
        url = None if avatar_url is None else clean_url(avatar_url)
        if url != account.avatar_url:
            events.append(AvatarChanged(url=url))
    if phone is not UNSET:
        number = None if phone is None else normalise_phone(phone)
        if number != account.phone:
            check_phone_is_free(account, number)
            events.append(ContactPhoneChanged(phone=number))
    if influencer is not UNSET:
        events += _revise_influencer(account, influencer)
    if salon is not UNSET:
        events += _revise_salon(account, salon)
    return events


def check_phone_is_free(account: Account, phone: str | None) -> None:
    """Let the owner be called at another number, which nobody has verified.

    Raises:
        PhoneIsOnlyKey: nobody could sign in any more.
    """
    if account.email is None and account.verified_phone not in (None, phone):
        raise PhoneIsOnlyKey("You sign in by this phone. Verify the new one by a code instead.")


def _revise_influencer(account: Account, revision: InfluencerRevision) -> list[AccountEvent]:
    if account.role is not Role.INFLUENCER:
        raise NotPermitted("Only influencers have an influencer's profile.")
    if account.influencer is None:
        raise NotOnboarded("This account has not been onboarded as an influencer yet.")
    with Fields(within="influencer.") as fields:
        profile = revised_influencer(account.influencer, revision, fields)
    if profile == account.influencer:
        return []
    return [
        InfluencerProfileRevised(
            display_name=profile.display_name,
            bio=profile.bio,
            categories=profile.categories,
            region=profile.region,
        )
    ]


def _revise_salon(account: Account, revision: SalonRevision) -> list[AccountEvent]:
    if account.role is not Role.SALON:
        raise NotPermitted("Only salons have a salon's profile.")
    if account.salon is None:
        raise NotOnboarded("This account has not been onboarded as a salon yet.")
    with Fields(within="salon.") as fields:
        profile = revised_salon(account.salon, revision, fields)
    if profile == account.salon:
        return []
    return [
        SalonProfileRevised(
            business_name=profile.business_name,
            description=profile.description,
            categories=profile.categories,
            region=profile.region,
            address=profile.address,
        )
    ]


def set_picture(account: Account, *, media_id: UUID, url: str) -> list[AccountEvent]:
    """Show a picture that the owner has just sent, and that lies with us, at `url`, from now on (requirements ACC-32).

    Raises:
        AccountIsSuspended, AccountIsPending, AccountIsRejected, AccountIsGone: the account may not act.
    """
    account.check_may_act()
    return [AvatarChanged(media_id=media_id, url=url)]


def verify_phone(account: Account, *, phone: str) -> list[AccountEvent]:
    """Note that a phone is the owner's, who gave the code that was sent to it. Verified twice is verified once.

    Raises:
        PhoneInvalid: see there.
        AccountIsSuspended, AccountIsPending, AccountIsRejected, AccountIsGone: the account may not act.
    """
    account.check_may_act()
    phone = normalise_phone(phone)
    return [] if phone == account.verified_phone else [PhoneVerified(phone=phone)]


def clean_url(text: str) -> str:
    """An absolute http(s) address, trimmed.

    Raises:
        AvatarInvalid: it is none, holds a user's name or password, or has more than 2048 characters.
    """
    url = text.strip()
    invalid = AvatarInvalid(
        f"A picture is given by an http or https address of at most {URL_CHARACTERS_MAXIMUM} characters."
    )
    if not 1 <= len(url) <= URL_CHARACTERS_MAXIMUM or any(_is_unprintable(letter) for letter in url):
        raise invalid
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise invalid from error
    if parts.scheme.lower() not in {"http", "https"} or not parts.hostname or "@" in parts.netloc:
        raise invalid
    return url


def _is_unprintable(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"}
