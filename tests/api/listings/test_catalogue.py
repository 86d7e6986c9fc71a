"""The catalogue over HTTP (requirements SRCH-01 to SRCH-07, LST-08, LST-14, LST-17, LST-21, LST-22, LST-24)."""

from typing import Any

import httpx
import pytest

from tests.api.asking import NOBODY, after, data_of, refusal, wrong_fields
from tests.api.conftest import Person, Settle, SignUp

pytestmark = pytest.mark.services


async def put_on_shelf(
    client: httpx.AsyncClient, by: Person, name: str, price: str = "12.50", **fields: Any
) -> Any:
    """A listing that everybody sees; ten are there unless said otherwise."""
    body = {"name": name, "price": {"amount": price}, "stockQuantity": 10, **fields}
    listing = data_of(await client.post("/listings", json=body, headers=by.headers), 201)
    data_of(await client.post(f"/listings/{listing['listingId']}/publish", headers=by.headers))
    return listing


async def draft(client: httpx.AsyncClient, by: Person, name: str = "Secret", **fields: Any) -> Any:
    body = {"name": name, "price": {"amount": "12.50"}, **fields}
    return data_of(await client.post("/listings", json=body, headers=by.headers), 201)


async def names(client: httpx.AsyncClient, path: str, headers: dict[str, str] | None = None) -> list[str]:
    return [each["name"] for each in data_of(await client.get(path, headers=headers))]


@pytest.fixture
async def anvar(sign_up: SignUp) -> Person:
    """A seller."""
    return await sign_up("seller", name="Anvar")


class TestAPage:
    async def test_everybody_sees_what_is_on_the_shelf(
        self, client: httpx.AsyncClient, anvar: Person, admin: Person, settle: Settle
    ) -> None:
        category = data_of(await client.post("/categories", json={"name": "Tea"}, headers=admin.headers), 201)
        listing = await put_on_shelf(
            client,
            anvar,
            "Blue Teapot",
            categoryId=category["categoryId"],
            costPrice={"amount": "3"},
            comparePrice={"amount": "25.00"},
            dimensions={"length": 1, "width": 2, "height": 3.5},
            weight="0.75",
        )
        await settle()

        by_id = await client.get(f"/listings/{listing['listingId']}")
        by_slug = await client.get("/listings/slug/blue-teapot")

        data = data_of(by_id)
        assert data_of(by_slug) == data
        assert data["seller"] == {"id": str(anvar.account_id), "name": "Anvar", "avatarUrl": None}
        assert data["category"] == {"id": category["categoryId"], "name": "Tea", "slug": "tea"}
        assert (data["status"], data["inStock"], data["lowStock"], data["available"]) == (
            "active",
            True,
            True,
            10,
        )
        assert (data["discountPercentage"], data["weight"]) == (50, "0.75")
        assert data["dimensions"]["height"] == "3.5"
        assert "costPrice" not in data
        assert "email" not in by_id.text

    async def test_the_seller_and_admins_see_what_it_cost(
        self, client: httpx.AsyncClient, anvar: Person, admin: Person, sign_up: SignUp, settle: Settle
    ) -> None:
        other = await sign_up("seller")
        listing = await put_on_shelf(client, anvar, "Teapot", costPrice={"amount": "3"})
        await settle()
        path = f"/listings/{listing['listingId']}"

        seen = {
            who.email: data_of(await client.get(path, headers=who.headers)) for who in (anvar, admin, other)
        }

        assert seen[anvar.email]["costPrice"]["minor"] == 300
        assert seen[admin.email]["quantity"] == 10
        assert not {"costPrice", "quantity", "reserved", "lowStockThreshold"} & seen[other.email].keys()

    async def test_a_draft_is_nobody_elses_business(
        self, client: httpx.AsyncClient, anvar: Person, admin: Person, sign_up: SignUp, settle: Settle
    ) -> None:
        other = await sign_up("seller")
        listing = await draft(client, anvar)
        await settle()
        path = f"/listings/{listing['listingId']}"

        assert data_of(await client.get(path, headers=anvar.headers))["status"] == "draft"
        assert data_of(await client.get(path, headers=admin.headers))["status"] == "draft"
        for headers in ({}, other.headers):
            assert refusal(await client.get(path, headers=headers)) == (404, "RESOURCE_NOT_FOUND")
            by_slug = await client.get("/listings/slug/secret", headers=headers)
            assert refusal(by_slug) == (404, "RESOURCE_NOT_FOUND")
            related = await client.get(path + "/related", headers=headers)
            assert refusal(related) == (404, "RESOURCE_NOT_FOUND")

    async def test_what_is_sold_out_says_so(
        self, client: httpx.AsyncClient, anvar: Person, settle: Settle
    ) -> None:
        listing = await put_on_shelf(client, anvar, "Teapot", stockQuantity=0)
        await settle()

        data = data_of(await client.get(f"/listings/{listing['listingId']}"))

        assert (data["status"], data["inStock"]) == ("out_of_stock", False)

    async def test_the_tag_of_the_page_is_good_for_the_next_change(
        self, client: httpx.AsyncClient, anvar: Person, settle: Settle
    ) -> None:
        listing = await put_on_shelf(client, anvar, "Teapot")
        await settle()
        path = f"/listings/{listing['listingId']}"
        seen = await client.get(path)

        changed = await client.put(
            path, json={"name": "Pot"}, headers={**anvar.headers, "If-Match": seen.headers["ETag"]}
        )

        assert changed.status_code == 200

    async def test_whoever_wrote_it_may_wait_for_its_page(
        self, client: httpx.AsyncClient, anvar: Person, settle: Settle
    ) -> None:
        body = {"name": "Teapot", "price": {"amount": "1"}}
        written = await client.post("/listings", json=body, headers=anvar.headers)
        path = f"/listings/{data_of(written, 201)['listingId']}"
        await settle()

        page = await client.get(path, headers={**anvar.headers, **after(written)})

        assert data_of(page)["name"] == "Teapot"

    @pytest.mark.parametrize(
        "path", [f"/listings/{NOBODY}", "/listings/slug/nothing", "/listings/slug/%27--"]
    )
    async def test_what_is_not_there_is_not_found(self, client: httpx.AsyncClient, path: str) -> None:
        assert refusal(await client.get(path)) == (404, "RESOURCE_NOT_FOUND")

    async def test_a_bad_token_makes_nobody_more_than_a_visitor(
        self, client: httpx.AsyncClient, anvar: Person, settle: Settle
    ) -> None:
        listing = await put_on_shelf(client, anvar, "Teapot")
        await settle()

        answer = await client.get(
            f"/listings/{listing['listingId']}", headers={"Authorization": "Bearer nonsense"}
        )

        assert "costPrice" not in data_of(answer)


