"""Who carries what is asked to the processes, and judges every answer by the log and by the model."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec

from application.payments.handlers import RecordedSuccess
from application.payouts.handlers import EarningsAccrued
from application.shared.caller import Caller
from application.shared.command import (
    Command,
    ConcurrencyConflict,
    Done,
    IdempotencyKey,
    Overloaded,
    Unavailable,
)
from application.shared.loop import MAX_ATTEMPTS
from domain.carts.cart import Cart, cart_id
from domain.categories.category import Category
from domain.inventory.stock import Stock, stock_id
from domain.listings.listing import Listing
from domain.orders.order import Order
from domain.payments.payment import Payment
from domain.payouts.seller_ledger import SellerLedger, seller_ledger_id
from domain.shared.claims import ClaimReleased, ValueClaimed
from domain.shared.errors import DomainError
from domain.shared.events import Recorded, State
from infrastructure.bootstrap import KINDS
from tests.application.machines.history import History
from tests.application.machines.model import Model, Plan, target_of
from tests.application.machines.processes import PATIENCE_SECONDS, Process, Trouble
from tests.application.machines.worlds import World

BEGINNING = datetime.fromisoformat("2026-05-01T12:00:00+00:00")


class Killed:
    """No answer: the process died first."""


KILLED = Killed()


@dataclass
class Asked:
    """One command on its way, and what became of it."""

    number: int
    command: Command
    caller: Caller
    at: int
    key: IdempotencyKey | None
    expected_version: int | None
    now: datetime
    outcome: Any = None

    @property
    def place(self) -> tuple[UUID, str] | None:
        """Under which the answer is kept."""
        return None if self.key is None else (self.key.scope, self.key.key)

    @property
    def is_unanswered(self) -> bool:
        """Whether it may have taken effect or not."""
        return isinstance(self.outcome, Killed | Unavailable)


@dataclass
class Kept:
    """What must be answered to a repeat: `done` as it was answered, if it ever was."""

    request_hash: bytes
    done: Done[Any] | None
    target: UUID | None
    version: int | None
    position: int


class Ending(StrEnum):
    """How what is asked at once may be cut short."""

    SHUTDOWN = "the processes end in order as soon as they have been asked"
    HANGING_UP = "so they do, and nobody waits for an answer"


@dataclass
class Together:
    """What is asked at once: commands, and errands that ask several."""

    asked: list[Asked] = field(default_factory=list)
    errands: list[tuple[int, Callable[[], Awaitable[Any]]]] = field(default_factory=list)
    ending: Ending | None = None

    def __len__(self) -> int:
        return len(self.asked) + len(self.errands)


class Tagging:
    """A command loop for errands: everything that they ask is judged like the rest."""

    def __init__(self, clerk: "Clerk", at: int, together: Together) -> None:
        self._clerk = clerk
        self._at = at
        self._together = together

    async def submit(self, command: Command, caller: Caller) -> Done[Any]:
        asked = self._clerk.written(command, caller, at=self._at)
        self._together.asked.append(asked)
        await self._clerk.submit(asked)
        if isinstance(asked.outcome, Exception):
            raise asked.outcome
        done: Done[Any] = asked.outcome
        return done


class Ids:
    """Identities in the form of UUIDv7, the same in every run."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self) -> UUID:
        self._count += 1
        return UUID(int=(0x019000000000 + self._count << 80) | (7 << 76) | (2 << 62) | self._count)


