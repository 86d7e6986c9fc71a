"""A category: a name and a slug that listings are filed under (requirements CAT-01, CAT-02)."""

from typing import assert_never
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from domain.categories.events import CategoryCreated, CategoryDeleted, CategoryEvent, CategoryRenamed
from domain.shared.errors import InvalidInput, NotFound, Problem, RuleViolation
from domain.shared.events import State


class CategoryNotFound(NotFound):
    """There is no such category, or no longer."""


class CategoryInUse(RuleViolation):
    """Listings that are not archived stand in it."""

    code = "CATEGORY_IN_USE"


class CategoryMissing(InvalidInput):
    """A request refers to a category that does not exist (requirements API-09)."""

    def __init__(self, category_id: UUID) -> None:
        """Names the field `categoryId` of the request."""
        message = f"There is no category {category_id}."
        super().__init__(message, problems=[Problem("categoryId", message, "exists")])


class Category(State, frozen=True, kw_only=True):
    """One category, as it stands. How many listings are in it is a stream of its own, see `CategoryUse`."""

    category_id: UUID
    name: str
    slug: str
    deleted: bool

    @property
    def stream_id(self) -> UUID:
        """The category's own id."""
        return self.category_id

    @classmethod
    def create(cls, *, name: str, slug: str) -> list[CategoryEvent]:
        """Begin a category."""
        return [CategoryCreated(name=name, slug=slug)]

    def rename(self, *, name: str | UnsetType = UNSET, slug: str | UnsetType = UNSET) -> list[CategoryEvent]:
        """Change its name, its slug or both; what is left unset stays, a new name alone keeps the slug.

        Raises:
            CategoryNotFound: it was deleted.
        """
        self.check_not_deleted()
        new_name = self.name if name is UNSET else name
        new_slug = self.slug if slug is UNSET else slug
        if new_name == self.name and new_slug == self.slug:
            return []
        return [CategoryRenamed(name=new_name, slug=new_slug)]

    def delete(self, *, by: UUID | None, live_listings: int) -> list[CategoryEvent]:
        """Give it up. `live_listings` is how many listings that are not archived stand in it.

        Raises:
            CategoryInUse: there are some.
            CategoryNotFound: it was deleted.
        """
        self.check_not_deleted()
        if live_listings:
            raise CategoryInUse(
                f"Category {self.category_id} has {live_listings} listings.",
                details={"categoryId": str(self.category_id), "listings": live_listings},
            )
        return [CategoryDeleted(by=by)]

    def check_not_deleted(self) -> None:
        """Behave as if it never was, once it is gone.

        Raises:
            CategoryNotFound: it was deleted.
        """
        if self.deleted:
            raise CategoryNotFound(f"No category {self.category_id}.")


def evolve(category: Category | None, event: CategoryEvent, stream_id: UUID) -> Category:
    """Fold one recorded fact into the state."""
    if isinstance(event, CategoryCreated):
        return Category(category_id=stream_id, name=event.name, slug=event.slug, deleted=False)
    assert category is not None, f"stream {stream_id} of a category begins with CategoryCreated"
    match event:
        case CategoryRenamed():
            return msgspec.structs.replace(category, name=event.name, slug=event.slug)
        case CategoryDeleted():
            return msgspec.structs.replace(category, deleted=True)
        case _:
            assert_never(event)
