"""A server that hangs takes connections and answers nothing. Nobody waits for it longer than has been agreed on."""

import asyncio
import time

import pytest

from tests.journeys.outages import COMMANDS, KEPT, PROBES, QUERIES, Marketplace, Trade, hanging, ill_in
from tests.journeys.shop import API, until, wish

pytestmark = [pytest.mark.services, pytest.mark.slow]

STATEMENT_SECONDS = 1

SETTINGS = {
    "RATE_LIMIT_ENABLED": "true",
    "RATE_LIMIT_MAX_REQUESTS": "1000000",
    "RATE_LIMIT_MAX_AUTHENTICATED": "1000000",
    "SLOWDOWN_AFTER": "1000000",
    "AUTH_RATE_LIMIT_MAX": "100",
    "CATALOGUE_CACHE_SECONDS": "60",
    "DB_STATEMENT_SECONDS": str(STATEMENT_SECONDS),
}

NOT_NOTICED_SECONDS = 2.0
PROBED_SECONDS = 4.5
"""Two for the question, some for giving it up, the rest for a busy machine."""


async def test_when_nats_redis_mail_and_the_object_store_hang_nobody_waits_for_them(
    market: Marketplace,
) -> None:
    shop = market.shop
    _, listing_id = await market.on_sale(stock=100)
    buyer = await market.buyer(listing_id)
    await market.confirmations((buyer.person, buyer.order))
    watch = market.watch()
    async with hanging(market.servers, "redis", "smtp", "s3"):
        async with hanging(market.servers, "nats"), watch.calm():
            asked = await market.ask_everything(buyer, listing_id)
            assert {name: each.told for name, each in asked.items() if each.answer.status >= 400} == {}
            slow = {name: each.seconds for name, each in asked.items() if each.seconds > NOT_NOTICED_SECONDS}
            assert set(slow) <= {"detailed health"}, slow
            assert asked["detailed health"].seconds < PROBED_SECONDS
            assert set(ill_in(asked["detailed health"].answer)) == {"nats", "redis", "mail", "object_storage"}
            [late] = await market.crowd(1)
            order = await shop.buy(listing_id, late)
            assert (await shop.get(f"/orders/{order['orderId']}", late)).data["status"] == "confirmed"
        # This one's mails go on their way, and are not taken.
        [later] = await market.crowd(1)
        order_later = await shop.buy(listing_id, later)
        await asyncio.sleep(0.5)
        assert market.mailbox.subjects(later.email) == []
    await market.confirmations((late, order), (later, order_later))
    await market.until_well(3.0)

    async def used_again() -> bool:
        await shop.http.get(f"{API}/listings?limit=1")
        return watch.events("api-1")["catalogue_cache_back"] > 0

    await until(used_again, "the catalogue is kept again", 5)
    watch.told_once("api-1", "rate_limits_without_redis", "catalogue_cache_away")


async def test_when_postgres_hangs_everybody_is_refused_in_time_and_no_order_is_lost_or_doubled(
    market: Marketplace,
) -> None:
    shop = market.shop
    seller, listing_id = await market.on_sale(stock=1000)
    buyer = await market.buyer(listing_id)
    crowd = await market.crowd(8)
    shown = await market.keep_catalogue()
    watch = market.watch()
    async with hanging(market.servers, "postgres"):
        began = time.monotonic()
        async with watch.calm():
            first = await market.ask_everything(buyer, listing_id, key="in-the-middle")
        # A statement under way, then nobody to connect to, then one behind another in the queue of commands.
        assert time.monotonic() - began < 15.0
        known = await market.ask_everything(buyer, listing_id, key="when-it-is-known")
        for asked in (first, known):
            for name in (*COMMANDS, *QUERIES):
                assert asked[name].told == (503, "STORE_UNAVAILABLE"), name
                assert int(asked[name].answer.headers["retry-after"]) >= 1
            assert asked["health"].told == (200, None)
            assert asked["health"].seconds < 1.0
            assert asked["metrics"].told == (200, None)
            assert asked["detailed health"].told == (503, "SERVICE_UNAVAILABLE")
            assert max(asked[probe].seconds for probe in PROBES) < PROBED_SECONDS
        assert known[KEPT].told == (200, None)
        assert known[KEPT].answer.data == shown
        assert sorted(asked.seconds for asked in known.values())[-3] < 0.5  # but for those who try again
        assert set(ill_in(known["detailed health"].answer)) == {"database"}
    back = time.monotonic()
    trade = Trade(shop, listing_id, crowd, each=5)
    await trade.run()
    assert time.monotonic() - back < 5.0
    await trade.repeat_all()
    # What was asked in the middle of it may have been done or not; asked again, it is done once.
    again = [
        (await shop.insist("/orders", wish((listing_id, 1)), buyer.person, key=key)).data["orderId"]
        for key in ("in-the-middle", "when-it-is-known")
    ]
    await shop.caught_up()
    mine = [order["orderId"] for order in await shop.all_of("/orders", buyer.person)]
    assert sorted(mine) == sorted([buyer.order["orderId"], *again])
    listed = [order["orderId"] for order in await shop.all_of("/seller/orders", seller)]
    assert sorted(listed) == sorted([*mine, *(order["orderId"] for order in trade.placed.values())])
    assert (await shop.stock_of(listing_id, seller))[1] == 1000 - len(listed)
    await market.until_well(2.0)
    assert [process.returncode for process in market.daftar.processes.values()] == [None, None]
    watch.told_once("api-1", "database_away", "database_back")
    assert watch.events("api-1")["request_unavailable"] <= 6
