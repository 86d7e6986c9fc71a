"""Whose mailbox an address is, found out in the same time whether or not it is anybody's."""

from typing import Final
from uuid import UUID

from application.accounts.ports import KnownAccounts
from domain.accounts.account import Account

NOBODY: Final = UUID(int=0)
"""Asked after in place of an account that there is not, so that it takes as long."""


class Mailboxes:
    """Accounts by their email address."""

    def __init__(self, accounts: KnownAccounts) -> None:
        """Asks the log itself."""
        self._accounts = accounts

    async def account_of(self, email: str) -> Account | None:
        """The account of a normalised address."""
        account_id = await self._accounts.holder_of_email(email)
        return await self._accounts.account(account_id or NOBODY)
