"""How influencers and salons are onboarded, and present themselves otherwise later (requirements ONB-01 to ONB-03, ACC-22)."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounts.account import AccountIsSuspended, EmailNotVerified, evolve
from domain.accounts.events import (
    AccountDeleted,
    AccountRegistered,
    AccountRenamed,
    AccountRoleChanged,
    AccountSuspended,
    ContactPhoneChanged,
    EmailVerified,
    InfluencerOnboardingCompleted,
    InfluencerProfileRevised,
    PhoneVerified,
    SalonOnboardingCompleted,
    SalonProfileRevised,
)
from domain.accounts.onboarding import AlreadyOnboarded, onboard_influencer, onboard_salon
from domain.accounts.presentation import (
    InfluencerProfile,
    InfluencerRevision,
    PresentationInvalid,
    SalonProfile,
    SalonRevision,
    clean_categories,
)
from domain.accounts.profile import NotOnboarded, PhoneIsOnlyKey, update_profile
from domain.accounts.roles import AccountKind, AccountStatus, MailedProof, RegistrationChannel, Role
from domain.shared.errors import InvalidInput, NotPermitted
from tests.domain.accounts.makers import ADMIN, registered
from tests.support.given import given as given_facts

given_account = partial(given_facts, evolve)
PHONE, NEW_PHONE = "+998901234567", "+998907654321"

influencer = registered(kind=AccountKind.INFLUENCER, role=Role.INFLUENCER)
salon = registered(kind=AccountKind.SALON, role=Role.SALON)
verified = EmailVerified(method=MailedProof.OTP)

ZEBO: dict[str, Any] = {
    "display_name": "Zebo",
    "bio": "Nails,\nand what goes with them.",
    "categories": ("nails", "make-up"),
    "region": "Toshkent",
    "phone": None,
}
LOLA: dict[str, Any] = {
    "business_name": "Lola Salon",
    "description": "Since 1999.",
    "categories": ("hair",),
    "region": "Samarqand",
    "address": "Registon 1",
    "phone": None,
}
zebo_onboarded = InfluencerOnboardingCompleted(**ZEBO)
lola_onboarded = SalonOnboardingCompleted(**LOLA)
made_salon = AccountRoleChanged(old_role=Role.INFLUENCER, new_role=Role.SALON, by=ADMIN)


def wrong(refusal: Any) -> dict[str, str]:
    """Which fields are wrong, and by which rule."""
    assert isinstance(refusal, InvalidInput)
    return {problem.field: problem.rule for problem in refusal.problems}


class TestBeingOnboarded:
    def test_an_influencer_is_found_by_what_they_say_of_themselves(self) -> None:
        given_account(influencer, verified).when(onboard_influencer, **ZEBO).then(zebo_onboarded)

    def test_a_salon_is_found_by_what_it_says_of_itself(self) -> None:
        given_account(salon, verified).when(onboard_salon, **LOLA).then(lola_onboarded)

    def test_bio_description_and_address_may_be_missing(self) -> None:
        given_account(influencer, verified).when(onboard_influencer, **ZEBO | {"bio": " \n "}).then(
            InfluencerOnboardingCompleted(**ZEBO | {"bio": None})
        )
        less = {"description": None, "address": ""}
        given_account(salon, verified).when(onboard_salon, **LOLA | less).then(
            SalonOnboardingCompleted(**LOLA | {"description": None, "address": None})
        )

    @pytest.mark.parametrize("role", sorted(set(Role) - {Role.INFLUENCER}))
    def test_nobody_but_an_influencer_is_onboarded_as_one(self, role: Role) -> None:
        given_account(registered(role=role), verified).when(onboard_influencer, **ZEBO).refused(NotPermitted)

    @pytest.mark.parametrize("role", sorted(set(Role) - {Role.SALON}))
    def test_nobody_but_a_salon_is_onboarded_as_one(self, role: Role) -> None:
        given_account(registered(role=role), verified).when(onboard_salon, **LOLA).refused(NotPermitted)

    def test_an_address_that_nobody_has_verified_is_verified_first(self) -> None:
        refusal = given_account(influencer).when(onboard_influencer, **ZEBO).refused(EmailNotVerified)
        assert refusal.code == "EMAIL_NOT_VERIFIED"
        given_account(influencer, PhoneVerified(phone=PHONE)).when(onboard_influencer, **ZEBO).refused(
            EmailNotVerified
        )

    def test_who_came_in_by_their_phone_has_verified_that(self) -> None:
        by_phone = AccountRegistered(
            phone=PHONE,
            role=Role.SALON,
            status=AccountStatus.APPROVED,
            kind=AccountKind.CUSTOMER,
            channel=RegistrationChannel.PHONE_OTP,
        )
        account = given_account(by_phone, PhoneVerified(phone=PHONE))
        account.when(onboard_salon, **LOLA).then(lola_onboarded)
        account.when(onboard_salon, **LOLA | {"phone": NEW_PHONE}).refused(PhoneIsOnlyKey)

    def test_it_happens_once(self) -> None:
        refusal = (
            given_account(influencer, verified, zebo_onboarded)
            .when(onboard_influencer, **ZEBO | {"region": "Buxoro"})
            .refused(AlreadyOnboarded)
        )
        assert refusal.code == "ALREADY_ONBOARDED"

    def test_who_becomes_a_salon_is_onboarded_as_that_too(self) -> None:
        account = given_account(influencer, verified, zebo_onboarded, made_salon)
        account.when(onboard_influencer, **ZEBO).refused(NotPermitted)
        account.when(onboard_salon, **LOLA).then(lola_onboarded)

    def test_who_is_suspended_waits(self) -> None:
        given_account(influencer, verified, AccountSuspended(by=ADMIN)).when(
            onboard_influencer, **ZEBO
        ).refused(AccountIsSuspended)


class TestThePhone:
    def test_that_is_given_is_where_they_can_be_called(self) -> None:
        given_account(influencer, verified).when(
            onboard_influencer, **ZEBO | {"phone": "+998 90 765-43-21"}
        ).then(InfluencerOnboardingCompleted(**ZEBO | {"phone": NEW_PHONE}))
        onboarded = InfluencerOnboardingCompleted(**ZEBO | {"phone": NEW_PHONE})
        state = given_account(influencer, verified, PhoneVerified(phone=PHONE), onboarded).state
        assert (state.phone, state.verified_phone) == (NEW_PHONE, None)

    def test_stays_verified_when_it_is_the_same_and_stays_when_none_is_given(self) -> None:
        same = SalonOnboardingCompleted(**LOLA | {"phone": PHONE})
        for onboarded in (same, lola_onboarded):
            state = given_account(salon, verified, PhoneVerified(phone=PHONE), onboarded).state
            assert (state.phone, state.verified_phone) == (PHONE, PHONE)


class TestWhatCanBeShown:
    @pytest.mark.parametrize(
        ("said", "problems"),
        [
            ({"display_name": "Z"}, {"displayName": "name"}),
            ({"bio": "x" * 2001}, {"bio": "max_length"}),
            ({"bio": "Bell\x07"}, {"bio": "characters"}),
            ({"bio": "\u202eobeZ"}, {"bio": "characters"}),
            ({"categories": ()}, {"categories": "min_items"}),
            ({"categories": tuple(f"c{n}" for n in range(11))}, {"categories": "max_items"}),
            ({"categories": ("nails", " ")}, {"categories.1": "length"}),
            ({"categories": ("x" * 51,)}, {"categories.0": "length"}),
            ({"categories": ("na\nils",)}, {"categories.0": "characters"}),
            ({"categories": ("Nails", "nails ")}, {"categories.1": "unique"}),
            ({"categories": ("ﬁne", "FINE")}, {"categories.1": "unique"}),
            ({"region": " "}, {"region": "length"}),
            ({"region": "x" * 101}, {"region": "length"}),
            ({"region": "Tosh\nkent"}, {"region": "characters"}),
            ({"phone": "12"}, {"phone": "phone"}),
        ],
    )
    def test_of_an_influencer_is_refused_field_by_field(
        self, said: dict[str, Any], problems: dict[str, str]
    ) -> None:
        asked = given_account(influencer, verified).when(onboard_influencer, **ZEBO | said)
        assert wrong(asked.refused(PresentationInvalid)) == problems

    @pytest.mark.parametrize(
        ("said", "problems"),
        [
            ({"business_name": "!!"}, {"businessName": "name"}),
            ({"description": "x" * 2001}, {"description": "max_length"}),
            ({"address": "x" * 301}, {"address": "length"}),
            ({"address": "Registon\n1"}, {"address": "characters"}),
        ],
    )
    def test_of_a_salon_is_refused_field_by_field(
        self, said: dict[str, Any], problems: dict[str, str]
    ) -> None:
        asked = given_account(salon, verified).when(onboard_salon, **LOLA | said)
        assert wrong(asked.refused(PresentationInvalid)) == problems

    def test_all_that_is_wrong_is_told_at_once_and_no_value_is_repeated(self) -> None:
        secret = "\x00unmistakable"
        bad = {
            "display_name": secret,
            "bio": secret,
            "categories": (secret,),
            "region": secret,
            "phone": secret,
        }
        refusal = (
            given_account(influencer, verified).when(onboard_influencer, **bad).refused(PresentationInvalid)
        )
        assert set(wrong(refusal)) == {"displayName", "bio", "categories.0", "region", "phone"}
        assert isinstance(refusal, InvalidInput)
        assert not any("unmistakable" in problem.message for problem in refusal.problems)

    def test_categories_are_kept_as_they_are_compared_and_texts_without_the_space_around_them(self) -> None:
        given_account(influencer, verified).when(
            onboard_influencer,
            **ZEBO
            | {
                "display_name": " Zebo ",
                "bio": f" {ZEBO['bio']}\n",
                "categories": (" NAILS", "Ｍake-Up"),
                "region": " Toshkent ",
            },
        ).then(zebo_onboarded)

    @given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=3))
    def test_a_category_that_was_cleaned_is_clean(self, categories: list[str]) -> None:
        try:
            cleaned = clean_categories(tuple(categories), "categories")
        except PresentationInvalid:
            return
        assert clean_categories(cleaned, "categories") == cleaned

    def test_the_longest_of_everything_is_shown(self) -> None:
        longest = {
            "business_name": "L" * 100,
            "description": "x" * 2000,
            "categories": tuple(f"{n}".ljust(50, "x") for n in range(10)),
            "region": "r" * 100,
            "address": "a" * 300,
        }
        given_account(salon, verified).when(onboard_salon, **LOLA | longest).then(
            SalonOnboardingCompleted(**LOLA | longest)
        )


class TestRevising:
    zebo = given_account(influencer, verified, zebo_onboarded)
    lola = given_account(salon, verified, lola_onboarded)

    def test_what_is_left_out_stays(self) -> None:
        kept = {name: value for name, value in ZEBO.items() if name != "phone"}
        self.zebo.when(update_profile, influencer=InfluencerRevision(region="Buxoro")).then(
            InfluencerProfileRevised(**kept | {"region": "Buxoro"})
        )
        kept = {name: value for name, value in LOLA.items() if name != "phone"}
        self.lola.when(update_profile, salon=SalonRevision(business_name="Lola & Co")).then(
            SalonProfileRevised(**kept | {"business_name": "Lola & Co"})
        )

    def test_none_takes_away(self) -> None:
        kept = {name: value for name, value in LOLA.items() if name != "phone"}
        self.lola.when(update_profile, salon=SalonRevision(description=None, address=None)).then(
            SalonProfileRevised(**kept | {"description": None, "address": None})
        )

    def test_what_is_so_already_is_no_fact(self) -> None:
        same = InfluencerRevision(display_name=" Zebo", categories=("Nails", "make-up"), region="Toshkent")
        self.zebo.when(update_profile, influencer=same).then()
        self.zebo.when(update_profile, influencer=InfluencerRevision()).then()

    def test_each_kind_of_change_is_a_fact_of_its_own(self) -> None:
        kept = {name: value for name, value in ZEBO.items() if name != "phone"}
        self.zebo.when(
            update_profile, name="Zebo K.", phone=NEW_PHONE, influencer=InfluencerRevision(bio=None)
        ).then(
            AccountRenamed(name="Zebo K."),
            ContactPhoneChanged(phone=NEW_PHONE),
            InfluencerProfileRevised(**kept | {"bio": None}),
        )

    def test_one_thing_that_cannot_be_changes_nothing_at_all(self) -> None:
        revision = InfluencerRevision(display_name="Z", region="")
        asked = self.zebo.when(update_profile, name="Zebo K.", influencer=revision)
        assert wrong(asked.refused(PresentationInvalid)) == {
            "influencer.displayName": "name",
            "influencer.region": "length",
        }

    def test_there_is_nothing_to_revise_before_onboarding(self) -> None:
        refusal = (
            given_account(influencer, verified)
            .when(update_profile, influencer=InfluencerRevision(region="Buxoro"))
            .refused(NotOnboarded)
        )
        assert refusal.code == "NOT_ONBOARDED"

    def test_nobody_revises_the_profile_of_another_role(self) -> None:
        self.zebo.when(update_profile, salon=SalonRevision(region="Buxoro")).refused(NotPermitted)
        self.lola.when(update_profile, influencer=InfluencerRevision(region="Buxoro")).refused(NotPermitted)
        given_account(influencer, verified, zebo_onboarded, made_salon).when(
            update_profile, influencer=InfluencerRevision(region="Buxoro")
        ).refused(NotPermitted)


class TestTheAccount:
    def test_knows_how_it_is_found(self) -> None:
        state = given_account(influencer, verified, zebo_onboarded, made_salon, lola_onboarded).state
        kept = {name: value for name, value in ZEBO.items() if name != "phone"}
        assert state.influencer == InfluencerProfile(**kept)
        kept = {name: value for name, value in LOLA.items() if name != "phone"}
        assert state.salon == SalonProfile(**kept)
        assert "Zebo" not in repr((state, state.influencer, state.salon))

    def test_forgets_it_with_its_person(self) -> None:
        state = given_account(
            influencer, verified, zebo_onboarded, made_salon, lola_onboarded, AccountDeleted(by=ADMIN)
        ).state
        assert (state.influencer, state.salon) == (None, None)
