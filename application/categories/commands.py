"""What admins may ask of categories (requirement CAT-02)."""

from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, UnsetType

from application.shared.command import Command
from domain.listings.slugs import MAX_SLUG_LENGTH, MIN_SLUG_LENGTH, SLUG_PATTERN

CategoryName = Annotated[str, Meta(min_length=2, max_length=255, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$")]
"""Holds at least one character that can be seen."""

CategorySlug = Annotated[
    str, Meta(min_length=MIN_SLUG_LENGTH, max_length=MAX_SLUG_LENGTH, pattern=SLUG_PATTERN)
]


class CreateCategory(Command, frozen=True, kw_only=True):
    """Begin a category; without a slug one is made from its name."""

    category_id: UUID
    name: CategoryName
    slug: CategorySlug | None = None


class RenameCategory(Command, frozen=True, kw_only=True):
    """Change a category's name, its slug, or both. A new name alone keeps the slug."""

    category_id: UUID
    name: CategoryName | UnsetType = UNSET
    slug: CategorySlug | UnsetType = UNSET


class DeleteCategory(Command, frozen=True, kw_only=True):
    """Give up a category in which no live listing stands. Its slug is free again."""

    category_id: UUID
