"""Staff find out what happened, see how things stood, and each look of theirs is remembered (requirements ES-10, ADM-09)."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import msgspec
import psycopg
import pytest

from api.assembly import AppServices
from api.audit.replay import _aware, _whole_millisecond
from application.accounts.commands import ChangeAccountRole
from application.api_keys.issuing import ApiKeyIssuer
from application.shared.caller import Caller
from domain.accounts.permissions import Permission
from domain.accounts.roles import Role
from domain.audit.admin_audit import LOG, admin_audit_id
from domain.audit.events import AuditQuery, AuditReplayPerformed
from domain.inventory.stock import stock_id
from domain.payouts.seller_ledger import seller_ledger_id
from domain.shared.claims import derived_id
from domain.shared.events import Recorded
from infrastructure.bootstrap import Machinery
from infrastructure.replay import Replay, always, until_version
from infrastructure.security.secrets import MASK
from tests.api.asking import NOBODY, data_of, refusal, wrong_fields
from tests.api.conftest import Person, Settle, SignUp, log_in
from tests.api.orders.trade import buy, put_on_sale

pytestmark = pytest.mark.services

EVENTS = "/admin/audit/events"
HISTORY = ["OrderPlaced", "OrderConfirmed", "OrderProcessingStarted"]


class Market(msgspec.Struct, kw_only=True):
    """A shop in which one order was paid and is being packed."""

    buyer: Person
    seller: Person
    listing_id: str
    order: dict[str, Any]

    @property
    def order_id(self) -> str:
        return str(self.order["orderId"])

    @property
    def stream(self) -> str:
        return f"/admin/audit/streams/order/{self.order_id}"


@pytest.fixture
async def market(client: httpx.AsyncClient, sign_up: SignUp, settle: Settle) -> Market:
    seller, buyer = await sign_up("seller"), await sign_up("customer", name="Zebo Karimova")
    listing_id = await put_on_sale(client, seller)
    order = await buy(client, buyer, (listing_id, 1))
    data_of(await client.post(f"/orders/{order['orderId']}/process", headers=seller.headers))
    await settle()
    return Market(buyer=buyer, seller=seller, listing_id=listing_id, order=order)


@pytest.fixture
async def staff(client: httpx.AsyncClient, services: AppServices, sign_up: SignUp, admin: Person) -> Person:
    """An admin who is no super admin."""
    somebody = await sign_up("customer", name="Staff")
    command = ChangeAccountRole(account_id=somebody.account_id, role=Role.ADMIN)
    await services.commands.submit(command, Caller(actor_id=admin.account_id, role="super_admin"))
    services.accounts.forget(somebody.account_id)
    return await log_in(client, somebody.email)


def looks_of(tools: Machinery, person: Person) -> list[Recorded]:
    """What was kept of somebody's looks."""
    history = tools.open_log(name="test")
    try:
        return list(history.stream(admin_audit_id(person.account_id)))
    finally:
        history.close()


def look_of(recorded: Recorded) -> AuditReplayPerformed:
    assert isinstance(recorded.event, AuditReplayPerformed)
    return recorded.event


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["name"].split(".")[1] for event in events]


def as_json(value: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(value))


async def key_of(services: AppServices, person: Person, *permissions: Permission) -> dict[str, str]:
    issuer = ApiKeyIssuer(
        commands=services.commands, new_id=services.new_id, random_bytes=os.urandom, prefix="gm_"
    )
    made = await issuer.issue(
        name="A program", caller=Caller(actor_id=person.account_id), permissions=permissions
    )
    assert made.plain is not None
    return {"X-API-Key": made.plain}


