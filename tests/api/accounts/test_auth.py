"""Signing up, in and out over HTTP (requirements ACC-01 to ACC-10, ACC-16 to ACC-21, TOK-01 to TOK-06)."""

import base64
import json
from typing import Any

import httpx
import pytest

from api.assembly import AppServices
from infrastructure.security.passwords import PasswordHasherBusy
from tests.api.conftest import PASSWORD, Person, SignUp, log_in

pytestmark = pytest.mark.services

ZEBO: dict[str, Any] = {"email": "Zebo@Example.uz", "password": PASSWORD, "name": " Zebo Karimova "}
SELLER: dict[str, Any] = {**ZEBO, "kind": "seller", "businessName": "Zebo's teapots"}


async def register(client: httpx.AsyncClient, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    return await client.post("/auth/register", json={**ZEBO, **fields}, headers=headers)


def claims(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return decoded


def code_of(answer: httpx.Response) -> str:
    body = answer.json()
    assert body["success"] is False
    assert body["error"]["requestId"]
    code: str = body["error"]["code"]
    return code


def fields_of(answer: httpx.Response) -> dict[str, str]:
    assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")
    return {problem["field"]: problem["rule"] for problem in answer.json()["error"]["details"]}


class TestRegistering:
    async def test_a_customer_is_signed_in_at_once(self, client: httpx.AsyncClient) -> None:
        answer = await register(client, phone="+998 (90) 123-45-67")

        assert answer.status_code == 201
        data = answer.json()["data"]
        assert data["user"] == {
            "id": data["user"]["id"],
            "email": "zebo@example.uz",
            "name": "Zebo Karimova",
            "phone": "+998901234567",
            "role": "customer",
            "status": "approved",
            "kind": "customer",
        }
        assert (data["tokenType"], data["expiresIn"]) == ("Bearer", 900)
        me = await client.get("/auth/me", headers={"Authorization": f"Bearer {data['accessToken']}"})
        assert me.json()["data"] == data["user"]

    async def test_a_seller_waits_without_tokens(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/auth/register", json=SELLER)

        assert answer.status_code == 201
        body = answer.json()
        assert set(body["data"]) == {"user"}
        assert (body["data"]["user"]["role"], body["data"]["user"]["status"]) == ("seller", "pending")
        assert "approval" in body["message"]

    @pytest.mark.parametrize("kind", ["admin", "super_admin", "staff", "influencer", "", None, 1])
    async def test_nobody_makes_themselves_anything_else(
        self, client: httpx.AsyncClient, kind: object
    ) -> None:
        assert "kind" in fields_of(await register(client, kind=kind))

    async def test_a_role_cannot_be_slipped_in(self, client: httpx.AsyncClient) -> None:
        assert fields_of(await register(client, role="admin")) == {"role": "unknown_field"}

    async def test_an_address_has_one_account_however_it_is_written(self, client: httpx.AsyncClient) -> None:
        await register(client)

        again = await register(client, email=" zebo@EXAMPLE.uz ")

        assert (again.status_code, code_of(again)) == (409, "USER_EXISTS")

    async def test_everything_that_is_wrong_is_named_at_once(self, client: httpx.AsyncClient) -> None:
        wrong = await client.post(
            "/auth/register", json={"email": "zebo", "password": "short", "name": "Z", "phone": "12"}
        )

        assert set(fields_of(wrong)) == {"email", "password", "name", "phone"}
        assert "short" not in wrong.text.replace("shorter", "")

    async def test_what_is_missing_is_named(self, client: httpx.AsyncClient) -> None:
        missing = await client.post("/auth/register", json={})

        assert fields_of(missing) == {"email": "required", "password": "required", "name": "required"}

    @pytest.mark.parametrize(
        "changed", [{"password": "x" * 256}, {"password": "x" * 2000}, {"name": "n" * 101}, {"email": "a@b"}]
    )
    async def test_limits_are_kept(self, client: httpx.AsyncClient, changed: dict[str, Any]) -> None:
        assert list(fields_of(await register(client, **changed))) == list(changed)

    async def test_a_customer_has_no_business_name(self, client: httpx.AsyncClient) -> None:
        assert "businessName" in fields_of(await register(client, businessName="Teapots"))

    async def test_a_repetition_under_one_key_gives_one_account_and_a_working_session(
        self, client: httpx.AsyncClient
    ) -> None:
        first = await register(client, {"Idempotency-Key": "registration-1"})
        again = await register(client, {"Idempotency-Key": "registration-1"})

        assert (first.status_code, again.status_code) == (201, 201)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in first.headers
        assert again.json()["data"]["user"] == first.json()["data"]["user"]
        assert again.headers["X-Position"] == first.headers["X-Position"]
        token = again.json()["data"]["accessToken"]
        assert claims(token)["sid"] == claims(first.json()["data"]["accessToken"])["sid"]
        me = await client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
        assert me.status_code == 200

    async def test_a_key_does_not_serve_two_registrations(self, client: httpx.AsyncClient) -> None:
        await register(client, {"Idempotency-Key": "registration-1"})

        other = await register(client, {"Idempotency-Key": "registration-1"}, email="other@example.uz")

        assert (other.status_code, code_of(other)) == (422, "IDEMPOTENCY_KEY_REUSED")

    async def test_a_breakdown_is_called_by_its_name_and_tells_nothing(
        self, client: httpx.AsyncClient, services: AppServices, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def stumble(**_: object) -> None:
            raise ZeroDivisionError("inside")

        monkeypatch.setattr(services.door.registration, "register", stumble)

        broken = await register(client)

        assert (broken.status_code, code_of(broken)) == (500, "REGISTRATION_FAILED")
        assert "inside" not in broken.text

    async def test_a_crowd_at_the_door_is_asked_to_come_back(
        self, client: httpx.AsyncClient, services: AppServices, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def crowded(**_: object) -> None:
            raise PasswordHasherBusy("Too many passwords are being checked; try again shortly.")

        monkeypatch.setattr(services.door.registration, "register", crowded)

        answer = await register(client)

        assert (answer.status_code, code_of(answer)) == (503, "OVERLOADED")
        assert int(answer.headers["Retry-After"]) >= 1


class TestSigningIn:
    async def test_the_owner_gets_both_tokens(self, client: httpx.AsyncClient) -> None:
        registered = (await register(client)).json()["data"]["user"]

        answer = await client.post("/auth/login", json={"email": "ZEBO@example.uz", "password": PASSWORD})

        assert answer.status_code == 200
        data = answer.json()["data"]
        assert data["user"] == registered
        access, refresh = claims(data["accessToken"]), claims(data["refreshToken"])
        assert set(access) == {"sub", "role", "sid", "jti", "typ", "iat", "exp", "iss", "aud"}
        assert (access["typ"], refresh["typ"]) == ("access", "refresh")
        assert access["sid"] == refresh["sid"]
        assert refresh["exp"] - refresh["iat"] == 7 * 24 * 3600
        assert answer.headers["Cache-Control"] == "no-store"

    async def test_every_sign_in_is_a_session_of_its_own(self, client: httpx.AsyncClient) -> None:
        await register(client)

        first = await log_in(client, "zebo@example.uz")
        second = await log_in(client, "zebo@example.uz")

        assert claims(first.token)["sid"] != claims(second.token)["sid"]

    async def test_an_unknown_address_and_a_wrong_password_are_answered_alike(
        self, client: httpx.AsyncClient
    ) -> None:
        await register(client)

        refused = [
            await client.post("/auth/login", json={"email": email, "password": password})
            for email, password in [
                ("zebo@example.uz", "wrong password"),
                ("nobody@example.uz", PASSWORD),
                ("not an address", PASSWORD),
                ("zebo@example.uz", ""),
                ("zebo@example.uz", "x" * 300),
            ]
        ]

        assert {answer.status_code for answer in refused} == {401}
        assert len({json.dumps(_without_id(answer)) for answer in refused}) == 1
        assert code_of(refused[0]) == "INVALID_CREDENTIALS"
        assert refused[0].headers["WWW-Authenticate"].startswith("Bearer")

    async def test_a_seller_who_waits_learns_so_only_with_the_right_password(
        self, client: httpx.AsyncClient
    ) -> None:
        await client.post("/auth/register", json=SELLER)

        knowing = await client.post("/auth/login", json={"email": "zebo@example.uz", "password": PASSWORD})
        guessing = await client.post(
            "/auth/login", json={"email": "zebo@example.uz", "password": "guessed it"}
        )

        assert (knowing.status_code, code_of(knowing)) == (403, "ACCOUNT_PENDING")
        assert (guessing.status_code, code_of(guessing)) == (401, "INVALID_CREDENTIALS")

    @pytest.mark.parametrize(
        "body", [{}, {"email": "zebo@example.uz"}, {"email": 1, "password": PASSWORD}, []]
    )
    async def test_what_is_no_sign_in_is_refused(self, client: httpx.AsyncClient, body: object) -> None:
        answer = await client.post("/auth/login", json=body)

        assert (answer.status_code, code_of(answer)) == (400, "VALIDATION_ERROR")

    async def test_a_breakdown_is_called_by_its_name(
        self, client: httpx.AsyncClient, services: AppServices, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def stumble(**_: object) -> None:
            raise ZeroDivisionError("inside")

        monkeypatch.setattr(services.door.log_in, "log_in", stumble)

        broken = await client.post("/auth/login", json={"email": "zebo@example.uz", "password": PASSWORD})

        assert (broken.status_code, code_of(broken)) == (500, "LOGIN_FAILED")


class TestGuessing:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "RATE_LIMIT_ENABLED": "true", "AUTH_RATE_LIMIT_MAX": "3"}

    async def test_attempts_on_one_account_are_counted_before_the_password_is_checked(
        self, client: httpx.AsyncClient, services: AppServices, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await register(client)
        wrong = {"email": "zebo@example.uz", "password": "wrong password"}
        for _ in range(2):
            assert (await client.post("/auth/login", json=wrong)).status_code == 401

        async def unreachable(**_: object) -> None:
            raise AssertionError("the password must not be looked at any more")

        monkeypatch.setattr(services.door.log_in, "log_in", unreachable)
        answer = await client.post("/auth/login", json={**wrong, "email": "ZEBO@example.uz"})

        assert (answer.status_code, code_of(answer)) == (429, "RATE_LIMIT_EXCEEDED")
        assert int(answer.headers["Retry-After"]) > 0

    async def test_other_accounts_are_not_locked_by_it(self, client: httpx.AsyncClient) -> None:
        await register(client, email="other@example.uz")
        for _ in range(4):
            await client.post("/auth/login", json={"email": "zebo@example.uz", "password": "wrong password"})

        answer = await client.post("/auth/login", json={"email": "other@example.uz", "password": PASSWORD})

        assert answer.status_code == 200


class TestWhoAmI:
    async def test_a_stranger_is_asked_to_sign_in(self, client: httpx.AsyncClient) -> None:
        answer = await client.get("/auth/me")

        assert (answer.status_code, code_of(answer)) == (401, "NO_TOKEN")

    @pytest.mark.parametrize("header", ["Bearer nonsense", "Basic eDp5", "nonsense", "Bearer a.b.c"])
    async def test_what_is_no_token_opens_nothing(self, client: httpx.AsyncClient, header: str) -> None:
        answer = await client.get("/auth/me", headers={"Authorization": header})

        assert (answer.status_code, code_of(answer)) == (401, "INVALID_TOKEN")

    async def test_a_refresh_token_is_no_access_token(self, client: httpx.AsyncClient) -> None:
        refresh = (await register(client)).json()["data"]["refreshToken"]

        answer = await client.get("/auth/me", headers={"Authorization": f"Bearer {refresh}"})

        assert (answer.status_code, code_of(answer)) == (401, "INVALID_TOKEN")

    async def test_nothing_secret_is_shown(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        zebo = await sign_up("customer")

        me = (await client.get("/auth/me", headers=zebo.headers)).json()["data"]

        assert set(me) == {"id", "email", "name", "phone", "role", "status", "kind"}

    async def test_a_breakdown_is_called_by_its_name(
        self, client: httpx.AsyncClient, sign_up: SignUp, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        zebo = await sign_up("customer")

        async def stumble(*_: object) -> None:
            raise ZeroDivisionError("inside")

        monkeypatch.setattr("api.accounts.controller.current_account", stumble)
        broken = await client.get("/auth/me", headers=zebo.headers)

        assert (broken.status_code, code_of(broken)) == (500, "USER_FETCH_FAILED")


class TestSigningOut:
    async def test_a_session_ends_once(self, client: httpx.AsyncClient, sign_up: SignUp) -> None:
        zebo: Person = await sign_up("customer")

        first = await client.post("/auth/logout", headers=zebo.headers)

        assert first.status_code == 200
        assert first.json()["data"] is None
        assert int(first.headers["X-Position"]) > 0

    async def test_a_token_of_an_ended_session_opens_nothing_any_more(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        zebo: Person = await sign_up("customer")
        elsewhere = await log_in(client, zebo.email)
        assert (await client.get("/auth/me", headers=zebo.headers)).status_code == 200
        await client.post("/auth/logout", headers=zebo.headers)

        me = await client.get("/auth/me", headers=zebo.headers)
        cart = await client.get("/cart", headers=zebo.headers)
        as_visitor = await client.get("/listings", headers=zebo.headers)

        assert (me.status_code, code_of(me)) == (401, "TOKEN_REVOKED")
        assert me.headers["WWW-Authenticate"].startswith("Bearer")
        assert (cart.status_code, code_of(cart)) == (401, "TOKEN_REVOKED")
        assert as_visitor.status_code == 200
        assert (await client.get("/auth/me", headers=elsewhere.headers)).status_code == 200

    async def test_a_repeated_sign_out_is_answered_like_the_first(
        self, client: httpx.AsyncClient, sign_up: SignUp
    ) -> None:
        zebo: Person = await sign_up("customer")
        headers = {**zebo.headers, "Idempotency-Key": "bye"}
        first = await client.post("/auth/logout", headers=headers)

        repeated = await client.post("/auth/logout", headers=headers)
        again = await client.post("/auth/logout", headers=zebo.headers)

        assert repeated.status_code == again.status_code == 200
        assert repeated.headers["Idempotent-Replayed"] == "true"
        assert repeated.json()["meta"] == first.json()["meta"]

    async def test_a_stranger_has_nothing_to_end(self, client: httpx.AsyncClient) -> None:
        answer = await client.post("/auth/logout")

        assert (answer.status_code, code_of(answer)) == (401, "NO_TOKEN")


def _without_id(answer: httpx.Response) -> Any:
    error = answer.json()["error"]
    return {key: value for key, value in error.items() if key != "requestId"}
