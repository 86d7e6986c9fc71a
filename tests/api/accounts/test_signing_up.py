"""Signing up and verifying an address, by code and by link (requirements ACC-11 to ACC-15, OTP-03, OTP-04, OTP-09)."""

from typing import Any

import httpx
import pytest

from tests.api.accounts.mailbox import Mailbox, an_address, text_of, wrong
from tests.api.asking import data_of, refusal, wrong_fields
from tests.api.conftest import PASSWORD

pytestmark = pytest.mark.services

KINDS = ("influencer", "salon")


async def sign_up(client: httpx.AsyncClient, kind: str, email: str, **changes: Any) -> httpx.Response:
    body = {"name": "Zebo", "email": email, "password": PASSWORD, "termsAccepted": True, **changes}
    return await client.post(f"/auth/signup/{kind}", json=body)


async def log_in(client: httpx.AsyncClient, email: str) -> httpx.Response:
    return await client.post("/auth/login", json={"email": email, "password": PASSWORD})


async def show(client: httpx.AsyncClient, email: str, code: str) -> httpx.Response:
    return await client.post("/auth/verify-otp", json={"email": email, "otp": code})


async def register(client: httpx.AsyncClient, email: str, **more: Any) -> Any:
    body = {"email": email, "password": PASSWORD, "name": "Zebo", **more}
    return data_of(await client.post("/auth/register", json=body), 201)


async def verified(client: httpx.AsyncClient, token: str) -> bool:
    profile = await client.get("/profile/me", headers={"Authorization": f"Bearer {token}"})
    found: bool = data_of(profile)["emailVerified"]
    return found


@pytest.mark.parametrize("kind", KINDS)
class TestInfluencersAndSalons:
    async def test_get_no_tokens_before_their_address_is_verified(
        self, client: httpx.AsyncClient, mailbox: Mailbox, kind: str
    ) -> None:
        email = an_address()

        answer = await sign_up(client, kind, email.upper())

        data = data_of(answer, 201)
        assert data == {"userId": data["userId"], "email": email}
        assert "code" in answer.json()["message"]
        early = await log_in(client, email)
        assert refusal(early) == (403, "EMAIL_NOT_VERIFIED")
        shown = await show(client, email, await mailbox.code_for(email))
        assert data_of(shown) is None
        user = data_of(await log_in(client, email))["user"]
        assert (user["id"], user["role"], user["kind"]) == (data["userId"], kind, kind)

    async def test_accept_the_terms(self, client: httpx.AsyncClient, kind: str) -> None:
        refused = await sign_up(client, kind, an_address(), termsAccepted=False)
        silent = await client.post(
            f"/auth/signup/{kind}", json={"name": "Zebo", "email": an_address(), "password": PASSWORD}
        )

        assert wrong_fields(refused) == {"termsAccepted": "accepted"}
        assert wrong_fields(silent) == {"termsAccepted": "required"}

    async def test_that_are_not_verified_are_told_so_only_with_the_right_password(
        self, client: httpx.AsyncClient, kind: str
    ) -> None:
        email = an_address()
        await sign_up(client, kind, email)

        guess = await client.post("/auth/login", json={"email": email, "password": "guessed it"})

        assert refusal(guess) == (401, "INVALID_CREDENTIALS")


