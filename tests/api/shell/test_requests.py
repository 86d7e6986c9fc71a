"""What is wrong with a request is said at the door, field by field, without repeating what was sent."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.body import BODY_BYTES_MAXIMUM, read_json
from api.requests import (
    decode_cursor,
    encode_cursor,
    expected_versions,
    parse_idempotency_key,
    wait_of,
)
from domain.shared.errors import InvalidInput
from infrastructure.identity import new_id
from tests.api.shell.office import FORM_BYTES_MAXIMUM, Anything, OpenOfficeRequest, Window, office
from tests.api.shell.test_answers import by_hand

BASE = "/api/v1/offices"
GOOD = {"officeName": "North", "seats": 3}


@pytest.fixture
async def window() -> AsyncIterator[Window]:
    async with office() as opened:
        yield opened


async def send(
    window: Window, body: bytes, *, to: str = "/anything", kind: str = "application/json"
) -> httpx.Response:
    return await window.client.post(f"{BASE}{to}", content=body, headers={"Content-Type": kind})


def problems(answer: httpx.Response) -> dict[str, str]:
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["code"] == "VALIDATION_ERROR"
    return {each["field"]: each["rule"] for each in answer.json()["error"]["details"]}


class TestFields:
    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            ({"officeName": "N"}, {"officeName": "min_length"}),
            ({"officeName": "N" * 21}, {"officeName": "max_length"}),
            ({"officeName": 7}, {"officeName": "type"}),
            ({"seats": "3"}, {"seats": "type"}),
            ({"seats": True}, {"seats": "type"}),
            ({"seats": 1.5}, {"seats": "type"}),
            ({"seats": -1}, {"seats": "minimum"}),
            ({"seats": 1001}, {"seats": "maximum"}),
            ({"office_name": "North"}, {"office_name": "unknown_field"}),
            ({"role": "admin", "seats": None}, {"role": "unknown_field", "seats": "type"}),
            (
                {"bestSeats": [{"row": "front", "number": 1}, {"row": "roof", "number": 2}]},
                {"bestSeats.1.row": "enum"},
            ),
            ({"bestSeats": [{"row": "front"}]}, {"bestSeats.0.number": "required"}),
            ({"price": {"amount": "1,5", "currency": "usd"}}, {"price.amount": "pattern"}),
            ({"price": {"amount": "1.505", "currency": "usd"}}, {"price.amount": "decimal_places"}),
            ({"price": {"amount": "99999999999999", "currency": "usd"}}, {"price.amount": "pattern"}),
            ({"price": {"amount": "9999999999999.999", "currency": "kwd"}}, {"price.amount": "maximum"}),
            ({"price": {"amount": "1.50", "currency": "USD"}}, {"price.currency": "pattern"}),
        ],
    )
    async def test_each_wrong_field_is_named(
        self, window: Window, change: dict[str, Any], expected: dict[str, str]
    ) -> None:
        assert problems(await window.client.post(BASE, json={**GOOD, **change})) == expected

    async def test_all_wrong_fields_are_named_at_once(self, window: Window) -> None:
        answer = await window.client.post(BASE, json={"seats": -1, "what": 1})
        assert problems(answer) == {"officeName": "required", "seats": "minimum", "what": "unknown_field"}

    async def test_what_was_sent_is_never_repeated(self, window: Window) -> None:
        answer = await window.client.post(f"{BASE}/sign-in", json={"email": "a@b.c", "password": "hunt2"})
        assert problems(answer) == {"password": "min_length"}
        assert "hunt2" not in answer.text

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"limit": "0"}, {"limit": "minimum"}),
            ({"limit": "101"}, {"limit": "maximum"}),
            ({"limit": "ten"}, {"limit": "type"}),
            ({"page": "-1"}, {"page": "minimum"}),
            ({"page": "9" * 40}, {"page": "maximum"}),
            ({"minPrice": "x"}, {"minPrice": "type"}),
        ],
    )
    async def test_query_parameters_are_checked_too(
        self, window: Window, query: dict[str, str], expected: dict[str, str]
    ) -> None:
        assert problems(await window.client.get(f"{BASE}/list", params=query)) == expected

    async def test_a_missing_query_parameter_is_named(self, window: Window) -> None:
        assert problems(await window.client.get(f"{BASE}/required")) == {"shopId": "required"}

    @pytest.mark.parametrize(
        "query", ["limit=1&limit=1", "limit=1&page=2&limit=2", "x=1&x=2", "limit=1&limit="]
    )
    async def test_a_parameter_is_given_once(self, window: Window, query: str) -> None:
        answer = await window.client.get(f"{BASE}/list?{query}")
        assert problems(answer) == {query.partition("=")[0]: "unique"}


class TestBodies:
    @pytest.mark.parametrize(
        ("body", "rule"),
        [
            (b"", "required"),
            (b"{", "json"),
            (b"nothing", "json"),
            (b'{"attributes": {}} x', "json"),
            (b"[]", "type"),
            (b"null", "type"),
            (b'{"attributes": {"a": NaN}}', "json"),
            (b'{"attributes": {"a": "\xff"}}', "json"),
            (b'{"attributes": {"a": "\\ud800"}}', "json"),
            (b'{"attributes": {"a": "\x00"}}', "json"),
            (b'{"attributes": {"a": "\\u0000"}}', "no_nul"),
            (b'{"attributes": {"\\u0000": 1}}', "no_nul"),
            (b'{"attributes": {"a": "\\\\\\u0000"}}', "no_nul"),
            (b'{"attributes": {"a": "\\u0085"}}', "no_control"),
            (b'{"attributes": {"a": "\xc2\x85"}}', "no_control"),
            (b'{"attributes": {"a": "\x7f"}}', "no_control"),
            (b'{"attributes": {"a": 9223372036854775808}}', "range"),
            (b'{"attributes": {"a": [-9223372036854775809]}}', "range"),
            (b'{"attributes": ' + b"[" * 63 + b"]" * 63 + b"}", "type"),
            (b'{"attributes": {"a": ' + b"[" * 63 + b"]" * 63 + b"}}", "depth"),
            (b'{"attributes": {"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}}", "depth"),
            (b'{"attributes": ' + b'{"a":' * 10_000, "depth"),
            (b'{"attributes": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}", "max_items"),
            (b'{"attributes": {"a": [' + b",".join([b"{}"] * 20_000) + b"]}}", "max_items"),
            (b'{"attributes": {"a": [' + b"1," * 20_000 + b"1]}}", "max_items"),
        ],
    )
    async def test_what_nobody_can_hold_is_refused(self, window: Window, body: bytes, rule: str) -> None:
        assert list(problems(await send(window, body)).values()) == [rule]

    @pytest.mark.parametrize(
        "body",
        [
            b'{"attributes": {"a": "\\\\u0000"}}',
            b'{"attributes": {"a": 9223372036854775807}}',
            b'{"attributes": {"a": "99999999999999999999999"}}',
            b'{"attributes": {"a": 0.12345678901234567890}}',
            b'{"attributes": {"a": ' + b"[" * 62 + b"]" * 62 + b"}}",
            b'{"attributes": {"a": [' + b",".join([b"[]"] * 500) + b"]}}",
        ],
    )
    async def test_what_only_looks_like_it_is_taken(self, window: Window, body: bytes) -> None:
        assert (await send(window, body)).status_code == 200

    @pytest.mark.parametrize("seats", ["3", "3.0", "3e0", "0.3e1", "300e-2", "3.000"])
    def test_a_whole_number_is_one_however_it_is_written(self, seats: str) -> None:
        taken = outcome(f'{{"officeName": "North", "seats": {seats}}}'.encode(), OpenOfficeRequest)
        assert isinstance(taken, OpenOfficeRequest)
        assert (taken.seats, type(taken.seats)) == (3, int)

    @pytest.mark.parametrize("seats", ['"3"', "3.5", "true", "9007199254740993.0", "1e300", "1e999999999"])
    def test_anything_else_is_no_whole_number(self, seats: str) -> None:
        refused = outcome(f'{{"officeName": "North", "seats": {seats}}}'.encode(), OpenOfficeRequest)
        assert isinstance(refused, InvalidInput)
        assert [problem.field for problem in refused.problems] == ["seats"]

    def test_only_what_is_wrong_is_named(self) -> None:
        refused = outcome(b'{"officeName": 1, "seats": 3.0}', OpenOfficeRequest)
        assert [problem.field for problem in refused.problems] == ["officeName"]

    @pytest.mark.parametrize(
        ("kind", "status"),
        [
            ("application/json", 200),
            ("application/json; charset=utf-8", 200),
            ("Application/JSON;charset=UTF-8", 200),
            ("application/vnd.shop+json", 200),
            ("application/json; charset=latin-1", 415),
            ("text/plain", 415),
            ("application/x-www-form-urlencoded", 415),
            ("", 415),
        ],
    )
    async def test_only_json_is_json(self, window: Window, kind: str, status: int) -> None:
        answer = await send(window, b"{}", kind=kind)
        assert answer.status_code == status
        if status == 415:
            assert answer.json()["error"]["code"] == "UNSUPPORTED_MEDIA_TYPE"

    async def test_a_body_that_announces_too_much_is_refused(self, window: Window) -> None:
        answer = await send(window, b"x" * (BODY_BYTES_MAXIMUM + 1), to="/callback")
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")

    async def test_a_body_that_announces_nothing_is_counted(self, window: Window) -> None:
        read = 0

        async def chunks() -> AsyncIterator[bytes]:
            nonlocal read
            for _ in range(100):
                read += 1
                yield b"x" * 1024 * 1024

        answer = await window.client.post(f"{BASE}/callback", content=chunks())
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")
        assert read <= 12

    async def test_a_body_just_as_large_as_allowed_is_taken(self, window: Window) -> None:
        answer = await send(window, b"x" * BODY_BYTES_MAXIMUM, to="/callback")
        assert answer.json()["data"] == BODY_BYTES_MAXIMUM

    @pytest.mark.parametrize("announced", [True, False])
    @pytest.mark.parametrize(
        ("kind", "head"),
        [
            ("application/x-www-form-urlencoded", b"name="),
            (
                "multipart/form-data; boundary=x",
                b'--x\r\ncontent-disposition: form-data; name="name"\r\n\r\n',
            ),
        ],
    )
    async def test_a_form_is_bounded_too(
        self, window: Window, kind: str, head: bytes, announced: bool
    ) -> None:
        async def chunks(size: int) -> AsyncIterator[bytes]:
            yield head
            for _ in range(0, size, 1000):
                yield b"x" * 1000
            yield b"\r\n--x--\r\n" if b"--x" in head else b""

        async def sent(size: int) -> httpx.Response:
            content = b"".join([chunk async for chunk in chunks(size)]) if announced else chunks(size)
            return await window.client.post(f"{BASE}/form", content=content, headers={"Content-Type": kind})

        taken, refused = await sent(50_000), await sent(FORM_BYTES_MAXIMUM)
        assert (taken.status_code, taken.json()["data"]) == (200, ["name"])
        assert (refused.status_code, refused.json()["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")

    async def test_a_caller_who_hangs_up_is_no_bug(
        self, window: Window, capsys: pytest.CaptureFixture[str]
    ) -> None:
        async def gone() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        await by_hand(
            window, "POST", f"{BASE}/anything", [(b"content-type", b"application/json")], receive=gone
        )
        assert capsys.readouterr().out == ""

    @given(body=st.binary(max_size=200))
    def test_no_bytes_make_the_reader_crash(self, body: bytes) -> None:
        assert isinstance(outcome(body, OpenOfficeRequest), OpenOfficeRequest | InvalidInput)

    @given(value=st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists))
    def test_no_json_makes_the_reader_crash(self, value: Any) -> None:
        taken = outcome(json.dumps({"attributes": {"a": value}}).encode(), Anything)
        assert isinstance(taken, InvalidInput) or "\0" not in str(taken)


def outcome(body: bytes, expected: Any) -> Any:
    """What is read, or the refusal; anything else that is raised is a crash."""
    try:
        return read_json(body, expected)
    except InvalidInput as refusal:
        return refusal


class TestPaths:
    @pytest.mark.parametrize(
        "target",
        ["/api/v1/a%00b", "/api/v1/a%FFb", "/api/v1/offices/list?page=%00", "/api/v1/offices/list?x=%ff"],
    )
    async def test_paths_and_queries_are_text_without_nul(self, window: Window, target: str) -> None:
        answer = await window.client.get(target)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "VALIDATION_ERROR")

    async def test_letters_of_all_people_are_text(self, window: Window) -> None:
        answer = await window.client.get("/api/v1/%D0%B4%D0%B0%D1%84%D1%82%D0%B0%D1%80?q=%D1%80%F0%9F%8D%87")
        assert answer.json()["error"]["code"] == "ROUTE_NOT_FOUND"
        assert "дафтар" in answer.json()["error"]["message"]

    @pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
    @pytest.mark.parametrize("target", ["/api%2Fv1/offices/list", "/api/v1%2foffices/list", "/%2Fhealth"])
    async def test_a_quoted_slash_parts_nothing(self, window: Window, method: str, target: str) -> None:
        answer = await window.client.request(method, target)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ROUTE_NOT_FOUND")

    async def test_the_service_as_a_whole_says_what_it_understands(self, window: Window) -> None:
        answer, _ = await by_hand(window, "OPTIONS", "*")
        assert answer["status"] == 204
        assert dict(answer["headers"])[b"allow"] == b"DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"

    async def test_a_percent_sign_may_stand_in_a_path(self, window: Window) -> None:
        assert (await window.client.get("/api/v1/100%25")).status_code == 404


class TestCursors:
    async def test_a_cursor_leads_back_to_its_place(self, window: Window) -> None:
        answer = await window.client.get(f"{BASE}/cursor", params={"cursor": encode_cursor(17)})
        assert answer.json()["data"] == 17

    @pytest.mark.parametrize(
        "cursor", ["!", "AAAA", encode_cursor("text"), encode_cursor([1]), "x" * 1025, "ä"]
    )
    async def test_any_other_text_is_no_cursor(self, window: Window, cursor: str) -> None:
        assert "cursor" in problems(await window.client.get(f"{BASE}/cursor", params={"cursor": cursor}))

    @given(text=st.text(max_size=50))
    def test_no_text_makes_the_reader_crash(self, text: str) -> None:
        try:
            decode_cursor(text, tuple[str, int])  # type: ignore[type-var,unused-ignore]
        except InvalidInput:
            return


class TestHeaders:
    @pytest.mark.parametrize(
        ("header", "key"),
        [("abc", "abc"), ('"abc"', "abc"), ('"a\\"b"', 'a"b'), (" abc ", "abc"), ("x" * 255, "x" * 255)],
    )
    def test_an_idempotency_key_comes_bare_or_quoted(self, header: str, key: str) -> None:
        assert parse_idempotency_key(header) == key

    @pytest.mark.parametrize("header", ["", '""', '"abc', "a b", "ä", "x" * 256, '"a b"', "\x7f"])
    def test_any_other_text_is_no_idempotency_key(self, header: str) -> None:
        with pytest.raises(InvalidInput):
            parse_idempotency_key(header)

    @pytest.mark.parametrize(
        ("header", "versions"),
        [
            ("*", None),
            ("17", [17]),
            ('"17"', [17]),
            ('"office-{id}-17"', [17]),
            ('"office-{id}-17-gzip"', [17]),
            ('"office-{id}-16", "office-{id}-17"', [16, 17]),
            ('"office-{id}-17","17"', [17]),
            ('W/"office-{id}-17"', [-1]),
            ('"order-{id}-17"', [-1]),
            ('"office-01930000-0000-7000-8000-000000000001-17"', [-1]),
            ('"whatever"', [-1]),
            ('"a,b", 17', [-1, 17]),
            (' "17" ,, 18,\t', [17, 18]),
        ],
    )
    def test_if_match_names_versions_of_this_very_thing(
        self, header: str, versions: list[int] | None
    ) -> None:
        office_id = new_id()
        assert expected_versions(header.replace("{id}", str(office_id)), "office", office_id) == versions

    @pytest.mark.parametrize("header", ["", ",", "x", '"a', '"a" "b"', "-1", "1.5"])
    def test_what_is_no_list_of_tags_is_refused(self, header: str) -> None:
        with pytest.raises(InvalidInput):
            expected_versions(header, "office", None)

    @pytest.mark.parametrize(
        ("prefer", "seconds"),
        [("", 2.0), ("wait=5", 5.0), ("respond-async, wait=1", 1.0), ("WAIT=99999", 10.0), ("wait=x", 2.0)],
    )
    def test_how_long_to_wait_is_bounded(self, prefer: str, seconds: float) -> None:
        assert wait_of(prefer) == seconds
