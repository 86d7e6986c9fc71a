"""How far read models are, over HTTP."""

import httpx
import pytest

from tests.api.asking import data_of, refusal
from tests.api.conftest import Person, Settle, SignUp

pytestmark = pytest.mark.services


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
