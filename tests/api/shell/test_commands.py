"""A command takes effect once, on the version that was meant, and tells where it stands in the log."""

from collections.abc import AsyncIterator

import pytest

from tests.api.asking import wrong_fields
from tests.api.shell.office import ADMIN, CUSTOMER, Window, office

BASE = "/api/v1/offices"
NORTH = {"officeName": "North", "seats": 3}


@pytest.fixture
async def window() -> AsyncIterator[Window]:
    async with office() as opened:
        yield opened


class TestAnswering:
    async def test_a_new_thing_has_its_tag_and_its_position(self, window: Window) -> None:
        answer = await window.client.post(BASE, json=NORTH)
        office_id = answer.json()["data"]["officeId"]
        assert answer.status_code == 201
        assert answer.headers["etag"] == f'"office-{office_id}-1"'
        assert int(answer.headers["x-position"]) == answer.json()["meta"]["position"] > 0
        assert answer.json()["meta"]["version"] == 1
        assert answer.json()["message"] == "Open!"
        assert "idempotent-replayed" not in answer.headers

    async def test_a_refusal_has_its_code_and_the_status_of_its_kind(self, window: Window) -> None:
        await window.opened("North")
        answer = await window.client.post(BASE, json=NORTH)
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "NAME_TAKEN")

    async def test_what_is_not_there_is_not_found(self, window: Window) -> None:
        answer = await window.client.get(f"{BASE}/01930000-0000-7000-8000-000000000001")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "RESOURCE_NOT_FOUND")

    async def test_a_process_without_a_loop_says_so(self, window: Window) -> None:
        window.services.commands = None
        answer = await window.client.post(BASE, json=NORTH)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")


