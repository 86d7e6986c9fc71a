"""What an owner says of themselves: name, picture, phone (requirements ACC-06, ACC-22)."""

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
    PhoneVerified,
)
from domain.accounts.name import normalise_name
from domain.accounts.phone import normalise_phone
from domain.shared.errors import InvalidInput, Problem, RuleViolation

URL_CHARACTERS_MAXIMUM: Final = 2048


class AvatarInvalid(InvalidInput):
    """A picture is named by an absolute http(s) address."""

    def __init__(self, message: str) -> None:
        """The address is never echoed: it is personal data."""
        super().__init__(message, problems=[Problem("avatarUrl", message, "format")])


class PhoneIsOnlyKey(RuleViolation):
    """The account is entered by its verified phone alone: another one takes its place only once it is verified, too."""

    code = "PHONE_IS_ONLY_KEY"


def update_profile(
    account: Account,
    *,
    name: str | UnsetType = UNSET,
    avatar_url: str | UnsetType | None = UNSET,
    phone: str | UnsetType | None = UNSET,
) -> list[AccountEvent]:
    """Note what is new; what is left out, or is so already, adds no fact.

    A phone that is given here is where the owner can be called. It is not verified, so that a verified one, when it is
    another, opens the account no more.

    Raises:
        NameInvalid, AvatarInvalid, PhoneInvalid: see there.
        PhoneIsOnlyKey: nobody could sign in any more.
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
            if account.email is None and account.verified_phone not in (None, number):
                raise PhoneIsOnlyKey("You sign in by this phone. Verify the new one by a code instead.")
            events.append(ContactPhoneChanged(phone=number))
    return events


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
