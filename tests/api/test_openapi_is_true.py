"""The OpenAPI document says what happens: every answer of a purchase is of the shape that is documented for its status."""

import copy
import re
from typing import Any
from uuid import UUID

import httpx
import pytest
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from api.assembly import AppServices
from application.payouts.commands import AccrueEarnings
from application.shared.caller import SYSTEM
from tests.api.accounts.mailbox import Mailbox, a_phone, an_address
from tests.api.accounts.onboarded import influencer, salon
from tests.api.asking import NOBODY, after, data_of, refusal
from tests.api.conftest import PASSWORD, Person, Settle, SignUp, log_in
from tests.api.orders.trade import place, play, put_on_sale, wish
from tests.support.pictures import picture

pytestmark = pytest.mark.services

METHODS = {"get", "post", "put", "patch", "delete"}
ROOT = "http://daftar.test"
SCHEMA = "/api/v1/schema/openapi.json"


class Contract:
    """The document, and what of it was seen to be true."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = copy.deepcopy(document)
        for schema in self._document["components"]["schemas"].values():
            if (
                schema.get("type") == "object"
                and "properties" in schema
                and "error" not in schema["properties"]
            ):
                # An answer has the documented fields and no others.
                schema.setdefault("additionalProperties", False)
        self.operations = {
            (method, path)
            for path, item in document["paths"].items()
            for method in item
            # What is opened by an upgrade is tried in tests/api/realtime.
            if method in METHODS and "101" not in item[method]["responses"]
        }
        self.exercised: set[tuple[str, str]] = set()

    def check(self, method: str, path: str, answer: httpx.Response) -> None:
        """Compare one answer with what is documented.

        Raises:
            AssertionError: the route, the status, the media type or the shape of the answer is not documented.
        """
        template = self._template_of(path)
        assert template is not None, f"{path} is not documented"
        operation = self._document["paths"][template].get(method)
        assert operation is not None, f"{method} {template} is not documented"
        documented = operation["responses"].get(str(answer.status_code))
        asked = f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        assert documented is not None, f"this status is not documented: {asked}"
        media_type = answer.headers["Content-Type"].partition(";")[0]
        content = {kind.partition(";")[0]: each["schema"] for kind, each in documented["content"].items()}
        assert media_type in content, f"{media_type} is not documented: {asked}"
        if media_type.endswith("json"):
            self._check_shape(content[media_type], answer, asked)
        for name, header in documented.get("headers", {}).items():
            value = answer.headers.get(name)
            if value is None:
                continue
            schema = self._document["components"]["headers"][header["$ref"].rpartition("/")[2]]["schema"]
            if schema.get("type") == "integer":
                assert value.isdecimal(), f"{name}: {value}"
        if answer.status_code < 400:
            self.exercised.add((method, template))

    def _check_shape(self, schema: dict[str, Any], answer: httpx.Response, asked: str) -> None:
        validator = Draft202012Validator(
            {**schema, "components": self._document["components"]}, format_checker=FormatChecker()
        )
        wrong = [f"{each.json_path}: {each.message[:300]}" for each in validator.iter_errors(answer.json())]
        assert not wrong, f"{asked}\n" + "\n".join(wrong)

    def _template_of(self, path: str) -> str | None:
        fitting = [
            template
            for template in self._document["paths"]
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
        ]
        return min(fitting, key=lambda template: template.count("{"), default=None)


@pytest.fixture
async def contract(client: httpx.AsyncClient) -> Contract:
    """Every answer that the client gets from now on is compared with the document."""
    found = Contract((await client.get(f"{ROOT}{SCHEMA}")).json())

    async def compare(answer: httpx.Response) -> None:
        await answer.aread()
        found.check(answer.request.method.lower(), answer.request.url.path, answer)

    client.event_hooks["response"].append(compare)
    return found


async def test_a_whole_purchase_answers_as_documented(
    contract: Contract,
    client: httpx.AsyncClient,
    services: AppServices,
    sign_up: SignUp,
    admin: Person,
    settle: Settle,
    mailbox: Mailbox,
) -> None:
    seller, buyer = await sign_up("seller"), await sign_up("customer")
    await _look_at_the_house(client, admin, settle)
    await _come_and_go(client, mailbox)
    await _prove_who_one_is(client, mailbox)
    await _find_each_other(client, mailbox, settle)
    await _decide_on_sellers(client, admin, settle)
    shelf = await _put_goods_on_the_shelf(client, admin, seller, settle)
    paid = await _buy_from_the_cart(client, buyer, shelf, settle)
    await _fulfil(client, admin, seller, paid, settle)
    # What the workflow of earnings does after a delivery.
    await services.commands.submit(AccrueEarnings(order_id=UUID(paid["orderId"])), SYSTEM)
    await _call_off(client, buyer, admin, shelf, settle)
    await _look_at_figures(client, admin, seller, buyer, settle)
    await _look_into_the_log(client, admin, paid, settle)
    await _keep_keys_and_sessions(client, buyer, settle)
    await _clear_up(client, admin, seller, buyer, shelf)

    assert contract.operations - contract.exercised == set(), "these routes were never seen to succeed"


async def test_refusals_answer_as_documented(
    contract: Contract, client: httpx.AsyncClient, sign_up: SignUp, admin: Person, settle: Settle
) -> None:
    seller, buyer = await sign_up("seller"), await sign_up("customer")
    listing_id = await put_on_sale(client, seller, stock=1)
    await settle()
    orders = {"json": wish((listing_id, 1)), "headers": buyer.headers}

    assert refusal(await client.get(f"/orders/{NOBODY}")) == (401, "NO_TOKEN")
    assert refusal(await client.get("/orders/rubbish", headers=buyer.headers)) == (404, "ROUTE_NOT_FOUND")
    assert refusal(await client.get(f"/orders/{NOBODY}", headers=buyer.headers)) == (404, "ORDER_NOT_FOUND")
    assert refusal(await client.get("/orders?page=0", headers=buyer.headers))[0] == 400
    assert refusal(await client.get(f"{ROOT}/health?a=%00")) == (400, "VALIDATION_ERROR")
    assert refusal(await client.get("/admin/accounts", headers=buyer.headers))[0] == 403
    assert refusal(await client.post("/orders", json={}, headers=buyer.headers))[0] == 400
    assert refusal(await client.post("/orders", content=b"{}", headers=buyer.headers))[0] == 415
    assert refusal(await client.post("/profile/me/picture", json={}, headers=buyer.headers))[0] == 415
    no_picture = {"files": {"profilePic": ("me.svg", b"<svg/>", "image/svg+xml")}, "headers": buyer.headers}
    answer = await client.post("/profile/me/picture", **no_picture)  # type: ignore[arg-type]
    assert refusal(answer) == (400, "INVALID_FILE_TYPE")
    assert refusal(await client.get(f"/media/{NOBODY}")) == (404, "RESOURCE_NOT_FOUND")
    for stale in ({"If-Match": "7"}, {"If-Match": '"order-17"'}):
        answer = await client.post("/orders", json=wish((listing_id, 1)), headers={**buyer.headers, **stale})
        assert refusal(answer) == (412, "PRECONDITION_FAILED")
        answer = await client.delete("/cart", headers={**buyer.headers, **stale})
        assert refusal(answer) == (412, "PRECONDITION_FAILED")
    never = {**buyer.headers, "X-Min-Position": "999999"}
    assert refusal(await client.get("/cart", headers=never)) == (400, "VALIDATION_ERROR")
    item = {"listingId": listing_id, "quantity": 1}
    added = await client.post("/cart/items", json=item, headers=buyer.headers)
    behind = {**buyer.headers, **after(added), "Prefer": "wait=0"}
    assert refusal(await client.get("/cart", headers=behind)) == (503, "READ_MODEL_BEHIND")
    keyed = {**buyer.headers, "Idempotency-Key": "one"}
    data_of(await client.post("/orders", json=wish((listing_id, 1)), headers=keyed), 201)
    assert refusal(await client.post("/orders", json=wish((listing_id, 2)), headers=keyed))[0] == 422
    assert refusal(await client.post("/orders", **orders))[0] == 409  # type: ignore[arg-type]
    problem = await client.get(
        "/orders?page=0", headers={**buyer.headers, "Accept": "application/problem+json"}
    )
    assert problem.json()["errors"][0]["pointer"] == "#/page"


class TestTheComparison:
    async def test_it_finds_what_is_not_documented(self, client: httpx.AsyncClient) -> None:
        contract = Contract((await client.get(f"{ROOT}{SCHEMA}")).json())
        good = await client.get(f"{ROOT}/health")
        contract.check("get", "/health", good)

        for wrong in (
            httpx.Response(418, json=good.json()),
            httpx.Response(200, json={**good.json(), "secret": 1}),
            httpx.Response(200, json={"success": True}),
            httpx.Response(200, text="ok"),
        ):
            with pytest.raises(AssertionError):
                contract.check("get", "/health", wrong)
        with pytest.raises(AssertionError):
            contract.check("get", "/nowhere", good)
        with pytest.raises(AssertionError):
            contract.check("post", "/health", good)


async def _look_at_the_house(client: httpx.AsyncClient, admin: Person, settle: Settle) -> None:
    for path in ("/health", "/health/detailed", "/metrics"):
        assert (await client.get(ROOT + path, headers=admin.headers)).status_code == 200
    data_of(await client.get("/auth/me", headers=admin.headers))
    data_of(await client.get("/payments/methods"))
    await settle()
    data_of(await client.get("/admin/projections", headers=admin.headers))
    data_of(await client.get("/admin/activity-logs?limit=1", headers=admin.headers))


async def _come_and_go(client: httpx.AsyncClient, mailbox: Mailbox) -> None:
    for kind in ("influencer", "salon"):
        email = an_address()
        body = {"email": email, "password": PASSWORD, "name": "Zebo", "termsAccepted": True}
        data_of(await client.post(f"/auth/signup/{kind}", json=body), 201)
    data_of(await client.post("/auth/resend-otp", json={"email": email}))
    shown = {"email": email, "otp": await mailbox.code_for(email, 2)}
    data_of(await client.post("/auth/verify-otp", json=shown))
    data_of(await client.post("/auth/forgot-password", json={"email": email, "channel": "otp"}))
    await mailbox.code_for(email, 3)
    data_of(await client.post("/auth/resend-forgot-otp", json={"email": email}))
    shown = {"email": email, "otp": await mailbox.code_for(email, 4)}
    ticket = data_of(await client.post("/auth/verify-forgot-otp", json=shown))["resetToken"]
    data_of(await client.post("/auth/reset-password", json={"token": ticket, "password": PASSWORD}))
    signed_in = data_of(await client.post("/auth/login", json={"email": email, "password": PASSWORD}))
    again = {"refreshToken": signed_in["refreshToken"]}
    data_of(await client.post("/auth/refresh", json=again))


async def _find_each_other(client: httpx.AsyncClient, mailbox: Mailbox, settle: Settle) -> None:
    zebo, lola = await influencer(client, mailbox), await salon(client, mailbox)
    revised = {"influencer": {"bio": None, "categories": ["nails"]}}
    data_of(await client.put("/profile/me", json=revised, headers=zebo.headers))
    await settle()
    assert data_of(await client.get(f"/profile/{zebo.account_id}", headers=lola.headers))["influencer"]
    query = "?search=zeb&categories=nails&categories=hair&region=toshkent"
    assert data_of(await client.get(f"/discovery/influencers{query}", headers=lola.headers))
    assert data_of(await client.get("/discovery/salons", headers=zebo.headers))


async def _prove_who_one_is(client: httpx.AsyncClient, mailbox: Mailbox) -> None:
    email, phone = an_address(), a_phone()
    body = {"email": email, "password": PASSWORD, "name": "Zebo"}
    signed_in = data_of(await client.post("/auth/register", json=body), 201)
    bearer = {"Authorization": f"Bearer {signed_in['accessToken']}"}
    await mailbox.token_for(email, "email-verification")
    data_of(await client.post("/auth/resend-verification", json={"email": email}))
    token = await mailbox.token_for(email, "email-verification", 2)
    data_of(await client.post("/auth/verify-email", json={"token": token}))
    change = {"currentPassword": PASSWORD, "newPassword": "a new and better password"}
    data_of(await client.post("/auth/change-password", json=change, headers=bearer))
    profile = {"name": "Zebo K.", "avatarUrl": "https://example.uz/zebo.png"}
    data_of(await client.put("/profile/me", json=profile, headers=bearer))
    data_of(await client.get("/profile/me", headers=bearer))
    files = {"profilePic": ("me.png", picture(), "image/png")}
    shown = data_of(await client.post("/profile/me/picture", files=files, headers=bearer))
    assert (await client.get(f"/media/{shown['avatarUrl'].rpartition('/')[2]}")).status_code == 200
    data_of(await client.post("/profile/me/phone/send-code", json={"phone": phone}, headers=bearer))
    shown = {"phone": phone, "otp": await mailbox.code_on(phone)}
    data_of(await client.post("/profile/me/phone/verify", json=shown, headers=bearer))
    data_of(await client.post("/auth/otp/send", json={"phone": phone}))
    shown = {"phone": phone, "otp": await mailbox.code_on(phone, 2)}
    data_of(await client.post("/auth/otp/verify", json=shown))


async def _decide_on_sellers(client: httpx.AsyncClient, admin: Person, settle: Settle) -> None:
    body = {"email": "late@example.uz", "password": PASSWORD, "name": "Late", "kind": "seller"}
    late = data_of(await client.post("/auth/register", json=body), 201)["user"]["id"]
    path = f"/admin/sellers/{late}/reject"
    data_of(await client.post(path, json={"reason": "No papers"}, headers=admin.headers))
    await settle()
    assert data_of(await client.get("/admin/sellers", headers=admin.headers))
    assert data_of(await client.get("/admin/accounts", headers=admin.headers))
    account = f"/admin/accounts/{late}"
    data_of(await client.get(account, headers=admin.headers))
    data_of(await client.patch(f"{account}/suspend", json={"reason": "Spam"}, headers=admin.headers))
    data_of(await client.patch(f"{account}/unsuspend", headers=admin.headers))
    data_of(await client.patch(f"{account}/role", json={"role": "influencer"}, headers=admin.headers))
    data_of(await client.delete(account, headers=admin.headers))
    data_of(await client.get(f"/profile/{admin.account_id}", headers=admin.headers))


async def _put_goods_on_the_shelf(
    client: httpx.AsyncClient, admin: Person, seller: Person, settle: Settle
) -> list[str]:
    tea = data_of(await client.post("/categories", json={"name": "Tea"}, headers=admin.headers), 201)
    path = f"/categories/{tea['categoryId']}"
    data_of(await client.put(path, json={"name": "Tea and pots"}, headers=admin.headers))
    rich: dict[str, Any] = {
        "categoryId": tea["categoryId"],
        "description": "Blue, and as old as the hills.",
        "shortDescription": "A blue teapot",
        "comparePrice": {"amount": "25.00", "currency": "usd"},
        "costPrice": {"amount": "3.00", "currency": "usd"},
        "sku": "POT-1",
        "weight": "0.75",
        "dimensions": {"length": 1, "width": 2, "height": 3.5},
        "tags": ["blue"],
        "seoTitle": "Teapot",
        "seoDescription": "A teapot",
    }
    shelf = [
        await put_on_sale(client, seller, **rich),
        await put_on_sale(client, seller, price="3.00", categoryId=tea["categoryId"]),
    ]
    listing = f"/listings/{shelf[0]}"
    data_of(await client.put(listing, json={"name": "Blue teapot"}, headers=seller.headers))
    data_of(await client.patch(f"{listing}/stock", json={"delta": 5}, headers=seller.headers))
    await settle()
    shown = data_of(await client.get(listing))
    assert "costPrice" not in shown
    data_of(await client.get(listing, headers=seller.headers))
    data_of(await client.get(f"/listings/slug/{shown['slug']}"))
    assert data_of(await client.get(f"{listing}/related"))
    assert data_of(await client.get("/listings"))
    assert data_of(await client.get("/listings/search?q=teapot&facets=true"))
    assert data_of(await client.get("/listings?limit=1&sortBy=price"))
    assert data_of(await client.get("/categories"))
    data_of(await client.get(f"/categories/{tea['categoryId']}"))
    return shelf


async def _buy_from_the_cart(
    client: httpx.AsyncClient, buyer: Person, shelf: list[str], settle: Settle
) -> dict[str, Any]:
    for listing_id in shelf:
        body = {"listingId": listing_id, "quantity": 1}
        data_of(await client.post("/cart/items", json=body, headers=buyer.headers), 201)
    path = f"/cart/items/{shelf[0]}"
    data_of(await client.patch(path, json={"quantity": 2}, headers=buyer.headers))
    answer = await client.delete(f"/cart/items/{shelf[1]}", headers=buyer.headers)
    data_of(answer)
    await settle()
    assert data_of(await client.get("/cart", headers={**buyer.headers, **after(answer)}))["items"]
    placed = await place(client, buyer, notes="Ring twice")
    payment = f"/payments/{placed['paymentId']}"
    data_of(await client.post(f"{payment}/cancel", headers=buyer.headers))
    body = {"orderId": placed["orderId"], "paymentMethod": "sandbox"}
    begun = data_of(await client.post("/payments", json=body, headers=buyer.headers), 201)
    data_of(await play(client, buyer, begun["paymentId"]))
    data_of(await client.post(f"/payments/{begun['paymentId']}/confirm", headers=buyer.headers))
    await settle()
    data_of(await client.get(f"/payments/{begun['paymentId']}", headers=buyer.headers))
    return {**placed, "paymentId": begun["paymentId"]}


async def _fulfil(
    client: httpx.AsyncClient, admin: Person, seller: Person, paid: dict[str, Any], settle: Settle
) -> None:
    order = f"/orders/{paid['orderId']}"
    tracking = {"trackingNumber": "UZ123", "trackingUrl": "https://post.uz/t/UZ123"}
    note = {"visibility": "internal", "text": "Fragile"}
    data_of(await client.post(f"{order}/process", headers=seller.headers))
    data_of(await client.post(f"{order}/ship", json=tracking, headers=seller.headers))
    corrected = {**tracking, "estimatedDelivery": "2031-05-01"}
    data_of(await client.patch(f"{order}/tracking", json=corrected, headers=seller.headers))
    data_of(await client.post(f"{order}/notes", json=note, headers=seller.headers), 201)
    data_of(await client.post(f"{order}/deliver", headers=admin.headers))
    back = {"amount": {"amount": "1.00", "currency": "usd"}, "reason": "requested_by_customer"}
    refunds = f"/payments/{paid['paymentId']}/refunds"
    data_of(await client.post(refunds, json=back, headers=admin.headers), 201)
    await settle()
    assert data_of(await client.get(refunds, headers=admin.headers))
    for person in (admin, seller):
        data_of(await client.get(order, headers=person.headers))
        assert data_of(await client.get(f"{order}/history", headers=person.headers))
    data_of(await client.get(f"/orders/by-number/{paid['orderNumber']}", headers=admin.headers))
    assert data_of(await client.get(f"{order}/payments", headers=admin.headers))


async def _call_off(
    client: httpx.AsyncClient, buyer: Person, admin: Person, shelf: list[str], settle: Settle
) -> None:
    placed = await place(client, buyer, (shelf[1], 1))
    path = f"/orders/{placed['orderId']}/cancel"
    data_of(await client.post(path, json={"reason": "Changed my mind"}, headers=buyer.headers))
    await settle()
    assert data_of(await client.get("/orders", headers=buyer.headers))
    assert data_of(await client.get("/orders?limit=1", headers=admin.headers))
    assert data_of(await client.get("/admin/payments", headers=admin.headers))


async def _look_at_figures(
    client: httpx.AsyncClient, admin: Person, seller: Person, buyer: Person, settle: Settle
) -> None:
    await settle()
    assert data_of(await client.get("/analytics/sales", headers=admin.headers))["series"]
    assert data_of(await client.get("/admin/dashboard/stats", headers=admin.headers))["totalUsers"] > 1
    data_of(await client.get("/seller/dashboard", headers=seller.headers))
    assert data_of(await client.get("/seller/orders", headers=seller.headers))
    assert data_of(await client.get("/seller/earnings", headers=seller.headers))
    assert data_of(await client.get("/seller/earnings/entries", headers=seller.headers))


async def _look_into_the_log(
    client: httpx.AsyncClient, admin: Person, paid: dict[str, Any], settle: Settle
) -> None:
    stream = f"/admin/audit/streams/order/{paid['orderId']}"
    assert data_of(await client.get("/admin/audit/events?type=OrderPlaced", headers=admin.headers))
    assert data_of(await client.get(stream, headers=admin.headers))
    assert data_of(await client.get(f"{stream}/state?version=1", headers=admin.headers))["laterEvents"]
    data_of(await client.post("/admin/projections/api_keys/rebuild", headers=admin.headers), 202)
    await settle()
    assert data_of(await client.get("/admin/projections", headers=admin.headers))


async def _keep_keys_and_sessions(client: httpx.AsyncClient, buyer: Person, settle: Settle) -> None:
    body = {"name": "Bookkeeping", "permissions": ["orders:read"], "expiresInDays": 30}
    key = data_of(await client.post("/api-keys", json=body, headers=buyer.headers), 201)
    elsewhere = await log_in(client, buyer.email)
    await settle()
    assert data_of(await client.get("/api-keys", headers=buyer.headers))
    assert data_of(await client.get("/profile/me/export", headers=buyer.headers))["orders"]
    data_of(await client.delete(f"/api-keys/{key['keyId']}", headers=buyer.headers))
    sessions = data_of(await client.get("/auth/sessions", headers=elsewhere.headers))
    [current] = [each["sessionId"] for each in sessions if each["current"]]
    data_of(await client.delete(f"/auth/sessions/{current}", headers=elsewhere.headers))


async def _clear_up(
    client: httpx.AsyncClient, admin: Person, seller: Person, buyer: Person, shelf: list[str]
) -> None:
    data_of(await client.post(f"/listings/{shelf[0]}/deactivate", headers=seller.headers))
    for listing_id in shelf:
        data_of(await client.delete(f"/listings/{listing_id}", headers=seller.headers))
    empty = data_of(await client.post("/categories", json={"name": "Empty"}, headers=admin.headers), 201)
    data_of(await client.delete(f"/categories/{empty['categoryId']}", headers=admin.headers))
    data_of(await client.delete("/cart", headers=buyer.headers))
    data_of(await client.post("/auth/logout", headers=buyer.headers))
