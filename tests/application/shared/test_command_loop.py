"""The promises of the command loop, kept over the store in memory and over the real one alike."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from application.shared.caller import Caller
from application.shared.command import (
    Command,
    Done,
    IdempotencyInProgress,
    IdempotencyKey,
    IdempotencyKeyReused,
    Overloaded,
    StaleVersion,
    StoreUnavailable,
    Unavailable,
)
from application.shared.loop import CommandLoop
from application.shared.store import NOTHING_KNOWN, Kind, Prepared, Slot
from domain.shared.errors import NotFound
from infrastructure.identity import new_id
from tests.support import tickets_office as office
from tests.support.commands import CLAIMS, TestClock
from tests.support.memory_store import InMemoryEventStore
from tests.support.stores import postgres_store
from tests.support.tickets_office import (
    AddSeats,
    DrawNumber,
    LookAtOffice,
    MoveSeat,
    OpenOffice,
    SellSeat,
    Stumble,
)

BUYER = UUID("01890000-0000-7000-8000-00000000000b")
CALLER = Caller(actor_id=BUYER, role="customer", ip="203.0.113.7", user_agent="test")


class Processes:
    """Several command loops on one log, as several processes have them."""

    def __init__(self, stack: AsyncExitStack, database_url: str | None) -> None:
        self._stack = stack
        self._database_url = database_url
        self._memory = InMemoryEventStore()
        self._module = office.events_module()

    async def another(self, **options: Any) -> CommandLoop:
        """One more process."""
        store: Any = self._memory
        if self._database_url is not None:
            store = await self._stack.enter_async_context(postgres_store(self._database_url, [self._module]))
        loop = CommandLoop(
            store,
            handlers=office.HANDLERS,
            kinds=[office.OFFICE, CLAIMS],
            clock=TestClock(),
            new_id=new_id,
            **options,
        )
        return await self._stack.enter_async_context(loop)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.services)])
def store_url(request: pytest.FixtureRequest) -> str | None:
    """The real store's database, or none for the store in memory."""
    return request.getfixturevalue("database_url") if request.param == "postgres" else None


@pytest.fixture
async def processes(store_url: str | None) -> AsyncIterator[Processes]:
    """On both stores."""
    async with AsyncExitStack() as stack:
        yield Processes(stack, store_url)


async def opened(loop: CommandLoop, *, seats: int, name: str | None = None) -> UUID:
    """An office that sells seats."""
    office_id = new_id()
    await loop.submit(OpenOffice(office_id=office_id, name=name or str(office_id), seats=seats), CALLER)
    return office_id


async def outcomes(*asked: Any) -> list[Any]:
    """What became of commands that were asked for at once."""
    return await asyncio.gather(*asked, return_exceptions=True)


class TestDeciding:
    async def test_an_answer_carries_the_new_state_its_version_and_its_position(
        self, processes: Processes
    ) -> None:
        loop = await processes.another()
        office_id = await opened(loop, seats=2)
        done = await loop.submit(SellSeat(office_id=office_id, passenger="Ada"), CALLER)
        assert done == Done(
            result=office.Office(
                office_id=office_id, left=1, sold=1, last_buyer_id=BUYER, last_passenger="Ada"
            ),
            version=2,
            position=3,
        )

    async def test_a_hot_stream_is_sold_exactly_out_in_few_commits(self, processes: Processes) -> None:
        loop = await processes.another()
        office_id = await opened(loop, seats=50)
        answers = await outcomes(*(loop.submit(SellSeat(office_id=office_id), CALLER) for _ in range(120)))
        sold = [answer for answer in answers if isinstance(answer, Done)]
        refused = [answer for answer in answers if isinstance(answer, office.SoldOut)]
        assert (len(sold), len(refused)) == (50, 70)
        assert sorted(done.position for done in sold) == list(range(3, 53))
        assert loop.statistics.batches <= 5

    async def test_two_streams_change_together_or_not_at_all(self, processes: Processes) -> None:
        loop = await processes.another()
        source, target = await opened(loop, seats=1), await opened(loop, seats=0)
        await loop.submit(MoveSeat(source_id=source, target_id=target), CALLER)
        with pytest.raises(office.SoldOut):
            await loop.submit(MoveSeat(source_id=source, target_id=target), CALLER)
        assert (await loop.submit(LookAtOffice(office_id=target), CALLER)).result.left == 1

    async def test_what_never_happened_is_not_found(self, processes: Processes) -> None:
        loop = await processes.another()
        with pytest.raises(NotFound):
            await loop.submit(LookAtOffice(office_id=new_id()), CALLER)

    async def test_a_bug_in_one_handler_fails_its_own_command_only(self, processes: Processes) -> None:
        loop = await processes.another()
        office_id = await opened(loop, seats=1)
        stumbled, sold = await outcomes(
            loop.submit(Stumble(), CALLER), loop.submit(SellSeat(office_id=office_id), CALLER)
        )
        assert isinstance(stumbled, ZeroDivisionError)
        assert isinstance(sold, Done)

    async def test_a_small_cache_only_costs_reloading(self, processes: Processes) -> None:
        loop = await processes.another(cached_states=2)
        offices = [await opened(loop, seats=2) for _ in range(6)]
        for _ in range(2):
            await asyncio.gather(
                *(loop.submit(SellSeat(office_id=office_id), CALLER) for office_id in offices)
            )
        answers = await outcomes(
            *(loop.submit(SellSeat(office_id=office_id), CALLER) for office_id in offices)
        )
        assert all(isinstance(answer, office.SoldOut) for answer in answers)


