"""What people see when a part of the house falls down, and what is kept: the table of docs/operations.md, row by row."""

import asyncio
import shutil
import time
from collections import Counter
from typing import Any
from uuid import uuid4

import pytest
from minio import Minio

from infrastructure.cache.catalogue import EPOCH_KEY
from infrastructure.messaging.connection import connected
from infrastructure.messaging.dead_letters import open_dead_letters
from infrastructure.messaging.streams import StreamNames
from tests.journeys.outages import COMMANDS, KEPT, QUERIES, Buyer, Marketplace, Trade, away, ill_in
from tests.journeys.shop import API, Person, until

pytestmark = [pytest.mark.services, pytest.mark.slow]

SETTINGS = {
    "RATE_LIMIT_ENABLED": "true",
    "RATE_LIMIT_MAX_REQUESTS": "1000000",
    "RATE_LIMIT_MAX_AUTHENTICATED": "1000000",
    "SLOWDOWN_AFTER": "1000000",
    "AUTH_RATE_LIMIT_MAX": "100",
    "CATALOGUE_CACHE_SECONDS": "60",
    "WORKFLOW_MAX_DELIVERIES": "2",
    "UPSTREAM_PAUSE_SECONDS": "1",
}

WORKFLOWS = {"notifications", "earnings", "refunds", "shelves", "media"}
"""Everything that consumes the events, each once."""

ANSWERED_SECONDS = 2.5
REFUSED_SECONDS = 2.5
"""Within which everybody is told that the database is away; once that is known, at once."""


async def test_a_redis_that_comes_back_empty_has_forgotten_limits_and_copies_and_no_revocation(
    market: Marketplace,
) -> None:
    shop = market.shop
    _, listing_id = await market.on_sale(stock=10)
    buyer = await market.buyer(listing_id)
    signed_out = await shop.sign_in(buyer.person.email)
    assert (await shop.post("/auth/logout", by=signed_out)).status < 300
    wrong = {"email": shop.address(uuid4().hex[:8]), "password": "not the password"}
    tries = [(await shop.post("/auth/login", wrong)).code for _ in range(101)]
    assert tries == [*["INVALID_CREDENTIALS"] * 100, "RATE_LIMIT_EXCEEDED"]
    async with away(market.servers, "redis"):
        shutil.rmtree(market.servers.folder.root / "valkey" / "appendonlydir")

    async def limits_begin_anew() -> bool:
        return (await shop.post("/auth/login", wrong)).code == "INVALID_CREDENTIALS"

    async def catalogue_is_kept() -> bool:
        await shop.http.get(f"{API}/listings?limit=1")
        kept = await market.redis.keys("daftar:catalogue:?*")
        return EPOCH_KEY.encode() in kept and len(kept) > 1

    await until(limits_begin_anew, "the limits begin anew", 5)
    await until(catalogue_is_kept, "the catalogue is kept again", 10)
    assert (await shop.get("/orders", signed_out)).code == "TOKEN_REVOKED"
    assert (await shop.get("/orders", buyer.person)).status == 200


async def test_a_nats_that_comes_back_empty_gets_the_whole_log_again_and_nobody_a_second_mail(
    market: Marketplace,
) -> None:
    shop = market.shop
    _, listing_id = await market.on_sale(stock=10)
    buyer = await market.buyer(listing_id)
    await market.confirmations((buyer.person, buyer.order))
    names = StreamNames(market.daftar.environment["NATS_PREFIX"])
    nats_url = market.servers.urls.nats_url
    assert nats_url is not None
    await _until_handled(nats_url, names, shop.position)
    mails = _of_facts(market)
    async with away(market.servers, "nats"):
        shutil.rmtree(market.servers.folder.root / "nats" / "jetstream")
        [late] = await market.crowd(1)
        order = await shop.buy(listing_id, late)
    await market.confirmations((late, order))
    await _until_handled(nats_url, names, shop.position)
    async with connected(nats_url, name="test") as broker:
        ids = []
        for sequence in range(1, shop.position + 1):
            message = await broker.jetstream.get_msg(names.events, seq=sequence)
            ids.append((message.headers or {})["Nats-Msg-Id"])
    assert ids == [str(position) for position in range(1, shop.position + 1)]
    assert _of_facts(market) == mails + 2  # a welcome and a confirmation
    await market.until_well(2.0)


async def test_an_api_that_is_killed_under_load_loses_no_order_and_doubles_none(market: Marketplace) -> None:
    seller, listing_id = await market.on_sale(stock=1000)
    trade = Trade(market.shop, listing_id, await market.crowd(32), each=12)
    trading = asyncio.create_task(trade.run())
    await trade.until_placed(100)
    await market.daftar.kill("api-1")
    await market.daftar.start("api-1")
    assert not trading.done()
    await trading
    assert len(trade.placed) == 32 * 12
    await trade.repeat_all()
    await trade.adds_up(seller, stock=1000)


