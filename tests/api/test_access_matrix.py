"""Everybody knocks at every door (requirements RBAC-01 to RBAC-07, KEY-06).

The table `api.access.ACCESS` says who may use which route; here each route of the product is asked for by a stranger, by people
of every role, by those whose thing it is and those whose it is not, and by programs with and without the right key. Commands
come with an `If-Match` that no version fits, so that whoever may give them is told 412 and nothing changes.
"""

import os
import re
from collections.abc import AsyncIterator
from typing import Any, Final
from uuid import UUID

import httpx
import msgspec
import pytest

from api.access import ACCESS, Access, Door, path_in_table
from api.app import create_app
from api.assembly import AppServices
from api.controllers import CONTROLLERS
from application.accounts.commands import ChangeAccountRole
from application.api_keys.issuing import ApiKeyIssuer
from application.shared.caller import Caller
from domain.accounts.permissions import Permission, grantable
from domain.accounts.roles import Role
from tests.api.asking import data_of
from tests.api.conftest import Person, Settle, SignUp, log_in
from tests.api.orders.trade import buy, put_on_sale
from tests.support.pictures import picture

pytestmark = pytest.mark.services

BASE: Final = "/api/v1"
NEVER: Final = {"If-Match": '"never"'}
BESIDE: Final = ("/health", "/metrics")

BODIES: Final[dict[tuple[str, str], Any]] = {
    ("PUT", "/listings/{listingId}"): {"name": "Another teapot"},
    ("PATCH", "/listings/{listingId}/stock"): {"delta": 1},
    ("POST", "/orders/{orderId}/ship"): {"trackingNumber": "UZ123"},
    ("PATCH", "/orders/{orderId}/tracking"): {
        "trackingNumber": "UZ124",
        "trackingUrl": "https://post.uz/t/UZ124",
        "estimatedDelivery": "2031-05-01",
    },
    ("POST", "/orders/{orderId}/cancel"): {"reason": "Changed my mind"},
    ("POST", "/orders/{orderId}/notes"): {"visibility": "customer", "text": "Ring twice"},
    ("POST", "/payments"): {"orderId": "{orderId}", "paymentMethod": "sandbox"},
    ("POST", "/payments/{paymentId}/sandbox"): {"outcome": "succeeded"},
}
"""What those routes need to come as far as the question whose thing it is; all others get an empty object."""

OWNERS: Final[dict[str, frozenset[str]]] = {
    "/listings": frozenset({"seller", "admin", "super admin"}),
    "/orders": frozenset({"owner", "admin", "super admin"}),
    "/payments": frozenset({"owner", "admin", "super admin"}),
    "/auth/sessions": frozenset({"owner"}),
    "/api-keys": frozenset({"owner"}),
}
"""By the beginning of a path: whose the thing in it is. Sellers move the orders of their listings on, see `FULFILLING`."""

FULFILLING: Final = re.compile(r"/orders/\{orderId\}/(process|ship|tracking|deliver)")
OPEN: Final = frozenset({Door.NONE, Door.OPEN, Door.HANDSHAKE})
"""Behind a handshake nobody is let in by asking; those who do are told to upgrade. See `tests/api/realtime` for those who do that."""

STRANGERS: Final = ("outsider", "other seller", "influencer", "salon")
"""Who has nothing to do with anything."""


class Somebody(msgspec.Struct, kw_only=True):
    """One who knocks, and what they show; `permissions` are those of a program's key."""

    name: str
    role: Role | None
    shown: dict[str, str]
    permissions: frozenset[Permission] | None = None


class World(msgspec.Struct, kw_only=True):
    """Who there is, and one thing of each kind by the name of its parameter."""

    people: dict[str, Somebody]
    programs: list[Somebody]
    things: dict[str, str]