class TestSeveralProcesses:
    async def test_a_stale_memory_never_gives_a_wrong_refusal(self, processes: Processes) -> None:
        here, there = await processes.another(), await processes.another()
        office_id = await opened(here, seats=1)
        await here.submit(SellSeat(office_id=office_id), CALLER)
        with pytest.raises(office.SoldOut):
            await there.submit(SellSeat(office_id=office_id), CALLER)
        await here.submit(AddSeats(office_id=office_id, seats=1), CALLER)
        sold = await there.submit(SellSeat(office_id=office_id), CALLER)
        assert sold.result.left == 0

    async def test_a_stale_memory_never_gives_a_wrong_look(self, processes: Processes) -> None:
        here, there = await processes.another(), await processes.another()
        office_id = await opened(here, seats=5)
        assert (await there.submit(LookAtOffice(office_id=office_id), CALLER)).result.left == 5
        await here.submit(SellSeat(office_id=office_id), CALLER)
        assert (await there.submit(LookAtOffice(office_id=office_id), CALLER)).result.left == 4

    async def test_nothing_is_sold_twice_between_them(self, processes: Processes) -> None:
        loops = [await processes.another() for _ in range(3)]
        office_id = await opened(loops[0], seats=40)
        answers = await outcomes(
            *(loops[i % 3].submit(SellSeat(office_id=office_id), CALLER) for i in range(90))
        )
        assert sum(isinstance(answer, Done) for answer in answers) == 40
        assert sum(isinstance(answer, office.SoldOut) for answer in answers) == 50

    async def test_a_unique_name_has_one_holder(self, processes: Processes) -> None:
        loops = [await processes.another() for _ in range(3)]
        answers = await outcomes(
            *(
                loop.submit(OpenOffice(office_id=new_id(), name="Chorsu", seats=1), CALLER)
                for loop in loops * 4
            )
        )
        assert sum(isinstance(answer, Done) for answer in answers) == 1
        assert sum(isinstance(answer, office.NameTaken) for answer in answers) == 11

    async def test_numbers_are_never_given_twice(self, processes: Processes) -> None:
        loops = [await processes.another() for _ in range(2)]
        answers = await outcomes(
            *(
                loops[i % 2].submit(DrawNumber(office_id=new_id(), refuse=i % 5 == 0), CALLER)
                for i in range(100)
            )
        )
        numbers = [answer.result.left for answer in answers if isinstance(answer, Done)]
        assert len(set(numbers)) == len(numbers) == 80

    async def test_a_process_that_ends_in_order_leaves_no_hole_in_the_numbers(
        self, processes: Processes
    ) -> None:
        here = await processes.another()
        await asyncio.gather(*(here.submit(DrawNumber(office_id=new_id()), CALLER) for _ in range(3)))
        await here.__aexit__(None, None, None)
        there = await processes.another()
        assert (await there.submit(DrawNumber(office_id=new_id()), CALLER)).result.left == 4


