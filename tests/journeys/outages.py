"""One marketplace that the outages of a module share: what is asked of it, what its processes do, how its servers go away."""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec
from redis.asyncio import Redis

from infrastructure.cache.catalogue import EPOCH_KEY
from infrastructure.embedded.supervisor import EmbeddedServices
from tests.journeys.serving import family
from tests.journeys.shop import API, PASSWORD, MailBox, Person, Shop, until, wish
from tests.support.http import Answer
from tests.support.running import Running

COMMANDS: Final = ("order", "register", "sign in")
QUERIES: Final = ("my orders", "one order", "search", "listing")
KEPT: Final = "catalogue"
"""The question whose answer is kept in Redis."""

PROBES: Final = ("health", "detailed health", "metrics")

IDLE_CPU: Final = 0.15
"""The share of a core that a process may use while it waits for a server: polling and trying again, no busy loop."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """How one question was answered, and after how many seconds."""

    answer: Answer
    seconds: float

    @property
    def told(self) -> tuple[int, str | None]:
        """Status and code."""
        return self.answer.status, self.answer.code


class Buyer(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who has bought something."""

    person: Person
    order: dict[str, Any]


class Marketplace:
    """A running installation with a shop, whose servers can be taken away."""

    def __init__(
        self, daftar: Running, shop: Shop, servers: EmbeddedServices, folder: Path, redis: Redis
    ) -> None:
        """`folder` has the logs of the processes; `redis` is a client of the test's own."""
        self.daftar = daftar
        self.redis = redis
        self.shop = shop
        self.servers = servers
        self.folder = folder
        self.mailbox = MailBox(servers.urls.mail_folder, shop)

    # --- people and goods ----------------------------------------------------------------------------------

    async def on_sale(self, *, stock: int) -> tuple[Person, str]:
        """A seller of the test's own, and a listing."""
        seller = await self.shop.seller(f"seller-{uuid4().hex[:8]}")
        return seller, await self.shop.put_on_sale(seller, stock=stock)

    async def crowd(self, count: int) -> list[Person]:
        """Customers of the test's own."""
        name = uuid4().hex[:8]
        return await asyncio.gather(*(self.shop.customer(f"{name}-{number}") for number in range(count)))

    async def buyer(self, listing_id: str) -> Buyer:
        """A customer who has bought one piece, which every screen shows."""
        [person] = await self.crowd(1)
        order = await self.shop.buy(listing_id, person)
        await self.shop.caught_up()
        return Buyer(person=person, order=order)

    async def confirmations(self, *bought: tuple[Person, dict[str, Any]]) -> None:
        """Wait until everybody has got the mail about their order, and see to it that nobody got it twice.

        Raises:
            AssertionError: one has not come, or came twice.
        """
        expected = {(person.email, f"Order {order['orderNumber']} is confirmed") for person, order in bought}
        await self.mailbox.until_all_have_come(expected)
        came = Counter((mail["Delivered-To"], mail["Subject"]) for mail in self.mailbox.mails())
        assert {each: came[each] for each in expected} == dict.fromkeys(expected, 1)

    # --- asking --------------------------------------------------------------------------------------------

    async def ask_everything(
        self, buyer: Buyer, listing_id: str, *, key: str | None = None
    ) -> dict[str, Asked]:
        """Every kind of question and command, all at the same time; the order under a key."""
        http, token = self.shop.http, buyer.person.token
        somebody = {"email": buyer.person.email, "password": PASSWORD}
        new = {
            "email": self.shop.address(uuid4().hex[:12]),
            "password": PASSWORD,
            "name": "Somebody",
            "kind": "customer",
        }
        questions: dict[str, Awaitable[Answer]] = {
            "health": http.get("/health"),
            "detailed health": http.get("/health/detailed"),
            "metrics": http.get("/metrics"),
            KEPT: http.get(f"{API}/listings?limit=1"),
            "listing": http.get(f"{API}/listings/{listing_id}", token=token),
            "search": http.get(f"{API}/listings/search?q={uuid4().hex}"),
            "my orders": http.get(f"{API}/orders", token=token),
            "one order": http.get(f"{API}/orders/{buyer.order['orderId']}", token=token),
            "order": http.post(
                f"{API}/orders",
                wish((listing_id, 1)),
                token=token,
                headers={"Idempotency-Key": key or uuid4().hex},
            ),
            "register": http.post(f"{API}/auth/register", new),
            "sign in": http.post(f"{API}/auth/login", somebody),
        }
        asked = await asyncio.gather(*map(_timed, questions.values()))
        return dict(zip(questions, asked, strict=True))

    async def keep_catalogue(self) -> Any:
        """What a stranger sees first of the catalogue, once Redis keeps it as the latest."""
        await self.shop.caught_up()
        seen: list[object] = []

        async def settled() -> bool:
            # The projector tells Redis after its commits that there is something new.
            seen.append(await self.redis.get(EPOCH_KEY))
            return len(seen) > 6 and len(set(seen[-6:])) == 1

        await until(settled, "the projector has told everything")
        return (await self.shop.http.get(f"{API}/listings?limit=1")).data

    async def ill(self) -> dict[str, str]:
        """What `/health/detailed` says is away, with the reason."""
        return ill_in(await self.shop.http.get("/health/detailed"))

    async def until_well(self, seconds: float) -> None:
        """Wait until every server is known to be back.

        Raises:
            AssertionError: it takes longer.
        """

        async def well() -> bool:
            return not await self.ill()

        await until(well, "everything is well", seconds)

    # --- the processes -------------------------------------------------------------------------------------

    def watch(self) -> "Watch":
        """From now on."""
        return Watch(self.daftar, self.folder)


