"""Somebody buys, takes their data along, and is erased: nothing of the person is left anywhere, all of the trade is (ES-17, ACC-28)."""

import re
from typing import Any, Final

import psycopg
import pytest
from psycopg import sql

from tests.api.accounts.mailbox import Mailbox
from tests.journeys.outages import Marketplace
from tests.journeys.secrecy import Secrets, keys, streams, tables
from tests.journeys.shop import PASSWORD, Person, Shop, until, wish

pytestmark = [pytest.mark.services, pytest.mark.slow]

NAME: Final = "Gulchehra Unmistakable"
PHONE: Final = "+998905554433"
STREET: Final = "Kunduzak koʻchasi 77"
NOTE: Final = "Ring at the green gate, please"
NEW_NAME: Final = "Gulchehra the Second"

READ_MODELS: Final = (
    "account_directory",
    "account_sessions",
    "activity_log",
    "api_keys",
    "customer_orders",
    "order_detail",
    "payment_ledger",
    "seller_orders",
)

DISCOVERY: Final = ("discovery_standing", "discovery_influencers", "discovery_salons")
"""The tables of the read model `discovery`."""

SHOWN: Final = {
    "displayName": "Mohira Unmistakable",
    "bio": "Unmistakable me,\nMohira Unmistakable.",
    "categories": ["unmistakable nails"],
    "region": "Unmistakable quarter",
    "phone": "+998905554455",
}
SHOWN_LATER: Final = {
    "businessName": "Salon Unmistakable",
    "description": "Where Mohira works.",
    "categories": ["unmistakable hair"],
    "region": "Another unmistakable quarter",
    "address": "Unmistakable street 7",
}
BIO_LATER: Final = "Mohira, once more."


class Erased:
    """Who was erased, and what they had."""

    found: Person
    """Somebody else: an influencer, later a salon."""

    exported_by_found: dict[str, Any]

    def __init__(self, person: Person, order: dict[str, Any], key: str, exported: dict[str, Any]) -> None:
        self.person = person
        self.order = order
        self.key = key
        self.exported = exported


async def somebody_with_a_life(shop: Shop, seller: Person) -> Erased:
    """A customer who has ordered, written, and given a program a key."""
    address = shop.address("gulchehra")
    body = {"email": address, "password": PASSWORD, "name": NAME, "phone": PHONE}
    data = (await shop.post("/auth/register", body, key="her-registration")).data
    person = Person(account_id=data["user"]["id"], email=address, token=data["accessToken"])
    listing_id = await shop.put_on_sale(seller, stock=5)
    wished = wish((listing_id, 1))
    wished["shippingAddress"] = {**wished["shippingAddress"], "firstName": NAME, "address1": STREET}
    order = (await shop.post("/orders", {**wished, "notes": NOTE}, person, key="her-order")).data
    await shop.pay(order, person)
    note = {"visibility": "customer", "text": NOTE}
    _ = (await shop.post(f"/orders/{order['orderId']}/notes", note, person)).data
    key = (await shop.post("/api-keys", {"name": "Books", "permissions": ["orders:read"]}, person)).data[
        "key"
    ]
    exported: dict[str, Any] = (await shop.get("/profile/me/export", person)).data
    return Erased(person, order, key, exported)


async def somebody_who_was_found(market: Marketplace) -> tuple[Person, dict[str, Any]]:
    """An influencer who became a salon, with all that they said of themselves; and what they took along."""
    shop, address = market.shop, market.shop.address("mohira")
    body = {"email": address, "password": PASSWORD, "name": "Mohira", "termsAccepted": True}
    _ = (await shop.post("/auth/signup/influencer", body)).data
    assert market.servers.urls.mail_folder is not None
    code = await Mailbox(market.servers.urls.mail_folder, market.folder).code_for(address)
    await shop.post("/auth/verify-otp", {"email": address, "otp": code})
    person = await shop.sign_in(address)
    _ = (await shop.post("/onboarding/influencer", SHOWN, person, key="her-onboarding")).data
    revised = {"influencer": {"bio": BIO_LATER}}
    _ = (await shop.tell("PUT", "/profile/me", revised, person, key="her-revision")).data
    await shop.caught_up()
    admin, role = await shop.admin(), f"/admin/accounts/{person.account_id}/role"
    assert [each["bio"] for each in (await shop.get("/discovery/influencers", admin)).data] == [BIO_LATER]
    _ = (await shop.tell("PATCH", role, {"role": "salon"}, admin)).data
    person = await shop.sign_in(address)
    _ = (await shop.post("/onboarding/salon", SHOWN_LATER, person)).data
    await shop.caught_up()
    assert len((await shop.get("/discovery/salons?search=unmistakable", admin)).data) == 1
    return person, (await shop.get("/profile/me/export", person)).data


async def rows_of(market: Marketplace) -> dict[str, list[str]]:
    """What every read model of people and their trade shows."""
    found = {}
    async with await psycopg.AsyncConnection.connect(market.daftar.environment["DATABASE_URL"]) as connection:
        for name in (*READ_MODELS, *DISCOVERY):
            rows = await connection.execute(
                sql.SQL("SELECT row_to_json(t)::text FROM {} AS t").format(sql.Identifier(name))
            )
            found[name] = sorted(row[0] for row in await rows.fetchall())
    return found


def said_of_themselves() -> list[str]:
    """Every text of the profiles, each line by itself."""
    texts = [BIO_LATER]
    for value in (*SHOWN.values(), *SHOWN_LATER.values()):
        texts += str(value).splitlines() if isinstance(value, str) else value
    return texts