class TestIdempotency:
    async def test_a_repeat_gets_the_first_answer_and_has_no_effect(self, processes: Processes) -> None:
        loop = await processes.another()
        office_id = await opened(loop, seats=2)
        key = IdempotencyKey(BUYER, "k-1", b"hash")
        first = await loop.submit(SellSeat(office_id=office_id, passenger="Ada"), CALLER, key=key)
        again = await loop.submit(SellSeat(office_id=office_id, passenger="Ada"), CALLER, key=key)
        assert again.replayed
        assert (again.result, again.version, again.position) == (first.result, first.version, first.position)
        assert (await loop.submit(LookAtOffice(office_id=office_id), CALLER)).result.left == 1

    async def test_a_repeat_is_answered_by_another_process(self, processes: Processes) -> None:
        here, there = await processes.another(), await processes.another()
        office_id = await opened(here, seats=1)
        key = IdempotencyKey(BUYER, "k-1", b"hash")
        first = await here.submit(SellSeat(office_id=office_id), CALLER, key=key)
        again = await there.submit(SellSeat(office_id=office_id), CALLER, key=key)
        assert (again.replayed, again.position) == (True, first.position)

    async def test_repeats_at_once_in_two_processes_have_one_effect(self, processes: Processes) -> None:
        loops = [await processes.another() for _ in range(4)]
        office_id = await opened(loops[0], seats=9)
        key = IdempotencyKey(BUYER, "k-1", b"hash")
        answers = await asyncio.gather(
            *(loop.submit(SellSeat(office_id=office_id), CALLER, key=key) for loop in loops)
        )
        assert len({answer.position for answer in answers}) == 1
        assert (await loops[0].submit(LookAtOffice(office_id=office_id), CALLER)).result.left == 8

    async def test_a_key_is_not_used_for_another_request(self, processes: Processes) -> None:
        loop = await processes.another()
        office_id = await opened(loop, seats=2)
        await loop.submit(SellSeat(office_id=office_id), CALLER, key=IdempotencyKey(BUYER, "k-1", b"one"))
        with pytest.raises(IdempotencyKeyReused):
            await loop.submit(SellSeat(office_id=office_id), CALLER, key=IdempotencyKey(BUYER, "k-1", b"two"))

    async def test_a_repeat_while_the_first_runs_is_told_so(self, processes: Processes) -> None:
        loop = await processes.another()
        office_id = await opened(loop, seats=2)
        key = IdempotencyKey(BUYER, "k-1", b"one")
        first, second = await outcomes(
            loop.submit(SellSeat(office_id=office_id), CALLER, key=key),
            loop.submit(SellSeat(office_id=office_id), CALLER, key=key),
        )
        assert isinstance(first, Done)
        assert isinstance(second, IdempotencyInProgress)

    async def test_a_refusal_may_be_asked_again_under_the_same_key(self, processes: Processes) -> None:
        loop = await processes.another()
        office_id = await opened(loop, seats=0)
        key = IdempotencyKey(BUYER, "k-1", b"one")
        with pytest.raises(office.SoldOut):
            await loop.submit(SellSeat(office_id=office_id), CALLER, key=key)
        await loop.submit(AddSeats(office_id=office_id, seats=1), CALLER)
        assert not (await loop.submit(SellSeat(office_id=office_id), CALLER, key=key)).replayed

    async def test_a_repeat_after_the_last_seat_is_not_refused(self, processes: Processes) -> None:
        loop = await processes.another()
        office_id = await opened(loop, seats=1)
        key = IdempotencyKey(BUYER, "k-1", b"one")
        first = await loop.submit(SellSeat(office_id=office_id), CALLER, key=key)
        again = await loop.submit(SellSeat(office_id=office_id), CALLER, key=key)
        assert (again.replayed, again.position) == (True, first.position)

    async def test_a_caller_who_hangs_up_and_comes_back_finds_the_answer(self, processes: Processes) -> None:
        loop = await processes.another()
        office_id = await opened(loop, seats=5)
        key = IdempotencyKey(BUYER, "k-1", b"one")
        call = asyncio.ensure_future(loop.submit(SellSeat(office_id=office_id), CALLER, key=key))
        await asyncio.sleep(0)
        call.cancel()
        await loop.submit(LookAtOffice(office_id=office_id), CALLER)
        again = await loop.submit(SellSeat(office_id=office_id), CALLER, key=key)
        assert again.replayed
        assert (await loop.submit(LookAtOffice(office_id=office_id), CALLER)).result.left == 4