async def test_a_background_that_is_killed_shows_the_truth_afterwards_and_mails_everybody(
    market: Marketplace,
) -> None:
    shop = market.shop
    seller, listing_id = await market.on_sale(stock=1000)
    buyers = await market.crowd(24)
    bought: list[tuple[Person, dict[str, Any]]] = []

    async def buy(buyer: Person) -> None:
        for _ in range(4):
            bought.append((buyer, await shop.buy(listing_id, buyer)))  # noqa: PERF401 - one after the other

    buying = asyncio.create_task(_all(*(buy(buyer) for buyer in buyers)))

    async def enough() -> bool:
        return len(bought) >= 20

    await until(enough, "20 orders are paid")
    await market.daftar.kill("background")
    await market.daftar.start("background")
    await buying
    expected = {(buyer.email, f"Order {order['orderNumber']} is confirmed") for buyer, order in bought}
    assert len(expected) == 96
    await market.mailbox.until_all_have_come(expected)
    await shop.caught_up()
    theirs = {buyer.email for buyer in buyers}
    mails = [mail for mail in market.mailbox.mails() if mail["Delivered-To"] in theirs]
    confirmed = [mail for mail in mails if "is confirmed" in mail["Subject"]]
    # One message for each order. What was on the wire at a kill may come again, under the same Message-ID, so that
    # whoever receives it shows it once (RFC 5322 §3.6.4): at most what one process has in hand, eight at a time.
    assert {(mail["Delivered-To"], mail["Subject"]) for mail in confirmed} == expected
    assert len({mail["Message-ID"] for mail in confirmed}) == len(expected)
    copies = Counter(mail["Message-ID"] for mail in mails)
    assert sum(copies.values()) - len(copies) <= 8
    assert set(copies.values()) <= {1, 2}

    async def screens() -> list[Any]:
        return [
            await shop.all_of("/seller/orders", seller),
            (await shop.get("/seller/dashboard", seller)).data,
            (await shop.get(f"/listings/{listing_id}", seller)).data,
            *[await shop.all_of("/orders", buyer) for buyer in buyers[:5]],
        ]

    projected = await screens()
    assert len(projected[0]) == 96
    assert {order["status"] for order in projected[0]} == {"confirmed"}
    code, output = await market.daftar.daftar("rebuild", "--all")
    assert code == 0, output
    assert await screens() == projected


async def test_without_nats_people_notice_nothing_and_afterwards_every_event_has_been_published_once(
    market: Marketplace,
) -> None:
    shop = market.shop
    _, listing_id = await market.on_sale(stock=100)
    buyer = await market.buyer(listing_id)
    watch = market.watch()
    async with away(market.servers, "nats"):
        await _everything_works_without(market, {"nats"}, buyer, listing_id)
        late = await asyncio.gather(*(_bought(market, listing_id) for _ in range(8)))
        for person, order in late:
            assert (await shop.get(f"/orders/{order['orderId']}", person)).data["status"] == "confirmed"
    await market.confirmations(*late)
    await market.until_well(1.0)
    nats_url = market.servers.urls.nats_url
    assert nats_url is not None
    names = StreamNames(market.daftar.environment["NATS_PREFIX"])
    async with connected(nats_url, name="test") as broker:

        async def all_published() -> bool:
            info = await broker.jetstream.stream_info(names.events)
            return info.state.messages >= shop.position

        await until(all_published, "every event is published", 10)
        ids = []
        for sequence in range(1, shop.position + 1):
            message = await broker.jetstream.get_msg(names.events, seq=sequence)
            ids.append((message.headers or {})["Nats-Msg-Id"])
    assert ids == [str(position) for position in range(1, shop.position + 1)]
    watch.told_once(
        "background", "publisher_interrupted", "publisher_back", "workflows_interrupted", "workflows_back"
    )


