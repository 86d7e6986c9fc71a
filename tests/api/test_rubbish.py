"""What callers should not send, and what comes of it: a coded refusal, and nothing for anybody else."""

import asyncio
import re
from typing import Any
from uuid import UUID

import httpx
import pytest

from api.assembly import AppServices
from domain.carts.cart import cart_id
from domain.inventory.stock import stock_id
from domain.shared.claims import derived_id
from tests.api.asking import NOBODY, data_of, refusal, wrong_fields
from tests.api.conftest import Person, Settle, SignUp
from tests.api.orders.trade import ADDRESS, place, put_on_sale, wish

pytestmark = pytest.mark.services


class TestIdsOfOtherThings:
    """An id that exists, but not as what it is given out for."""

    @pytest.fixture
    async def buyer(self, sign_up: SignUp) -> Person:
        return await sign_up("customer")

    @pytest.fixture
    async def seller(self, sign_up: SignUp) -> Person:
        return await sign_up("seller")

    @pytest.mark.parametrize("remembered", [True, False])
    async def test_nothing_is_taken_for_what_it_is_not(
        self,
        client: httpx.AsyncClient,
        services: AppServices,
        admin: Person,
        seller: Person,
        buyer: Person,
        remembered: bool,
    ) -> None:
        listing_id = await put_on_sale(client, seller)
        placed = await place(client, buyer, (listing_id, 1))
        category = data_of(await client.post("/categories", json={"name": "Tea"}, headers=admin.headers), 201)
        things = {
            "account": str(buyer.account_id),
            "cart": str(cart_id(buyer.account_id)),
            "category": category["categoryId"],
            "claim": str(derived_id("email", buyer.email)),
            "listing": listing_id,
            "order": placed["orderId"],
            "payment": placed["paymentId"],
            "stock": str(stock_id(UUID(listing_id))),
        }
        asked: list[tuple[str, str, str, Any]] = [
            ("account", "POST", "/admin/sellers/{}/approve", None),
            ("account", "POST", "/admin/sellers/{}/reject", {"reason": "No"}),
            ("category", "PUT", "/categories/{}", {"name": "Pots"}),
            ("category", "DELETE", "/categories/{}", None),
            ("listing", "PUT", "/listings/{}", {"name": "Pot"}),
            ("listing", "PATCH", "/listings/{}/stock", {"delta": 1}),
            ("listing", "POST", "/listings/{}/publish", None),
            ("listing", "POST", "/listings/{}/deactivate", None),
            ("listing", "DELETE", "/listings/{}", None),
            ("order", "POST", "/orders/{}/cancel", {"reason": "No"}),
            ("order", "POST", "/orders/{}/process", None),
            ("order", "POST", "/orders/{}/ship", {}),
            ("order", "POST", "/orders/{}/deliver", None),
            ("order", "PATCH", "/orders/{}/tracking", {"trackingNumber": "1"}),
            ("order", "POST", "/orders/{}/notes", {"visibility": "customer", "text": "Hello"}),
            ("payment", "POST", "/payments/{}/confirm", None),
            ("payment", "POST", "/payments/{}/cancel", None),
            ("payment", "POST", "/payments/{}/sandbox", {"outcome": "succeeded"}),
            ("payment", "POST", "/payments/{}/refunds", {"reason": "requested_by_customer"}),
        ]
        for expected, method, path, body in asked:
            for kind, thing in things.items():
                if kind == expected:
                    continue
                if not remembered:
                    services.commands.forget(UUID(thing))
                answer = await client.request(method, path.format(thing), json=body, headers=admin.headers)
                assert answer.status_code in {404, 400}, f"{method} {path} with a {kind}: {answer.text}"
                assert answer.status_code == 404 or body is not None, answer.text

        for wrong in (placed["orderId"], placed["paymentId"], str(stock_id(UUID(listing_id)))):
            item = {"listingId": wrong, "quantity": 1}
            assert refusal(await client.post("/cart/items", json=item, headers=buyer.headers))[0] == 409
            order = await client.post("/orders", json=wish((wrong, 1)), headers=buyer.headers)
            assert refusal(order) == (409, "LISTING_UNAVAILABLE")
        payment = {"orderId": listing_id, "paymentMethod": "sandbox"}
        assert refusal(await client.post("/payments", json=payment, headers=buyer.headers)) == (
            404,
            "ORDER_NOT_FOUND",
        )

        # And everything is still what it was.
        shipped = await client.post(
            f"/orders/{placed['orderId']}/cancel", json={"reason": "Bye"}, headers=buyer.headers
        )
        assert data_of(shipped)["status"] == "cancelled"
        data_of(await client.put(f"/listings/{listing_id}", json={"name": "Pot"}, headers=seller.headers))

    async def test_a_wrong_id_harms_nobody_who_is_served_at_the_same_time(
        self, client: httpx.AsyncClient, services: AppServices, seller: Person, buyer: Person
    ) -> None:
        listing_id = await put_on_sale(client, seller)
        placed = await place(client, buyer, (listing_id, 1))
        order_id = UUID(placed["orderId"])
        for _ in range(3):
            services.commands.forget(order_id)

            wrong, right, innocent = await asyncio.gather(
                client.post(f"/listings/{order_id}/publish", headers=seller.headers),
                client.post(
                    f"/orders/{order_id}/notes",
                    json={"visibility": "customer", "text": "Hello"},
                    headers=buyer.headers,
                ),
                client.post("/orders", json=wish((listing_id, 1)), headers=buyer.headers),
            )

            assert refusal(wrong)[0] == 404
            assert (right.status_code, innocent.status_code) == (201, 201)


