"""Somebody with a thousand addresses guesses one password; its owner still comes in."""

from collections.abc import AsyncIterator

import httpx
import pytest

from api.app import create_app
from api.assembly import AppServices
from api.controllers import CONTROLLERS
from infrastructure.cache.familiar_places import FamiliarPlaces
from tests.api.accounts.mailbox import Mailbox, an_address
from tests.api.asking import refusal
from tests.api.conftest import PASSWORD

pytestmark = pytest.mark.services

EMAIL = "zebo@example.uz"
HOME = "203.0.113.7"
ABROAD = "198.51.100.77"
CEILING = 4


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return {
        **environment,
        "RATE_LIMIT_ENABLED": "true",
        "RATE_LIMIT_MAX_REQUESTS": "1000",
        "AUTH_RATE_LIMIT_MAX": "3",
        "AUTH_RATE_LIMIT_MAX_PER_IDENTIFIER": str(CEILING),
    }


@pytest.fixture
async def door(services: AppServices) -> AsyncIterator[httpx.AsyncClient]:
    """The shop's door, with an account whose owner has registered at home."""
    app = create_app(services, CONTROLLERS)
    # A busy machine must not turn everybody into somebody familiar.
    app.limits.places = FamiliarPlaces(services.redis, namespace=EMAIL.encode(), patience_seconds=5)
    assert services.redis is not None
    async for key in services.redis.scan_iter("daftar:familiar:*"):
        await services.redis.delete(key)
    transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://daftar.test/api/v1") as client:
        body = {"email": EMAIL, "password": PASSWORD, "name": "Zebo", "kind": "customer"}
        answer = await client.post("/auth/register", json=body, headers={"X-Forwarded-For": HOME})
        assert answer.status_code == 201
        yield client


async def sign_in(
    door: httpx.AsyncClient, address: str, password: str = PASSWORD, email: str = EMAIL
) -> httpx.Response:
    body = {"email": email, "password": password}
    return await door.post("/auth/login", json=body, headers={"X-Forwarded-For": address})


async def guess_from_everywhere(door: httpx.AsyncClient, times: int, email: str = EMAIL) -> list[int]:
    return [
        (await sign_in(door, f"192.0.2.{number}", f"wrong guess {number}", email)).status_code
        for number in range(times)
    ]


async def test_guesses_from_many_addresses_come_to_an_end(door: httpx.AsyncClient) -> None:
    assert await guess_from_everywhere(door, CEILING + 2) == [401] * CEILING + [429, 429]
    right = await sign_in(door, ABROAD)
    assert refusal(right) == (429, "RATE_LIMIT_EXCEEDED")
    assert int(right.headers["Retry-After"]) > 0


async def test_the_owner_comes_in_from_home_however_many_guess(door: httpx.AsyncClient) -> None:
    await guess_from_everywhere(door, CEILING + 1)
    assert (await sign_in(door, HOME)).status_code == 200


async def test_wherever_the_owner_has_signed_in_is_home(door: httpx.AsyncClient) -> None:
    assert (await sign_in(door, ABROAD)).status_code == 200
    await guess_from_everywhere(door, CEILING + 1)
    assert (await sign_in(door, ABROAD)).status_code == 200


async def test_a_wrong_password_makes_no_place_familiar(door: httpx.AsyncClient) -> None:
    assert (await sign_in(door, ABROAD, "wrong guess")).status_code == 401
    await guess_from_everywhere(door, CEILING + 1)
    assert (await sign_in(door, ABROAD)).status_code == 429


async def test_who_guesses_at_home_is_held_to_the_limit_of_the_address(door: httpx.AsyncClient) -> None:
    # One of the three went into registering.
    assert [(await sign_in(door, HOME, "wrong guess")).status_code for _ in range(3)] == [401, 401, 429]


async def test_with_a_stolen_token_nobody_guesses_for_ever_either(door: httpx.AsyncClient) -> None:
    token = (await sign_in(door, HOME)).json()["data"]["accessToken"]

    async def change(number: int, current: str) -> int:
        body = {"currentPassword": current, "newPassword": "another horse battery"}
        headers = {"X-Forwarded-For": f"192.0.2.{number}", "Authorization": f"Bearer {token}"}
        return (await door.post("/auth/change-password", json=body, headers=headers)).status_code

    tried = [await change(number, f"wrong guess {number}") for number in range(CEILING + 1)]

    assert tried == [400] * CEILING + [429]
    assert await change(200, PASSWORD) == 429


async def test_it_shows_nobody_whether_there_is_an_account(door: httpx.AsyncClient) -> None:
    known = await guess_from_everywhere(door, CEILING + 1)
    unknown = await guess_from_everywhere(door, CEILING + 1, "nobody@example.uz")
    assert known == unknown


async def test_others_can_sign_in_meanwhile(door: httpx.AsyncClient) -> None:
    await guess_from_everywhere(door, CEILING + 1, "nobody@example.uz")
    assert (await sign_in(door, ABROAD)).status_code == 200


async def test_whoever_sets_a_new_password_by_mail_comes_in_with_it_however_many_guess(
    door: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    email = an_address()
    here = {"X-Forwarded-For": ABROAD}
    body = {"email": email, "password": PASSWORD, "name": "Zebo"}
    assert (
        await door.post("/auth/register", json=body, headers={"X-Forwarded-For": HOME})
    ).status_code == 201
    await guess_from_everywhere(door, CEILING + 1, email)
    assert (await sign_in(door, ABROAD, PASSWORD, email)).status_code == 429
    await door.post("/auth/forgot-password", json={"email": email}, headers=here)
    new = {"token": await mailbox.token_for(email, "password-reset"), "password": "a new and better password"}
    assert (await door.post("/auth/reset-password", json=new, headers=here)).status_code == 200
    assert (await sign_in(door, ABROAD, new["password"], email)).status_code == 200
