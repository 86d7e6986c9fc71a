"""Sellers' earnings over HTTP (requirements OUT-02, OUT-06)."""

from uuid import UUID

import httpx
import pytest

from api.assembly import AppServices
from application.payouts.commands import AccrueEarnings
from application.shared.caller import SYSTEM
from tests.api.asking import data_of, refusal
from tests.api.conftest import Person, Settle, SignUp
from tests.api.orders.trade import buy, put_on_sale

pytestmark = pytest.mark.services


async def deliver(client: httpx.AsyncClient, seller: Person, order_id: str, services: AppServices) -> None:
    """Deliver a paid order, and do what the workflow of earnings does then."""
    data_of(await client.post(f"/orders/{order_id}/ship", json={}, headers=seller.headers))
    data_of(await client.post(f"/orders/{order_id}/deliver", headers=seller.headers))
    await services.commands.submit(AccrueEarnings(order_id=UUID(order_id)), SYSTEM)


async def test_sellers_see_what_they_earned_and_from_what(
    client: httpx.AsyncClient, sign_up: SignUp, settle: Settle, services: AppServices
) -> None:
    seller, other, buyer = await sign_up("seller"), await sign_up("seller"), await sign_up()
    placed = await buy(client, buyer, (await put_on_sale(client, seller, price="10.00"), 2))
    await deliver(client, seller, placed["orderId"], services)
    await settle()

    [sums] = data_of(await client.get("/seller/earnings", headers=seller.headers))
    answer = await client.get("/seller/earnings/entries", headers=seller.headers)

    amounts = {name: sums[name]["minor"] for name in ("gross", "commission", "net", "reversedNet", "due")}
    assert amounts == {"gross": 20_00, "commission": 2_00, "net": 18_00, "reversedNet": 0, "due": 18_00}
    [entry] = data_of(answer)
    assert (entry["orderNumber"], entry["commissionRate"]) == (placed["orderNumber"], 1000)
    assert entry["due"] == sums["due"]
    assert answer.json()["meta"]["total"] == 1
    assert data_of(await client.get("/seller/earnings", headers=other.headers)) == []


@pytest.mark.parametrize("path", ["/seller/earnings", "/seller/earnings/entries"])
async def test_only_sellers_have_earnings(client: httpx.AsyncClient, sign_up: SignUp, path: str) -> None:
    buyer = await sign_up()

    assert refusal(await client.get(path)) == (401, "AUTHENTICATION_REQUIRED")
    assert refusal(await client.get(path, headers=buyer.headers)) == (403, "INSUFFICIENT_PERMISSIONS")