class Clerk:
    """Two processes of one installation, the log, the model, and the judgement of all three."""

    def __init__(self, world: World, seen: Counter[str]) -> None:
        world.begin()
        self.world = world
        self.seen = seen
        self.now = BEGINNING
        self.ids = Ids()
        self.model = Model()
        self.history = History(KINDS)
        self.processes: list[Process] = []
        self.past: list[Asked] = []
        self._count = 0
        self._kept: dict[tuple[UUID, str], Kept] = {}
        self._perhaps_kept: dict[tuple[UUID, str], set[bytes]] = {}
        self._told: set[int] = set()
        self._checked: list[dict[UUID, Any]] = []

    # --- processes -----------------------------------------------------------------------------------------

    def start(self, options: Mapping[str, int]) -> None:
        """One more process."""
        self.processes.append(self._started(options))
        self._checked.append({})

    def end_one(self, at: int, *, in_order: bool) -> None:
        """End a process, in order or not."""
        process = self.processes[at]
        self.world.run(process.stop() if in_order else process.die())

    def replace(self, at: int, options: Mapping[str, int]) -> None:
        """Start another process in the place of one that has ended."""
        self._count_statistics(self.processes[at])
        self.processes[at] = self._started(options)
        self._checked[at] = {}

    def end(self) -> None:
        """End all processes."""
        for process in self.processes:
            self._count_statistics(process)
            self.world.run(process.stop())
        self.world.run(self.world.end())

    def _started(self, options: Mapping[str, int]) -> Process:
        process = Process(
            self.world.open_store(),
            handlers=self.world.handlers,
            kinds=KINDS,
            clock=lambda: self.now,
            new_id=self.ids,
            options=options,
        )
        self.world.run(process.start())
        return process

    def _count_statistics(self, process: Process) -> None:
        statistics = process.loop.statistics
        self.seen["conflict"] += statistics.conflicts
        self.seen["batch of several"] += statistics.largest_batch > 1

    # --- asking --------------------------------------------------------------------------------------------

    def written(
        self,
        command: Command,
        caller: Caller,
        *,
        at: int,
        key: IdempotencyKey | None = None,
        expected_version: int | None = None,
    ) -> Asked:
        """A command with a mark by which its events are known in the log."""
        self._count += 1
        marked = msgspec.structs.replace(caller, correlation_id=UUID(int=self._count))
        return Asked(self._count, command, marked, at, key, expected_version, self.now)

    async def submit(self, asked: Asked) -> None:
        """Have it decided; whatever is no answer is a bug, and comes out."""
        loop = self.processes[asked.at].loop
        try:
            asked.outcome = await loop.submit(
                asked.command, asked.caller, key=asked.key, expected_version=asked.expected_version
            )
        except (DomainError, Unavailable) as answer:
            asked.outcome = answer
        except asyncio.CancelledError:
            asked.outcome = KILLED
            raise

    def prepare(self, command: Command, caller: Caller) -> None:
        """What sets the scene: it must be accepted, and the model has nothing to say about it."""
        asked = self.written(command, caller, at=0)
        self.world.run(self.submit(asked))
        assert isinstance(asked.outcome, Done), asked.outcome
        for recorded in self.world.read(self.history.position):
            self.history.add(recorded)

    def carry(self, together: Together) -> None:
        """Ask everything at once, wait for all answers, judge them."""
        for process in self.processes:
            process.store.struck = False
        self.world.run(self._carried(together))
        for asked in together.asked:
            if asked.outcome is None:
                asked.outcome = KILLED  # The process died before it heard of this.
        self.past.extend(together.asked)
        self._judge(together)

    async def _carried(self, together: Together) -> None:
        of_process: dict[asyncio.Task[Any], int] = {
            asyncio.create_task(self.submit(asked)): asked.at for asked in together.asked
        }
        for at, errand in together.errands:
            of_process[asyncio.create_task(self._errand(errand))] = at
        waiting = set(of_process)
        deaths: dict[asyncio.Task[Any], int] = {
            asyncio.create_task(process.store.killed.wait()): at
            for at, process in enumerate(self.processes)
            if process.store.trouble in {Trouble.KILLED_BEFORE, Trouble.KILLED_AFTER}
        }
        try:
            if together.ending is not None:
                await self._end_while_asked(together.ending, waiting)
            while waiting:
                ended, _ = await asyncio.wait(
                    waiting | deaths.keys(),
                    timeout=PATIENCE_SECONDS,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                assert ended, "the command loop has stopped answering"
                for death in ended & deaths.keys():
                    at = deaths.pop(death)
                    # First the callers: they never hear what a dying process has to say.
                    for task in waiting:
                        if of_process[task] == at:
                            task.cancel()
                    await self.processes[at].die()
                for task in ended & waiting:
                    self._surface(task)
                waiting -= ended
        finally:
            for death in deaths:
                death.cancel()

    async def _end_while_asked(self, ending: Ending, waiting: Iterable[asyncio.Task[Any]]) -> None:
        await asyncio.sleep(0)
        if ending is Ending.HANGING_UP:
            for task in waiting:
                task.cancel()
        self.seen[ending.name.lower()] += 1
        await asyncio.gather(*(process.stop() for process in self.processes))

    async def _errand(self, errand: Callable[[], Awaitable[Any]]) -> None:
        with suppress(DomainError, Unavailable):  # What it asked is judged one by one.
            await errand()

    @staticmethod
    def _surface(task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    # --- judging -------------------------------------------------------------------------------------------

    def _judge(self, together: Together) -> None:
        """Find an order of what was asked in which every answer is right; the log gives that of all that took effect."""
        asked = together.asked
        blocks = self._blocks(asked)
        effective = {one.number for one, _ in blocks}
        without_effect = [one for one in asked if one.number not in effective]
        open_ = [one for one in without_effect if not self._is_beside_the_business(one, together)]
        open_ = [one for one in open_ if not self._explains(one)]
        kept_before = dict(self._kept)
        for one, events in blocks:
            self._judge_effect(one, events)
            open_ = [each for each in open_ if not self._explains(each)]
        assert not open_, "\n".join(
            f"{each.command} by {each.caller.role} was answered {each.outcome!r}; "
            f"the model says {self.model.plan(each.command, each.caller, each.now)}"
            for each in open_
        )
        # First what has to be kept, then what was answered from there.
        for one in sorted(without_effect, key=_is_about_keys):
            self._judge_keeping(one, asked, kept_before)
        self._compare(self.model.touched)
        self.model.touched.clear()
        self.check_memories()

    def _blocks(self, asked: Sequence[Asked]) -> list[tuple[Asked, list[Recorded]]]:
        """The new events, by the command that they come from, in the order of the log."""
        by_number = {one.number: one for one in asked}
        blocks: list[tuple[Asked, list[Recorded]]] = []
        for recorded in self.world.read(self.history.position):
            assert recorded.metadata is not None
            number = recorded.metadata.correlation_id.int
            assert number in by_number, f"{recorded.event} comes from a command that was not asked now"
            if not blocks or blocks[-1][0].number != number:
                assert number not in self._told, f"{by_number[number].command} took effect twice"
                self._told.add(number)
                blocks.append((by_number[number], []))
            blocks[-1][1].append(recorded)
        return blocks

    def _is_beside_the_business(self, one: Asked, together: Together) -> bool:
        """Whether the answer tells nothing of how things stand: an outage, or a matter of keys, which is judged later."""
        outcome = one.outcome
        process = self.processes[one.at]
        if isinstance(outcome, Killed):
            self.seen["killed"] += 1
            return True
        if isinstance(outcome, Overloaded):
            assert process.loop.capacity < len(together.asked), "the queue was not full"
            self.seen["overloaded"] += 1
            return True
        if isinstance(outcome, Unavailable):
            assert process.store.struck or together.ending is not None, "the store was there"
            self.seen["unavailable"] += 1
            return True
        if isinstance(outcome, ConcurrencyConflict):
            others = sum(each.at != one.at for each in together.asked)
            assert others > MAX_ATTEMPTS, "nobody was there to win so many races"
            return True
        return _is_about_keys(one)

    def _explains(self, one: Asked) -> bool:
        """Whether an answer without effect is right at this moment of the model."""
        plan = self.model.plan(one.command, one.caller, one.now)
        if isinstance(one.outcome, DomainError):
            code = one.outcome.code
            if code == "PRECONDITION_FAILED" and not plan.refusals:
                return one.expected_version != self._version(one)
            if code not in plan.refusals | plan.perhaps:
                return False
            self.seen[code] += 1
            return True
        if plan.refusals or plan.change is not None or self._is_stale(one):
            return False
        return one.outcome.position == 0 and self._fits(one, plan)

    def _fits(self, one: Asked, plan: Plan) -> bool:
        """Whether an answer says what the model says, and what the log says of that version."""
        done = one.outcome
        result = done.result
        if isinstance(result, State):
            if done.version == 0:
                return isinstance(result, Cart) and not result.items
            if done.version > self.history.version(result.stream_id):
                return False
            if self.history.state(result.stream_id, done.version) != result:
                return False
            return plan.answer is None or plan.answer == result.stream_id
        if isinstance(result, RecordedSuccess):
            assert plan.answer == result.outcome.value, f"{result.outcome}, not {plan.answer}"
            payment = result.payment
            if done.version is not None and done.version <= self.history.version(payment.payment_id):
                assert payment == self.history.state(payment.payment_id, done.version)
        if isinstance(result, EarningsAccrued):
            assert plan.answer == result.lines, f"{result.lines} lines earned, not {plan.answer}"
        return True

    def _is_stale(self, one: Asked) -> bool:
        return one.expected_version is not None and one.expected_version != self._version(one)

    def _version(self, one: Asked) -> int:
        target = target_of(one.command, one.caller)
        assert target is not None
        return self.history.version(target)

    def _judge_effect(self, one: Asked, events: Sequence[Recorded]) -> None:
        """What took effect was allowed, at this place of the log, and did what it should."""
        plan = self.model.plan(one.command, one.caller, one.now)
        assert not plan.refusals, f"{one.command} should be refused with one of {set(plan.refusals)}"
        assert not self._is_stale(one), f"{one.command} was decided on another version than it names"
        told = [each for each in events if not isinstance(each.event, ValueClaimed | ClaimReleased)]
        assert not told or plan.change is not None, f"{one.command} should change nothing, not {told}"
        assert told or plan.change is None, f"{one.command} should change more than claims"
        if plan.change is not None:
            plan.change()
        for recorded in events:
            self.history.add(recorded)
        position = events[-1].position
        done = one.outcome if isinstance(one.outcome, Done) else None
        if done is None:
            assert one.is_unanswered, f"{one.command} took effect and was answered {one.outcome!r}"
            self.seen["took effect unanswered"] += 1
        else:
            assert not done.replayed, f"{one.command} took effect, though it is a repeat"
            assert done.position == position, "the answer carries the position of the last event"
            assert self._fits(one, plan), f"{done.result} is not what the log says"
        self.seen[type(one.command).__name__] += 1
        if one.key is not None and one.place is not None:
            assert one.place not in self._kept, f"the key {one.key.key} has two effects"
            target = target_of(one.command, one.caller)
            version = None if target is None else self.history.version(target)
            self._kept[one.place] = Kept(one.key.request_hash, done, target, version, position)

    def _judge_keeping(
        self, one: Asked, asked: Sequence[Asked], before: Mapping[tuple[UUID, str], Kept]
    ) -> None:
        """What repeats were answered, and what has to be kept of an answer that changed nothing."""
        outcome, key, place = one.outcome, one.key, one.place
        if key is None or place is None:
            assert not (isinstance(outcome, Done) and outcome.replayed), "a replay without a key"
            return
        kept = self._kept.get(place)
        rivals = [each for each in asked if each is not one and (each.place, each.at) == (place, one.at)]
        if isinstance(outcome, Killed | Unavailable):
            if kept is None:
                self._perhaps_kept.setdefault(place, set()).add(key.request_hash)
        elif isinstance(outcome, Done) and outcome.replayed:
            self.seen["replayed"] += 1
            self._judge_replay(one, outcome, kept)
        elif isinstance(outcome, DomainError) and outcome.code == "IDEMPOTENCY_KEY_REUSED":
            self.seen[outcome.code] += 1
            others = {each.key.request_hash for each in rivals if each.key is not None}
            others |= {kept.request_hash} if kept is not None else self._perhaps_kept.get(place, set())
            assert others - {key.request_hash}, "the key came with no other request"
        elif isinstance(outcome, DomainError) and outcome.code == "IDEMPOTENCY_IN_PROGRESS":
            self.seen[outcome.code] += 1
            assert rivals, "no request with this key was running"
        else:
            assert place not in before, f"a repeat was answered {outcome!r} instead of the kept answer"
            if isinstance(outcome, Done):
                assert place not in self._kept, f"the key {key.key} was decided twice"
                self._kept[place] = Kept(key.request_hash, outcome, None, outcome.version, 0)

    def _judge_replay(self, one: Asked, done: Done[Any], kept: Kept | None) -> None:
        assert one.place is not None
        assert one.key is not None
        if kept is None:
            # It changed nothing and was recorded, though the answer never arrived.
            hashes = self._perhaps_kept.get(one.place, set())
            assert one.key.request_hash in hashes, "there is nothing to repeat"
            self._kept[one.place] = Kept(one.key.request_hash, done, None, done.version, done.position)
            return
        assert kept.request_hash == one.key.request_hash, "another request got the kept answer"
        if kept.position:
            assert done.position == kept.position
        if kept.done is not None:
            assert done.result == kept.done.result, "a repeat is answered otherwise"
            assert done.version == kept.done.version
        elif kept.target is not None:
            self.seen["replayed what was never answered"] += 1
            assert done.version == kept.version
            assert done.result == self.history.state(kept.target, kept.version)

    # --- comparing -----------------------------------------------------------------------------------------

    def _compare(self, entities: Iterable[tuple[str, Any]]) -> None:
        """What the log says of these is what the model says."""
        for kind, key in entities:
            getattr(self, f"_compare_{kind}")(key)

    def compare_everything(self) -> None:
        """What the log says is what the model says, of all that there is."""
        model = self.model
        assert {each.listing_id for each in self.history.all(Listing)} == set(model.listings)
        assert {each.order_id for each in self.history.all(Order)} == set(model.orders)
        assert {each.payment_id for each in self.history.all(Payment)} == set(model.payments)
        self._compare(("listing", each) for each in model.listings)
        self._compare(("stock", each) for each in model.listings)
        self._compare(("order", each) for each in model.orders)
        self._compare(("payment", each) for each in model.payments)
        self._compare(("cart", each) for each in model.carts)
        self._compare(("ledger", each) for each in model.earned)

    def _compare_listing(self, listing_id: UUID) -> None:
        ours, theirs = self.model.listings[listing_id], self.history.state(listing_id)
        assert isinstance(theirs, Listing)
        compare = None if theirs.compare_price is None else theirs.compare_price.minor
        assert (
            theirs.seller_id, theirs.status.value, theirs.name, theirs.price.minor, theirs.currency,
            compare, theirs.sku, theirs.category_id,
        ) == (
            ours.seller, ours.status, ours.name, ours.price, ours.currency, ours.compare, ours.sku, ours.category,
        )  # fmt: skip

    def _compare_category(self, category_id: UUID) -> None:
        theirs = self.history.state(category_id)
        assert isinstance(theirs, Category)
        assert (None if theirs.deleted else theirs.name) == self.model.categories.get(category_id)

    def _compare_stock(self, listing_id: UUID) -> None:
        ours, theirs = self.model.listings[listing_id], self.history.state(stock_id(listing_id))
        assert isinstance(theirs, Stock)
        assert 0 <= theirs.reserved <= theirs.quantity, f"{theirs} is promised twice"
        assert (theirs.quantity, theirs.reserved, theirs.threshold) == (
            ours.quantity,
            ours.reserved,
            ours.threshold,
        )

    def _compare_cart(self, account_id: UUID) -> None:
        theirs = self.history.state(cart_id(account_id))
        ours = self.model.carts[account_id]
        assert list(theirs.items.items() if theirs is not None else ()) == list(ours.items())

    def _compare_order(self, order_id: UUID) -> None:
        ours, theirs = self.model.orders[order_id], self.history.state(order_id)
        assert isinstance(theirs, Order)
        self.seen[f"order {ours.status}"] += 1
        self.seen["order of several sellers"] += len({line.seller for line in ours.lines}) > 1
        lines = [
            (line.line_no, line.listing_id, line.seller_id, line.quantity, line.unit_price.minor)
            for line in theirs.lines
        ]
        assert lines == [
            (line.number, line.listing, line.seller, line.quantity, line.unit_price) for line in ours.lines
        ]
        amounts = theirs.amounts
        assert (
            theirs.status.value, theirs.customer_id, theirs.paid_payment_id, theirs.payment_id, theirs.currency,
            theirs.tracking, amounts.subtotal.minor, amounts.tax.minor, amounts.shipping.minor,
            amounts.discount.minor, amounts.total.minor,
        ) == (
            ours.status, ours.customer, ours.paid_by, ours.first_payment, ours.currency, ours.tracking,
            ours.subtotal, ours.tax, ours.shipping, 0, ours.total,
        )  # fmt: skip

    def _compare_payment(self, payment_id: UUID) -> None:
        ours, theirs = self.model.payments[payment_id], self.history.state(payment_id)
        assert isinstance(theirs, Payment)
        self.seen[f"payment {ours.status}"] += 1
        refunds = {each.refund_id: (each.amount.minor, each.status.value) for each in theirs.refunds}
        assert refunds == {key: (each.amount, each.status) for key, each in ours.refunds.items()}
        assert 0 <= theirs.refunded_minor <= ours.captured, "more went back than came in"
        assert theirs.refundable.minor == ours.refundable >= 0
        assert (
            theirs.status.value, theirs.order_id, theirs.customer_id, theirs.provider, theirs.amount.minor,
            theirs.amount.currency, theirs.reference, theirs.provider_transaction_id, theirs.refunded_minor,
        ) == (
            ours.status, ours.order, ours.customer, ours.provider, ours.amount,
            ours.currency, ours.reference, ours.transaction, ours.refunded,
        )  # fmt: skip

    def _compare_ledger(self, key: tuple[UUID, str]) -> None:
        ours, theirs = self.model.earned[key], self.history.state(seller_ledger_id(*key))
        assert isinstance(theirs, SellerLedger)
        assert (theirs.gross_minor, theirs.commission_minor) == (ours.gross, ours.commission)

    def check_memories(self) -> None:
        """What each process holds in memory is how that stream stood at that version."""
        for process, checked in zip(self.processes, self._checked, strict=True):
            for stream_id, slot in process.cached.items():
                if checked.get(stream_id) is not slot:
                    assert slot.state == self.history.state(stream_id, slot.version)
                    checked[stream_id] = slot

    def wait(self, hours: float) -> None:
        """Time goes by."""
        self.now += timedelta(hours=hours)


def _is_about_keys(one: Asked) -> bool:
    """Whether it was answered from what is kept, or refused for the sake of its key."""
    if isinstance(one.outcome, Done):
        return one.outcome.replayed
    return isinstance(one.outcome, DomainError) and one.outcome.code.startswith("IDEMPOTENCY_")
