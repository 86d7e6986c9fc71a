"""Placing orders over HTTP (requirements ORD-01 to ORD-08, ORD-12, ES-15)."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest

from api.assembly import AppServices
from application.payments.ports import ProviderAway
from infrastructure.payments.sandbox import SandboxGateway
from tests.api.asking import NOBODY, after, data_of, refusal, wrong_fields
from tests.api.conftest import Person, Settle, SignUp
from tests.api.orders.trade import ADDRESS, place, put_on_sale, wish

pytestmark = pytest.mark.services


class TestWhoMayBuy:
    async def test_strangers_sign_in_first(self, client: httpx.AsyncClient) -> None:
        assert refusal(await client.post("/orders", json=wish((str(NOBODY), 1)))) == (
            401,
            "AUTHENTICATION_REQUIRED",
        )

    async def test_sellers_do_not_buy(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        seller = await sign_up("seller")

        answer = await client.post("/orders", json=wish((str(NOBODY), 1)), headers=seller.headers)

        assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")


class TestPlacing:
    async def test_an_order_answers_with_what_is_needed_to_pay(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        listing_id = await put_on_sale(client, seller, price="12.50")

        answer = await client.post(
            "/orders", json=wish((listing_id, 2), notes="Ring twice"), headers=buyer.headers
        )

        placed = data_of(answer, 201)
        order = placed["order"]
        assert placed["status"] == "pending"
        assert placed["orderNumber"].startswith("ORD-")
        assert placed["paymentIntentId"] == f"sbx_{UUID(placed['paymentId']).hex}"
        assert placed["clientSecret"].startswith(placed["paymentIntentId"] + "_secret_")
        assert order["subtotal"] == {"amount": "25.00", "currency": "usd", "minor": 25_00}
        assert order["tax"]["minor"] == 2_00
        parts = order["subtotal"]["minor"] + order["tax"]["minor"] + order["shipping"]["minor"]
        assert placed["total"]["minor"] == parts - order["discount"]["minor"]
        assert [(item["listingId"], item["quantity"]) for item in order["items"]] == [(listing_id, 2)]
        assert answer.json()["meta"] == {"position": int(answer.headers["X-Position"]), "version": 1}

    async def test_the_buyer_sees_the_order_at_once(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up(name="Zebo Karimova")
        listing_id = await put_on_sale(client, seller)
        answer = await client.post(
            "/orders", json=wish((listing_id, 1), notes="Ring twice"), headers=buyer.headers
        )
        path = f"/orders/{data_of(answer, 201)['orderId']}"

        # The question comes before the read model is there, and waits for it.
        asking = asyncio.create_task(client.get(path, headers={**buyer.headers, **after(answer)}))
        await asyncio.sleep(0.05)
        await settle()
        shown = await asking

        order = data_of(shown)
        assert (order["status"], order["seenAs"]) == ("pending", "customer")
        assert (order["customerName"], order["customerEmail"]) == ("Zebo Karimova", buyer.email)
        assert order["shippingAddress"] == {**ADDRESS, "address2": None}
        assert order["customerNotes"] == "Ring twice"
        assert order["amounts"]["total"] == data_of(answer, 201)["total"]
        assert shown.headers["ETag"] == answer.headers["ETag"]

    async def test_an_order_without_items_is_the_cart(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        listing_id = await put_on_sale(client, seller)
        await client.post("/cart/items", json={"listingId": listing_id, "quantity": 3}, headers=buyer.headers)

        placed = await place(client, buyer)
        again = await client.post("/orders", json=wish(), headers=buyer.headers)

        assert [item["quantity"] for item in placed["order"]["items"]] == [3]
        assert refusal(again) == (400, "EMPTY_CART")

    async def test_more_than_there_is_cannot_be_bought(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        listing_id = await put_on_sale(client, seller, stock=2)

        answer = await client.post("/orders", json=wish((listing_id, 3)), headers=buyer.headers)

        assert refusal(answer) == (409, "INSUFFICIENT_STOCK")

    async def test_the_last_piece_is_sold_once(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        listing_id = await put_on_sale(client, seller, stock=1)

        answers = await asyncio.gather(
            *[client.post("/orders", json=wish((listing_id, 1)), headers=buyer.headers) for _ in range(8)]
        )

        assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7

    async def test_what_is_not_on_sale_cannot_be_bought(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        buyer = await sign_up()

        answer = await client.post("/orders", json=wish((str(NOBODY), 1)), headers=buyer.headers)

        assert refusal(answer) == (409, "LISTING_UNAVAILABLE")

    async def test_an_unknown_provider_is_refused_before_anything_happens(
        self, client: httpx.AsyncClient, sign_up: SignUp, services: AppServices
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        listing_id = await put_on_sale(client, seller)
        head = await services.store.head()

        answer = await client.post(
            "/orders", json=wish((listing_id, 1), paymentMethod="barter"), headers=buyer.headers
        )

        assert refusal(answer) == (400, "PAYMENT_PROVIDER_UNAVAILABLE")
        assert await services.store.head() == head


class TestRepeating:
    async def test_a_repeat_with_the_same_key_is_the_same_order(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        body = wish((await put_on_sale(client, seller, stock=1), 1))
        headers = {**buyer.headers, "Idempotency-Key": "checkout-1"}

        first = await client.post("/orders", json=body, headers=headers)
        again = await client.post("/orders", json=body, headers=headers)

        assert first.status_code == again.status_code == 201
        assert again.content == first.content
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.headers["X-Position"] == first.headers["X-Position"]
        assert again.headers["ETag"] == first.headers["ETag"]

    async def test_a_key_is_not_used_for_another_order(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        listing_id = await put_on_sale(client, seller)
        headers = {**buyer.headers, "Idempotency-Key": "checkout-1"}

        await client.post("/orders", json=wish((listing_id, 1)), headers=headers)
        answer = await client.post("/orders", json=wish((listing_id, 2)), headers=headers)

        assert refusal(answer) == (422, "IDEMPOTENCY_KEY_REUSED")


class TestWithoutTheProvider:
    async def test_the_order_stands_and_is_paid_for_later(
        self, client: httpx.AsyncClient, sign_up: SignUp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        listing_id = await put_on_sale(client, seller)

        async def away(*_: object) -> Any:
            raise ProviderAway("The provider is away.")

        with monkeypatch.context() as patched:
            patched.setattr(SandboxGateway, "begin", away)
            placed = await place(client, buyer, (listing_id, 1))
            tried = await _initiate(client, buyer, placed["orderId"])
        begun = await _initiate(client, buyer, placed["orderId"])

        assert (placed["status"], placed["clientSecret"], placed["paymentIntentId"]) == (
            "pending",
            None,
            None,
        )
        assert refusal(tried) == (503, "UPSTREAM_UNAVAILABLE")
        assert data_of(begun, 201)["paymentId"] == placed["paymentId"]
        assert data_of(begun, 201)["clientSecret"]


async def _initiate(client: httpx.AsyncClient, buyer: Person, order_id: str) -> httpx.Response:
    body = {"orderId": order_id, "paymentMethod": "sandbox"}
    return await client.post("/payments", json=body, headers=buyer.headers)


ONE = {"listingId": str(NOBODY), "quantity": 1}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"shippingAddress": None}, {"shippingAddress": "type"}),
        (
            {"shippingAddress": {**ADDRESS, "country": "Uzbekistan"}},
            {"shippingAddress.country": "max_length"},
        ),
        ({"shippingAddress": {**ADDRESS, "country": "uz"}}, {"shippingAddress.country": "pattern"}),
        ({"shippingAddress": {**ADDRESS, "country": "UZ\n"}}, {"shippingAddress.country": "max_length"}),
        ({"shippingAddress": {**ADDRESS, "city": "  "}}, {"shippingAddress.city": "pattern"}),
        (
            {"shippingAddress": {name: ADDRESS[name] for name in ADDRESS if name != "postalCode"}},
            {"shippingAddress.postalCode": "required"},
        ),
        ({"items": [{**ONE, "quantity": 0}]}, {"items.0.quantity": "minimum"}),
        ({"items": [{**ONE, "quantity": 1.5}]}, {"items.0.quantity": "type"}),
        ({"items": [{**ONE, "unitPrice": "0.01"}]}, {"items.0.unitPrice": "unknown_field"}),
        ({"items": [ONE] * 1201}, {"items": "max_items"}),
        ({"total": "0.01"}, {"total": "unknown_field"}),
        ({"notes": "x" * 2001}, {"notes": "max_length"}),
        ({"paymentMethod": 7}, {"paymentMethod": "type"}),
    ],
)
async def test_what_is_no_order_is_refused(
    client: httpx.AsyncClient, sign_up: SignUp, changes: dict[str, Any], fields: dict[str, str]
) -> None:
    buyer = await sign_up()

    answer = await client.post("/orders", json=wish((str(NOBODY), 1), **changes), headers=buyer.headers)

    assert wrong_fields(answer) == fields


async def test_an_empty_list_of_items_is_an_empty_cart(client: httpx.AsyncClient, sign_up: SignUp) -> None:
    buyer = await sign_up()

    answer = await client.post("/orders", json=wish(items=[]), headers=buyer.headers)

    assert refusal(answer) == (400, "EMPTY_CART")
