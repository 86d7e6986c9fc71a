"""What is shown of categories."""

from uuid import UUID

from api.envelope import ResponseBody, Timestamp, timestamp
from domain.categories.category import Category
from projections.categories import category_list


class CategoryView(ResponseBody, frozen=True, kw_only=True):
    """A category as a change left it."""

    category_id: UUID
    name: str
    slug: str

    @classmethod
    def of(cls, category: Category) -> "CategoryView":
        """Show the state of a category."""
        return cls(category_id=category.category_id, name=category.name, slug=category.slug)


class ListedCategoryView(ResponseBody, frozen=True, kw_only=True):
    """A category. `liveListings` counts the listings filed under it that are not archived, drafts too."""

    category_id: UUID
    name: str
    slug: str
    live_listings: int
    created_at: Timestamp
    updated_at: Timestamp

    @classmethod
    def of(cls, category: category_list.CategoryView) -> "ListedCategoryView":
        """Show a row of the list."""
        return cls(
            category_id=category.category_id,
            name=category.name,
            slug=category.slug,
            live_listings=category.live_listings,
            created_at=timestamp(category.created_at),
            updated_at=timestamp(category.updated_at),
        )
