"""A small marketplace to fuzz: who asks, and what there is to ask about, in every state that a request can meet."""

import asyncio
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from infrastructure.embedded.services import ServiceUrls
from infrastructure.one_time_codes import SMS_FOLDER
from tests.api.accounts.mailbox import Mailbox
from tests.api.fuzzing.proofs import for_owner, for_strangers, signed_up
from tests.journeys.shop import PASSWORD, Person, Shop, wish
from tests.support.pictures import picture
from tests.support.running import ADMIN_EMAIL, ADMIN_PASSWORD, environment_of

ORDERS: Final = 8
"""How many orders wait in each state for each caller who may move them on; every success uses one up."""

ANONYMOUS: Final = "anonymous"


class Caller(msgspec.Struct, kw_only=True):
    """Somebody in whose name is asked.

    `things` are values of path, query and body by their name, `special` those that one operation needs instead, by its
    label (`POST /api/v1/orders/{orderId}/ship`). `peer` is somebody else of the same role, who must see nothing of this
    caller's own.
    """

    name: str
    role: str | None
    email: str = ""
    password: str = ""
    token: str | None = None
    peer: str | None = None
    peer_token: str | None = None
    things: dict[str, list[str]] = {}
    special: dict[str, dict[str, list[str]]] = {}


def environment_for(servers: ServiceUrls, database_url: str, folder: Path) -> dict[str, str]:
    """Settings of an installation to fuzz: tokens and codes last as long as that takes."""
    return environment_of(
        servers.as_environment(),
        database_url,
        DAFTAR_DATA_DIR=str(folder),
        JWT_EXPIRES_IN="12h",
        OTP_TTL_SECONDS="43200",
        OTP_MAX_REQUESTS_PER_ADDRESS="100000",
        REFRESH_REUSE_GRACE_SECONDS="300",
    )


def mailbox_of(servers: ServiceUrls, folder: Path) -> Mailbox:
    """What people of that installation are sent."""
    assert servers.mail_folder is not None
    return Mailbox(servers.mail_folder, folder / SMS_FOLDER)


class World(msgspec.Struct, kw_only=True):
    """All of it, as the process of each campaign is told."""

    url: str
    callers: dict[str, Caller]


async def populate(shop: Shop, mailbox: Mailbox) -> World:
    """Let people come, and trade; `mailbox` has what they are sent."""
    admin = await shop.admin()
    seller, rival = await asyncio.gather(shop.seller("seller"), shop.seller("rival"))
    buyer, other = await asyncio.gather(shop.customer("buyer"), shop.customer("other"))
    category: str = (await shop.post("/categories", {"name": "Tea"}, admin)).data["categoryId"]
    shelf = await asyncio.gather(
        *(
            shop.put_on_sale(seller, stock=1_000_000, name=f"Teapot {number}", categoryId=category)
            for number in range(6)
        )
    )
    drafts = await asyncio.gather(*(_draft(shop, seller, number) for number in range(ORDERS)))
    goods = Goods(shop, shelf[0], seller)
    portrait = await _portrait(shop)

    influencer, salon, zebo, lola = await asyncio.gather(
        *(signed_up(shop, mailbox, kind) for kind in ("influencer", "salon", "influencer", "salon"))
    )
    await _onboard(shop, zebo, lola)

    public = {
        "listingId": [*shelf],
        "category": [category, "tea"],
        "categoryId": [category],
        "sellerId": [seller.account_id],
        "mediaId": [portrait],
        "slug": ["teapot-1", "teapot-2"],
        "currency": ["usd"],
        "paymentMethod": ["sandbox"],
        "search": ["teapot", "zebo"],
        "q": ["teapot", "taepot"],
    }
    placed = await goods.placed(buyer, 2)
    paid = await goods.paid(buyer, 2)
    await goods.paid(other, 2)
    own = {
        **public,
        "orderId": [order["orderId"] for order in placed + paid],
        "orderNumber": [order["orderNumber"] for order in placed + paid],
        "paymentId": [order["paymentId"] for order in placed + paid],
        "accountId": [seller.account_id],
        "customerId": [buyer.account_id],
    }
    return World(
        url=shop.daftar.url,
        callers={
            ANONYMOUS: Caller(
                name=ANONYMOUS,
                role=None,
                things=public,
                special={
                    "POST /api/v1/auth/login": {"email": [buyer.email], "password": [PASSWORD]},
                    **await for_strangers(shop, mailbox),
                },
            ),
            "buyer": Caller(
                name="buyer",
                role="customer",
                email=buyer.email,
                password=PASSWORD,
                token=buyer.token,
                peer="other",
                peer_token=other.token,
                things=own,
                special={**await goods.for_customer(buyer), **await for_owner(shop, mailbox, buyer)},
            ),
            "seller": Caller(
                name="seller",
                role="seller",
                email=seller.email,
                password=PASSWORD,
                token=seller.token,
                peer="rival",
                peer_token=rival.token,
                things=own,
                special={
                    **await goods.for_staff(buyer),
                    **_each("listingId", drafts, "DELETE /listings/{listingId}"),
                    **_each("sessionId", await _elsewhere(shop, seller), "DELETE /auth/sessions/{sessionId}"),
                },
            ),
            # They are not onboarded yet: that succeeds once.
            "influencer": _newcomer("influencer", influencer, own),
            "salon": _newcomer("salon", salon, own),
            "admin": Caller(
                name="admin",
                role="super_admin",
                email=ADMIN_EMAIL,
                password=ADMIN_PASSWORD,
                token=admin.token,
                things=own,
                special={
                    **await goods.for_staff(buyer),
                    **await goods.for_admins(buyer),
                    **_looks(own["orderId"]),
                    **_each(
                        "categoryId", await _empty_categories(shop, admin), "DELETE /categories/{categoryId}"
                    ),
                    **_each(
                        "accountId",
                        await _applicants(shop, "approve"),
                        "POST /admin/sellers/{accountId}/approve",
                    ),
                    **_each(
                        "accountId",
                        await _applicants(shop, "reject"),
                        "POST /admin/sellers/{accountId}/reject",
                    ),
                    **await _expendable(shop),
                },
            ),
        },
    )


