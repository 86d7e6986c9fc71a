"""New passwords: by the old one, by a link, by a code (requirements ACC-23 to ACC-25, OTP-10)."""

from typing import Any

import httpx
import pytest

from api.assembly import AppServices
from infrastructure.security.passwords import PasswordHasherBusy
from tests.api.accounts.mailbox import Mailbox, an_address, text_of, wrong
from tests.api.asking import data_of, refusal, wrong_fields
from tests.api.conftest import PASSWORD

pytestmark = pytest.mark.services

NEW = "a new and better password"


async def newcomer(client: httpx.AsyncClient) -> Any:
    body = {"email": an_address(), "password": PASSWORD, "name": "Zebo"}
    data = data_of(await client.post("/auth/register", json=body), 201)
    return {**data, "email": body["email"]}


async def log_in(client: httpx.AsyncClient, email: str, password: str) -> httpx.Response:
    return await client.post("/auth/login", json={"email": email, "password": password})


async def forget(client: httpx.AsyncClient, email: str, **more: Any) -> httpx.Response:
    return await client.post("/auth/forgot-password", json={"email": email, **more})


async def reset(client: httpx.AsyncClient, token: str, password: str = NEW) -> httpx.Response:
    return await client.post("/auth/reset-password", json={"token": token, "password": password})


async def show(client: httpx.AsyncClient, email: str, code: str) -> httpx.Response:
    return await client.post("/auth/verify-forgot-otp", json={"email": email, "otp": code})


def bearer(tokens: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['accessToken']}"}


async def change(client: httpx.AsyncClient, tokens: Any, current: str, new: str = NEW) -> httpx.Response:
    body = {"currentPassword": current, "newPassword": new}
    return await client.post("/auth/change-password", json=body, headers=bearer(tokens))