class TestSearching:
    @pytest.fixture
    async def search(self, client: httpx.AsyncClient, market: Market, staff: Person, settle: Settle) -> Any:
        await settle()

        async def ask(**wanted: Any) -> list[dict[str, Any]]:
            found = data_of(await client.get(EVENTS, params={"limit": 100, **wanted}, headers=staff.headers))
            assert isinstance(found, list)
            return found

        return ask

    async def test_what_happened_is_shown_newest_first(self, search: Any, market: Market) -> None:
        found = await search()
        positions = [event["position"] for event in found]
        assert positions == sorted(positions, reverse=True)
        [placed] = [event for event in found if event["name"] == "orders.OrderPlaced.v1"]
        assert placed["streamType"] == "order"
        assert placed["streamId"] == market.order_id
        assert placed["version"] == 1
        assert placed["command"] == "PlaceOrder"
        assert placed["actor"] == {
            "kind": "user",
            "accountId": str(market.buyer.account_id),
            "role": "customer",
        }
        assert placed["data"]["order_number"] == market.order["orderNumber"]

    @pytest.mark.parametrize(
        "called", ["OrderPlaced", "orders.OrderPlaced", "orders.OrderPlaced.v1", "orderplaced"]
    )
    async def test_by_what_happened(self, search: Any, called: str) -> None:
        assert names(await search(type=called)) == ["OrderPlaced"]

    async def test_by_who_brought_it_about(self, search: Any, market: Market) -> None:
        found = await search(actorId=market.buyer.account_id)
        assert {event["actor"]["accountId"] for event in found} == {str(market.buyer.account_id)}
        assert "OrderPlaced" in names(found)
        assert await search(actorId=NOBODY) == []

    async def test_by_the_occasion(self, search: Any) -> None:
        [placed] = await search(type="OrderPlaced")
        found = await search(correlationId=placed["correlationId"])
        assert {"OrderPlaced", "PaymentInitiated"} <= set(names(found))
        assert {event["correlationId"] for event in found} == {placed["correlationId"]}

    async def test_by_the_kind_of_stream(self, search: Any) -> None:
        assert names(await search(streamType="order")) == HISTORY[::-1]
        assert await search(streamType="order", type="AccountRegistered") == []
        assert names(await search(streamType="order", type="OrderPlaced")) == ["OrderPlaced"]

    async def test_by_days_and_by_moments(self, search: Any) -> None:
        every = await search()
        [placed] = await search(type="OrderPlaced")
        at = placed["recordedAt"]
        today = at[:10]
        assert await search(**{"from": today, "to": today}) == every
        assert await search(to="2020-01-01") == []
        assert await search(**{"from": "2999-01-01"}) == []
        later = await search(**{"from": at})
        earlier = await search(to=at)
        assert placed in later
        assert placed in earlier
        assert {event["position"] for event in later} | {event["position"] for event in earlier} == {
            event["position"] for event in every
        }
        assert min(event["recordedAt"] for event in later) >= at
        assert max(event["recordedAt"] for event in earlier) <= at
        before = (datetime.fromisoformat(at) - timedelta(milliseconds=1)).isoformat()
        assert placed not in await search(to=before)

    async def test_pages_neither_miss_nor_repeat_while_more_happens(
        self, client: httpx.AsyncClient, search: Any, staff: Person, settle: Settle
    ) -> None:
        whole = [event["position"] for event in await search()]
        read: list[int] = []
        cursor: str | None = None
        while True:
            # Each page that is read adds an event to what is searched.
            await settle()
            asked = {"limit": "7"} | ({} if cursor is None else {"cursor": cursor})
            page = (await client.get(EVENTS, params=asked, headers=staff.headers)).json()
            read += [event["position"] for event in page["data"]]
            cursor = page["meta"]["nextCursor"]
            if cursor is None:
                break
        assert len(read) == len(set(read))
        assert [position for position in read if position <= whole[0]] == whole

    @pytest.mark.parametrize(
        ("wanted", "problems"),
        [
            ({"type": "TeapotBroken"}, {"type": "enum"}),
            ({"type": "ClaimReleased"}, {"type": "enum"}),
            ({"streamType": "basket"}, {"streamType": "enum"}),
            ({"streamType": "claim"}, {"streamType": "enum"}),
            ({"from": "yesterday", "to": "2026-02-30"}, {"from": "format"}),
            ({"to": "2026-02-30"}, {"to": "format"}),
            ({"cursor": "bm90aGluZw"}, {"cursor": "cursor"}),
            ({"reason": "\u0007"}, {"reason": "pattern"}),
        ],
    )
    async def test_what_cannot_be_searched_for_is_refused(
        self, client: httpx.AsyncClient, staff: Person, wanted: dict[str, str], problems: dict[str, str]
    ) -> None:
        assert wrong_fields(await client.get(EVENTS, params=wanted, headers=staff.headers)) == problems


