"""Influencers and salons are onboarded in person, by what the log says that they are (requirements ONB-01 to ONB-03, RBAC-02)."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest

from application.accounts.commands import (
    ChangeAccountRole,
    CompleteInfluencerOnboarding,
    CompleteSalonOnboarding,
    DeleteAccount,
    UpdateProfile,
    VerifyEmail,
    VerifyPhone,
)
from application.shared.caller import SYSTEM, ActorKind, Caller
from application.shared.command import IdempotencyKey
from domain.accounts.account import AccountIsGone, EmailNotVerified
from domain.accounts.events import (
    AccountRenamed,
    InfluencerOnboardingCompleted,
    InfluencerProfileRevised,
    SalonOnboardingCompleted,
)
from domain.accounts.onboarding import AlreadyOnboarded
from domain.accounts.presentation import InfluencerRevision, PresentationInvalid, SalonRevision
from domain.accounts.profile import NotOnboarded
from domain.accounts.roles import AccountKind, Role
from domain.shared.errors import NotAuthenticated, NotPermitted
from infrastructure.identity import new_id
from infrastructure.security.passwords import PasswordHasher
from tests.application.identity import PHONE, STRANGER, House, make_hasher, open_house

ZEBO: dict[str, Any] = {"display_name": "Zebo Unmistakable", "categories": ("nails",), "region": "Toshkent"}
LOLA: dict[str, Any] = {"business_name": "Lola Salon", "categories": ("hair",), "region": "Samarqand"}


@pytest.fixture(scope="module")
def hasher() -> Iterator[PasswordHasher]:
    yield from make_hasher()


@pytest.fixture
async def house(hasher: PasswordHasher) -> AsyncIterator[House]:
    async with open_house(hasher) as opened:
        yield opened


async def somebody(house: House, kind: AccountKind, email: str = "zebo@example.uz") -> Caller:
    """An influencer or a salon with a verified address."""
    registered = (await house.register(email, kind)).result
    await house.ask(VerifyEmail(account_id=registered.account_id), SYSTEM)
    signed_in = (await house.log_in(email)).result
    return Caller(actor_id=signed_in.account_id, role=signed_in.role.value, session_id=signed_in.session_id)


def own(caller: Caller) -> UUID:
    assert caller.actor_id is not None
    return caller.actor_id


class TestOnboarding:
    async def test_each_kind_is_onboarded_by_one_fact(self, house: House) -> None:
        zebo = await somebody(house, AccountKind.INFLUENCER)
        lola = await somebody(house, AccountKind.SALON, "lola@example.uz")
        wish = CompleteInfluencerOnboarding(account_id=own(zebo), **ZEBO)
        assert await house.events_of_command(wish, zebo) == [InfluencerOnboardingCompleted(**ZEBO)]
        wished = CompleteSalonOnboarding(account_id=own(lola), **LOLA)
        assert await house.events_of_command(wished, lola) == [SalonOnboardingCompleted(**LOLA)]

    async def test_what_somebody_is_the_log_says_and_not_their_token(self, house: House) -> None:
        owner = await house.owner()
        pretender = Caller(actor_id=owner.actor_id, role="influencer", session_id=owner.session_id)
        with pytest.raises(NotPermitted):
            await house.ask(CompleteInfluencerOnboarding(account_id=own(owner), **ZEBO), pretender)

    async def test_only_ones_own_account_and_in_person(self, house: House) -> None:
        zebo = await somebody(house, AccountKind.INFLUENCER)
        other = await somebody(house, AccountKind.INFLUENCER, "other@example.uz")
        program = Caller(actor_id=zebo.actor_id, actor_kind=ActorKind.API_KEY, role="influencer")
        for by in (other, program, await house.chief()):
            with pytest.raises(NotPermitted):
                await house.ask(CompleteInfluencerOnboarding(account_id=own(zebo), **ZEBO), by)
        with pytest.raises(NotAuthenticated):
            await house.ask(CompleteInfluencerOnboarding(account_id=own(zebo), **ZEBO), STRANGER)

    async def test_who_was_made_a_salon_verifies_their_address_first(self, house: House) -> None:
        chief, owner = await house.chief(), await house.owner()
        await house.ask(ChangeAccountRole(account_id=own(owner), role=Role.SALON), chief)
        wish = CompleteSalonOnboarding(account_id=own(owner), **LOLA)
        with pytest.raises(EmailNotVerified):
            await house.ask(wish, owner)
        await house.ask(VerifyEmail(account_id=own(owner)), SYSTEM)
        await house.ask(wish, owner)

    async def test_a_repetition_under_one_key_is_answered_from_the_record_and_any_other_is_refused(
        self, house: House
    ) -> None:
        zebo = await somebody(house, AccountKind.INFLUENCER)
        wish = CompleteInfluencerOnboarding(account_id=own(zebo), **ZEBO)
        key = IdempotencyKey(own(zebo), "onboard", b"digest")
        first, again = await house.ask(wish, zebo, key=key), await house.ask(wish, zebo, key=key)
        assert (again.replayed, again.position) == (True, first.position)
        assert len(house.store.events(InfluencerOnboardingCompleted)) == 1
        [kept] = house.store.kept_answers.values()
        assert b"Unmistakable" not in kept.result
        with pytest.raises(AlreadyOnboarded):
            await house.ask(wish, zebo)

    async def test_a_verified_phone_that_another_takes_the_place_of_is_free(self, house: House) -> None:
        zebo, other = await somebody(house, AccountKind.INFLUENCER), await house.owner()
        await house.ask(VerifyPhone(account_id=own(zebo), phone=PHONE), zebo)
        wish = CompleteInfluencerOnboarding(account_id=own(zebo), **ZEBO, phone="+998907654321")
        await house.ask(wish, zebo)
        await house.ask(VerifyPhone(account_id=own(other), phone=PHONE), other)
        assert (house.account(own(zebo)).phone, house.account(own(zebo)).verified_phone) == (
            "+998907654321",
            None,
        )
        assert house.account(own(other)).verified_phone == PHONE


class TestRevising:
    async def test_one_wish_is_one_fact_for_each_kind_of_change(self, house: House) -> None:
        zebo = await somebody(house, AccountKind.INFLUENCER)
        await house.ask(CompleteInfluencerOnboarding(account_id=own(zebo), **ZEBO), zebo)
        wish = UpdateProfile(
            account_id=own(zebo), name="Zebo K.", influencer=InfluencerRevision(bio="Nails.")
        )
        assert await house.events_of_command(wish, zebo) == [
            AccountRenamed(name="Zebo K."),
            InfluencerProfileRevised(**ZEBO, bio="Nails."),
        ]
        assert await house.events_of_command(wish, zebo) == []

    async def test_all_of_it_or_nothing(self, house: House) -> None:
        zebo = await somebody(house, AccountKind.INFLUENCER)
        wish = UpdateProfile(account_id=own(zebo), name="Z. K.", influencer=InfluencerRevision(region=""))
        with pytest.raises(NotOnboarded):
            await house.ask(wish, zebo)
        await house.ask(CompleteInfluencerOnboarding(account_id=own(zebo), **ZEBO), zebo)
        with pytest.raises(PresentationInvalid):
            await house.ask(wish, zebo)
        salon = UpdateProfile(account_id=own(zebo), name="Z. K.", salon=SalonRevision(region="Buxoro"))
        with pytest.raises(NotPermitted):
            await house.ask(salon, zebo)
        assert not house.store.events(AccountRenamed)


class TestForgetting:
    async def test_nothing_of_the_profile_is_left_in_the_log_or_the_account(self, house: House) -> None:
        chief, lola = await house.chief(), await somebody(house, AccountKind.SALON)
        profile = {"description": "Run by Lola Unmistakable", "address": "Unmistakable 1"}
        unmistakable = LOLA | {"categories": ("unmistakable",), "region": "Unmistakable"}
        await house.ask(CompleteSalonOnboarding(account_id=own(lola), **unmistakable, **profile), lola)
        revision = SalonRevision(business_name="Lola Unmistakable")
        await house.ask(UpdateProfile(account_id=own(lola), salon=revision), lola)
        assert "nmistakable" in repr([new.event for new in house.store.log])

        await house.ask(DeleteAccount(account_id=own(lola)), chief)

        assert "nmistakable" not in repr([new.event for new in house.store.log])
        assert house.account(own(lola)).salon is None
        with pytest.raises(AccountIsGone):
            await house.ask(CompleteSalonOnboarding(account_id=own(lola), **LOLA), lola)


class TestDiscretion:
    def test_no_wish_shows_what_is_in_it(self) -> None:
        account_id = new_id()
        revision = InfluencerRevision(display_name="Zebo Unmistakable")
        for thing in (
            CompleteInfluencerOnboarding(account_id=account_id, **ZEBO, bio="Unmistakable", phone=PHONE),
            CompleteSalonOnboarding(account_id=account_id, **LOLA, address="Unmistakable 1"),
            UpdateProfile(account_id=account_id, influencer=revision),
            revision,
            SalonRevision(business_name="Unmistakable"),
        ):
            shown = f"{thing!r} {thing} {thing.__rich_repr__()}"
            assert not any(word in shown for word in ("nmistakable", "Lola", PHONE)), shown
