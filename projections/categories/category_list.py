"""The categories of the marketplace (requirements CAT-01 to CAT-03)."""

import unicodedata
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from domain.categories.events import (
    CategoryCreated,
    CategoryDeleted,
    CategoryRenamed,
    ListingFiled,
    ListingUnfiled,
)
from domain.shared.events import Recorded
from projections.shared.paging import Page, PageRequest
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.table import Table


class CategoryRow(msgspec.Struct):
    """One category that was not deleted. `name_key` is the name as it is sorted, whatever the database's locale."""

    category_id: UUID
    name: str
    slug: str
    name_key: str
    created_at: datetime
    updated_at: datetime
    version: int
    live_listings: int = 0


CATEGORY_LIST = Table(
    "category_list",
    CategoryRow,
    key=("category_id",),
    columns="""
        category_id uuid NOT NULL,
        name text NOT NULL,
        slug text NOT NULL,
        name_key text COLLATE "C" NOT NULL,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        version bigint NOT NULL,
        live_listings bigint NOT NULL
    """,
    indexes={"slug": "(slug)", "name": "(name_key, category_id)"},
)


class CategoryList(Projection):
    """Keeps the list in step with the facts; may be rebuilt from zero."""

    name = "category_list"
    tables = (CATEGORY_LIST,)
    events = (CategoryCreated, CategoryRenamed, CategoryDeleted, ListingFiled, ListingUnfiled)

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        rows = batch.rows(CATEGORY_LIST)
        at = recorded.at
        match recorded.event:
            case ListingFiled(category_id=category_id):
                row = rows.change(category_id)
                if row is not None:
                    row.live_listings += 1
            case ListingUnfiled(category_id=category_id):
                row = rows.change(category_id)
                if row is not None:
                    row.live_listings -= 1
            case CategoryCreated(name=name, slug=slug):
                rows.put(
                    CategoryRow(
                        category_id=recorded.stream_id,
                        name=name,
                        slug=slug,
                        name_key=_name_key(name),
                        created_at=at,
                        updated_at=at,
                        version=recorded.version,
                    )
                )
            case CategoryRenamed(name=name, slug=slug):
                row = rows.change(recorded.stream_id)
                if row is not None:
                    row.name = name
                    row.slug = slug
                    row.name_key = _name_key(name)
                    row.updated_at = at
                    row.version = recorded.version
            case CategoryDeleted():
                rows.delete(recorded.stream_id)
            case _:
                pass


# --- queries -----------------------------------------------------------------------------------------------


class CategoryView(msgspec.Struct, frozen=True, kw_only=True):
    """A category. `live_listings` counts those that are not archived, drafts too: while there are any, it stays."""

    category_id: UUID
    name: str
    slug: str
    live_listings: int
    created_at: datetime
    updated_at: datetime
    version: int


class Categories:
    """Questions about categories, open to everybody."""

    def __init__(self, reader: Reader) -> None:
        """`reader` may be behind the log."""
        self._reader = reader

    async def page(self, request: PageRequest) -> Page[CategoryView]:
        """Categories by name."""
        rows = await self._reader.all(
            """
            SELECT category_id, name, slug, live_listings, created_at, updated_at, version
            FROM category_list
            ORDER BY name_key, category_id
            LIMIT %(limit)s OFFSET %(offset)s
            """,
            {"limit": request.limit, "offset": request.offset},
        )
        counted = await self._reader.one("SELECT count(*) AS total FROM category_list")
        total = 0 if counted is None else counted["total"]
        return request.page_of([_view(row) for row in rows], total)

    async def by_id(self, category_id: UUID) -> CategoryView | None:
        """One category, `None` when there is none or no longer."""
        row = await self._reader.one(
            """
            SELECT category_id, name, slug, live_listings, created_at, updated_at, version
            FROM category_list
            WHERE category_id = %(category_id)s
            """,
            {"category_id": category_id},
        )
        return None if row is None else _view(row)

    async def by_slug(self, slug: str) -> CategoryView | None:
        """One category by the readable part of its address."""
        if not (slug.isascii() and slug.isprintable()):
            return None
        row = await self._reader.one(
            """
            SELECT category_id, name, slug, live_listings, created_at, updated_at, version
            FROM category_list
            WHERE slug = %(slug)s
            ORDER BY category_id
            LIMIT 1
            """,
            {"slug": slug},
        )
        return None if row is None else _view(row)

    async def by_id_or_slug(self, reference: UUID | str) -> CategoryView | None:
        """One category as filters and addresses name it: by its id or its slug (requirement CAT-03)."""
        return await (self.by_id(reference) if isinstance(reference, UUID) else self.by_slug(reference))


def _view(row: dict[str, Any]) -> CategoryView:
    return CategoryView(**row)


def _name_key(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