@pytest.fixture
async def world(
    client: httpx.AsyncClient, services: AppServices, sign_up: SignUp, admin: Person, settle: Settle
) -> World:
    """A small market in which everybody has something."""

    async def of_role(role: Role) -> Person:
        somebody = await sign_up("customer")
        command = ChangeAccountRole(account_id=somebody.account_id, role=role)
        await services.commands.submit(command, Caller(actor_id=admin.account_id, role="super_admin"))
        services.accounts.forget(somebody.account_id)
        return await log_in(client, somebody.email)

    owner, outsider = await sign_up("customer"), await sign_up("customer")
    seller, other_seller = await sign_up("seller"), await sign_up("seller")
    staff, influencer, salon = [await of_role(role) for role in (Role.ADMIN, Role.INFLUENCER, Role.SALON)]
    category = data_of(await client.post("/categories", json={"name": "Tea"}, headers=admin.headers), 201)
    listing_id = await put_on_sale(client, seller, categoryId=category["categoryId"])
    order = await buy(client, owner, (listing_id, 1))
    await settle()
    slug = data_of(await client.get(f"/listings/{listing_id}"))["slug"]
    people = {
        name: Somebody(name=name, role=role, shown=person.headers)
        for name, role, person in (
            ("outsider", Role.CUSTOMER, outsider),
            ("owner", Role.CUSTOMER, owner),
            ("seller", Role.SELLER, seller),
            ("other seller", Role.SELLER, other_seller),
            ("influencer", Role.INFLUENCER, influencer),
            ("salon", Role.SALON, salon),
            ("admin", Role.ADMIN, staff),
            ("super admin", Role.SUPER_ADMIN, admin),
        )
    }
    issuer = ApiKeyIssuer(
        commands=services.commands, new_id=services.new_id, random_bytes=os.urandom, prefix="gm_"
    )
    programs = []
    key_id: UUID | None = None
    for name, role, person in (
        ("owner", Role.CUSTOMER, owner),
        ("seller", Role.SELLER, seller),
        ("admin", Role.ADMIN, staff),
    ):
        for permissions in ((), tuple(sorted(grantable(role) - {Permission.EVERYTHING}))):
            new = await issuer.issue(
                name="A program", caller=Caller(actor_id=person.account_id), permissions=permissions
            )
            key_id = key_id or new.done.result.key_id
            assert new.plain is not None
            programs.append(
                Somebody(
                    name=name,
                    role=role,
                    shown={"X-API-Key": new.plain},
                    permissions=frozenset(permissions),
                )
            )
    claims = services.tokens.verify_access(owner.token)
    return World(
        people=people,
        programs=programs,
        things={
            "accountId": str(outsider.account_id),
            "categoryId": category["categoryId"],
            "keyId": str(key_id),
            "listingId": listing_id,
            "mediaId": await _picture_of(client, seller),
            "name": "start.js",
            "orderId": order["orderId"],
            "orderNumber": order["orderNumber"],
            "paymentId": order["paymentId"],
            "sessionId": str(claims.session_id),
            "slug": slug,
            "streamType": "order",
            "streamId": order["orderId"],
        },
    )


async def _picture_of(client: httpx.AsyncClient, person: Person) -> str:
    files = {"profilePic": ("me.png", picture(), "image/png")}
    shown = data_of(await client.post("/profile/me/picture", files=files, headers=person.headers))
    return str(shown["avatarUrl"]).rpartition("/")[2]