class TestChanging:
    async def test_who_knows_the_old_one_sets_a_new_one_and_stays_alone(
        self, client: httpx.AsyncClient
    ) -> None:
        zebo = await newcomer(client)
        elsewhere = data_of(await log_in(client, zebo["email"], PASSWORD))
        assert data_of(await client.get("/auth/me", headers=bearer(elsewhere)))

        answer = await change(client, zebo, PASSWORD)

        assert data_of(answer) is None
        assert data_of(await client.get("/auth/me", headers=bearer(zebo)))
        gone = await client.get("/auth/me", headers=bearer(elsewhere))
        assert refusal(gone) == (401, "TOKEN_REVOKED")
        assert refusal(await log_in(client, zebo["email"], PASSWORD)) == (401, "INVALID_CREDENTIALS")
        assert data_of(await log_in(client, zebo["email"], NEW))

    async def test_who_does_not_know_the_old_one_changes_nothing(self, client: httpx.AsyncClient) -> None:
        zebo = await newcomer(client)

        for guess in ("guessed it", "", "x" * 300):
            assert refusal(await change(client, zebo, guess)) == (400, "INVALID_CURRENT_PASSWORD")

        assert data_of(await log_in(client, zebo["email"], PASSWORD))

    async def test_a_new_one_that_nobody_may_have_is_named(self, client: httpx.AsyncClient) -> None:
        zebo = await newcomer(client)

        assert wrong_fields(await change(client, zebo, PASSWORD, "short")) == {"newPassword": "length"}

    async def test_strangers_have_none_to_change(self, client: httpx.AsyncClient) -> None:
        body = {"currentPassword": PASSWORD, "newPassword": NEW}

        assert refusal(await client.post("/auth/change-password", json=body)) == (401, "NO_TOKEN")

    async def test_a_breakdown_is_called_by_its_name_and_a_crowd_is_none(
        self, client: httpx.AsyncClient, services: AppServices, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failures: list[Exception] = [ZeroDivisionError("inside"), PasswordHasherBusy("Too many.")]

        async def stumble(**_: object) -> None:
            raise failures.pop(0)

        zebo = await newcomer(client)
        monkeypatch.setattr(services.door.password_changes, "change", stumble)

        assert refusal(await change(client, zebo, PASSWORD)) == (500, "PASSWORD_CHANGE_FAILED")
        assert refusal(await change(client, zebo, PASSWORD)) == (503, "OVERLOADED")


class TestForgettingByLink:
    async def test_the_link_leads_to_a_new_password_and_ends_every_session(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        zebo = await newcomer(client)
        assert data_of(await client.get("/auth/me", headers=bearer(zebo)))
        data_of(await forget(client, zebo["email"]))
        mail = text_of(await mailbox.mail(zebo["email"], "password-reset"))
        token = await mailbox.token_for(zebo["email"], "password-reset")

        answer = await reset(client, token)

        assert data_of(answer) is None
        assert f"http://localhost:3000/reset-password?token={token}" in mail
        assert "within 10 minutes" in mail
        gone = await client.get("/auth/me", headers=bearer(zebo))
        assert refusal(gone) == (401, "TOKEN_REVOKED")
        assert refusal(await log_in(client, zebo["email"], PASSWORD)) == (401, "INVALID_CREDENTIALS")
        assert data_of(await log_in(client, zebo["email"], NEW))

    async def test_only_the_newest_link_is_good_and_only_once(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        email = (await newcomer(client))["email"]
        data_of(await forget(client, email))
        old = await mailbox.token_for(email, "password-reset")
        data_of(await forget(client, email, channel="link"))
        new = await mailbox.token_for(email, "password-reset", 2)

        answers = [await reset(client, token) for token in (old, new, new)]

        assert [answer.status_code for answer in answers] == [400, 200, 400]
        assert refusal(answers[0]) == refusal(answers[2]) == (400, "RESET_TOKEN_INVALID")

    async def test_a_password_that_nobody_may_have_uses_up_no_link(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        email = (await newcomer(client))["email"]
        await forget(client, email)
        token = await mailbox.token_for(email, "password-reset")

        assert wrong_fields(await reset(client, token, "short")) == {"password": "length"}
        assert data_of(await reset(client, token)) is None

    @pytest.mark.parametrize("token", ["", "nonsense", "0" * 64])
    async def test_a_link_of_nobody_is_refused_without_a_reason(
        self, client: httpx.AsyncClient, token: str
    ) -> None:
        assert refusal(await reset(client, token)) == (400, "RESET_TOKEN_INVALID")

    async def test_a_link_to_verify_an_address_sets_no_password(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        email = (await newcomer(client))["email"]
        token = await mailbox.token_for(email, "email-verification")

        assert refusal(await reset(client, token)) == (400, "RESET_TOKEN_INVALID")


class TestForgettingByCode:
    async def test_the_four_steps(self, client: httpx.AsyncClient, mailbox: Mailbox) -> None:
        email = (await newcomer(client))["email"]
        data_of(await forget(client, email, channel="otp"))
        await mailbox.code_for(email)
        data_of(await client.post("/auth/resend-forgot-otp", json={"email": email}))

        ticket = data_of(await show(client, email, await mailbox.code_for(email, 2)))

        assert data_of(await reset(client, ticket["resetToken"])) is None
        assert data_of(await log_in(client, email, NEW))
        assert refusal(await reset(client, ticket["resetToken"])) == (400, "RESET_TOKEN_INVALID")

    async def test_a_wrong_code_gives_no_ticket(self, client: httpx.AsyncClient, mailbox: Mailbox) -> None:
        email = (await newcomer(client))["email"]
        await forget(client, email, channel="otp")
        code = await mailbox.code_for(email)

        assert refusal(await show(client, email, wrong(code))) == (400, "OTP_INVALID")
        # The code itself is no ticket, nor does it verify an address.
        assert refusal(await reset(client, code)) == (400, "RESET_TOKEN_INVALID")
        verify = await client.post("/auth/verify-otp", json={"email": email, "otp": code})
        assert refusal(verify) == (400, "OTP_EXPIRED")

    async def test_a_link_that_is_asked_for_makes_the_ticket_void(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        email = (await newcomer(client))["email"]
        await forget(client, email, channel="otp")
        ticket = data_of(await show(client, email, await mailbox.code_for(email)))
        await forget(client, email)

        assert refusal(await reset(client, ticket["resetToken"])) == (400, "RESET_TOKEN_INVALID")

    async def test_there_are_two_channels(self, client: httpx.AsyncClient) -> None:
        assert wrong_fields(await forget(client, an_address(), channel="pigeon")) == {"channel": "enum"}
