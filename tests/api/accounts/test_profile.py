"""What people say of themselves (requirement ACC-22)."""

from typing import Any

import httpx
import pytest

from tests.api.accounts.mailbox import a_phone
from tests.api.asking import data_of, refusal, wrong_fields
from tests.api.conftest import Person, SignUp

pytestmark = pytest.mark.services

PICTURE = "https://example.uz/zebo.png"


async def profile_of(client: httpx.AsyncClient, person: Person) -> Any:
    return data_of(await client.get("/profile/me", headers=person.headers))


async def update(client: httpx.AsyncClient, person: Person, **changes: Any) -> httpx.Response:
    headers = {**person.headers, **changes.pop("headers", {})}
    return await client.put("/profile/me", json=changes, headers=headers)


class TestMyProfile:
    async def test_shows_what_is_kept_and_what_is_proved(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        zebo = await sign_up(name="Zebo")

        assert await profile_of(client, zebo) == {
            "id": str(zebo.account_id),
            "email": zebo.email,
            "emailVerified": False,
            "name": "Zebo",
            "phone": None,
            "phoneVerified": False,
            "avatarUrl": None,
            "role": "customer",
            "status": "approved",
            "kind": "customer",
            "influencer": None,
            "salon": None,
        }

    async def test_is_nobody_elses(self, client: httpx.AsyncClient) -> None:
        assert refusal(await client.get("/profile/me")) == (401, "NO_TOKEN")
        assert refusal(await client.put("/profile/me", json={})) == (401, "NO_TOKEN")

    async def test_what_is_left_out_stays_and_null_takes_away(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        zebo, phone = await sign_up(name="Zebo"), a_phone()
        data_of(await update(client, zebo, avatarUrl=PICTURE, phone=phone))

        renamed = data_of(await update(client, zebo, name=" Zebo Karimova "))
        cleared = data_of(await update(client, zebo, avatarUrl=None, phone=None))

        assert [renamed[field] for field in ("name", "avatarUrl", "phone")] == [
            "Zebo Karimova",
            PICTURE,
            phone,
        ]
        assert [cleared[field] for field in ("name", "avatarUrl", "phone")] == ["Zebo Karimova", None, None]
        assert await profile_of(client, zebo) == cleared

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"name": None}, {"name": "type"}),
            ({"name": "Z"}, {"name": "name"}),
            ({"avatarUrl": "javascript:alert(1)"}, {"avatarUrl": "format"}),
            ({"phone": "12"}, {"phone": "phone"}),
            ({"role": "admin"}, {"role": "unknown_field"}),
            ({"email": "new@example.uz"}, {"email": "unknown_field"}),
        ],
    )
    async def test_what_cannot_be_is_refused(
        self, client: httpx.AsyncClient, sign_up: SignUp, changes: dict[str, Any], problem: dict[str, str]
    ) -> None:
        zebo = await sign_up()

        assert wrong_fields(await update(client, zebo, **changes)) == problem

    async def test_nothing_new_is_no_fact(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        zebo = await sign_up(name="Zebo")

        answer = await update(client, zebo, name="Zebo", phone=None)

        assert (answer.status_code, answer.headers["X-Position"]) == (200, "0")

    async def test_a_change_on_top_of_what_was_not_seen_is_refused(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        zebo = await sign_up(name="Zebo")
        seen = (await client.get("/profile/me", headers=zebo.headers)).headers["ETag"]

        first = await update(client, zebo, name="Zebo I.", headers={"If-Match": seen})
        second = await update(client, zebo, name="Zebo II.", headers={"If-Match": seen})
        third = await update(client, zebo, name="Zebo II.", headers={"If-Match": first.headers["ETag"]})

        assert refusal(second) == (412, "PRECONDITION_FAILED")
        assert data_of(third)["name"] == "Zebo II."

    async def test_a_repetition_under_one_key_is_one_change(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        zebo = await sign_up(name="Zebo")
        key = {"Idempotency-Key": "rename"}
        first = await update(client, zebo, name="Zebo K.", headers=key)
        await update(client, zebo, name="Zebo M.")

        again = await update(client, zebo, name="Zebo K.", headers=key)

        assert again.headers["Idempotent-Replayed"] == "true"
        assert again.headers["X-Position"] == first.headers["X-Position"]
        assert (await profile_of(client, zebo))["name"] == "Zebo M."

    async def test_a_breakdown_is_called_by_its_name(
        self, client: httpx.AsyncClient, sign_up: SignUp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        zebo = await sign_up()

        async def stumble(*_: object) -> None:
            raise ZeroDivisionError("inside")

        monkeypatch.setattr("api.accounts.profiles.current_account", stumble)

        assert refusal(await update(client, zebo, name="Zebo")) == (500, "PROFILE_UPDATE_FAILED")
        broken = await client.get("/profile/me", headers=zebo.headers)
        assert refusal(broken) == (500, "USER_FETCH_FAILED")