class TestTheList:
    async def test_it_shows_the_shelf_newest_first_in_pages_and_onwards(
        self, client: httpx.AsyncClient, anvar: Person, settle: Settle
    ) -> None:
        for number in range(5):
            await put_on_shelf(client, anvar, f"Teapot {number}")
        await draft(client, anvar)
        await settle()

        first = await client.get("/listings", params={"limit": 2})
        third = await client.get("/listings", params={"limit": 2, "page": 3})
        onwards = await client.get(
            "/listings", params={"limit": 2, "cursor": first.json()["meta"]["nextCursor"]}
        )

        assert [each["name"] for each in data_of(first)] == ["Teapot 4", "Teapot 3"]
        meta = first.json()["meta"]
        assert (meta["page"], meta["limit"], meta["total"], meta["totalPages"]) == (1, 2, 5, 3)
        assert [each["name"] for each in data_of(third)] == ["Teapot 0"]
        assert third.json()["meta"]["nextCursor"] is None
        assert [each["name"] for each in data_of(onwards)] == ["Teapot 2", "Teapot 1"]
        assert "total" not in onwards.json()["meta"]

    async def test_it_is_sorted_as_asked(
        self, client: httpx.AsyncClient, anvar: Person, settle: Settle
    ) -> None:
        for name, price in (("Cup", "3"), ("Ark", "2"), ("Bed", "1")):
            await put_on_shelf(client, anvar, name, price)
        await settle()

        assert await names(client, "/listings?sortBy=price&sortOrder=asc") == ["Bed", "Ark", "Cup"]
        assert await names(client, "/listings?sortBy=price") == ["Cup", "Ark", "Bed"]
        assert await names(client, "/listings?sortBy=name&sortOrder=ASC") == ["Ark", "Bed", "Cup"]
        assert await names(client, "/listings?sortOrder=asc") == ["Cup", "Ark", "Bed"]
        assert len(await names(client, "/listings?sortBy=averageRating")) == 3
        assert len(await names(client, "/listings?sortBy=viewCount&sortOrder=desc")) == 3

    async def test_it_is_filtered_as_asked_and_counts_what_is_left(
        self, client: httpx.AsyncClient, anvar: Person, admin: Person, sign_up: SignUp, settle: Settle
    ) -> None:
        bek = await sign_up("seller")
        category = data_of(await client.post("/categories", json={"name": "Tea"}, headers=admin.headers), 201)
        await put_on_shelf(client, anvar, "Cheap", "1", categoryId=category["categoryId"])
        await put_on_shelf(client, bek, "Dear", "100")
        await put_on_shelf(client, bek, "Gone", "50", stockQuantity=0)
        await settle()

        async def found(query: str) -> set[str]:
            answer = await client.get(f"/listings?{query}")
            assert answer.json()["meta"]["total"] == len(data_of(answer))
            return {each["name"] for each in data_of(answer)}

        assert await found(f"category={category['categoryId']}") == {"Cheap"}
        assert await found("category=tea") == {"Cheap"}
        assert await found("category=coffee") == set()
        assert await found("minPrice=50&maxPrice=100.00") == {"Dear", "Gone"}
        assert await found("maxPrice=100&currency=uzs") == set()
        assert await found(f"sellerId={bek.account_id}") == {"Dear", "Gone"}
        assert await found("inStock=true") == {"Cheap", "Dear"}
        assert await found("search=cheap") == {"Cheap"}

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("sortBy=password", "sortBy"),
            ("sortBy=price;DROP TABLE", "sortBy"),
            ("sortOrder=sideways", "sortOrder"),
            ("minPrice=-1", "minPrice"),
            ("minPrice=abc", "minPrice"),
            ("minPrice=1.005", "minPrice"),
            ("minPrice=2&maxPrice=1", "minPrice"),
            ("currency=dollars", "currency"),
            ("sellerId=me", "sellerId"),
            ("status=stolen", "status"),
            ("inStock=perhaps", "inStock"),
            ("limit=0", "limit"),
            ("limit=101", "limit"),
            ("page=0", "page"),
            ("page=100000&limit=100", "page"),
            ("cursor=nonsense", "cursor"),
            (f"search={'x' * 501}", "search"),
        ],
    )
    async def test_wrong_parameters_are_named(
        self, client: httpx.AsyncClient, query: str, field: str
    ) -> None:
        assert list(wrong_fields(await client.get(f"/listings?{query}"))) == [field]

    @pytest.mark.parametrize("status", ["draft", "inactive", "archived", "out_of_stock", "all"])
    async def test_what_is_not_on_the_shelf_is_listed_for_its_seller_and_admins_only(
        self,
        client: httpx.AsyncClient,
        anvar: Person,
        admin: Person,
        sign_up: SignUp,
        settle: Settle,
        status: str,
    ) -> None:
        other = await sign_up("seller")
        await draft(client, anvar)
        await settle()
        own = f"/listings?status={status}&sellerId={anvar.account_id}"
        everybodys = f"/listings?status={status}"
        expected = ["Secret"] if status in {"draft", "all"} else []

        assert await names(client, own, anvar.headers) == expected
        assert await names(client, own, admin.headers) == expected
        assert await names(client, everybodys, admin.headers) == expected
        for path, headers in ((own, {}), (own, other.headers), (everybodys, anvar.headers), (everybodys, {})):
            assert refusal(await client.get(path, headers=headers)) == (403, "INSUFFICIENT_PERMISSIONS")

    async def test_sign_in_shows_sellers_nothing_more_of_the_shelf(
        self, client: httpx.AsyncClient, anvar: Person, settle: Settle
    ) -> None:
        await draft(client, anvar)
        await settle()

        assert await names(client, f"/listings?sellerId={anvar.account_id}", anvar.headers) == []


