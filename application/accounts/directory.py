"""Accounts asked of the log itself: true at this moment, without a read model."""

from typing import Any, Final
from uuid import UUID

from application.accounts.names import EMAIL, PHONE
from application.shared.store import EventStore, Kind
from domain.accounts import account as accounts
from domain.accounts.account import Account
from domain.shared import claims
from domain.shared.claims import Claim, derived_id

_CLAIM: Final = Kind("claim", Claim, claims.evolve)
_ACCOUNT: Final = Kind("account", Account, accounts.evolve)


class AccountsInLog:
    """`KnownAccounts` over the event store."""

    def __init__(self, store: EventStore) -> None:
        """`store` is where the accounts and the claims to their names are."""
        self._store = store

    async def holder_of_email(self, email: str) -> UUID | None:
        """The account that holds a normalised address."""
        return await self._holder(EMAIL, email)

    async def holder_of_phone(self, phone: str) -> UUID | None:
        """The account that holds a normalised phone, which it has verified."""
        return await self._holder(PHONE, phone)

    async def account(self, account_id: UUID) -> Account | None:
        """An account as it stands."""
        state = await self._load(_ACCOUNT, account_id)
        return state if isinstance(state, Account) else None

    async def _holder(self, kind: str, value: str) -> UUID | None:
        state = await self._load(_CLAIM, derived_id(kind, value))
        return state.owner_id if isinstance(state, Claim) else None

    async def _load(self, kind: Kind[Any], stream_id: UUID) -> object:
        return (await self._store.load({stream_id: kind}))[stream_id].state


ClaimedEmails = AccountsInLog
"""Its name where only addresses are asked for."""