async def test_without_postgres_everybody_is_refused_at_once_and_served_again_when_it_is_back(
    market: Marketplace,
) -> None:
    shop = market.shop
    seller, listing_id = await market.on_sale(stock=1000)
    buyer = await market.buyer(listing_id)
    before = await market.ask_everything(buyer, listing_id)
    assert {name: asked.answer.status for name, asked in before.items() if asked.answer.status >= 400} == {}
    shown = await market.keep_catalogue()
    watch = market.watch()
    async with away(market.servers, "postgres"):
        first = await market.ask_everything(buyer, listing_id)
        known = await market.ask_everything(buyer, listing_id)
        for asked in (first, known):
            for name in (*COMMANDS, *QUERIES):
                answer = asked[name].answer
                assert asked[name].told == (503, "STORE_UNAVAILABLE"), name
                assert int(answer.headers["retry-after"]) >= 1
                assert b"psycopg" not in answer.body
                assert asked[name].seconds < REFUSED_SECONDS, name
            assert asked["health"].told == (200, None)
            assert asked["health"].seconds < 1.0
            assert asked["metrics"].told == (200, None)
            assert asked["detailed health"].told == (503, "SERVICE_UNAVAILABLE")
            assert int(asked["detailed health"].answer.headers["retry-after"]) >= 1
            assert asked["detailed health"].seconds < REFUSED_SECONDS
        assert sorted(asked.seconds for asked in known.values())[-3] < 0.5  # but for the one who tries again
        # What everybody sees of the catalogue is shown as long as it is kept.
        assert known[KEPT].told == (200, None)
        assert known[KEPT].answer.data == shown
        assert set(ill_in(known["detailed health"].answer)) == {"database"}
        await watch.is_calm()
    back = time.monotonic()
    trade = Trade(shop, listing_id, await market.crowd(16), each=6)
    trading = asyncio.create_task(trade.run())
    await trade.until_placed(1)
    assert time.monotonic() - back < 3.0
    await shop.caught_up()
    assert time.monotonic() - back < 6.0
    watch.told_once("api-1", "database_away", "database_back")
    watch.told_once("background", "projector_lost_database", "projector_back", "publisher_interrupted")
    assert (
        watch.events("api-1")["request_unavailable"] <= 6
    )  # one a kind in ten seconds, however many are refused
    # A second time, in the middle of the trade and without a warning.
    await trade.until_placed(30)
    await market.servers.kill_service("postgres")
    await trading
    await market.servers.until_ready("postgres")
    assert len(trade.placed) == 96
    await trade.repeat_all()
    # Nobody's refused order was kept to be placed behind their back.
    mine = await shop.all_of("/orders", buyer.person)
    assert {order["orderId"] for order in mine} == {
        buyer.order["orderId"],
        before["order"].answer.data["orderId"],
    }
    listed = await shop.all_of("/seller/orders", seller)
    ids = [order["orderId"] for order in listed]
    assert len(ids) == len(set(ids))
    assert set(ids) - {order["orderId"] for order in mine} == {
        order["orderId"] for order in trade.placed.values()
    }
    assert (await shop.stock_of(listing_id, seller))[1] == 1000 - 96 - 2
    await market.until_well(2.0)
    assert {name: process.returncode for name, process in market.daftar.processes.items()} == {
        "api-1": None,
        "background": None,
    }


async def test_without_redis_everything_works_and_sign_ins_are_still_limited(market: Marketplace) -> None:
    shop = market.shop
    _, listing_id = await market.on_sale(stock=10)
    buyer = await market.buyer(listing_id)
    signed_out = await shop.sign_in(buyer.person.email)
    assert (await shop.post("/auth/logout", by=signed_out)).status < 300
    watch = market.watch()
    async with away(market.servers, "redis"):
        await _everything_works_without(market, {"redis"}, buyer, listing_id)
        assert (await shop.get("/orders", signed_out)).code == "TOKEN_REVOKED"
        wrong = {"email": shop.address(uuid4().hex[:8]), "password": "not the password"}
        answers = [await shop.post("/auth/login", wrong) for _ in range(110)]
        assert Counter(answer.code for answer in answers) == {
            "INVALID_CREDENTIALS": 100,
            "RATE_LIMIT_EXCEEDED": 10,
        }
        assert answers[-1].status == 429
        assert int(answers[-1].headers["retry-after"]) >= 1
    _ = await market.shop.buy(listing_id, buyer.person)
    await market.until_well(1.0)

    told = (
        "rate_limits_without_redis",
        "rate_limits_with_redis",
        "catalogue_cache_away",
        "catalogue_cache_back",
    )

    async def used_again() -> bool:
        await shop.http.get(f"{API}/listings?limit=1")
        return set(told) <= set(watch.events("api-1"))

    await until(used_again, "limits and catalogue use Redis again", 5)
    watch.told_once("api-1", *told)


async def test_without_the_object_store_everything_works_and_health_names_it(market: Marketplace) -> None:
    _, listing_id = await market.on_sale(stock=10)
    buyer = await market.buyer(listing_id)
    await market.servers.kill_service("s3")
    await _everything_works_without(market, {"object_storage"}, buyer, listing_id)
    await market.servers.until_ready("s3")
    await market.until_well(2.0)


