"""Who an owner is to payment providers: one id each (ACC-33, STR-03)."""

from functools import partial

from domain.accounts.account import AccountNotFound, PaymentCustomer, evolve
from domain.accounts.events import AccountDeleted, AccountSuspended, PaymentCustomerLinked
from domain.accounts.paying import customer_of, link_payment_customer
from tests.domain.accounts.makers import ADMIN, registered
from tests.support.given import given

given_account = partial(given, evolve)
linked = PaymentCustomerLinked(provider="stripe", provider_customer_id="cus_1")
forgotten = PaymentCustomerLinked(provider="stripe", provider_customer_id=None)
link = partial(link_payment_customer, provider="stripe", customer_id="cus_1")


def test_the_id_at_a_provider_is_kept() -> None:
    given_account(registered()).when(link).then(linked)


def test_linking_twice_is_linking_once() -> None:
    given_account(registered(), linked).when(link).then()


def test_a_provider_that_has_forgotten_somebody_gives_them_a_new_id() -> None:
    given_account(registered(), linked).when(link, customer_id="cus_2").then(
        PaymentCustomerLinked(provider="stripe", provider_customer_id="cus_2")
    )


def test_each_provider_has_an_id_of_its_own_and_the_newest_counts() -> None:
    account = given_account(
        registered(),
        linked,
        PaymentCustomerLinked(provider="paypal", provider_customer_id="P-9"),
        PaymentCustomerLinked(provider="stripe", provider_customer_id="cus_2"),
    ).state
    assert customer_of(account, "stripe") == PaymentCustomer(provider="stripe", customer_id="cus_2")
    assert customer_of(account, "paypal") == PaymentCustomer(provider="paypal", customer_id="P-9")
    assert customer_of(account, "payme") is None


def test_whoever_is_suspended_can_still_be_paid_back() -> None:
    given_account(registered(), AccountSuspended(by=ADMIN)).when(link).then(linked)


def test_of_a_deleted_account_nothing_is_known_and_nothing_is_kept() -> None:
    deleted = given_account(registered(), linked, AccountDeleted(by=ADMIN))
    assert deleted.state.payment_customers == ()
    deleted.when(link).refused(AccountNotFound)


def test_of_somebody_who_was_erased_the_log_still_makes_a_state() -> None:
    assert given_account(registered(), forgotten).state.payment_customers == ()


def test_the_id_is_not_printed() -> None:
    assert "cus_1" not in repr(given_account(registered(), linked).state.payment_customers)
