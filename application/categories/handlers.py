"""Use cases of categories; all are for admins and for the system itself (requirement CAT-02)."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from msgspec import UNSET

from application.categories.commands import CreateCategory, DeleteCategory, RenameCategory
from application.listings.slugs import reserve_slug, slug_streams
from application.shared.command import Command
from application.shared.loop import Handler
from application.shared.store import Kind
from application.shared.unit import Unit
from domain.categories import category as categories
from domain.categories import category_use
from domain.categories.category import Category, CategoryNotFound
from domain.categories.category_use import CategoryUse, category_use_id
from domain.shared.errors import NotPermitted

SLUG_CLAIM = "category_slug"
FALLBACK_SLUG = "category"


def create_category(command: CreateCategory, unit: Unit) -> Category:
    """Begin a category and reserve its slug."""
    _check_admin(unit)
    unit.need(*slug_streams(SLUG_CLAIM, command.slug, name=command.name, fallback=FALLBACK_SLUG))
    slug = reserve_slug(
        unit,
        SLUG_CLAIM,
        command.slug,
        name=command.name,
        fallback=FALLBACK_SLUG,
        owner_id=command.category_id,
    )
    return unit.create(Category, command.category_id, Category.create(name=command.name, slug=slug))


def rename_category(command: RenameCategory, unit: Unit) -> Category:
    """Change a category's name, its slug, or both; the old slug is free again."""
    _check_admin(unit)
    category = _existing(unit, command.category_id)
    events = category.rename(name=command.name, slug=command.slug)
    if command.slug is not UNSET and command.slug != category.slug:
        reserve_slug(
            unit,
            SLUG_CLAIM,
            command.slug,
            name=category.name,
            fallback=FALLBACK_SLUG,
            owner_id=command.category_id,
        )
        unit.release(SLUG_CLAIM, category.slug, category.category_id)
    return unit.record(category, events)


def delete_category(command: DeleteCategory, unit: Unit) -> Category:
    """Give up a category that no live listing stands in; its slug is free again."""
    _check_admin(unit)
    use_id = category_use_id(command.category_id)
    unit.need((Category, command.category_id), (CategoryUse, use_id))
    category = _existing(unit, command.category_id)
    use = unit.find(CategoryUse, use_id)
    events = category.delete(by=unit.caller.actor_id, live_listings=0 if use is None else use.live)
    unit.release(SLUG_CLAIM, category.slug, category.category_id)
    return unit.record(category, events)


def _check_admin(unit: Unit) -> None:
    caller = unit.caller
    if caller.is_system:
        return
    _ = unit.actor  # Strangers are asked who they are before they are told what they may not do.
    if not caller.is_admin:
        raise NotPermitted("Only admins manage categories.")


def _existing(unit: Unit, category_id: UUID) -> Category:
    category = unit.get(Category, category_id, missing=CategoryNotFound(f"No category {category_id}."))
    category.check_not_deleted()
    return category


HANDLERS: Mapping[type[Command], Handler] = {
    CreateCategory: create_category,
    RenameCategory: rename_category,
    DeleteCategory: delete_category,
}

KINDS: tuple[Kind[Any], ...] = (
    Kind("category", Category, categories.evolve),
    Kind("category_use", CategoryUse, category_use.evolve),
)
