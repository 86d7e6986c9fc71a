"""A person gives a program a key, the program uses it, and the person takes it back (requirements KEY-01 to KEY-08)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from api.assembly import AppServices
from infrastructure.bootstrap import derived_key
from infrastructure.last_seen import Kind, move
from tests.api.asking import NOBODY, after, data_of, refusal, wrong_fields
from tests.api.conftest import Person, Settle, SignUp
from tests.api.orders.trade import put_on_sale

pytestmark = pytest.mark.services


async def issue(
    client: httpx.AsyncClient, person: Person, *permissions: str, **fields: Any
) -> dict[str, Any]:
    """A new key, as its owner is shown it."""
    body = {"name": "Bookkeeping", "permissions": list(permissions), **fields}
    shown: dict[str, Any] = data_of(await client.post("/api-keys", json=body, headers=person.headers), 201)
    return shown


def showing(key: dict[str, Any]) -> dict[str, str]:
    """What a program sends."""
    return {"X-API-Key": key["key"]}


class TestIssuing:
    async def test_the_key_is_shown_once_and_nowhere_again(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        seller = await sign_up("seller")
        key = await issue(client, seller, "listings:write", expiresInDays=30)
        await settle()
        listed = (await client.get("/api-keys", headers=seller.headers)).json()

        assert key["key"].startswith("gm_")
        assert len(key["key"]) == len("gm_") + 64
        assert "only once" in key["warning"]
        expires = datetime.fromisoformat(key["expiresAt"])
        assert abs(expires - datetime.now(UTC) - timedelta(days=30)) < timedelta(minutes=1)
        [shown] = listed["data"]
        assert listed["meta"]["total"] == 1
        assert shown["displayPrefix"] == key["key"][: len("gm_") + 8] == key["displayPrefix"]
        assert (shown["name"], shown["permissions"], shown["active"], shown["lastUsedAt"]) == (
            "Bookkeeping",
            ["listings:write"],
            True,
            None,
        )
        assert key["key"] not in str(listed)

    async def test_a_repeat_tells_of_the_key_and_cannot_show_it_again(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        customer = await sign_up("customer")
        headers = {**customer.headers, "Idempotency-Key": "a-key-for-books"}
        body = {"name": "Bookkeeping", "permissions": ["orders:read"]}
        first = data_of(await client.post("/api-keys", json=body, headers=headers), 201)
        repeat = await client.post("/api-keys", json=body, headers=headers)
        again = data_of(repeat, 201)
        assert repeat.headers["Idempotent-Replayed"] == "true"
        assert again["keyId"] == first["keyId"]
        assert "key" in first
        assert "key" not in again

    @pytest.mark.parametrize("beyond", ["listings:write", "accounts:manage", "*"])
    async def test_nobody_gives_more_than_they_have(
        self, client: httpx.AsyncClient, sign_up: SignUp, beyond: str
    ) -> None:
        customer = await sign_up("customer")
        body = {"name": "Bookkeeping", "permissions": [beyond]}
        answer = await client.post("/api-keys", json=body, headers=customer.headers)
        assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")

    async def test_what_no_key_can_be_is_refused_by_the_field(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        customer = await sign_up("customer")
        body = {"name": " ", "permissions": ["orders:eat"], "expiresInDays": 0}
        answer = await client.post("/api-keys", json=body, headers=customer.headers)
        assert set(wrong_fields(answer)) == {"name", "permissions.0", "expiresInDays"}


class TestUsing:
    async def test_a_program_does_what_it_was_given_and_nothing_else(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        seller = await sign_up("seller")
        writer = await issue(client, seller, "listings:write")
        listing_id = await put_on_sale(client, seller)
        changed = await client.put(
            f"/listings/{listing_id}", json={"name": "Samovar"}, headers=showing(writer)
        )
        assert data_of(changed)["name"] == "Samovar"
        for answer in (
            await client.get("/seller/orders", headers=showing(writer)),
            await client.get("/auth/me", headers=showing(writer)),
            await client.post("/api-keys", json={"name": "Another"}, headers=showing(writer)),
        ):
            assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")

    async def test_its_last_use_is_known_to_the_minute_and_no_event(
        self, client: httpx.AsyncClient, services: AppServices, sign_up: SignUp, settle: Settle
    ) -> None:
        customer = await sign_up("customer")
        key = await issue(client, customer, "orders:read")
        before = await services.head()
        for _ in range(3):
            data_of(await client.get("/orders", headers=showing(key)))
        assert await services.head() == before

        assert services.redis is not None
        await services.last_seen.flush()
        namespace = derived_key(services.settings, b"last seen")
        assert await move(services.redis, services.store.pool, Kind.API_KEY, namespace=namespace) == 1
        await settle()
        [shown] = data_of(await client.get("/api-keys", headers=customer.headers))
        used = datetime.fromisoformat(shown["lastUsedAt"])
        assert abs(used - datetime.now(UTC)) < timedelta(minutes=1)


class TestRevoking:
    async def test_a_key_that_was_taken_back_opens_nothing_at_once(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        customer = await sign_up("customer")
        key = await issue(client, customer, "orders:read")
        data_of(await client.get("/orders", headers=showing(key)))

        revoked = await client.delete(f"/api-keys/{key['keyId']}", headers=customer.headers)

        assert data_of(revoked) == {"keyId": key["keyId"]}
        assert refusal(await client.get("/orders", headers=showing(key))) == (401, "API_KEY_INVALID")
        await settle()
        [shown] = data_of(await client.get("/api-keys", headers={**customer.headers, **after(revoked)}))
        assert shown["active"] is False

    async def test_the_keys_of_others_are_not_there(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        owner, stranger = await sign_up("customer"), await sign_up("customer")
        key = await issue(client, owner, "orders:read")
        for key_id in (key["keyId"], NOBODY):
            answer = await client.delete(f"/api-keys/{key_id}", headers=stranger.headers)
            assert refusal(answer) == (404, "API_KEY_NOT_FOUND")
        data_of(await client.get("/orders", headers=showing(key)))
