"""How many live listings stand in a category, counted where deciding needs it (requirement CAT-02, CATEGORY_IN_USE).

A stream apart from the category's own, so that filing listings does not lengthen or lock the category. A listing is filed
when it is created or recategorised and unfiled when it leaves or is archived, each in the commit of that change.
"""

from typing import assert_never
from uuid import UUID

import msgspec

from domain.categories.events import CategoryUseEvent, ListingFiled, ListingUnfiled
from domain.shared.claims import derived_id
from domain.shared.events import State


def category_use_id(category_id: UUID) -> UUID:
    """The stream in which the use of a category is counted."""
    return derived_id("category_use", str(category_id))


class CategoryUse(State, frozen=True, kw_only=True):
    """The number of `live` listings, those that are not archived, in one category."""

    category_id: UUID
    live: int

    @property
    def stream_id(self) -> UUID:
        """Derived from the category's id."""
        return category_use_id(self.category_id)

    @staticmethod
    def file(category_id: UUID, listing_id: UUID) -> list[CategoryUseEvent]:
        """Put a listing, which is in no category, into this one."""
        return [ListingFiled(category_id=category_id, listing_id=listing_id)]

    def unfile(self, listing_id: UUID) -> list[CategoryUseEvent]:
        """Take a listing, which is in this category, out of it."""
        return [ListingUnfiled(category_id=self.category_id, listing_id=listing_id)]


def evolve(use: CategoryUse | None, event: CategoryUseEvent, stream_id: UUID) -> CategoryUse:
    """Fold one recorded fact into the state."""
    match event:
        case ListingFiled():
            if use is None:
                return CategoryUse(category_id=event.category_id, live=1)
            return msgspec.structs.replace(use, live=use.live + 1)
        case ListingUnfiled():
            assert use is not None, f"stream {stream_id} of a category's use begins with ListingFiled"
            return msgspec.structs.replace(use, live=use.live - 1)
        case _:
            assert_never(event)
