"""Filing listings under categories, in the commit of the listing's own change (requirements CAT-02, CAT-03)."""

from uuid import UUID

from application.shared.unit import Unit
from domain.categories.category import Category, CategoryMissing
from domain.categories.category_use import CategoryUse, category_use_id
from domain.shared.events import State


def filing_streams(*category_ids: UUID | None) -> list[tuple[type[State], UUID]]:
    """Which streams filing into or out of these categories reads, for `Unit.need`."""
    streams: list[tuple[type[State], UUID]] = []
    for category_id in category_ids:
        if category_id is not None:
            streams += [(Category, category_id), (CategoryUse, category_use_id(category_id))]
    return streams


def file_listing(unit: Unit, listing_id: UUID, category_id: UUID) -> None:
    """Count a listing, which is in no category, in this one.

    Raises:
        CategoryMissing: there is no such category, or no longer.
    """
    category = unit.find(Category, category_id)
    if category is None or category.deleted:
        raise CategoryMissing(category_id)
    unit.begin(CategoryUse, category_use_id(category_id), CategoryUse.file(category_id, listing_id))


def unfile_listing(unit: Unit, listing_id: UUID, category_id: UUID) -> None:
    """Count a listing out of the category that it was filed in."""
    use = unit.get(CategoryUse, category_use_id(category_id))
    unit.record(use, use.unfile(listing_id))