class TestOneStream:
    async def test_its_events_are_shown_in_order_page_by_page(
        self, client: httpx.AsyncClient, market: Market, staff: Person
    ) -> None:
        first = (await client.get(f"{market.stream}?limit=2", headers=staff.headers)).json()
        cursor = first["meta"]["nextCursor"]
        second = (await client.get(f"{market.stream}?limit=2&cursor={cursor}", headers=staff.headers)).json()
        assert names(first["data"] + second["data"]) == HISTORY
        assert [event["version"] for event in first["data"] + second["data"]] == [1, 2, 3]
        assert second["meta"] == {"limit": 2, "nextCursor": None, "hasMore": False}

    async def test_it_is_named_as_on_the_command_line(
        self, client: httpx.AsyncClient, market: Market, staff: Person
    ) -> None:
        seller, listing = market.seller.account_id, UUID(market.listing_id)
        for named, stream_id in (
            (f"order/{market.order['orderNumber']}", UUID(market.order_id)),
            (f"stock/{market.listing_id}", stock_id(listing)),
            (f"account/{seller}", seller),
            (f"admin_audit/{staff.account_id}", admin_audit_id(staff.account_id)),
        ):
            shown = data_of(await client.get(f"/admin/audit/streams/{named}", headers=staff.headers))
            assert {event["streamId"] for event in shown} == {str(stream_id)}
        assert seller_ledger_id(seller, "usd") != seller

    @pytest.mark.parametrize(
        "named",
        [
            f"order/{NOBODY}",
            "order/ORD-20200101-00001",
            "order/teapot",
            f"basket/{NOBODY}",
            "payment/{orderId}",
            f"claim/{derived_id('email', 'seller1@example.uz')}",
            f"account/{derived_id('email', 'seller1@example.uz')}",
        ],
    )
    @pytest.mark.parametrize("ending", ["", "/state"])
    async def test_what_names_nothing_is_not_found_and_not_remembered(
        self,
        client: httpx.AsyncClient,
        market: Market,
        staff: Person,
        machinery: Machinery,
        named: str,
        ending: str,
    ) -> None:
        path = f"/admin/audit/streams/{named.format(orderId=market.order_id)}{ending}"
        assert refusal(await client.get(path, headers=staff.headers)) == (404, "RESOURCE_NOT_FOUND")
        assert looks_of(machinery, staff) == []


class TestThen:
    async def test_it_stands_as_it_did_at_a_version_a_moment_or_a_position(
        self, client: httpx.AsyncClient, market: Market, staff: Person
    ) -> None:
        events = data_of(await client.get(market.stream, headers=staff.headers))
        confirmed = events[1]
        for then in (
            {"version": "2"},
            {"position": str(confirmed["position"])},
            {"at": confirmed["recordedAt"]},
            {"at": confirmed["recordedAt"].replace("Z", "")},
        ):
            shown = data_of(await client.get(f"{market.stream}/state", params=then, headers=staff.headers))
            assert shown["state"]["status"] == "confirmed"
            assert (shown["version"], shown["laterEvents"]) == (2, 1)
            assert shown["recordedAt"] == confirmed["recordedAt"]

    async def test_without_a_moment_it_stands_as_it_does_now(
        self, client: httpx.AsyncClient, market: Market, staff: Person
    ) -> None:
        shown = data_of(await client.get(f"{market.stream}/state", headers=staff.headers))
        assert shown["state"]["status"] == "processing"
        assert (shown["streamType"], shown["streamId"]) == ("order", market.order_id)
        assert (shown["version"], shown["laterEvents"]) == (3, 0)

    async def test_it_is_what_the_command_line_shows(
        self, client: httpx.AsyncClient, market: Market, staff: Person, machinery: Machinery
    ) -> None:
        shown = data_of(await client.get(f"{market.stream}/state?version=2", headers=staff.headers))
        events = data_of(await client.get(market.stream, headers=staff.headers))
        history = machinery.open_log(name="test")
        try:
            replay = Replay(history, machinery.names)
            stream = replay.named(f"order/{market.order_id}")
            assert shown["state"] == as_json(replay.standing(stream, until_version(2)).state)
            assert [event["data"] for event in events] == [
                as_json(event.data) for event in replay.events_until(stream, always)
            ]
        finally:
            history.close()

    async def test_before_it_began_there_is_nothing_and_who_asked_is_remembered(
        self, client: httpx.AsyncClient, market: Market, staff: Person, machinery: Machinery
    ) -> None:
        for then in ("at=2001-01-01T00:00:00Z", "position=1"):
            answer = await client.get(f"{market.stream}/state?{then}", headers=staff.headers)
            assert refusal(answer) == (404, "RESOURCE_NOT_FOUND")
            assert not re.search("[0-9]", answer.json()["error"]["message"])
        # That there is such a stream was an answer.
        assert len(looks_of(machinery, staff)) == 2

    async def test_two_moments_at_once_are_refused(
        self, client: httpx.AsyncClient, market: Market, staff: Person
    ) -> None:
        then = {"version": "2", "at": "2026-05-01T12:00:00Z"}
        answer = await client.get(f"{market.stream}/state", params=then, headers=staff.headers)
        assert wrong_fields(answer) == {"version": "exclusive", "at": "exclusive"}

    def test_a_millisecond_that_was_shown_is_meant_whole(self) -> None:
        noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
        assert _whole_millisecond(noon + timedelta(milliseconds=5)) == noon + timedelta(microseconds=5999)
        exact = noon + timedelta(microseconds=5001)
        assert _whole_millisecond(exact) == exact

    def test_the_first_and_the_last_moment_there_are_can_be_named(self) -> None:
        for text in ("0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"):
            assert _aware(datetime.fromisoformat(text)).utcoffset() == timedelta(0)


