"""Any stream can be shown as it stood at any moment, without showing whose data it holds."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.cli.demo_shop import CUSTOMER, GOODS, PURCHASES, SELLERS
from api.cli.replay import Moment
from api.cli.seeding import seed_demo
from application.accounts.handlers import EMAIL
from domain.inventory.stock import stock_id
from domain.shared.claims import ValueClaimed, derived_id
from domain.shared.events import Recorded
from infrastructure.bootstrap import Machinery
from infrastructure.security.secrets import MASK
from tests.api.cli.conftest import Run, facts

pytestmark = pytest.mark.services

DELIVERED = PURCHASES[0].order_id
TEAPOT = GOODS[0].listing_id


@pytest.fixture
async def demo(tools: Machinery) -> None:
    await seed_demo(tools)


@pytest.fixture
def replay(demo: None, run: Run) -> Any:
    def ask(*arguments: str) -> dict[str, Any]:
        shown = facts(run("replay", *arguments, "--json"))
        assert isinstance(shown, dict)
        return shown

    return ask


def account_of(tools: Machinery, email: str) -> UUID:
    history = tools.open_log(name="test")
    try:
        (claimed,) = history.stream(derived_id(EMAIL, email))
    finally:
        history.close()
    assert isinstance(claimed.event, ValueClaimed)
    return claimed.event.owner_id


def names(shown: Mapping[str, Any]) -> list[str]:
    return [event["name"].split(".")[1] for event in shown["events"]]


class TestNaming:
    def test_an_order_is_named_by_kind_and_id_by_id_alone_or_by_its_number(self, replay: Any) -> None:
        by_kind = replay(f"order/{DELIVERED}")
        number = by_kind["state"]["order_number"]
        assert replay(str(DELIVERED)) == by_kind
        assert replay(number) == by_kind
        assert replay(number.lower()) == by_kind
        assert replay(f"order/{number}") == by_kind

    def test_stock_is_named_by_its_listing_or_by_itself(self, replay: Any) -> None:
        by_listing = replay(f"stock/{TEAPOT}")
        assert by_listing["kind"] == "stock"
        assert by_listing["streamId"] == str(stock_id(TEAPOT))
        assert replay(f"stock/{stock_id(TEAPOT)}") == by_listing
        assert replay(str(stock_id(TEAPOT))) == by_listing

    def test_a_claim_is_a_stream_like_others(self, replay: Any) -> None:
        assert replay(str(derived_id(EMAIL, CUSTOMER.email)))["kind"] == "claim"

    def test_kinds_that_share_a_room_are_told_apart(self, replay: Any, tools: Machinery) -> None:
        assert replay(str(account_of(tools, SELLERS[0].email)))["kind"] == "account"

    @pytest.mark.parametrize(
        ("named", "code", "said"),
        [
            ("order/5d06c2b0-9a53-4be5-91ba-741e0e6991bb", 1, "Nothing ever happened"),
            ("ORD-20200101-00001", 1, "There is no order"),
            (f"payment/{DELIVERED}", 1, "is no payment"),
            (f"basket/{DELIVERED}", 2, "There are:"),
            ("teapot", 2, "is no stream"),
            ("order/\x1b[2J", 2, "is no stream"),
        ],
    )
    def test_what_names_nothing_is_refused_in_a_sentence(
        self, demo: None, run: Run, named: str, code: int, said: str
    ) -> None:
        refused = run("replay", named)
        assert refused.exit_code == code
        assert said in refused.stderr
        assert "\x1b" not in refused.stderr
        assert refused.stdout == ""


class TestThen:
    def test_the_whole_history_ends_in_the_state_of_today(self, replay: Any) -> None:
        shown = replay(f"order/{DELIVERED}")
        assert names(shown) == [
            "OrderPlaced",
            "OrderConfirmed",
            "OrderProcessingStarted",
            "OrderShipped",
            "OrderDelivered",
        ]
        assert shown["state"]["status"] == "delivered"
        assert (shown["version"], shown["laterEvents"]) == (5, 0)

    def test_at_a_version_a_position_or_a_time_it_is_as_it_was_then(self, replay: Any) -> None:
        whole = replay(f"order/{DELIVERED}")
        second = whole["events"][1]
        for moment in ("version:2", str(second["position"]), second["recordedAt"]):
            shown = replay(f"order/{DELIVERED}", "--at", moment)
            assert shown["state"]["status"] == "confirmed"
            assert shown["laterEvents"] == 3

    def test_before_it_began_there_is_nothing_to_show(self, demo: None, run: Run) -> None:
        refused = run("replay", f"order/{DELIVERED}", "--at", "2001-01-01")
        assert refused.exit_code == 1
        assert "had not begun" in refused.stderr

    def test_a_moment_that_is_none_is_refused(self, run: Run) -> None:
        refused = run("replay", f"order/{DELIVERED}", "--at", "yesterday")
        assert refused.exit_code == 2
        assert "version:3" in refused.stderr

    def test_a_time_without_zone_is_utc(self) -> None:
        noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
        until = Moment().convert("2026-05-01T12:00:00", None, None).until
        event = ValueClaimed(kind="sku", owner_id=uuid4())

        def recorded(at: datetime) -> Recorded:
            return Recorded(position=1, stream_id=uuid4(), version=1, event=event, recorded_at=at)

        assert until(recorded(noon))
        assert not until(recorded(noon + timedelta(microseconds=1)))


class TestPersonalData:
    def test_it_is_masked(self, replay: Any, demo: None, run: Run) -> None:
        shown = replay(f"order/{DELIVERED}")
        placed = shown["events"][0]["data"]
        assert placed["customer_name"] == MASK
        assert placed["shipping_address"] == MASK
        assert placed["order_number"] == shown["state"]["order_number"]
        text = run("replay", f"order/{DELIVERED}").stdout
        assert "Karimova" not in text
        assert "Amir Temur" not in text

    def test_it_is_masked_in_states_too(self, replay: Any, tools: Machinery) -> None:
        named = f"account/{account_of(tools, CUSTOMER.email)}"
        assert replay(named)["state"]["email"] == MASK
        assert replay(named, "--with-personal")["state"]["email"] == CUSTOMER.email

    def test_it_is_shown_when_asked_for(self, replay: Any) -> None:
        placed = replay(f"order/{DELIVERED}", "--with-personal")["events"][0]["data"]
        assert placed["customer_name"] == CUSTOMER.name
        assert placed["shipping_address"]["city"] == "Tashkent"

    def test_what_was_erased_stays_erased(self, replay: Any, tools: Machinery) -> None:
        with tools.connect(name="test") as connection:
            connection.execute(
                "UPDATE data_keys SET wrapped = NULL, destroyed_at = now() WHERE subject_id = %s",
                (account_of(tools, CUSTOMER.email),),
            )
        placed = replay(f"order/{DELIVERED}", "--with-personal")["events"][0]["data"]
        assert placed["customer_name"] == "[erased]"
        assert placed["shipping_address"]["city"] == "[erased]"

    def test_with_the_key_of_another_house_it_says_so(
        self, demo: None, environment: dict[str, str], run: Run
    ) -> None:
        environment["ENCRYPTION_KEY"] = "0123456789abcdef" * 4
        refused = run("replay", f"order/{DELIVERED}")
        assert refused.exit_code == 1
        assert "ENCRYPTION_KEY" in refused.stderr


class TestShowing:
    def test_people_read_events_and_state(self, demo: None, run: Run) -> None:
        shown = run("replay", f"order/{DELIVERED}", "--at", "version:2").stdout
        assert "orders.OrderPlaced.v1  by customer" in shown
        assert "State as of version 2 (3 later events left out):" in shown

    def test_it_changes_nothing_but_that_the_look_is_recorded_before_it_is_shown(
        self, replay: Any, run: Run, tools: Machinery
    ) -> None:
        history = tools.open_log(name="test")
        before = history.head()

        replay(f"order/{DELIVERED}", "--at", "version:2", "--with-personal", "--reason", "Case 17")

        assert history.head() == before + 1
        history.close()
        looked = replay("admin_audit/command-line")
        # The second look, at the looks, is one, too.
        assert names(looked) == ["AuditReplayPerformed"] * 2
        assert looked["events"][0]["actor"]["kind"] == "system"
        assert looked["events"][0]["data"] == {
            "target_type": "order",
            "target_id": str(DELIVERED),
            "query": {"version": 2, "with_personal": True},
            "reason": "Case 17",
        }

    def test_a_reason_is_words(self, demo: None, run: Run) -> None:
        refused = run("replay", f"order/{DELIVERED}", "--reason", " ")
        assert refused.exit_code == 2
        assert "A reason has 1 to 1000 characters." in refused.stderr
        assert refused.stdout == ""
