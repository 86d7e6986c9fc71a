"""An account as the log has it at this moment: signing up is followed by `GET /auth/me` at once."""

from typing import Final
from uuid import UUID

import msgspec

from api.security import AccountGone
from application.accounts.handlers import KINDS
from application.shared.store import EventStore
from domain.accounts.account import Account

_ACCOUNT: Final = next(kind for kind in KINDS if kind.state is Account)


class Current(msgspec.Struct, frozen=True):
    """An account, and the version of its stream."""

    account: Account
    version: int


async def current_account(store: EventStore, account_id: UUID) -> Current:
    """The account, not a read model's view of a while ago.

    Raises:
        AccountGone: there is none.
        StoreUnavailable: the log is away.
    """
    slot = (await store.load({account_id: _ACCOUNT}))[account_id]
    if not isinstance(slot.state, Account):
        raise AccountGone("This account does not exist any more.")
    return Current(slot.state, slot.version)
