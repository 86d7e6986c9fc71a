"""Trade, kill, see it come back, prove everything; again and again."""

import asyncio
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from infrastructure.bootstrap import Machinery
from tests.journeys.crash.asking import GONE, Asking
from tests.journeys.crash.book import Book, PromiseBroken
from tests.journeys.crash.house import House, Killed
from tests.journeys.crash.plan import Blow
from tests.journeys.crash.promises import NAMES, Promises
from tests.journeys.crash.subscriber import Subscriber
from tests.journeys.crash.trade import Trade
from tests.journeys.shop import API
from tests.support.http import HttpClient

BACK_SECONDS: Final = 30.0
"""How long a part may take to be back and the house to be whole."""

AFTERWARDS_SECONDS: Final = 0.2
"""How long trade goes on after that."""

HEAD: Final = (
    f"{'round':>5} {'seed':>6} {'workers':>7}  {'killed':<22} {'after s':>7} {'orders':>6} {'again':>5} "
    f"{'command s':>9} {'whole s':>7}  proved"
)


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What one round came to.

    `first_command` is how long after the kill the first command that was sent after it had succeeded, `whole` how long
    until the victim was back and what that command did was on every screen and with the subscriber; in seconds.
    """

    blow: Blow
    workers: int
    orders: int
    again: int
    first_command: float
    whole: float

    def __str__(self) -> str:
        """One line of the log."""
        return (
            f"{self.blow.round:>5} {self.blow.seed:>6} {self.workers:>7}  {self.blow.told:<22} "
            f"{self.blow.after:>7.2f} {self.orders:>6} {self.again:>5} {self.first_command:>9.2f} {self.whole:>7.2f}  "
            f"{' '.join(NAMES)}"
        )


class Rounds:
    """One house of its own, from its opening to its end, and what was done to it.

    async with Rounds(folder, seed=1, workers=2) as rounds:
        for blow in plan(seed=1, rounds=20, workers=2):
            print(await rounds.play(blow))
        await rounds.prove_everything()
    """

    def __init__(
        self, folder: Path, *, seed: int, workers: int, settings: Mapping[str, str] | None = None
    ) -> None:
        """`folder` is left as it is in the end; `seed` chooses what people do; see `House` for the rest."""
        self._house = House(folder, workers=workers, settings=settings)
        self._http = HttpClient(self._house.url, timeout_seconds=20)
        self.book = Book()
        self.trade = Trade(Asking(self._http, self.book), seed=seed)
        self.done: list[Round] = []
        self._stack = AsyncExitStack()
        self._began = 0.0
        self.subscriber: Subscriber
        self.promises: Promises

    async def __aenter__(self) -> Self:
        """Open the house and let people and goods in."""
        self._began = time.monotonic()
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._house)
            await stack.enter_async_context(self._http)
            await self.trade.prepare()
            nats_url = self._house.urls().nats_url
            assert nats_url is not None, "its servers are embedded"
            self.subscriber = Subscriber(nats_url)
            self.subscriber.start()
            stack.push_async_callback(self.subscriber.stop)
            stack.push_async_callback(self.trade.abandon)
            self.promises = Promises(self._house, self.trade, self.subscriber)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything."""
        await self._stack.__aexit__(kind, error, trace)

    @property
    def tools(self) -> Machinery:
        """What it takes to look into its database."""
        return self._house.tools()

    async def play(self, blow: Blow) -> Round:
        """One round.

        Raises:
            PromiseBroken: a promise was broken; the message says which, and of what.
        """
        try:
            done = await self._round(blow)
        except PromiseBroken as broken:
            raise PromiseBroken(f"Round {blow.round} ({blow.told}): {broken}") from broken
        self.done.append(done)
        return done

    async def prove_everything(self) -> None:
        """All promises, of everything that happened in all rounds, once what follows from it has happened.

        Raises:
            PromiseBroken: a promise was broken.
        """
        try:
            await self.promises.prove_everything()
        except PromiseBroken as broken:
            raise PromiseBroken(f"After all rounds: {broken}") from broken

    async def _round(self, blow: Blow) -> Round:
        trade, book = self.trade, self.book
        await asyncio.sleep(self._house.seconds_to_spare(blow))
        orders, again = len(book.orders), book.asked_again
        trade.open(blow.round)
        await asyncio.sleep(blow.after)
        trade.check()
        trade.asking.struck()
        began = time.monotonic()
        killed = self._house.strike(blow)
        first_command, position = await self._first_answer(blow)
        await self._whole(blow, killed, position)
        whole = time.monotonic() - began
        await asyncio.sleep(AFTERWARDS_SECONDS)
        await trade.close()
        await self.promises.prove(blow.round)
        return Round(
            blow=blow,
            workers=self._house.workers,
            orders=len(book.orders) - orders,
            again=book.asked_again - again,
            first_command=first_command,
            whole=whole,
        )

    async def _first_answer(self, blow: Blow) -> tuple[float, int]:
        """How long it took until a command that was sent after the kill had succeeded, and its position."""
        deadline = time.monotonic() + BACK_SECONDS
        while self.trade.asking.first_answer is None:
            self.trade.check()
            if time.monotonic() > deadline:
                raise PromiseBroken(f"No command has succeeded in {BACK_SECONDS} s after the kill.")
            await asyncio.sleep(0.005)
        return self.trade.asking.first_answer

    async def _whole(self, blow: Blow, killed: Killed, position: int) -> None:
        """Wait until the victim is back, and what was commanded after the kill is shown and was published."""
        deadline = time.monotonic() + BACK_SECONDS
        shown = published = back = False
        while not (shown and published and back):
            self.trade.check()
            self.subscriber.check()
            if time.monotonic() > deadline:
                raise PromiseBroken(
                    f"{BACK_SECONDS} s after the kill: victim back: {back}; position {position} on the screens: {shown}, "
                    f"with the subscriber: {published}"
                )
            shown = shown or await self._is_shown(position)
            published = self.subscriber.reached >= position
            back = self._house.is_back(blow, killed)
            await asyncio.sleep(0.01)

    async def _is_shown(self, position: int) -> bool:
        headers = {"X-Min-Position": str(position), "Prefer": "wait=1"}
        token = self.trade.admin.token
        try:
            answer = await self._http.get(f"{API}/orders?limit=1", token=token, headers=headers)
        except GONE:
            return False
        return answer.status == 200

    def summary(self) -> str:
        """For people."""
        book, mails, subscriber = self.book, self.promises.mails, self.subscriber
        first = defaultdict(list)
        whole = defaultdict(list)
        for each in self.done:
            first[each.blow.victim].append(each.first_command)
            whole[each.blow.victim].append(each.whole)
        lines = [
            f"{len(self.done)} rounds in {time.monotonic() - self._began:.0f} s: every promise kept in each of them, and "
            "of everything at the end.",
            f"{len(book.orders)} orders acknowledged, {book.commands} commands; "
            f"asked again: {_counted(book.again)}; refused: {_counted(book.refusals)}.",
            f"{self.promises.history.head} events; {subscriber.deliveries} deliveries to the subscriber, "
            f"{subscriber.repeats} of them repeats.",
            f"{len(mails.copies)} mails; {mails.repeats} more copies under a Message-ID that had come before.",
            f"{self.promises.rows} rows of read models equal to those of a fresh rebuild.",
        ]
        for victim, seconds in first.items():
            lines.append(
                f"{victim}: {len(seconds)} kills; first command after {statistics.median(seconds):.2f} s "
                f"(longest {max(seconds):.2f}), whole after {statistics.median(whole[victim]):.2f} s "
                f"(longest {max(whole[victim]):.2f})."
            )
        return "\n".join(lines)


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common()) or "nothing"
