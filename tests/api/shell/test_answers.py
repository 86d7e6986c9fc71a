"""Every answer has one of two forms, and says under which name it can be found again."""

import gzip
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from api.context import SCOPE_KEY
from api.errors import failure_of
from projections.shared.turns import TooManyAsk
from tests.api.shell.office import CUSTOMER, SHOP_PAGE, Window, office, settings_with

BASE = "/api/v1/offices"


@pytest.fixture
async def window() -> AsyncIterator[Window]:
    async with office() as opened:
        yield opened


class TestSuccess:
    async def test_an_answer_is_wrapped(self, window: Window) -> None:
        answer = await window.client.get(f"{BASE}/ping")
        assert answer.status_code == 200
        assert answer.json() == {"success": True, "data": "pong"}
        assert answer.headers["content-type"] == "application/json"

    async def test_times_have_milliseconds_and_money_is_exact(self, window: Window) -> None:
        me = await window.client.get(f"{BASE}/visitor")
        price = await window.client.get(f"{BASE}/price")
        assert me.json()["data"]["at"] == "2026-05-01T12:00:00.123Z"
        assert price.json()["data"] == {"amount": "12.50", "currency": "usd", "minor": 1250}

    async def test_a_page_says_where_it_is(self, window: Window) -> None:
        answer = await window.client.get(f"{BASE}/list", params={"page": 3})
        assert answer.json()["data"] == [41, 42, 43, 44, 45]
        assert answer.json()["meta"] == {"page": 3, "limit": 20, "total": 45, "totalPages": 3}

    async def test_head_is_get_without_its_body(self, window: Window) -> None:
        whole = await window.client.get(f"{BASE}/large", headers={"accept-encoding": "identity"})
        head = await window.client.head(f"{BASE}/large", headers={"accept-encoding": "identity"})
        assert head.status_code == 200
        assert head.content == b""
        assert head.headers["content-length"] == whole.headers["content-length"] == "5000"

    async def test_head_of_an_endless_stream_ends(self, window: Window) -> None:
        head = await window.client.head(f"{BASE}/news", timeout=5)
        assert head.status_code == 200

    async def test_options_tells_what_is_possible(self, window: Window) -> None:
        answer = await window.client.options(f"{BASE}/ping")
        assert answer.status_code == 204
        assert "GET" in answer.headers["allow"]


class TestFailure:
    async def test_an_unknown_route_is_named(self, window: Window) -> None:
        answer = await window.client.get("/api/v1/nothing/here")
        assert answer.status_code == 404
        assert answer.json()["success"] is False
        assert answer.json()["error"]["code"] == "ROUTE_NOT_FOUND"
        assert "/api/v1/nothing/here" in answer.json()["error"]["message"]
        assert answer.json()["error"]["requestId"] == answer.headers["x-request-id"]

    async def test_a_wrong_id_in_a_path_is_a_route_that_is_not_there(self, window: Window) -> None:
        answer = await window.client.get(f"{BASE}/not-a-uuid")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "ROUTE_NOT_FOUND")

    async def test_a_wrong_method_is_told_the_right_ones(self, window: Window) -> None:
        answer = await window.client.delete(f"{BASE}/ping")
        assert (answer.status_code, answer.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
        assert "GET" in answer.headers["allow"]

    async def test_problem_details_are_given_to_those_who_ask_for_them(self, window: Window) -> None:
        answer = await window.client.get(
            f"{BASE}/list", params={"limit": 0}, headers={"Accept": "application/problem+json"}
        )
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (problem["status"], problem["code"], problem["title"]) == (
            400,
            "VALIDATION_ERROR",
            "Bad Request",
        )
        assert problem["errors"] == [
            {"pointer": "#/limit", "detail": "Must be at least 1.", "code": "minimum"}
        ]
        assert problem["instance"] == f"urn:uuid:{answer.headers['x-request-id']}"

    async def test_a_bug_shows_nothing_of_its_inside(
        self, window: Window, capsys: pytest.CaptureFixture[str]
    ) -> None:
        answer = await window.client.get(f"{BASE}/bug", headers=window.services.bearer(CUSTOMER))
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "INTERNAL_ERROR")
        assert "hunter2" not in answer.text
        assert "ZeroDivision" not in answer.text
        logged = capsys.readouterr().out
        assert logged.count("Traceback") == 1
        assert "ZeroDivisionError" in logged
        assert answer.headers["x-request-id"] in logged

    async def test_a_bug_in_a_decision_is_a_bug(self, window: Window) -> None:
        answer = await window.client.post(f"{BASE}/stumble")
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "INTERNAL_ERROR")

    async def test_an_outage_says_when_to_come_back(self, window: Window) -> None:
        answer = await window.client.get(f"{BASE}/outage")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "STORE_UNAVAILABLE")
        assert answer.headers["retry-after"] == "3"

    def test_who_did_not_come_to_their_turn_may_try_again(self) -> None:
        failure = failure_of(TooManyAsk("no turn"), f"{BASE}/ping")
        assert (failure.status, failure.code) == (503, "OVERLOADED")
        assert ("retry-after", "1") in failure.headers

    async def test_an_answer_that_breaks_off_is_not_passed_off_as_whole(
        self, window: Window, capsys: pytest.CaptureFixture[str]
    ) -> None:
        sent = await by_hand(window, "GET", f"{BASE}/broken-off")
        assert sent[0]["status"] == 200
        assert all(message.get("more_body", True) for message in sent[1:])
        assert capsys.readouterr().out.count("Traceback (most recent call last)") >= 1