async def test_without_a_mail_server_orders_are_confirmed_and_the_mail_comes_later_or_is_kept_for_an_operator(
    market: Marketplace,
) -> None:
    _, listing_id = await market.on_sale(stock=10)
    buyer = await market.buyer(listing_id)
    await market.confirmations((buyer.person, buyer.order))
    names = StreamNames(market.daftar.environment["NATS_PREFIX"])
    assert market.servers.urls.nats_url is not None
    async with open_dead_letters(market.servers.urls.nats_url, names=names) as letters:
        watch = market.watch()
        async with away(market.servers, "smtp"):
            early = await _bought(market, listing_id)

            async def given_up() -> bool:
                return (
                    len(await letters.list(consumer="notifications")) >= 2
                )  # the welcome and the confirmation

            await until(given_up, "the mails are dead letters", 10)
            await _everything_works_without(market, {"mail"}, buyer, listing_id)
            before = watch.events("background")["workflow_failed"]
            late = await _bought(market, listing_id)

            async def tried() -> bool:
                return watch.events("background")["workflow_failed"] >= before + 2

            await until(tried, "mails were tried in vain")
        await market.confirmations(late)
        assert {letter.deliveries for letter in await letters.list()} == {2}
        assert (early[0].email, f"Order {early[1]['orderNumber']} is confirmed") not in _mailed(market)
        assert await letters.retry_all() >= 2
        await market.confirmations(early)
        assert await letters.list() == []


async def test_with_no_server_but_the_database_an_api_that_starts_sells_and_all_is_made_up_for_later(
    market: Marketplace,
) -> None:
    shop = market.shop
    _, listing_id = await market.on_sale(stock=100)
    buyer = await market.buyer(listing_id)
    async with away(market.servers, "nats", "redis", "smtp"):
        for name in ("api-1", "background"):
            await market.daftar.kill(name)
            await market.daftar.start(name)
        await market.daftar.until_healthy()
        watch = market.watch()
        await _everything_works_without(market, {"nats", "redis", "mail"}, buyer, listing_id)
        bought = await _bought(market, listing_id)
        assert (await shop.get(f"/orders/{bought[1]['orderId']}", bought[0])).data["status"] == "confirmed"
        await watch.is_calm()
    await market.confirmations(bought)
    await market.until_well(2.0)
    await shop.caught_up()
    for process in ("api-1", "background"):
        repeated = {event: count for event, count in watch.events(process).items() if count > 3}
        # Links of those who registered meanwhile are tried again until the circuit opens.
        assert set(repeated) <= {"mail_sent", "link_not_sent"}, repeated


async def test_an_object_store_without_the_bucket_is_not_well(market: Marketplace) -> None:
    urls = market.servers.urls
    assert urls.s3_endpoint is not None
    assert urls.s3_bucket is not None
    store = Minio(
        urls.s3_endpoint.removeprefix("http://"),
        access_key=urls.s3_access_key,
        secret_key=urls.s3_secret_key,
        region="us-east-1",
        secure=False,
    )
    await asyncio.to_thread(store.remove_bucket, urls.s3_bucket)
    try:
        ill = await market.ill()
    finally:
        await asyncio.to_thread(store.make_bucket, urls.s3_bucket)
    assert set(ill) == {"object_storage"}
    assert urls.s3_bucket in ill["object_storage"]
    await market.until_well(2.0)


async def _everything_works_without(
    market: Marketplace, away: set[str], buyer: Buyer, listing_id: str
) -> None:
    """Every question and command is answered as on any other day, nobody waits, and health names what is away."""
    asked = await market.ask_everything(buyer, listing_id)
    failed = {name: each.told for name, each in asked.items() if each.answer.status >= 400}
    assert failed == {}
    slow = {name: each.seconds for name, each in asked.items() if each.seconds > ANSWERED_SECONDS}
    assert slow == {}
    assert set(ill_in(asked["detailed health"].answer)) == away


async def _bought(market: Marketplace, listing_id: str) -> tuple[Person, dict[str, Any]]:
    """Somebody new, and what they have just bought."""
    [person] = await market.crowd(1)
    return person, await market.shop.buy(listing_id, person)


def _mailed(market: Marketplace) -> set[tuple[str, str]]:
    return {(mail["Delivered-To"], mail["Subject"]) for mail in market.mailbox.mails()}


def _of_facts(market: Marketplace) -> int:
    """How many mails have come that a fact asked for: links are sent past the log and the broker."""
    return sum("email-verification" not in mail["Message-ID"] for mail in market.mailbox.mails())


async def _until_handled(nats_url: str, names: StreamNames, position: int) -> None:
    """Wait until everything up to a position is published, and every workflow is through with it."""
    async with connected(nats_url, name="test") as broker:

        async def handled() -> bool:
            stream = await broker.jetstream.stream_info(names.events)
            consumers = await broker.jetstream.consumers_info(names.events)
            return (
                stream.state.last_seq >= position
                and {each.name for each in consumers} == WORKFLOWS
                and all(not each.num_pending and not each.num_ack_pending for each in consumers)
            )

        await until(handled, "the workflows are through", 20)


async def _all(*work: Any) -> None:
    await asyncio.gather(*work)
