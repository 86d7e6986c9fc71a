"""A year of a real shop, through the front door.

Drives the invoices of the UCI "Online Retail" set through the public HTTP API of a running server, and nothing else: an
account for each customer, a listing for each stock code, an order for each invoice, payment through `sandbox`, and for each
cancellation invoice the cancellation or the refund of what it takes back. Then every total is compared to the minor unit: in
the answers, in the read models, and, when asked, again after all read models were rebuilt.

    daftar serve                                     # with RATE_LIMIT_ENABLED=false, BCRYPT_ROUNDS=10
    python -m tests.trials.online_retail --url http://127.0.0.1:3000 --admin-email ... --admin-password-env NAME

How odd rows are treated:

- Prices are pounds; they are traded as `usd` with the same figures, so that any server takes them.
- A stock code's price changes all year round. When an invoice has another price than the listing, the seller changes the
  listing's price first (`PUT /listings/{id}`). Orders at one price run side by side; a change waits until they are placed.
- An invoice that has one code at several prices becomes several orders, for an order freezes one price a listing; lines
  of one code at one price are added up.
- Rows without a positive price (gifts, write-offs, two negative ones), rows that write stock off in a sale, and the three
  bad-debt adjustments are no trade: they are left out and counted.
- Four prices have more than two decimals: they are rounded half-even to the penny.
- Rows without a customer belong to one guest account for each country.
- A cancellation invoice names no sale. When all sales are placed, its lines are matched to the customer's latest orders that
  hold the code. An order that is taken back whole by one cancellation invoice is cancelled, which refunds
  all of it and puts the stock back; otherwise the lines' value is refunded (without tax, at most what is left of the
  payment) and the pieces are put back by a stock adjustment. What was sold before the year, or never, is left out and counted.
"""

import argparse
import asyncio
import os
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from tests.support.http import Answer, HttpClient
from tests.trials.retail_data import Invoice, Line, Shop, read_shop

API = "/api/v1"
CURRENCY = "usd"
PASSWORD = "a password for the trial only"
RESERVE = 7
"""Pieces of each code that nobody buys, so that stock never ends at zero by luck."""

ADDRESS = {
    "firstName": "Retail",
    "lastName": "Customer",
    "address1": "1 Trial Street",
    "city": "London",
    "postalCode": "EC1A 1BB",
    "country": "GB",
}


class PlacedOrder(msgspec.Struct):
    """One order as the server answered it; amounts in minor units."""

    order_id: str
    payment_id: str
    customer: str
    lines: dict[str, Line]
    subtotal: int
    tax: int
    total: int
    cancelled: bool = False
    refunded: int = 0
    taken_back: dict[str, int] = msgspec.field(default_factory=dict)


class Outcome(msgspec.Struct):
    """What a run did and what it found; `problems` is empty when every total agrees."""

    sale_invoices: int = 0
    orders: int = 0
    cancellation_invoices: int = 0
    cancelled_orders: int = 0
    refunds: int = 0
    unmatched_lines: int = 0
    unmatched_amount: int = 0
    listings: int = 0
    customers: int = 0
    price_changes: int = 0
    requests: int = 0
    rows: int = 0
    rows_left_out: int = 0
    trading_seconds: float = 0.0
    seconds: float = 0.0
    problems: list[str] = msgspec.field(default_factory=list)

    @property
    def orders_per_second(self) -> float:
        """Placed and paid, with the price changes between them."""
        return self.orders / self.trading_seconds if self.trading_seconds else 0.0


