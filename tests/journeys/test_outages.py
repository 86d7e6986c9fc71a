"""What people see when a part of the house falls down, and what is kept: the table of design §9, row by row."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from infrastructure.embedded.services import ServiceUrls
from infrastructure.embedded.supervisor import EmbeddedServices
from infrastructure.messaging.connection import connected
from infrastructure.messaging.streams import StreamNames
from tests.journeys.shop import API, MailBox, Person, Shop, open_shop, until, wish
from tests.support.running import ADMIN_EMAIL, environment_of, running

pytestmark = [pytest.mark.services, pytest.mark.slow]


class Trade:
    """Buyers of one listing who ask again, with the same key, until they are answered."""

    def __init__(self, shop: Shop, listing_id: str, buyers: list[Person], *, each: int) -> None:
        """Everybody orders `each` times."""
        self._shop = shop
        self._listing_id = listing_id
        self._buyers = buyers
        self._each = each
        self.placed: dict[str, dict[str, Any]] = {}

    async def run(self) -> None:
        """All at once."""
        await asyncio.gather(*(self._shop_around(buyer) for buyer in self._buyers))

    async def _shop_around(self, buyer: Person) -> None:
        for number in range(self._each):
            await self.order(buyer, f"{buyer.account_id}-{number}")

    async def order(self, buyer: Person, key: str) -> None:
        """One order; a repeat must get the first answer."""
        answer = await self._shop.insist("/orders", wish((self._listing_id, 1)), buyer, key=key)
        order = answer.data
        assert self.placed.setdefault(key, order)["orderId"] == order["orderId"]
        assert self.placed[key]["orderNumber"] == order["orderNumber"]

    async def repeat_all(self) -> None:
        """Everybody sends every order once more."""
        people = {buyer.account_id: buyer for buyer in self._buyers}
        await asyncio.gather(*(self.order(people[key[:36]], key) for key in list(self.placed)))

    async def until_placed(self, count: int) -> None:
        """Wait until so many orders have been answered."""

        async def enough() -> bool:
            return len(self.placed) >= count

        await until(enough, f"{count} orders are placed")


async def test_an_api_that_is_killed_under_load_loses_no_order_and_doubles_none(
    urls: ServiceUrls, database_url: str, tmp_path: Path
) -> None:
    environment = environment_of(urls.as_environment(), database_url)
    async with running(environment, tmp_path) as daftar, open_shop(daftar) as shop:
        seller = await shop.seller()
        listing_id = await shop.put_on_sale(seller, stock=1000)
        trade = Trade(shop, listing_id, await shop.customers(32), each=12)
        trading = asyncio.create_task(trade.run())
        for killed_at in (80, 240):
            await trade.until_placed(killed_at)
            await daftar.kill("api-1")
            await daftar.start("api-1")
            await daftar.until_healthy()
        assert not trading.done()
        await trading
        await trade.repeat_all()
        assert len(trade.placed) == 32 * 12
        listed = await shop.all_of("/seller/orders", seller)
        assert Counter(order["orderId"] for order in listed) == Counter(
            order["orderId"] for order in trade.placed.values()
        )
        assert len({order["orderNumber"] for order in listed}) == len(listed)
        assert (await shop.stock_of(listing_id, seller))[1] == 1000 - len(listed)


async def test_a_background_that_is_killed_shows_the_truth_afterwards_and_mails_everybody(
    urls: ServiceUrls, database_url: str, tmp_path: Path
) -> None:
    environment = environment_of(urls.as_environment(), database_url)
    async with running(environment, tmp_path) as daftar, open_shop(daftar) as shop:
        mailbox = MailBox(urls.mail_folder, shop)
        seller = await shop.seller()
        listing_id = await shop.put_on_sale(seller, stock=1000)
        buyers = await shop.customers(24)
        bought: list[tuple[Person, dict[str, Any]]] = []

        async def buy(buyer: Person) -> None:
            for _ in range(4):
                bought.append((buyer, await shop.buy(listing_id, buyer)))  # noqa: PERF401 - one after the other

        buying = asyncio.create_task(_all(*(buy(buyer) for buyer in buyers)))
        for killed_at in (20, 60):

            async def enough(count: int = killed_at) -> bool:
                return len(bought) >= count

            await until(enough, f"{killed_at} orders are paid")
            await daftar.kill("background")
            await daftar.start("background")
        await buying
        expected = {(buyer.email, f"Order {order['orderNumber']} is confirmed") for buyer, order in bought}
        assert len(expected) == 96
        await mailbox.until_all_have_come(expected)
        await shop.caught_up()
        mails = mailbox.mails()
        confirmed = [mail for mail in mails if "is confirmed" in mail["Subject"]]
        # One message for each order. What was on the wire at a kill may come again, under the same Message-ID, so that
        # whoever receives it shows it once (RFC 5322 §3.6.4): at most what one process has in hand, eight at a time.
        assert {(mail["Delivered-To"], mail["Subject"]) for mail in confirmed} == expected
        assert len({mail["Message-ID"] for mail in confirmed}) == len(expected)
        copies = Counter(mail["Message-ID"] for mail in mails)
        assert sum(copies.values()) - len(copies) <= 2 * 8
        assert set(copies.values()) <= {1, 2, 3}

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
        code, output = await daftar.daftar("rebuild", "--all")
        assert code == 0, output
        assert await screens() == projected


async def test_without_nats_people_notice_nothing_and_afterwards_every_event_has_been_published(
    embedded: EmbeddedServices, urls: ServiceUrls, database_url: str, tmp_path: Path
) -> None:
    environment = environment_of(urls.as_environment(), database_url)
    async with running(environment, tmp_path) as daftar, open_shop(daftar) as shop:
        mailbox = MailBox(urls.mail_folder, shop)
        seller = await shop.seller()
        listing_id = await shop.put_on_sale(seller, stock=100)
        buyers = await shop.customers(8)
        await shop.buy(listing_id, buyers[0])
        await embedded.stop_service("nats")
        try:
            orders = await asyncio.gather(*(shop.buy(listing_id, buyer) for buyer in buyers))
            for buyer, order in zip(buyers, orders, strict=True):
                shown = (await shop.get(f"/orders/{order['orderId']}", buyer)).data
                assert shown["status"] == "confirmed"
            assert (await shop.get("/listings/search?q=teepot")).data[0]["available"] == 91
        finally:
            await embedded.start_service("nats")
        await mailbox.until_all_have_come(
            {
                (buyer.email, f"Order {order['orderNumber']} is confirmed")
                for buyer, order in zip(buyers, orders, strict=True)
            }
        )
        copies = Counter(mail["Message-ID"] for mail in mailbox.mails())
        assert set(copies.values()) == {1}
        assert urls.nats_url is not None
        names = StreamNames(environment["NATS_PREFIX"])
        async with connected(urls.nats_url, name="test") as broker:

            async def all_published() -> bool:
                info = await broker.jetstream.stream_info(names.events)
                return info.state.messages >= shop.position

            await until(all_published, "every event is published")
            ids = []
            for sequence in range(1, shop.position + 1):
                message = await broker.jetstream.get_msg(names.events, seq=sequence)
                ids.append((message.headers or {})["Nats-Msg-Id"])
        assert ids == [str(position) for position in range(1, shop.position + 1)]


async def test_without_postgres_everything_is_refused_for_a_while_and_works_again_by_itself(
    embedded: EmbeddedServices, urls: ServiceUrls, database_url: str, tmp_path: Path
) -> None:
    environment = environment_of(urls.as_environment(), database_url)
    async with running(environment, tmp_path) as daftar, open_shop(daftar) as shop:
        seller = await shop.seller()
        listing_id = await shop.put_on_sale(seller, stock=1000)
        buyers = await shop.customers(16)
        trade = Trade(shop, listing_id, buyers, each=6)
        await embedded.stop_service("postgres")
        try:
            command = await shop.post("/orders", wish((listing_id, 1)), buyers[0], key="not yet")
            query = await shop.http.get(f"{API}/orders", token=buyers[0].token)
            for answer in (command, query):
                assert answer.status == 503, answer.body
                assert answer.code in {"STORE_UNAVAILABLE", "SERVICE_UNAVAILABLE"}
                assert int(answer.headers["retry-after"]) >= 1
                assert b"psycopg" not in answer.body
            assert (await shop.http.get("/health")).status == 200
            detailed = await shop.http.get("/health/detailed")
            assert (detailed.status, detailed.code) == (503, "SERVICE_UNAVAILABLE")
        finally:
            await embedded.start_service("postgres")
        trading = asyncio.create_task(trade.run())
        await trade.until_placed(30)
        await embedded.kill_service("postgres")
        await trading
        await embedded.until_ready("postgres")
        await trade.repeat_all()
        listed = await shop.all_of("/seller/orders", seller)
        assert Counter(order["orderId"] for order in listed) == Counter(
            order["orderId"] for order in trade.placed.values()
        )
        assert len(listed) == 96
        assert (await shop.stock_of(listing_id, seller))[1] == 1000 - 96
        assert (await shop.http.get("/health/detailed")).status == 200
        assert {name: process.returncode for name, process in daftar.processes.items()} == {
            "api-1": None,
            "background": None,
        }


async def test_without_redis_everything_works_and_sign_ins_are_still_limited(
    embedded: EmbeddedServices, urls: ServiceUrls, database_url: str, tmp_path: Path
) -> None:
    environment = environment_of(
        urls.as_environment(), database_url, RATE_LIMIT_ENABLED="true", RATE_LIMIT_MAX_REQUESTS="1000"
    )
    async with running(environment, tmp_path) as daftar, open_shop(daftar) as shop:
        seller = await shop.seller()
        await embedded.stop_service("redis")
        try:
            listing_id = await shop.put_on_sale(seller, stock=10)
            customer = await shop.customer("zebo")
            order = await shop.buy(listing_id, customer)
            assert (await shop.get(f"/orders/{order['orderId']}", customer)).data["status"] == "confirmed"
            wrong = {"email": ADMIN_EMAIL, "password": "not the password"}
            answers = [await shop.post("/auth/login", wrong) for _ in range(40)]
            assert {answer.code for answer in answers} == {"INVALID_CREDENTIALS", "RATE_LIMIT_EXCEEDED"}
            assert answers[-1].status == 429
        finally:
            await embedded.start_service("redis")
        assert (await shop.get("/orders", customer)).status == 200


async def test_without_a_mail_server_orders_are_confirmed_and_the_mail_comes_later(
    embedded: EmbeddedServices, urls: ServiceUrls, database_url: str, tmp_path: Path
) -> None:
    environment = environment_of(urls.as_environment(), database_url)
    async with running(environment, tmp_path) as daftar, open_shop(daftar) as shop:
        mailbox = MailBox(urls.mail_folder, shop)
        listing_id = await shop.put_on_sale(await shop.seller(), stock=10)
        customer = await shop.customer("zebo")
        await embedded.stop_service("smtp")
        try:
            order = await shop.buy(listing_id, customer)
            assert (await shop.get(f"/orders/{order['orderId']}", customer)).data["status"] == "confirmed"

            async def tried() -> bool:
                return "workflow_failed" in daftar.log_of("background")

            await until(tried, "a mail was tried in vain")
        finally:
            await embedded.start_service("smtp")
        confirmation = f"Order {order['orderNumber']} is confirmed"
        await mailbox.until_all_have_come({(customer.email, confirmation)})
        assert mailbox.subjects(customer.email).count(confirmation) == 1


async def _all(*work: Any) -> None:
    await asyncio.gather(*work)