class TestNames:
    async def test_a_sane_request_id_is_kept(self, window: Window) -> None:
        answer = await window.client.get(f"{BASE}/ping", headers={"X-Request-Id": "order-42/try.1"})
        assert answer.headers["x-request-id"] == "order-42/try.1"

    @pytest.mark.parametrize("given", ["", "a" * 129, "a b", 'x"y', "<script>", "ä".encode()])
    async def test_any_other_is_replaced(self, window: Window, given: Any) -> None:
        answer = await window.client.get(f"{BASE}/ping", headers=[("X-Request-Id", given)])
        assert UUID(answer.headers["x-request-id"]).version == 7

    async def test_the_request_id_is_the_correlation_id_of_what_it_causes(self, window: Window) -> None:
        ours = uuid4()
        same = await window.client.get(f"{BASE}/visitor", headers={"X-Request-Id": str(ours)})
        derived = await window.client.get(f"{BASE}/visitor", headers={"X-Request-Id": "checkout-1"})
        again = await window.client.get(f"{BASE}/visitor", headers={"X-Request-Id": "checkout-1"})
        assert same.json()["data"]["correlationId"] == str(ours)
        assert derived.json()["data"]["correlationId"] == again.json()["data"]["correlationId"]

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future", True),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more", False),
            ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", False),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", False),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", False),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", False),
            ("nonsense", False),
        ],
    )
    async def test_a_trace_goes_on_when_it_is_one(self, window: Window, given: str, kept: bool) -> None:
        answer = await window.client.get(f"{BASE}/visitor", headers={"traceparent": given})
        trace_id = answer.json()["data"]["traceId"]
        assert (trace_id == "4bf92f3577b34da6a3ce929d0e0e4736") is kept
        assert len(trace_id) == 32

    async def test_identity_headers_from_outside_are_thrown_away(self, window: Window) -> None:
        answer = await window.client.get(
            f"{BASE}/visitor", headers={"X-User-Id": str(CUSTOMER), "X-User-Role": "admin"}
        )
        assert answer.json()["data"]["actorId"] is None
        assert not {"x-user-id", "x-user-role"} & set(answer.json()["data"]["headers"])


class TestAddresses:
    @pytest.mark.parametrize(
        ("hops", "forwarded", "seen"),
        [
            ("0", "198.51.100.1", "203.0.113.7"),
            ("1", None, "203.0.113.7"),
            ("1", "198.51.100.1", "198.51.100.1"),
            ("1", "10.9.9.9, 198.51.100.1", "198.51.100.1"),
            ("2", "10.9.9.9, 198.51.100.1, 192.0.2.5", "198.51.100.1"),
            ("2", "198.51.100.1", "198.51.100.1"),
            ("1", "198.51.100.1:4711", "198.51.100.1"),
            ("1", "[2001:db8::1]:4711", "2001:db8::1"),
            ("1", "::ffff:198.51.100.1", "198.51.100.1"),
            ("1", "<script>", "203.0.113.7"),
        ],
    )
    async def test_only_our_own_proxies_are_believed(
        self, hops: str, forwarded: str | None, seen: str
    ) -> None:
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
        async with office(settings=settings_with(TRUST_PROXY_HOPS=hops)) as window:
            answer = await window.client.get(f"{BASE}/visitor", headers=headers)
        assert answer.json()["data"]["ip"] == seen

    async def test_several_lines_of_the_header_are_one_list(self, window: Window) -> None:
        answer = await window.client.get(
            f"{BASE}/visitor",
            headers=[("X-Forwarded-For", "10.9.9.9"), ("X-Forwarded-For", "198.51.100.1")],
        )
        assert answer.json()["data"]["ip"] == "198.51.100.1"

    async def test_a_user_agent_is_cut(self, window: Window) -> None:
        answer = await window.client.get(f"{BASE}/visitor", headers={"User-Agent": "a" * 2000})
        assert answer.json()["data"]["userAgent"] == "a" * 512


