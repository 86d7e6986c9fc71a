"""Facts about categories (requirements §46.2), in two kinds of stream: the category's own, and that of its use."""

from typing import TypeAlias
from uuid import UUID

from domain.shared.events import DomainEvent


class CategoryCreated(DomainEvent, frozen=True, kw_only=True):
    """Listings can be put into this category."""

    name: str
    slug: str


class CategoryRenamed(DomainEvent, frozen=True, kw_only=True):
    """It is called this and found under this slug now."""

    name: str
    slug: str


class CategoryDeleted(DomainEvent, frozen=True, kw_only=True):
    """It is gone; no live listing was in it. `by` of `None` is the system."""

    by: UUID | None


class ListingFiled(DomainEvent, frozen=True, kw_only=True):
    """A listing stands in the category now; recorded in the stream of the category's use."""

    category_id: UUID
    listing_id: UUID


class ListingUnfiled(DomainEvent, frozen=True, kw_only=True):
    """A listing that stood in the category moved to another one or was archived."""

    category_id: UUID
    listing_id: UUID


CategoryEvent: TypeAlias = CategoryCreated | CategoryRenamed | CategoryDeleted
CategoryUseEvent: TypeAlias = ListingFiled | ListingUnfiled