class TestSigningUp:
    async def test_a_repetition_under_one_key_is_one_account_and_one_code(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        email = an_address()
        body = {"name": "Zebo", "email": email, "password": PASSWORD, "termsAccepted": True}
        headers = {"Idempotency-Key": f"sign up {email}".replace(" ", "-")}

        first = await client.post("/auth/signup/salon", json=body, headers=headers)
        again = await client.post("/auth/signup/salon", json=body, headers=headers)

        assert data_of(first, 201) == data_of(again, 201)
        assert again.headers["Idempotent-Replayed"] == "true"
        await show(client, email, await mailbox.code_for(email))
        assert len(mailbox.mails(email, "one-time-code")) == 1

    async def test_an_address_has_one_account_of_whatever_kind(self, client: httpx.AsyncClient) -> None:
        email = an_address()
        await register(client, email)

        assert refusal(await sign_up(client, "salon", email)) == (409, "USER_EXISTS")

    async def test_the_mail_is_in_the_language_that_was_spoken_at_the_door(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        client.headers["Accept-Language"] = "uz"
        code, link = an_address(), an_address()

        answer = await sign_up(client, "salon", code)
        await register(client, link)

        assert answer.headers["Content-Language"] == "uz"
        assert "Assalomu alaykum" in text_of(await mailbox.mail(code, "one-time-code"))
        assert "Assalomu alaykum, Zebo" in text_of(await mailbox.mail(link, "email-verification"))


class TestACode:
    async def test_opens_once(self, client: httpx.AsyncClient, mailbox: Mailbox) -> None:
        email = an_address()
        await sign_up(client, "salon", email)
        code = await mailbox.code_for(email)
        await show(client, email, code)

        assert refusal(await show(client, email, code)) == (400, "OTP_EXPIRED")

    async def test_survives_three_wrong_guesses_and_no_more(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        email = an_address()
        await sign_up(client, "salon", email)
        code = await mailbox.code_for(email)

        guesses = [await show(client, email, wrong(code)) for _ in range(3)]

        assert {refusal(guess) for guess in guesses} == {(400, "OTP_INVALID")}
        assert [guess.json()["error"]["details"]["attemptsLeft"] for guess in guesses] == [2, 1, 0]
        assert refusal(await show(client, email, code)) == (429, "OTP_ATTEMPTS_EXCEEDED")
        assert refusal(await show(client, email, code)) == (400, "OTP_EXPIRED")

    @pytest.mark.parametrize("text", ["", "12345", "1234567", "١٢٣٤٥٦", "12 345"])
    async def test_is_six_digits(self, client: httpx.AsyncClient, text: str) -> None:
        assert refusal(await show(client, an_address(), text)) == (400, "OTP_INVALID")

    async def test_is_replaced_by_the_next_one(self, client: httpx.AsyncClient, mailbox: Mailbox) -> None:
        email = an_address()
        await sign_up(client, "salon", email)
        old = await mailbox.code_for(email)
        data_of(await client.post("/auth/resend-otp", json={"email": email}))
        new = await mailbox.code_for(email, 2)

        if old != new:  # One time of nine hundred thousand they are equal.
            assert refusal(await show(client, email, old)) == (400, "OTP_INVALID")
        assert data_of(await show(client, email, new)) is None

    async def test_is_asked_for_five_times_in_a_quarter_of_an_hour(self, client: httpx.AsyncClient) -> None:
        email = an_address()
        await sign_up(client, "salon", email)

        answers = [await client.post("/auth/resend-otp", json={"email": email}) for _ in range(5)]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
        assert refusal(answers[-1]) == (429, "OTP_RATE_LIMITED")
        assert 0 < int(answers[-1].headers["Retry-After"]) <= 900


class TestALink:
    async def test_verifies_the_address_of_a_customer_who_is_signed_in_without(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        email = an_address()
        token = (await register(client, email))["accessToken"]
        assert not await verified(client, token)

        answer = await client.post(
            "/auth/verify-email", json={"token": await mailbox.token_for(email, "email-verification")}
        )

        assert data_of(answer) is None
        assert await verified(client, token)

    async def test_opens_once_and_only_the_newest_does(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        email = an_address()
        await register(client, email, kind="seller")
        old = await mailbox.token_for(email, "email-verification")
        data_of(await client.post("/auth/resend-verification", json={"email": email}))
        new = await mailbox.token_for(email, "email-verification", 2)

        answers = [await client.post("/auth/verify-email", json={"token": each}) for each in (old, new, new)]

        assert [answer.status_code for answer in answers] == [400, 200, 400]
        assert refusal(answers[0]) == refusal(answers[2]) == (400, "VERIFICATION_TOKEN_INVALID")

    @pytest.mark.parametrize("token", ["", "nonsense", "0" * 64, "a" * 1000])
    async def test_of_nobody_is_refused_without_a_reason(self, client: httpx.AsyncClient, token: str) -> None:
        answer = await client.post("/auth/verify-email", json={"token": token})

        assert refusal(answer) == (400, "VERIFICATION_TOKEN_INVALID")


class TestAShopThatWantsItsCustomersVerified:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return {**environment, "EMAIL_VERIFICATION_REQUIRED_FOR": "customer"}

    async def test_signs_them_in_when_they_have_followed_the_link(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        email = an_address()
        answer = await client.post(
            "/auth/register", json={"email": email, "password": PASSWORD, "name": "Zebo"}
        )

        assert set(data_of(answer, 201)) == {"user"}
        assert "link" in answer.json()["message"]
        assert refusal(await log_in(client, email)) == (403, "EMAIL_NOT_VERIFIED")
        token = await mailbox.token_for(email, "email-verification")
        data_of(await client.post("/auth/verify-email", json={"token": token}))
        assert data_of(await log_in(client, email))["accessToken"]
