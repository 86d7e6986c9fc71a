"""The demo is a marketplace like any other: made by commands, complete, and never made twice."""

import asyncio
from collections import Counter
from uuid import UUID

import msgspec
import pytest

from api.assembly import AppServices, open_services
from api.cli.demo_shop import (
    ADMIN_EMAIL,
    CATEGORIES,
    CUSTOMER,
    DEMO_PASSWORD,
    GOODS,
    PURCHASES,
    SELLERS,
    demo_id,
)
from api.cli.seeding import DemoRefused, SeededDemo, bootstrap_super_admin, seed_demo, what_to_try
from application.accounts.directory import ClaimedEmails
from application.listings.commands import CreateListing
from application.shared.caller import Caller
from domain.accounts.account import InvalidCredentials
from domain.accounts.roles import AccountKind, Role
from domain.categories.category import Category
from domain.listings.listing import Listing, ListingStatus
from domain.orders.events import OrderPlaced
from domain.orders.order import Order
from domain.shared.events import State
from domain.shared.money import Money
from infrastructure.bootstrap import Machinery, kinds_by_name
from infrastructure.event_store.log import PostgresLog
from infrastructure.identity import new_id
from infrastructure.roles import bring_schema_up_to_date
from infrastructure.settings import Environment, Settings
from tests.api.cli.conftest import Run, facts

EVERYTHING = SeededDemo(accounts=4, categories=len(CATEGORIES), listings=len(GOODS), orders=len(PURCHASES))


async def states(tools: Machinery, kind: str, ids: list[UUID]) -> list[State | None]:
    async with open_services(tools) as services:
        slots = await services.store.load(dict.fromkeys(ids, kinds_by_name()[kind]))
    return [slots[stream_id].state for stream_id in ids]


def head(tools: Machinery) -> int:
    history = tools.open_log(name="test")
    try:
        return history.head()
    finally:
        history.close()


@pytest.mark.services
class TestSeeding:
    async def test_an_empty_marketplace_is_filled(self, tools: Machinery) -> None:
        assert await seed_demo(tools) == EVERYTHING

    async def test_running_it_again_adds_nothing(self, tools: Machinery) -> None:
        await seed_demo(tools)
        before = head(tools)
        assert await seed_demo(tools) == SeededDemo()
        assert head(tools) == before

    async def test_two_processes_at_once_make_one_demo(self, tools: Machinery) -> None:
        made = await asyncio.gather(seed_demo(tools), seed_demo(tools))
        assert sorted(made, key=lambda each: each.listings) == [SeededDemo(), EVERYTHING]

    async def test_everything_is_on_sale_in_its_category(self, tools: Machinery) -> None:
        await seed_demo(tools)
        listings = await states(tools, "listing", [goods.listing_id for goods in GOODS])
        assert all(isinstance(one, Listing) and one.status is ListingStatus.ACTIVE for one in listings)
        categories = await states(tools, "category", [demo_id("category", name) for name in CATEGORIES])
        assert [one.name for one in categories if isinstance(one, Category)] == list(CATEGORIES)

    async def test_orders_stand_where_they_should(self, tools: Machinery) -> None:
        await seed_demo(tools)
        orders = await states(tools, "order", [purchase.order_id for purchase in PURCHASES])
        assert [order.status for order in orders if isinstance(order, Order)] == [
            purchase.status for purchase in PURCHASES
        ]

    async def test_everybody_can_sign_in(self, tools: Machinery) -> None:
        await seed_demo(tools)
        async with open_services(tools) as services:
            for email in (ADMIN_EMAIL, CUSTOMER.email, *(seller.email for seller in SELLERS)):
                done = await services.door.log_in.log_in(email=email, password=DEMO_PASSWORD, caller=Caller())
                assert done.result.email == email

    async def test_what_an_interrupted_demo_lacks_is_added(self, tools: Machinery) -> None:
        first = GOODS[0]
        async with open_services(tools) as services:
            seller_id = await register(services, SELLERS[0].email)
            await services.commands.submit(
                CreateListing(
                    listing_id=first.listing_id,
                    name=first.name,
                    price=Money(first.minor),
                    price_ceiling=first.minor,
                    stock_quantity=first.stock,
                ),
                Caller(actor_id=seller_id, role="seller"),
            )
        seeded = await seed_demo(tools)
        assert seeded == SeededDemo(accounts=3, categories=5, listings=len(GOODS), orders=len(PURCHASES))
        (listing,) = await states(tools, "listing", [first.listing_id])
        assert isinstance(listing, Listing)
        assert listing.status is ListingStatus.ACTIVE

    async def test_a_shop_with_goods_of_its_own_is_left_alone(self, tools: Machinery) -> None:
        async with open_services(tools) as services:
            seller_id = await register(services, "own@example.uz")
            await services.commands.submit(
                CreateListing(listing_id=new_id(), name="Own teapot", price=Money(1), price_ceiling=1),
                Caller(actor_id=seller_id, role="seller"),
            )
        before = head(tools)
        assert await seed_demo(tools) == SeededDemo()
        assert head(tools) == before

    async def test_production_refuses(self, tools: Machinery) -> None:
        tools.settings = msgspec.structs.replace(tools.settings, environment=Environment.PRODUCTION)
        with pytest.raises(DemoRefused):
            await seed_demo(tools)
        assert head(tools) == 0

    async def test_the_admin_of_the_settings_is_the_demos_admin(self, environment: dict[str, str]) -> None:
        environment |= {"SUPER_ADMIN_EMAIL": "owner@example.uz", "SUPER_ADMIN_PASSWORD": "a quiet teapot"}
        tools = migrated(environment)
        assert await seed_demo(tools) == EVERYTHING
        async with open_services(tools) as services:
            emails = ClaimedEmails(services.store)
            assert await emails.holder_of_email(ADMIN_EMAIL) is None
            assert await emails.holder_of_email("owner@example.uz") is not None


