"""Figures over time, over HTTP (requirements ANL-02 to ANL-04, RBAC-05)."""

import httpx
import pytest

from tests.api.asking import data_of, refusal, wrong_fields
from tests.api.conftest import Person, Settle, SignUp
from tests.api.orders.trade import buy, place, put_on_sale

pytestmark = pytest.mark.services


async def test_staff_see_what_the_marketplace_sold(
    client: httpx.AsyncClient, sign_up: SignUp, settle: Settle, admin: Person
) -> None:
    seller, buyer = await sign_up("seller"), await sign_up()
    listing_id = await put_on_sale(client, seller, price="10.00")
    paid = await buy(client, buyer, (listing_id, 2))
    await place(client, buyer, (listing_id, 1))
    await settle()

    sales = data_of(await client.get("/analytics/sales?granularity=month", headers=admin.headers))

    assert sales["granularity"] == "month"
    placed = sum(figures["ordersPlaced"] for figures in sales["series"])
    [confirmed] = [figures for figures in sales["series"] if figures["ordersConfirmed"]]
    assert (placed, confirmed["units"]) == (2, 2)
    assert confirmed["gross"] == paid["total"]
    assert confirmed["subtotal"]["minor"] == 20_00


async def test_sellers_see_their_own_figures_only(
    client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
) -> None:
    first, second, buyer = await sign_up("seller"), await sign_up("seller"), await sign_up()
    mine = await put_on_sale(client, first, price="10.00")
    other = await put_on_sale(client, second, price="99.00")
    await buy(client, buyer, (mine, 1), (other, 1))
    await settle()

    dashboard = data_of(await client.get("/seller/dashboard?currency=usd", headers=first.headers))

    assert sum(figures["gross"]["minor"] for figures in dashboard["series"]) == 10_00
    assert sum(figures["units"] for figures in dashboard["series"]) == 1


async def test_nothing_is_shown_of_other_currencies_and_times(
    client: httpx.AsyncClient, sign_up: SignUp, settle: Settle, admin: Person
) -> None:
    seller, buyer = await sign_up("seller"), await sign_up()
    await buy(client, buyer, (await put_on_sale(client, seller), 1))
    await settle()

    for query in ("currency=uzs", "from=2020-01-01&to=2020-12-31"):
        answer = await client.get(f"/analytics/sales?{query}", headers=admin.headers)
        assert data_of(answer)["series"] == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=2024-01-01&to=2025-01-02", "to"),
        ("from=2025-01-02&to=2025-01-01", "to"),
        ("from=soon", "from"),
        ("granularity=hour", "granularity"),
        ("currency=USD", "currency"),
    ],
)
async def test_a_period_that_nobody_can_show_is_refused(
    client: httpx.AsyncClient, admin: Person, query: str, field: str
) -> None:
    answer = await client.get(f"/analytics/sales?{query}", headers=admin.headers)

    assert set(wrong_fields(answer)) == {field}


@pytest.mark.parametrize("last", ["0001-01-01", "0001-01-15", "9999-12-31"])
async def test_the_first_and_the_last_days_there_are_can_be_asked_for(
    client: httpx.AsyncClient, admin: Person, last: str
) -> None:
    assert data_of(await client.get(f"/analytics/sales?to={last}", headers=admin.headers))["lastDay"] == last


async def test_figures_are_for_staff_and_sellers(
    client: httpx.AsyncClient, sign_up: SignUp, admin: Person
) -> None:
    seller, buyer = await sign_up("seller"), await sign_up()

    assert refusal(await client.get("/analytics/sales")) == (401, "AUTHENTICATION_REQUIRED")
    assert refusal(await client.get("/seller/dashboard")) == (401, "AUTHENTICATION_REQUIRED")
    for path, person in (
        ("/analytics/sales", seller),
        ("/analytics/sales", buyer),
        ("/seller/dashboard", buyer),
        ("/seller/dashboard", admin),
    ):
        answer = await client.get(path, headers=person.headers)
        assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")