class TestPersonalData:
    async def test_it_is_masked_in_events_and_states(
        self, client: httpx.AsyncClient, market: Market, staff: Person
    ) -> None:
        account = f"/admin/audit/streams/account/{market.buyer.account_id}"
        for path in (
            EVENTS + "?limit=100",
            market.stream,
            f"{market.stream}/state",
            account,
            f"{account}/state",
        ):
            answer = await client.get(path, headers=staff.headers)
            assert answer.status_code == 200
            for words in ("Karimova", "Amir Temur", market.buyer.email, "+998901234567"):
                assert words not in answer.text
        placed = data_of(await client.get(market.stream, headers=staff.headers))[0]["data"]
        assert placed["customer_name"] == MASK
        assert placed["shipping_address"] == MASK
        state = data_of(await client.get(f"{account}/state", headers=staff.headers))["state"]
        assert state["email"] == MASK

    async def test_of_who_was_erased_only_masks_and_nothing_are_left(
        self, client: httpx.AsyncClient, market: Market, staff: Person, admin: Person, machinery: Machinery
    ) -> None:
        account = f"/admin/audit/streams/account/{market.buyer.account_id}"
        before = data_of(await client.get(f"{account}/state", headers=staff.headers))["state"]
        data_of(await client.delete(f"/admin/accounts/{market.buyer.account_id}", headers=admin.headers))
        for path in (market.stream, f"{market.stream}/state", account):
            answer = await client.get(path, headers=staff.headers)
            assert answer.status_code == 200
            assert "Karimova" not in answer.text
        after = data_of(await client.get(f"{account}/state", headers=staff.headers))["state"]
        assert before["email"] == MASK
        assert after["email"] in {None, MASK}
        assert after["status"] == "deleted"


class TestEachLookIsRemembered:
    async def test_with_what_was_asked_for_and_why(
        self, client: httpx.AsyncClient, market: Market, staff: Person, machinery: Machinery
    ) -> None:
        asked = {
            "type": "OrderPlaced",
            "actorId": str(market.buyer.account_id),
            "to": "2030-01-01",
            "limit": "5",
            "reason": " A complaint ",
        }
        data_of(await client.get(EVENTS, params=asked, headers=staff.headers))
        data_of(await client.get(f"{market.stream}?limit=1", headers=staff.headers))
        data_of(await client.get(f"{market.stream}/state?version=2", headers=staff.headers))
        search, events, state = (look_of(each) for each in looks_of(machinery, staff))
        order_id = UUID(market.order_id)
        assert search == AuditReplayPerformed(
            target_type=LOG,
            query=AuditQuery(
                event="orders.OrderPlaced",
                actor_id=market.buyer.account_id,
                until=datetime(2030, 1, 1, 23, 59, 59, 999999, tzinfo=UTC),
                limit=5,
            ),
            reason="A complaint",
        )
        assert events == AuditReplayPerformed(
            target_type="order", target_id=order_id, query=AuditQuery(limit=1)
        )
        assert state == AuditReplayPerformed(
            target_type="order", target_id=order_id, query=AuditQuery(version=2)
        )

    async def test_a_page_that_is_read_on_is_a_look_too(
        self, client: httpx.AsyncClient, market: Market, staff: Person, machinery: Machinery
    ) -> None:
        for path in (f"{EVENTS}?limit=2", f"{market.stream}?limit=2"):
            first = (await client.get(path, headers=staff.headers)).json()
            data_of(await client.get(f"{path}&cursor={first['meta']['nextCursor']}", headers=staff.headers))
        looks = [look_of(each).query for each in looks_of(machinery, staff)]
        assert [look.after is None for look in looks] == [True, False, True, False]
        assert looks[3].after == 2

    async def test_a_program_looks_in_the_name_of_its_owner(
        self,
        client: httpx.AsyncClient,
        services: AppServices,
        market: Market,
        staff: Person,
        machinery: Machinery,
    ) -> None:
        shown = await key_of(services, staff, Permission.AUDIT_READ)
        data_of(await client.get(market.stream, headers=shown))
        [look] = looks_of(machinery, staff)
        assert look.metadata is not None
        assert (look.metadata.actor_id, look.metadata.actor_kind) == (staff.account_id, "api_key")

    async def test_the_activity_log_shows_it_with_its_reason(
        self, client: httpx.AsyncClient, market: Market, staff: Person, admin: Person, settle: Settle
    ) -> None:
        data_of(await client.get(EVENTS, params={"reason": "A survey"}, headers=staff.headers))
        data_of(await client.get(market.stream, params={"reason": "A complaint"}, headers=staff.headers))
        await settle()
        stream, search = data_of(
            await client.get("/admin/activity-logs?action=RecordAuditReplay", headers=admin.headers)
        )
        assert (stream["target"], stream["subjectId"], stream["reason"]) == (
            "order",
            market.order_id,
            "A complaint",
        )
        assert (search["target"], search["subjectId"], search["reason"]) == (
            LOG,
            str(admin_audit_id(staff.account_id)),
            "A survey",
        )
        assert {stream["event"], search["event"]} == {"AuditReplayPerformed"}
        assert {stream["actorId"], search["actorId"]} == {str(staff.account_id)}

    async def test_of_who_was_forgotten_no_reason_is_left(
        self, client: httpx.AsyncClient, market: Market, admin: Person, settle: Settle
    ) -> None:
        buyer = market.buyer.account_id
        asked = {"reason": "Zebo Karimova complained"}
        data_of(
            await client.get(f"/admin/audit/streams/account/{buyer}", params=asked, headers=admin.headers)
        )
        data_of(await client.delete(f"/admin/accounts/{buyer}", headers=admin.headers))
        await settle()
        shown = data_of(await client.get(f"/admin/activity-logs?subjectId={buyer}", headers=admin.headers))
        assert "RecordAuditReplay" in {each["action"] for each in shown}
        assert {each["reason"] for each in shown} == {None}

    async def test_it_is_found_by_the_next_search(
        self, client: httpx.AsyncClient, market: Market, staff: Person, settle: Settle
    ) -> None:
        data_of(await client.get(market.stream, headers=staff.headers))
        await settle()
        [look] = data_of(await client.get(f"{EVENTS}?type=AuditReplayPerformed", headers=staff.headers))
        assert look["streamType"] == "admin_audit"
        assert look["data"]["target_id"] == market.order_id


