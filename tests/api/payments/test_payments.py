"""Payments and refunds over HTTP (requirements PAY-01 to PAY-11, REF-01 to REF-03)."""

from typing import Any

import httpx
import pytest

from tests.api.asking import NOBODY, data_of, refusal, wrong_fields
from tests.api.conftest import Person, Settle, SignUp
from tests.api.orders.trade import buy, place, play, put_on_sale

pytestmark = pytest.mark.services


async def refund(
    client: httpx.AsyncClient, admin: Person, payment_id: str, amount: str | None = None, **headers: str
) -> httpx.Response:
    body = {} if amount is None else {"amount": {"amount": amount, "currency": "usd"}, "reason": "Broken"}
    return await client.post(
        f"/payments/{payment_id}/refunds", json=body, headers={**admin.headers, **headers}
    )


async def test_anybody_sees_how_can_be_paid(client: httpx.AsyncClient) -> None:
    assert data_of(await client.get("/payments/methods")) == [{"name": "sandbox", "currencies": None}]


class TestBeginning:
    async def test_while_a_payment_is_open_it_is_the_answer(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        placed = await place(client, buyer, (await put_on_sale(client, seller), 1))

        answer = await _initiate(client, buyer, placed["orderId"])

        begun = data_of(answer, 201)
        assert begun["paymentId"] == placed["paymentId"]
        assert begun["clientSecret"] == placed["clientSecret"]
        assert begun["payment"]["amount"] == placed["total"]

    async def test_after_a_failure_a_new_payment_begins(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        placed = await place(client, buyer, (await put_on_sale(client, seller), 1))
        failed = data_of(await play(client, buyer, placed["paymentId"], "failed"))

        begun = data_of(await _initiate(client, buyer, placed["orderId"]), 201)
        paid = data_of(await play(client, buyer, begun["paymentId"]))

        assert failed["status"] == "failed"
        assert failed["reason"]
        assert begun["paymentId"] != placed["paymentId"]
        assert paid["status"] == "succeeded"

    async def test_paid_orders_others_and_unknown_ones_are_refused(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer, stranger = await sign_up("seller"), await sign_up(), await sign_up()
        paid = await buy(client, buyer, (await put_on_sale(client, seller), 1))

        assert refusal(await _initiate(client, buyer, paid["orderId"])) == (409, "ORDER_NOT_PAYABLE")
        assert refusal(await _initiate(client, stranger, paid["orderId"])) == (404, "ORDER_NOT_FOUND")
        assert refusal(await _initiate(client, buyer, str(NOBODY))) == (404, "ORDER_NOT_FOUND")
        assert refusal(await _initiate(client, buyer, paid["orderId"], "barter")) == (
            400,
            "PAYMENT_PROVIDER_UNAVAILABLE",
        )
        assert refusal(await client.post("/payments", json={})) == (401, "AUTHENTICATION_REQUIRED")


class TestTheSandbox:
    async def test_a_success_confirms_the_order(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        placed = await place(client, buyer, (await put_on_sale(client, seller), 1))

        answer = await play(client, buyer, placed["paymentId"])
        again = await play(client, buyer, placed["paymentId"])
        await settle()
        headers = {**buyer.headers, "X-Min-Position": answer.headers["X-Position"]}
        order = data_of(await client.get(f"/orders/{placed['orderId']}", headers=headers))

        assert data_of(answer)["status"] == "succeeded"
        assert data_of(again) == data_of(answer)
        assert order["status"] == "confirmed"
        assert order["payments"][0]["methodDetails"] == {"type": "sandbox", "last4": None, "brand": None}

    @pytest.mark.parametrize("wrong", [{"amount": "0.01"}, {"currency": "eur"}])
    async def test_another_amount_or_currency_confirms_nothing(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle, wrong: dict[str, str]
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        placed = await place(client, buyer, (await put_on_sale(client, seller), 1))

        told = data_of(await play(client, buyer, placed["paymentId"], **wrong))
        await settle()
        payment = data_of(await client.get(f"/payments/{placed['paymentId']}", headers=buyer.headers))

        assert told["status"] == payment["status"] == "pending"
        assert told["mismatch"]["received"] != told["amount"]
        assert [each["received"] for each in payment["mismatches"]] == [told["mismatch"]["received"]]

    async def test_money_for_a_cancelled_order_goes_back_at_once(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        placed = await place(client, buyer, (await put_on_sale(client, seller), 1))
        path = f"/orders/{placed['orderId']}/cancel"
        await client.post(path, json={"reason": "Too slow"}, headers=buyer.headers)

        payment = data_of(await play(client, buyer, placed["paymentId"]))

        assert (payment["status"], payment["refunded"]) == ("refunded", placed["total"])
        assert [(each["status"], each["reason"]) for each in payment["refunds"]] == [
            ("succeeded", "order_cancelled")
        ]

    async def test_only_the_owner_and_staff_play_it(
        self, client: httpx.AsyncClient, sign_up: SignUp, admin: Person
    ) -> None:
        seller, buyer, stranger = await sign_up("seller"), await sign_up(), await sign_up()
        placed = await place(client, buyer, (await put_on_sale(client, seller), 1))
        path = f"/payments/{placed['paymentId']}/sandbox"

        anonymous = await client.post(path, json={"outcome": "succeeded"})

        assert refusal(anonymous) == (401, "NO_TOKEN")
        for person in (stranger, seller):
            assert refusal(await play(client, person, placed["paymentId"])) == (404, "PAYMENT_NOT_FOUND")
        assert data_of(await play(client, admin, placed["paymentId"]))["status"] == "succeeded"

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({}, {"outcome": "required"}),
            ({"outcome": "maybe"}, {"outcome": "enum"}),
            ({"outcome": "succeeded", "amount": 5}, {"amount": "type"}),
            ({"outcome": "succeeded", "amount": "5.001"}, {"amount": "decimal_places"}),
        ],
    )
    async def test_what_it_does_not_understand_is_refused(
        self, client: httpx.AsyncClient, sign_up: SignUp, body: dict[str, Any], fields: dict[str, str]
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        placed = await place(client, buyer, (await put_on_sale(client, seller), 1))

        answer = await client.post(
            f"/payments/{placed['paymentId']}/sandbox", json=body, headers=buyer.headers
        )

        assert wrong_fields(answer) == fields


class TestSwitchedOff:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "PAYMENT_PROVIDERS": "payme"}

    async def test_without_the_sandbox_nobody_plays_it(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        buyer = await sign_up()

        assert data_of(await client.get("/payments/methods")) == []
        assert refusal(await play(client, buyer, str(NOBODY))) == (400, "PAYMENT_PROVIDER_UNAVAILABLE")


class TestLooking:
    async def test_customers_see_their_own_and_staff_all(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle, admin: Person
    ) -> None:
        seller, buyer, stranger = await sign_up("seller"), await sign_up(), await sign_up()
        placed = await buy(client, buyer, (await put_on_sale(client, seller), 1))
        await settle()
        path = f"/payments/{placed['paymentId']}"

        mine = await client.get(path, headers=buyer.headers)

        assert data_of(mine) == data_of(await client.get(path, headers=admin.headers))
        assert data_of(mine)["orderNumber"] == placed["orderNumber"]
        assert refusal(await client.get(path)) == (401, "NO_TOKEN")
        for suffix in ("", "/refunds"):
            for person in (stranger, seller):
                answer = await client.get(path + suffix, headers=person.headers)
                assert refusal(answer) == (404, "PAYMENT_NOT_FOUND")

    async def test_staff_list_all_payments(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle, admin: Person
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        listing_id = await put_on_sale(client, seller)
        paid = await buy(client, buyer, (listing_id, 1))
        await place(client, buyer, (listing_id, 1))
        await settle()

        async def listed(**filters: str) -> list[str]:
            answer = await client.get("/admin/payments", params=filters, headers=admin.headers)
            return [payment["paymentId"] for payment in data_of(answer)]

        assert len(await listed()) == 2
        assert await listed(status="succeeded", provider="sandbox") == [paid["paymentId"]]
        assert await listed(provider="stripe") == []
        assert await listed(customerId=str(NOBODY)) == []
        answer = await client.get("/admin/payments", headers=buyer.headers)
        assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")
        assert refusal(await client.get("/admin/payments")) == (401, "AUTHENTICATION_REQUIRED")


class TestConfirmingAndCancelling:
    async def test_asking_the_provider_records_what_it_says(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer, stranger = await sign_up("seller"), await sign_up(), await sign_up()
        placed = await place(client, buyer, (await put_on_sale(client, seller), 1))
        path = f"/payments/{placed['paymentId']}/confirm"

        pending = await client.post(path, headers=buyer.headers)
        await play(client, buyer, placed["paymentId"])
        paid = await client.post(path, headers=buyer.headers)

        assert data_of(pending)["status"] == "pending"
        assert data_of(paid)["status"] == "succeeded"
        assert refusal(await client.post(path, headers=stranger.headers)) == (404, "PAYMENT_NOT_FOUND")

    async def test_a_payment_is_called_off_and_the_order_paid_anew(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer, stranger = await sign_up("seller"), await sign_up(), await sign_up()
        placed = await place(client, buyer, (await put_on_sale(client, seller), 1))
        path = f"/payments/{placed['paymentId']}/cancel"
        headers = {**buyer.headers, "Idempotency-Key": "off-1"}

        by_stranger = await client.post(path, headers=stranger.headers)
        stale = await client.post(path, headers={**buyer.headers, "If-Match": '"payment-x-1"'})
        cancelled = await client.post(path, headers=headers)
        again = await client.post(path, headers=headers)
        begun = data_of(await _initiate(client, buyer, placed["orderId"]), 201)

        assert refusal(by_stranger) == (404, "PAYMENT_NOT_FOUND")
        assert refusal(stale) == (412, "PRECONDITION_FAILED")
        assert data_of(cancelled)["status"] == "cancelled"
        assert again.content == cancelled.content
        assert again.headers["Idempotent-Replayed"] == "true"
        assert begun["paymentId"] != placed["paymentId"]

    async def test_what_is_paid_is_not_called_off(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        paid = await buy(client, buyer, (await put_on_sale(client, seller), 1))

        answer = await client.post(f"/payments/{paid['paymentId']}/cancel", headers=buyer.headers)

        assert refusal(answer) == (409, "PAYMENT_NOT_CANCELLABLE")


class TestRefunds:
    async def test_parts_go_back_until_nothing_is_left(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle, admin: Person
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        paid = await buy(client, buyer, (await put_on_sale(client, seller), 2))

        part = data_of(await refund(client, admin, paid["paymentId"], "5.00"), 201)
        too_much = await refund(client, admin, paid["paymentId"], "9999.00")
        rest = data_of(await refund(client, admin, paid["paymentId"]), 201)
        nothing = await refund(client, admin, paid["paymentId"])
        await settle()
        order = data_of(await client.get(f"/orders/{paid['orderId']}", headers=buyer.headers))
        listed = data_of(await client.get(f"/payments/{paid['paymentId']}/refunds", headers=buyer.headers))

        assert (part["status"], part["amount"]["minor"], part["reason"]) == ("succeeded", 5_00, "Broken")
        assert part["payment"]["status"] == "partially_refunded"
        assert refusal(too_much) == refusal(nothing) == (400, "REFUND_EXCEEDS_PAYMENT")
        assert rest["payment"]["status"] == "refunded"
        assert rest["payment"]["refunded"] == paid["total"]
        assert order["status"] == "refunded"
        assert [each["refundId"] for each in listed] == [part["refundId"], rest["refundId"]]
        assert listed[1]["reason"] == "requested_by_customer"

    async def test_a_repeat_with_the_same_key_refunds_once(
        self, client: httpx.AsyncClient, sign_up: SignUp, admin: Person
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        paid = await buy(client, buyer, (await put_on_sale(client, seller), 2))

        first = await refund(client, admin, paid["paymentId"], "5.00", **{"Idempotency-Key": "refund-1"})
        again = await refund(client, admin, paid["paymentId"], "5.00", **{"Idempotency-Key": "refund-1"})

        assert data_of(again, 201) == data_of(first, 201)
        assert data_of(again, 201)["payment"]["refunded"]["minor"] == 5_00

    async def test_only_staff_refund(self, client: httpx.AsyncClient, sign_up: SignUp, admin: Person) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        placed = await place(client, buyer, (await put_on_sale(client, seller), 1))
        path = f"/payments/{placed['paymentId']}/refunds"

        assert refusal(await client.post(path, json={})) == (401, "AUTHENTICATION_REQUIRED")
        for person in (buyer, seller):
            answer = await client.post(path, json={}, headers=person.headers)
            assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")
        assert refusal(await refund(client, admin, placed["paymentId"])) == (409, "PAYMENT_NOT_REFUNDABLE")
        assert refusal(await refund(client, admin, str(NOBODY))) == (404, "PAYMENT_NOT_FOUND")

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({"amount": "5.00"}, {"amount": "type"}),
            ({"amount": {"amount": "5", "currency": "USD"}}, {"amount.currency": "pattern"}),
            ({"amount": {"amount": "0", "currency": "usd"}}, {"amount": "range"}),
            ({"amount": {"amount": "5", "currency": "eur"}}, {"amount": "currency"}),
            ({"reason": ""}, {"reason": "min_length"}),
        ],
    )
    async def test_what_is_no_refund_is_refused(
        self,
        client: httpx.AsyncClient,
        sign_up: SignUp,
        admin: Person,
        body: dict[str, Any],
        fields: dict[str, str],
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        paid = await buy(client, buyer, (await put_on_sale(client, seller), 1))

        answer = await client.post(f"/payments/{paid['paymentId']}/refunds", json=body, headers=admin.headers)

        assert wrong_fields(answer) == fields


async def _initiate(
    client: httpx.AsyncClient, buyer: Person, order_id: str, method: str = "sandbox"
) -> httpx.Response:
    body = {"orderId": order_id, "paymentMethod": method}
    return await client.post("/payments", json=body, headers=buyer.headers)
