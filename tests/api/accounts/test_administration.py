"""What admins do with accounts, and what people see of each other (requirements ACC-26, ACC-31, ADM-02, ADM-05)."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest

from api.accounts.administration import start_of_day
from api.assembly import AppServices
from infrastructure.bootstrap import derived_key
from infrastructure.last_seen import Kind, move
from tests.api.asking import NOBODY, after, data_of, refusal, wrong_fields
from tests.api.conftest import PASSWORD, Person, Settle, SignUp, log_in

pytestmark = pytest.mark.services


async def apply_to_sell(client: httpx.AsyncClient, email: str = "anvar@example.uz") -> str:
    """The account id of a seller who waits for approval."""
    body = {
        "email": email,
        "password": PASSWORD,
        "name": "Anvar",
        "kind": "seller",
        "businessName": "Anvar's rugs",
    }
    account_id: str = data_of(await client.post("/auth/register", json=body), 201)["user"]["id"]
    return account_id


class TestDecidingOnSellers:
    async def test_an_approved_seller_signs_in(self, client: httpx.AsyncClient, admin: Person) -> None:
        account_id = await apply_to_sell(client)

        answer = await client.post(f"/admin/sellers/{account_id}/approve", headers=admin.headers)

        assert data_of(answer) == {"accountId": account_id, "status": "approved"}
        anvar = await log_in(client, "anvar@example.uz")
        me = data_of(await client.get("/auth/me", headers=anvar.headers))
        assert (me["role"], me["status"]) == ("seller", "approved")

    async def test_approving_twice_is_approving_once(self, client: httpx.AsyncClient, admin: Person) -> None:
        account_id = await apply_to_sell(client)
        path = f"/admin/sellers/{account_id}/approve"
        await client.post(path, headers=admin.headers)

        assert data_of(await client.post(path, headers=admin.headers))["status"] == "approved"

    async def test_a_rejected_seller_is_told_so_at_the_door(
        self, client: httpx.AsyncClient, admin: Person
    ) -> None:
        account_id = await apply_to_sell(client)

        answer = await client.post(
            f"/admin/sellers/{account_id}/reject", json={"reason": "No address."}, headers=admin.headers
        )

        assert data_of(answer)["status"] == "rejected"
        signing_in = await client.post(
            "/auth/login", json={"email": "anvar@example.uz", "password": PASSWORD}
        )
        assert refusal(signing_in) == (403, "ACCOUNT_REJECTED")

    @pytest.mark.parametrize(
        "body", [{}, {"reason": ""}, {"reason": " "}, {"reason": "x" * 1001}, {"reason": 1}]
    )
    async def test_a_rejection_needs_a_reason(
        self, client: httpx.AsyncClient, admin: Person, body: dict[str, Any]
    ) -> None:
        account_id = await apply_to_sell(client)

        answer = await client.post(f"/admin/sellers/{account_id}/reject", json=body, headers=admin.headers)

        assert list(wrong_fields(answer)) == ["reason"]

    async def test_a_customer_has_no_application(
        self, client: httpx.AsyncClient, admin: Person, sign_up: SignUp
    ) -> None:
        zebo = await sign_up("customer")

        answer = await client.post(f"/admin/sellers/{zebo.account_id}/approve", headers=admin.headers)

        assert refusal(answer) == (409, "SELLER_NOT_PENDING")

    async def test_nobody_is_approved_who_is_not_there(
        self, client: httpx.AsyncClient, admin: Person
    ) -> None:
        answer = await client.post(f"/admin/sellers/{NOBODY}/approve", headers=admin.headers)

        assert refusal(answer) == (404, "RESOURCE_NOT_FOUND")

    async def test_what_is_no_id_leads_nowhere(self, client: httpx.AsyncClient, admin: Person) -> None:
        answer = await client.post("/admin/sellers/7/approve", headers=admin.headers)

        assert refusal(answer) == (404, "ROUTE_NOT_FOUND")

    async def test_a_repetition_under_one_key_is_answered_from_the_record(
        self, client: httpx.AsyncClient, admin: Person
    ) -> None:
        account_id = await apply_to_sell(client)
        headers = {**admin.headers, "Idempotency-Key": "approve-anvar"}
        path = f"/admin/sellers/{account_id}/approve"

        first = await client.post(path, headers=headers)
        again = await client.post(path, headers=headers)

        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.json() == first.json()


class TestWhoMayAdminister:
    ROUTES = (
        ("GET", "/admin/accounts"),
        ("GET", f"/admin/accounts/{NOBODY}"),
        ("GET", "/admin/sellers"),
        ("POST", f"/admin/sellers/{NOBODY}/approve"),
        ("POST", f"/admin/sellers/{NOBODY}/reject"),
    )

    @pytest.mark.parametrize(("method", "path"), ROUTES)
    async def test_strangers_are_asked_to_sign_in(
        self, client: httpx.AsyncClient, method: str, path: str
    ) -> None:
        assert refusal(await client.request(method, path)) == (401, "AUTHENTICATION_REQUIRED")

    @pytest.mark.parametrize("kind", ["customer", "seller"])
    async def test_nobody_else_may(self, client: httpx.AsyncClient, sign_up: SignUp, kind: str) -> None:
        somebody = await sign_up(kind)

        for method, path in self.ROUTES:
            answer = await client.request(method, path, headers=somebody.headers)
            assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS"), path


class TestLookingAtAccounts:
    async def test_admins_find_accounts_by_role_status_and_name(
        self, client: httpx.AsyncClient, admin: Person, sign_up: SignUp, settle: Settle
    ) -> None:
        await sign_up("customer", name="Zebo 100%")
        await sign_up("customer", name="Dilnoza")
        waiting = await apply_to_sell(client)
        await settle()

        async def names(**query: str) -> list[str]:
            answer = await client.get("/admin/accounts", params=query, headers=admin.headers)
            assert answer.json()["meta"]["total"] == len(answer.json()["data"])
            return [each["name"] for each in data_of(answer)]

        assert await names(role="customer") == ["Dilnoza", "Zebo 100%"]
        assert await names(search="zEBo") == ["Zebo 100%"]
        assert await names(search="100%") == ["Zebo 100%"]
        assert await names(search="%") == ["Zebo 100%"]
        assert await names(search="' OR 1=1 --") == []
        assert await names(status="pending") == ["Anvar"]
        assert await names(role="customer", status="pending") == []
        one = data_of(await client.get(f"/admin/accounts/{waiting}", headers=admin.headers))
        assert (one["businessName"], one["email"]) == ("Anvar's rugs", "anvar@example.uz")
        assert one["registeredAt"].endswith("Z")

    async def test_pages_count_the_whole_list(
        self, client: httpx.AsyncClient, admin: Person, sign_up: SignUp, settle: Settle
    ) -> None:
        for _ in range(3):
            await sign_up("customer")
        await settle()

        answer = await client.get(
            "/admin/accounts", params={"role": "customer", "limit": 2, "page": 2}, headers=admin.headers
        )

        assert answer.json()["meta"] == {"page": 2, "limit": 2, "total": 3, "totalPages": 2}
        assert len(answer.json()["data"]) == 1

    @pytest.mark.parametrize(
        ("query", "field"),
        [
            ("role=king", "role"),
            ("status=gone", "status"),
            ("page=0", "page"),
            ("limit=101", "limit"),
            ("page=x", "page"),
            (f"search={'x' * 101}", "search"),
            ("page=5000&limit=100", "page"),
        ],
    )
    async def test_wrong_filters_are_named(
        self, client: httpx.AsyncClient, admin: Person, query: str, field: str
    ) -> None:
        answer = await client.get(f"/admin/accounts?{query}", headers=admin.headers)

        assert list(wrong_fields(answer)) == [field]

    async def test_an_account_that_is_not_there_is_not_found(
        self, client: httpx.AsyncClient, admin: Person
    ) -> None:
        answer = await client.get(f"/admin/accounts/{NOBODY}", headers=admin.headers)

        assert refusal(answer) == (404, "RESOURCE_NOT_FOUND")

    async def test_applications_show_who_waits_and_who_was_turned_down_why(
        self, client: httpx.AsyncClient, admin: Person, settle: Settle
    ) -> None:
        first = await apply_to_sell(client)
        second = await apply_to_sell(client, "bek@example.uz")
        await client.post(
            f"/admin/sellers/{first}/reject", json={"reason": "No address."}, headers=admin.headers
        )
        await settle()

        everything = data_of(await client.get("/admin/sellers", headers=admin.headers))
        waiting = data_of(await client.get("/admin/sellers?status=pending", headers=admin.headers))

        assert [each["accountId"] for each in everything] == [second, first]
        assert [each["accountId"] for each in waiting] == [second]
        turned_down = everything[1]
        assert turned_down["rejectionReason"] == "No address."
        assert turned_down["decidedBy"] == str(admin.account_id)


class TestProfiles:
    async def test_people_see_a_name_and_nothing_private(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        anvar, zebo = await sign_up("seller", name="Anvar"), await sign_up("customer")
        await settle()

        profile = data_of(await client.get(f"/profile/{anvar.account_id}", headers=zebo.headers))

        assert set(profile) == {
            "id", "name", "role", "businessName", "avatarUrl", "registeredAt", "influencer", "salon",
        }  # fmt: skip
        assert (profile["id"], profile["name"]) == (str(anvar.account_id), "Anvar")

    async def test_strangers_see_nothing(self, client: httpx.AsyncClient) -> None:
        assert refusal(await client.get(f"/profile/{NOBODY}")) == (401, "NO_TOKEN")

    async def test_there_is_no_profile_of_nobody(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        zebo = await sign_up("customer")

        answer = await client.get(f"/profile/{NOBODY}", headers=zebo.headers)

        assert refusal(answer) == (404, "RESOURCE_NOT_FOUND")

    async def test_whoever_waits_for_a_position_sees_what_was_done(
        self, client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
    ) -> None:
        zebo = await sign_up("customer")
        body = {"email": "new@example.uz", "password": PASSWORD, "name": "Newcomer"}
        registered = await client.post("/auth/register", json=body)
        path = f"/profile/{data_of(registered, 201)['user']['id']}"

        early = await client.get(path, headers={**zebo.headers, **after(registered), "Prefer": "wait=0"})
        await settle()
        late = await client.get(path, headers={**zebo.headers, **after(registered)})

        assert refusal(early) == (503, "READ_MODEL_BEHIND")
        assert data_of(late)["name"] == "Newcomer"


class TestDashboard:
    async def test_staff_see_how_many_there_are_and_who_was_here_today(
        self, client: httpx.AsyncClient, services: AppServices, admin: Person, sign_up: SignUp, settle: Settle
    ) -> None:
        zebo, anvar = await sign_up("customer"), await sign_up("customer")
        await sign_up("seller")
        for person, what in ((zebo, "/suspend"), (anvar, "")):
            path = f"/admin/accounts/{person.account_id}{what}"
            answer = await client.request("PATCH" if what else "DELETE", path, json={}, headers=admin.headers)
            assert answer.status_code == 200, answer.text
        assert services.redis is not None
        await services.last_seen.flush()
        namespace = derived_key(services.settings, b"last seen")
        await move(services.redis, services.store.pool, Kind.ACCOUNT, namespace=namespace)
        await settle()

        stats = data_of(await client.get("/admin/dashboard/stats", headers=admin.headers))

        assert stats["accounts"] == [
            {"role": "customer", "status": "deleted", "accounts": 1},
            {"role": "customer", "status": "suspended", "accounts": 1},
            {"role": "seller", "status": "approved", "accounts": 1},
            {"role": "super_admin", "status": "approved", "accounts": 1},
        ]
        assert stats["totalUsers"] == 3
        assert stats["activeToday"] >= 1
        await yesterday(services)
        stats = data_of(await client.get("/admin/dashboard/stats", headers=admin.headers))
        assert stats["activeToday"] == 0

    async def test_nobody_else_sees_it(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        seller = await sign_up("seller")
        answer = await client.get("/admin/dashboard/stats", headers=seller.headers)
        assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")


async def yesterday(services: AppServices) -> None:
    """Whoever was here was here a moment before today began."""
    began = start_of_day(services.clock(), services.settings.scheduler_timezone)
    async with services.store.pool.connection() as connection:
        await connection.execute("UPDATE last_seen SET at = %s", (began - timedelta(microseconds=1),))


@pytest.mark.parametrize(
    ("moment", "began"),
    [
        (datetime(2026, 5, 1, 18, 59, tzinfo=UTC), datetime(2026, 4, 30, 19, tzinfo=UTC)),
        (datetime(2026, 5, 1, 19, 0, tzinfo=UTC), datetime(2026, 5, 1, 19, tzinfo=UTC)),
    ],
)
def test_a_day_begins_where_the_marketplace_is(moment: datetime, began: datetime) -> None:
    assert start_of_day(moment, ZoneInfo("Asia/Tashkent")) == began
