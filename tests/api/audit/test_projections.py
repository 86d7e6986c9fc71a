"""How far read models are, and having them made anew, over HTTP."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
import pytest

from api.assembly import AppServices
from application.accounts.commands import ChangeAccountRole
from application.api_keys.issuing import ApiKeyIssuer
from application.shared.caller import Caller
from domain.accounts.permissions import Permission
from domain.accounts.roles import Role
from infrastructure.bootstrap import Machinery
from infrastructure.rebuilding import Rebuilder
from tests.api.asking import data_of, refusal
from tests.api.conftest import Person, Settle, SignUp, log_in

pytestmark = pytest.mark.services

PATH: Final = "/admin/projections"
ANEW: Final = f"{PATH}/account_directory/rebuild"


async def test_staff_see_how_far_read_models_are(
    client: httpx.AsyncClient, admin: Person, settle: Settle
) -> None:
    behind = data_of(await client.get("/admin/projections", headers=admin.headers))
    await settle()
    settled = data_of(await client.get("/admin/projections", headers=admin.headers))

    assert all(model["lag"] > 0 and model["position"] == 0 for model in behind)
    assert {model["lag"] for model in settled} == {0}
    assert "customer_orders" in {model["name"] for model in settled}


async def test_others_do_not(client: httpx.AsyncClient, sign_up: SignUp) -> None:
    seller = await sign_up("seller")

    assert refusal(await client.get("/admin/projections")) == (401, "AUTHENTICATION_REQUIRED")
    answer = await client.get("/admin/projections", headers=seller.headers)
    assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")


class TestRebuilding:
    async def test_a_super_admin_has_a_read_model_made_anew_while_the_old_one_serves(
        self,
        client: httpx.AsyncClient,
        sign_up: SignUp,
        admin: Person,
        settle: Settle,
        machinery: Machinery,
    ) -> None:
        await sign_up("seller")
        await settle()
        with machinery.connect(name="test") as connection:
            # Somebody has spoilt what is shown.
            connection.execute("DELETE FROM account_directory")
        assert data_of(await client.get("/admin/accounts", headers=admin.headers)) == []

        asked = await client.post(ANEW, json={"reason": "Rows were lost"}, headers=admin.headers)
        assert data_of(asked, 202) == {"projection": "account_directory", "fromPosition": 0}
        await settle()
        waiting = await rebuild_of(client, admin)
        assert waiting["requestedBy"] == str(admin.account_id)
        assert (waiting["startedAt"], waiting["progress"], waiting["finishedAt"]) == (None, 0.0, None)

        with rebuilding(machinery):
            done = await until_done(client, admin)

        assert done["progress"] == 1.0
        assert done["requestedAt"] <= done["startedAt"] <= done["finishedAt"]
        shown = {each["name"]: each for each in data_of(await client.get(PATH, headers=admin.headers))}
        assert shown["account_directory"]["generation"] == 2
        assert {each["generation"] for name, each in shown.items() if name != "account_directory"} == {1}
        assert shown["api_keys"]["rebuild"] is None
        assert len(data_of(await client.get("/admin/accounts", headers=admin.headers))) == 2

    async def test_the_activity_log_shows_who_asked_for_it_and_why(
        self, client: httpx.AsyncClient, admin: Person, settle: Settle
    ) -> None:
        data_of(await client.post(ANEW, json={"reason": "Rows were lost"}, headers=admin.headers), 202)
        await settle()
        [asked] = data_of(await client.get("/admin/activity-logs", headers=admin.headers))
        assert (asked["action"], asked["event"], asked["target"], asked["reason"]) == (
            "RebuildProjection",
            "ProjectionRebuildRequested",
            "account_directory",
            "Rows were lost",
        )

    async def test_a_repeat_under_the_same_key_asks_once(
        self, client: httpx.AsyncClient, admin: Person
    ) -> None:
        headers = {**admin.headers, "Idempotency-Key": "once"}
        first, again = [await client.post(ANEW, headers=headers) for _ in range(2)]
        assert data_of(first, 202) == data_of(again, 202)
        assert again.headers["Idempotent-Replayed"] == "true"
        assert first.headers["X-Position"] == again.headers["X-Position"]

    async def test_of_what_there_is_none_nothing_is_made(
        self, client: httpx.AsyncClient, admin: Person
    ) -> None:
        answer = await client.post(f"{PATH}/teapots/rebuild", headers=admin.headers)
        assert refusal(answer) == (404, "PROJECTION_NOT_FOUND")

    async def test_nobody_else_may(
        self, client: httpx.AsyncClient, services: AppServices, sign_up: SignUp, admin: Person
    ) -> None:
        seller, staff = await sign_up("seller"), await sign_up("customer")
        command = ChangeAccountRole(account_id=staff.account_id, role=Role.ADMIN)
        await services.commands.submit(command, Caller(actor_id=admin.account_id, role="super_admin"))
        services.accounts.forget(staff.account_id)
        staff = await log_in(client, staff.email)
        issuer = ApiKeyIssuer(
            commands=services.commands, new_id=services.new_id, random_bytes=os.urandom, prefix="gm_"
        )
        key = await issuer.issue(
            name="All", caller=Caller(actor_id=admin.account_id), permissions=(Permission.EVERYTHING,)
        )
        assert key.plain is not None
        before = await services.store.head()
        assert refusal(await client.post(ANEW)) == (401, "AUTHENTICATION_REQUIRED")
        for shown in (seller.headers, staff.headers, {"X-API-Key": key.plain}):
            answer = await client.post(ANEW, headers=shown)
            assert refusal(answer) == (403, "INSUFFICIENT_PERMISSIONS")
        assert await services.store.head() == before


@contextmanager
def rebuilding(machinery: Machinery) -> Iterator[None]:
    """What the projector does beside following the log."""
    rebuilder = Rebuilder(machinery)
    rebuilder.start()
    try:
        yield
    finally:
        rebuilder.stop()


async def rebuild_of(client: httpx.AsyncClient, admin: Person) -> dict[str, Any]:
    models = data_of(await client.get(PATH, headers=admin.headers))
    [rebuild] = [model["rebuild"] for model in models if model["name"] == "account_directory"]
    assert isinstance(rebuild, dict)
    return rebuild


async def until_done(client: httpx.AsyncClient, admin: Person) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while True:
            rebuild = await rebuild_of(client, admin)
            if rebuild["finishedAt"] is not None:
                return rebuild
            await asyncio.sleep(0.05)