@pytest.fixture
async def outside(services: AppServices) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the same application that is not in its own network."""
    transport = httpx.ASGITransport(
        app=create_app(services, CONTROLLERS),  # type: ignore[arg-type]
        client=("203.0.113.7", 50000),
        raise_app_exceptions=False,
    )
    async with httpx.AsyncClient(transport=transport, base_url="http://daftar.test/api/v1") as opened:
        yield opened


class Knocking:
    """Asks for one route as somebody, and says how they fared."""

    def __init__(self, client: httpx.AsyncClient, world: World, row: tuple[str, str]) -> None:
        self._client = client
        self._things = world.things
        self.method, self.path = row
        self.access = ACCESS[row]
        self._body = BODIES.get(row, {})

    async def __call__(self, shown: dict[str, str]) -> tuple[int, str | None]:
        """Status and code of the answer."""
        path = self._filled(self.path)
        url = f"http://daftar.test{path}" if path.startswith(BESIDE) else path
        options: dict[str, Any] = {"headers": {**shown, **(NEVER if self.method != "GET" else {})}}
        if self.method in {"POST", "PUT", "PATCH"}:
            options["json"] = {
                name: self._filled(value) if isinstance(value, str) else value
                for name, value in self._body.items()
            }
        answer = await self._client.request(self.method, url, **options)
        assert answer.status_code < 500, f"{self.method} {self.path}: {answer.text}"
        json = "json" in answer.headers.get("content-type", "")
        failed = json and answer.status_code >= 400
        return answer.status_code, answer.json()["error"]["code"] if failed else None

    def _filled(self, text: str) -> str:
        return re.sub(r"\{(\w+)\}", lambda match: self._things[match[1]], text)


def is_in(fared: tuple[int, str | None], access: Access) -> bool:
    """Whether somebody was let in, and is not told that the thing is not theirs."""
    if access.strangers is None:
        return fared[0] not in {401, 403}
    return fared[0] not in {400, 401, 403} and fared[1] != access.strangers


def owners_of(path: str) -> frozenset[str]:
    """Who may do with the thing in a path what the path is about."""
    if FULFILLING.fullmatch(path):
        return frozenset({"seller", "admin", "super admin"})
    return next(names for beginning, names in OWNERS.items() if path.startswith(beginning))


async def test_everybody_at_every_door(outside: httpx.AsyncClient, world: World) -> None:
    wrong: list[str] = []

    def expect(claim: bool, knocking: Knocking, who: str, fared: object) -> None:
        if not claim:
            wrong.append(f"{knocking.method} {knocking.path} as {who}: {fared}")

    for row, access in ACCESS.items():
        knocking = Knocking(outside, world, row)
        fared = await knocking({})
        if access.door in OPEN:
            expect(is_in(fared, access), knocking, "a stranger", fared)
        elif access.door is Door.OWN:
            expect(fared == (401, "AUTHENTICATION_REQUIRED"), knocking, "a stranger", fared)
        else:
            expect(fared == (401, access.nobody), knocking, "a stranger", fared)
        for name, somebody in world.people.items():
            fared = await knocking(somebody.shown)
            if access.door in OPEN:
                expect(is_in(fared, access), knocking, name, fared)
            elif access.door is Door.OWN:
                runs_it = name in {"admin", "super admin"}
                refused = (403, "INSUFFICIENT_PERMISSIONS")
                expect(fared[0] == 200 if runs_it else fared == refused, knocking, name, fared)
            elif access.roles is not None and somebody.role not in access.roles:
                expect(fared == (403, "INSUFFICIENT_PERMISSIONS"), knocking, name, fared)
            elif access.strangers is None or name in owners_of(row[1]):
                expect(is_in(fared, access), knocking, name, fared)
            elif name in STRANGERS:
                expect(fared[1] == access.strangers, knocking, name, fared)
            else:
                # The other side of the same order: it may see it, and what it may do with it the order says.
                expect(fared[0] < 500 and fared[0] != 401, knocking, name, fared)
    assert not wrong, "\n".join(wrong)


async def test_programs_at_every_door(outside: httpx.AsyncClient, world: World) -> None:
    wrong: list[str] = []
    for row, access in ACCESS.items():
        knocking = Knocking(outside, world, row)
        for program in world.programs:
            assert program.permissions is not None
            fared = await knocking(program.shown)
            good = (
                access.key is not None
                and access.key in program.permissions
                and (access.roles is None or program.role in access.roles)
            )
            if access.door in OPEN:
                fits = is_in(fared, access)
            elif access.door is Door.OWN or not good:
                fits = fared == (403, "INSUFFICIENT_PERMISSIONS")
            elif access.strangers is None or program.name in owners_of(row[1]):
                fits = is_in(fared, access)
            else:
                fits = fared[0] != 401
            if not fits:
                given = ", ".join(sorted(program.permissions)) or "nothing"
                wrong.append(
                    f"{knocking.method} {knocking.path} by {program.name}'s key for {given}: {fared}"
                )
    assert not wrong, "\n".join(wrong)


async def test_the_table_has_no_route_that_is_not_there(services: AppServices) -> None:
    app = create_app(services, CONTROLLERS)
    served = {(method, path_in_table(path, BASE)) for method, path in app.access}
    assert set(ACCESS) == served


@pytest.mark.parametrize("row", ACCESS, ids=" ".join)
async def test_the_document_says_who_may_ask(row: tuple[str, str]) -> None:
    access = ACCESS[row]
    said = access.in_words()
    assert (access.key is not None) == ("API keys with" in said)
    assert all(role.value.replace("_", " ") in said.lower() for role in access.roles or ())