class Goods:
    """Orders of one listing, brought into the states that requests ask for."""

    def __init__(self, shop: Shop, listing_id: str, seller: Person) -> None:
        """`seller` sells `listing_id`."""
        self._shop = shop
        self._listing_id = listing_id
        self._seller = seller

    async def placed(self, buyer: Person, count: int = ORDERS) -> list[dict[str, Any]]:
        """Orders that wait for their payment."""
        body = wish((self._listing_id, 1))
        answers = await asyncio.gather(*(self._shop.post("/orders", body, buyer) for _ in range(count)))
        return [answer.data for answer in answers]

    async def paid(self, buyer: Person, count: int = ORDERS) -> list[dict[str, Any]]:
        """Orders that wait for their seller."""
        orders = await self.placed(buyer, count)
        await asyncio.gather(*(self._shop.pay(order, buyer) for order in orders))
        return orders

    async def moved(self, buyer: Person, *steps: str) -> list[str]:
        """Orders that their seller has worked on."""
        found = [order["orderId"] for order in await self.paid(buyer)]
        for step in steps:
            body = {} if step == "ship" else None
            await asyncio.gather(*(self._step(order_id, step, body) for order_id in found))
        return found

    async def for_customer(self, buyer: Person) -> dict[str, dict[str, list[str]]]:
        """What the customer may move on."""
        unpaid = await self.placed(buyer)
        await asyncio.gather(*(self._call_off(order, buyer) for order in unpaid))
        payments = {
            operation: [order["paymentId"] for order in await self.placed(buyer)]
            for operation in ("cancel", "sandbox", "confirm")
        }
        return {
            **_each("orderId", await self._ids(buyer), "POST /orders/{orderId}/cancel"),
            **_each("orderId", [order["orderId"] for order in unpaid], "POST /payments"),
            **{
                label: things
                for operation, ids in payments.items()
                for label, things in _each(
                    "paymentId", ids, f"POST /payments/{{paymentId}}/{operation}"
                ).items()
            },
        }

    async def for_staff(self, buyer: Person) -> dict[str, dict[str, list[str]]]:
        """What sellers and admins may move on."""
        return {
            **_each("orderId", await self.moved(buyer), "POST /orders/{orderId}/process"),
            **_each("orderId", await self.moved(buyer, "process"), "POST /orders/{orderId}/ship"),
            **_each("orderId", await self.moved(buyer, "process", "ship"), "POST /orders/{orderId}/deliver"),
            **_each(
                "orderId", await self.moved(buyer, "process", "ship"), "PATCH /orders/{orderId}/tracking"
            ),
        }

    async def for_admins(self, buyer: Person) -> dict[str, dict[str, list[str]]]:
        """What only admins may do to the orders of others."""
        payments = {
            operation: [order["paymentId"] for order in orders]
            for operation, orders in {
                "cancel": await self.placed(buyer),
                "sandbox": await self.placed(buyer),
                "confirm": await self.placed(buyer),
                "refunds": await self.paid(buyer),
            }.items()
        }
        return {
            **_each("orderId", await self._ids(buyer), "POST /orders/{orderId}/cancel"),
            **{
                label: things
                for operation, ids in payments.items()
                for label, things in _each(
                    "paymentId", ids, f"POST /payments/{{paymentId}}/{operation}"
                ).items()
            },
        }

    async def _ids(self, buyer: Person) -> list[str]:
        return [order["orderId"] for order in await self.placed(buyer)]

    async def _step(self, order_id: str, step: str, body: Any) -> None:
        _ = (await self._shop.post(f"/orders/{order_id}/{step}", body, self._seller)).data

    async def _call_off(self, order: dict[str, Any], buyer: Person) -> None:
        _ = (await self._shop.post(f"/payments/{order['paymentId']}/cancel", None, buyer)).data


