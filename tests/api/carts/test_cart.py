"""The cart over HTTP (requirements CART-01 to CART-03)."""

from typing import Any

import httpx
import pytest

from tests.api.asking import NOBODY, data_of, refusal, wrong_fields
from tests.api.conftest import Person, Settle, SignUp
from tests.api.orders.trade import put_on_sale

pytestmark = pytest.mark.services


async def add(client: httpx.AsyncClient, buyer: Person, listing_id: str, quantity: int = 1) -> httpx.Response:
    body = {"listingId": listing_id, "quantity": quantity}
    return await client.post("/cart/items", json=body, headers=buyer.headers)


async def test_strangers_and_sellers_have_no_cart(client: httpx.AsyncClient, sign_up: SignUp) -> None:
    seller = await sign_up("seller")

    assert refusal(await client.get("/cart")) == (401, "AUTHENTICATION_REQUIRED")
    assert refusal(await client.get("/cart", headers=seller.headers)) == (403, "INSUFFICIENT_PERMISSIONS")


async def test_a_cart_shows_the_prices_and_the_stock_of_the_moment(
    client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
) -> None:
    seller, buyer = await sign_up("seller"), await sign_up()
    plenty = await put_on_sale(client, seller, price="12.50", stock=10)
    scarce = await put_on_sale(client, seller, price="3.00", stock=1)
    await add(client, buyer, plenty, 2)
    added = await add(client, buyer, scarce, 5)
    await settle()

    answer = await client.get(
        "/cart", headers={**buyer.headers, "X-Min-Position": added.headers["X-Position"]}
    )

    cart = data_of(answer)
    assert answer.headers["ETag"] == added.headers["ETag"]
    assert [(line["listingId"], line["quantity"], line["inStock"]) for line in cart["items"]] == [
        (plenty, 2, True),
        (scarce, 5, False),
    ]
    assert cart["items"][0]["lineTotal"] == {"amount": "25.00", "currency": "usd", "minor": 25_00}
    assert cart["subtotals"] == [{"amount": "25.00", "currency": "usd", "minor": 25_00}]
    assert cart["itemCount"] == 7


async def test_an_unused_cart_is_empty(client: httpx.AsyncClient, sign_up: SignUp) -> None:
    buyer = await sign_up()

    cart = data_of(await client.get("/cart", headers=buyer.headers))

    assert cart == {"items": [], "itemCount": 0, "subtotals": [], "updatedAt": None}


async def test_quantities_add_up_change_and_go(client: httpx.AsyncClient, sign_up: SignUp) -> None:
    seller, buyer = await sign_up("seller"), await sign_up()
    listing_id = await put_on_sale(client, seller)
    path = f"/cart/items/{listing_id}"

    await add(client, buyer, listing_id, 2)
    added = data_of(await add(client, buyer, listing_id, 3), 201)
    changed = data_of(await client.patch(path, json={"quantity": 4}, headers=buyer.headers))
    removed = data_of(await client.delete(path, headers=buyer.headers))

    assert added == {"items": [{"listingId": listing_id, "quantity": 5}], "itemCount": 5}
    assert changed["itemCount"] == 4
    assert removed == {"items": [], "itemCount": 0}


async def test_a_cart_is_emptied_at_once(client: httpx.AsyncClient, sign_up: SignUp) -> None:
    seller, buyer = await sign_up("seller"), await sign_up()
    await add(client, buyer, await put_on_sale(client, seller))

    assert data_of(await client.delete("/cart", headers=buyer.headers)) == {"items": [], "itemCount": 0}


async def test_what_is_not_on_sale_is_not_put_in(client: httpx.AsyncClient, sign_up: SignUp) -> None:
    buyer = await sign_up()

    assert refusal(await add(client, buyer, str(NOBODY))) == (409, "LISTING_UNAVAILABLE")


async def test_a_listing_that_is_not_in_the_cart_cannot_change(
    client: httpx.AsyncClient, sign_up: SignUp
) -> None:
    seller, buyer = await sign_up("seller"), await sign_up()
    listing_id = await put_on_sale(client, seller)

    answer = await client.patch(f"/cart/items/{listing_id}", json={"quantity": 1}, headers=buyer.headers)

    assert refusal(answer) == (404, "CART_ITEM_NOT_FOUND")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"listingId": "required"}),
        ({"listingId": "teapot"}, {"listingId": "format"}),
        ({"listingId": str(NOBODY), "quantity": 0}, {"quantity": "minimum"}),
        ({"listingId": str(NOBODY), "quantity": 1000}, {"quantity": "maximum"}),
        ({"listingId": str(NOBODY), "price": 1}, {"price": "unknown_field"}),
    ],
)
async def test_what_is_no_item_is_refused(
    client: httpx.AsyncClient, sign_up: SignUp, body: dict[str, Any], fields: dict[str, str]
) -> None:
    buyer = await sign_up()

    assert wrong_fields(await client.post("/cart/items", json=body, headers=buyer.headers)) == fields


async def test_a_repeat_with_the_same_key_adds_once(client: httpx.AsyncClient, sign_up: SignUp) -> None:
    seller, buyer = await sign_up("seller"), await sign_up()
    body = {"listingId": await put_on_sale(client, seller), "quantity": 2}
    headers = {**buyer.headers, "Idempotency-Key": "add-1"}

    first = await client.post("/cart/items", json=body, headers=headers)
    again = await client.post("/cart/items", json=body, headers=headers)

    assert data_of(again, 201) == data_of(first, 201)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert data_of(again, 201)["itemCount"] == 2


async def test_a_change_of_an_older_cart_is_refused(client: httpx.AsyncClient, sign_up: SignUp) -> None:
    seller, buyer = await sign_up("seller"), await sign_up()
    listing_id = await put_on_sale(client, seller)
    first = await add(client, buyer, listing_id)
    await add(client, buyer, listing_id)

    answer = await client.patch(
        f"/cart/items/{listing_id}",
        json={"quantity": 9},
        headers={**buyer.headers, "If-Match": first.headers["ETag"]},
    )

    assert refusal(answer) == (412, "PRECONDITION_FAILED")
