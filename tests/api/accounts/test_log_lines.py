"""What the log says of people who come and go: who, as what, from where; nothing that they are called by."""

from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.api.conftest import PASSWORD, SignUp

pytestmark = pytest.mark.services

ZEBO: dict[str, Any] = {"email": "zebo@example.uz", "password": PASSWORD, "name": "Zebo Karimova"}
SECRETS = ("zebo", "karimova", PASSWORD, "eyJ")


def named(lines: list[MutableMapping[str, Any]], *events: str) -> list[MutableMapping[str, Any]]:
    return [line for line in lines if line["event"] in events]


def nothing_personal_in(lines: list[MutableMapping[str, Any]]) -> bool:
    written = repr(lines).lower()
    return not any(secret.lower() in written for secret in SECRETS)


class TestComingAndGoing:
    async def test_each_leaves_one_line_with_account_role_and_address(
        self, client: httpx.AsyncClient
    ) -> None:
        with capture_logs() as lines:
            registered = await client.post("/auth/register", json=ZEBO)
            logged_in = await client.post("/auth/login", json=_log_in())
            token = logged_in.json()["data"]["accessToken"]
            logged_out = await client.post("/auth/logout", headers={"Authorization": f"Bearer {token}"})

        account_id = registered.json()["data"]["user"]["id"]
        told = named(lines, "account_registered", "account_logged_in", "account_logged_out")
        assert [
            (line["event"], str(line["account_id"]), line["role"], line["request_id"]) for line in told
        ] == [
            ("account_registered", account_id, "customer", registered.headers["x-request-id"]),
            ("account_logged_in", account_id, "customer", logged_in.headers["x-request-id"]),
            ("account_logged_out", account_id, "customer", logged_out.headers["x-request-id"]),
        ]
        assert {line["client_address"] for line in told} == {"127.0.0.1"}
        assert {line["log_level"] for line in told} == {"info"}
        assert nothing_personal_in(lines)

    async def test_a_repeat_that_changes_nothing_leaves_none(self, client: httpx.AsyncClient) -> None:
        key = {"Idempotency-Key": "once"}
        registered = await client.post("/auth/register", json=ZEBO, headers=key)
        token = {"Authorization": f"Bearer {registered.json()['data']['accessToken']}"}
        await client.post("/auth/logout", headers=token)

        with capture_logs() as lines:
            again = await client.post("/auth/register", json=ZEBO, headers=key)
            out_again = await client.post("/auth/logout", headers=token)

        assert (again.status_code, out_again.status_code) == (201, 200)
        assert named(lines, "account_registered", "account_logged_out") == []

    async def test_whoever_is_refused_is_not_said_to_have_come(self, client: httpx.AsyncClient) -> None:
        await client.post("/auth/register", json=ZEBO)
        with capture_logs() as lines:
            wrong = await client.post("/auth/login", json=_log_in(password="not the password"))
            taken = await client.post("/auth/register", json=ZEBO)

        assert (wrong.status_code, taken.status_code) == (401, 409)
        assert named(lines, "account_registered", "account_logged_in") == []
        assert nothing_personal_in(lines)

    async def test_a_seller_who_waits_is_told_apart_by_role(self, client: httpx.AsyncClient) -> None:
        seller = ZEBO | {"kind": "seller", "businessName": "Karimova's teapots"}
        with capture_logs() as lines:
            await client.post("/auth/register", json=seller)
        assert [line["role"] for line in named(lines, "account_registered")] == ["seller"]
        assert nothing_personal_in(lines)


class TestWords:
    @pytest.mark.parametrize(
        ("language", "welcome", "farewell"),
        [
            ("en", "Welcome.", "Signed out."),
            ("uz", "Xush kelibsiz.", "Tizimdan chiqdingiz."),
            ("ru", "Добро пожаловать.", "Вы вышли из системы."),
        ],
    )
    async def test_people_are_greeted_in_their_language_and_the_log_is_english(
        self, client: httpx.AsyncClient, language: str, welcome: str, farewell: str
    ) -> None:
        with capture_logs() as lines:
            came = await client.post("/auth/register", json=ZEBO, headers={"Accept-Language": language})
            token = came.json()["data"]["accessToken"]
            left = await client.post(
                "/auth/logout", headers={"Authorization": f"Bearer {token}", "Accept-Language": language}
            )

        assert (came.json()["message"], left.json()["message"]) == (welcome, farewell)
        assert came.headers["content-language"] == left.headers["content-language"] == language
        assert all(line["event"].isascii() for line in lines)

    async def test_a_refusal_is_told_in_it_too(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        buyer = await sign_up()
        answer = await client.post(
            "/listings", json={}, headers={**buyer.headers, "Accept-Language": "ru, en;q=0.5"}
        )
        assert (answer.status_code, answer.headers["content-language"]) == (403, "ru")
        assert answer.json()["error"]["message"] == "Для этого действия недостаточно прав."


def _log_in(password: str = PASSWORD) -> dict[str, str]:
    return {"email": ZEBO["email"], "password": password}
