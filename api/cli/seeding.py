"""What a shop begins with: its super admin, and, for looking around, a whole little marketplace (DEP-08, ACC-30).

Everything is asked for by commands, as callers would, so the demo's history is as true as any other.
"""

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, assert_never
from uuid import UUID

import msgspec
import psycopg
import structlog

from api.assembly import AppServices, open_services
from api.cli.demo_shop import (
    ADDRESS,
    ADMIN_EMAIL,
    CATEGORIES,
    CURRENCY,
    CUSTOMER,
    DEMO_PASSWORD,
    GOODS,
    PURCHASES,
    SELLERS,
    Goods,
    Person,
    Purchase,
    demo_id,
)
from application.accounts.commands import ApproveSeller
from application.accounts.directory import ClaimedEmails
from application.categories.commands import CreateCategory
from application.listings.commands import CreateListing, PublishListing
from application.orders.commands import CancelOrder, DeliverOrder, PlaceOrder, ShipOrder, StartOrderProcessing
from application.payments.commands import ShowPayment
from application.payments.ports import PaymentRequest
from application.shared.caller import SYSTEM, ActorKind, Caller
from application.shared.command import Command
from application.shared.store import Kind
from domain.accounts.account import Account, UserExists
from domain.accounts.roles import AccountKind, AccountStatus
from domain.listings.events import ListingCreated
from domain.listings.listing import Listing, ListingStatus
from domain.orders.lines import OrderLineRequest
from domain.orders.order import OrderStatus
from domain.orders.tracking import Tracking
from domain.shared.errors import InvalidInput
from domain.shared.events import State
from domain.shared.money import Money
from infrastructure.bootstrap import Machinery, kinds_by_name
from infrastructure.payments.sandbox import SandboxGateway, SandboxOutcome
from infrastructure.settings import Settings

log = structlog.get_logger(__name__)

LOOK_AT_ONCE: Final = 10_000
LOCK: Final = 0x0DAF7ADE
LOCK_SECONDS: Final = 30


class DemoRefused(Exception):
    """The demo is not for this installation."""


class SeededDemo(msgspec.Struct, frozen=True, kw_only=True):
    """What was added; all zero when the demo was there already."""

    accounts: int = 0
    categories: int = 0
    listings: int = 0
    orders: int = 0

    @property
    def anything(self) -> bool:
        """Whether there was something to add."""
        return any(msgspec.structs.astuple(self))