class TestSpellingsOfIds:
    async def test_a_thing_has_one_address(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        listing_id = await put_on_sale(client, await sign_up("seller"))
        await settle()

        for known in (listing_id, listing_id.upper()):
            assert data_of(await client.get(f"/listings/{known}"))["listingId"] == listing_id
        for odd in (
            listing_id.replace("-", ""),
            f"{{{listing_id}}}",
            f"urn:uuid:{listing_id}",
            f"{listing_id[0]}-{listing_id[1:]}",
            f"\uff10{listing_id[1:]}",
        ):
            answer = await client.get(f"/listings/{odd}")
            assert refusal(answer) == (404, "ROUTE_NOT_FOUND"), odd


class TestTexts:
    @pytest.mark.parametrize("escape", ["\\u0001", "\\u001b", "\\u007F", "\\u0085", "\\b", "\\f"])
    async def test_control_characters_are_refused(
        self, client: httpx.AsyncClient, admin: Person, escape: str
    ) -> None:
        answer = await client.post(
            "/categories",
            content=f'{{"name": "Tea{escape}"}}'.encode(),
            headers={**admin.headers, "Content-Type": "application/json"},
        )

        assert wrong_fields(answer) == {"": "no_control"}

    async def test_lines_tabs_and_backslashes_are_texts(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up("customer")
        listing_id = await put_on_sale(client, seller)
        notes = "Ring\ttwice,\r\nthen C:\\\\b and \\u0001 \\\\f"

        order = wish((listing_id, 1), notes=notes)
        answer = await client.post("/orders", json=order, headers=buyer.headers)

        assert answer.status_code == 201, answer.text


class TestTheOrderOfChecks:
    async def test_strangers_are_turned_away_before_anything_of_theirs_is_read(
        self, client: httpx.AsyncClient
    ) -> None:
        anything = "01930000-0000-7000-8000-0000000000ff"
        for path in (f"/payments/{anything}/sandbox", f"/orders/{anything}/notes"):
            answer = await client.post(
                path, content=b"{" * 1000, headers={"Content-Type": "application/json"}
            )
            assert refusal(answer) == (401, "NO_TOKEN")


class TestMethods:
    @pytest.mark.parametrize(
        ("path", "methods"),
        [
            ("/listings", "GET, HEAD, OPTIONS, POST"),
            ("/listings/01930000-0000-7000-8000-0000000000ff", "DELETE, GET, HEAD, OPTIONS, PUT"),
            ("/cart", "DELETE, GET, HEAD, OPTIONS"),
            ("/cart//", "DELETE, GET, HEAD, OPTIONS"),
            ("/categories//tea", "DELETE, GET, HEAD, OPTIONS, PUT"),
            ("/cart/", "DELETE, GET, HEAD, OPTIONS"),
            ("/categories/tea", "DELETE, GET, HEAD, OPTIONS, PUT"),
            ("/auth/login", "OPTIONS, POST"),
        ],
    )
    async def test_what_is_allowed_is_told_to_everybody(
        self, client: httpx.AsyncClient, path: str, methods: str
    ) -> None:
        options = await client.options(path)
        refused = await client.request("TRACE", path)

        assert (options.status_code, options.headers["Allow"], options.content) == (204, methods, b"")
        assert refusal(refused) == (405, "METHOD_NOT_ALLOWED")
        assert refused.headers["Allow"] == methods

    async def test_every_route_answers_every_method(
        self, client: httpx.AsyncClient, sign_up: SignUp, admin: Person
    ) -> None:
        seller, buyer = await sign_up("seller"), await sign_up("customer")
        document = (await client.get("http://daftar.test/api/v1/schema")).json()
        for path, item in document["paths"].items():
            target = f"http://daftar.test{re.sub(r'{[^}]+}', str(NOBODY), path)}"
            declared = {method.upper() for method in item}
            for headers in ({}, buyer.headers, seller.headers, admin.headers):
                allowed = (await client.options(target, headers=headers)).headers["Allow"].split(", ")
                assert set(allowed) - {"HEAD", "OPTIONS"} == declared
                assert ("HEAD" in allowed) == ("GET" in declared)
                for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "PURGE"):
                    answer = await client.request(method, target, headers=headers)
                    assert answer.status_code < 500, f"{method} {path}: {answer.text}"
                    assert (answer.status_code == 405) == (method not in allowed)
                    assert method != "HEAD" or answer.content == b""
                if "GET" in declared:
                    got = await client.get(target, headers=headers)
                    headed = await client.head(target, headers=headers)
                    assert headed.status_code == got.status_code
                    assert headed.headers["Content-Type"] == got.headers["Content-Type"]

    async def test_where_nothing_is_nothing_is_allowed(self, client: httpx.AsyncClient) -> None:
        for path in ("/nowhere", "/orders/rubbish/at/all"):
            assert refusal(await client.options(path)) == (404, "ROUTE_NOT_FOUND")


class TestWhatNobodyMaySet:
    """Role, status, seller, totals and prices follow from what happened, never from a request (requirements SEC-26)."""

    async def test_nobody_names_their_own_role_or_status(self, client: httpx.AsyncClient) -> None:
        new = {"email": "zebo@example.uz", "password": "correct horse battery staple", "name": "Zebo"}
        for field, value in {"role": "admin", "status": "approved", "emailVerified": True, "id": "1"}.items():
            answer = await client.post("/auth/register", json={**new, field: value})
            assert wrong_fields(answer) == {field: "unknown_field"}
        for kind in ("staff", "admin", "super_admin"):
            assert refusal(await client.post("/auth/register", json={**new, "kind": kind}))[0] == 400

    async def test_buyers_name_no_prices(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        seller, buyer = await sign_up("seller"), await sign_up("customer")
        listing_id = await put_on_sale(client, seller, price="12.50")
        one = {"amount": "0.01", "currency": "usd"}
        for field in ("total", "subtotal", "tax", "shipping", "discount", "sellerId", "status", "customerId"):
            answer = await client.post(
                "/orders", json=wish((listing_id, 1), **{field: one}), headers=buyer.headers
            )
            assert wrong_fields(answer) == {field: "unknown_field"}
        for field in ("unitPrice", "price", "subtotal", "sellerId", "commissionRate"):
            item = {"listingId": listing_id, "quantity": 1, field: one}
            answer = await client.post(
                "/orders",
                json={"paymentMethod": "sandbox", "shippingAddress": ADDRESS, "items": [item]},
                headers=buyer.headers,
            )
            assert set(wrong_fields(answer).values()) <= {"unknown_field"}

    async def test_sellers_name_no_other_seller_and_no_counters(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller, other = await sign_up("seller"), await sign_up("seller")
        body = {"name": "Teapot", "price": {"amount": "12.50", "currency": "usd"}}
        for field in (
            "sellerId",
            "status",
            "rating",
            "reviewCount",
            "soldCount",
            "listingId",
            "discountPercentage",
        ):
            given = {**body, field: str(other.account_id)}
            assert wrong_fields(await client.post("/listings", json=given, headers=seller.headers)) == {
                field: "unknown_field"
            }

    async def test_passwords_and_tokens_are_never_said_again(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        secret = "hunter2-hunter2-hunter2"
        bodies: list[Any] = [
            {"email": "zebo@example.uz", "password": secret},
            {"email": secret, "password": [secret]},
            {"email": "zebo@example.uz", "password": secret, secret[:7]: 1, "name": "Z" * 999},
            {"password": {"nested": secret}},
        ]
        for body in bodies:
            for path in ("/auth/login", "/auth/register"):
                answer = await client.post(path, json=body)
                assert answer.status_code in {400, 401}
                assert secret not in answer.text
        for token in (secret, f"{secret}.{secret}.{secret}", secret * 500):
            answer = await client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
            assert refusal(answer) == (401, "INVALID_TOKEN")
            assert secret not in answer.text

    async def test_sellers_addresses_and_cost_prices_are_shown_to_nobody_else(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        seller, rival, buyer = await sign_up("seller"), await sign_up("seller"), await sign_up("customer")
        listing_id = await put_on_sale(
            client, seller, price="12.50", costPrice={"amount": "1307.77", "currency": "usd"}, slug="teapot"
        )
        placed = await place(client, buyer, (listing_id, 1))
        await client.post("/cart/items", json={"listingId": listing_id, "quantity": 1}, headers=buyer.headers)
        await settle()

        paths = (
            "/listings",
            "/listings/search?q=teapot&facets=true",
            f"/listings/{listing_id}",
            "/listings/slug/teapot",
            f"/listings/{listing_id}/related",
            "/categories",
            "/cart",
            "/orders",
            f"/orders/{placed['orderId']}",
            f"/profile/{seller.account_id}",
        )
        for path in paths:
            for headers in ({}, rival.headers, buyer.headers):
                answer = await client.get(path, headers=headers)
                assert seller.email not in answer.text, path
                assert "1307.77" not in answer.text, path
                assert "costPrice" not in answer.text, path
        assert "1307.77" in (await client.get(f"/listings/{listing_id}", headers=seller.headers)).text