class TestPreconditions:
    async def test_the_expected_version_must_be_the_latest(self, processes: Processes) -> None:
        loop = await processes.another()
        office_id = await opened(loop, seats=5)
        await loop.submit(SellSeat(office_id=office_id), CALLER, expected_version=1)
        with pytest.raises(StaleVersion):
            await loop.submit(SellSeat(office_id=office_id), CALLER, expected_version=1)

    async def test_it_is_judged_by_the_log_and_not_by_memory(self, processes: Processes) -> None:
        here, there = await processes.another(), await processes.another()
        office_id = await opened(here, seats=5)
        await there.submit(LookAtOffice(office_id=office_id), CALLER)
        await here.submit(SellSeat(office_id=office_id), CALLER)
        with pytest.raises(StaleVersion):
            await there.submit(SellSeat(office_id=office_id), CALLER, expected_version=1)
        await there.submit(SellSeat(office_id=office_id), CALLER, expected_version=2)


class SlowStore(InMemoryEventStore):
    """Answers only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.let = asyncio.Event()

    async def append(self, prepared: Prepared) -> list[int | None]:
        await self.let.wait()
        return await super().append(prepared)


class LosingStore(InMemoryEventStore):
    """Commits, then breaks off: the writer never learns of it."""

    break_off = False

    async def append(self, prepared: Prepared) -> list[int | None]:
        positions = await super().append(prepared)
        if self.break_off:
            self.break_off = False
            raise StoreUnavailable("The connection broke.")
        return positions


def loop_over(store: InMemoryEventStore, **options: Any) -> CommandLoop:
    """A loop that is not started yet."""
    return CommandLoop(
        store,
        handlers=office.HANDLERS,
        kinds=[office.OFFICE, CLAIMS],
        clock=TestClock(),
        new_id=new_id,
        **options,
    )


class TestOutages:
    async def test_a_full_queue_refuses_and_takes_nothing_on(self) -> None:
        store = SlowStore()
        async with loop_over(store, queue_size=3, batch_size=1) as loop:
            command: Command = OpenOffice(office_id=new_id(), name="first", seats=1)
            first = asyncio.ensure_future(loop.submit(command, CALLER))
            await asyncio.sleep(0.01)
            waiting = [
                asyncio.ensure_future(
                    loop.submit(OpenOffice(office_id=new_id(), name=str(i), seats=1), CALLER)
                )
                for i in range(3)
            ]
            await asyncio.sleep(0)
            with pytest.raises(Overloaded):
                await loop.submit(OpenOffice(office_id=new_id(), name="late", seats=1), CALLER)
            store.let.set()
            await asyncio.gather(first, *waiting)
        assert len(store.events(office.OfficeOpened)) == 4

    async def test_an_outage_is_told_and_survived(self) -> None:
        store = InMemoryEventStore()
        async with loop_over(store) as loop:
            office_id = await opened(loop, seats=2)
            store.away = True
            with pytest.raises(StoreUnavailable):
                await loop.submit(SellSeat(office_id=office_id), CALLER)
            store.away = False
            assert (await loop.submit(SellSeat(office_id=office_id), CALLER)).result.left == 1

    async def test_a_commit_whose_answer_was_lost_is_found_by_the_retry(self) -> None:
        store = LosingStore()
        async with loop_over(store) as loop:
            office_id = await opened(loop, seats=2)
            key = IdempotencyKey(BUYER, "k-1", b"one")
            store.break_off = True
            with pytest.raises(StoreUnavailable):
                await loop.submit(SellSeat(office_id=office_id), CALLER, key=key)
            again = await loop.submit(SellSeat(office_id=office_id), CALLER, key=key)
            assert again.replayed
            assert len(store.events(office.SeatSold)) == 1

    async def test_stopping_answers_what_was_taken_on_and_refuses_the_rest(self) -> None:
        store = SlowStore()
        loop = loop_over(store)
        async with loop:
            first = asyncio.ensure_future(
                loop.submit(OpenOffice(office_id=new_id(), name="first", seats=1), CALLER)
            )
            await asyncio.sleep(0.01)
            store.let.set()
        assert isinstance(await first, Done)
        with pytest.raises(Unavailable):
            await loop.submit(OpenOffice(office_id=new_id(), name="late", seats=1), CALLER)


class HeldStore(InMemoryEventStore):
    """While it is held, appends wait; the next one may be told to fail before it writes."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()
        self.open.set()
        self.prepared = 0
        self.fails_next = False

    async def prepare(self, groups: Any) -> Prepared:
        self.prepared += 1
        return await super().prepare(groups)

    async def append(self, prepared: Prepared) -> list[int | None]:
        await self.open.wait()
        if self.fails_next:
            self.fails_next = False
            raise StoreUnavailable("The connection broke.")
        return await super().append(prepared)