class PriceTag:
    """One listing's price: orders at one price share it, a change waits for them. First come, first served.

    A change begins at once when the tag is taken, so that whoever has taken a tag waits for nobody who has yet to take one.
    """

    def __init__(self, listing_id: str, price: int) -> None:
        self.listing_id = listing_id
        self.price = price
        self._turn = asyncio.Lock()
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()
        self._change: asyncio.Task[None] | None = None

    async def take(self, price: int, change: Callable[["PriceTag", int], Coroutine[Any, Any, None]]) -> None:
        """Have the listing cost `price` until it is given back; see `ready`."""
        async with self._turn:
            if self.price != price:
                await self._unused.wait()
                self.price = price
                self._change = asyncio.create_task(change(self, price))
            self._users += 1
            self._unused.clear()

    async def ready(self) -> None:
        """Wait until the server has the price."""
        if self._change is not None:
            await self._change

    def give_back(self) -> None:
        """The order is placed: its price is frozen."""
        self._users -= 1
        if not self._users:
            self._unused.set()


class Pass(msgspec.Struct):
    """The tokens by which somebody goes on; the access token is good for a quarter of an hour, the trial takes longer."""

    access: str
    refresh: str
    turn: asyncio.Lock = msgspec.field(default_factory=asyncio.Lock)