class TestWhatCannotBeRemembered:
    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"DB_STATEMENT_SECONDS": "1"}

    @pytest.fixture
    async def nothing_can_be_written(
        self, market: Market, staff: Person, database_url: str
    ) -> AsyncIterator[None]:
        """Somebody holds the head of the log: all can be read, and nothing can be added."""
        async with await psycopg.AsyncConnection.connect(database_url) as holding:
            await holding.execute("SELECT FROM log_head FOR UPDATE")
            yield

    @pytest.mark.usefixtures("nothing_can_be_written")
    async def test_is_not_shown(self, client: httpx.AsyncClient, market: Market, staff: Person) -> None:
        for path in (EVENTS, market.stream, f"{market.stream}/state"):
            answer = await client.get(path, headers=staff.headers)
            assert refusal(answer) == (503, "STORE_UNAVAILABLE")
            assert "OrderPlaced" not in answer.text
            assert market.order["orderNumber"] not in answer.text


class TestWhoMayLook:
    async def test_staff_and_their_programs_do_and_nobody_else(
        self,
        client: httpx.AsyncClient,
        services: AppServices,
        market: Market,
        staff: Person,
        machinery: Machinery,
    ) -> None:
        fitting = await key_of(services, staff, Permission.AUDIT_READ)
        unfitting = await key_of(services, staff, Permission.ANALYTICS_READ)
        for path in (EVENTS, market.stream, f"{market.stream}/state"):
            assert refusal(await client.get(path)) == (401, "AUTHENTICATION_REQUIRED")
            for shown in (market.buyer.headers, market.seller.headers, unfitting):
                answer = await client.get(path, headers=shown)
                assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")
            data_of(await client.get(path, headers=fitting))
            data_of(await client.get(path, headers=staff.headers))
        assert looks_of(machinery, market.buyer) == looks_of(machinery, market.seller) == []
        assert len(looks_of(machinery, staff)) == 6

    async def test_many_looks_at_once_are_all_remembered(
        self, client: httpx.AsyncClient, market: Market, staff: Person, machinery: Machinery
    ) -> None:
        answers = await asyncio.gather(*(client.get(market.stream, headers=staff.headers) for _ in range(10)))
        assert {answer.status_code for answer in answers} == {200}
        assert [each.version for each in looks_of(machinery, staff)] == list(range(1, 11))
