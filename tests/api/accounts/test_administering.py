"""What admins do with the accounts of others, and what is refused at once afterwards (requirements ACC-26 to ACC-29, ADM-03, ADM-04)."""

from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from api.assembly import AppServices
from application.accounts.commands import ChangeAccountRole
from application.shared.caller import Caller
from domain.accounts.roles import Role
from tests.api.accounts.test_administration import apply_to_sell
from tests.api.asking import NOBODY, data_of, refusal, wrong_fields
from tests.api.conftest import PASSWORD, Person, SignUp, log_in

pytestmark = pytest.mark.services


def of(person: Person, what: str = "") -> str:
    return f"/admin/accounts/{person.account_id}{what}"


@pytest.fixture
async def clerk(client: httpx.AsyncClient, admin: Person, sign_up: SignUp) -> Person:
    """An admin who is no super admin."""
    somebody = await sign_up("customer", name="Clerk")
    data_of(await client.patch(of(somebody, "/role"), json={"role": "admin"}, headers=admin.headers))
    return await log_in(client, somebody.email)


async def key_of(client: httpx.AsyncClient, person: Person, *permissions: str) -> dict[str, str]:
    """What a program of theirs shows."""
    body = {"name": "Till", "permissions": list(permissions)}
    key: str = data_of(await client.post("/api-keys", json=body, headers=person.headers), 201)["key"]
    return {"X-API-Key": key}


class TestSuspending:
    async def test_who_is_suspended_is_told_so_at_once_and_signs_in_again_afterwards(
        self, client: httpx.AsyncClient, clerk: Person, sign_up: SignUp
    ) -> None:
        zebo = await sign_up("customer")
        await log_in(client, zebo.email)

        suspended = await client.patch(of(zebo, "/suspend"), json={"reason": "Spam."}, headers=clerk.headers)

        assert data_of(suspended) == {
            "accountId": str(zebo.account_id),
            "role": "customer",
            "status": "suspended",
            "endedSessions": 2,
            "revokedKeys": 0,
        }
        assert refusal(await client.get("/orders", headers=zebo.headers)) == (403, "ACCOUNT_SUSPENDED")
        body = {"email": zebo.email, "password": PASSWORD}
        assert refusal(await client.post("/auth/login", json=body)) == (403, "ACCOUNT_SUSPENDED")

        restored = await client.patch(of(zebo, "/unsuspend"), headers=clerk.headers)

        assert data_of(restored)["status"] == "approved"
        assert refusal(await client.get("/orders", headers=zebo.headers))[0] == 401
        await log_in(client, zebo.email)

    async def test_a_program_of_somebody_suspended_opens_nothing_until_they_are_back(
        self, client: httpx.AsyncClient, clerk: Person, sign_up: SignUp
    ) -> None:
        anvar = await sign_up("seller")
        program = await key_of(client, anvar, "orders:read")
        data_of(await client.get("/seller/orders", headers=program))

        await client.patch(of(anvar, "/suspend"), headers=clerk.headers)

        assert (await client.get("/seller/orders", headers=program)).status_code in {401, 403}
        await client.patch(of(anvar, "/unsuspend"), headers=clerk.headers)
        data_of(await client.get("/seller/orders", headers=program))

    @pytest.mark.parametrize("reason", ["", " ", "x" * 1001, 1])
    async def test_a_reason_can_be_read(
        self, client: httpx.AsyncClient, admin: Person, sign_up: SignUp, reason: Any
    ) -> None:
        zebo = await sign_up("customer")
        answer = await client.patch(of(zebo, "/suspend"), json={"reason": reason}, headers=admin.headers)
        assert list(wrong_fields(answer)) == ["reason"]

    async def test_a_repetition_under_one_key_is_answered_from_the_record(
        self, client: httpx.AsyncClient, admin: Person, sign_up: SignUp
    ) -> None:
        zebo = await sign_up("customer")
        headers = {**admin.headers, "Idempotency-Key": "suspend-zebo"}
        first = await client.patch(of(zebo, "/suspend"), headers=headers)
        again = await client.patch(of(zebo, "/suspend"), headers=headers)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json() == first.json()

    async def test_who_decided_on_what_is_no_longer_so_is_told(
        self, client: httpx.AsyncClient, admin: Person, sign_up: SignUp
    ) -> None:
        zebo = await sign_up("customer")
        seen = (await client.patch(of(zebo, "/unsuspend"), headers=admin.headers)).headers["ETag"]
        await log_in(client, zebo.email)
        stale = {**admin.headers, "If-Match": seen}
        assert refusal(await client.patch(of(zebo, "/suspend"), headers=stale))[0] == 412