class TestSearching:
    async def test_words_in_the_name_come_first_and_the_query_is_repeated(
        self, client: httpx.AsyncClient, anvar: Person, settle: Settle
    ) -> None:
        await put_on_shelf(client, anvar, "Cup", description="Goes with every teapot.")
        await put_on_shelf(client, anvar, "Teapot")
        await put_on_shelf(client, anvar, "Saucer", shortDescription="For a teapot")
        await draft(client, anvar, "Teapot to be")
        await settle()

        answer = await client.get("/listings/search", params={"q": "teapot"})

        assert [each["name"] for each in data_of(answer)] == ["Teapot", "Saucer", "Cup"]
        meta = answer.json()["meta"]
        assert (meta["query"], meta["correctedQuery"], meta["total"]) == ("teapot", None, 3)
        assert meta["facets"]["prices"][0]["listings"] == 3

    async def test_a_misspelt_word_is_corrected_and_says_so(
        self, client: httpx.AsyncClient, anvar: Person, settle: Settle
    ) -> None:
        await put_on_shelf(client, anvar, "Teapot")
        await settle()

        answer = await client.get("/listings/search", params={"q": "taepot"})

        assert [each["name"] for each in data_of(answer)] == ["Teapot"]
        assert answer.json()["meta"]["correctedQuery"] == "teapot"

    async def test_it_is_sorted_and_filtered_as_asked(
        self, client: httpx.AsyncClient, anvar: Person, settle: Settle
    ) -> None:
        for name, price in (("Red teapot", "3"), ("Blue teapot", "1"), ("Green teapot", "2")):
            await put_on_shelf(client, anvar, name, price)
        await settle()

        search = "/listings/search?q=teapot&facets=false"
        assert await names(client, f"{search}&sortBy=price_low") == [
            "Blue teapot",
            "Green teapot",
            "Red teapot",
        ]
        assert await names(client, f"{search}&sortBy=price_high&limit=1") == ["Red teapot"]
        assert await names(client, f"{search}&sortBy=newest") == ["Green teapot", "Blue teapot", "Red teapot"]
        assert await names(client, f"{search}&minPrice=2.50") == ["Red teapot"]
        assert len(await names(client, f"{search}&sortBy=rating")) == 3
        assert "facets" not in (await client.get(search)).json()["meta"]

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("", "q"),
            ("q=", "q"),
            (f"q={'x' * 501}", "q"),
            ("q=teapot&sortBy=createdAt", "sortBy"),
            ("q=teapot&maxPrice=x", "maxPrice"),
            ("q=teapot&cursor=x", "cursor"),
        ],
    )
    async def test_wrong_parameters_are_named(
        self, client: httpx.AsyncClient, query: str, field: str
    ) -> None:
        assert list(wrong_fields(await client.get(f"/listings/search?{query}"))) == [field]

    @pytest.mark.parametrize(
        "text", ["'; DROP TABLE catalogue_search; --", "%", "_", "a:*&!(|)", "\\", "🫖", "\u202e"]
    )
    async def test_nothing_that_is_typed_does_harm(
        self, client: httpx.AsyncClient, anvar: Person, settle: Settle, text: str
    ) -> None:
        await put_on_shelf(client, anvar, "Teapot")
        await settle()

        answer = await client.get("/listings/search", params={"q": text})

        assert data_of(answer) == []
        assert answer.json()["meta"]["query"] == text


class TestRelated:
    async def test_others_of_the_category_are_shown(
        self, client: httpx.AsyncClient, anvar: Person, admin: Person, settle: Settle
    ) -> None:
        category = data_of(await client.post("/categories", json={"name": "Tea"}, headers=admin.headers), 201)
        tea = {"categoryId": category["categoryId"]}
        first = await put_on_shelf(client, anvar, "First", **tea)
        await put_on_shelf(client, anvar, "Second", **tea)
        await put_on_shelf(client, anvar, "Third", **tea)
        await put_on_shelf(client, anvar, "Elsewhere")
        await draft(client, anvar, **tea)
        await settle()
        path = f"/listings/{first['listingId']}/related"

        assert await names(client, path) == ["Third", "Second"]
        assert await names(client, f"{path}?limit=1") == ["Third"]
        assert list(wrong_fields(await client.get(f"{path}?limit=0"))) == ["limit"]
        assert refusal(await client.get(f"/listings/{NOBODY}/related")) == (404, "RESOURCE_NOT_FOUND")
