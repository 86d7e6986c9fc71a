"""A WebSocket opens to those whose access token is good, for as long as it is (requirements RT-01, RT-02, RT-08, TOK-17)."""

import asyncio
import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from api.assembly import AppServices
from api.realtime import sockets, talk
from api.services import Standing
from application.accounts.commands import ChangeAccountRole, SuspendAccount
from application.shared.caller import Caller
from domain.accounts.roles import Role
from tests.api.asking import data_of, refusal
from tests.api.conftest import Person, SignUp, log_in
from tests.api.realtime.conftest import Lines, Open

pytestmark = pytest.mark.services


class Silence:
    """Whether the log is silent."""

    lasts = False


def browser(token: str) -> list[Subprotocol]:
    """What a page in a browser can send."""
    return [Subprotocol("daftar.v1"), Subprotocol(f"bearer.{token}")]


def as_admin(admin: Person) -> Caller:
    return Caller(actor_id=admin.account_id, role="super_admin")


class TestComingIn:
    async def test_by_the_header_of_the_handshake(
        self, open_channel: Open, sign_up: SignUp, services: AppServices
    ) -> None:
        buyer = await sign_up("customer")
        claims = services.tokens.verify_access(buyer.token)

        event, told = await (await open_channel(buyer.token)).hear()

        assert event == "authenticated"
        assert told["userId"] == str(buyer.account_id)
        assert told["role"] == "customer"
        assert told["sessionId"] == str(claims.session_id)
        assert told["expiresAt"].startswith(claims.expires_at.strftime("%Y-%m-%dT%H:%M:%S"))

    async def test_by_a_subprotocol_and_the_token_is_not_repeated(
        self, open_channel: Open, sign_up: SignUp
    ) -> None:
        buyer = await sign_up("customer")

        channel = await open_channel(subprotocols=browser(buyer.token))

        assert (await channel.hear())[1]["userId"] == str(buyer.account_id)
        assert channel.connection.subprotocol == "daftar.v1"
        assert channel.connection.response is not None
        assert buyer.token not in str(channel.connection.response.headers)

    async def test_by_the_first_message(self, open_channel: Open, sign_up: SignUp) -> None:
        buyer = await sign_up("customer")
        channel = await open_channel()

        await channel.say("authenticate", token=buyer.token)

        assert (await channel.hear())[1]["userId"] == str(buyer.account_id)

    async def test_never_by_the_address(self, open_channel: Open, sign_up: SignUp, lines: Lines) -> None:
        buyer = await sign_up("customer")
        channel = await open_channel(path=f"/api/v1/ws?token={buyer.token}")

        await channel.say("join_conversation", conversationId="1")

        assert await channel.hear_error() == "NO_TOKEN"
        assert await channel.end() == (4401, "NO_TOKEN")
        await until(lambda: bool(lines))
        assert buyer.token not in str(lines)

    async def test_not_by_an_api_key(
        self, open_channel: Open, sign_up: SignUp, client: httpx.AsyncClient
    ) -> None:
        seller = await sign_up("seller")
        asked = {"name": "A program", "permissions": ["orders:read"]}
        key = data_of(await client.post("/api-keys", json=asked, headers=seller.headers), 201)["key"]
        channel = await open_channel(headers={"X-API-Key": key})

        await channel.say("authenticate", token=key)

        assert await channel.end() == (4401, "INVALID_TOKEN")


