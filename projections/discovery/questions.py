"""Questions of influencers about salons, and of salons about influencers (requirements DISC-01 to DISC-03)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Final, LiteralString
from uuid import UUID

import msgspec

from domain.accounts.name import is_printable
from domain.accounts.presentation import folded_category
from projections.discovery.discovery import region_key
from projections.shared.paging import Filter, NewestFirst, Slice, SliceRequest
from projections.shared.reader import Reader
from projections.shared.words import QUERY_CHARACTERS_MAXIMUM, query_words

SEARCH_CHARACTERS_MAXIMUM: Final = QUERY_CHARACTERS_MAXIMUM
"""What is typed beyond that narrows nothing."""


class FoundInfluencer(msgspec.Struct, frozen=True, kw_only=True):
    """An influencer as salons find them."""

    account_id: UUID
    display_name: str
    bio: str | None
    categories: list[str]
    region: str
    avatar_url: str | None
    onboarded_at: datetime

    def __repr__(self) -> str:
        """Without personal data."""
        return f"FoundInfluencer({self.account_id})"


class FoundSalon(msgspec.Struct, frozen=True, kw_only=True):
    """A salon as influencers find it."""

    account_id: UUID
    business_name: str
    description: str | None
    categories: list[str]
    region: str
    address: str | None
    avatar_url: str | None
    onboarded_at: datetime

    def __repr__(self) -> str:
        """Without personal data."""
        return f"FoundSalon({self.account_id})"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Who is looked for: by words of the name, all of which must be there; in one of these categories; in a region.

    A word is there when a word of the name begins with it. What is left out, or blank, narrows nothing.
    """

    search: str | None = None
    categories: Sequence[str] = ()
    region: str | None = None

    @property
    def is_search(self) -> bool:
        """Whether words are searched for."""
        return self.search is not None and bool(self.search.strip())

    def as_filter(self) -> Filter:
        """Those of them who may be found."""
        wanted = Filter().add("shown")
        if self.is_search:
            words = query_words(self.search or "")
            if words:
                # Words hold letters, digits and marks only, so they need no quoting but the quotes.
                beginnings = " & ".join(f"'{word}':*" for word in words)
                wanted.add("words @@ %(beginnings)s::tsquery", beginnings=beginnings)
            else:
                wanted.add("false")  # Signs alone are in no name.
        categories = [folded for each in self.categories if (folded := folded_category(each))]
        if categories:
            # What nobody can have as a category the database may not even take as a text.
            categories = [each for each in categories if is_printable(each)]
            wanted.add("categories && %(categories)s::text[]", categories=categories)
        if self.region is not None and (region := region_key(self.region)):
            wanted.add("region_key = %(region)s", region=region)
        return wanted


class _Place(msgspec.Struct, frozen=True, array_like=True):
    onboarded_at: Annotated[datetime, msgspec.Meta(tz=True)]
    account_id: UUID


_ORDERS: Final[dict[bool, Sequence[LiteralString]]] = {
    False: ("onboarded_at", "account_id"),
    True: ("(onboarded_at + interval '0')", "account_id"),
}
"""The order of a list, by whether words are searched for. It is the same one, but in terms that no index is in.

How many names have a word that begins so, the planner only guesses. It would rather go along the newest until it has a
page of them: for a word that nobody has, to the end of the list (67 to 89 ms among 100,000, instead of 0.02 ms).
"""


class Discovery:
    """Who is to be found, newest onboarded first. Who may ask which one is for the edge to decide (RBAC-06).

    The order never changes, whatever people change about themselves: going on from a cursor, nobody is seen twice.
    """

    def __init__(self, reader: Reader) -> None:
        """`reader` may be behind the log."""
        self._influencers: dict[bool, NewestFirst[FoundInfluencer, _Place]] = {
            searched: NewestFirst(
                reader,
                columns="account_id, display_name, bio, categories, region, avatar_url, onboarded_at",
                table="discovery_influencers",
                order=order,
                place=_Place,
                place_of=lambda found: _Place(found.onboarded_at, found.account_id),
                item_of=_influencer,
            )
            for searched, order in _ORDERS.items()
        }
        self._salons: dict[bool, NewestFirst[FoundSalon, _Place]] = {
            searched: NewestFirst(
                reader,
                columns="""
                    account_id, business_name, description, categories, region, address, avatar_url, onboarded_at
                """,
                table="discovery_salons",
                order=order,
                place=_Place,
                place_of=lambda found: _Place(found.onboarded_at, found.account_id),
                item_of=_salon,
            )
            for searched, order in _ORDERS.items()
        }

    async def influencers(self, wanted: Wanted, request: SliceRequest) -> Slice[FoundInfluencer]:
        """Influencers, onwards from a cursor."""
        return await self._influencers[wanted.is_search].slice(wanted.as_filter(), request)

    async def salons(self, wanted: Wanted, request: SliceRequest) -> Slice[FoundSalon]:
        """Salons, onwards from a cursor."""
        return await self._salons[wanted.is_search].slice(wanted.as_filter(), request)


def _influencer(row: dict[str, Any]) -> FoundInfluencer:
    return FoundInfluencer(**row)


def _salon(row: dict[str, Any]) -> FoundSalon:
    return FoundSalon(**row)
