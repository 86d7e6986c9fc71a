"""What people do while parts of the house are killed: buyers, sellers and an admin at work."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any, Final

from tests.journeys.crash.asking import GONE, Asking
from tests.journeys.crash.book import Offer, PromiseBroken, Told
from tests.journeys.shop import API, USD, Person, wish

BUYERS: Final = 12
NEWCOMERS: Final = 2
"""How many buyers of the last round make room for new ones, who register in the middle of trade."""

PLENTY: Final = 100_000
FEW: Final = 4
SHELF: Final = ((PLENTY, "12.50"), (PLENTY, "3.99"), (PLENTY, "100.00"), (FEW, "7.00"))
"""Opening stock and price of each seller's listings."""

PAUSE_SECONDS: Final = 0.06
"""The longest that a buyer thinks between two orders."""

OUT_OF_STOCK: Final = "INSUFFICIENT_STOCK"


class Trade:
    """Buyers, sellers and an admin at work."""

    def __init__(self, asking: Asking, *, seed: int) -> None:
        """`seed` chooses what they do; in which order it arrives is up to the machine."""
        self.asking = asking
        self.book = asking.book
        self._seed = seed
        self._round = 0
        self._buyers: list[Person] = []
        self._admin: Person | None = None
        self._open = False
        self._tasks: list[asyncio.Task[None]] = []

    async def prepare(self) -> None:
        """Sellers with goods, and the first buyers, in peace."""
        asking, book = self.asking, self.book
        self._admin = await asking.admin()
        book.people[self._admin.account_id] = self._admin
        for name in ("anvar", "zarina"):
            seller = await asking.seller(name)
            book.people[seller.account_id] = seller
            book.sellers.append(seller)
            for stock, price in SHELF:
                listing_id = await asking.put_on_sale(seller, stock=stock, price=price)
                minor = int(price.replace(".", ""))
                book.offers[listing_id] = Offer(
                    listing_id=listing_id, seller=seller, stocked=stock, price=minor, opening_price=minor
                )
        self._buyers = [await asking.join(f"buyer{number}") for number in range(BUYERS)]

    @property
    def admin(self) -> Person:
        """The house's own."""
        assert self._admin is not None, "the trade is prepared"
        return self._admin

    @property
    def buyers(self) -> Sequence[Person]:
        """Who buys now."""
        return self._buyers

    # --- a round -------------------------------------------------------------------------------------------

    def open(self, number: int) -> None:
        """Let everybody begin."""
        self._round = number
        self._open = True
        fresh = {(number * NEWCOMERS + each) % BUYERS for each in range(NEWCOMERS)}
        work = [self._buy_until_closed(place, renewed=place in fresh) for place in range(BUYERS)]
        work += [self._sell_until_closed(seller) for seller in self.book.sellers]
        self._tasks = [asyncio.create_task(each) for each in work]

    def check(self) -> None:
        """Look whether anybody was let down already.

        Raises:
            PromiseBroken: somebody was.
        """
        for task in self._tasks:
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    async def close(self) -> None:
        """Let everybody finish what they have begun: afterwards every request has its answer."""
        self._open = False
        try:
            await asyncio.gather(*self._tasks)
        except BaseException:
            await self.abandon()
            raise
        self._tasks = []

    async def abandon(self) -> None:
        """Send everybody home, in the middle of whatever they do."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    # --- buying --------------------------------------------------------------------------------------------

    async def _buy_until_closed(self, place: int, *, renewed: bool) -> None:
        chance = random.Random(f"{self._seed} {self._round} {place}")
        if renewed and self._round > 1:
            self._buyers[place] = await self.asking.join(f"buyer{place}r{self._round}")
        while self._open:
            await self._one_order(self._buyers[place], chance)
            await asyncio.sleep(chance.uniform(0, PAUSE_SECONDS))

    async def _one_order(self, buyer: Person, chance: random.Random) -> None:
        book, asking = self.book, self.asking
        listings = chance.sample(sorted(book.offers), chance.choice((1, 1, 1, 2)))
        wanted = {listing_id: chance.choice((1, 1, 1, 2, 3)) for listing_id in listings}
        key = asking.key("order")
        twice = chance.random() < 0.1
        answer = await asking.command(
            "POST", "/orders", wish(*wanted.items()), buyer, key=key, twice=twice, may=OUT_OF_STOCK
        )
        if answer.code == OUT_OF_STOCK:
            return
        order = answer.data
        told = book.orders[key] = Told(key=key, buyer=buyer, wanted=wanted, order=order, round=self._round)
        self._opened(told, order["paymentId"])
        fate = chance.choices(
            (self._leave, self._call_off, self._pay_too_late, self._pay_at_second_try, self._pay),
            (10, 10, 4, 8, 68),
        )[0]
        await fate(told, chance)
        await self._look_at(told)

    @staticmethod
    def _opened(told: Told, payment_id: str) -> None:
        told.payments[payment_id] = "pending"
        told.given_back[payment_id] = 0

    async def _leave(self, told: Told, chance: random.Random) -> None:
        """Think about it."""

    async def _call_off(self, told: Told, chance: random.Random) -> None:
        path = f"/orders/{told.order_id}/cancel"
        body = {"reason": "Changed my mind"}
        twice = chance.random() < 0.1
        data = (
            await self.asking.command(
                "POST", path, body, told.buyer, key=self.asking.key("cancel"), twice=twice
            )
        ).data
        _expect(data["status"], "cancelled", told, "cancelled")
        told.status = "cancelled"
        if told.paid_by is not None:
            told.payments[told.paid_by] = "refunded"
            told.given_back[told.paid_by] = told.total

    async def _pay_too_late(self, told: Told, chance: random.Random) -> None:
        await self._call_off(told, chance)
        [payment_id] = told.payments
        # The money came, and goes back at once or, if somebody dies in between, a little later.
        await self._settle(told, payment_id, "succeeded", {"succeeded", "refunded"})
        told.payments[payment_id] = "refunded"
        told.given_back[payment_id] = told.total

    async def _pay_at_second_try(self, told: Told, chance: random.Random) -> None:
        [first] = told.payments
        await self._settle(told, first, "failed", {"failed"})
        told.payments[first] = "failed"
        body = {"orderId": told.order_id, "paymentMethod": "sandbox"}
        twice = chance.random() < 0.3
        begun = await self.asking.command(
            "POST", "/payments", body, told.buyer, key=self.asking.key("payment"), twice=twice
        )
        second = begun.data["paymentId"]
        if second == first:
            raise PromiseBroken(f"Order {told.number} is to be paid by payment {first}, which has failed.")
        self._opened(told, second)
        await self._paid(told, second)

    async def _pay(self, told: Told, chance: random.Random) -> None:
        [payment_id] = told.payments
        await self._paid(told, payment_id)
        then = chance.choices(
            (self._leave, self._call_off, self._send, self._send_and_bring, self._give_some_back),
            (35, 15, 10, 30, 10),
        )[0]
        await then(told, chance)

    async def _paid(self, told: Told, payment_id: str) -> None:
        await self._settle(told, payment_id, "succeeded", {"succeeded"})
        told.payments[payment_id] = "succeeded"
        told.paid_by = payment_id
        told.status = "confirmed"

    async def _settle(self, told: Told, payment_id: str, outcome: str, right: set[str]) -> None:
        path = f"/payments/{payment_id}/sandbox"
        key = self.asking.key("sandbox")
        data = (await self.asking.command("POST", path, {"outcome": outcome}, told.buyer, key=key)).data
        if data["status"] not in right:
            raise PromiseBroken(f"Payment {payment_id} of order {told.number}: {outcome}, but {data}")

    async def _send(self, told: Told, chance: random.Random) -> None:
        await self._fulfil(told, "ship", {"trackingNumber": f"T-{told.number}"}, "shipped")

    async def _send_and_bring(self, told: Told, chance: random.Random) -> None:
        await self._fulfil(told, "process", None, "processing")
        await self._send(told, chance)
        await self._fulfil(told, "deliver", None, "delivered")
        told.delivered = True

    async def _fulfil(self, told: Told, step: str, body: Any, status: str) -> None:
        sellers = {self.book.offers[listing_id].seller for listing_id in told.wanted}
        by = sellers.pop() if len(sellers) == 1 else self.admin
        key = self.asking.key(step)
        data = (await self.asking.command("POST", f"/orders/{told.order_id}/{step}", body, by, key=key)).data
        _expect(data["status"], status, told, step)
        told.status = status

    async def _give_some_back(self, told: Told, chance: random.Random) -> None:
        assert told.paid_by is not None
        minor = chance.randint(1, told.total)
        body = {"amount": {"amount": f"{minor // 100}.{minor % 100:02}", "currency": USD}}
        path = f"/payments/{told.paid_by}/refunds"
        _ = (await self.asking.command("POST", path, body, self.admin, key=self.asking.key("refund"))).data
        told.given_back[told.paid_by] = minor
        told.payments[told.paid_by] = "partially_refunded" if minor < told.total else "refunded"
        if minor == told.total:
            told.status = "refunded"

    async def _look_at(self, told: Told) -> None:
        """Read one's own order. While parts of the house are away nobody has to be shown anything."""
        headers = {"X-Min-Position": str(self.asking.position)}
        path = f"{API}/orders/{told.order_id}"
        try:
            answer = await self.asking.http.get(path, token=told.buyer.token, headers=headers)
        except GONE:
            return
        if answer.status == 500:
            raise PromiseBroken(f"GET {path} was answered {answer.body!r}")
        if answer.status == 200 and told.status != "refunded":
            _expect(answer.data["status"], told.status, told, "shown")

    # --- selling -------------------------------------------------------------------------------------------

    async def _sell_until_closed(self, seller: Person) -> None:
        chance = random.Random(f"{self._seed} {self._round} {seller.email}")
        mine = [offer for offer in self.book.offers.values() if offer.seller == seller]
        while self._open:
            offer = chance.choice(mine)
            if chance.random() < 0.5:
                await self._price(offer, chance)
            else:
                await self._stock(offer, chance)
            await asyncio.sleep(chance.uniform(0, 2 * PAUSE_SECONDS))

    async def _price(self, offer: Offer, chance: random.Random) -> None:
        minor = offer.opening_price + chance.randint(-99, 99)
        body = {"price": {"amount": f"{minor // 100}.{minor % 100:02}", "currency": USD}}
        path = f"/listings/{offer.listing_id}"
        _ = (await self.asking.command("PUT", path, body, offer.seller, key=self.asking.key("price"))).data
        offer.price = minor

    async def _stock(self, offer: Offer, chance: random.Random) -> None:
        delta = chance.randint(1, 3)
        path = f"/listings/{offer.listing_id}/stock"
        key = self.asking.key("stock")
        twice = chance.random() < 0.2
        _ = (
            await self.asking.command("PATCH", path, {"delta": delta}, offer.seller, key=key, twice=twice)
        ).data
        offer.stocked += delta


def _expect(status: str, right: str, told: Told, what: str) -> None:
    if status != right:
        raise PromiseBroken(f"Order {told.number} ({told.key}) was {what}; it is {status}, not {right}.")