def ill_in(detailed_health: Answer) -> dict[str, str]:
    """What an answer of `/health/detailed` says is away, with the reason."""
    said = detailed_health.json()
    view = said["data"] if detailed_health.status == 200 else said["error"]["details"]
    return {name: check["error"] for name, check in view["checks"].items() if check["status"] == "unhealthy"}


async def _timed(question: Awaitable[Answer]) -> Asked:
    began = time.monotonic()
    answer = await question
    return Asked(answer=answer, seconds=time.monotonic() - began)


class Watch:
    """What the processes log and burn from its making on."""

    def __init__(self, daftar: Running, folder: Path) -> None:
        """They run."""
        self._pids = {name: process.pid for name, process in daftar.processes.items()}
        self._folder = folder
        self._read = {name: self._log(name).stat().st_size for name in self._pids}

    def events(self, process: str) -> Counter[str]:
        """How often it logged what."""
        return Counter(line["event"] for line in self.lines(process))

    def lines(self, process: str) -> list[dict[str, Any]]:
        """What it logged."""
        with self._log(process).open("rb") as log:
            log.seek(self._read[process])
            return [json.loads(line) for line in log if line.startswith(b"{") and line.endswith(b"\n")]

    @asynccontextmanager
    async def calm(self) -> AsyncIterator[None]:
        """See to it that nobody is busy with waiting, during a block that asks little and waits for seconds.

        Raises:
            AssertionError: a process is busy.
        """
        before = {name: _cpu_seconds(pid) for name, pid in self._pids.items()}
        began = time.monotonic()
        yield
        passed = time.monotonic() - began
        shares = {name: (_cpu_seconds(pid) - before[name]) / passed for name, pid in self._pids.items()}
        assert max(shares.values()) < IDLE_CPU, shares

    async def is_calm(self, seconds: float = 1.0) -> None:
        """The same while nothing is asked."""
        async with self.calm():
            await asyncio.sleep(seconds)

    def told_once(self, process: str, *events: str) -> None:
        """See to it that each of these was logged exactly once, and nothing of the kind again and again.

        Raises:
            AssertionError: one was not, or more often.
        """
        logged = self.events(process)
        assert {event: logged[event] for event in events} == dict.fromkeys(events, 1), logged

    def _log(self, process: str) -> Path:
        return self._folder / f"{process}.log"


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- taking servers away -----------------------------------------------------------------------------------


@asynccontextmanager
async def away(servers: EmbeddedServices, *names: str) -> AsyncIterator[None]:
    """Stopped in order: whoever connects is refused."""
    await asyncio.gather(*map(servers.stop_service, names))
    try:
        yield
    finally:
        await asyncio.gather(*map(servers.start_service, names))


@asynccontextmanager
async def hanging(servers: EmbeddedServices, *names: str) -> AsyncIterator[None]:
    """Frozen: the kernel still takes connections and bytes for them, and nothing is ever answered."""
    frozen: list[int] = []
    try:
        for name in names:
            # A parent first, so that it makes no more children.
            os.kill(servers.pid_of(name), signal.SIGSTOP)
            frozen.append(servers.pid_of(name))
            for member in family(servers.pid_of(name))[1:]:
                os.kill(member.pid, signal.SIGSTOP)
                frozen.append(member.pid)
        yield
    finally:
        for pid in reversed(frozen):
            os.kill(pid, signal.SIGCONT)


# --- trade that goes on ------------------------------------------------------------------------------------


class Trade:
    """Buyers of one listing who ask again, with the same key, until they are answered."""

    def __init__(self, shop: Shop, listing_id: str, buyers: Sequence[Person], *, each: int) -> None:
        """Everybody orders `each` times."""
        self._shop = shop
        self._listing_id = listing_id
        self._buyers = {buyer.account_id: buyer for buyer in buyers}
        self._each = each
        self.placed: dict[str, dict[str, Any]] = {}
        self.repeats_answered = 0

    async def run(self) -> None:
        """All at once."""
        await asyncio.gather(*map(self._shop_around, self._buyers.values()))

    async def _shop_around(self, buyer: Person) -> None:
        for number in range(self._each):
            await self._order(buyer, f"{buyer.account_id}-{number}")

    async def _order(self, buyer: Person, key: str) -> None:
        answer = await self._shop.insist("/orders", wish((self._listing_id, 1)), buyer, key=key)
        order = answer.data
        first = self.placed.setdefault(key, order)
        assert (first["orderId"], first["orderNumber"]) == (order["orderId"], order["orderNumber"])
        self.repeats_answered += answer.headers.get("idempotent-replayed") == "true"

    async def repeat_all(self) -> None:
        """Everybody sends every order once more; each must be answered from the record."""
        before = self.repeats_answered
        await asyncio.gather(*(self._order(self._buyers[key[:36]], key) for key in list(self.placed)))
        assert self.repeats_answered - before == len(self.placed)

    async def until_placed(self, count: int) -> None:
        """Wait until so many orders have been answered."""

        async def enough() -> bool:
            return len(self.placed) >= count

        await until(enough, f"{count} orders are placed")

    async def adds_up(self, seller: Person, *, stock: int) -> None:
        """See to it that the seller has exactly these orders, and so much less to sell.

        Raises:
            AssertionError: one was lost or came twice.
        """
        listed = await self._shop.all_of("/seller/orders", seller)
        assert Counter(order["orderId"] for order in listed) == Counter(
            order["orderId"] for order in self.placed.values()
        )
        assert len({order["orderNumber"] for order in listed}) == len(listed)
        assert (await self._shop.stock_of(self._listing_id, seller))[1] == stock - len(listed)
