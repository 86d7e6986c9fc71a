"""What must be true after every kill, proved from outside (answers, the broker, the mailbox) and from the database."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import msgspec
import psycopg

from domain.inventory.stock import Stock
from domain.orders.order import Order
from domain.payments.payment import Payment
from infrastructure.bootstrap import Machinery
from infrastructure.event_store.log import PostgresLog
from infrastructure.messaging.connection import connected
from infrastructure.messaging.streams import DAFTAR
from tests.journeys.crash.book import PromiseBroken, Told
from tests.journeys.crash.effects import undone
from tests.journeys.crash.history import History, by_order
from tests.journeys.crash.house import House
from tests.journeys.crash.mails import MailFolder
from tests.journeys.crash.subscriber import Subscriber
from tests.journeys.crash.trade import Trade
from tests.journeys.crash.witness import Witness
from tests.journeys.shop import Person, wish

T = TypeVar("T")

NAMES: Final = ("orders", "stock", "money", "log", "stream", "effects", "screens")
"""The promises, in the order of docs/reliability.md."""

STREAM_SECONDS: Final = 15.0
"""Within which time every event has reached every screen, the subscriber and the workflows."""

EFFECT_SECONDS: Final = 75.0
"""Within which time what follows from an event has happened. A message that died with its process is given out again after
`Terms.ack_wait_seconds`, and a failure rests for a while."""

HELD: Final = "pending"
SOLD: Final = frozenset({"confirmed", "processing", "shipped", "delivered", "refunded"})
"""The statuses of an order whose goods have left the shelf. Those of a cancelled order are back on it."""

AT_ONCE: Final = 16
"""How many questions are under way at once."""


class Promises:
    """All of them, for one house from its opening on."""

    def __init__(self, house: House, trade: Trade, subscriber: Subscriber) -> None:
        """The trade is prepared, and nobody was killed so far."""
        self._house = house
        self._trade = trade
        self._asking = trade.asking
        self._book = trade.book
        self._subscriber = subscriber
        self._tools: Machinery = house.tools()
        urls = house.urls()
        assert urls.mail_folder is not None
        assert urls.nats_url is not None
        self._nats_url = urls.nats_url
        self.mails = MailFolder(urls.mail_folder)
        self.history = History(self._tools.names)
        self._witness = Witness("witness")
        self._witness_began = False
        self.rows = 0

    async def prove(self, number: int) -> None:
        """All promises after a round, while nobody trades. What was asked in it is asked once more.

        Raises:
            PromiseBroken: one does not hold.
        """
        await self._subscriber.until(await self._caught_up(), STREAM_SECONDS)
        await asyncio.to_thread(self.look_inside)
        self.orders()
        self.stock()
        self.money()
        left = undone(
            self.history, self.mails, self._book, before=datetime.now(UTC) - timedelta(seconds=EFFECT_SECONDS)
        )
        if left:
            raise PromiseBroken(f"After {EFFECT_SECONDS} s: {left[:5]}")
        await self._workflows()
        # Only what the kill has touched: with `number` of 0, everything.
        told = [each for each in self._book.orders.values() if number in {0, each.round}]
        await self._in_parts(self._same_answer, told)
        people = {each.buyer.account_id: each.buyer for each in told}
        await self._in_parts(self._shown_to, people.values())
        await self._in_parts(self._shelf, self._book.offers)

    async def prove_everything(self) -> None:
        """All promises about all that ever happened, once all that follows from it has been waited for.

        Raises:
            PromiseBroken: one does not hold.
        """
        deadline = asyncio.get_running_loop().time() + EFFECT_SECONDS
        while True:
            await self._caught_up()
            await asyncio.to_thread(self.look_inside)
            left = undone(self.history, self.mails, self._book, before=None)
            if not left:
                break
            if asyncio.get_running_loop().time() > deadline:
                raise PromiseBroken(f"After {EFFECT_SECONDS} s: {len(left)}, such as {left[:5]}")
            await asyncio.sleep(0.5)
        await self.prove(0)
        self._earnings()
        await self._ledger_shown()
        _ = await self._house.serving.daftar("rebuild", "--all")
        await self._caught_up()
        await asyncio.to_thread(self._compare_with_fresh)
        await self._in_parts(self._shelf, self._book.offers)

    # --- waiting -------------------------------------------------------------------------------------------

    async def _caught_up(self) -> int:
        """Wait until every screen shows all that is in the log now; returns its head."""
        deadline = asyncio.get_running_loop().time() + STREAM_SECONDS
        wanted = None
        while True:
            answer = await self._asking.http.get("/api/v1/admin/projections", token=self._trade.admin.token)
            if answer.status == 200:
                models = answer.data
                if wanted is None:
                    wanted = max(model["position"] + model["lag"] for model in models)
                if all(model["position"] >= wanted for model in models):
                    return int(wanted)
            if asyncio.get_running_loop().time() > deadline:
                raise PromiseBroken(f"The read models lag after {STREAM_SECONDS} s: {answer.body!r}")
            await asyncio.sleep(0.02)

    # --- looking inside ------------------------------------------------------------------------------------

    def look_inside(self) -> None:
        """Read the log on, see that it is whole, and compare the read models with it."""
        with self._tools.connect(name="crash-rounds") as connection:
            log = self._tools.open_log(name="crash-rounds")
            try:
                if not self._witness_began:
                    self._witness.begin(connection)
                    self._witness_began = True
                whole_log(connection)
                self.history.read(log)
                self.rows = self._witness.compare(connection, log)
            finally:
                log.close()
        self.mails.look()

    def _compare_with_fresh(self) -> None:
        """The log from its first event, and all read models anew from it."""
        fresh = Witness("fresh")
        with self._tools.connect(name="crash-rounds") as connection:
            log: PostgresLog = self._tools.open_log(name="crash-rounds")
            try:
                fresh.begin(connection)
                fresh.compare(connection, log)
                History(self._tools.names).read(log)
            finally:
                log.close()

    # --- orders --------------------------------------------------------------------------------------------

    def orders(self) -> None:
        """Whoever was told of an order has it, once; nobody else has one, nobody has two for one key."""
        told = {UUID(each.order_id): each for each in self._book.orders.values()}
        if len(told) != len(self._book.orders):
            raise PromiseBroken("Two keys were answered with one order.")
        twice = [order_id for order_id, births in self.history.placed.items() if births != 1]
        strange = self.history.placed.keys() - told.keys()
        lost = told.keys() - self.history.placed.keys()
        if twice or strange or lost:
            raise PromiseBroken(
                f"Orders placed twice: {twice}; that nobody was told of: {sorted(strange)}; "
                f"acknowledged and lost: {[told[each].number for each in lost]}"
            )
        numbers = Counter(order.order_number for order in self.history.all_of(Order).values())
        if repeated := [number for number, count in numbers.items() if count > 1]:
            raise PromiseBroken(f"Order numbers given twice: {repeated}")
        for order_id, each in told.items():
            order = self.history.order(order_id)
            lines = {str(line.listing_id): line.quantity for line in order.lines}
            self._equal(
                f"Order {each.number}",
                (
                    order.order_number,
                    str(order.customer_id),
                    lines,
                    order.total.minor,
                    order.status.value,
                    None if order.paid_payment_id is None else str(order.paid_payment_id),
                ),
                (
                    each.number,
                    each.buyer.account_id,
                    each.wanted,
                    each.total,
                    each.status,
                    each.paid_by,
                ),
            )
        accounts = {UUID(account_id) for account_id in self._book.people}
        self._equal("The accounts", dict(self.history.registered), dict.fromkeys(accounts, 1))

    async def _same_answer(self, told: Told) -> None:
        """The same request under the same key gets the same answer once more, and nothing happens."""
        answer = await self._asking.command(
            "POST", "/orders", wish(*told.wanted.items()), told.buyer, key=told.key
        )
        self._equal(f"The repeat of {told.key}", _said(answer.data), _said(told.order))
        if answer.headers.get("idempotent-replayed") != "true":
            raise PromiseBroken(f"The repeat of {told.key} was decided anew.")

    async def _shown_to(self, buyer: Person) -> None:
        """Everybody finds all their orders, each once, as they stand."""
        shown = await self._asking.every("/orders", buyer)
        mine = [told for told in self._book.orders.values() if told.buyer.account_id == buyer.account_id]
        self._equal(
            f"The orders of {buyer.email}",
            Counter(
                (each["orderId"], each["orderNumber"], each["status"], each["total"]["minor"])
                for each in shown
            ),
            Counter((each.order_id, each.number, each.status, each.total) for each in mine),
        )

    # --- stock ---------------------------------------------------------------------------------------------

    def _pieces(self) -> dict[str, tuple[int, int]]:
        """How many pieces of each listing orders hold, and how many they have taken."""
        pieces: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for told in self._book.orders.values():
            for listing_id, quantity in told.wanted.items():
                pieces[listing_id][0] += quantity if told.status == HELD else 0
                pieces[listing_id][1] += quantity if told.status in SOLD else 0
        return {listing_id: (held, sold) for listing_id, (held, sold) in pieces.items()}

    def stock(self) -> None:
        """Every order has its goods, every piece is accounted for. (Below zero it never is: see `History`.)"""
        pieces = self._pieces()
        stocks = {str(stock.listing_id): stock for stock in self.history.all_of(Stock).values()}
        self._equal("The listings with stock", set(stocks), set(self._book.offers))
        for listing_id, offer in self._book.offers.items():
            held, sold = pieces.get(listing_id, (0, 0))
            stock = stocks[listing_id]
            self._equal(
                f"At hand and held of listing {listing_id}",
                (stock.quantity, stock.reserved),
                (offer.stocked - sold, held),
            )

    async def _shelf(self, listing_id: str) -> None:
        """What is shown of a listing is what there is."""
        offer = self._book.offers[listing_id]
        held, sold = self._pieces().get(listing_id, (0, 0))
        answer = await self._asking.get(f"/listings/{listing_id}", offer.seller)
        if answer.status != 200:
            raise PromiseBroken(f"Listing {listing_id} is answered {answer.status} {answer.body!r}")
        shown = answer.data
        self._equal(
            f"The shelf of listing {listing_id}",
            (shown["quantity"], shown["available"], shown["price"]["minor"]),
            (offer.stocked - sold, offer.stocked - sold - held, offer.price),
        )

    # --- money ---------------------------------------------------------------------------------------------

    def money(self) -> None:
        """Payments and orders say the same, and every cent that came in has paid an order or goes back."""
        payments = by_order(self.history.all_of(Payment).values())
        captured = paid = 0
        for told in self._book.orders.values():
            found = {str(payment.payment_id): payment for payment in payments.pop(UUID(told.order_id), [])}
            self._equal(f"The payments of order {told.number}", set(found), set(told.payments))
            for payment_id, status in told.payments.items():
                self._payment(told, found[payment_id], status)
                captured += found[payment_id].amount.minor if found[payment_id].has_succeeded else 0
            paid += told.total if told.paid_by is not None else 0
            paid += sum(
                told.given_back[payment_id] for payment_id in told.payments if payment_id != told.paid_by
            )
        if payments:
            raise PromiseBroken(f"Payments of orders that there are not: {sorted(payments)}")
        self._equal("Captured, and paid orders with what went back of the rest", captured, paid)

    def _payment(self, told: Told, payment: Payment, status: str) -> None:
        """One payment. A refund that is asked for and not made yet is watched over by `undone`."""
        asked = sum(refund.amount.minor for refund in payment.refunds)
        self._equal(
            f"Payment {payment.payment_id} of order {told.number}: amount, asked back",
            (payment.amount.minor, asked),
            (told.total, told.given_back[str(payment.payment_id)]),
        )
        under_way = any(self.history.refunds_made[refund.refund_id] == 0 for refund in payment.refunds)
        allowed = {status} | ({"succeeded"} if under_way else set())
        if payment.status.value not in allowed:
            raise PromiseBroken(
                f"Payment {payment.payment_id} of order {told.number} is {payment.status.value}, not {status}."
            )

    async def _ledger_shown(self) -> None:
        """Staff see every payment once, as it stands."""
        shown = await self._asking.every("/admin/payments", self._trade.admin)
        self._equal(
            "The payments that staff are shown",
            Counter(
                (each["orderId"], each["paymentId"], each["status"], each["refunded"]["minor"])
                for each in shown
            ),
            Counter(
                (told.order_id, payment_id, status, told.given_back[payment_id])
                for told in self._book.orders.values()
                for payment_id, status in told.payments.items()
            ),
        )

    def _earnings(self) -> None:
        """Everything that was delivered has earned, and nothing else."""
        delivered = {UUID(told.order_id) for told in self._book.orders.values() if told.delivered}
        self._equal("Orders that have earned", {order_id for order_id, _ in self.history.earned}, delivered)

    async def _workflows(self) -> None:
        """Every workflow has been given every event of its own, and has given up on none."""
        deadline = asyncio.get_running_loop().time() + STREAM_SECONDS
        async with connected(self._nats_url, name="crash-rounds") as broker:
            while True:
                consumers = await broker.jetstream.consumers_info(DAFTAR.events)
                behind = {
                    consumer.name: consumer.num_pending for consumer in consumers if consumer.num_pending
                }
                if not behind:
                    break
                if asyncio.get_running_loop().time() > deadline:
                    raise PromiseBroken(
                        f"So many events wait for workflows after {STREAM_SECONDS} s: {behind}"
                    )
                await asyncio.sleep(0.05)
            letters = (await broker.jetstream.stream_info(DAFTAR.dead_letters)).state.messages
        if letters:
            told = await self._house.serving.daftar("dead-letters", "list")
            raise PromiseBroken(f"Workflows have given up on {letters} events: {told}")

    # --- comparing -----------------------------------------------------------------------------------------

    @staticmethod
    def _equal(what: str, found: Any, right: Any) -> None:
        if found != right:
            if isinstance(found, Counter | set) and isinstance(right, Counter | set):
                raise PromiseBroken(f"{what}: too much {found - right}, missing {right - found}")  # type: ignore[operator]
            raise PromiseBroken(f"{what}: found {found}, not {right}")

    @staticmethod
    async def _in_parts(ask: Callable[[T], Awaitable[None]], about: Iterable[T]) -> None:
        """Ask the same about many, some at a time."""
        left = list(about)

        async def one_after_the_other() -> None:
            while left:
                await ask(left.pop())

        tasks = [asyncio.create_task(one_after_the_other()) for _ in range(AT_ONCE)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


def _said(order: Any) -> bytes:
    return msgspec.json.encode(order, order="sorted")


def whole_log(connection: psycopg.Connection[Any]) -> None:
    """See that the log has every position, and every stream every version.

    Raises:
        PromiseBroken: it has not.
    """
    row = connection.execute(
        """
        SELECT head.position, count(event.notification_id), min(event.notification_id), max(event.notification_id)
        FROM log_head AS head CROSS JOIN stored_events AS event
        GROUP BY head.position
        """
    ).fetchone()
    assert row is not None, "something has happened"
    head, count, first, last = row
    if not (head == count == last and first == 1):
        raise PromiseBroken(f"The log's head is {head}; it has {count} events from {first} to {last}.")
    broken = connection.execute(
        """
        SELECT originator_id, count(*), min(originator_version), max(originator_version)
        FROM stored_events
        GROUP BY originator_id
        HAVING min(originator_version) <> 1 OR max(originator_version) <> count(*)
        LIMIT 3
        """
    ).fetchall()
    if broken:
        raise PromiseBroken(f"Streams with holes (id, events, first and last version): {broken}")