def _newcomer(role: str, person: Person, things: dict[str, list[str]]) -> Caller:
    return Caller(
        name=role, role=role, email=person.email, password=PASSWORD, token=person.token, things=things
    )


async def _onboard(shop: Shop, zebo: Person, lola: Person) -> None:
    """Somebody of each kind to be found."""
    shown = {"displayName": "Zebo", "categories": ["nails"], "region": "Toshkent"}
    _ = (await shop.post("/onboarding/influencer", shown, zebo)).data
    shown = {"businessName": "Zebo & Lola", "categories": ["hair"], "region": "Toshkent"}
    _ = (await shop.post("/onboarding/salon", shown, lola)).data


async def _draft(shop: Shop, seller: Person, number: int) -> str:
    body = {"name": f"Draft {number}", "price": {"amount": "12.50", "currency": "usd"}}
    listing_id: str = (await shop.post("/listings", body, seller)).data["listingId"]
    return listing_id


async def _portrait(shop: Shop) -> str:
    """The picture of somebody who shows no other meanwhile."""
    sitter = await shop.customer("sitter")
    async with httpx.AsyncClient(base_url=shop.daftar.url, timeout=30) as client:
        answer = await client.post(
            "/api/v1/profile/me/picture",
            files={"profilePic": ("me.png", picture(), "image/png")},
            headers={"Authorization": f"Bearer {sitter.token}"},
        )
    return str(answer.raise_for_status().json()["data"]["avatarUrl"]).rpartition("/")[2]


async def _elsewhere(shop: Shop, person: Person) -> list[str]:
    """Sessions of theirs that nobody asks anything in."""
    await asyncio.gather(*(shop.sign_in(person.email) for _ in range(ORDERS)))
    sessions = (await shop.get("/auth/sessions", person)).data
    return [session["sessionId"] for session in sessions if not session["current"]]


async def _empty_categories(shop: Shop, admin: Person) -> list[str]:
    answers = await asyncio.gather(
        *(shop.post("/categories", {"name": f"Empty {number}"}, admin) for number in range(ORDERS))
    )
    return [answer.data["categoryId"] for answer in answers]


async def _applicants(shop: Shop, fate: str) -> list[str]:
    answers = await asyncio.gather(*(shop.register(f"{fate}{number}", "seller") for number in range(ORDERS)))
    return [answer.data["user"]["id"] for answer in answers]


async def _expendable(shop: Shop) -> dict[str, dict[str, list[str]]]:
    """Accounts of nobody who asks for anything: they may be suspended, promoted and deleted."""
    operations = {
        "suspend": "PATCH /admin/accounts/{accountId}/suspend",
        "unsuspend": "PATCH /admin/accounts/{accountId}/unsuspend",
        "promote": "PATCH /admin/accounts/{accountId}/role",
        "delete": "DELETE /admin/accounts/{accountId}",
    }
    found: dict[str, dict[str, list[str]]] = {}
    for fate, operation in operations.items():
        people = await asyncio.gather(*(shop.customer(f"{fate}{number}") for number in range(ORDERS)))
        found |= _each("accountId", [person.account_id for person in people], operation)
    return found


def _looks(orders: list[str]) -> dict[str, dict[str, list[str]]]:
    """What staff may look at in the log, and have made anew."""
    stream = "/admin/audit/streams/{streamType}/{streamId}"
    return {
        **{
            f"GET /api/v1{path}": {"streamType": ["order"], "streamId": orders}
            for path in (stream, f"{stream}/state")
        },
        "GET /api/v1/admin/audit/events": {
            "type": ["OrderPlaced", "orders.OrderConfirmed.v1"],
            "streamType": ["order", "account"],
        },
        **_each("name", ["customer_orders", "api_keys"], "POST /admin/projections/{name}/rebuild"),
    }


def _each(name: str, ids: list[str], operation: str) -> dict[str, dict[str, list[str]]]:
    method, path = operation.split(" ")
    return {f"{method} /api/v1{path}": {name: ids}}
