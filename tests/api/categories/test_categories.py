"""Categories over HTTP (requirements CAT-01 to CAT-03)."""

from typing import Any

import httpx
import pytest

from tests.api.asking import NOBODY, data_of, refusal, wrong_fields
from tests.api.conftest import Person, Settle, SignUp

pytestmark = pytest.mark.services


async def create(client: httpx.AsyncClient, admin: Person, name: str = "Tea & Coffee", **fields: Any) -> Any:
    answer = await client.post("/categories", json={"name": name, **fields}, headers=admin.headers)
    return data_of(answer, 201)


class TestKeepingCategories:
    async def test_a_category_gets_a_slug_from_its_name(
        self, client: httpx.AsyncClient, admin: Person
    ) -> None:
        answer = await client.post("/categories", json={"name": "Tea & Coffee"}, headers=admin.headers)

        data = data_of(answer, 201)
        assert (data["name"], data["slug"]) == ("Tea & Coffee", "tea-coffee")
        assert answer.headers["ETag"] == f'"category-{data["categoryId"]}-1"'

    async def test_a_slug_belongs_to_one_category(self, client: httpx.AsyncClient, admin: Person) -> None:
        await create(client, admin, slug="tea")

        derived = await create(client, admin, "Tea")
        asked = await client.post("/categories", json={"name": "Tea", "slug": "tea"}, headers=admin.headers)

        assert derived["slug"] == "tea-2"
        assert refusal(asked) == (409, "SLUG_TAKEN")

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({}, {"name": "required"}),
            ({"name": "T"}, {"name": "min_length"}),
            ({"name": "   "}, {"name": "pattern"}),
            ({"name": "Tea", "slug": "No Slug"}, {"slug": "pattern"}),
            ({"name": "Tea", "parent": "x"}, {"parent": "unknown_field"}),
        ],
    )
    async def test_what_is_no_category_is_refused(
        self, client: httpx.AsyncClient, admin: Person, body: dict[str, Any], fields: dict[str, str]
    ) -> None:
        answer = await client.post("/categories", json=body, headers=admin.headers)

        assert wrong_fields(answer) == fields

    async def test_a_new_name_keeps_the_slug(self, client: httpx.AsyncClient, admin: Person) -> None:
        category = await create(client, admin)

        answer = await client.put(
            f"/categories/{category['categoryId']}", json={"name": "Hot drinks"}, headers=admin.headers
        )

        assert data_of(answer) == {**category, "name": "Hot drinks"}

    async def test_nobody_overwrites_what_they_have_not_seen(
        self, client: httpx.AsyncClient, admin: Person
    ) -> None:
        category = await create(client, admin)
        path = f"/categories/{category['categoryId']}"
        seen = {**admin.headers, "If-Match": f'"category-{category["categoryId"]}-1"'}

        first = await client.put(path, json={"name": "Hot drinks"}, headers=seen)
        second = await client.put(path, json={"name": "Cold drinks"}, headers=seen)

        assert first.status_code == 200
        assert refusal(second) == (412, "PRECONDITION_FAILED")

    async def test_a_deleted_category_is_gone_and_its_slug_free(
        self, client: httpx.AsyncClient, admin: Person
    ) -> None:
        category = await create(client, admin)
        path = f"/categories/{category['categoryId']}"

        assert (await client.delete(path, headers=admin.headers)).status_code == 200

        assert refusal(await client.delete(path, headers=admin.headers)) == (404, "RESOURCE_NOT_FOUND")
        assert (await create(client, admin))["slug"] == category["slug"]

    async def test_a_category_with_listings_stays(
        self, client: httpx.AsyncClient, admin: Person, sign_up: SignUp
    ) -> None:
        category = await create(client, admin)
        anvar = await sign_up("seller")
        body = {"name": "Teapot", "price": {"amount": "12.50"}, "categoryId": category["categoryId"]}
        data_of(await client.post("/listings", json=body, headers=anvar.headers), 201)

        answer = await client.delete(f"/categories/{category['categoryId']}", headers=admin.headers)

        assert refusal(answer) == (409, "CATEGORY_IN_USE")
        assert answer.json()["error"]["details"]["listings"] == 1

    async def test_what_is_not_there_cannot_be_changed(
        self, client: httpx.AsyncClient, admin: Person
    ) -> None:
        answer = await client.put(f"/categories/{NOBODY}", json={"name": "Tea"}, headers=admin.headers)

        assert refusal(answer) == (404, "RESOURCE_NOT_FOUND")

    @pytest.mark.parametrize(
        ("method", "path"),
        [("POST", "/categories"), ("PUT", f"/categories/{NOBODY}"), ("DELETE", f"/categories/{NOBODY}")],
    )
    async def test_only_admins_keep_them(
        self, client: httpx.AsyncClient, sign_up: SignUp, method: str, path: str
    ) -> None:
        anvar = await sign_up("seller")

        stranger = await client.request(method, path, json={"name": "Tea"})
        seller = await client.request(method, path, json={"name": "Tea"}, headers=anvar.headers)

        assert refusal(stranger) == (401, "AUTHENTICATION_REQUIRED")
        assert refusal(seller) == (403, "INSUFFICIENT_PERMISSIONS")


class TestReadingCategories:
    async def test_everybody_lists_them_by_name(
        self, client: httpx.AsyncClient, admin: Person, settle: Settle
    ) -> None:
        await create(client, admin, "Tea")
        await create(client, admin, "coffee")
        await settle()

        answer = await client.get("/categories")

        assert [each["name"] for each in data_of(answer)] == ["coffee", "Tea"]
        assert answer.json()["meta"] == {"page": 1, "limit": 20, "total": 2, "totalPages": 1}

    async def test_one_is_found_by_id_and_by_slug(
        self, client: httpx.AsyncClient, admin: Person, settle: Settle
    ) -> None:
        category = await create(client, admin)
        await settle()

        by_id = await client.get(f"/categories/{category['categoryId']}")
        by_slug = await client.get(f"/categories/{category['slug']}")

        assert data_of(by_id) == data_of(by_slug)
        assert data_of(by_id)["liveListings"] == 0
        assert by_id.headers["ETag"] == f'"category-{category["categoryId"]}-1"'

    @pytest.mark.parametrize("name", ["no-such-thing", str(NOBODY), "%27%20OR%201=1", "d" * 32])
    async def test_others_are_not_found(self, client: httpx.AsyncClient, name: str) -> None:
        assert refusal(await client.get(f"/categories/{name}")) == (404, "RESOURCE_NOT_FOUND")
