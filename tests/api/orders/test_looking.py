"""Who sees which orders, and what of them (requirements ORD-13 to ORD-18, RBAC-02)."""

import httpx
import pytest

from tests.api.asking import NOBODY, data_of, refusal, wrong_fields
from tests.api.conftest import Person, Settle, SignUp
from tests.api.orders.trade import buy, place, put_on_sale

pytestmark = pytest.mark.services


class TestOneOrder:
    async def test_customer_sellers_and_staff_see_their_part(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle, admin: Person
    ) -> None:
        first, second, buyer = await sign_up("seller"), await sign_up("seller"), await sign_up()
        mine, other = await put_on_sale(client, first), await put_on_sale(client, second)
        placed = await place(client, buyer, (mine, 1), (other, 1))
        path = f"/orders/{placed['orderId']}"
        await client.post(
            f"{path}/notes", json={"text": "Pack well", "visibility": "internal"}, headers=first.headers
        )
        await client.post(f"{path}/notes", json={"text": "Hurry, please"}, headers=buyer.headers)
        await settle()

        seen = {
            who: data_of(await client.get(path, headers=person.headers))
            for who, person in (("customer", buyer), ("seller", first), ("admin", admin))
        }

        assert {who: order["seenAs"] for who, order in seen.items()} == {who: who for who in seen}
        assert [item["listingId"] for item in seen["seller"]["items"]] == [mine]
        assert seen["seller"]["amounts"] is None
        assert seen["seller"]["customerEmail"] is None
        assert seen["seller"]["payments"] == []
        assert len(seen["customer"]["items"]) == len(seen["admin"]["items"]) == 2
        assert {item["commissionRate"] for item in seen["customer"]["items"]} == {None}
        assert {item["commissionRate"] for item in seen["admin"]["items"]} == {1000}
        assert [note["text"] for note in seen["customer"]["notes"]] == ["Hurry, please"]
        assert [note["text"] for note in seen["seller"]["notes"]] == ["Pack well", "Hurry, please"]
        assert seen["customer"]["payments"][0]["paymentId"] == placed["paymentId"]

    async def test_others_learn_nothing(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        seller, buyer, stranger = await sign_up("seller"), await sign_up(), await sign_up()
        bystander = await sign_up("seller")
        placed = await place(client, buyer, (await put_on_sale(client, seller), 1))
        await settle()
        path = f"/orders/{placed['orderId']}"

        for person in (stranger, bystander):
            for suffix in ("", "/history", "/payments"):
                answer = await client.get(path + suffix, headers=person.headers)
                assert refusal(answer) == (404, "ORDER_NOT_FOUND")
        assert refusal(await client.get(path)) == (401, "NO_TOKEN")

    async def test_an_order_is_found_by_its_number(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        seller, buyer, stranger = await sign_up("seller"), await sign_up(), await sign_up()
        placed = await place(client, buyer, (await put_on_sale(client, seller), 1))
        await settle()
        path = f"/orders/by-number/{placed['orderNumber']}"

        assert data_of(await client.get(path, headers=buyer.headers))["orderId"] == placed["orderId"]
        assert refusal(await client.get(path, headers=stranger.headers)) == (404, "ORDER_NOT_FOUND")

    @pytest.mark.parametrize(
        "number", ["ORD-20260501-99999", "ORD-1", "x'; DROP TABLE x", "a%00b", "x" * 500]
    )
    async def test_a_number_that_nothing_has_is_not_found(
        self, client: httpx.AsyncClient, sign_up: SignUp, number: str
    ) -> None:
        buyer = await sign_up()

        answer = await client.get(f"/orders/by-number/{number}", headers=buyer.headers)

        assert answer.status_code in {400, 404}
        assert refusal(answer)[1] in {"ORDER_NOT_FOUND", "VALIDATION_ERROR"}

    async def test_what_is_no_id_is_no_route(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        buyer = await sign_up()

        assert refusal(await client.get("/orders/42", headers=buyer.headers)) == (404, "ROUTE_NOT_FOUND")
        answer = await client.get(f"/orders/{NOBODY}", headers=buyer.headers)
        assert refusal(answer) == (404, "ORDER_NOT_FOUND")

    async def test_sellers_do_not_see_payments(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        placed = await place(client, buyer, (await put_on_sale(client, seller), 1))
        await settle()
        path = f"/orders/{placed['orderId']}/payments"

        mine = data_of(await client.get(path, headers=buyer.headers))

        assert [payment["status"] for payment in mine] == ["pending"]
        answer = await client.get(path, headers=seller.headers)
        assert refusal(answer) == (403, "RESOURCE_ACCESS_DENIED")


class TestLists:
    async def test_customers_list_their_own_and_staff_all(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle, admin: Person
    ) -> None:
        seller, zebo, anna = await sign_up("seller"), await sign_up(), await sign_up()
        listing_id = await put_on_sale(client, seller)
        older = await place(client, zebo, (listing_id, 1))
        newer = await buy(client, zebo, (listing_id, 2))
        annas = await place(client, anna, (listing_id, 1))
        await settle()

        async def listed(person: Person, **filters: str) -> list[str]:
            answer = await client.get("/orders", params=filters, headers=person.headers)
            return [order["orderId"] for order in data_of(answer)]

        assert await listed(zebo) == [newer["orderId"], older["orderId"]]
        assert await listed(zebo, status="confirmed") == [newer["orderId"]]
        assert await listed(zebo, customerId=str(anna.account_id)) == [newer["orderId"], older["orderId"]]
        assert await listed(admin) == [annas["orderId"], newer["orderId"], older["orderId"]]
        assert await listed(admin, customerId=str(anna.account_id)) == [annas["orderId"]]
        assert await listed(zebo, to="2020-01-01") == []
        assert len(await listed(zebo, **{"from": "2020-01-01", "to": "9999-12-31"})) == 2

    async def test_a_list_is_read_by_pages_or_onwards_from_a_cursor(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up()
        listing_id = await put_on_sale(client, seller)
        placed = [(await place(client, buyer, (listing_id, 1)))["orderId"] for _ in range(3)]
        await settle()

        numbered = await client.get("/orders", params={"page": 2, "limit": 2}, headers=buyer.headers)
        first = await client.get("/orders", params={"cursor": "", "limit": 2}, headers=buyer.headers)
        cursor = first.json()["meta"]["nextCursor"]
        rest = await client.get("/orders", params={"cursor": cursor, "limit": 2}, headers=buyer.headers)

        assert numbered.json()["meta"] == {"page": 2, "limit": 2, "total": 3, "totalPages": 2}
        assert [order["orderId"] for order in data_of(numbered)] == placed[:1]
        assert [order["orderId"] for order in data_of(first)] == placed[:0:-1]
        assert [order["orderId"] for order in data_of(rest)] == placed[:1]
        assert rest.json()["meta"] == {"limit": 2, "nextCursor": None, "hasMore": False}

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("status=lost", "status"),
            ("limit=101", "limit"),
            ("page=0", "page"),
            ("page=100000", "page"),
            ("cursor=nonsense", "cursor"),
            ("from=yesterday", "from"),
        ],
    )
    async def test_what_is_no_part_of_a_list_is_refused(
        self, client: httpx.AsyncClient, sign_up: SignUp, query: str, field: str
    ) -> None:
        buyer = await sign_up()

        assert set(wrong_fields(await client.get(f"/orders?{query}", headers=buyer.headers))) == {field}

    async def test_sellers_list_their_part_of_orders(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        first, second, buyer = await sign_up("seller"), await sign_up("seller"), await sign_up()
        mine = await put_on_sale(client, first, price="2.00")
        other = await put_on_sale(client, second, price="5.00")
        mixed = await place(client, buyer, (mine, 2), (other, 1))
        await place(client, buyer, (other, 1))
        await settle()

        sold = data_of(await client.get("/seller/orders", headers=first.headers))

        assert [(order["orderId"], order["subtotal"]["minor"], order["isWhole"]) for order in sold] == [
            (mixed["orderId"], 4_00, False)
        ]
        assert [item["listingId"] for item in sold[0]["items"]] == [mine]
        assert refusal(await client.get("/seller/orders")) == (401, "AUTHENTICATION_REQUIRED")
        answer = await client.get("/seller/orders", headers=buyer.headers)
        assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")