class Held:
    """A loop over a held store: what is asked is decided, each command in a batch of its own, and not written yet."""

    def __init__(self, loop: CommandLoop, store: HeldStore) -> None:
        self.loop = loop
        self.store = store

    async def ask(self, *commands: Command) -> list["asyncio.Future[Done[Any]]"]:
        self.store.open.clear()
        asked = [asyncio.ensure_future(self.loop.submit(command, CALLER)) for command in commands]
        for _ in range(20):
            await asyncio.sleep(0)
        return asked


@pytest.fixture
async def held() -> AsyncIterator[Held]:
    """One process; others are made by `loop_over(held.store)`."""
    store = HeldStore()
    async with loop_over(store, batch_size=1) as loop:
        yield Held(loop, store)
        store.open.set()


class TestDecidingAhead:
    async def test_while_one_batch_is_written_the_next_is_decided_on_top_of_it(self, held: Held) -> None:
        office_id = await opened(held.loop, seats=2)
        prepared = held.store.prepared
        first, second = await held.ask(SellSeat(office_id=office_id), SellSeat(office_id=office_id))
        assert (held.store.prepared, len(held.store.events(office.SeatSold))) == (prepared + 2, 0)
        held.store.open.set()
        assert ((await first).result.left, (await second).result.left) == (1, 0)

    async def test_it_is_decided_again_when_the_one_ahead_lost_a_race(self, held: Held) -> None:
        source, target = await opened(held.loop, seats=1), await opened(held.loop, seats=0)
        async with loop_over(held.store) as there:
            await there.submit(SellSeat(office_id=source), CALLER)
            await there.submit(AddSeats(office_id=target, seats=5), CALLER)
        # The target has the version that the lost move would have given it, and another state.
        moved, seen = await held.ask(
            MoveSeat(source_id=source, target_id=target), LookAtOffice(office_id=target)
        )
        held.store.open.set()
        with pytest.raises(office.SoldOut):
            await moved
        answer = await seen
        assert (answer.result.left, answer.version) == (5, 2)

    async def test_it_is_decided_again_when_the_one_ahead_was_not_written(self, held: Held) -> None:
        office_id = await opened(held.loop, seats=0)
        held.store.fails_next = True
        added, sold = await held.ask(AddSeats(office_id=office_id, seats=5), SellSeat(office_id=office_id))
        held.store.open.set()
        with pytest.raises(StoreUnavailable):
            await added
        with pytest.raises(office.SoldOut):
            await sold
        assert held.store.events(office.SeatSold) == []

    async def test_numbers_drawn_in_vain_are_drawn_again(self, held: Held) -> None:
        source, target = await opened(held.loop, seats=1), await opened(held.loop, seats=0)
        async with loop_over(held.store) as there:
            await there.submit(SellSeat(office_id=source), CALLER)
        moved, drawn = await held.ask(
            MoveSeat(source_id=source, target_id=target), DrawNumber(office_id=new_id())
        )
        held.store.open.set()
        with pytest.raises(office.SoldOut):
            await moved
        assert (await drawn).result.left == 1
        assert (await held.loop.submit(DrawNumber(office_id=new_id()), CALLER)).result.left == 2

    async def test_stopping_answers_both(self) -> None:
        store = HeldStore()
        async with loop_over(store, batch_size=1) as loop:
            office_id = await opened(loop, seats=2)
            both = await Held(loop, store).ask(SellSeat(office_id=office_id), SellSeat(office_id=office_id))
            store.open.set()
        assert [(await each).result.left for each in both] == [1, 0]


