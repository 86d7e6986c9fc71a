"""What sellers do with their listings over HTTP (requirements LST-01 to LST-19)."""

from typing import Any

import httpx
import pytest

from tests.api.asking import NOBODY, data_of, refusal, wrong_fields
from tests.api.conftest import Person, SignUp

pytestmark = pytest.mark.services

TEAPOT: dict[str, Any] = {"name": "Blue Teapot", "price": {"amount": "12.50", "currency": "usd"}}


async def write(client: httpx.AsyncClient, by: Person, **fields: Any) -> Any:
    return data_of(await client.post("/listings", json={**TEAPOT, **fields}, headers=by.headers), 201)


async def publish(client: httpx.AsyncClient, by: Person, listing: Any) -> None:
    data_of(await client.post(f"/listings/{listing['listingId']}/publish", headers=by.headers))


@pytest.fixture
async def anvar(sign_up: SignUp) -> Person:
    """A seller."""
    return await sign_up("seller", name="Anvar")


class TestWriting:
    async def test_a_new_listing_is_a_draft_of_the_caller(
        self, client: httpx.AsyncClient, anvar: Person
    ) -> None:
        category_less = await client.post("/listings", json=TEAPOT, headers=anvar.headers)

        data = data_of(category_less, 201)
        assert (data["status"], data["sellerId"]) == ("draft", str(anvar.account_id))
        assert (data["slug"], data["productType"]) == ("blue-teapot", "physical")
        assert data["price"] == {"amount": "12.50", "currency": "usd", "minor": 1250}
        assert category_less.headers["ETag"] == f'"listing-{data["listingId"]}-1"'

    async def test_every_field_is_kept(self, client: httpx.AsyncClient, anvar: Person) -> None:
        given = {
            "slug": "my-teapot",
            "description": "A teapot made of clay.",
            "shortDescription": "A clay teapot",
            "comparePrice": {"amount": "20"},
            "costPrice": {"amount": "5.00"},
            "sku": "TP-1",
            "stockQuantity": 7,
            "lowStockThreshold": 2,
            "weight": 1.25,
            "dimensions": {"length": "10", "width": 5.5, "height": "4.25"},
            "tags": ["tea", "чай"],
            "seoTitle": "Teapot",
            "seoDescription": "Buy a teapot",
        }

        data = await write(client, anvar, **given)

        assert data["comparePrice"]["minor"] == 2000
        assert data["costPrice"]["minor"] == 500
        assert data["discountPercentage"] == 38
        assert data["weight"] == "1.25"
        assert data["dimensions"] == {"length": "10", "width": "5.5", "height": "4.25"}
        for name in ("slug", "description", "shortDescription", "sku", "tags", "seoTitle", "seoDescription"):
            assert data[name] == given[name]

    async def test_an_amount_without_a_currency_is_in_that_of_the_house(
        self, client: httpx.AsyncClient, anvar: Person
    ) -> None:
        plain = await write(client, anvar, price={"amount": "3"})
        soum = await write(
            client, anvar, price={"amount": "150000", "currency": "uzs"}, comparePrice={"amount": "200000"}
        )

        assert plain["price"]["currency"] == "usd"
        assert soum["comparePrice"]["currency"] == "uzs"

    @pytest.mark.parametrize(
        ("changed", "fields"),
        [
            ({"name": "T"}, ["name"]),
            ({"name": "x" * 256}, ["name"]),
            ({"price": {"amount": "0"}}, ["price"]),
            ({"price": {"amount": "1000000"}}, ["price"]),
            ({"price": {"amount": "1.005"}}, ["price.amount"]),
            ({"price": {"amount": 1.5}}, ["price.amount"]),
            ({"price": {"amount": "1e5"}}, ["price.amount"]),
            ({"price": {"amount": "5", "currency": "eur"}}, ["price.currency"]),
            ({"comparePrice": {"amount": "12.50"}}, ["comparePrice"]),
            ({"comparePrice": {"amount": "20", "currency": "uzs"}}, ["comparePrice"]),
            ({"costPrice": {"amount": "-1"}}, ["costPrice.amount"]),
            ({"price": {"amount": "5", "currency": "usd\n"}}, ["price.currency"]),
            ({"description": "short"}, ["description"]),
            ({"sku": "1"}, ["sku"]),
            ({"stockQuantity": -1}, ["stockQuantity"]),
            ({"stockQuantity": 10**10}, ["stockQuantity"]),
            ({"weight": "-1"}, ["weight"]),
            ({"weight": "1.234"}, ["weight"]),
            ({"weight": "NaN"}, ["weight"]),
            ({"weight": 1.234}, ["weight"]),
            ({"weight": 1e300}, ["weight"]),
            ({"weight": 1000000}, ["weight"]),
            ({"weight": "1_0"}, ["weight"]),
            ({"weight": True}, ["weight"]),
            ({"dimensions": {"length": 1, "width": 1, "height": 0}}, ["dimensions.height"]),
            ({"tags": ["t"] * 21}, ["tags"]),
            ({"tags": ["t" * 51]}, ["tags.0"]),
            ({"productType": "car"}, ["productType"]),
            ({"categoryId": str(NOBODY)}, ["categoryId"]),
            ({"categoryId": "tea"}, ["categoryId"]),
            ({"sellerId": str(NOBODY)}, ["sellerId"]),
            ({"averageRating": 5}, ["averageRating"]),
            ({"status": "active"}, ["status"]),
            ({"slug": "Not A Slug"}, ["slug"]),
        ],
    )
    async def test_what_no_listing_can_be_is_refused_by_the_field(
        self, client: httpx.AsyncClient, anvar: Person, changed: dict[str, Any], fields: list[str]
    ) -> None:
        answer = await client.post("/listings", json={**TEAPOT, **changed}, headers=anvar.headers)

        assert list(wrong_fields(answer)) == fields

    async def test_slugs_and_skus_are_unique(self, client: httpx.AsyncClient, anvar: Person) -> None:
        await write(client, anvar, slug="teapot", sku="TP-1")

        same_name = await write(client, anvar, name="Teapot")
        slug = await client.post("/listings", json={**TEAPOT, "slug": "teapot"}, headers=anvar.headers)
        sku = await client.post("/listings", json={**TEAPOT, "sku": " TP-1 "}, headers=anvar.headers)

        assert same_name["slug"] == "teapot-2"
        assert refusal(slug) == (409, "SLUG_TAKEN")
        assert refusal(sku) == (409, "SKU_TAKEN")

    async def test_strangers_and_customers_write_none(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        zebo = await sign_up("customer")

        assert refusal(await client.post("/listings", json=TEAPOT)) == (401, "AUTHENTICATION_REQUIRED")
        answer = await client.post("/listings", json=TEAPOT, headers=zebo.headers)
        assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")

    async def test_a_repetition_under_one_key_writes_one(
        self, client: httpx.AsyncClient, anvar: Person
    ) -> None:
        headers = {**anvar.headers, "Idempotency-Key": "teapot-1"}

        first = await client.post("/listings", json=TEAPOT, headers=headers)
        again = await client.post("/listings", json=TEAPOT, headers=headers)
        other = await client.post("/listings", json={**TEAPOT, "name": "Red Teapot"}, headers=headers)

        assert again.json() == first.json()
        assert again.headers["ETag"] == first.headers["ETag"]
        assert again.headers["Idempotent-Replayed"] == "true"
        assert refusal(other) == (422, "IDEMPOTENCY_KEY_REUSED")


class TestRevising:
    async def test_what_is_given_changes_and_all_else_stays(
        self, client: httpx.AsyncClient, anvar: Person
    ) -> None:
        listing = await write(client, anvar, sku="TP-1", weight="2", costPrice={"amount": "5"})
        changes = {
            "name": "Red Teapot",
            "price": {"amount": "15.00", "currency": "usd"},
            "sku": None,
            "tags": ["red"],
            "costPrice": None,
        }

        answer = await client.put(f"/listings/{listing['listingId']}", json=changes, headers=anvar.headers)

        data = data_of(answer)
        assert (data["name"], data["slug"], data["tags"]) == ("Red Teapot", "blue-teapot", ["red"])
        assert (data["price"]["minor"], data["sku"], data["costPrice"]) == (1500, None, None)
        assert data["weight"] == "2"

    async def test_nothing_asked_is_nothing_changed(self, client: httpx.AsyncClient, anvar: Person) -> None:
        listing = await write(client, anvar)

        answer = await client.put(f"/listings/{listing['listingId']}", json={}, headers=anvar.headers)

        assert data_of(answer) == listing
        assert answer.headers["ETag"].endswith('-1"')

    async def test_all_changes_are_made_or_none(self, client: httpx.AsyncClient, anvar: Person) -> None:
        await write(client, anvar, sku="TAKEN")
        listing = await write(client, anvar)
        path = f"/listings/{listing['listingId']}"

        answer = await client.put(path, json={"name": "Red Teapot", "sku": "TAKEN"}, headers=anvar.headers)

        assert refusal(answer) == (409, "SKU_TAKEN")
        unchanged = await client.put(path, json={}, headers=anvar.headers)
        assert data_of(unchanged)["name"] == "Blue Teapot"

    @pytest.mark.parametrize(
        ("changes", "answer"),
        [
            ({"price": {"amount": "15", "currency": "uzs"}}, (409, "CURRENCY_MISMATCH")),
            ({"price": {"amount": "15"}}, (400, "VALIDATION_ERROR")),
            ({"price": None}, (400, "VALIDATION_ERROR")),
            ({"name": None}, (400, "VALIDATION_ERROR")),
            ({"slug": "other"}, (400, "VALIDATION_ERROR")),
            ({"comparePrice": {"amount": "1", "currency": "usd"}}, (400, "VALIDATION_ERROR")),
            (
                {
                    "price": {"amount": "15", "currency": "usd"},
                    "costPrice": {"amount": "15", "currency": "uzs"},
                },
                (400, "VALIDATION_ERROR"),
            ),
        ],
    )
    async def test_what_cannot_be_is_refused(
        self, client: httpx.AsyncClient, anvar: Person, changes: dict[str, Any], answer: tuple[int, str]
    ) -> None:
        listing = await write(client, anvar)

        refused = await client.put(f"/listings/{listing['listingId']}", json=changes, headers=anvar.headers)

        assert refusal(refused) == answer

    async def test_nobody_overwrites_what_they_have_not_seen(
        self, client: httpx.AsyncClient, anvar: Person
    ) -> None:
        listing = await write(client, anvar)
        path = f"/listings/{listing['listingId']}"
        seen = {**anvar.headers, "If-Match": f'"listing-{listing["listingId"]}-1"'}

        first = await client.put(path, json={"name": "Red Teapot"}, headers=seen)
        second = await client.put(path, json={"name": "Green Teapot"}, headers=seen)

        assert first.headers["ETag"] == f'"listing-{listing["listingId"]}-2"'
        assert refusal(second) == (412, "PRECONDITION_FAILED")

    async def test_admins_may_revise_what_others_sell(
        self, client: httpx.AsyncClient, anvar: Person, admin: Person
    ) -> None:
        listing = await write(client, anvar)

        answer = await client.put(
            f"/listings/{listing['listingId']}", json={"name": "Red Teapot"}, headers=admin.headers
        )

        assert data_of(answer)["sellerId"] == str(anvar.account_id)


class TestTheShelf:
    async def test_a_listing_goes_on_the_shelf_and_off_and_away(
        self, client: httpx.AsyncClient, anvar: Person
    ) -> None:
        path = f"/listings/{(await write(client, anvar))['listingId']}"

        async def do(method: str, verb: str = "", **options: Any) -> str:
            answer = await client.request(method, path + verb, headers=anvar.headers, **options)
            status: str = data_of(answer)["status"]
            return status

        assert await do("POST", "/publish") == "active"
        assert await do("POST", "/publish") == "active"
        assert await do("POST", "/deactivate", json={"reason": "Broken"}) == "inactive"
        assert await do("POST", "/deactivate") == "inactive"
        assert await do("POST", "/publish") == "active"
        assert await do("DELETE") == "archived"
        gone = await client.post(path + "/publish", headers=anvar.headers)
        assert refusal(gone) == (409, "LISTING_ARCHIVED")

    async def test_a_draft_is_not_on_the_shelf(self, client: httpx.AsyncClient, anvar: Person) -> None:
        listing = await write(client, anvar)

        answer = await client.post(f"/listings/{listing['listingId']}/deactivate", headers=anvar.headers)

        assert refusal(answer) == (409, "LISTING_NOT_ACTIVE")

    @pytest.mark.parametrize("body", [{"reason": ""}, {"reason": 1}, {"why": "x"}, []])
    async def test_a_reason_is_a_text(self, client: httpx.AsyncClient, anvar: Person, body: object) -> None:
        listing = await write(client, anvar)

        answer = await client.post(
            f"/listings/{listing['listingId']}/deactivate", json=body, headers=anvar.headers
        )

        assert refusal(answer) == (400, "VALIDATION_ERROR")

    async def test_an_archived_listing_gives_its_sku_back(
        self, client: httpx.AsyncClient, anvar: Person
    ) -> None:
        listing = await write(client, anvar, sku="TP-1")
        await client.delete(f"/listings/{listing['listingId']}", headers=anvar.headers)

        assert (await write(client, anvar, sku="TP-1"))["sku"] == "TP-1"


class TestStock:
    async def test_it_is_set_or_moved(self, client: httpx.AsyncClient, anvar: Person) -> None:
        listing = await write(client, anvar, stockQuantity=5, lowStockThreshold=3)
        path = f"/listings/{listing['listingId']}/stock"

        set_to = await client.patch(path, json={"quantity": 8}, headers=anvar.headers)
        moved = await client.patch(path, json={"delta": -6, "reason": "Broken"}, headers=anvar.headers)

        assert data_of(set_to)["quantity"] == 8
        assert data_of(moved) == {
            "listingId": listing["listingId"],
            "quantity": 2,
            "reserved": 0,
            "available": 2,
            "lowStockThreshold": 3,
            "inStock": True,
            "lowStock": True,
        }
        assert moved.headers["ETag"].startswith(f'"stock-{listing["listingId"]}-')

    @pytest.mark.parametrize(
        ("body", "answer"),
        [
            ({}, (400, "VALIDATION_ERROR")),
            ({"quantity": 1, "delta": 1}, (400, "VALIDATION_ERROR")),
            ({"quantity": -1}, (400, "VALIDATION_ERROR")),
            ({"quantity": 1.5}, (400, "VALIDATION_ERROR")),
            ({"quantity": "1"}, (400, "VALIDATION_ERROR")),
            ({"delta": -6}, (409, "STOCK_BELOW_RESERVED")),
            ({"delta": 10**9}, (400, "VALIDATION_ERROR")),
        ],
    )
    async def test_what_no_stock_can_be_is_refused(
        self, client: httpx.AsyncClient, anvar: Person, body: dict[str, Any], answer: tuple[int, str]
    ) -> None:
        listing = await write(client, anvar, stockQuantity=5)

        refused = await client.patch(
            f"/listings/{listing['listingId']}/stock", json=body, headers=anvar.headers
        )

        assert refusal(refused) == answer

    async def test_counting_what_others_have_changed_since_is_refused(
        self, client: httpx.AsyncClient, anvar: Person
    ) -> None:
        listing = await write(client, anvar, stockQuantity=5)
        path = f"/listings/{listing['listingId']}/stock"
        seen = await client.patch(path, json={"quantity": 6}, headers=anvar.headers)
        headers = {**anvar.headers, "If-Match": seen.headers["ETag"]}

        first = await client.patch(path, json={"quantity": 7}, headers=headers)
        second = await client.patch(path, json={"quantity": 7}, headers=headers)

        assert first.status_code == 200
        assert refusal(second) == (412, "PRECONDITION_FAILED")


CHANGES: tuple[tuple[str, str, Any], ...] = (
    ("PUT", "", {"name": "Mine now"}),
    ("PATCH", "/stock", {"quantity": 0}),
    ("POST", "/publish", None),
    ("POST", "/deactivate", None),
    ("DELETE", "", None),
)


class TestOthers:
    @pytest.mark.parametrize(("method", "verb", "body"), CHANGES)
    async def test_only_the_seller_and_admins_change_a_listing(
        self,
        client: httpx.AsyncClient,
        anvar: Person,
        sign_up: SignUp,
        method: str,
        verb: str,
        body: Any,
    ) -> None:
        bek, zebo = await sign_up("seller"), await sign_up("customer")
        draft, shown = await write(client, anvar), await write(client, anvar)
        await publish(client, anvar, shown)

        async def ask(listing_id: object, headers: dict[str, str]) -> tuple[int, str]:
            path = f"/listings/{listing_id}{verb}"
            return refusal(await client.request(method, path, json=body, headers=headers))

        assert await ask(shown["listingId"], {}) == (401, "AUTHENTICATION_REQUIRED")
        assert await ask(shown["listingId"], zebo.headers) == (403, "INSUFFICIENT_PERMISSIONS")
        assert await ask(shown["listingId"], bek.headers) == (403, "RESOURCE_ACCESS_DENIED")
        assert await ask(draft["listingId"], bek.headers) == (404, "RESOURCE_NOT_FOUND")
        assert await ask(NOBODY, anvar.headers) == (404, "RESOURCE_NOT_FOUND")
