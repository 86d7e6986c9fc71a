"""Categories: read by everybody, kept by admins (requirements §45.2, CAT-01 to CAT-03)."""

import re
from typing import Any, Final
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UNSET, UnsetType

from api.assembly import services_of
from api.cached import Made, shared_answer
from api.categories.views import CategoryView, ListedCategoryView
from api.envelope import Envelope, Meta, Page, RequestBody, envelope
from api.openapi import errors
from api.paging import numbered, wanted
from api.requests import PageRequest, etag
from api.submission import submit
from application.categories.commands import (
    CategoryName,
    CategorySlug,
    CreateCategory,
    DeleteCategory,
    RenameCategory,
)
from domain.categories.category import CategoryNotFound
from projections.categories.category_list import Categories

AnyRequest = Request[Any, Any, Any]
Written = Response[Envelope[CategoryView]]

KIND = "category"

_ID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class CreateCategoryRequest(RequestBody, frozen=True, kw_only=True):
    """A new category; without a slug one is made from the name."""

    name: CategoryName
    slug: CategorySlug | None = None


class RenameCategoryRequest(RequestBody, frozen=True, kw_only=True):
    """A new name, a new slug, or both. A new name alone keeps the slug, so that links do."""

    name: CategoryName | UnsetType = UNSET
    slug: CategorySlug | UnsetType = UNSET


class CategoriesController(Controller):
    """Under which words listings are found."""

    path = "/categories"
    tags = ("Categories",)

    @get("/", summary="List categories")
    async def list_categories(
        self, request: AnyRequest, page_request: NamedDependency[PageRequest]
    ) -> Response[Page[ListedCategoryView]]:
        """Categories by name."""
        part = wanted(page_request)

        async def make() -> Made:
            found = await Categories(services_of(request).reader).page(part)
            return numbered(found, ListedCategoryView.of), None

        return await shared_answer(request, "categories", part, make, public=True)

    @get("/{category_id:str}", summary="Show a category", responses=errors("RESOURCE_NOT_FOUND"))
    async def category(
        self, request: AnyRequest, category_id: FromPath[str]
    ) -> Response[Envelope[ListedCategoryView]]:
        """One category by its id or its slug."""
        category = await Categories(services_of(request).reader).by_id_or_slug(reference(category_id))
        if category is None:
            raise CategoryNotFound("There is no such category.")
        return Response(
            envelope(ListedCategoryView.of(category), meta=Meta(version=category.version)),
            headers={"ETag": etag(KIND, category.category_id, category.version)},
        )

    @post(
        "/",
        summary="Create a category",
        responses=errors(SLUG_TAKEN=409),
    )
    async def create_category(self, request: AnyRequest, data: JSONBody[CreateCategoryRequest]) -> Written:
        """Begin a category that listings can be filed under."""
        command = CreateCategory(category_id=services_of(request).new_id(), name=data.name, slug=data.slug)
        return await submit(request, command, CategoryView.of, kind=KIND)

    @put(
        "/{category_id:uuid}",
        summary="Rename a category",
        responses=errors("RESOURCE_NOT_FOUND", SLUG_TAKEN=409),
    )
    async def rename_category(
        self, request: AnyRequest, category_id: FromPath[UUID], data: JSONBody[RenameCategoryRequest]
    ) -> Written:
        """Change the name, the slug, or both; what is left out stays. The old slug is free again."""
        command = RenameCategory(category_id=category_id, name=data.name, slug=data.slug)
        return await submit(request, command, CategoryView.of, kind=KIND, entity=category_id)

    @delete(
        "/{category_id:uuid}",
        status_code=200,
        summary="Delete a category",
        responses=errors("RESOURCE_NOT_FOUND", "CATEGORY_IN_USE"),
    )
    async def delete_category(self, request: AnyRequest, category_id: FromPath[UUID]) -> Written:
        """Give up a category. One with listings that are not archived stays."""
        command = DeleteCategory(category_id=category_id)
        return await submit(request, command, CategoryView.of, kind=KIND, entity=category_id)


def reference(text: str) -> UUID | str:
    """What a text that names a category is: its id in the usual form, or else its slug (requirements CAT-03)."""
    return UUID(text) if _ID.fullmatch(text) else text


CONTROLLERS: tuple[type[Controller], ...] = (CategoriesController,)