async def register(services: AppServices, email: str) -> UUID:
    done = await services.door.registration.register(
        kind=AccountKind.SELLER,
        email=email,
        password="a password of their own",
        name="Somebody",
        business_name="Shop",
        caller=Caller(),
    )
    return done.result.account_id


def migrated(environment: dict[str, str]) -> Machinery:
    tools = Machinery(Settings.from_environment(environment))
    bring_schema_up_to_date(tools)
    return tools


@pytest.mark.services
class TestSuperAdmin:
    async def test_the_one_of_the_settings_is_made_once(self, environment: dict[str, str]) -> None:
        environment |= {"SUPER_ADMIN_EMAIL": "owner@example.uz", "SUPER_ADMIN_PASSWORD": "a quiet teapot"}
        tools = migrated(environment)
        await bootstrap_super_admin(tools)
        after_first = head(tools)
        await bootstrap_super_admin(tools)
        assert head(tools) == after_first > 0
        async with open_services(tools) as services:
            done = await services.door.log_in.log_in(
                email="owner@example.uz", password="a quiet teapot", caller=Caller()
            )
        assert done.result.role is Role.SUPER_ADMIN

    async def test_without_one_in_the_settings_nothing_happens(self, tools: Machinery) -> None:
        await bootstrap_super_admin(tools)
        assert head(tools) == 0

    async def test_a_customers_address_makes_nobody_an_admin_and_does_not_close_the_shop(
        self, environment: dict[str, str]
    ) -> None:
        environment |= {"SUPER_ADMIN_EMAIL": "own@example.uz", "SUPER_ADMIN_PASSWORD": "a quiet teapot"}
        tools = migrated(environment)
        async with open_services(tools) as services:
            await register(services, "own@example.uz")
        await bootstrap_super_admin(tools)
        async with open_services(tools) as services:
            with pytest.raises(InvalidCredentials):
                await services.door.log_in.log_in(
                    email="own@example.uz", password="a quiet teapot", caller=Caller()
                )


class TestWhatToTry:
    def test_it_names_the_logins_of_the_demo_and_things_to_paste(self) -> None:
        text = what_to_try(Settings.from_environment({"PORT": "4711"}), with_demo=True)
        assert "http://localhost:4711/api/v1/schema/docs" in text
        assert all(email in text for email in (ADMIN_EMAIL, CUSTOMER.email, SELLERS[0].email, DEMO_PASSWORD))
        assert f"replay order/{PURCHASES[0].order_id}" in text

    def test_without_the_demo_it_tells_no_password(self) -> None:
        text = what_to_try(Settings.from_environment({}), with_demo=False)
        assert DEMO_PASSWORD not in text
        assert "rebuild --all" in text

    def test_it_never_shows_the_password_of_the_settings(self) -> None:
        settings = Settings.from_environment(
            {"SUPER_ADMIN_EMAIL": "owner@example.uz", "SUPER_ADMIN_PASSWORD": "a quiet teapot"}
        )
        text = what_to_try(settings, with_demo=True)
        assert "owner@example.uz" in text
        assert "a quiet teapot" not in text


class TestDemoGoods:
    def test_ids_are_those_of_every_demo_and_look_like_all_others(self) -> None:
        ids = [
            *(goods.listing_id for goods in GOODS),
            *(purchase.order_id for purchase in PURCHASES),
            *(demo_id("category", name) for name in CATEGORIES),
        ]
        assert max(Counter(ids).values()) == 1
        assert {each.version for each in ids} == {7}
        assert str(PURCHASES[0].order_id) == "019b76da-a800-7887-b7ee-1a410575442f"


@pytest.mark.services
class TestCommand:
    def test_it_says_what_it_added_and_then_that_nothing_is_missing(self, tools: Machinery, run: Run) -> None:
        first = run("demo")
        assert first.exit_code == 0, first.output
        assert "40 listings and 6 orders" in first.stdout
        assert DEMO_PASSWORD in first.stdout
        assert "Nothing was added" in run("demo").stdout

    def test_programs_get_numbers(self, tools: Machinery, run: Run) -> None:
        assert facts(run("demo", "--json")) == {"accounts": 4, "categories": 5, "listings": 40, "orders": 6}

    def test_orders_are_numbered_in_the_order_of_the_page(self, tools: Machinery, run: Run) -> None:
        run("demo")
        history = PostgresLog(tools.connect(name="test"), tools.codec)
        try:
            events = history.read(0, 10_000, {OrderPlaced}, personal=False).events
        finally:
            history.close()
        assert [each.stream_id for each in events] == [purchase.order_id for purchase in PURCHASES]

    def test_without_lasting_secrets_it_writes_nothing(
        self, tools: Machinery, environment: dict[str, str], run: Run
    ) -> None:
        del environment["ENCRYPTION_KEY"]
        refused = run("demo")
        assert refused.exit_code == 78
        assert "ENCRYPTION_KEY" in refused.stderr
        assert head(tools) == 0

    def test_without_a_schema_it_says_what_to_do(
        self, environment: dict[str, str], empty_database_url: str, run: Run
    ) -> None:
        environment["DATABASE_URL"] = empty_database_url
        refused = run("demo")
        assert refused.exit_code == 1
        assert "daftar migrate" in refused.stderr