async def bootstrap_super_admin(tools: Machinery) -> None:
    """See to it that the super admin of the settings exists, if they name one. One that is there stays as it is.

    An address that cannot be used is logged, not raised: a shop that is open does not close over it.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    accounts = tools.settings.accounts
    if accounts.super_admin_email is None or accounts.super_admin_password is None:
        return
    async with open_services(tools) as services:
        try:
            done = await services.door.registration.bootstrap_super_admin(
                email=accounts.super_admin_email, password=accounts.super_admin_password.reveal()
            )
        except (UserExists, InvalidInput) as refusal:
            log.error("super_admin_not_made", reason=refusal.message)
            return
    if done.result.created:
        log.info("super_admin_made", account_id=str(done.result.account_id))


async def seed_demo(tools: Machinery) -> SeededDemo:
    """Fill an empty marketplace, or what is missing of an interrupted demo; a shop with goods of its own is left alone.

    Raises:
        DemoRefused: this is production, where passwords that everybody knows must not be; or no super admin can be made.
        StoreUnavailable: the database cannot be reached.
    """
    if tools.settings.in_production:
        raise DemoRefused("The demo is never put into a production shop: everybody knows its passwords.")
    async with _alone(tools), open_services(tools) as services:
        if await asyncio.to_thread(_has_other_goods, tools):
            log.info("demo_left_out", reason="the shop has goods of its own")
            return SeededDemo()
        seeded = await _Seeder(services).seed()
    if seeded.anything:
        log.info("demo_seeded", **msgspec.structs.asdict(seeded))
    return seeded


def what_to_try(settings: Settings, with_demo: bool) -> str:
    """What to read and paste once the shop is open."""
    host = settings.http.listen_host
    place = "localhost" if host in {"0.0.0.0", "::", "127.0.0.1", "::1"} else host  # noqa: S104 - compared only
    api = f"http://{place}:{settings.http.port}/api/{settings.http.api_version}"
    lines = [f"Daftar is open at {api}", ""]
    if settings.http.openapi_enabled:
        lines += [f"  Read and try the API   {api}/schema/docs"]
    lines += [f"  Health                 http://{place}:{settings.http.port}/health", ""]
    own_admin = settings.accounts.super_admin_email
    if with_demo and not settings.in_production:
        logins = [
            ("super admin", own_admin or ADMIN_EMAIL),
            *(("seller", seller.email) for seller in SELLERS),
            ("customer", CUSTOMER.email),
        ]
        lines += [f"Demo logins, all with the password {DEMO_PASSWORD}:"]
        for who, email in logins:
            note = "   (with SUPER_ADMIN_PASSWORD)" if email == own_admin else ""
            lines += [f"  {who:<12} {email}{note}"]
        lines += [
            "",
            "Sign in:",
            f"  curl -s {api}/auth/login -H 'content-type: application/json' \\",
            f'    -d \'{{"email":"{CUSTOMER.email}","password":"{DEMO_PASSWORD}"}}\'',
            "",
        ]
    things = [
        ("projections", "what is read, and how far each read model is"),
        ("rebuild --all", "throw every read model away and make it again, while the shop is open"),
        ("tail", "watch events as they happen"),
        ("doctor", "what is configured, reachable, lagging or insecure"),
    ]
    if with_demo and not settings.in_production:
        things.append((f"replay order/{PURCHASES[0].order_id}", "the history of one order"))
    lines += ["In another terminal, in this folder:"]
    lines += [f"  {_program()} {command}\n      {what}" for command, what in things]
    lines += ["", "Ctrl-C stops everything; the data stays."]
    return "\n".join(lines)


class _Seeder:
    """Asks for the demo, step by step; what is there already is not asked for again."""

    def __init__(self, services: AppServices) -> None:
        self._services = services
        self._commands = services.commands
        self._emails = ClaimedEmails(services.store)
        self._kinds = kinds_by_name()

    async def seed(self) -> SeededDemo:
        """Everything, in the order in which it depends on each other."""
        admin, *people = await asyncio.gather(
            self._admin(), *(self._person(person) for person in (*SELLERS, CUSTOMER))
        )
        admin_id, _ = admin
        *seller_ids, customer_id = [account_id for account_id, _ in people]
        sellers = [Caller(actor_id=seller_id, role="seller") for seller_id in seller_ids]
        await self._approve(seller_ids, by=Caller(actor_id=admin_id, role="super_admin"))
        categories = await self._fill_shelves()
        listings = await self._put_on_sale(sellers)
        orders = await self._sell(sellers, Caller(actor_id=customer_id, role="customer"))
        return SeededDemo(
            accounts=sum(is_new for _, is_new in (admin, *people)),
            categories=categories,
            listings=listings,
            orders=orders,
        )

    async def _admin(self) -> tuple[UUID, bool]:
        configured = self._services.settings.accounts
        email, password = ADMIN_EMAIL, DEMO_PASSWORD
        if configured.super_admin_email is not None and configured.super_admin_password is not None:
            email, password = configured.super_admin_email, configured.super_admin_password.reveal()
        try:
            done = await self._services.door.registration.bootstrap_super_admin(
                email=email, password=password
            )
        except (UserExists, InvalidInput) as refusal:
            raise DemoRefused(f"The demo needs a super admin. {refusal.message}") from refusal
        return done.result.account_id, done.result.created

    async def _person(self, person: Person) -> tuple[UUID, bool]:
        holder = await self._emails.holder_of_email(person.email)
        if holder is not None:
            return holder, False
        done = await self._services.door.registration.register(
            kind=person.kind,
            email=person.email,
            password=DEMO_PASSWORD,
            name=person.name,
            business_name=person.business_name,
            caller=Caller(),
        )
        return done.result.account_id, True

    async def _approve(self, seller_ids: list[UUID], *, by: Caller) -> None:
        states = await self._states("account", seller_ids)
        waiting = [
            seller_id
            for seller_id, state in states.items()
            if isinstance(state, Account)
            and state.kind is AccountKind.SELLER
            and state.status is AccountStatus.PENDING
        ]
        await self._ask_all([(ApproveSeller(account_id=seller_id), by) for seller_id in waiting])

    async def _fill_shelves(self) -> int:
        ids = {demo_id("category", name): name for name in CATEGORIES}
        missing = await self._missing("category", list(ids))
        return await self._ask_all(
            [
                (CreateCategory(category_id=category_id, name=ids[category_id]), SYSTEM)
                for category_id in missing
            ]
        )

    async def _put_on_sale(self, sellers: list[Caller]) -> int:
        goods = {each.listing_id: each for each in GOODS}
        states = await self._states("listing", list(goods))
        ceiling = self._services.settings.commerce.price_ceiling.get(
            CURRENCY, max(each.minor for each in GOODS)
        )
        owners = {listing_id: sellers[each.seller] for listing_id, each in goods.items()}
        missing = [listing_id for listing_id, state in states.items() if state is None]
        await self._ask_all([(_creation(goods[one], ceiling), owners[one]) for one in missing])
        drafts = [
            listing_id
            for listing_id, state in states.items()
            if state is None or (isinstance(state, Listing) and state.status is ListingStatus.DRAFT)
        ]
        return await self._ask_all([(PublishListing(listing_id=one), owners[one]) for one in drafts])

    async def _sell(self, sellers: list[Caller], customer: Caller) -> int:
        if not self._services.settings.payments.sandbox:
            return 0
        gateway = self._services.gateways.get("sandbox")
        if not isinstance(gateway, SandboxGateway):
            raise TypeError("The provider called sandbox is the sandbox.")
        missing = set(await self._missing("order", [purchase.order_id for purchase in PURCHASES]))
        count = 0
        for purchase in PURCHASES:
            # One after the other, so that their numbers tell the order of this page.
            if purchase.order_id in missing:
                await self._buy(purchase, gateway, sellers, customer)
                count += 1
        return count

    async def _buy(
        self, purchase: Purchase, gateway: SandboxGateway, sellers: list[Caller], customer: Caller
    ) -> None:
        by_name = {each.name: each for each in GOODS}
        payment_id = demo_id("payment", purchase.name)
        await self._commands.submit(
            PlaceOrder(
                order_id=purchase.order_id,
                payment_id=payment_id,
                lines=tuple(
                    OrderLineRequest(listing_id=by_name[name].listing_id, quantity=quantity)
                    for name, quantity in purchase.lines
                ),
                payment_method=gateway.name,
                provider_reference=gateway.reference_for(payment_id),
                provider_currencies=gateway.currencies,
                shipping_address=ADDRESS,
                terms=self._services.order_terms,
            ),
            customer,
        )
        seller = sellers[by_name[purchase.lines[0][0]].seller]
        for command, caller in await self._story(purchase, payment_id, gateway, seller, customer):
            await self._commands.submit(command, caller)

    async def _story(
        self,
        purchase: Purchase,
        payment_id: UUID,
        gateway: SandboxGateway,
        seller: Caller,
        customer: Caller,
    ) -> list[tuple[Command, Caller]]:
        """What happened to an order after it was placed."""
        order_id = purchase.order_id
        payment = (await self._commands.submit(ShowPayment(payment_id=payment_id), customer)).result
        paid: tuple[Command, Caller] = (
            gateway.callback(PaymentRequest.of(payment), SandboxOutcome.SUCCEEDED, at=self._services.clock()),
            Caller(actor_kind=ActorKind.WEBHOOK),
        )
        begun = (StartOrderProcessing(order_id=order_id), seller)
        sent = (ShipOrder(order_id=order_id, tracking=Tracking(number="UZ-DEMO-0001")), seller)
        match purchase.status:
            case OrderStatus.PENDING:
                return []
            case OrderStatus.CONFIRMED:
                return [paid]
            case OrderStatus.PROCESSING:
                return [paid, begun]
            case OrderStatus.SHIPPED:
                return [paid, begun, sent]
            case OrderStatus.DELIVERED | OrderStatus.REFUNDED:
                return [paid, begun, sent, (DeliverOrder(order_id=order_id), seller)]
            case OrderStatus.CANCELLED:
                return [(CancelOrder(order_id=order_id, reason="Found it in another colour"), customer)]
            case _:
                assert_never(purchase.status)

    # --- asking --------------------------------------------------------------------------------------------

    async def _ask_all(self, wishes: list[tuple[Command, Caller]]) -> int:
        """Ask for all at once: the loop decides them in this order, in few commits."""
        await asyncio.gather(*(self._commands.submit(command, caller) for command, caller in wishes))
        return len(wishes)

    async def _states(self, kind: str, ids: list[UUID]) -> dict[UUID, State | None]:
        wanted: Kind[State] = self._kinds[kind]
        slots = await self._services.store.load(dict.fromkeys(ids, wanted))
        return {stream_id: slots[stream_id].state for stream_id in ids}

    async def _missing(self, kind: str, ids: list[UUID]) -> list[UUID]:
        return [stream_id for stream_id, state in (await self._states(kind, ids)).items() if state is None]


def _creation(goods: Goods, ceiling: int) -> CreateListing:
    return CreateListing(
        listing_id=goods.listing_id,
        name=goods.name,
        price=Money(goods.minor, CURRENCY),
        price_ceiling=ceiling,
        category_id=demo_id("category", goods.category),
        description=goods.description,
        stock_quantity=goods.stock,
        weight=goods.weight,
        tags=goods.tags,
    )


def _has_other_goods(tools: Machinery) -> bool:
    """Whether the first listing that ever was is not the demo's."""
    ours = {goods.listing_id for goods in GOODS}
    history = tools.open_log(name="daftar-demo")
    try:
        after = 0
        while True:
            batch = history.read(after, LOOK_AT_ONCE, {ListingCreated}, personal=False)
            if batch.events:
                return batch.events[0].stream_id not in ours
            if batch.upto == after:
                return False
            after = batch.upto
    finally:
        history.close()


@asynccontextmanager
async def _alone(tools: Machinery) -> AsyncIterator[None]:
    """Among all processes that seed one shop, the only one that works at this moment."""
    connection = await asyncio.to_thread(tools.connect, name="daftar-demo")
    try:
        await asyncio.to_thread(_take_lock, connection)
        yield
    finally:
        connection.close()


def _take_lock(connection: "psycopg.Connection[tuple[object, ...]]") -> None:
    connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
    connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))


def _program() -> str:
    """How this program is called from the folder that one is in."""
    called = Path(sys.argv[0])
    return shlex.quote(sys.argv[0]) if called.name == "daftar" else "daftar"
