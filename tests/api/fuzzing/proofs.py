"""What only those know whom it was sent to: codes and tokens, for requests that could not guess them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final
from uuid import uuid4

from tests.api.accounts.mailbox import Mailbox, a_phone
from tests.journeys.shop import PASSWORD, Person, Shop

COUNT: Final = 6
"""How many of each there are: every success uses one up, and so may a request that takes it to the wrong place."""

Special = dict[str, dict[str, list[str]]]


async def for_strangers(shop: Shop, mailbox: Mailbox) -> Special:
    """How to prove an address or a phone, and how to go on."""
    codes, links, resets, tickets, phones, sessions = await asyncio.gather(
        _each(lambda: _code(shop, mailbox)),
        _each(lambda: _link(shop, mailbox)),
        _each(lambda: _reset(shop, mailbox)),
        _each(lambda: _ticket(shop, mailbox)),
        _each(lambda: _phone(shop, mailbox, "/auth/otp/send")),
        _each(lambda: _session(shop)),
    )
    return {
        **_special("verify-otp", codes),
        **_special("verify-email", links),
        **_special("reset-password", resets),
        **_special("verify-forgot-otp", tickets),
        **_special("otp/verify", phones),
        **_special("refresh", sessions),
    }


async def for_owner(shop: Shop, mailbox: Mailbox, owner: Person) -> Special:
    """How to change a password to what it was, and to prove a phone."""
    phones = await _each(lambda: _phone(shop, mailbox, "/profile/me/phone/send-code", owner))
    return {
        **_special("change-password", [{"currentPassword": PASSWORD, "newPassword": PASSWORD}]),
        "POST /api/v1/profile/me/phone/verify": _turned(phones),
    }


async def signed_up(shop: Shop, mailbox: Mailbox, kind: str) -> Person:
    """An influencer or a salon who has verified the address, and is signed in."""
    shown = await _code(shop, mailbox, kind)
    _ = (await shop.post("/auth/verify-otp", shown)).data
    return await shop.sign_in(shown["email"])


async def _each(make: Callable[[], Awaitable[dict[str, str]]]) -> list[dict[str, str]]:
    return await asyncio.gather(*(make() for _ in range(COUNT)))


def _special(path: str, found: list[dict[str, str]]) -> Special:
    return {f"POST /api/v1/auth/{path}": _turned(found)}


def _turned(found: list[dict[str, str]]) -> dict[str, list[str]]:
    """What belongs together stands at the same place of each list."""
    return {name: [each[name] for each in found] for name in found[0]}


async def _code(shop: Shop, mailbox: Mailbox, kind: str = "salon") -> dict[str, str]:
    address = shop.address(uuid4().hex[:10])
    body = {"name": kind.title(), "email": address, "password": PASSWORD, "termsAccepted": True}
    _ = (await shop.post(f"/auth/signup/{kind}", body)).data
    return {"email": address, "otp": await mailbox.code_for(address)}


async def _link(shop: Shop, mailbox: Mailbox) -> dict[str, str]:
    address = await _customer(shop)
    return {"token": await mailbox.token_for(address, "email-verification")}


async def _reset(shop: Shop, mailbox: Mailbox) -> dict[str, str]:
    address = await _customer(shop)
    await shop.post("/auth/forgot-password", {"email": address})
    return {"token": await mailbox.token_for(address, "password-reset")}


async def _ticket(shop: Shop, mailbox: Mailbox) -> dict[str, str]:
    address = await _customer(shop)
    await shop.post("/auth/forgot-password", {"email": address, "channel": "otp"})
    return {"email": address, "otp": await mailbox.code_for(address)}


async def _phone(shop: Shop, mailbox: Mailbox, path: str, by: Person | None = None) -> dict[str, str]:
    phone = a_phone()
    _ = (await shop.post(path, {"phone": phone}, by)).data
    return {"phone": phone, "otp": await mailbox.code_on(phone)}


async def _session(shop: Shop) -> dict[str, str]:
    body = {"email": await _customer(shop), "password": PASSWORD}
    return {"refreshToken": (await shop.post("/auth/login", body)).data["refreshToken"]}


async def _customer(shop: Shop) -> str:
    name = uuid4().hex[:10]
    _ = (await shop.register(name)).data
    return shop.address(name)
