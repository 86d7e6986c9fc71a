"""Signing in by a phone, and making a phone one's own (requirements ACC-06, OTP-03, OTP-07, OTP-08)."""

import asyncio
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.api.accounts.mailbox import Mailbox, a_phone, an_address, wrong
from tests.api.asking import data_of, refusal, wrong_fields
from tests.api.conftest import PASSWORD, SignUp

pytestmark = pytest.mark.services


async def send(client: httpx.AsyncClient, phone: str) -> httpx.Response:
    return await client.post("/auth/otp/send", json={"phone": phone})


async def show(client: httpx.AsyncClient, phone: str, code: str, **more: Any) -> httpx.Response:
    return await client.post("/auth/otp/verify", json={"phone": phone, "otp": code, **more})


async def come_in(client: httpx.AsyncClient, mailbox: Mailbox, phone: str, number: int = 1) -> Any:
    """Sign in by the code with this number; returns the answer's data."""
    data_of(await send(client, phone))
    return data_of(await show(client, phone, await mailbox.code_on(phone, number)))


def bearer(data: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {data['accessToken']}"}


class TestSigningInByPhone:
    async def test_who_is_new_here_becomes_a_customer(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        phone = a_phone()
        sent = await send(client, f"{phone[:4]} ({phone[4:6]}) {phone[6:]}")

        answer = await show(client, phone, await mailbox.code_on(phone), name=" Zebo ")

        assert data_of(sent)["expiresAt"].endswith("Z")
        user = data_of(answer)["user"]
        assert {**user, "id": ""} == {
            "id": "",
            "email": None,
            "name": "Zebo",
            "phone": phone,
            "role": "customer",
            "status": "approved",
            "kind": "customer",
        }
        me = await client.get("/auth/me", headers=bearer(data_of(answer)))
        assert data_of(me) == user

    async def test_who_was_here_before_finds_the_same_account(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        phone = a_phone()
        first = await come_in(client, mailbox, phone)

        second = await come_in(client, mailbox, phone, 2)

        assert second["user"] == first["user"]
        assert second["accessToken"] != first["accessToken"]

    async def test_a_wrong_code_opens_nothing(self, client: httpx.AsyncClient, mailbox: Mailbox) -> None:
        phone = a_phone()
        await send(client, phone)
        code = await mailbox.code_on(phone)

        guess = await show(client, phone, wrong(code))

        assert refusal(guess) == (400, "OTP_INVALID")
        assert data_of(await show(client, phone, code))["accessToken"]

    async def test_what_is_no_phone_or_no_name_uses_up_no_code(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        phone = a_phone()
        await send(client, phone)
        code = await mailbox.code_on(phone)

        assert wrong_fields(await send(client, "901234567")) == {"phone": "phone"}
        assert set(wrong_fields(await show(client, phone, code, name="Z"))) == {"name"}
        assert data_of(await show(client, phone, code))

    async def test_the_sixth_code_in_a_quarter_of_an_hour_is_refused(self, client: httpx.AsyncClient) -> None:
        phone = a_phone()

        answers = [await send(client, phone) for _ in range(6)]

        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        assert refusal(answers[-1]) == (429, "OTP_RATE_LIMITED")
        assert int(answers[-1].headers["Retry-After"]) > 0

    async def test_fifty_who_guess_at_once_have_three_guesses_together(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        phone = a_phone()
        await send(client, phone)
        code = await mailbox.code_on(phone)
        guesses = [str(number) for number in range(100_000, 100_051) if str(number) != code][:50]

        answers = await asyncio.gather(*(show(client, phone, guess) for guess in guesses))

        counted = Counter(refusal(answer) for answer in answers)
        assert counted == {
            (400, "OTP_INVALID"): 3,
            (429, "OTP_ATTEMPTS_EXCEEDED"): 1,
            (400, "OTP_EXPIRED"): 46,
        }
        assert refusal(await show(client, phone, code)) == (400, "OTP_EXPIRED")

    async def test_fifty_who_show_the_right_code_at_once_are_one(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        phone = a_phone()
        await send(client, phone)
        code = await mailbox.code_on(phone)

        answers = await asyncio.gather(*(show(client, phone, code) for _ in range(50)))

        assert Counter(answer.status_code for answer in answers) == {200: 1, 400: 49}


class TestMakingAPhoneOnesOwn:
    async def test_the_owner_signs_in_by_it_from_now_on(
        self, client: httpx.AsyncClient, mailbox: Mailbox, sign_up: SignUp
    ) -> None:
        zebo, phone = await sign_up(), a_phone()
        sent = await client.post("/profile/me/phone/send-code", json={"phone": phone}, headers=zebo.headers)
        assert data_of(sent)["expiresAt"]

        answer = await client.post(
            "/profile/me/phone/verify",
            json={"phone": phone, "otp": await mailbox.code_on(phone)},
            headers=zebo.headers,
        )

        profile = data_of(answer)
        assert (profile["phone"], profile["phoneVerified"]) == (phone, True)
        assert (await come_in(client, mailbox, phone, 2))["user"]["id"] == str(zebo.account_id)

    async def test_the_phone_of_another_stays_theirs(
        self, client: httpx.AsyncClient, mailbox: Mailbox, sign_up: SignUp
    ) -> None:
        zebo, phone = await sign_up(), a_phone()
        await come_in(client, mailbox, phone)
        await client.post("/profile/me/phone/send-code", json={"phone": phone}, headers=zebo.headers)

        answer = await client.post(
            "/profile/me/phone/verify",
            json={"phone": phone, "otp": await mailbox.code_on(phone, 2)},
            headers=zebo.headers,
        )

        assert refusal(answer) == (409, "USER_EXISTS")

    async def test_a_code_to_sign_in_by_proves_no_phone_to_be_ones_own(
        self, client: httpx.AsyncClient, mailbox: Mailbox, sign_up: SignUp
    ) -> None:
        zebo, phone = await sign_up(), a_phone()
        await send(client, phone)
        body = {"phone": phone, "otp": await mailbox.code_on(phone)}

        answer = await client.post("/profile/me/phone/verify", json=body, headers=zebo.headers)

        assert refusal(answer) == (400, "OTP_EXPIRED")

    async def test_strangers_own_no_phones(self, client: httpx.AsyncClient) -> None:
        for path, body in (("send-code", {"phone": a_phone()}), ("verify", {"phone": a_phone(), "otp": "1"})):
            answer = await client.post(f"/profile/me/phone/{path}", json=body)
            assert refusal(answer) == (401, "NO_TOKEN")

    async def test_the_only_key_of_an_account_is_not_given_away(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        data = await come_in(client, mailbox, a_phone())

        answer = await client.put("/profile/me", json={"phone": a_phone()}, headers=bearer(data))

        assert refusal(answer) == (409, "PHONE_IS_ONLY_KEY")


class TestWithoutAWayToPhones:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "SMS_PROVIDER": "off"}

    async def test_signing_in_by_one_is_unavailable_and_by_password_is_not(
        self, client: httpx.AsyncClient
    ) -> None:
        email = an_address()
        body = {"email": email, "password": PASSWORD, "name": "Zebo"}
        data_of(await client.post("/auth/register", json=body), 201)

        answer = await send(client, a_phone())

        assert refusal(answer) == (503, "SERVICE_UNAVAILABLE")
        assert int(answer.headers["Retry-After"]) >= 1
        data_of(await client.post("/auth/login", json={"email": email, "password": PASSWORD}))
