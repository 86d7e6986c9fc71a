"""How many accounts there are, by what they may do and how they stand (requirement ADM-01)."""

from datetime import datetime
from uuid import UUID

import msgspec

from domain.accounts.events import AccountRegistered
from domain.accounts.roles import AccountStatus, Role
from domain.shared.events import Recorded
from projections.accounts.status import DECIDING, decide
from projections.shared.projection import Batch, Projection
from projections.shared.reader import Reader
from projections.shared.table import Table


class CountRow(msgspec.Struct):
    """How many accounts have a role and a status."""

    role: str
    status: str
    accounts: int = 0


class CountedAccountRow(msgspec.Struct):
    """Where an account is counted. `suspended_from` is its status before it was suspended."""

    account_id: UUID
    role: str
    status: str
    suspended_from: str | None = None


COUNTS = Table(
    "admin_dashboard",
    CountRow,
    key=("role", "status"),
    columns="role text NOT NULL, status text NOT NULL, accounts bigint NOT NULL",
)

COUNTED = Table(
    "admin_dashboard_accounts",
    CountedAccountRow,
    key=("account_id",),
    columns="account_id uuid NOT NULL, role text NOT NULL, status text NOT NULL, suspended_from text",
)


class AdminDashboardProjection(Projection):
    """Keeps the counts in step with the facts; may be rebuilt from zero."""

    name = "admin_dashboard"
    tables = (COUNTS, COUNTED)
    events = (AccountRegistered, *DECIDING)

    def project(self, batch: Batch, recorded: Recorded) -> None:
        """Apply one fact."""
        accounts = batch.rows(COUNTED)
        event = recorded.event
        if isinstance(event, AccountRegistered):
            account = CountedAccountRow(recorded.stream_id, event.role.value, event.status.value)
            accounts.put(account)
            _count(batch, account, 1)
            return
        known = accounts.change(recorded.stream_id)
        if known is None:
            return
        _count(batch, known, -1)
        decide(known, event)
        _count(batch, known, 1)


def _count(batch: Batch, account: CountedAccountRow, by: int) -> None:
    role, status = account.role, account.status
    row = batch.rows(COUNTS).change_or_new(lambda: CountRow(role, status), role, status)
    row.accounts += by


# --- asking ------------------------------------------------------------------------------------------------


class AccountCount(msgspec.Struct, frozen=True):
    """How many accounts have a role and a status."""

    role: Role
    status: AccountStatus
    accounts: int


class AdminDashboard:
    """Questions of those who run the marketplace about how many use it."""

    def __init__(self, reader: Reader) -> None:
        """`reader` may be behind the log."""
        self._reader = reader

    async def accounts(self) -> list[AccountCount]:
        """All roles and statuses that somebody has, by name; deleted accounts are counted as such."""
        rows = await self._reader.all(
            "SELECT role, status, accounts FROM admin_dashboard WHERE accounts > 0 ORDER BY role, status"
        )
        return [msgspec.convert(row, AccountCount) for row in rows]

    async def active_since(self, moment: datetime) -> int:
        """How many accounts have been at the door since then, as far as it has been written down: minutes late (ACC-19)."""
        row = await self._reader.one(
            "SELECT count(*) AS active FROM last_seen WHERE kind = 'account' AND at >= %(moment)s",
            {"moment": moment},
        )
        return 0 if row is None else int(row["active"])
