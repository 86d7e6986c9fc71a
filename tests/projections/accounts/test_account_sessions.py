"""The screens of one's own sessions and keys, and that nothing of them is left of whoever is deleted."""

from datetime import timedelta
from uuid import UUID

import pytest

from domain.accounts.events import (
    AccountDeleted,
    RefreshTokenRotated,
    SessionEnding,
    SessionOpened,
    SessionRevoked,
)
from domain.api_keys.events import ApiKeyIssued, ApiKeyRevoked
from infrastructure.identity import new_id
from projections.accounts.account_sessions import AccountSessionsProjection, Sessions
from projections.api_keys.api_keys import ApiKeys, ApiKeysProjection
from projections.shared.paging import PageRequest
from tests.projections.orders.makers import NOON, Log, showing

pytestmark = pytest.mark.services

ZEBO, ANVAR, ADMIN = new_id(), new_id(), new_id()
SCREENS = (AccountSessionsProjection(), ApiKeysProjection())


def opened(log: Log, account_id: UUID) -> UUID:
    """A session that is good for a day."""
    session_id = new_id()
    log.tell(
        session_id,
        SessionOpened(
            account_id=account_id,
            refresh_jti_hash="0" * 64,
            expires_at=NOON + timedelta(days=1),
            ip="203.0.113.9",
            user_agent="Nokia 3310",
        ),
    )
    return session_id


def issued(log: Log, owner_id: UUID) -> UUID:
    """A key without an end."""
    key_id = new_id()
    log.tell(
        key_id,
        ApiKeyIssued(
            owner_id=owner_id,
            owner_role="customer",
            name="Zebo's books",
            display_prefix="gm_01234567",
            permissions=("orders:read",),
        ),
    )
    return key_id


async def test_open_sessions_are_those_that_were_prolonged_in_time_and_not_ended(database_url: str) -> None:
    log = Log()
    prolonged, lapsed, ended = [opened(log, ZEBO) for _ in range(3)]
    opened(log, ANVAR)
    log.tell(
        prolonged,
        RefreshTokenRotated(
            old_jti_hash="0" * 64,
            new_jti_hash="1" * 64,
            expires_at=NOON + timedelta(days=8),
            rotated_at=NOON + timedelta(hours=23),
        ),
    )
    log.tell(ended, SessionRevoked(account_id=ZEBO, reason=SessionEnding.LOGOUT))
    async with showing(database_url, log, *SCREENS) as reader:
        sessions = Sessions(reader)
        today = await sessions.open_of(ZEBO, NOON, PageRequest())
        later = await sessions.open_of(ZEBO, NOON + timedelta(days=2), PageRequest())
    assert {each.session_id for each in today.items} == {prolonged, lapsed}
    [left] = later.items
    assert (left.session_id, left.prolonged_at, left.ip) == (
        prolonged,
        NOON + timedelta(hours=23),
        "203.0.113.9",
    )


async def test_a_key_is_shown_with_what_became_of_it(database_url: str) -> None:
    log = Log()
    good, revoked = issued(log, ZEBO), issued(log, ZEBO)
    log.tell(revoked, ApiKeyRevoked(by=ZEBO))
    async with showing(database_url, log, *SCREENS) as reader:
        page = await ApiKeys(reader).of(ZEBO, PageRequest())
    assert {each.key_id: each.opens_at(NOON) for each in page.items} == {good: True, revoked: False}


async def test_of_a_deleted_account_no_session_and_no_key_is_left(database_url: str) -> None:
    log = Log()
    opened(log, ZEBO)
    issued(log, ZEBO)
    opened(log, ANVAR)
    issued(log, ANVAR)
    log.tell(ZEBO, AccountDeleted(by=ADMIN))
    async with showing(database_url, log, *SCREENS) as reader:
        owners = [
            row["whose"]
            for row in await reader.all(
                "SELECT account_id AS whose FROM account_sessions UNION ALL SELECT owner_id FROM api_keys"
            )
        ]
    assert owners == [ANVAR, ANVAR]
