"""Influencers and salons find each other (requirements DISC-01 to DISC-03, RBAC-06)."""

import re
from typing import Any

import httpx
import pytest

from tests.api.accounts import onboarded
from tests.api.accounts.mailbox import Mailbox
from tests.api.accounts.onboarded import LOLA, ZEBO, verified
from tests.api.asking import data_of, refusal, wrong_fields
from tests.api.conftest import Person, Settle, SignUp

pytestmark = pytest.mark.services

INFLUENCERS, SALONS = "/discovery/influencers", "/discovery/salons"


async def names(client: httpx.AsyncClient, person: Person, path: str, query: str = "") -> list[str]:
    found = data_of(await client.get(f"{path}{query}", headers=person.headers))
    return [each.get("displayName") or each.get("businessName") for each in found]


class TestWhoSearches:
    async def test_salons_find_influencers_and_influencers_find_salons(
        self, client: httpx.AsyncClient, mailbox: Mailbox, settle: Settle
    ) -> None:
        zebo = await onboarded.influencer(client, mailbox, phone="+998907654321")
        lola = await onboarded.salon(client, mailbox)
        await settle()

        answer = await client.get(INFLUENCERS, headers=lola.headers)
        [influencer] = data_of(answer)
        [salon] = data_of(await client.get(SALONS, headers=zebo.headers))

        assert answer.json()["meta"] == {"limit": 20, "nextCursor": None, "hasMore": False}
        assert re.fullmatch(r"20\d\d-.*Z", influencer.pop("onboardedAt"))
        assert salon.pop("onboardedAt")
        assert influencer == ZEBO | {"id": str(zebo.account_id), "avatarUrl": None}
        assert salon == LOLA | {"id": str(lola.account_id), "avatarUrl": None}

    async def test_nobody_searches_their_own_kind_and_others_do_not_search(
        self, client: httpx.AsyncClient, mailbox: Mailbox, admin: Person, sign_up: SignUp
    ) -> None:
        zebo, lola = await verified(client, mailbox, "influencer"), await verified(client, mailbox, "salon")
        no = (403, "INSUFFICIENT_PERMISSIONS")

        assert refusal(await client.get(INFLUENCERS, headers=zebo.headers)) == no
        assert refusal(await client.get(SALONS, headers=lola.headers)) == no
        for somebody in (await sign_up("customer"), await sign_up("seller")):
            for path in (INFLUENCERS, SALONS):
                assert refusal(await client.get(path, headers=somebody.headers)) == no
        for path in (INFLUENCERS, SALONS):
            assert data_of(await client.get(path, headers=admin.headers)) == []
            assert refusal(await client.get(path)) == (401, "AUTHENTICATION_REQUIRED")


class TestWhatIsSearchedFor:
    async def test_name_categories_and_region_narrow_the_list(
        self, client: httpx.AsyncClient, mailbox: Mailbox, admin: Person, settle: Settle
    ) -> None:
        for name, categories, region in (
            ("Zebo Karimova", ["nails"], "Toshkent"),
            ("Zebo Aliyeva", ["hair", "make-up"], "Toshkent"),
            ("Nodira", ["travel"], "Buxoro"),
        ):
            await onboarded.influencer(
                client, mailbox, displayName=name, categories=categories, region=region
            )
        await settle()

        async def found(query: str) -> list[str]:
            return await names(client, admin, INFLUENCERS, query)

        assert await found("") == ["Nodira", "Zebo Aliyeva", "Zebo Karimova"]
        assert await found("?search=ZEB+kar") == ["Zebo Karimova"]
        assert await found("?categories=Nails") == ["Zebo Karimova"]
        assert await found("?categories=nails&categories=travel") == ["Nodira", "Zebo Karimova"]
        assert await found("?region=toshkent") == ["Zebo Aliyeva", "Zebo Karimova"]
        assert await found("?region=toshkent&search=zebo&categories=hair") == ["Zebo Aliyeva"]

    async def test_a_cursor_leads_through_all_of_them(
        self, client: httpx.AsyncClient, mailbox: Mailbox, settle: Settle
    ) -> None:
        for number in range(3):
            await onboarded.salon(client, mailbox, businessName=f"Salon {number}")
        zebo = await verified(client, mailbox, "influencer")
        await settle()
        seen: list[str] = []
        query = "?limit=2"
        while True:
            answer = await client.get(f"{SALONS}{query}", headers=zebo.headers)
            seen += [each["businessName"] for each in data_of(answer)]
            cursor = answer.json()["meta"]["nextCursor"]
            if cursor is None:
                break
            query = f"?limit=2&cursor={cursor}"
        assert seen == ["Salon 2", "Salon 1", "Salon 0"]

    @pytest.mark.parametrize(
        ("query", "problem"),
        [
            ("limit=0", {"limit": "minimum"}),
            ("cursor=WzEsMl0", {"cursor": "cursor"}),
            ("region=", {"region": "min_length"}),
            (f"search={'x' * 101}", {"search": "max_length"}),
            ("&".join(f"categories=c{n}" for n in range(11)), {"categories": "max_items"}),
            ("search=a&search=b", {"search": "unique"}),
            ("region=a&categories=a&categories=b&region=b", {"region": "unique"}),
        ],
    )
    async def test_wrong_wishes_are_named(
        self, client: httpx.AsyncClient, admin: Person, query: str, problem: dict[str, str]
    ) -> None:
        answer = await client.get(f"{INFLUENCERS}?{query}", headers=admin.headers)

        assert wrong_fields(answer) == problem


class TestWhoIsFound:
    async def test_nobody_who_is_not_onboarded_or_is_suspended(
        self, client: httpx.AsyncClient, mailbox: Mailbox, admin: Person, settle: Settle
    ) -> None:
        await verified(client, mailbox, "influencer")
        zebo = await onboarded.influencer(client, mailbox)
        account = f"/admin/accounts/{zebo.account_id}"
        shown: list[Any] = []
        for step in ("", "/suspend", "/unsuspend"):
            if step:
                data_of(await client.patch(f"{account}{step}", headers=admin.headers))
            await settle()
            shown.append(await names(client, admin, INFLUENCERS))
        assert shown == [["Zebo"], [], ["Zebo"]]