class WatchedStore(InMemoryEventStore):
    """Remembers how much was known already at each load; `meanwhile` happens during the next one."""

    def __init__(self) -> None:
        super().__init__()
        self.known: list[dict[UUID, int]] = []
        self.meanwhile: Callable[[], object] | None = None
        self.loses = 0

    async def load(
        self, streams: Mapping[UUID, Kind[Any]], known: Mapping[UUID, Slot] = NOTHING_KNOWN
    ) -> dict[UUID, Slot]:
        self.known.append({stream_id: slot.version for stream_id, slot in known.items()})
        if self.meanwhile is not None:
            self.meanwhile()
            self.meanwhile = None
        return await super().load(streams, known)

    async def append(self, prepared: Prepared) -> list[int | None]:
        if self.loses:
            self.loses -= 1
            return [None for _ in prepared.groups]
        return await super().append(prepared)


class TestCatchingUpAfterALostRace:
    @pytest.fixture
    async def shop(self) -> AsyncIterator[tuple[CommandLoop, CommandLoop, WatchedStore, UUID]]:
        store = WatchedStore()
        async with loop_over(store) as here, loop_over(store) as there:
            office_id = await opened(here, seats=9)
            await there.submit(SellSeat(office_id=office_id), CALLER)
            store.known.clear()
            yield here, there, store, office_id

    async def test_what_was_in_memory_is_built_on(
        self, shop: tuple[CommandLoop, CommandLoop, WatchedStore, UUID]
    ) -> None:
        here, _, store, office_id = shop
        assert (await here.submit(SellSeat(office_id=office_id), CALLER)).result.left == 7
        assert store.known == [{office_id: 1}]

    async def test_when_that_was_not_enough_all_is_read_anew(
        self, shop: tuple[CommandLoop, CommandLoop, WatchedStore, UUID]
    ) -> None:
        here, _, store, office_id = shop
        store.loses = 2
        assert (await here.submit(SellSeat(office_id=office_id), CALLER)).result.left == 7
        assert store.known == [{office_id: 1}, {}]

    @pytest.mark.parametrize("how", ["one", "all"])
    async def test_not_when_somebody_is_forgotten_meanwhile(
        self, shop: tuple[CommandLoop, CommandLoop, WatchedStore, UUID], how: str
    ) -> None:
        here, _, store, office_id = shop
        store.meanwhile = here.forget_people if how == "all" else partial(here.forget_person, BUYER)
        assert (await here.submit(SellSeat(office_id=office_id), CALLER)).result.left == 7
        assert store.known == [{office_id: 1}, {}]

    async def test_what_others_have_added_counts(
        self, shop: tuple[CommandLoop, CommandLoop, WatchedStore, UUID]
    ) -> None:
        here, there, _, office_id = shop
        for number in range(6):
            loop = (there, here)[number % 2]
            assert (await loop.submit(SellSeat(office_id=office_id), CALLER)).version == number + 3


class TestRacesLostAgainAndAgain:
    async def test_two_processes_that_sell_one_thing_at_full_speed_refuse_nobody_for_it(
        self, processes: Processes
    ) -> None:
        here, there = await processes.another(batch_size=4), await processes.another(batch_size=4)
        office_id = await opened(here, seats=10_000)

        async def buyer(loop: CommandLoop) -> None:
            for _ in range(15):
                await loop.submit(SellSeat(office_id=office_id), CALLER)

        await asyncio.gather(*(buyer(loop) for loop in (here, there) for _ in range(20)))
        assert (await here.submit(LookAtOffice(office_id=office_id), CALLER)).result.sold == 600
