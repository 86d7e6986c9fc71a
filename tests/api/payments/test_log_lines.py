"""What the log says of orders and money: which order, which payment, how much; nobody's name, nobody's secret."""

from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.api.asking import data_of
from tests.api.conftest import PASSWORD, Person, SignUp
from tests.api.orders.trade import buy, place, play, put_on_sale, wish

pytestmark = pytest.mark.services

Lines = list[MutableMapping[str, Any]]
MONEY = (
    "order_placed",
    "payment_begun",
    "payment_recorded",
    "payment_cancelled",
    "refund_requested",
    "payment_refunded",
    "refund_failed",
)


def about_money(lines: Lines) -> Lines:
    return [line for line in lines if line["event"] in MONEY]


def events_in(lines: Lines) -> list[str]:
    return [line["event"] for line in about_money(lines)]


async def test_an_order_and_its_payment_leave_a_line_each(client: httpx.AsyncClient, sign_up: SignUp) -> None:
    seller, buyer = await sign_up("seller"), await sign_up()
    listing = await put_on_sale(client, seller, price="12.50")

    with capture_logs() as lines:
        placed = await place(client, buyer, (listing, 2))
        data_of(await play(client, buyer, placed["paymentId"]))

    order, begun, recorded = about_money(lines)
    total = f"{placed['total']['amount']} usd"
    assert (order["event"], str(order["order_id"])) == ("order_placed", placed["orderId"])
    assert (order["order_number"], order["amount"]) == (placed["orderNumber"], total)
    assert (begun["event"], recorded["event"]) == ("payment_begun", "payment_recorded")
    for line in (begun, recorded):
        assert str(line["order_id"]) == placed["orderId"]
        assert str(line["payment_id"]) == str(order["payment_id"]) == placed["paymentId"]
        assert (line["amount"], line["provider"]) == (total, "sandbox")
        assert line["reference"]
        assert line["log_level"] == "info"
    assert (begun["status"], recorded["status"]) == ("pending", "succeeded")


async def test_nothing_personal_and_no_secret_is_in_them(
    client: httpx.AsyncClient, sign_up: SignUp, admin: Person
) -> None:
    seller, buyer = await sign_up("seller", name="Karim Teapot"), await sign_up(name="Zebo Karimova")
    with capture_logs() as lines:
        placed = await place(client, buyer, (await put_on_sale(client, seller), 1), notes="Ring twice")
        data_of(await play(client, buyer, placed["paymentId"]))
        data_of(await _refund(client, admin, placed["paymentId"]), 201)

    written = repr(lines)
    assert len(about_money(lines)) == 5
    secrets = (buyer.email, seller.email, admin.email, buyer.token, admin.token, PASSWORD)
    told = ("Karim", "Zebo", "Amir Temur", "+998901234567", "Ring twice", placed["clientSecret"])
    assert [each for each in (*secrets, *told) if each in written] == []


async def test_a_refund_leaves_what_was_asked_and_what_went_back(
    client: httpx.AsyncClient, sign_up: SignUp, admin: Person
) -> None:
    seller, buyer = await sign_up("seller"), await sign_up()
    paid = await buy(client, buyer, (await put_on_sale(client, seller, price="12.50"), 1))
    key = {"Idempotency-Key": "refund-once"}

    with capture_logs() as lines:
        answer = await _refund(client, admin, paid["paymentId"], "2.50", **key)
        again = await _refund(client, admin, paid["paymentId"], "2.50", **key)

    assert again.headers["Idempotent-Replayed"] == "true"
    asked, refunded = about_money(lines)
    assert (asked["event"], refunded["event"]) == ("refund_requested", "payment_refunded")
    assert asked["amount"] == refunded["amount"] == "2.50 usd"
    assert str(asked["refund_id"]) == str(refunded["refund_id"]) == data_of(answer, 201)["refundId"]
    assert (asked["status"], refunded["status"]) == ("requested", "succeeded")


async def test_a_cancelled_order_that_was_paid_leaves_the_refund(
    client: httpx.AsyncClient, sign_up: SignUp
) -> None:
    seller, buyer = await sign_up("seller"), await sign_up()
    paid = await buy(client, buyer, (await put_on_sale(client, seller), 1))

    with capture_logs() as lines:
        answer = await client.post(
            f"/orders/{paid['orderId']}/cancel", json={"reason": "Changed my mind"}, headers=buyer.headers
        )

    data_of(answer)
    assert events_in(lines) == ["payment_refunded"]


async def test_repeats_and_looks_leave_nothing(client: httpx.AsyncClient, sign_up: SignUp) -> None:
    seller, buyer = await sign_up("seller"), await sign_up()
    body = wish((await put_on_sale(client, seller), 1))
    headers = {**buyer.headers, "Idempotency-Key": "order-once"}
    placed = data_of(await client.post("/orders", json=body, headers=headers), 201)
    pay = {"orderId": placed["orderId"], "paymentMethod": "sandbox"}

    with capture_logs() as lines:
        again = await client.post("/orders", json=body, headers=headers)
        await client.post("/payments", json=pay, headers=buyer.headers)
        await client.post(f"/payments/{placed['paymentId']}/confirm", headers=buyer.headers)

    assert data_of(again, 201)["orderId"] == placed["orderId"]
    assert events_in(lines) == []


async def test_failing_calling_off_and_beginning_anew_leave_a_line_each(
    client: httpx.AsyncClient, sign_up: SignUp
) -> None:
    seller, buyer = await sign_up("seller"), await sign_up()
    placed = await place(client, buyer, (await put_on_sale(client, seller), 1))
    pay = {"orderId": placed["orderId"], "paymentMethod": "sandbox"}

    with capture_logs() as lines:
        data_of(await play(client, buyer, placed["paymentId"], "failed"))
        second = data_of(await client.post("/payments", json=pay, headers=buyer.headers), 201)
        data_of(await client.post(f"/payments/{second['paymentId']}/cancel", headers=buyer.headers))

    assert [(line["event"], str(line["payment_id"]), line["status"]) for line in about_money(lines)] == [
        ("payment_recorded", placed["paymentId"], "failed"),
        ("payment_begun", second["paymentId"], "pending"),
        ("payment_cancelled", second["paymentId"], "cancelled"),
    ]


async def _refund(
    client: httpx.AsyncClient, admin: Person, payment_id: str, amount: str | None = None, **headers: str
) -> httpx.Response:
    body: dict[str, Any] = {} if amount is None else {"amount": {"amount": amount, "currency": "usd"}}
    return await client.post(
        f"/payments/{payment_id}/refunds", json=body, headers={**admin.headers, **headers}
    )