class TestStayingOut:
    @pytest.mark.parametrize("way", ["header", "subprotocol", "message"])
    async def test_with_what_is_no_token(self, open_channel: Open, way: str) -> None:
        if way == "header":
            channel = await open_channel("rubbish")
        elif way == "subprotocol":
            channel = await open_channel(subprotocols=browser("rubbish"))
        else:
            channel = await open_channel()
            await channel.say("authenticate", token="rubbish")

        assert await channel.hear_error() == "INVALID_TOKEN"
        assert await channel.end() == (4401, "INVALID_TOKEN")

    async def test_with_a_refresh_token(
        self, open_channel: Open, sign_up: SignUp, client: httpx.AsyncClient
    ) -> None:
        buyer = await sign_up("customer")
        body = {"email": buyer.email, "password": "correct horse battery staple"}
        signed_in = data_of(await client.post("/auth/login", json=body))

        assert await (await open_channel(signed_in["refreshToken"])).end() == (4401, "INVALID_TOKEN")

    async def test_after_signing_out(
        self, open_channel: Open, sign_up: SignUp, client: httpx.AsyncClient
    ) -> None:
        buyer = await sign_up("customer")
        data_of(await client.post("/auth/logout", headers=buyer.headers))

        assert await (await open_channel(buyer.token)).end() == (4401, "TOKEN_REVOKED")

    async def test_when_suspended(
        self, open_channel: Open, sign_up: SignUp, services: AppServices, admin: Person
    ) -> None:
        buyer = await sign_up("customer")
        await services.commands.submit(SuspendAccount(account_id=buyer.account_id), as_admin(admin))
        services.accounts.forget(buyer.account_id)

        assert await (await open_channel(buyer.token)).end() == (4401, "ACCOUNT_SUSPENDED")

    async def test_when_nobody_says_who_they_are(
        self, open_channel: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(talk, "AUTHENTICATE_SECONDS", 0.2)
        channel = await open_channel()

        assert await channel.hear_error() == "NO_TOKEN"
        assert await channel.end() == (4401, "NO_TOKEN")

    @pytest.mark.parametrize(
        ("options", "refused"),
        [
            ({"origin": "https://evil.example"}, (403, "CORS_NOT_ALLOWED")),
            ({"path": "/api/v1/orders"}, (404, "ROUTE_NOT_FOUND")),
            ({"path": "/"}, (404, "ROUTE_NOT_FOUND")),
            ({"subprotocols": ["graphql-ws"]}, (400, "VALIDATION_ERROR")),
        ],
    )
    async def test_before_anything_is_said(
        self, open_channel: Open, options: dict[str, Any], refused: tuple[int, str]
    ) -> None:
        with pytest.raises(InvalidStatus) as caught:
            await open_channel(**options)

        answer = caught.value.response
        assert (answer.status_code, json.loads(answer.body)["error"]["code"]) == refused
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Request-Id"]

    async def test_pages_of_ours_may(self, open_channel: Open, sign_up: SignUp) -> None:
        buyer = await sign_up("customer")

        channel = await open_channel(buyer.token, origin="http://localhost:3000")

        assert (await channel.hear())[0] == "authenticated"

    async def test_who_does_not_upgrade_is_told_to(self, port: int) -> None:
        async with httpx.AsyncClient() as plain:
            answer = await plain.get(f"http://127.0.0.1:{port}/api/v1/ws")

        assert refusal(answer) == (426, "UPGRADE_REQUIRED")
        assert answer.headers["Upgrade"] == "websocket"


class TestStaying:
    async def test_a_session_that_ends_ends_its_channels_and_no_others(
        self, open_channel: Open, sign_up: SignUp, client: httpx.AsyncClient
    ) -> None:
        buyer = await sign_up("customer")
        elsewhere = await log_in(client, buyer.email)
        here, there = await open_channel(buyer.token), await open_channel(elsewhere.token)
        await here.hear()
        await there.hear()

        data_of(await client.post("/auth/logout", headers=buyer.headers))

        assert await here.hear_error() == "TOKEN_REVOKED"
        assert await here.end() == (4401, "TOKEN_REVOKED")
        await there.say("wave")
        assert await there.hear_error() == "VALIDATION_ERROR"

    async def test_what_another_process_takes_is_felt_at_once(
        self, open_channel: Open, sign_up: SignUp, services: AppServices, admin: Person
    ) -> None:
        buyer = await sign_up("customer")
        channel = await open_channel(buyer.token)
        await channel.hear()
        began = asyncio.get_running_loop().time()

        # Nobody here is told: it has to be read in the log.
        await services.commands.submit(SuspendAccount(account_id=buyer.account_id), as_admin(admin))

        assert await channel.end() == (4401, "ACCOUNT_SUSPENDED")
        assert asyncio.get_running_loop().time() - began < talk.LOOK_AGAIN_SECONDS

    async def test_a_new_role_needs_a_new_sign_in(
        self, open_channel: Open, sign_up: SignUp, services: AppServices, admin: Person
    ) -> None:
        buyer = await sign_up("customer")
        channel = await open_channel(buyer.token)
        await channel.hear()

        changed = ChangeAccountRole(account_id=buyer.account_id, role=Role.SALON)
        await services.commands.submit(changed, as_admin(admin))

        assert await channel.end() == (4401, "TOKEN_REVOKED")

    async def test_rubbish_is_answered_and_ends_nothing(self, open_channel: Open, sign_up: SignUp) -> None:
        channel = await open_channel((await sign_up("customer")).token)
        await channel.hear()

        for rubbish in (
            "",
            "{",
            "[]",
            "null",
            '{"event": 1}',
            '{"event": ""}',
            '{"event": "x", "more": 1}',
            '{"event": "' + "x" * 200 + '"}',
            "[" * 60_000,
            b"\x00",
            '{"event": "authenticate"}',
            '{"event": "authenticate", "data": {"token": 1}}',
            '{"event": "authenticate", "data": {"token": "x", "more": 1}}',
            '{"event": "unheard_of"}',
        ):
            await channel.connection.send(rubbish)
            assert await channel.hear_error() == "VALIDATION_ERROR", rubbish

    async def test_errors_are_told_in_the_clients_language(self, open_channel: Open) -> None:
        channel = await open_channel("rubbish", headers={"Accept-Language": "ru"})

        _, told = await channel.hear()

        assert told["message"] == "Недействительный токен."

    async def test_a_message_that_is_too_long_ends_it(self, open_channel: Open, sign_up: SignUp) -> None:
        channel = await open_channel((await sign_up("customer")).token)
        await channel.hear()

        await channel.connection.send("x" * (64 * 1024 + 1))

        assert (await channel.end())[0] == 1009

    async def test_a_flood_ends_it(self, open_channel: Open, sign_up: SignUp) -> None:
        channel = await open_channel((await sign_up("customer")).token)
        await channel.hear()

        for _ in range(talk.MESSAGES_AT_ONCE + 20):
            await channel.say("wave")

        assert await channel.end() == (4429, "RATE_LIMIT_EXCEEDED")

    async def test_an_account_has_so_many_channels_and_others_have_theirs(
        self, open_channel: Open, sign_up: SignUp
    ) -> None:
        buyer, other = await sign_up("customer"), await sign_up("customer")
        channels = [await open_channel(buyer.token) for _ in range(sockets.SOCKETS_OF_ONE_MAXIMUM)]
        for channel in channels:
            assert (await channel.hear())[0] == "authenticated"

        assert await (await open_channel(buyer.token)).end() == (4429, "RATE_LIMIT_EXCEEDED")
        assert (await (await open_channel(other.token)).hear())[0] == "authenticated"
        await channels[0].connection.close()
        await asyncio.sleep(0.2)
        assert (await (await open_channel(buyer.token)).hear())[0] == "authenticated"


class TestMovingOn:
    async def test_the_session_that_it_has_moved_to_is_the_one_that_ends_it(
        self, open_channel: Open, sign_up: SignUp, client: httpx.AsyncClient
    ) -> None:
        first = await sign_up("customer")
        second = await log_in(client, first.email)
        channel = await open_channel(first.token)
        await channel.hear()
        await channel.say("authenticate", token=second.token)
        assert (await channel.hear())[0] == "authenticated"

        data_of(await client.post("/auth/logout", headers=first.headers))
        await channel.say("wave")
        assert await channel.hear_error() == "VALIDATION_ERROR"

        data_of(await client.post("/auth/logout", headers=second.headers))
        assert await channel.end() == (4401, "TOKEN_REVOKED")


class TestWithoutTheLog:
    @pytest.fixture
    def silent(self, services: AppServices, monkeypatch: pytest.MonkeyPatch) -> Silence:
        """Lets the log say nothing of how anybody stands, for as long as the test likes."""
        asked = services.accounts.standing
        silence = Silence()

        async def standing(account_id: UUID, session_id: UUID) -> Standing | None:
            if silence.lasts:
                await asyncio.Event().wait()
            return await asked(account_id, session_id)

        monkeypatch.setattr(services.accounts, "standing", standing)
        for name, seconds in {
            "ANSWER_SECONDS": 0.1,
            "UNSURE_SECONDS": 1.0,
            "LOOK_AGAIN_SECONDS": 0.1,
        }.items():
            monkeypatch.setattr(talk, name, seconds)
        return silence

    async def test_nobody_comes_in(self, open_channel: Open, sign_up: SignUp, silent: Silence) -> None:
        buyer = await sign_up("customer")
        silent.lasts = True
        channel = await open_channel(buyer.token)

        assert await channel.hear_error() == "STORE_UNAVAILABLE"
        assert await channel.end() == (1013, "STORE_UNAVAILABLE")

    async def test_nobody_stays_for_long(self, open_channel: Open, sign_up: SignUp, silent: Silence) -> None:
        channel = await open_channel((await sign_up("customer")).token)
        await channel.hear()
        silent.lasts = True
        began = asyncio.get_running_loop().time()

        assert await channel.end() == (1013, "STORE_UNAVAILABLE")
        assert asyncio.get_running_loop().time() - began < 5.0

    async def test_a_short_silence_ends_nothing(
        self, open_channel: Open, sign_up: SignUp, silent: Silence
    ) -> None:
        channel = await open_channel((await sign_up("customer")).token)
        await channel.hear()
        silent.lasts = True
        await asyncio.sleep(0.5)
        silent.lasts = False
        await asyncio.sleep(1.5)

        await channel.say("wave")

        assert await channel.hear_error() == "VALIDATION_ERROR"


class TestExpiring:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        """Tokens that are good for three seconds."""
        return {**environment, "JWT_EXPIRES_IN": "3s"}

    async def test_the_channel_ends_with_its_token(self, open_channel: Open, sign_up: SignUp) -> None:
        channel = await open_channel((await sign_up("customer")).token)
        await channel.hear()

        assert await channel.end() == (4401, "TOKEN_EXPIRED")

    async def test_a_fresh_token_keeps_it_open(
        self, open_channel: Open, sign_up: SignUp, client: httpx.AsyncClient
    ) -> None:
        buyer = await sign_up("customer")
        channel = await open_channel(buyer.token)
        _, first = await channel.hear()
        await asyncio.sleep(1.5)
        fresh = await log_in(client, buyer.email)

        await channel.say("authenticate", token=fresh.token)

        event, second = await channel.hear()
        assert event == "authenticated"
        assert second["expiresAt"] > first["expiresAt"]
        assert second["sessionId"] != first["sessionId"]
        await asyncio.sleep(1.7)
        await channel.say("wave")
        assert await channel.hear_error() == "VALIDATION_ERROR"

    async def test_a_token_of_somebody_else_changes_nothing(
        self, open_channel: Open, sign_up: SignUp
    ) -> None:
        buyer, other = await sign_up("customer"), await sign_up("customer")
        channel = await open_channel(buyer.token)
        await channel.hear()

        await channel.say("authenticate", token=other.token)

        assert await channel.hear_error() == "INVALID_TOKEN"
        assert await channel.end() == (4401, "TOKEN_EXPIRED")


async def test_the_access_log_tells_how_it_ended(open_channel: Open, sign_up: SignUp, lines: Lines) -> None:
    buyer = await sign_up("customer")
    channel = await open_channel(buyer.token)
    await channel.hear()
    await channel.connection.close(1000)

    await until(lambda: bool(lines))

    [line] = lines
    assert (line["path"], line["status"], line["close_code"]) == ("/api/v1/ws", 101, 1000)
    assert line["actor_id"] == str(buyer.account_id)


async def until(true: Any) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - nobody tells when a line is written
            await asyncio.sleep(0.01)
