"""Whether the service is well is told to everybody; why it is not, to those who run it."""

import asyncio
import time
from typing import Any

import pytest

from tests.api.shell.office import ADMIN, CUSTOMER, office, settings_with

INSIDE = ("127.0.0.1", 40000)
TOKEN = "m3trics-8c1d5e7f9a0b2c4d6e8f"


async def well() -> None:
    """A part that answers."""


async def ill() -> None:
    raise ConnectionError("postgresql://daftar:hunter2@db/daftar refused")


async def silent() -> None:
    await asyncio.sleep(30)


class TestHealth:
    async def test_everybody_learns_that_the_process_answers(self) -> None:
        async with office() as window:
            answer = await window.client.get("/health")
        assert answer.status_code == 200
        assert answer.json()["data"]["status"] == "ok"
        assert answer.json()["data"]["timestamp"] == "2026-05-01T12:00:00.000Z"
        assert answer.json()["data"]["uptime"] >= 0

    async def test_strangers_and_customers_learn_no_more(self) -> None:
        async with office(health_checks={"database": ill}) as window:
            stranger = await window.client.get("/health/detailed")
            customer = await window.client.get("/health/detailed", headers=window.services.bearer(CUSTOMER))
        assert (stranger.status_code, stranger.json()["error"]["code"]) == (401, "AUTHENTICATION_REQUIRED")
        assert (customer.status_code, customer.json()["error"]["code"]) == (403, "INSUFFICIENT_PERMISSIONS")

    async def test_an_address_that_anybody_can_claim_is_not_inside(self) -> None:
        async with office() as window:
            answer = await window.client.get("/health/detailed", headers={"X-Forwarded-For": "127.0.0.1"})
        assert answer.status_code == 401

    async def test_a_proxy_inside_does_not_make_its_clients_insiders(self) -> None:
        async with office(client_address=INSIDE) as window:
            outside = await window.client.get("/health/detailed", headers={"X-Forwarded-For": "198.51.100.1"})
            inside = await window.client.get("/health/detailed")
        assert (outside.status_code, inside.status_code) == (401, 200)

    async def test_an_administrator_sees_every_part(self) -> None:
        async with office(health_checks={"database": well, "redis": ill}) as window:
            answer = await window.client.get("/health/detailed", headers=window.services.bearer(ADMIN))
        data = answer.json()["data"]
        assert (answer.status_code, data["status"]) == (200, "degraded")
        assert data["checks"]["database"]["status"] == "healthy"
        assert data["checks"]["redis"]["status"] == "unhealthy"
        assert "hunter2" not in answer.text
        assert data["memory"]["peakBytes"] > 1_000_000

    async def test_without_the_database_nothing_is_well(self) -> None:
        async with office(client_address=INSIDE, health_checks={"database": ill}) as window:
            answer = await window.client.get("/health/detailed")
        assert answer.status_code == 503
        assert answer.json()["success"] is False
        assert answer.json()["error"]["details"]["checks"]["database"]["status"] == "unhealthy"
        assert "retry-after" in answer.headers

    async def test_parts_are_asked_together_and_not_for_ever(self) -> None:
        async with office(
            client_address=INSIDE, health_checks={"database": well, "nats": silent, "mail": silent}
        ) as window:
            started = time.monotonic()
            answer = await window.client.get("/health/detailed")
        assert time.monotonic() - started < 3.5
        assert answer.json()["data"]["checks"]["nats"]["error"] == "No answer in time."


class TestMetrics:
    async def test_metrics_are_for_those_who_have_the_token_and_for_insiders(self) -> None:
        settings = settings_with(METRICS_TOKEN=TOKEN)
        async with office(settings=settings) as window:
            statuses = [
                (await window.client.get("/metrics", headers=headers)).status_code
                for headers in (
                    {},
                    {"Authorization": "Bearer wrong"},
                    {"Authorization": f"Bearer {TOKEN}"},
                    window.services.bearer(CUSTOMER),
                    window.services.bearer(ADMIN),
                )
            ]
        assert statuses == [401, 401, 200, 403, 200]

    async def test_requests_are_counted_by_route_and_never_by_path(self) -> None:
        async def lag() -> dict[str, float]:
            return {"catalogue": 12.0}

        async with office(client_address=INSIDE, projection_lag=lag) as window:
            office_id = await window.opened()
            for _ in range(3):
                await window.client.get(f"/api/v1/offices/{office_id}")
            await window.client.get("/nowhere/42")
            await window.client.request("BREW", "/api/v1/offices/ping")
            answer = await window.client.get("/metrics")
        text = answer.text
        assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
        route = 'method="GET",route="/api/v1/offices/{office_id}"'
        assert f'http_requests_total{{{route},status="200"}} 3.0' in text
        assert f'http_request_duration_seconds_bucket{{le="+Inf",{route}}} 3.0' in text
        assert f"http_request_duration_seconds_count{{{route}}} 3.0" in text
        assert 'http_requests_total{method="GET",route="unrouted",status="404"} 1.0' in text
        assert 'method="other"' in text
        assert str(office_id) not in text
        assert 'daftar_projection_lag{projection="catalogue"} 12.0' in text
        assert "daftar_command_batches_total" in text
        assert "process_resident_memory_bytes" in text
        assert text.endswith("\n")
        assert (
            len([line for line in text.splitlines() if line.startswith("# TYPE http_requests_total ")]) == 1
        )

    async def test_figures_come_also_when_the_read_side_is_away(self) -> None:
        async def lag() -> dict[str, float]:
            raise ConnectionError

        async with office(client_address=INSIDE, projection_lag=lag) as window:
            answer = await window.client.get("/metrics")
        assert answer.status_code == 200
        assert "daftar_projection_lag" not in answer.text


class TestCost:
    @pytest.mark.slow
    async def test_the_shell_costs_little(self) -> None:
        async with office() as window:
            cost = await cost_of(window.app, "/api/v1/offices/ping")
        assert cost < 400e-6, f"{cost * 1e6:.0f} microseconds of CPU"


async def cost_of(app: Any, path: str, headers: list[tuple[bytes, bytes]] | None = None) -> float:
    """Seconds of CPU that one GET takes, the best of several runs."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        assert message["type"] != "http.response.start" or message["status"] == 200

    async def one() -> None:
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET",
            "headers": list(headers or [(b"host", b"shop.test"), (b"user-agent", b"bench"), (b"accept", b"*/*")]),
            "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"",
            "server": ("shop.test", 80), "client": ("127.0.0.1", 5), "root_path": "",
        }  # fmt: skip
        await app(scope, receive, send)

    best = 1.0
    for _ in range(5):
        started = time.process_time()
        for _ in range(500):
            await one()
        best = min(best, (time.process_time() - started) / 500)
    return best
