"""From payment to delivery, or to cancellation, over HTTP (requirements ORD-10, ORD-18, ORD-19, SHIP-01 to SHIP-04)."""

import httpx
import pytest

from tests.api.asking import NOBODY, data_of, refusal, wrong_fields
from tests.api.conftest import Person, Settle, SignUp
from tests.api.orders.trade import buy, place, put_on_sale

pytestmark = pytest.mark.services

TRACKING = {
    "trackingNumber": "UZ123",
    "trackingUrl": "https://post.uz/UZ123",
    "estimatedDelivery": "2030-01-02",
}


async def ask(
    client: httpx.AsyncClient, person: Person, order_id: str, verb: str, body: object = None
) -> httpx.Response:
    return await client.post(f"/orders/{order_id}/{verb}", json=body, headers=person.headers)


class TestFulfilling:
    async def test_the_seller_of_all_lines_takes_an_order_to_its_end(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        order_id = (await buy(client, buyer, (await put_on_sale(client, seller), 1)))["orderId"]

        processed = data_of(await ask(client, seller, order_id, "process"))
        shipped = data_of(await ask(client, seller, order_id, "ship", TRACKING))
        corrected = data_of(
            await client.patch(
                f"/orders/{order_id}/tracking",
                json={**TRACKING, "trackingNumber": "UZ124", "estimatedDelivery": None},
                headers=seller.headers,
            )
        )
        delivered = data_of(await ask(client, seller, order_id, "deliver"))
        await settle()
        history = data_of(await client.get(f"/orders/{order_id}/history", headers=buyer.headers))
        shown = data_of(await client.get(f"/orders/{order_id}", headers=buyer.headers))

        assert (processed["status"], shipped["status"]) == ("processing", "shipped")
        assert shipped["tracking"] == TRACKING
        assert corrected["tracking"] == {
            **TRACKING,
            "trackingNumber": "UZ124",
            "estimatedDelivery": None,
        }
        assert delivered["status"] == "delivered"
        assert [(entry["status"], entry["by"]) for entry in history] == [
            ("pending", "customer"),
            ("confirmed", "system"),
            ("processing", "seller"),
            ("shipped", "seller"),
            ("delivered", "seller"),
        ]
        assert shown["tracking"]["trackingNumber"] == "UZ124"
        assert shown["deliveredAt"] == history[-1]["at"]

    async def test_an_order_of_several_sellers_is_shipped_by_staff(
        self, client: httpx.AsyncClient, sign_up: SignUp, admin: Person
    ) -> None:
        first, second, buyer = await sign_up("seller"), await sign_up("seller"), await sign_up()
        lines = [(await put_on_sale(client, seller), 1) for seller in (first, second)]
        order_id = (await buy(client, buyer, *lines))["orderId"]

        refused = await ask(client, first, order_id, "ship", {})
        shipped = await ask(client, admin, order_id, "ship", {})

        assert refusal(refused) == (403, "RESOURCE_ACCESS_DENIED")
        assert data_of(shipped)["status"] == "shipped"

    @pytest.mark.parametrize(("verb", "body"), [("process", None), ("ship", {}), ("deliver", None)])
    async def test_strangers_learn_nothing_and_customers_do_not_fulfil(
        self, client: httpx.AsyncClient, sign_up: SignUp, verb: str, body: object
    ) -> None:
        seller, buyer, stranger = await sign_up("seller"), await sign_up(), await sign_up("seller")
        order_id = (await buy(client, buyer, (await put_on_sale(client, seller), 1)))["orderId"]

        anonymous = await client.post(f"/orders/{order_id}/{verb}", json=body)

        assert refusal(anonymous) == (401, "NO_TOKEN")
        assert refusal(await ask(client, stranger, order_id, verb, body)) == (404, "ORDER_NOT_FOUND")
        assert refusal(await ask(client, seller, str(NOBODY), verb, body)) == (404, "ORDER_NOT_FOUND")
        assert refusal(await ask(client, buyer, order_id, verb, body)) == (403, "RESOURCE_ACCESS_DENIED")

    async def test_what_is_not_paid_is_not_shipped(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        order_id = (await place(client, buyer, (await put_on_sale(client, seller), 1)))["orderId"]

        assert refusal(await ask(client, seller, order_id, "ship", {})) == (409, "INVALID_ORDER_STATE")

    @pytest.mark.parametrize(
        "url", ["http://post.uz/1", "https://", "javascript:alert(1)", "https://a@b.uz/"]
    )
    async def test_tracking_is_an_https_address(
        self, client: httpx.AsyncClient, sign_up: SignUp, url: str
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        order_id = (await buy(client, buyer, (await put_on_sale(client, seller), 1)))["orderId"]

        answer = await ask(client, seller, order_id, "ship", {"trackingUrl": url})

        assert wrong_fields(answer) == {"trackingUrl": "format"}

    async def test_a_correction_names_all_tracking_data(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller = await sign_up("seller")

        answer = await client.patch(
            f"/orders/{NOBODY}/tracking", json={"trackingNumber": "1"}, headers=seller.headers
        )

        assert wrong_fields(answer) == {"trackingUrl": "required", "estimatedDelivery": "required"}

    async def test_a_decision_on_an_older_order_is_refused(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        placed = await buy(client, buyer, (await put_on_sale(client, seller), 1))
        path = f"/orders/{placed['orderId']}/process"

        stale = await client.post(
            path, headers={**seller.headers, "If-Match": f'"order-{placed["orderId"]}-1"'}
        )
        latest = await client.post(
            path, headers={**seller.headers, "If-Match": f'"order-{placed["orderId"]}-2"'}
        )

        assert refusal(stale) == (412, "PRECONDITION_FAILED")
        assert latest.headers["ETag"] == f'"order-{placed["orderId"]}-3"'


class TestCancelling:
    async def test_goods_are_for_sale_again_and_the_money_goes_back(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        listing_id = await put_on_sale(client, seller, stock=1)
        placed = await buy(client, buyer, (listing_id, 1))

        cancelled = await ask(client, buyer, placed["orderId"], "cancel", {"reason": "Too slow"})
        again = await place(client, buyer, (listing_id, 1))
        await settle()
        payment = data_of(await client.get(f"/payments/{placed['paymentId']}", headers=buyer.headers))

        assert data_of(cancelled)["status"] == "cancelled"
        assert again["status"] == "pending"
        assert (payment["status"], payment["refunded"]) == ("refunded", placed["total"])

    async def test_cancelling_twice_cancels_once(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        order_id = (await place(client, buyer, (await put_on_sale(client, seller), 1)))["orderId"]

        first = await ask(client, buyer, order_id, "cancel", {"reason": "Too slow"})
        second = await ask(client, buyer, order_id, "cancel", {"reason": "Too slow"})

        assert data_of(first) == data_of(second)
        assert first.headers["ETag"] == second.headers["ETag"]

    async def test_sellers_do_not_cancel_and_strangers_learn_nothing(
        self, client: httpx.AsyncClient, sign_up: SignUp, admin: Person
    ) -> None:
        seller, buyer, stranger = await sign_up("seller"), await sign_up(), await sign_up()
        order_id = (await place(client, buyer, (await put_on_sale(client, seller), 1)))["orderId"]
        body = {"reason": "No"}

        by_seller = await ask(client, seller, order_id, "cancel", body)
        by_stranger = await ask(client, stranger, order_id, "cancel", body)
        by_admin = await ask(client, admin, order_id, "cancel", body)

        assert refusal(by_seller) == (403, "RESOURCE_ACCESS_DENIED")
        assert refusal(by_stranger) == (404, "ORDER_NOT_FOUND")
        assert data_of(by_admin)["status"] == "cancelled"

    async def test_what_is_in_the_making_is_not_cancelled(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        order_id = (await buy(client, buyer, (await put_on_sale(client, seller), 1)))["orderId"]
        await ask(client, seller, order_id, "process")

        answer = await ask(client, buyer, order_id, "cancel", {"reason": "Too slow"})

        assert refusal(answer) == (409, "INVALID_ORDER_STATE")

    async def test_a_cancellation_has_a_reason(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        buyer = await sign_up()

        assert wrong_fields(await ask(client, buyer, str(NOBODY), "cancel", {})) == {"reason": "required"}
        assert wrong_fields(await ask(client, buyer, str(NOBODY), "cancel", {"reason": " "})) == {
            "reason": "pattern"
        }


class TestNotes:
    async def test_customers_write_no_internal_notes(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        order_id = (await place(client, buyer, (await put_on_sale(client, seller), 1)))["orderId"]

        written = await ask(client, buyer, order_id, "notes", {"text": " Hurry "})
        refused = await ask(client, buyer, order_id, "notes", {"text": "x", "visibility": "internal"})

        assert data_of(written, 201) == {"orderId": order_id, "visibility": "customer", "text": "Hurry"}
        assert refusal(refused) == (403, "RESOURCE_ACCESS_DENIED")

    async def test_strangers_write_nothing(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        seller, buyer, stranger = await sign_up("seller"), await sign_up(), await sign_up()
        order_id = (await place(client, buyer, (await put_on_sale(client, seller), 1)))["orderId"]

        assert refusal(await ask(client, stranger, order_id, "notes", {"text": "Hi"})) == (
            404,
            "ORDER_NOT_FOUND",
        )
        assert refusal(await client.post(f"/orders/{order_id}/notes", json={"text": "Hi"})) == (
            401,
            "NO_TOKEN",
        )
