"""`daftar serve` as its users start it, stop it, and lose it: one command, and nothing left behind."""

import shutil
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.cli.demo_shop import ADDRESS, ADMIN_EMAIL, CUSTOMER, DEMO_PASSWORD, GOODS, PURCHASES, SELLERS
from infrastructure.embedded.services import ServiceUrls
from tests.journeys.serving import Serving, until_gone
from tests.support.running import free_port

pytestmark = [pytest.mark.services, pytest.mark.slow]

QUICK = {"BCRYPT_ROUNDS": "10"}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A data folder that is not there yet."""
    with tempfile.TemporaryDirectory(prefix="daftar-serve-") as parent:
        yield Path(parent) / "data"
        shutil.rmtree(Path(parent) / "data", ignore_errors=True)


async def sign_in(client: httpx.AsyncClient, email: str) -> dict[str, str]:
    """The header that says who asks."""
    answer = await client.post("/auth/login", json={"email": email, "password": DEMO_PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['data']['accessToken']}"}


async def order_teapot(client: httpx.AsyncClient, customer: dict[str, str]) -> dict[str, Any]:
    """An order for one piece of the demo's first listing."""
    body = {
        "items": [{"listingId": str(GOODS[0].listing_id), "quantity": 1}],
        "paymentMethod": "sandbox",
        "shippingAddress": {
            "firstName": ADDRESS.first_name,
            "lastName": ADDRESS.last_name,
            "address1": ADDRESS.address1,
            "city": ADDRESS.city,
            "postalCode": ADDRESS.postal_code,
            "country": ADDRESS.country,
        },
    }
    answer = await client.post("/orders", json=body, headers=customer)
    assert answer.status_code == 201, answer.text
    placed: dict[str, Any] = answer.json()["data"]
    return placed


def client_of(serving: Serving) -> httpx.AsyncClient:
    """Asks its API."""
    return httpx.AsyncClient(base_url=f"{serving.url}/api/v1", timeout=30)


async def test_a_demo_opens_lets_everybody_in_and_ends_without_a_trace_when_asked(folder: Path) -> None:
    async with Serving(folder, "--demo", settings=QUICK) as serving:
        async with client_of(serving) as client:
            for email in (ADMIN_EMAIL, *(seller.email for seller in SELLERS), CUSTOMER.email):
                await sign_in(client, email)
                assert email in serving.said()
            listed = (await client.get("/listings?limit=1")).json()
            assert listed["meta"]["total"] == len(GOODS)
            customer = await sign_in(client, CUSTOMER.email)
            orders = (await client.get("/orders?limit=100", headers=customer)).json()["data"]
            assert {order["orderId"] for order in orders} == {
                str(purchase.order_id) for purchase in PURCHASES
            }
        assert len(serving.family) >= 8  # itself, five servers, the API, the background
        serving.send(signal.SIGTERM)
        assert await serving.ended() == 0
        assert [member for member in serving.family if member.runs] == []
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", serving.port)) != 0
    assert "Traceback" not in serving.said()


async def test_what_was_bought_before_a_kill_is_there_at_the_next_start_and_no_orphan_remains(
    folder: Path,
) -> None:
    async with Serving(folder, "--demo", settings=QUICK) as killed:
        async with client_of(killed) as client:
            placed = await order_teapot(client, await sign_in(client, CUSTOMER.email))
        await kill(killed)
        assert await until_gone(killed.family) == []
    async with Serving(folder, "--demo", port=killed.port, settings=QUICK) as anew, client_of(anew) as client:
        customer = await sign_in(client, CUSTOMER.email)
        answer = await client.get(f"/orders/{placed['orderId']}", headers=customer)
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["orderNumber"] == placed["orderNumber"]
        assert answer.json()["data"]["amounts"]["total"] == placed["total"]
        # The demo was there already: nothing of it was added a second time.
        orders = await client.get("/orders?limit=1", headers=customer)
        assert orders.json()["meta"]["total"] == len(PURCHASES) + 1
        assert (await order_teapot(client, customer))["orderNumber"] != placed["orderNumber"]


async def test_two_in_one_folder_are_one_too_many_whatever_their_ports(
    folder: Path, urls: ServiceUrls
) -> None:
    # The folder's own database is enough to be in each other's way.
    elsewhere = {name: value for name, value in urls.as_environment().items() if name != "DATABASE_URL"}
    settings = QUICK | elsewhere | {"NATS_PREFIX": f"t{uuid4().hex[:12]}"}
    async with Serving(folder, settings=settings) as first:
        for port in (first.port, free_port()):
            code, said = await refused(Serving(folder, port=port, settings=settings))
            assert code == 3, said
            assert f"The data folder {folder} is already in use by process {first.pid}." in said
            assert "Traceback" not in said
        async with client_of(first) as client:
            assert (await client.get("/categories")).status_code == 200
        # Once it is killed there is room for the next one at once, while its processes are still about to end.
        await kill(first)
        async with Serving(folder, port=first.port, settings=settings) as anew, client_of(anew) as client:
            assert (await client.get("/categories")).status_code == 200
            assert [member for member in first.family if member.runs] == []
            await kill(anew)


async def test_a_taken_port_is_refused_in_a_sentence_before_anything_is_started(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, said = await refused(Serving(folder, port=port, settings=QUICK))
    assert code == 78, said
    assert f"Port {port} is taken; choose another with PORT." in said
    assert "Traceback" not in said
    assert not (folder / "pg18").exists()


async def kill(serving: Serving) -> None:
    """Lose it: no chance to tidy up."""
    serving.send(signal.SIGKILL)
    assert await serving.ended() == -signal.SIGKILL


async def refused(serving: Serving) -> tuple[int, str]:
    """Start what cannot start; its exit code and what it said."""
    await serving.start()
    return await serving.ended(20), serving.said()
