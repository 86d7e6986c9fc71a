"""The real application over ASGI, on real servers: nothing between the test and the routes but the network."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar.testing import AsyncTestClient

from api.assembly import AppServices, open_services
from api.controllers import CONTROLLERS
from infrastructure.bootstrap import PROJECTIONS, Machinery
from infrastructure.embedded.services import ServiceUrls
from infrastructure.roles import bring_schema_up_to_date
from infrastructure.settings import Settings
from projections.shared.runner import ProjectionRunner
from tests.api.accounts.mailbox import Mailbox
from tests.support.applications import application_on

PASSWORD = "correct horse battery staple"
ADMIN_EMAIL = "admin@example.uz"

Settle = Callable[[], Awaitable[None]]


class Person:
    """Somebody with an account, signed in."""

    def __init__(self, account_id: UUID, email: str, token: str) -> None:
        self.account_id = account_id
        self.email = email
        self.token = token

    @property
    def headers(self) -> dict[str, str]:
        """What a request of theirs carries."""
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture
def environment(urls: ServiceUrls, database_url: str, tmp_path: Path) -> dict[str, str]:
    """Settings of the application under test; change them before asking for `client`."""
    return {
        **urls.as_environment(),
        "DATABASE_URL": database_url,
        "APP_ENV": "test",
        "BCRYPT_ROUNDS": "4",
        "RATE_LIMIT_ENABLED": "false",
        # All tests ask for codes from one address.
        "OTP_MAX_REQUESTS_PER_ADDRESS": "100000",
        "DAFTAR_DATA_DIR": str(tmp_path),
        "DB_POOL_MIN": "1",
        "DB_POOL_MAX": "8",
        "SUPER_ADMIN_EMAIL": ADMIN_EMAIL,
        "SUPER_ADMIN_PASSWORD": PASSWORD,
    }


@pytest.fixture
def machinery(environment: dict[str, str]) -> Machinery:
    """The write side's machinery on a fresh schema."""
    tools = Machinery(Settings.from_environment(environment))
    bring_schema_up_to_date(tools)
    return tools


@pytest.fixture
async def services(machinery: Machinery) -> AsyncIterator[AppServices]:
    """What the application stands on."""
    async with open_services(machinery) as opened:
        yield opened


@pytest.fixture
async def client(services: AppServices) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the running application; paths are relative to `/api/v1`."""
    with application_on(services, CONTROLLERS) as app:
        async with AsyncTestClient(app) as testing:
            transport = httpx.ASGITransport(app=testing.app, raise_app_exceptions=False)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://daftar.test/api/v1") as opened:
                yield opened


@pytest.fixture
def mailbox(urls: ServiceUrls, tmp_path: Path) -> Mailbox:
    """What came by mail, and on phones."""
    assert urls.mail_folder is not None
    return Mailbox(urls.mail_folder, tmp_path / "sms")


@pytest.fixture
async def settle(machinery: Machinery) -> AsyncIterator[Settle]:
    """Bring every read model up to date with the log."""
    history = machinery.open_log(name="test")
    connection = machinery.connect(name="test")
    broken: list[Exception] = []
    runner = ProjectionRunner(
        PROJECTIONS, history, connection, on_error=lambda _name, error: broken.append(error)
    )

    async def catch_up() -> None:
        runner.catch_up()
        if broken:
            raise broken[0]

    yield catch_up
    connection.close()
    history.close()


SignUp = Callable[..., Awaitable[Person]]


@pytest.fixture
def sign_up(client: httpx.AsyncClient, admin: Person) -> SignUp:
    """Register somebody: `await sign_up("customer")`; a seller is approved and logged in, too."""
    count = 0

    async def register(kind: str = "customer", *, name: str | None = None) -> Person:
        nonlocal count
        count += 1
        email = f"{kind}{count}@example.uz"
        body: dict[str, Any] = {
            "email": email,
            "password": PASSWORD,
            "name": name or f"{kind.title()} {count}",
            "kind": kind,
        }
        answer = await client.post("/auth/register", json=body)
        assert answer.status_code == 201, answer.text
        data = answer.json()["data"]
        account_id = UUID(data["user"]["id"])
        if kind == "customer":
            return Person(account_id, email, data["accessToken"])
        approved = await client.post(f"/admin/sellers/{account_id}/approve", headers=admin.headers)
        assert approved.status_code == 200, approved.text
        return await log_in(client, email)

    return register


@pytest.fixture
async def admin(client: httpx.AsyncClient, machinery: Machinery) -> Person:
    """The super admin of the settings."""
    from api.cli.seeding import bootstrap_super_admin

    await bootstrap_super_admin(machinery)
    return await log_in(client, ADMIN_EMAIL)


async def log_in(client: httpx.AsyncClient, email: str, password: str = PASSWORD) -> Person:
    """Sign somebody in."""
    answer = await client.post("/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    return Person(UUID(data["user"]["id"]), email, data["accessToken"])