@pytest.fixture(scope="module")
async def erased(market: Marketplace) -> Erased:
    """The whole story, up to its end."""
    shop = market.shop
    gone = await somebody_with_a_life(shop, await shop.seller("anvar"))
    gone.found, gone.exported_by_found = await somebody_who_was_found(market)
    # Every screen shows her before there is anything to forget.
    await shop.caught_up()
    admin = await shop.admin()
    for person in (gone.person, gone.found):
        answer = await shop.tell("DELETE", f"/admin/accounts/{person.account_id}", None, admin)
        assert answer.data["status"] == "deleted"
    await shop.caught_up()
    return gone


async def test_before_it_she_could_take_everything_along(erased: Erased) -> None:
    exported = erased.exported
    assert exported["complete"]
    assert (exported["profile"]["name"], exported["profile"]["phone"]) == (NAME, PHONE)
    [order] = exported["orders"]
    assert (order["orderId"], order["shippingAddress"]["address1"]) == (erased.order["orderId"], STREET)
    assert (order["customerNotes"], [note["text"] for note in order["notes"]]) == (NOTE, [NOTE])
    assert [payment["status"] for payment in exported["payments"]] == ["succeeded"]
    assert [each["current"] for each in exported["sessions"]] == [True]
    assert [each["permissions"] for each in exported["apiKeys"]] == [["orders:read"]]
    assert erased.key not in str(exported)


async def test_her_tokens_and_keys_open_nothing(market: Marketplace, erased: Erased) -> None:
    shop = market.shop
    assert (await shop.get("/profile/me/export", erased.person)).code == "USER_NOT_FOUND"
    answer = await shop.http.get("/api/v1/orders", headers={"X-API-Key": erased.key})
    assert answer.code == "API_KEY_INVALID"
    credentials = {"email": erased.person.email, "password": PASSWORD}
    assert (await shop.post("/auth/login", credentials)).code == "INVALID_CREDENTIALS"


async def test_nothing_of_her_is_left_in_any_table_stream_or_key(market: Marketplace, erased: Erased) -> None:
    secrets = Secrets()
    for text in (NAME, PHONE, STREET, NOTE, erased.person.email, *said_of_themselves(), erased.found.email):
        secrets.keep(text, text)
    # What anybody can guess a digest of is another matter, see ADR 0004; here it is about what can be read.
    places = [place async for place in tables(market)]
    places += [place async for place in streams(market)]
    places += [place async for place in keys(market.redis)]
    assert len(places) > 30
    found = {each for place in places for each in secrets.found_in(place)}
    assert found == set()


async def test_history_shows_that_somebody_was_there_and_not_who(market: Marketplace, erased: Erased) -> None:
    for stream in (f"account/{erased.person.account_id}", f"order/{erased.order['orderId']}"):
        code, history = await market.daftar.daftar("replay", stream)
        assert code == 0, history
        assert "Deleted" in history or "OrderPlaced" in history
        for text in (NAME, PHONE, STREET, NOTE, erased.person.email):
            assert text not in history
    code, then = await market.daftar.daftar(
        "replay", f"account/{erased.person.account_id}", "--at", "version:1"
    )
    assert code == 0, then
    assert NAME not in then


async def test_of_who_was_found_history_shows_nothing_that_they_said(
    market: Marketplace, erased: Erased
) -> None:
    profile = erased.exported_by_found["profile"]
    assert profile["influencer"]["bio"] == BIO_LATER
    assert profile["salon"] == SHOWN_LATER
    stream = f"account/{erased.found.account_id}"
    # The last facts, and the state, as of the moment before they were forgotten, too.
    for moment in ([], ["--at", "version:8"], ["--with-personal"]):
        code, history = await market.daftar.daftar("replay", stream, *moment)
        assert code == 0, history
        assert "InfluencerOnboardingCompleted" in history
        assert [text for text in said_of_themselves() if text in history] == []


async def test_the_order_and_its_money_are_still_there(market: Marketplace, erased: Erased) -> None:
    shop = market.shop
    admin = await shop.admin()
    order = (await shop.get(f"/orders/{erased.order['orderId']}", admin)).data
    assert (order["status"], order["amounts"]["total"]) == ("confirmed", erased.order["total"])
    assert (order["customerName"], order["customerEmail"]) == ("[erased]", None)
    account = (await shop.get(f"/admin/accounts/{erased.person.account_id}", admin)).data
    assert (account["status"], account["name"], account["email"]) == ("deleted", None, None)


async def test_a_rebuild_shows_the_same(market: Marketplace, erased: Erased) -> None:
    await market.shop.caught_up()
    before = await rows_of(market)
    code, output = await market.daftar.daftar("rebuild", *READ_MODELS, "discovery")
    assert code == 0, output
    assert await rows_of(market) == before
    assert re.search(erased.person.account_id, "".join(before["account_directory"]))


async def test_her_address_is_free_for_somebody_new(market: Marketplace, erased: Erased) -> None:
    body = {"email": erased.person.email, "password": PASSWORD, "name": NEW_NAME}
    data = (await market.shop.post("/auth/register", body)).data
    assert data["user"]["id"] != erased.person.account_id


async def test_what_a_deleted_seller_sold_leaves_the_shelf(market: Marketplace) -> None:
    shop = market.shop
    seller = await shop.seller("leaving")
    listing_ids = [await shop.put_on_sale(seller, stock=1, name=f"Rug {number}") for number in range(3)]
    other = await shop.put_on_sale(await shop.seller("staying"), stock=1)
    admin = await shop.admin()
    _ = (await shop.tell("DELETE", f"/admin/accounts/{seller.account_id}", None, admin)).data

    async def gone() -> bool:
        answers = [await shop.http.get(f"/api/v1/listings/{each}") for each in listing_ids]
        return {answer.status for answer in answers} == {404}

    await until(gone, "the shelves are cleared")
    assert (await shop.get(f"/listings/{other}")).status == 200
