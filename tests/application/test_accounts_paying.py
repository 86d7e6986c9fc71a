"""Who an account's owner is to payment providers: kept by the system, nobody else's, and gone with the account (ACC-33)."""

from collections.abc import AsyncIterator, Iterator

import pytest

from application.accounts.commands import DeleteAccount, LinkPaymentCustomer
from application.accounts.names import PAYMENT_CUSTOMER
from application.shared.caller import Caller
from domain.accounts.account import AccountNotFound, PaymentCustomer
from domain.accounts.events import PaymentCustomerLinked
from domain.accounts.paying import PaymentCustomerTaken
from domain.shared.claims import ClaimReleased, ValueClaimed
from domain.shared.errors import NotPermitted
from infrastructure.identity import new_id
from infrastructure.security.passwords import PasswordHasher
from tests.application.identity import House, make_hasher, open_house


@pytest.fixture(scope="module")
def hasher() -> Iterator[PasswordHasher]:
    yield from make_hasher()


@pytest.fixture
async def house(hasher: PasswordHasher) -> AsyncIterator[House]:
    async with open_house(hasher) as opened:
        yield opened


def link(owner: Caller, customer_id: str = "cus_1", provider: str = "stripe") -> LinkPaymentCustomer:
    assert owner.actor_id is not None
    return LinkPaymentCustomer(account_id=owner.actor_id, provider=provider, provider_customer_id=customer_id)


async def test_an_account_has_one_customer_at_a_provider(house: House) -> None:
    owner = await house.owner()
    assert await house.events_of_command(link(owner)) == [
        ValueClaimed(kind=PAYMENT_CUSTOMER, owner_id=owner.actor_id),
        PaymentCustomerLinked(provider="stripe", provider_customer_id="cus_1"),
    ]
    assert await house.events_of_command(link(owner)) == []
    assert house.account(owner.actor_id).payment_customers == (
        PaymentCustomer(provider="stripe", customer_id="cus_1"),
    )


async def test_nobody_pays_with_the_customer_of_another(house: House) -> None:
    owner, other = await house.owner(), await house.owner("zebo@example.uz")
    await house.ask(link(owner))
    with pytest.raises(PaymentCustomerTaken):
        await house.ask(link(other))
    await house.ask(link(other, provider="paypal"))


async def test_an_id_that_the_provider_has_forgotten_is_given_up_for_a_new_one(house: House) -> None:
    owner, other = await house.owner(), await house.owner("zebo@example.uz")
    await house.ask(link(owner))
    events = await house.events_of_command(link(owner, "cus_2"))
    assert ClaimReleased(kind=PAYMENT_CUSTOMER, owner_id=owner.actor_id) in events
    await house.ask(link(other, "cus_1"))


async def test_only_the_system_says_who_somebody_is_to_a_provider(house: House) -> None:
    owner, admin = await house.owner(), await house.admin()
    for caller in (owner, admin, Caller()):
        with pytest.raises(NotPermitted):
            await house.ask(link(owner), caller)


async def test_with_the_account_the_customer_is_forgotten(house: House) -> None:
    admin, owner, other = await house.admin(), await house.owner(), await house.owner("zebo@example.uz")
    await house.ask(link(owner))
    assert owner.actor_id is not None
    await house.ask(DeleteAccount(account_id=owner.actor_id), admin)
    assert house.account(owner.actor_id).payment_customers == ()
    with pytest.raises(AccountNotFound):
        await house.ask(link(owner))
    await house.ask(link(other))


async def test_of_an_account_that_never_was_nothing_is_kept(house: House) -> None:
    with pytest.raises(AccountNotFound):
        await house.ask(link(Caller(actor_id=new_id())))
