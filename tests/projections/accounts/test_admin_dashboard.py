"""The dashboard counts every account once, wherever it stands, and however history is cut."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from domain.accounts.events import (
    AccountDeleted,
    AccountRegistered,
    AccountRenamed,
    AccountRoleChanged,
    AccountSuspended,
    AccountUnsuspended,
    SellerApproved,
    SellerRejected,
)
from domain.accounts.roles import AccountKind, AccountStatus, RegistrationChannel, Role
from domain.shared.events import DomainEvent
from projections.accounts.account_directory import AccountDirectory
from projections.accounts.admin_dashboard import AdminDashboardProjection
from tests.projections.orders.makers import ADMIN, Log, rows_after

pytestmark = pytest.mark.services


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


def registered(role: Role, status: AccountStatus) -> AccountRegistered:
    kind = AccountKind.SELLER if role is Role.SELLER else AccountKind.CUSTOMER
    return AccountRegistered(
        name="Zebo", role=role, status=status, kind=kind, channel=RegistrationChannel.PASSWORD
    )


def many_accounts(seed: int, accounts: int) -> Log:
    """Accounts that go every way an account can go, told at the same time as each other."""
    dice = random.Random(seed)
    log = Log()
    state: dict[str, str] = {}
    for _ in range(accounts * 6):
        name = f"{seed}/{dice.randrange(accounts)}"
        next_: DomainEvent
        match state.get(name):
            case None:
                if dice.random() < 0.5:
                    next_, state[name] = registered(Role.SELLER, AccountStatus.PENDING), "pending"
                else:
                    next_, state[name] = registered(Role.CUSTOMER, AccountStatus.APPROVED), "stands"
            case "pending":
                next_ = dice.choice(
                    [
                        SellerApproved(approved_by=ADMIN),
                        SellerRejected(rejected_by=ADMIN, reason="No papers."),
                    ]
                )
                state[name] = "stands"
            case "stands":
                next_ = dice.choice(
                    [
                        AccountSuspended(by=ADMIN),
                        AccountRoleChanged(old_role=Role.CUSTOMER, new_role=Role.ADMIN, by=ADMIN),
                        AccountRenamed(name="Zebo Karimova"),
                        AccountDeleted(by=ADMIN),
                    ]
                )
                state[name] = {AccountSuspended: "suspended", AccountDeleted: "deleted"}.get(
                    type(next_), "stands"
                )
            case "suspended":
                next_ = dice.choice([AccountUnsuspended(by=ADMIN), AccountDeleted(by=ADMIN)])
                state[name] = "deleted" if isinstance(next_, AccountDeleted) else "stands"
            case _:
                continue
        log.tell(name, next_)
    return log


def test_it_counts_what_the_directory_lists(connection: psycopg.Connection[Any]) -> None:
    events = many_accounts(seed=7, accounts=60).events
    listed = rows_after(connection, AccountDirectory(), [events])["account_directory"]
    expected = Counter((role, status) for _, role, status, *_ in listed)
    assert {status for _, status in expected} == {"approved", "rejected", "pending", "suspended", "deleted"}

    counted = rows_after(connection, AdminDashboardProjection(), [events])["admin_dashboard"]

    assert {(role, status): count for role, status, count in counted if count} == expected


def test_a_rebuild_shows_the_same_as_following_one_fact_at_a_time(
    connection: psycopg.Connection[Any],
) -> None:
    events = many_accounts(seed=8, accounts=30).events
    followed = rows_after(connection, AdminDashboardProjection(), [[event] for event in events])
    for size in (len(events), 17):
        cut = [events[start : start + size] for start in range(0, len(events), size)]
        assert rows_after(connection, AdminDashboardProjection(), cut) == followed
