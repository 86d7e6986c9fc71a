"""Where somebody is signed in: they look, and end what should not go on (requirements TOK-13, TOK-18)."""

import httpx
import pytest

from tests.api.asking import NOBODY, after, data_of, refusal
from tests.api.conftest import Settle, SignUp, log_in

pytestmark = pytest.mark.services


async def test_people_see_where_they_are_signed_in_and_which_of_it_is_here(
    client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
) -> None:
    first = await sign_up("customer")
    client.headers["User-Agent"] = "Nokia 3310"
    second = await log_in(client, first.email)
    await settle()

    answer = (await client.get("/auth/sessions", headers=first.headers)).json()

    assert answer["meta"]["total"] == 2
    there, here = answer["data"]
    assert (there["current"], here["current"]) == (False, True)
    assert there["userAgent"] == "Nokia 3310"
    assert there["ip"] == "127.0.0.1"
    assert there["expiresAt"] > there["openedAt"] > here["openedAt"]
    # The one has just asked; by the other nobody has done anything yet.
    assert here["lastUsedAt"] > here["openedAt"]
    assert there["lastUsedAt"] is None
    [mine] = [
        each
        for each in data_of(await client.get("/auth/sessions", headers=second.headers))
        if each["current"]
    ]
    assert mine["sessionId"] == there["sessionId"]


async def test_a_session_that_its_owner_ends_is_over_at_once_and_gone_from_the_list(
    client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
) -> None:
    here = await sign_up("customer")
    lost = await log_in(client, here.email)
    await settle()
    sessions = data_of(await client.get("/auth/sessions", headers=here.headers))
    [other] = [each["sessionId"] for each in sessions if not each["current"]]
    data_of(await client.get("/auth/me", headers=lost.headers))

    ended = await client.delete(f"/auth/sessions/{other}", headers=here.headers)

    assert data_of(ended) == {"sessionId": other}
    assert refusal(await client.get("/auth/me", headers=lost.headers)) == (401, "TOKEN_REVOKED")
    data_of(await client.get("/auth/me", headers=here.headers))
    await settle()
    left = data_of(await client.get("/auth/sessions", headers={**here.headers, **after(ended)}))
    assert [each["current"] for each in left] == [True]


async def test_the_sessions_of_others_are_not_there(
    client: httpx.AsyncClient, sign_up: SignUp, settle: Settle
) -> None:
    owner, stranger = await sign_up("customer"), await sign_up("customer")
    await settle()
    [theirs] = data_of(await client.get("/auth/sessions", headers=owner.headers))
    for session_id in (theirs["sessionId"], NOBODY):
        answer = await client.delete(f"/auth/sessions/{session_id}", headers=stranger.headers)
        assert refusal(answer) == (404, "RESOURCE_NOT_FOUND")
    data_of(await client.get("/auth/me", headers=owner.headers))
