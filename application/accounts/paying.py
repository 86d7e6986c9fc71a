"""Use cases of what an account's owner is to payment providers: one id each, and nobody else's (ACC-33, ES-14)."""

from application.accounts.commands import LinkPaymentCustomer
from application.accounts.names import PAYMENT_CUSTOMER
from application.accounts.results import AccountOutcome
from application.accounts.sessions import outcome_of
from application.shared.unit import Unit
from domain.accounts import paying
from domain.accounts.account import Account, AccountNotFound, PaymentCustomer
from domain.accounts.paying import PaymentCustomerTaken
from domain.shared.errors import NotPermitted


def link_payment_customer(command: LinkPaymentCustomer, unit: Unit) -> AccountOutcome:
    """Keep an id at a provider; one that it had before is free again.

    Raises:
        NotPermitted: a caller asks; only what talks to the provider knows such an id.
        PaymentCustomerTaken: it is the id of another account's owner.
    """
    if not unit.caller.is_system:
        raise NotPermitted("Only the system says who somebody is to a payment provider.")
    missing = AccountNotFound(f"No account {command.account_id}.")
    account = unit.get(Account, command.account_id, missing=missing)
    before = paying.customer_of(account, command.provider)
    linked = PaymentCustomer(provider=command.provider, customer_id=command.provider_customer_id)
    events = paying.link_payment_customer(account, provider=linked.provider, customer_id=linked.customer_id)
    if events:
        taken = PaymentCustomerTaken("This customer of the payment provider belongs to another account.")
        unit.claim(PAYMENT_CUSTOMER, _value(linked), account.account_id, taken=taken)
        if before is not None:
            unit.release(PAYMENT_CUSTOMER, _value(before), account.account_id)
    return outcome_of(unit.record(account, events))


def release_payment_customers(account: Account, unit: Unit) -> None:
    """Give the ids of an account that ends back."""
    for each in account.payment_customers:
        unit.release(PAYMENT_CUSTOMER, _value(each), account.account_id)


def _value(customer: PaymentCustomer) -> str:
    return f"{customer.provider}:{customer.customer_id}"
