"""Going on by a refresh token, and leaving (requirements ACC-27, TOK-09 to TOK-11)."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import jwt
import pytest

from api.assembly import AppServices, token_issuer
from application.accounts.commands import ChangeAccountRole, DeleteAccount, SuspendAccount
from application.shared.caller import Caller
from domain.accounts.roles import Role
from infrastructure.identity import new_id, utc_now
from tests.api.accounts.mailbox import an_address
from tests.api.asking import data_of, refusal
from tests.api.conftest import PASSWORD, Person

pytestmark = pytest.mark.services


async def newcomer(client: httpx.AsyncClient) -> Any:
    """The user and the tokens of somebody who has just registered."""
    body = {"email": an_address(), "password": PASSWORD, "name": "Zebo"}
    return data_of(await client.post("/auth/register", json=body), 201)


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/auth/refresh", json={"refreshToken": token})


async def me(client: httpx.AsyncClient, tokens: Any) -> httpx.Response:
    return await client.get("/auth/me", headers=bearer(tokens))


def bearer(tokens: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['accessToken']}"}


def claims(token: str) -> dict[str, Any]:
    read: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return read


def ids(tokens: Any) -> tuple[str, str]:
    return claims(tokens["accessToken"])["jti"], claims(tokens["refreshToken"])["jti"]


def by(admin: Person) -> Caller:
    return Caller(actor_id=admin.account_id, role="super_admin")


class TestGoingOn:
    async def test_a_session_goes_on_with_a_new_pair(self, client: httpx.AsyncClient) -> None:
        zebo = await newcomer(client)

        answer = await refresh(client, zebo["refreshToken"])

        pair = data_of(answer)
        assert set(pair) == {"accessToken", "refreshToken", "expiresIn", "tokenType"}
        assert (pair["expiresIn"], pair["tokenType"]) == (900, "Bearer")
        assert answer.headers["Cache-Control"] == "no-store"
        assert set(ids(pair)).isdisjoint(ids(zebo))
        assert claims(pair["accessToken"])["sid"] == claims(zebo["accessToken"])["sid"]
        assert data_of(await me(client, pair)) == zebo["user"]
        assert data_of(await refresh(client, pair["refreshToken"]))

    async def test_twenty_windows_that_go_on_at_once_get_one_new_pair(
        self, client: httpx.AsyncClient
    ) -> None:
        zebo = await newcomer(client)

        answers = await asyncio.gather(*(refresh(client, zebo["refreshToken"]) for _ in range(20)))

        pairs = [data_of(answer) for answer in answers]
        assert len({ids(pair) for pair in pairs}) == 1
        assert [int(answer.headers["X-Position"]) > 0 for answer in answers].count(True) == 1
        assert data_of(await me(client, pairs[7]))
        assert data_of(await refresh(client, pairs[13]["refreshToken"]))

    @pytest.mark.parametrize("body", [None, {}, {"refreshToken": None}, {"refreshToken": ""}])
    async def test_nobody_goes_on_by_nothing(self, client: httpx.AsyncClient, body: Any) -> None:
        answer = await (
            client.post("/auth/refresh") if body is None else client.post("/auth/refresh", json=body)
        )

        assert refusal(answer) == (400, "REFRESH_TOKEN_REQUIRED")

    async def test_what_is_no_refresh_token_is_refused(self, client: httpx.AsyncClient) -> None:
        zebo = await newcomer(client)
        changed = zebo["refreshToken"][:-2] + ("AA" if not zebo["refreshToken"].endswith("AA") else "BB")

        for token in ("nonsense", "a.b.c", zebo["accessToken"], changed):
            answer = await refresh(client, token)
            assert refusal(answer) == (401, "INVALID_REFRESH_TOKEN")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")

    async def test_a_genuine_token_of_no_session_is_refused(
        self, client: httpx.AsyncClient, services: AppServices
    ) -> None:
        zebo = await newcomer(client)
        forged = services.tokens.issue_refresh(
            account_id=UUID(zebo["user"]["id"]), role="customer", session_id=new_id(), token_id=new_id()
        )

        assert refusal(await refresh(client, forged.token.reveal())) == (401, "INVALID_REFRESH_TOKEN")

    async def test_a_token_whose_time_is_over_is_told_so(
        self, client: httpx.AsyncClient, services: AppServices
    ) -> None:
        last_month = token_issuer(services.settings, lambda: utc_now() - timedelta(days=30))
        old = last_month.issue_refresh(
            account_id=new_id(), role="customer", session_id=new_id(), token_id=new_id()
        )

        assert refusal(await refresh(client, old.token.reveal())) == (401, "REFRESH_TOKEN_EXPIRED")

    async def test_the_role_is_that_of_now_and_no_session_outlives_the_old_one(
        self, client: httpx.AsyncClient, services: AppServices, admin: Person
    ) -> None:
        zebo = await newcomer(client)
        account_id = UUID(zebo["user"]["id"])
        await services.commands.submit(ChangeAccountRole(account_id=account_id, role=Role.ADMIN), by(admin))

        assert refusal(await refresh(client, zebo["refreshToken"])) == (401, "TOKEN_REVOKED")
        body = {"email": zebo["user"]["email"], "password": PASSWORD}
        again = data_of(await client.post("/auth/login", json=body))
        pair = data_of(await refresh(client, again["refreshToken"]))
        assert claims(pair["accessToken"])["role"] == "admin"

    async def test_who_is_suspended_or_gone_does_not_go_on(
        self, client: httpx.AsyncClient, services: AppServices, admin: Person
    ) -> None:
        for command in (SuspendAccount, DeleteAccount):
            zebo = await newcomer(client)
            await services.commands.submit(command(account_id=UUID(zebo["user"]["id"])), by(admin))

            assert refusal(await refresh(client, zebo["refreshToken"])) == (401, "INVALID_USER")

    async def test_who_is_suspended_is_told_so_wherever_they_ask(
        self, client: httpx.AsyncClient, services: AppServices, admin: Person
    ) -> None:
        zebo = await newcomer(client)
        command = SuspendAccount(account_id=UUID(zebo["user"]["id"]))
        for session_id in (await services.commands.submit(command, by(admin))).result.ended_sessions:
            services.accounts.forget(session_id)

        for path in ("/auth/me", "/profile/me", "/cart"):
            answer = await client.get(path, headers=bearer(zebo))
            assert refusal(answer) == (403, "ACCOUNT_SUSPENDED")

    async def test_a_breakdown_is_called_by_its_name(
        self, client: httpx.AsyncClient, services: AppServices, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def stumble(**_: object) -> None:
            raise ZeroDivisionError("inside")

        zebo = await newcomer(client)
        monkeypatch.setattr(services.door.refreshing, "refresh", stumble)

        assert refusal(await refresh(client, zebo["refreshToken"])) == (500, "TOKEN_REFRESH_FAILED")


class TestATokenThatIsShownAgain:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "REFRESH_REUSE_GRACE_SECONDS": "0"}

    async def test_ends_the_session_for_thief_and_owner(self, client: httpx.AsyncClient) -> None:
        zebo = await newcomer(client)
        pair = data_of(await refresh(client, zebo["refreshToken"]))
        # Known to be good, and remembered as such.
        assert data_of(await me(client, pair))

        answer = await refresh(client, zebo["refreshToken"])

        assert refusal(answer) == (401, "TOKEN_REVOKED")
        assert refusal(await refresh(client, pair["refreshToken"])) == (401, "TOKEN_REVOKED")
        assert refusal(await me(client, pair)) == (401, "TOKEN_REVOKED")

    async def test_ends_no_other_session(self, client: httpx.AsyncClient) -> None:
        zebo = await newcomer(client)
        body = {"email": zebo["user"]["email"], "password": PASSWORD}
        elsewhere = data_of(await client.post("/auth/login", json=body))
        data_of(await refresh(client, zebo["refreshToken"]))
        await refresh(client, zebo["refreshToken"])

        assert data_of(await me(client, elsewhere))


class TestLeaving:
    async def test_a_session_that_was_left_does_not_go_on(self, client: httpx.AsyncClient) -> None:
        zebo = await newcomer(client)
        data_of(await client.post("/auth/logout", json={"allSessions": False}, headers=bearer(zebo)))

        assert refusal(await refresh(client, zebo["refreshToken"])) == (401, "TOKEN_REVOKED")

    async def test_everywhere_at_once(self, client: httpx.AsyncClient) -> None:
        zebo = await newcomer(client)
        body = {"email": zebo["user"]["email"], "password": PASSWORD}
        elsewhere = data_of(await client.post("/auth/login", json=body))
        assert data_of(await me(client, elsewhere))

        answer = await client.post("/auth/logout", json={"allSessions": True}, headers=bearer(zebo))

        assert data_of(answer) is None
        assert answer.json()["message"] == "Signed out everywhere."
        for session in (zebo, elsewhere):
            assert refusal(await me(client, session)) == (401, "TOKEN_REVOKED")
            assert refusal(await refresh(client, session["refreshToken"])) == (401, "TOKEN_REVOKED")

    async def test_everywhere_is_not_for_those_whose_session_is_over(self, client: httpx.AsyncClient) -> None:
        zebo = await newcomer(client)
        data_of(await client.post("/auth/logout", headers=bearer(zebo)))
        body = {"email": zebo["user"]["email"], "password": PASSWORD}
        anew = data_of(await client.post("/auth/login", json=body))

        again = await client.post("/auth/logout", json={"allSessions": True}, headers=bearer(zebo))

        assert (again.status_code, again.headers["X-Position"]) == (200, "0")
        assert data_of(await me(client, anew))