class Trial:
    """One run against one server."""

    def __init__(self, http: HttpClient, shop: Shop, *, admin: tuple[str, str], in_flight: int) -> None:
        """`admin` is e-mail and password of an admin of the server."""
        self._http = http
        self._shop = shop
        self._admin = admin
        self._in_flight = in_flight
        self._run = f"{time.time_ns():x}"
        self._admin_token = ""
        self._seller_token = ""
        self._seller_id = ""
        self._tokens: dict[str, str] = {}
        self._passes: dict[str, Pass] = {}
        self._tags: dict[str, PriceTag] = {}
        self._stock: dict[str, int] = {}
        self._orders: dict[str, list[PlacedOrder]] = defaultdict(list)
        self.outcome = Outcome(rows=shop.rows, rows_left_out=shop.left.rows)

    # --- the story -----------------------------------------------------------------------------------------

    async def trade(self) -> None:
        """Open the shop, sell the year, take back what was taken back."""
        began = time.perf_counter()
        self._admin_token = (await self._log_in(*self._admin))["accessToken"]
        await self._open_shop()
        await self._register_customers()
        await self._list_everything()
        started = time.perf_counter()
        await self._side_by_side(self._sell, self._shop.sales)
        self.outcome.trading_seconds = time.perf_counter() - started
        by_customer: dict[str, list[Invoice]] = defaultdict(list)
        for invoice in self._shop.cancellations:
            by_customer[invoice.customer].append(invoice)
        await self._side_by_side(self._take_back_all, list(by_customer.values()))
        self.outcome.seconds = time.perf_counter() - began
        self.outcome.requests = self._http.requests

    async def _log_in(self, email: str, password: str) -> dict[str, Any]:
        answer = await self._ask(self._http.post, "/auth/login", {"email": email, "password": password})
        data: dict[str, Any] = answer.data
        self._take_pass(data)
        return data

    def _take_pass(self, signed_in: dict[str, Any]) -> str:
        """Remember the tokens of somebody who is signed in; whoever they are is known by their first access token."""
        token: str = signed_in["accessToken"]
        self._passes[token] = Pass(token, signed_in["refreshToken"])
        return token

    async def _prolong(self, held: Pass, expired: str) -> None:
        """Get the next pair of tokens, unless somebody else just has."""
        async with held.turn:
            if held.access == expired:
                body = {"refreshToken": held.refresh}
                pair = (await self._ask(self._http.post, "/auth/refresh", body)).data
                held.access, held.refresh = pair["accessToken"], pair["refreshToken"]

    async def _open_shop(self) -> None:
        email = f"shop.{self._run}@retail.example"
        body = {"email": email, "password": PASSWORD, "name": "Online Retail", "kind": "seller"}
        registered = (await self._ask(self._http.post, "/auth/register", body)).data
        self._seller_id = registered["user"]["id"]
        path = f"/admin/sellers/{self._seller_id}/approve"
        _ = (await self._ask(self._http.post, path, token=self._admin_token)).data
        self._seller_token = (await self._log_in(email, PASSWORD))["accessToken"]

    async def _register_customers(self) -> None:
        customers = sorted({invoice.customer for invoice in self._shop.invoices})
        self.outcome.customers = len(customers)
        numbers = {customer: number for number, customer in enumerate(customers)}

        async def register(customer: str) -> None:
            body = {
                "email": f"c{numbers[customer]}.{self._run}@retail.example",
                "password": PASSWORD,
                "name": f"Customer {customer}"[:100],
            }
            registered = (await self._ask(self._http.post, "/auth/register", body)).data
            self._tokens[customer] = self._take_pass(registered)

        await self._side_by_side(register, customers)

    async def _list_everything(self) -> None:
        wanted: dict[str, int] = defaultdict(int)
        first_price: dict[str, int] = {}
        for invoice in self._shop.sales:
            for line in invoice.lines:
                wanted[line.code] += line.quantity
                first_price.setdefault(line.code, line.price)
        self.outcome.listings = len(wanted)

        async def put_up(code: str) -> None:
            stock = wanted[code] + RESERVE
            body = {
                "name": self._shop.names.get(code, f"Stock code {code}").ljust(2, ".")[:255],
                "price": money(first_price[code]),
                "sku": f"{code}-{self._run}",
                "stockQuantity": stock,
                "tags": ["online retail"],
            }
            listing_id = (await self._ask(self._http.post, "/listings", body, token=self._seller_token)).data[
                "listingId"
            ]
            path = f"/listings/{listing_id}/publish"
            _ = (await self._ask(self._http.post, path, token=self._seller_token)).data
            self._tags[code] = PriceTag(listing_id, first_price[code])
            self._stock[code] = stock

        await self._side_by_side(put_up, list(wanted))

    async def _sell(self, invoice: Invoice) -> None:
        self.outcome.sale_invoices += 1
        for part, lines in enumerate(split_by_price(invoice.lines)):
            await self._place(invoice, part, lines)

    async def _place(self, invoice: Invoice, part: int, lines: dict[str, Line]) -> None:
        taken: list[PriceTag] = []
        try:
            # In one order for all, so that no two orders wait for each other.
            for code in sorted(lines):
                tag = self._tags[code]
                await tag.take(lines[code].price, self._change_price)
                taken.append(tag)
            for tag in taken:
                await tag.ready()
            body = {
                "items": [
                    {"listingId": self._tags[line.code].listing_id, "quantity": line.quantity}
                    for line in lines.values()
                ],
                "paymentMethod": "sandbox",
                "shippingAddress": ADDRESS,
            }
            key = f"{self._run}-{invoice.number}-{part}"
            answer = await self._ask(
                self._http.post, "/orders", body, token=self._tokens[invoice.customer], key=key
            )
        finally:
            for tag in taken:
                tag.give_back()
        placed = self._check_placed(invoice, lines, answer.data)
        path = f"/payments/{placed.payment_id}/sandbox"
        _ = (
            await self._ask(
                self._http.post, path, {"outcome": "succeeded"}, token=self._tokens[invoice.customer]
            )
        ).data
        self._orders[invoice.customer].append(placed)
        self.outcome.orders += 1
        for line in lines.values():
            self._stock[line.code] -= line.quantity

    def _check_placed(self, invoice: Invoice, lines: dict[str, Line], data: dict[str, Any]) -> PlacedOrder:
        order = data["order"]
        placed = PlacedOrder(
            order_id=data["orderId"],
            payment_id=data["paymentId"],
            customer=invoice.customer,
            lines=lines,
            subtotal=minor(order["subtotal"]),
            tax=minor(order["tax"]),
            total=minor(data["total"]),
        )
        expected = sum(line.quantity * line.price for line in lines.values())
        parts = placed.subtotal + placed.tax + minor(order["shipping"]) - minor(order["discount"])
        self._compare(f"invoice {invoice.number}: subtotal", placed.subtotal, expected)
        self._compare(f"invoice {invoice.number}: total", placed.total, parts)
        return placed

    async def _change_price(self, tag: PriceTag, price: int) -> None:
        body = {"price": money(price)}
        _ = (
            await self._ask(self._http.put, f"/listings/{tag.listing_id}", body, token=self._seller_token)
        ).data
        self.outcome.price_changes += 1

    # --- taking back ---------------------------------------------------------------------------------------

    async def _take_back_all(self, invoices: list[Invoice]) -> None:
        for invoice in invoices:
            await self._take_back(invoice)

    async def _take_back(self, invoice: Invoice) -> None:
        self.outcome.cancellation_invoices += 1
        whole = self._order_taken_back_whole(invoice)
        if whole is not None:
            await self._cancel(invoice, whole)
            return
        for number, line in enumerate(invoice.lines):
            left = line.quantity
            for order in reversed(self._orders[invoice.customer]):
                left -= await self._refund(invoice, number, line, left, order)
                if not left:
                    break
            if left:
                self.outcome.unmatched_lines += 1
                self.outcome.unmatched_amount += left * line.price

    def _order_taken_back_whole(self, invoice: Invoice) -> PlacedOrder | None:
        back: dict[str, int] = defaultdict(int)
        for line in invoice.lines:
            back[line.code] += line.quantity
        for order in reversed(self._orders[invoice.customer]):
            if order.cancelled or order.refunded or order.taken_back:
                continue
            if {code: line.quantity for code, line in order.lines.items()} == back:
                return order
        return None

    async def _cancel(self, invoice: Invoice, order: PlacedOrder) -> None:
        token = self._tokens[invoice.customer]
        body = {"reason": f"Cancellation invoice {invoice.number}"}
        _ = (await self._ask(self._http.post, f"/orders/{order.order_id}/cancel", body, token=token)).data
        order.cancelled = True
        order.refunded = order.total
        self.outcome.cancelled_orders += 1
        for line in order.lines.values():
            self._stock[line.code] += line.quantity

    async def _refund(
        self, invoice: Invoice, number: int, line: Line, wanted: int, order: PlacedOrder
    ) -> int:
        sold = order.lines.get(line.code)
        if sold is None or order.cancelled:
            return 0
        quantity = min(wanted, sold.quantity - order.taken_back.get(line.code, 0))
        amount = min(quantity * line.price, order.total - order.refunded)
        if quantity <= 0 or amount <= 0:
            return 0
        body = {"amount": money(amount), "reason": f"Cancellation invoice {invoice.number}"}
        key = f"{self._run}-{invoice.number}-{number}-{order.order_id}"
        path = f"/payments/{order.payment_id}/refunds"
        _ = (await self._ask(self._http.post, path, body, token=self._admin_token, key=key)).data
        order.refunded += amount
        order.taken_back[line.code] = order.taken_back.get(line.code, 0) + quantity
        self.outcome.refunds += 1
        listing_id = self._tags[line.code].listing_id
        back = {"delta": quantity, "reason": f"Returned by {invoice.number}"[:100]}
        _ = (
            await self._ask(self._http.patch, f"/listings/{listing_id}/stock", back, token=self._seller_token)
        ).data
        self._stock[line.code] += quantity
        return quantity

    # --- the totals ----------------------------------------------------------------------------------------

    async def check(self, when: str) -> None:
        """Compare what the read models say with what was traded."""
        await self._wait_for_read_models()
        orders = [order for placed in self._orders.values() for order in placed]
        await self._check_seller(when, orders)
        await self._side_by_side(lambda customer: self._check_customer(when, customer), list(self._orders))
        await self._side_by_side(lambda code: self._check_stock(when, code), list(self._stock))
        await self._side_by_side(lambda order: self._check_payment(when, order), orders)

    async def _wait_for_read_models(self) -> None:
        answer = await self._ask(self._http.get, "/auth/me", token=self._admin_token)
        _ = answer.data
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            models = (await self._ask(self._http.get, "/admin/projections", token=self._admin_token)).data
            if all(model["lag"] == 0 for model in models):
                return
            await asyncio.sleep(0.2)
        raise AssertionError("The read models did not catch up in five minutes.")

    async def _check_seller(self, when: str, orders: list[PlacedOrder]) -> None:
        today = datetime.now(UTC).date()
        window = f"from={today - timedelta(days=3)}&to={today + timedelta(days=1)}&currency={CURRENCY}"
        days = (await self._ask(self._http.get, f"/seller/dashboard?{window}", token=self._seller_token)).data
        series = days["series"]
        sums = {
            "ordersPlaced": sum(day["ordersPlaced"] for day in series),
            "ordersConfirmed": sum(day["ordersConfirmed"] for day in series),
            "ordersCancelled": sum(day["ordersCancelled"] for day in series),
            "gross": sum(minor(day["gross"]) for day in series),
            "units": sum(day["units"] for day in series),
        }
        expected = {
            "ordersPlaced": len(orders),
            "ordersConfirmed": len(orders),
            "ordersCancelled": sum(order.cancelled for order in orders),
            "gross": sum(order.subtotal for order in orders),
            "units": sum(line.quantity for order in orders for line in order.lines.values()),
        }
        for name, value in expected.items():
            self._compare(f"{when}: seller's {name}", sums[name], value)
        listed = await self._pages("/seller/orders", self._seller_token)
        self._compare(f"{when}: seller's orders", len(listed), len(orders))

    async def _check_customer(self, when: str, customer: str) -> None:
        mine = self._orders[customer]
        listed = await self._pages("/orders", self._tokens[customer])
        shown = {order["orderId"]: order for order in listed}
        self._compare(f"{when}: orders of {customer}", len(shown), len(mine))
        for order in mine:
            row = shown.get(order.order_id)
            if row is None:
                self.outcome.problems.append(f"{when}: order {order.order_id} of {customer} is not listed")
                continue
            self._compare(f"{when}: total of {order.order_id}", minor(row["total"]), order.total)
            allowed = {"cancelled", "refunded"} if order.cancelled else {"confirmed"}
            if order.refunded == order.total:
                allowed.add("refunded")
            if row["status"] not in allowed:
                self.outcome.problems.append(
                    f"{when}: order {order.order_id} is {row['status']}, not {allowed}"
                )

    async def _check_payment(self, when: str, order: PlacedOrder) -> None:
        path = f"/payments/{order.payment_id}"
        payment = (await self._ask(self._http.get, path, token=self._tokens[order.customer])).data
        self._compare(f"{when}: amount of payment {order.payment_id}", minor(payment["amount"]), order.total)
        if not order.cancelled:
            self._compare(
                f"{when}: refunds of {order.payment_id}", minor(payment["refunded"]), order.refunded
            )

    async def _check_stock(self, when: str, code: str) -> None:
        path = f"/listings/{self._tags[code].listing_id}"
        listing = (await self._ask(self._http.get, path, token=self._seller_token)).data
        self._compare(f"{when}: stock of {code}", listing["quantity"], self._stock[code])
        self._compare(f"{when}: available of {code}", listing["available"], self._stock[code])

    # --- machinery -----------------------------------------------------------------------------------------

    async def _pages(self, path: str, token: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            answer = await self._ask(self._http.get, f"{path}?limit=100&cursor={cursor}", token=token)
            found += answer.data
            meta = answer.json()["meta"]
            if not meta.get("hasMore"):
                return found
            cursor = meta["nextCursor"]

    async def _ask(
        self,
        method: Callable[..., Awaitable[Answer]],
        path: str,
        *body: Any,
        token: str | None = None,
        key: str | None = None,
    ) -> Answer:
        """One request, sent again while the server says that it has no room, or when the access token was too old."""
        headers = {"Idempotency-Key": key} if key is not None else None
        held = self._passes[token] if token is not None else None
        while True:
            shown = None if held is None else held.access
            answer = await method(API + path, *body, token=shown, headers=headers)
            if held is not None and shown is not None and answer.code == "TOKEN_EXPIRED":
                await self._prolong(held, shown)
                continue
            if answer.status == 429:
                raise SystemExit("The server limits rates; start it with RATE_LIMIT_ENABLED=false.")
            if answer.status != 503:
                return answer
            await asyncio.sleep(float(answer.headers.get("retry-after", "1")))

    async def _side_by_side(self, work: Callable[[Any], Awaitable[None]], items: Iterable[Any]) -> None:
        queue = iter(items)

        async def worker() -> None:
            for item in queue:
                await work(item)

        async with asyncio.TaskGroup() as group:
            for _ in range(self._in_flight):
                group.create_task(worker())

    def _compare(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            self.outcome.problems.append(f"{what} is {found}, not {expected}")


def split_by_price(lines: Iterable[Line]) -> list[dict[str, Line]]:
    """Orders of one price a code: the first holds each code once, further ones what has another price."""
    sums: dict[tuple[str, int], int] = defaultdict(int)
    for line in lines:
        sums[line.code, line.price] += line.quantity
    parts: list[dict[str, Line]] = []
    for (code, price), quantity in sums.items():
        part = next((part for part in parts if code not in part), None)
        if part is None:
            part = {}
            parts.append(part)
        part[code] = Line(code, quantity, price)
    return parts


def money(pence: int) -> dict[str, str]:
    """As requests have it."""
    return {"amount": str(Decimal(pence) / 100), "currency": CURRENCY}


def minor(view: dict[str, Any]) -> int:
    """Minor units of an answer's money; its decimal text must say the same."""
    value: int = view["minor"]
    assert Decimal(view["amount"]) == Decimal(value) / 100, view
    return value


async def run(
    url: str,
    shop: Shop,
    *,
    admin: tuple[str, str],
    in_flight: int,
    rebuild: Callable[[], Awaitable[None]] | None = None,
) -> Outcome:
    """Trade, compare, rebuild (where asked), compare again."""
    async with HttpClient(url, connections=in_flight) as http:
        trial = Trial(http, shop, admin=admin, in_flight=in_flight)
        await trial.trade()
        await trial.check("as projected")
        if rebuild is not None:
            await rebuild()
            await trial.check("after the rebuild")
        return trial.outcome


def main() -> None:
    """Run by hand against any server."""
    parser = argparse.ArgumentParser(description="Drive a year of a real shop through a running server.")
    parser.add_argument("--url", default="http://127.0.0.1:3000")
    parser.add_argument("--admin-email", default=os.environ.get("SUPER_ADMIN_EMAIL"), required=False)
    parser.add_argument(
        "--admin-password-env", default="SUPER_ADMIN_PASSWORD", help="variable with the password"
    )
    parser.add_argument("--sales", type=int, help="stop after so many sale invoices; default: the whole year")
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--rebuild", action="store_true", help="run `daftar rebuild --all` and compare again")
    options = parser.parse_args()
    password = os.environ.get(options.admin_password_env)
    if not options.admin_email or not password:
        parser.error("name an admin: --admin-email, and the password in the environment")

    async def rebuild() -> None:
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "api.cli", "rebuild", "--all")
        if await process.wait():
            raise SystemExit("The rebuild failed.")

    outcome = asyncio.run(
        run(
            options.url,
            read_shop(sales=options.sales),
            admin=(options.admin_email, password),
            in_flight=options.in_flight,
            rebuild=rebuild if options.rebuild else None,
        )
    )
    for name in outcome.__struct_fields__:
        if name != "problems":
            print(f"{name:24} {getattr(outcome, name)}")
    print(f"{'orders_per_second':24} {outcome.orders_per_second:.0f}")
    print("\n".join(outcome.problems[:50]) or "every total agrees")
    sys.exit(1 if outcome.problems else 0)


if __name__ == "__main__":
    main()