class TestRoles:
    async def test_no_token_speaks_of_the_old_role(
        self, client: httpx.AsyncClient, admin: Person, clerk: Person
    ) -> None:
        data_of(await client.get("/admin/accounts", headers=clerk.headers))

        answer = await client.patch(of(clerk, "/role"), json={"role": "customer"}, headers=admin.headers)

        assert data_of(answer)["role"] == "customer"
        assert refusal(await client.get("/admin/accounts", headers=clerk.headers))[0] == 401
        again = await log_in(client, clerk.email)
        assert refusal(await client.get("/admin/accounts", headers=again.headers))[0] == 403

    async def test_whoever_was_an_admin_when_the_token_was_made_approves_nobody(
        self, client: httpx.AsyncClient, services: AppServices, admin: Person, clerk: Person
    ) -> None:
        waiting = await apply_to_sell(client)
        # Behind the back of this process, which may go on trusting the token for a moment.
        command = ChangeAccountRole(account_id=clerk.account_id, role=Role.CUSTOMER)
        await services.commands.submit(command, Caller(actor_id=admin.account_id, role="super_admin"))

        answer = await client.post(f"/admin/sellers/{waiting}/approve", headers=clerk.headers)

        assert answer.status_code in {401, 403}
        body = {"email": "anvar@example.uz", "password": PASSWORD}
        assert refusal(await client.post("/auth/login", json=body)) == (403, "ACCOUNT_PENDING")

    async def test_an_admin_changes_none(
        self, client: httpx.AsyncClient, clerk: Person, sign_up: SignUp
    ) -> None:
        zebo = await sign_up("customer")
        answer = await client.patch(of(zebo, "/role"), json={"role": "admin"}, headers=clerk.headers)
        assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")

    @pytest.mark.parametrize("body", [{}, {"role": "king"}, {"role": None}])
    async def test_a_role_is_one_that_there_is(
        self, client: httpx.AsyncClient, admin: Person, sign_up: SignUp, body: Any
    ) -> None:
        zebo = await sign_up("customer")
        answer = await client.patch(of(zebo, "/role"), json=body, headers=admin.headers)
        assert list(wrong_fields(answer)) == ["role"]


class TestDeleting:
    async def test_tokens_and_keys_are_refused_at_once_and_the_address_is_free(
        self, client: httpx.AsyncClient, clerk: Person, sign_up: SignUp
    ) -> None:
        anvar = await sign_up("seller")
        program = await key_of(client, anvar, "orders:read")

        answer = await client.request("DELETE", of(anvar), json={"reason": "Wish."}, headers=clerk.headers)

        deleted = data_of(answer)
        assert (deleted["status"], deleted["endedSessions"], deleted["revokedKeys"]) == ("deleted", 1, 1)
        assert refusal(await client.get("/auth/me", headers=anvar.headers)) == (401, "USER_NOT_FOUND")
        assert (await client.get("/seller/orders", headers=program)).status_code == 401
        body = {"email": anvar.email, "password": PASSWORD}
        assert refusal(await client.post("/auth/login", json=body)) == (401, "INVALID_CREDENTIALS")
        again = data_of(await client.post("/auth/register", json={**body, "name": "Anvar"}), 201)
        assert again["user"]["id"] != str(anvar.account_id)

    async def test_twice_is_once_and_nothing_else_is_done_to_it(
        self, client: httpx.AsyncClient, admin: Person, sign_up: SignUp
    ) -> None:
        zebo = await sign_up("customer")
        data_of(await client.delete(of(zebo), headers=admin.headers))
        again = await client.delete(of(zebo), headers=admin.headers)
        assert (data_of(again)["status"], again.headers["X-Position"]) == ("deleted", "0")
        late = await client.patch(of(zebo, "/suspend"), headers=admin.headers)
        assert refusal(late) == (404, "RESOURCE_NOT_FOUND")


ASKED: tuple[tuple[str, str, Any], ...] = (
    ("PATCH", "/suspend", None),
    ("PATCH", "/unsuspend", None),
    ("PATCH", "/role", {"role": "customer"}),
    ("DELETE", "", None),
)


class TestWhomNobodyTouches:
    @pytest.mark.parametrize(("method", "what", "body"), ASKED)
    async def test_oneself_and_who_is_not_there(
        self, client: httpx.AsyncClient, admin: Person, method: str, what: str, body: Any
    ) -> None:
        own = await client.request(method, of(admin, what), json=body, headers=admin.headers)
        assert refusal(own) == (403, "INSUFFICIENT_PERMISSIONS")
        nobody = f"/admin/accounts/{NOBODY}{what}"
        missing = await client.request(method, nobody, json=body, headers=admin.headers)
        assert refusal(missing) == (404, "RESOURCE_NOT_FOUND")

    async def test_an_admin_does_nothing_to_a_super_admin(
        self, client: httpx.AsyncClient, admin: Person, clerk: Person
    ) -> None:
        for method, what, body in ASKED:
            answer = await client.request(method, of(admin, what), json=body, headers=clerk.headers)
            assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")
        data_of(await client.get("/auth/me", headers=admin.headers))


async def test_the_log_says_who_did_it_to_whom_and_neither_name_nor_reason(
    client: httpx.AsyncClient, admin: Person, sign_up: SignUp
) -> None:
    zebo = await sign_up("customer", name="Zebo")
    with capture_logs() as lines:
        await client.patch(of(zebo, "/suspend"), json={"reason": "Rudeness."}, headers=admin.headers)
        await client.patch(of(zebo, "/suspend"), headers=admin.headers)
        await client.patch(of(zebo, "/unsuspend"), headers=admin.headers)
        await client.patch(of(zebo, "/role"), json={"role": "salon"}, headers=admin.headers)
        await client.delete(of(zebo), headers=admin.headers)

    told = [line for line in lines if line["event"].startswith("account_")]
    assert [(line["event"], line["account_id"], line["by"]) for line in told] == [
        (event, zebo.account_id, admin.account_id)
        for event in ("account_suspended", "account_unsuspended", "account_role_changed", "account_deleted")
    ]
    assert not any(word in repr(told) for word in ("Zebo", "Rudeness", zebo.email))
