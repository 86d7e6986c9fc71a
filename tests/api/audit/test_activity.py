"""Staff see what staff did, and nobody else does (requirement ADM-07)."""

import httpx
import pytest

from tests.api.asking import NOBODY, data_of, refusal
from tests.api.conftest import PASSWORD, Person, Settle, SignUp
from tests.api.orders.trade import buy, put_on_sale

pytestmark = pytest.mark.services


async def test_what_staff_did_is_shown_newest_first_with_their_reasons(
    client: httpx.AsyncClient, sign_up: SignUp, admin: Person, settle: Settle
) -> None:
    body = {"email": "late@example.uz", "password": PASSWORD, "name": "Late", "kind": "seller"}
    late = data_of(await client.post("/auth/register", json=body), 201)["user"]["id"]
    path = f"/admin/sellers/{late}/reject"
    data_of(await client.post(path, json={"reason": "No papers"}, headers=admin.headers))
    tea = data_of(await client.post("/categories", json={"name": "Tea"}, headers=admin.headers), 201)
    await settle()

    [newest, before] = data_of(await client.get("/admin/activity-logs", headers=admin.headers))

    assert (newest["action"], newest["subjectKind"], newest["subjectId"], newest["reason"]) == (
        "CreateCategory",
        "categories",
        tea["categoryId"],
        None,
    )
    assert (before["action"], before["event"], before["subjectId"], before["reason"]) == (
        "RejectSeller",
        "SellerRejected",
        late,
        "No papers",
    )
    assert {newest["actorId"], before["actorId"]} == {str(admin.account_id)}
    assert (before["actorKind"], before["actorRole"]) == ("user", "super_admin")


async def test_it_is_narrowed_and_read_on(
    client: httpx.AsyncClient, sign_up: SignUp, admin: Person, settle: Settle
) -> None:
    for name in ("Tea", "Pots", "Rugs"):
        data_of(await client.post("/categories", json={"name": name}, headers=admin.headers), 201)
    seller = await sign_up("seller")
    await settle()

    async def shown(query: str) -> list[str]:
        return [
            each["action"]
            for each in data_of(await client.get(f"/admin/activity-logs?{query}", headers=admin.headers))
        ]

    assert await shown("action=ApproveSeller") == ["ApproveSeller"]
    assert await shown(f"subjectId={seller.account_id}") == ["ApproveSeller"]
    assert await shown(f"actorId={NOBODY}") == []
    assert await shown("to=2020-01-01") == []
    assert len(await shown(f"from=2020-01-01&actorId={admin.account_id}")) == 4
    first = (await client.get("/admin/activity-logs?limit=3", headers=admin.headers)).json()
    assert first["meta"]["hasMore"]
    assert await shown(f"limit=3&cursor={first['meta']['nextCursor']}") == ["CreateCategory"]


async def test_what_people_do_themselves_is_not_in_it(
    client: httpx.AsyncClient, sign_up: SignUp, admin: Person, settle: Settle
) -> None:
    seller, buyer = await sign_up("seller"), await sign_up("customer")
    order = await buy(client, buyer, (await put_on_sale(client, seller), 1))
    data_of(await client.post(f"/orders/{order['orderId']}/process", headers=seller.headers))
    await settle()
    shown = data_of(await client.get("/admin/activity-logs", headers=admin.headers))
    assert [each["action"] for each in shown] == ["ApproveSeller"]
    for person in (seller, buyer):
        answer = await client.get("/admin/activity-logs", headers=person.headers)
        assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")
