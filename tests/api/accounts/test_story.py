"""A salon from its first mail to its new password, a customer with a phone, and what is left of their secrets: nothing."""

import io
import json
import re
from typing import Any

import httpx
import psycopg
import pytest

from tests.api.accounts.mailbox import Mailbox, a_phone, an_address, wrong
from tests.api.asking import data_of, refusal
from tests.api.conftest import PASSWORD

pytestmark = pytest.mark.services

NEW = "a new and better password"
NEWEST = "the very best of passwords"


def lines_of(logged: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in logged.getvalue().splitlines()]


async def everything_in(database_url: str) -> str:
    """All facts, and all secrets that are kept beside them, as text."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        facts = await connection.execute(
            "SELECT topic, convert_from(state, 'UTF8'), metadata::text FROM stored_events"
        )
        kept = await connection.execute(
            "SELECT t::text, encode(t::text::bytea, 'escape') FROM credentials AS t"
        )
        return "\n".join(str(row) for row in [*await facts.fetchall(), *await kept.fetchall()])


async def test_secrets_of_a_whole_life_are_in_no_line_of_the_log_and_in_no_fact(
    client: httpx.AsyncClient, mailbox: Mailbox, logged: io.StringIO, database_url: str
) -> None:
    secrets: list[str] = [PASSWORD, NEW, NEWEST]
    email, phone = an_address("dilnoza"), a_phone()

    # A salon signs up, verifies its address and comes in.
    body = {"name": "Dilnoza", "email": email, "password": PASSWORD, "termsAccepted": True}
    salon = data_of(await client.post("/auth/signup/salon", json=body), 201)
    code = await mailbox.code_for(email)
    for shown, status in ((wrong(code), 400), (code, 200)):
        answer = await client.post("/auth/verify-otp", json={"email": email, "otp": shown})
        assert answer.status_code == status
    first = data_of(await client.post("/auth/login", json={"email": email, "password": PASSWORD}))
    pair = data_of(await client.post("/auth/refresh", json={"refreshToken": first["refreshToken"]}))
    bearer = {"Authorization": f"Bearer {pair['accessToken']}"}
    secrets += [code, *_tokens(first), *_tokens(pair)]

    # It changes its password, its name and its picture.
    change = {"currentPassword": PASSWORD, "newPassword": NEW}
    data_of(await client.post("/auth/change-password", json=change, headers=bearer))
    profile = {"name": "Dilnoza Karimova", "avatarUrl": "https://example.uz/karimova.png"}
    data_of(await client.put("/profile/me", json=profile, headers=bearer))

    # It is onboarded, and says something else of itself soon.
    shown = {"businessName": "Chez Dilnoza", "categories": ["bridal braids"], "region": "Chilonzor"}
    shown |= {"description": "Run by Karimova.", "address": "Gulobod 17"}
    data_of(await client.post("/onboarding/salon", json=shown, headers=bearer))
    revised = {"salon": {"businessName": "Dilnoza's", "address": None}}
    data_of(await client.put("/profile/me", json=revised, headers=bearer))

    # It gives a phone.
    data_of(await client.post("/profile/me/phone/send-code", json={"phone": phone}, headers=bearer))
    code = await mailbox.code_on(phone)
    body = {"phone": phone, "otp": code}
    data_of(await client.post("/profile/me/phone/verify", json=body, headers=bearer))
    secrets.append(code)

    # It forgets the password twice, and is let in by its phone at last.
    data_of(await client.post("/auth/forgot-password", json={"email": email}))
    token = await mailbox.token_for(email, "password-reset")
    data_of(await client.post("/auth/reset-password", json={"token": token, "password": NEWEST}))
    data_of(await client.post("/auth/forgot-password", json={"email": email, "channel": "otp"}))
    code = await mailbox.code_for(email, 2)
    ticket = data_of(await client.post("/auth/verify-forgot-otp", json={"email": email, "otp": code}))
    body = {"token": ticket["resetToken"], "password": NEW}
    data_of(await client.post("/auth/reset-password", json=body))
    assert refusal(await client.get("/auth/me", headers=bearer)) == (401, "TOKEN_REVOKED")
    secrets += [token, code, ticket["resetToken"]]
    data_of(await client.post("/auth/otp/send", json={"phone": phone}))
    code = await mailbox.code_on(phone, 2)
    last = data_of(await client.post("/auth/otp/verify", json={"phone": phone, "otp": code}))
    assert last["user"]["id"] == salon["userId"]
    bearer = {"Authorization": f"Bearer {last['accessToken']}"}
    data_of(await client.post("/auth/logout", json={"allSessions": True}, headers=bearer))
    secrets += [code, *_tokens(last)]

    lines = lines_of(logged)
    told = [line for line in lines if line["event"].startswith("account_")]
    assert [line["event"] for line in told] == [
        "account_registered",
        "account_email_verified",
        "account_logged_in",
        "account_password_changed",
        "account_profile_changed",
        "account_onboarded",
        "account_profile_changed",
        "account_phone_verified",
        "account_password_reset",
        "account_password_reset",
        "account_logged_in",
        "account_logged_out",
    ]
    assert {(line["account_id"], line["role"], line["client_address"]) for line in told} == {
        (salon["userId"], "salon", "127.0.0.1")
    }
    changed = [line["fields"] for line in told if line["event"] == "account_profile_changed"]
    assert changed == [["name", "avatar_url"], ["salon.business_name", "salon.address"]]
    written = {"log": logged.getvalue(), "database": await everything_in(database_url)}
    assert "PasswordResetPermitted" in written["database"]
    assert "mail_sent" in written["log"]
    said = ("Chez", "Dilnoza's", "bridal", "Chilonzor", "Gulobod")
    found = {
        (place, secret)
        for place, text in written.items()
        for secret in (*secrets, email, phone[1:], "Karimova", "karimova", *said)
        # A digest or an id may hold any six digits; a code stands by itself.
        if re.search(rf"(?<![0-9a-fA-F.]){re.escape(secret)}(?![0-9a-fA-F])", text)
    }
    assert found == set()


def _tokens(data: Any) -> tuple[str, str]:
    return data["accessToken"], data["refreshToken"]
