"""How influencers and salons find each other (requirements DISC-01 to DISC-03, RBAC-06)."""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from api.assembly import services_of
from api.envelope import CursorPage, ResponseBody, Timestamp, cursor_page, timestamp
from api.requests import CursorRequest, taking_lists
from domain.accounts.presentation import (
    CATEGORIES_MAXIMUM,
    REGION_CHARACTERS_MAXIMUM,
)
from projections.discovery import questions
from projections.shared.paging import SliceRequest

AnyRequest = Request[Any, Any, Any]

Search = Annotated[
    str | None,
    QueryParameter(
        max_length=questions.SEARCH_CHARACTERS_MAXIMUM,
        description="Words of the name, or how they begin; all of them must be there.",
    ),
]
Categories = Annotated[
    list[str] | None,
    QueryParameter(
        max_items=CATEGORIES_MAXIMUM, description="Any of these; give the parameter once for each of them."
    ),
]
Region = Annotated[
    str | None,
    QueryParameter(
        min_length=1, max_length=REGION_CHARACTERS_MAXIMUM, description="As they named it, whatever its case."
    ),
]


class FoundInfluencerView(ResponseBody, frozen=True, kw_only=True):
    """An influencer as salons find them: no email, no phone, no status."""

    id: UUID
    display_name: str
    bio: str | None
    categories: list[str]
    region: str
    avatar_url: str | None
    onboarded_at: Timestamp

    @classmethod
    def of(cls, found: questions.FoundInfluencer) -> "FoundInfluencerView":
        """Show one."""
        return cls(
            id=found.account_id,
            display_name=found.display_name,
            bio=found.bio,
            categories=found.categories,
            region=found.region,
            avatar_url=found.avatar_url,
            onboarded_at=timestamp(found.onboarded_at),
        )


class FoundSalonView(ResponseBody, frozen=True, kw_only=True):
    """A salon as influencers find it: no email, no phone, no status."""

    id: UUID
    business_name: str
    description: str | None
    categories: list[str]
    region: str
    address: str | None
    avatar_url: str | None
    onboarded_at: Timestamp

    @classmethod
    def of(cls, found: questions.FoundSalon) -> "FoundSalonView":
        """Show one."""
        return cls(
            id=found.account_id,
            business_name=found.business_name,
            description=found.description,
            categories=found.categories,
            region=found.region,
            address=found.address,
            avatar_url=found.avatar_url,
            onboarded_at=timestamp(found.onboarded_at),
        )


class DiscoveryController(Controller):
    """Who is to be found: those only who are onboarded, verified, and not suspended."""

    path = "/discovery"
    tags = ("Discovery",)

    @get("/influencers", summary="Find influencers", opt=taking_lists("categories"))
    async def discover_influencers(
        self,
        request: AnyRequest,
        cursor_request: NamedDependency[CursorRequest],
        search: Search = None,
        categories: Categories = None,
        region: Region = None,
    ) -> CursorPage[FoundInfluencerView]:
        """Influencers, newest first: all, or those of a name, of any of some categories, of a region."""
        found = await questions.Discovery(services_of(request).reader).influencers(
            questions.Wanted(search=search, categories=categories or (), region=region),
            SliceRequest(limit=cursor_request.limit, cursor=cursor_request.cursor),
        )
        return cursor_page(
            [FoundInfluencerView.of(each) for each in found.items],
            limit=cursor_request.limit,
            next_cursor=found.next_cursor,
        )

    @get("/salons", summary="Find salons", opt=taking_lists("categories"))
    async def discover_salons(
        self,
        request: AnyRequest,
        cursor_request: NamedDependency[CursorRequest],
        search: Search = None,
        categories: Categories = None,
        region: Region = None,
    ) -> CursorPage[FoundSalonView]:
        """Salons, newest first: all, or those of a name, of any of some categories, of a region."""
        found = await questions.Discovery(services_of(request).reader).salons(
            questions.Wanted(search=search, categories=categories or (), region=region),
            SliceRequest(limit=cursor_request.limit, cursor=cursor_request.cursor),
        )
        return cursor_page(
            [FoundSalonView.of(each) for each in found.items],
            limit=cursor_request.limit,
            next_cursor=found.next_cursor,
        )


CONTROLLERS: tuple[type[Controller], ...] = (DiscoveryController,)
