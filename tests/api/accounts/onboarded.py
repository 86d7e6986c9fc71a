"""Influencers and salons, as many tests need them."""

from typing import Any, Final

import httpx

from tests.api.accounts.mailbox import Mailbox, an_address
from tests.api.asking import data_of
from tests.api.conftest import PASSWORD, Person, log_in

ZEBO: Final[dict[str, Any]] = {
    "displayName": "Zebo",
    "bio": "Nails,\nand what goes with them.",
    "categories": ["nails", "make-up"],
    "region": "Toshkent",
}
LOLA: Final[dict[str, Any]] = {
    "businessName": "Lola Salon",
    "description": "Since 1999.",
    "categories": ["hair"],
    "region": "Samarqand",
    "address": "Registon 1",
}


async def verified(client: httpx.AsyncClient, mailbox: Mailbox, kind: str) -> Person:
    """An influencer or a salon who has verified the address, and is signed in."""
    email = an_address(kind)
    body = {"name": kind.title(), "email": email, "password": PASSWORD, "termsAccepted": True}
    data_of(await client.post(f"/auth/signup/{kind}", json=body), 201)
    shown = {"email": email, "otp": await mailbox.code_for(email)}
    data_of(await client.post("/auth/verify-otp", json=shown))
    return await log_in(client, email)


async def onboard(
    client: httpx.AsyncClient, person: Person, kind: str, *, key: str | None = None, **changes: Any
) -> httpx.Response:
    """Ask for it."""
    body = (ZEBO if kind == "influencer" else LOLA) | changes
    headers = person.headers if key is None else {**person.headers, "Idempotency-Key": key}
    return await client.post(f"/onboarding/{kind}", json=body, headers=headers)


async def influencer(client: httpx.AsyncClient, mailbox: Mailbox, **changes: Any) -> Person:
    """One who is onboarded."""
    person = await verified(client, mailbox, "influencer")
    data_of(await onboard(client, person, "influencer", **changes))
    return person


async def salon(client: httpx.AsyncClient, mailbox: Mailbox, **changes: Any) -> Person:
    """One that is onboarded."""
    person = await verified(client, mailbox, "salon")
    data_of(await onboard(client, person, "salon", **changes))
    return person