class TestHeaders:
    async def test_browsers_are_told_to_be_careful(self, window: Window) -> None:
        headers = (await window.client.get(f"{BASE}/ping")).headers
        assert headers["content-security-policy"].startswith("default-src 'none'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "cross-origin"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["origin-agent-cluster"] == "?1"
        assert headers["x-dns-prefetch-control"] == "off"
        assert headers["x-download-options"] == "noopen"
        assert headers["x-permitted-cross-domain-policies"] == "none"
        assert headers["x-xss-protection"] == "0"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers
        assert "x-powered-by" not in headers

    async def test_pages_of_the_shop_may_call_with_credentials(self, window: Window) -> None:
        headers = (await window.client.get(f"{BASE}/ping", headers={"Origin": SHOP_PAGE})).headers
        assert headers["access-control-allow-origin"] == SHOP_PAGE
        assert headers["access-control-allow-credentials"] == "true"
        assert {"ETag", "X-Position", "Retry-After"} <= set(
            headers["access-control-expose-headers"].split(", ")
        )
        assert "Origin" in headers["vary"]

    async def test_pages_of_others_get_no_permission(self, window: Window) -> None:
        answer = await window.client.get(f"{BASE}/ping", headers={"Origin": "https://evil.test"})
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("access-control-")]

    async def test_failures_can_be_read_by_pages_of_the_shop(self, window: Window) -> None:
        answer = await window.client.get("/nowhere", headers={"Origin": SHOP_PAGE})
        assert answer.headers["access-control-allow-origin"] == SHOP_PAGE

    async def test_a_preflight_of_the_shop_is_let_through(self, window: Window) -> None:
        answer = await preflight(window.client, SHOP_PAGE)
        assert answer.status_code == 204
        assert "PATCH" in answer.headers["access-control-allow-methods"]
        assert "Idempotency-Key" in answer.headers["access-control-allow-headers"]

    async def test_a_preflight_of_others_is_refused(self, window: Window) -> None:
        answer = await preflight(window.client, "https://evil.test")
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "CORS_NOT_ALLOWED")


class TestCompression:
    async def test_long_answers_are_compressed_for_those_who_take_it(self, window: Window) -> None:
        plain = await window.client.get(f"{BASE}/large", headers={"Accept-Encoding": "identity"})
        packed = await window.client.get(f"{BASE}/large", headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in plain.headers
        assert packed.headers["content-encoding"] == "gzip"
        assert int(packed.headers["content-length"]) < 200
        assert packed.text == plain.text
        assert (plain.headers["etag"], packed.headers["etag"]) == ('"office-1-7"', '"office-1-7-gzip"')
        assert "Accept-Encoding" in packed.headers["vary"]

    @pytest.mark.parametrize("encoding", ["gzip;q=0", "*;q=0", "gzip;q=0, *", "br", "gzip;q=x"])
    async def test_nobody_gets_what_they_do_not_take(self, window: Window, encoding: str) -> None:
        answer = await window.client.get(f"{BASE}/large", headers={"Accept-Encoding": encoding})
        assert "content-encoding" not in answer.headers

    async def test_short_answers_are_left_alone(self, window: Window) -> None:
        answer = await window.client.get(
            f"{BASE}/large", params={"size": 1023}, headers={"Accept-Encoding": "gzip"}
        )
        assert "content-encoding" not in answer.headers

    async def test_very_long_answers_survive_the_thread(self, window: Window) -> None:
        answer = await window.client.get(
            f"{BASE}/large", params={"size": 500_000}, headers={"Accept-Encoding": "gzip"}
        )
        assert answer.text == "x" * 500_000

    async def test_a_stream_of_lines_is_compressed_line_by_line(self, window: Window) -> None:
        sent = await by_hand(window, "GET", f"{BASE}/stream", [(b"accept-encoding", b"gzip")])
        bodies = [message["body"] for message in sent[1:] if message["body"]]
        assert (b"content-encoding", b"gzip") in sent[0]["headers"]
        assert len(bodies) >= 3
        lines = gzip.decompress(b"".join(bodies)).splitlines()
        assert [json.loads(line)["line"] for line in lines] == [0, 1, 2]

    async def test_an_event_stream_is_never_compressed(self, window: Window) -> None:
        sent = await by_hand(window, "GET", f"{BASE}/news", [(b"accept-encoding", b"gzip")], until=3)
        assert b"content-encoding" not in dict(sent[0]["headers"])
        assert sent[1]["body"].startswith(b"data: ")


async def preflight(client: httpx.AsyncClient, origin: str) -> httpx.Response:
    return await client.options(
        f"{BASE}/ping", headers={"Origin": origin, "Access-Control-Request-Method": "PATCH"}
    )


class HungUp(Exception):
    """The test has seen enough."""


async def by_hand(
    window: Window,
    method: str,
    path: str,
    headers: list[tuple[bytes, bytes]] | None = None,
    *,
    until: int = 1000,
    receive: Any = None,
    query: bytes = b"",
) -> list[dict[str, Any]]:
    """What the application sends, message by message."""
    sent: list[dict[str, Any]] = []

    async def nothing_more() -> dict[str, Any]:
        if len(sent) < until:
            return {"type": "http.request", "body": b"", "more_body": False}
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) >= until:
            raise HungUp

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "headers": headers or [],
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query,
        "server": ("testserver.local", 80),
        "client": ("203.0.113.7", 50000),
        "root_path": "",
    }
    await window.app(scope, receive or nothing_more, send)  # type: ignore[arg-type]
    assert SCOPE_KEY in scope
    return sent