class TestRepeating:
    async def test_a_repeat_gets_the_first_answer_and_has_no_effect(self, window: Window) -> None:
        key = {"Idempotency-Key": "open-1"}
        first = await window.client.post(BASE, json=NORTH, headers=key)
        again = await window.client.post(
            BASE,
            content=b'{ "seats": 3, "officeName": "North" }',
            headers={**key, "Content-Type": "application/json"},
        )
        assert again.status_code == first.status_code == 201
        assert again.json() == first.json()
        assert again.headers["etag"] == first.headers["etag"]
        assert again.headers["idempotent-replayed"] == "true"

    async def test_quoted_or_bare_it_is_the_same_key(self, window: Window) -> None:
        await window.client.post(BASE, json=NORTH, headers={"Idempotency-Key": "open-1"})
        again = await window.client.post(BASE, json=NORTH, headers={"Idempotency-Key": '"open-1"'})
        assert again.headers["idempotent-replayed"] == "true"

    async def test_the_same_key_with_another_request_is_refused(self, window: Window) -> None:
        key = {"Idempotency-Key": "open-1"}
        await window.client.post(BASE, json=NORTH, headers=key)
        answer = await window.client.post(BASE, json={**NORTH, "seats": 4}, headers=key)
        assert (answer.status_code, answer.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")

    async def test_nobody_meets_the_keys_of_others(self, window: Window) -> None:
        office_id = await window.opened()
        headers = {"Idempotency-Key": "sell-1"}
        first = await window.client.post(
            f"{BASE}/{office_id}/sell", headers={**headers, **window.services.bearer(CUSTOMER)}
        )
        second = await window.client.post(
            f"{BASE}/{office_id}/sell", headers={**headers, **window.services.bearer(ADMIN)}
        )
        assert (first.json()["data"]["seatsLeft"], second.json()["data"]["seatsLeft"]) == (2, 1)

    async def test_strangers_are_told_apart_by_their_address(self, window: Window) -> None:
        headers = {"Idempotency-Key": "open-1"}
        await window.client.post(BASE, json=NORTH, headers={**headers, "X-Forwarded-For": "198.51.100.1"})
        answer = await window.client.post(
            BASE,
            json={**NORTH, "officeName": "South"},
            headers={**headers, "X-Forwarded-For": "198.51.100.2"},
        )
        assert answer.status_code == 201

    async def test_a_malformed_key_is_refused(self, window: Window) -> None:
        answer = await window.client.post(BASE, json=NORTH, headers={"Idempotency-Key": "a b"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")


class TestNotOverwriting:
    async def test_the_latest_version_is_accepted_and_a_stale_one_refused(self, window: Window) -> None:
        office_id = await window.opened()
        customer = window.services.bearer(CUSTOMER)
        tag = f'"office-{office_id}-1"'
        first = await window.client.post(f"{BASE}/{office_id}/sell", headers={**customer, "If-Match": tag})
        stale = await window.client.post(f"{BASE}/{office_id}/sell", headers={**customer, "If-Match": tag})
        assert first.status_code == 200
        assert (stale.status_code, stale.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
        assert stale.json()["error"]["details"] == {"version": 2}

    async def test_any_of_several_versions_will_do(self, window: Window) -> None:
        office_id = await window.opened()
        customer = window.services.bearer(CUSTOMER)
        answer = await window.client.post(
            f"{BASE}/{office_id}/sell", headers={**customer, "If-Match": "7, 8, 1"}
        )
        assert answer.status_code == 200
        assert answer.json()["data"]["seatsLeft"] == 2

    @pytest.mark.parametrize(
        ("tag", "status"), [("*", 200), ("1", 200), ("2", 412), ('W/"1"', 412), ("x", 400)]
    )
    async def test_tags_are_compared_strongly(self, window: Window, tag: str, status: int) -> None:
        office_id = await window.opened()
        answer = await window.client.post(
            f"{BASE}/{office_id}/sell", headers={**window.services.bearer(CUSTOMER), "If-Match": tag}
        )
        assert answer.status_code == status


class TestReadingOnesOwnWrites:
    async def test_a_question_waits_for_the_position_that_it_names(self, window: Window) -> None:
        window.services.reader.catches_up_to = 7
        answer = await window.client.get(f"{BASE}/ping", headers={"X-Min-Position": "7"})
        assert answer.status_code == 200
        assert window.services.reader.waits == [(7, 2.0)]

    async def test_nobody_waits_for_what_is_there_already(self, window: Window) -> None:
        window.services.reader.position = 7
        answer = await window.client.get(f"{BASE}/ping", headers={"X-Min-Position": "7"})
        assert answer.status_code == 200
        assert window.services.reader.waits == [(7, 2.0)]

    async def test_rather_than_an_old_answer_there_is_none(self, window: Window) -> None:
        answer = await window.client.get(f"{BASE}/ping", headers={"X-Min-Position": "8", "Prefer": "wait=30"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "READ_MODEL_BEHIND")
        assert int(answer.headers["retry-after"]) >= 1
        assert window.services.reader.waits == [(8, 10.0)]

    @pytest.mark.parametrize("position", ["9", "9223372036854775807"])
    async def test_nobody_waits_for_what_has_not_happened(self, window: Window, position: str) -> None:
        answer = await window.client.get(
            f"{BASE}/ping", headers={"X-Min-Position": position, "Prefer": "wait=30"}
        )
        assert wrong_fields(answer) == {"X-Min-Position": "range"}
        assert window.services.reader.waits == []

    @pytest.mark.parametrize("position", ["-1", "x", "1.5", "9" * 30])
    async def test_a_position_is_a_whole_number(self, window: Window, position: str) -> None:
        answer = await window.client.get(f"{BASE}/ping", headers={"X-Min-Position": position})
        assert answer.status_code == 400

    async def test_nobody_waits_who_does_not_ask_for_it(self, window: Window) -> None:
        await window.client.get(f"{BASE}/ping", headers={"Prefer": "wait=5"})
        await window.client.post(BASE, json=NORTH, headers={"X-Min-Position": "8"})
        assert window.services.reader.waits == []
