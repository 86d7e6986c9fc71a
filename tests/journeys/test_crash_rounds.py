"""Whatever is killed in the middle of trade, every promise is kept: the short form of docs/reliability.md.

`python -m tests.journeys.crash --rounds 100` is the long one.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import msgspec
import pytest

from tests.journeys.crash.book import PromiseBroken
from tests.journeys.crash.effects import undone
from tests.journeys.crash.mails import MailFolder
from tests.journeys.crash.plan import LATEST_SECONDS, POSTGRES, VICTIMS, plan
from tests.journeys.crash.promises import whole_log
from tests.journeys.crash.rounds import Rounds
from tests.journeys.crash.subscriber import Subscriber

SEED = 84
"""Of this plan NATS and the background come first: what was in their hands is given out again some seconds later, while
others are killed."""

WITHOUT_OBJECT_STORE = {
    "S3_ENDPOINT": "http://127.0.0.1:9",
    "S3_ACCESS_KEY": "nobody",
    "S3_SECRET_KEY": "asks for this",
    "S3_BUCKET": "none",
}
"""Nothing that is promised here touches it, and its start costs seconds."""


@pytest.fixture(scope="module")
async def rounds(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rounds]:
    """A house of two API workers in which something has happened."""
    folder: Path = tmp_path_factory.mktemp("crash")
    async with Rounds(folder, seed=SEED, workers=2, settings=WITHOUT_OBJECT_STORE) as opened:
        opened.trade.open(0)
        await asyncio.sleep(0.3)
        await opened.trade.close()
        await opened.promises.prove(0)
        yield opened


class TestThePlan:
    def test_the_same_seed_kills_the_same_at_the_same_moments(self) -> None:
        assert plan(seed=7, rounds=40, workers=2) == plan(seed=7, rounds=40, workers=2)
        assert plan(seed=7, rounds=40, workers=2) != plan(seed=8, rounds=40, workers=2)

    def test_the_first_rounds_of_a_long_run_can_be_repeated_alone(self) -> None:
        assert plan(seed=7, rounds=100, workers=2)[:9] == plan(seed=7, rounds=9, workers=2)

    def test_everybody_has_their_turn_in_every_way(self) -> None:
        blows = plan(seed=7, rounds=24, workers=2)
        for begin in range(0, 24, len(VICTIMS)):
            assert {blow.victim for blow in blows[begin : begin + len(VICTIMS)]} == set(VICTIMS)
        assert {blow.how for blow in blows if blow.victim == "postgres"} == set(POSTGRES)
        api = {blow.names for blow in blows if blow.victim == "api"}
        assert api == {("api-1",), ("api-2",), ("api-1", "api-2")}
        assert all(0 < blow.after <= LATEST_SECONDS for blow in blows)


class TestTheSubscriber:
    def test_what_comes_again_is_counted_and_forgiven(self) -> None:
        subscriber = Subscriber("nats://nowhere")
        for position, deliveries in ((1, 1), (2, 1), (4, 1), (3, 2), (4, 2), (1, 1), (5, 1)):
            subscriber.note(position=position, sequence=position, deliveries=deliveries)
        subscriber.check()
        assert (subscriber.reached, subscriber.deliveries, subscriber.repeats) == (5, 7, 2)

    def test_what_comes_for_the_first_time_after_later_events_is_out_of_order(self) -> None:
        subscriber = Subscriber("nats://nowhere")
        for position in (1, 3, 2):
            subscriber.note(position=position, sequence=position, deliveries=1)
        with pytest.raises(PromiseBroken, match="Position 2 came for the first time after position 3"):
            subscriber.check()

    def test_an_event_that_is_in_the_stream_twice_is_noticed(self) -> None:
        subscriber = Subscriber("nats://nowhere")
        subscriber.note(position=1, sequence=1, deliveries=1)
        subscriber.note(position=1, sequence=2, deliveries=1)
        with pytest.raises(PromiseBroken, match="Position 1 of the log is message 2 of the stream"):
            subscriber.check()

    async def test_an_event_that_never_comes_is_missed(self) -> None:
        subscriber = Subscriber("nats://nowhere")
        for position in (1, 3):
            subscriber.note(position=position, sequence=position, deliveries=1)
        with pytest.raises(PromiseBroken, match=r"up to 1 of 3 within 0 s; 1 are missing: \[2\]"):
            await subscriber.until(3, 0)


@pytest.mark.services
@pytest.mark.slow
class TestKilling:
    async def test_whoever_is_killed_every_promise_is_kept(self, rounds: Rounds) -> None:
        for blow in plan(seed=SEED, rounds=4, workers=2):
            await rounds.play(blow)
        await rounds.prove_everything()
        assert {each.blow.victim for each in rounds.done} == set(VICTIMS)
        assert all(each.orders for each in rounds.done)
        assert {told.status for told in rounds.book.orders.values()} >= {"pending", "confirmed", "cancelled"}
        assert rounds.subscriber.reached >= rounds.promises.history.head

    # --- the proof itself can fail -------------------------------------------------------------------------

    async def test_an_order_that_was_acknowledged_and_is_not_there_is_missed(self, rounds: Rounds) -> None:
        told = next(iter(rounds.book.orders.values()))
        lost = msgspec.structs.replace(told, order=told.order | {"orderId": str(uuid4())})
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(rounds.book.orders, "lost", lost)
            with pytest.raises(PromiseBroken, match=f"acknowledged and lost: .*{told.number}"):
                rounds.promises.orders()

    async def test_an_order_that_nobody_was_told_of_is_noticed(self, rounds: Rounds) -> None:
        key, told = next(iter(rounds.book.orders.items()))
        with pytest.MonkeyPatch.context() as patch:
            patch.delitem(rounds.book.orders, key)
            with pytest.raises(PromiseBroken, match=f"nobody was told of: .*{told.order_id}"):
                rounds.promises.orders()

    async def test_a_piece_that_is_on_no_shelf_is_missed(self, rounds: Rounds) -> None:
        offer = next(iter(rounds.book.offers.values()))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(offer, "stocked", offer.stocked + 1)
            with pytest.raises(PromiseBroken, match=f"At hand and held of listing {offer.listing_id}"):
                rounds.promises.stock()

    async def test_money_that_paid_for_nothing_is_noticed(self, rounds: Rounds) -> None:
        told = next(told for told in rounds.book.orders.values() if told.paid_by is not None)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(told, "paid_by", None)
            with pytest.raises(PromiseBroken, match="Captured, and paid orders"):
                rounds.promises.money()

    async def test_a_hole_in_the_log_is_noticed(self, rounds: Rounds) -> None:
        with rounds.tools.connect(name="test") as connection, connection.transaction(force_rollback=True):
            connection.execute("DELETE FROM stored_events WHERE notification_id = 5")
            with pytest.raises(PromiseBroken, match="events from 1 to"):
                whole_log(connection)

    async def test_a_second_mail_under_another_id_is_noticed(self, rounds: Rounds, tmp_path: Path) -> None:
        promises = rounds.promises
        mail = next(iter(promises.mails.copies))
        again = MailFolder(tmp_path)
        again.copies |= promises.mails.copies
        again.copies[msgspec.structs.replace(mail, message_id=f"<{mail.event_id}.other@example>")] = 1
        with pytest.raises(PromiseBroken, match="told of under several Message-IDs"):
            undone(promises.history, again, rounds.book, before=None)

    async def test_a_mail_that_does_not_come_is_missed(self, rounds: Rounds, tmp_path: Path) -> None:
        promises = rounds.promises
        left = undone(promises.history, MailFolder(tmp_path), rounds.book, before=None)
        assert {f"{person.email} was not told: Welcome to" for person in rounds.book.people.values()} <= {
            each.partition(" (")[0] for each in left
        }

    async def test_a_screen_that_shows_something_else_is_noticed(self, rounds: Rounds) -> None:
        with rounds.tools.connect(name="test") as connection:
            connection.execute("UPDATE customer_orders SET status = 'lost' WHERE status = 'pending'")
            with pytest.raises(PromiseBroken, match="customer_orders differs from a fresh rebuild"):
                rounds.promises.look_inside()
            connection.execute("UPDATE customer_orders SET status = 'pending' WHERE status = 'lost'")
        rounds.promises.look_inside()
