"""A stranger who asks very often is answered later and later; nobody else waits for that."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from api.slowdown import Slowdown
from infrastructure.settings import Settings
from tests.api.shell.office import CUSTOMER, Window, office, settings_with
from tests.api.shell.test_answers import by_hand

BASE = "/api/v1/offices"
STEP = 0.08


def slow(after: int = 2, step_ms: int = 80, longest_ms: int = 200, **more: str) -> Settings:
    return settings_with(
        RATE_LIMIT_ENABLED="true",
        SLOWDOWN_AFTER=str(after),
        SLOWDOWN_STEP_MS=str(step_ms),
        SLOWDOWN_MAX_MS=str(longest_ms),
        **more,
    )


async def seconds(ask: Callable[[], Awaitable[httpx.Response]]) -> float:
    """How long the answer takes."""
    started = time.monotonic()
    answer = await ask()
    assert answer.status_code == 200
    return time.monotonic() - started


def places(window: Window, count: int) -> Slowdown:
    """Only so many may wait."""
    window.app.limits.slowdown._sleepers_maximum = count
    return window.app.limits.slowdown


async def until_asleep(slowdown: Slowdown, count: int) -> None:
    async with asyncio.timeout(2):
        while True:
            if slowdown.sleepers == count:
                return
            await asyncio.sleep(0.005)


class TestDelays:
    @pytest.mark.parametrize(
        ("count", "delay"), [(1, 0), (50, 0), (51, 0.5), (52, 1.0), (89, 19.5), (90, 20.0), (100, 20.0)]
    )
    def test_each_request_after_the_fiftieth_waits_half_a_second_more_up_to_twenty(
        self, count: int, delay: float
    ) -> None:
        limits = Settings.from_environment({}).limits
        assert Slowdown(limits).delay_of(count) == delay

    async def test_a_stranger_in_a_hurry_is_answered_later_and_later(self) -> None:
        async with office(settings=slow()) as window:
            took = [await seconds(lambda: window.client.get(f"{BASE}/ping")) for _ in range(5)]
        assert max(took[:2]) < STEP
        assert STEP <= took[2] < took[3]
        assert took[3] >= 2 * STEP
        assert 0.2 <= took[4] < 3 * STEP + 0.2

    async def test_others_do_not_wait_for_that(self) -> None:
        async with office(settings=slow(after=0, step_ms=5000, longest_ms=5000)) as window:
            slowed = asyncio.create_task(window.client.get(f"{BASE}/ping"))
            await until_asleep(window.app.limits.slowdown, 1)
            signed_in = window.services.bearer(CUSTOMER)
            for _ in range(5):
                assert await seconds(lambda: window.client.get(f"{BASE}/me", headers=signed_in)) < 1
            slowed.cancel()

    async def test_probes_callbacks_and_streams_of_events_are_not_slowed_down(self) -> None:
        async with office(settings=slow(after=0, step_ms=5000, longest_ms=5000)) as window:
            assert await seconds(lambda: window.client.get("/health")) < 1
            assert await seconds(lambda: window.client.post(f"{BASE}/callback")) < 1
            async with asyncio.timeout(2):
                news = await by_hand(window, "GET", f"{BASE}/news", until=2)
        assert news[0]["status"] == 200
        assert b"ratelimit" in dict(news[0]["headers"])

    async def test_switched_off_with_the_limits_nobody_waits(self) -> None:
        settings = settings_with(SLOWDOWN_AFTER="0", SLOWDOWN_STEP_MS="5000")
        async with office(settings=settings) as window:
            assert await seconds(lambda: window.client.get(f"{BASE}/ping")) < 1


class TestPlaces:
    async def test_when_too_many_wait_the_next_one_is_refused_at_once(self) -> None:
        async with office(settings=slow(after=0, step_ms=3000, longest_ms=3000)) as window:
            slowdown = places(window, 2)
            waiting = [asyncio.create_task(window.client.get(f"{BASE}/ping")) for _ in range(2)]
            await until_asleep(slowdown, 2)
            refused = await window.client.get(f"{BASE}/ping")
            for each in waiting:
                each.cancel()
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
        assert refused.headers["retry-after"] == "3"

    async def test_whoever_hangs_up_frees_the_place_and_nothing_is_done_for_them(self) -> None:
        lines: list[dict[str, Any]] = []

        def take(event: str, **facts: Any) -> None:
            lines.append(facts)

        hung_up = asyncio.Event()
        body = [{"type": "http.request", "body": b'{"officeName": "North", "seats": 1}', "more_body": False}]

        async def receive() -> dict[str, Any]:
            if body:
                return body.pop()
            await hung_up.wait()
            return {"type": "http.disconnect"}

        settings = slow(after=0, step_ms=5000, longest_ms=5000)
        async with office(settings=settings, access_log=take) as window:
            headers = [(b"content-type", b"application/json")]
            asked = asyncio.create_task(by_hand(window, "POST", BASE, headers, receive=receive))
            await until_asleep(window.app.limits.slowdown, 1)
            hung_up.set()
            async with asyncio.timeout(2):
                assert await asked == []
            assert window.app.limits.slowdown.sleepers == 0
            assert window.services.commands is not None
            assert window.services.commands.statistics.commands == 0
        assert [line["status"] for line in lines] == [499]

    @pytest.mark.parametrize("size", [10, 300_000])
    async def test_a_body_that_came_meanwhile_is_read_as_it_was_sent(self, size: int) -> None:
        async def chunks() -> Any:
            for start in range(0, size, 50_000):
                yield bytes(min(50_000, size - start))

        async with office(settings=slow(after=0, step_ms=50)) as window:
            answer = await window.client.post(f"{BASE}/measured", content=chunks())
        assert answer.json()["data"] == size

    async def test_a_process_that_is_to_end_lets_nobody_wait(self) -> None:
        async with office(settings=slow(after=0, step_ms=30_000, longest_ms=30_000)) as window:
            slowdown = window.app.limits.slowdown
            asked = asyncio.create_task(window.client.get(f"{BASE}/ping"))
            await until_asleep(slowdown, 1)
            slowdown.close()
            async with asyncio.timeout(2):
                assert (await asked).status_code == 200
                assert (await window.client.get(f"{BASE}/ping")).status_code == 200
