"""How influencers and salons present themselves to each other (requirements ONB-01, ONB-02): what of it can be shown."""

import unicodedata
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from domain.accounts.events import (
    InfluencerOnboardingCompleted,
    InfluencerProfileRevised,
    SalonOnboardingCompleted,
    SalonProfileRevised,
)
from domain.accounts.name import is_printable, normalise_name
from domain.shared.errors import InvalidInput, Problem

T = TypeVar("T")

PROSE_CHARACTERS_MAXIMUM: Final = 2000
"""Of what an influencer tells of themselves, and a salon of itself."""

REGION_CHARACTERS_MAXIMUM: Final = 100
ADDRESS_CHARACTERS_MAXIMUM: Final = 300
CATEGORIES_MAXIMUM: Final = 10
CATEGORY_CHARACTERS_MAXIMUM: Final = 50

_LINE_ENDS: Final = "\n\r\t"


class PresentationInvalid(InvalidInput):
    """Somebody presents themselves in a way that cannot be shown."""


class _Discreet(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What somebody says of themselves: never shown when it is printed."""

    def __repr__(self) -> str:
        """Without any value."""
        return f"{type(self).__name__}(...)"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """As `repr`, for tracebacks that show the values of variables."""
        return []


class InfluencerProfile(_Discreet, frozen=True, kw_only=True, gc=False):
    """What an influencer is found by, and shows. `categories` are folded, each is there once."""

    display_name: str
    bio: str | None
    categories: tuple[str, ...]
    region: str


class SalonProfile(_Discreet, frozen=True, kw_only=True, gc=False):
    """What a salon is found by, and shows. `categories` are folded, each is there once."""

    business_name: str
    description: str | None
    categories: tuple[str, ...]
    region: str
    address: str | None


class InfluencerRevision(_Discreet, frozen=True, kw_only=True, gc=False):
    """What is new about an influencer; what is left out stays, `None` takes the bio away."""

    display_name: str | UnsetType = UNSET
    bio: str | UnsetType | None = UNSET
    categories: tuple[str, ...] | UnsetType = UNSET
    region: str | UnsetType = UNSET


class SalonRevision(_Discreet, frozen=True, kw_only=True, gc=False):
    """What is new about a salon; what is left out stays, `None` takes description or address away."""

    business_name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    categories: tuple[str, ...] | UnsetType = UNSET
    region: str | UnsetType = UNSET
    address: str | UnsetType | None = UNSET


def influencer_in(event: InfluencerOnboardingCompleted | InfluencerProfileRevised) -> InfluencerProfile:
    """The profile that a fact tells of."""
    return InfluencerProfile(
        display_name=event.display_name,
        bio=event.bio,
        categories=event.categories,
        region=event.region,
    )


def salon_in(event: SalonOnboardingCompleted | SalonProfileRevised) -> SalonProfile:
    """The profile that a fact tells of."""
    return SalonProfile(
        business_name=event.business_name,
        description=event.description,
        categories=event.categories,
        region=event.region,
        address=event.address,
    )


# --- what can be shown ----------------------------------------------------------------------------------------


class Fields:
    """Fields of one form, each cleaned by itself, so that whoever filled it in learns of all that is wrong at once.

    At the end of its block it raises `PresentationInvalid` with every problem, if there is any.
    """

    def __init__(self, *, within: str = "") -> None:
        """`within` goes before the name of each field, where the form is a part of another."""
        self._within = within
        self._problems: list[Problem] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say what was wrong."""
        if error is None and self._problems:
            raise PresentationInvalid("The profile is not valid.", problems=self._problems)

    def clean(self, name: str, cleaned: Callable[[T, str], T], value: T | UnsetType, *, kept: T) -> T:
        """The value as it is kept; `kept` where it is left out, and where it is wrong."""
        if isinstance(value, UnsetType):
            return kept
        try:
            return cleaned(value, self._within + name)
        except InvalidInput as wrong:
            self._problems += wrong.problems
            return kept


def revised_influencer(
    profile: InfluencerProfile, revision: InfluencerRevision, fields: Fields
) -> InfluencerProfile:
    """The profile with what is new."""
    return InfluencerProfile(
        display_name=fields.clean(
            "displayName", _clean_name, revision.display_name, kept=profile.display_name
        ),
        bio=fields.clean("bio", _clean_prose, revision.bio, kept=profile.bio),
        categories=fields.clean("categories", clean_categories, revision.categories, kept=profile.categories),
        region=fields.clean("region", _clean_region, revision.region, kept=profile.region),
    )


def revised_salon(profile: SalonProfile, revision: SalonRevision, fields: Fields) -> SalonProfile:
    """The profile with what is new."""
    return SalonProfile(
        business_name=fields.clean(
            "businessName", _clean_name, revision.business_name, kept=profile.business_name
        ),
        description=fields.clean("description", _clean_prose, revision.description, kept=profile.description),
        categories=fields.clean("categories", clean_categories, revision.categories, kept=profile.categories),
        region=fields.clean("region", _clean_region, revision.region, kept=profile.region),
        address=fields.clean("address", _clean_address, revision.address, kept=profile.address),
    )


def folded_category(text: str) -> str:
    """As categories are compared: folding twice is folding once."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()


def clean_categories(categories: tuple[str, ...], field: str) -> tuple[str, ...]:
    """Categories as they are kept and compared: folded (Unicode NFKC, case), trimmed, in the order given.

    Raises:
        PresentationInvalid: there are none or more than 10, one is empty, too long or unreadable, or there twice.
    """
    if not categories:
        raise _invalid(field, "There is at least one category.", "min_items")
    if len(categories) > CATEGORIES_MAXIMUM:
        raise _invalid(field, f"There are at most {CATEGORIES_MAXIMUM} categories.", "max_items")
    cleaned: list[str] = []
    for number, category in enumerate(categories):
        place = f"{field}.{number}"
        cleaned.append(_clean_line(folded_category(category), place, CATEGORY_CHARACTERS_MAXIMUM))
        if cleaned[-1] in cleaned[:-1]:
            raise _invalid(place, "Each category is there once.", "unique")
    return tuple(cleaned)


def _clean_name(text: str, field: str) -> str:
    return normalise_name(text, field=field)


def _clean_region(text: str, field: str) -> str:
    return _clean_line(text, field, REGION_CHARACTERS_MAXIMUM)


def _clean_address(text: str | None, field: str) -> str | None:
    """An address that is empty is none."""
    if text is None or not text.strip():
        return None
    return _clean_line(text, field, ADDRESS_CHARACTERS_MAXIMUM)


def _clean_prose(text: str | None, field: str) -> str | None:
    """Some lines of text, trimmed; what is empty says nothing, and is not kept."""
    prose = "" if text is None else unicodedata.normalize("NFC", text).strip()
    if len(prose) > PROSE_CHARACTERS_MAXIMUM:
        raise _invalid(field, f"Must have at most {PROSE_CHARACTERS_MAXIMUM} characters.", "max_length")
    if not is_printable(prose, also=_LINE_ENDS):
        raise _invalid(field, "Has no control characters in it but the ends of lines.", "characters")
    return prose or None


def _clean_line(text: str, field: str, maximum: int) -> str:
    line = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(line) <= maximum:
        raise _invalid(field, f"Must have 1 to {maximum} characters.", "length")
    if not is_printable(line):
        raise _invalid(field, "Has no control characters in it.", "characters")
    return line


def _invalid(field: str, message: str, rule: str) -> PresentationInvalid:
    # The value is never echoed: it is personal data.
    return PresentationInvalid(message, problems=[Problem(field, message, rule)])
