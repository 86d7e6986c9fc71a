"""Who an account's owner is to those that take payments (requirements ACC-33, STR-03)."""

from domain.accounts.account import Account, AccountNotFound, PaymentCustomer
from domain.accounts.events import AccountEvent, PaymentCustomerLinked
from domain.accounts.roles import AccountStatus
from domain.shared.errors import RuleViolation


class PaymentCustomerTaken(RuleViolation):
    """The provider knows another account's owner by this id: money would be taken from a stranger's card."""


def customer_of(account: Account, provider: str) -> PaymentCustomer | None:
    """Who the owner is to a provider; `None` when it has not heard of them."""
    return next((each for each in account.payment_customers if each.provider == provider), None)


def link_payment_customer(account: Account, *, provider: str, customer_id: str) -> list[AccountEvent]:
    """Keep by which id a provider knows the owner, instead of one that it has forgotten. Twice is once.

    Raises:
        AccountNotFound: the account is deleted, and nothing about its person is kept any more.
    """
    if account.status is AccountStatus.DELETED:
        raise AccountNotFound(f"No account {account.account_id}.")
    if customer_of(account, provider) == PaymentCustomer(provider=provider, customer_id=customer_id):
        return []
    return [PaymentCustomerLinked(provider=provider, provider_customer_id=customer_id)]
