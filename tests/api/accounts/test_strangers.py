"""What strangers cannot find out, and how often they may try (requirements ACC-17, ACC-25, SEC-09, SEC-24)."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from infrastructure.embedded.supervisor import EmbeddedServices
from tests.api.accounts.mailbox import Mailbox, a_phone, an_address
from tests.api.asking import data_of, refusal
from tests.api.conftest import PASSWORD

pytestmark = pytest.mark.services

Ask = Callable[[httpx.AsyncClient, str], Awaitable[httpx.Response]]

SAMPLES = 15
ROUNDS = 6
"""A difference that is there is there in all rounds; one that the machine makes is not."""


def posting(path: str, **more: Any) -> Ask:
    async def ask(client: httpx.AsyncClient, email: str) -> httpx.Response:
        return await client.post(path, json={"email": email, **more})

    return ask


WAYS = {
    "login": posting("/auth/login", password="guessed it"),
    "forgotten, by link": posting("/auth/forgot-password"),
    "forgotten, by code": posting("/auth/forgot-password", channel="otp"),
    "forgotten, once more": posting("/auth/resend-forgot-otp"),
    "another code": posting("/auth/resend-otp"),
    "another link": posting("/auth/resend-verification"),
}
"""Where a stranger names an address."""

GUESSES = {
    "code": posting("/auth/verify-otp", otp="123456"),
    "code for a new password": posting("/auth/verify-forgot-otp", otp="123456"),
}


async def registered(client: httpx.AsyncClient) -> str:
    email = an_address()
    body = {"email": email, "password": PASSWORD, "name": "Zebo"}
    data_of(await client.post("/auth/register", json=body), 201)
    return email


def shown(answer: httpx.Response) -> Any:
    """All of an answer but what is drawn anew for each."""
    headers = {
        name: value
        for name, value in answer.headers.items()
        if name not in {"x-request-id", "date", "traceparent", "server-timing"}
    }
    body = answer.json()
    body.get("error", {}).pop("requestId", None)
    return answer.status_code, headers, body


class TestWhatIsSaid:
    @pytest.mark.parametrize("way", WAYS)
    async def test_is_the_same_whether_or_not_an_address_has_an_account(
        self, client: httpx.AsyncClient, way: str
    ) -> None:
        known, unknown = await registered(client), an_address()

        assert shown(await WAYS[way](client, known)) == shown(await WAYS[way](client, unknown))

    @pytest.mark.parametrize(
        ("guess", "way"),
        [("code", "another code"), ("code for a new password", "forgotten, by code")],
    )
    async def test_of_a_guess_at_a_code_is_the_same_too(
        self, client: httpx.AsyncClient, guess: str, way: str
    ) -> None:
        told = []
        for email in (await registered(client), an_address()):
            before = shown(await GUESSES[guess](client, email))
            await WAYS[way](client, email)
            told.append([before, *[shown(await GUESSES[guess](client, email)) for _ in range(5)]])

        assert told[0] == told[1]
        assert [status for status, _, _ in told[0]] == [400, 400, 400, 400, 429, 400]

    async def test_of_too_many_wishes_for_codes_is_the_same_too(self, client: httpx.AsyncClient) -> None:
        for email in (await registered(client), an_address()):
            statuses = [(await WAYS["another code"](client, email)).status_code for _ in range(6)]
            assert statuses == [200] * 5 + [429]


class TestHowLongItTakes:
    @pytest.fixture
    async def slow_mail_server(self) -> AsyncIterator[int]:
        """Takes every mail, and a quarter of a second for it."""
        async with await asyncio.start_server(_take_slowly, "127.0.0.1", 0) as listening:
            yield listening.sockets[0].getsockname()[1]

    @pytest.fixture
    def environment(self, environment: dict[str, str], slow_mail_server: int) -> dict[str, str]:
        # What costs time only those who are known, a hash or a mail, costs more of it than can be overlooked.
        return {
            **environment,
            "BCRYPT_ROUNDS": "9",
            "OTP_MAX_REQUESTS": "1000",
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(slow_mail_server),
        }

    async def test_is_the_same_whether_or_not_an_address_has_an_account(
        self, client: httpx.AsyncClient
    ) -> None:
        known, unknown = await registered(client), an_address()
        told = {
            way: await _compared(client, WAYS[way], known, unknown)
            for way in ("login", "forgotten, by link", "forgotten, by code", "another code")
        }

        assert not any(told.values()), "gaps between medians, and the noise around them, in seconds"


async def _compared(
    client: httpx.AsyncClient, ask: Ask, known: str, unknown: str
) -> list[tuple[float, float]]:
    """The gap and the noise of each round, or nothing when a gap was lost in the noise."""
    told = []
    for email in (known, unknown):
        await ask(client, email)
    for _ in range(ROUNDS):
        taken: dict[str, list[float]] = {known: [], unknown: []}
        for _ in range(SAMPLES):
            for email in (known, unknown):
                began = time.perf_counter()
                await ask(client, email)
                taken[email].append(time.perf_counter() - began)
        gap = abs(statistics.median(taken[known]) - statistics.median(taken[unknown]))
        noise = max(_spread(taken[known]), _spread(taken[unknown]), 0.002)
        if gap <= noise:
            return []
        told.append((gap, noise))
    return told


async def _take_slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.25)
    answer = b"220 at last"
    while not answer.startswith(b"221"):
        writer.write(answer + b"\r\n")
        verb = (await reader.readline())[:4]
        if answer.startswith(b"354"):
            await reader.readuntil(b"\r\n.\r\n")
        answer = {b"DATA": b"354 go on", b"QUIT": b"221 bye", b"": b"221 gone"}.get(verb, b"250 well")
    writer.write(answer + b"\r\n")
    writer.close()


def _spread(seconds: list[float]) -> float:
    """Between the quickest and the slowest quarter."""
    first, _, third = statistics.quantiles(seconds, n=4)
    return third - first


class TestHowOften:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "RATE_LIMIT_ENABLED": "true", "AUTH_RATE_LIMIT_MAX": "2"}

    @pytest.mark.parametrize("way", {**WAYS, **GUESSES})
    async def test_an_address_is_named_only_so_many_times(self, client: httpx.AsyncClient, way: str) -> None:
        ask, email = {**WAYS, **GUESSES}[way], an_address()

        answers = [await ask(client, text) for text in (email, f" {email.upper()} ", email)]

        assert answers[1].status_code != 429
        assert refusal(answers[2]) == (429, "RATE_LIMIT_EXCEEDED")
        assert int(answers[2].headers["Retry-After"]) > 0
        assert (await ask(client, an_address())).status_code != 429

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            (
                "/auth/signup/salon",
                {"name": "Z", "email": "{}@example.uz", "password": "x", "termsAccepted": True},
            ),
            ("/auth/otp/verify", {"phone": "+99890{}", "otp": "123456"}),
            ("/auth/verify-email", {"token": "{}"}),
            ("/auth/reset-password", {"token": "{}", "password": PASSWORD}),
        ],
    )
    async def test_nor_is_anything_else_that_could_be_guessed(
        self, client: httpx.AsyncClient, path: str, body: dict[str, Any]
    ) -> None:
        drawn = a_phone()[6:]
        filled = {
            name: value.format(drawn) if isinstance(value, str) else value for name, value in body.items()
        }

        statuses = [(await client.post(path, json=filled)).status_code for _ in range(3)]

        assert statuses == [400, 400, 429]

    async def test_who_has_tried_too_often_can_still_have_a_new_password(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        email = await registered(client)
        for _ in range(3):
            last = await WAYS["login"](client, email)
        assert last.status_code == 429
        data_of(await WAYS["forgotten, by link"](client, email))
        token = await mailbox.token_for(email, "password-reset")

        body = {"token": token, "password": "a new and better password"}

        assert data_of(await client.post("/auth/reset-password", json=body)) is None

    async def test_going_on_and_looking_at_oneself_is_not_counted(self, client: httpx.AsyncClient) -> None:
        body = {"email": an_address(), "password": PASSWORD, "name": "Zebo"}
        tokens = data_of(await client.post("/auth/register", json=body), 201)

        for _ in range(4):
            tokens = data_of(
                await client.post("/auth/refresh", json={"refreshToken": tokens["refreshToken"]})
            )
            bearer = {"Authorization": f"Bearer {tokens['accessToken']}"}
            assert data_of(await client.get("/auth/me", headers=bearer))


class TestWithoutRedis:
    async def test_codes_are_unavailable_and_all_else_goes_on(
        self, client: httpx.AsyncClient, mailbox: Mailbox, embedded: EmbeddedServices
    ) -> None:
        email, phone = await registered(client), a_phone()
        data_of(await client.post("/auth/otp/send", json={"phone": phone}))
        shows = {"phone": phone, "otp": await mailbox.code_on(phone)}

        await embedded.stop_service("redis")
        try:
            for path, body in (
                ("/auth/otp/send", {"phone": phone}),
                ("/auth/otp/verify", shows),
                ("/auth/resend-otp", {"email": email}),
                ("/auth/resend-otp", {"email": an_address()}),
                ("/auth/forgot-password", {"email": email, "channel": "otp"}),
                ("/auth/verify-forgot-otp", {"email": email, "otp": "123456"}),
            ):
                answer = await client.post(path, json=body)
                assert refusal(answer) == (503, "SERVICE_UNAVAILABLE"), path
                assert int(answer.headers["Retry-After"]) >= 1
            signed_in = data_of(await client.post("/auth/login", json={"email": email, "password": PASSWORD}))
            pair = data_of(
                await client.post("/auth/refresh", json={"refreshToken": signed_in["refreshToken"]})
            )
            bearer = {"Authorization": f"Bearer {pair['accessToken']}"}
            assert data_of(await client.get("/auth/me", headers=bearer))
            data_of(await WAYS["forgotten, by link"](client, email))
            assert await mailbox.token_for(email, "password-reset")
            body = {"name": "Zebo", "email": an_address(), "password": PASSWORD, "termsAccepted": True}
            data_of(await client.post("/auth/signup/salon", json=body), 201)
            data_of(await client.post("/auth/logout", headers=bearer))
            assert refusal(await client.get("/auth/me", headers=bearer)) == (401, "TOKEN_REVOKED")
        finally:
            await embedded.start_service("redis")

        for _ in range(200):
            answer = await client.post("/auth/otp/send", json={"phone": phone})
            if answer.status_code != 503:
                break
            await asyncio.sleep(0.05)
        assert data_of(answer)
