"""How influencers and salons are onboarded, and what they say of themselves later (requirements ONB-01 to ONB-03, ACC-22)."""

from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.api.accounts import onboarded
from tests.api.accounts.mailbox import Mailbox
from tests.api.accounts.onboarded import LOLA, ZEBO, onboard, verified
from tests.api.asking import after, data_of, refusal, wrong_fields
from tests.api.conftest import Person, Settle, SignUp, log_in

pytestmark = pytest.mark.services


async def update(client: httpx.AsyncClient, person: Person, **changes: Any) -> httpx.Response:
    headers = {**person.headers, **changes.pop("headers", {})}
    return await client.put("/profile/me", json=changes, headers=headers)


async def profile_of(client: httpx.AsyncClient, person: Person) -> Any:
    return data_of(await client.get("/profile/me", headers=person.headers))


class TestBeingOnboarded:
    async def test_an_influencer_completes_the_profile_after_verification(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        zebo = await verified(client, mailbox, "influencer")
        before = await profile_of(client, zebo)

        answer = await onboard(client, zebo, "influencer", phone="+998 90 765-43-21")

        assert (before["influencer"], before["salon"]) == (None, None)
        assert data_of(answer) == before | {"influencer": ZEBO, "phone": "+998907654321"}
        assert data_of(answer) == await profile_of(client, zebo)
        assert not data_of(answer)["phoneVerified"]

    async def test_a_salon_completes_its_profile_after_verification(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        lola = await verified(client, mailbox, "salon")

        answer = await onboard(client, lola, "salon", categories=[" HAIR "])

        assert data_of(answer)["salon"] == LOLA
        assert data_of(answer)["influencer"] is None

    async def test_what_may_be_missing_is_null(self, client: httpx.AsyncClient, mailbox: Mailbox) -> None:
        lola = await verified(client, mailbox, "salon")
        body = {name: LOLA[name] for name in ("businessName", "categories", "region")}

        answer = await client.post("/onboarding/salon", json=body, headers=lola.headers)

        assert data_of(answer)["salon"] == body | {"description": None, "address": None}

    async def test_it_happens_once_and_only_as_what_one_is(
        self, client: httpx.AsyncClient, mailbox: Mailbox, sign_up: SignUp
    ) -> None:
        zebo, customer = await onboarded.influencer(client, mailbox), await sign_up("customer")

        again = await onboard(client, zebo, "influencer")
        as_salon = await onboard(client, zebo, "salon")

        assert refusal(again) == (409, "ALREADY_ONBOARDED")
        assert refusal(as_salon) == (403, "INSUFFICIENT_PERMISSIONS")
        for kind in ("influencer", "salon"):
            assert refusal(await onboard(client, customer, kind)) == (403, "INSUFFICIENT_PERMISSIONS")
            nobody = await client.post(f"/onboarding/{kind}", json={})
            assert refusal(nobody) == (401, "AUTHENTICATION_REQUIRED")

    async def test_who_was_made_one_verifies_the_address_first(
        self, client: httpx.AsyncClient, admin: Person, sign_up: SignUp
    ) -> None:
        somebody = await sign_up("customer")
        path = f"/admin/accounts/{somebody.account_id}/role"
        data_of(await client.patch(path, json={"role": "salon"}, headers=admin.headers))
        lola = await log_in(client, somebody.email)

        assert refusal(await onboard(client, lola, "salon")) == (403, "EMAIL_NOT_VERIFIED")

    async def test_a_repetition_under_one_key_is_answered_from_the_record(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        zebo = await verified(client, mailbox, "influencer")

        first = await onboard(client, zebo, "influencer", key="onboard")
        again = await onboard(client, zebo, "influencer", key="onboard")
        other = await onboard(client, zebo, "influencer", key="onboard", region="Buxoro")

        assert again.headers["Idempotent-Replayed"] == "true"
        assert data_of(again) == data_of(first)
        assert again.headers["X-Position"] == first.headers["X-Position"]
        assert refusal(other) == (422, "IDEMPOTENCY_KEY_REUSED")

    async def test_everything_that_is_wrong_is_named_at_once(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        zebo = await verified(client, mailbox, "influencer")
        bad = {"displayName": "Z", "bio": "x" * 2001, "categories": ["a", "A"], "region": " ", "phone": "1"}

        refused = await onboard(client, zebo, "influencer", **bad)
        malformed = await onboard(client, zebo, "influencer", categories="nails", region=None, email="e")

        assert wrong_fields(refused) == {
            "displayName": "name",
            "bio": "max_length",
            "categories.1": "unique",
            "region": "length",
            "phone": "phone",
        }
        assert wrong_fields(malformed) == {
            "categories": "type",
            "region": "type",
            "email": "unknown_field",
        }

    async def test_it_leaves_one_line_in_the_log_and_none_of_the_words(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        zebo = await verified(client, mailbox, "influencer")

        with capture_logs() as lines:
            await onboard(client, zebo, "influencer", key="once")
            await onboard(client, zebo, "influencer", key="once")
            await update(client, zebo, name="Zebo K.", influencer={"bio": None, "region": "Buxoro"})

        told = [line for line in lines if line["event"].startswith("account_")]
        assert [(line["event"], line["account_id"], line["role"]) for line in told] == [
            ("account_onboarded", zebo.account_id, "influencer"),
            ("account_profile_changed", zebo.account_id, "influencer"),
        ]
        assert told[1]["fields"] == ["name", "influencer.bio", "influencer.region"]
        written = repr(lines)
        assert not any(word in written for word in ("Zebo", "Nails", "Toshkent", "Buxoro"))


class TestRevising:
    async def test_what_is_left_out_stays_and_null_takes_away(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        lola = await onboarded.salon(client, mailbox)

        renamed = await update(client, lola, salon={"businessName": "Lola & Co", "categories": ["Nails"]})
        cleared = await update(client, lola, salon={"description": None, "address": None})

        assert data_of(renamed)["salon"] == LOLA | {"businessName": "Lola & Co", "categories": ["nails"]}
        assert data_of(cleared)["salon"] == data_of(renamed)["salon"] | {"description": None, "address": None}
        assert await profile_of(client, lola) == data_of(cleared)

    async def test_nothing_new_is_no_fact(self, client: httpx.AsyncClient, mailbox: Mailbox) -> None:
        zebo = await onboarded.influencer(client, mailbox)

        answer = await update(client, zebo, influencer=ZEBO)

        assert (answer.status_code, answer.headers["X-Position"]) == (200, "0")

    async def test_all_of_it_or_nothing(self, client: httpx.AsyncClient, mailbox: Mailbox) -> None:
        zebo = await onboarded.influencer(client, mailbox)
        before = await profile_of(client, zebo)

        refused = await update(client, zebo, name="Zebo K.", influencer={"region": "", "displayName": "Z"})

        assert wrong_fields(refused) == {"influencer.region": "length", "influencer.displayName": "name"}
        assert await profile_of(client, zebo) == before

    @pytest.mark.parametrize(
        ("changes", "problem"),
        [
            ({"influencer": None}, {"influencer": "type"}),
            ({"influencer": {"region": None}}, {"influencer.region": "type"}),
            ({"influencer": {"phone": "+998907654321"}}, {"influencer.phone": "unknown_field"}),
            ({"influencer": {"categories": []}}, {"influencer.categories": "min_items"}),
        ],
    )
    async def test_what_cannot_be_is_refused(
        self, client: httpx.AsyncClient, mailbox: Mailbox, changes: dict[str, Any], problem: dict[str, str]
    ) -> None:
        zebo = await onboarded.influencer(client, mailbox)

        assert wrong_fields(await update(client, zebo, **changes)) == problem

    async def test_only_of_what_one_is_and_was_onboarded_as(
        self, client: httpx.AsyncClient, mailbox: Mailbox
    ) -> None:
        zebo, lola = await onboarded.influencer(client, mailbox), await verified(client, mailbox, "salon")

        other = await update(client, zebo, salon={"region": "Buxoro"})
        early = await update(client, lola, salon={"region": "Buxoro"})

        assert refusal(other) == (403, "INSUFFICIENT_PERMISSIONS")
        assert refusal(early) == (409, "NOT_ONBOARDED")


class TestOthers:
    async def test_see_the_profile_without_the_phone_as_long_as_it_is_theirs(
        self,
        client: httpx.AsyncClient,
        mailbox: Mailbox,
        admin: Person,
        sign_up: SignUp,
        settle: Settle,
    ) -> None:
        lola = await onboarded.salon(client, mailbox, phone="+998907654321")
        somebody = await sign_up("customer")
        await settle()
        path, account = f"/profile/{lola.account_id}", f"/admin/accounts/{lola.account_id}"

        seen = await client.get(path, headers=somebody.headers)
        by_admin = data_of(await client.get(account, headers=admin.headers))
        found = data_of(await client.get("/admin/accounts?search=lola+SALON", headers=admin.headers))
        body = {"role": "influencer"}
        changed = await client.patch(f"{account}/role", json=body, headers=admin.headers)
        await settle()
        later = await client.get(path, headers={**somebody.headers, **after(changed)})

        assert (data_of(seen)["salon"], data_of(seen)["influencer"]) == (LOLA, None)
        assert "+998907654321" not in seen.text
        assert (by_admin["salon"], by_admin["phone"]) == (LOLA, "+998907654321")
        assert [each["id"] for each in found] == [str(lola.account_id)]
        assert data_of(later)["salon"] is None

    async def test_see_nothing_of_who_is_deleted(
        self, client: httpx.AsyncClient, mailbox: Mailbox, admin: Person, settle: Settle
    ) -> None:
        zebo = await onboarded.influencer(client, mailbox)
        exported = data_of(await client.get("/profile/me/export", headers=zebo.headers))
        account = f"/admin/accounts/{zebo.account_id}"
        await client.delete(account, headers=admin.headers)
        await settle()

        shown = data_of(await client.get(account, headers=admin.headers))

        assert exported["profile"]["influencer"] == ZEBO
        assert (shown["status"], shown["influencer"], shown["name"]) == ("deleted", None, None)
        assert refusal(await client.get(f"/profile/{zebo.account_id}", headers=admin.headers))[0] == 404
        assert data_of(await client.get("/discovery/influencers", headers=admin.headers)) == []
