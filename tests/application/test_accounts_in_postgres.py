"""The same door over the real log: tokens are found by their digest, and a deleted person is gone from the database."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest

from application.accounts.commands import DeleteAccount, UpdateProfile
from application.accounts.ports import LinkPurpose
from application.shared.loop import CommandLoop
from domain.accounts.account import InvalidCredentials
from domain.accounts.proofs import ResetTokenInvalid
from domain.api_keys.api_key import ApiKeyInvalid
from domain.shared import claims
from infrastructure.bootstrap import EVENT_MODULES, HANDLERS, KINDS
from infrastructure.event_store.log import PostgresLog
from infrastructure.identity import new_id
from infrastructure.security.passwords import PasswordHasher
from tests.application.identity import EMAIL, STRANGER, House, make_hasher
from tests.support.commands import Shop, TestClock
from tests.support.stores import make_codec, postgres_store

pytestmark = pytest.mark.services

MODULES = [module for module in EVENT_MODULES if module is not claims]
NEW = "a new and longer password"


@pytest.fixture(scope="module")
def hasher() -> Iterator[PasswordHasher]:
    yield from make_hasher()


@pytest.fixture
async def house(database_url: str, hasher: PasswordHasher) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        store: Any = await stack.enter_async_context(postgres_store(database_url, MODULES))
        clock = TestClock()
        loop = CommandLoop(store, handlers=HANDLERS, kinds=KINDS, clock=clock, new_id=new_id)
        await stack.enter_async_context(loop)
        yield House(Shop(loop, store, clock), hasher)


async def test_a_link_is_found_by_its_token_and_opens_once(house: House) -> None:
    await house.register()
    await house.verification.verify_by_link(
        token=house.post.newest(LinkPurpose.EMAIL_VERIFICATION).token, caller=STRANGER
    )
    await house.resets.request_link(email=EMAIL, caller=STRANGER)
    token = house.post.newest(LinkPurpose.PASSWORD_RESET).token
    await house.resets.reset(token=token, password=NEW, caller=STRANGER)
    with pytest.raises(ResetTokenInvalid):
        await house.resets.reset(token=token, password=NEW, caller=STRANGER)
    with pytest.raises(InvalidCredentials):
        await house.log_in()
    await house.log_in(password=NEW)


async def test_of_a_deleted_person_nothing_is_left_in_the_database(house: House, database_url: str) -> None:
    admin, owner = await house.admin(), await house.owner()
    assert owner.actor_id is not None
    key = await house.issuer.issue(name="Till", caller=owner)
    await house.ask(UpdateProfile(account_id=owner.actor_id, name="Nodira Karimova"), owner)
    await house.resets.request_link(email=EMAIL, caller=STRANGER)

    await house.ask(DeleteAccount(account_id=owner.actor_id), admin)

    with psycopg.connect(database_url, autocommit=True) as connection:
        left = connection.execute(
            "SELECT count(*) FROM credentials WHERE owner_id IN (%s, %s)",
            (owner.actor_id, key.done.result.key_id),
        ).fetchone()
        log = PostgresLog(connection, make_codec(MODULES))
        history = repr(list(log.stream(owner.actor_id)))
        others = repr(list(log.stream(admin.actor_id or new_id())))
    assert left == (0,)
    assert "AccountDeleted" in history
    assert not any(word in history for word in (EMAIL, "Karimova"))
    assert "admin@example.uz" in others
    assert key.plain is not None
    with pytest.raises(ApiKeyInvalid):
        await house.key_door.admit(key.plain)
    assert (await house.accounts.account(owner.actor_id)) is not None
    again = await house.register()
    assert again.result.account_id != owner.actor_id
