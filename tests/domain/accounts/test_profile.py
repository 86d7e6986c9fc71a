"""What owners say of themselves: one fact for each thing that is new, none for what is so already."""

from functools import partial
from uuid import UUID

import pytest

from domain.accounts.account import AccountIsSuspended, evolve
from domain.accounts.events import (
    AccountRegistered,
    AccountRenamed,
    AccountSuspended,
    AvatarChanged,
    ContactPhoneChanged,
    PhoneVerified,
)
from domain.accounts.name import NameInvalid
from domain.accounts.phone import PhoneInvalid
from domain.accounts.profile import (
    AvatarInvalid,
    PhoneIsOnlyKey,
    set_picture,
    update_profile,
    verify_phone,
)
from domain.accounts.roles import AccountKind, AccountStatus, RegistrationChannel, Role
from tests.domain.accounts.makers import ADMIN, registered
from tests.support.given import given

given_account = partial(given, evolve)
PHONE, NEW_PHONE = "+998901234567", "+998907654321"
URL = "https://pictures.example/nodira.jpg"
PICTURE = UUID("01890000-0000-7000-8000-00000000001c")
OURS = f"https://shop.uz/api/v1/media/{PICTURE}"
pictured = AvatarChanged(media_id=PICTURE, url=OURS)
phone_only = AccountRegistered(
    phone=PHONE,
    role=Role.CUSTOMER,
    status=AccountStatus.APPROVED,
    kind=AccountKind.CUSTOMER,
    channel=RegistrationChannel.PHONE_OTP,
)
verified = PhoneVerified(phone=PHONE)


class TestUpdating:
    def test_each_thing_that_is_new_is_a_fact_of_its_own(self) -> None:
        given_account(registered()).when(
            update_profile, name=" Zebo ", avatar_url=f" {URL} ", phone="+998 90 765-43-21"
        ).then(AccountRenamed(name="Zebo"), AvatarChanged(url=URL), ContactPhoneChanged(phone=NEW_PHONE))

    def test_what_is_left_out_stays(self) -> None:
        given_account(registered()).when(update_profile).then()

    def test_what_is_so_already_is_no_fact(self) -> None:
        given_account(registered(), AvatarChanged(url=URL)).when(
            update_profile, name="Nodira", avatar_url=URL, phone=PHONE
        ).then()

    def test_a_picture_and_a_phone_can_be_taken_away(self) -> None:
        given_account(registered(), AvatarChanged(url=URL)).when(
            update_profile, avatar_url=None, phone=None
        ).then(AvatarChanged(url=None), ContactPhoneChanged(phone=None))

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "nodira.jpg",
            "//pictures.example/n.jpg",
            "ftp://pictures.example/n.jpg",
            "javascript:alert(1)",
            "data:image/png;base64,AAAA",
            "https://",
            "https://user:secret@pictures.example/n.jpg",
            "https://pictures.example:99999/n.jpg",
            "https://pictures.example/a b.jpg",
            "https://pictures.example/\x00",
            "https://[::1/n.jpg",
            "https://pictures.example/" + "x" * 2048,
        ],
    )
    def test_a_picture_is_named_by_a_web_address(self, url: str) -> None:
        refusal = given_account(registered()).when(update_profile, avatar_url=url).refused(AvatarInvalid)
        assert url == "" or url not in refusal.message

    def test_a_name_or_phone_that_nobody_can_have_changes_nothing_at_all(self) -> None:
        given_account(registered()).when(update_profile, name="N", phone=NEW_PHONE).refused(NameInvalid)
        given_account(registered()).when(update_profile, name="Zebo", phone="12").refused(PhoneInvalid)

    def test_who_is_suspended_changes_nothing(self) -> None:
        given_account(registered(), AccountSuspended(by=ADMIN)).when(update_profile, name="Zebo").refused(
            AccountIsSuspended
        )


class TestPictures:
    def test_a_picture_that_was_sent_is_shown(self) -> None:
        account = given_account(registered(), AvatarChanged(url=URL))
        account.when(set_picture, media_id=PICTURE, url=OURS).then(pictured)

    def test_the_account_knows_which_picture_lies_with_us(self) -> None:
        account = given_account(registered(), pictured).state
        assert (account.avatar_id, account.avatar_url) == (PICTURE, OURS)
        account = given_account(registered(), pictured, AvatarChanged(url=URL)).state
        assert (account.avatar_id, account.avatar_url) == (None, URL)

    def test_who_is_suspended_shows_no_other_picture(self) -> None:
        given_account(registered(), AccountSuspended(by=ADMIN)).when(
            set_picture, media_id=PICTURE, url=OURS
        ).refused(AccountIsSuspended)


class TestPhones:
    def test_a_phone_whose_code_was_right_is_the_owners(self) -> None:
        given_account(registered()).when(verify_phone, phone="+998 (90) 123-45-67").then(verified)

    def test_twice_is_once(self) -> None:
        given_account(registered(), verified).when(verify_phone, phone=PHONE).then()

    def test_a_new_number_that_is_only_said_does_not_open_the_account(self) -> None:
        account = given_account(registered(), verified, ContactPhoneChanged(phone=NEW_PHONE)).state
        assert (account.phone, account.verified_phone) == (NEW_PHONE, None)

    def test_the_verified_number_stays_verified_when_it_is_given_again(self) -> None:
        account = given_account(registered(), verified, ContactPhoneChanged(phone=PHONE)).state
        assert account.verified_phone == PHONE

    @pytest.mark.parametrize("phone", [NEW_PHONE, None])
    def test_who_enters_by_phone_alone_is_not_locked_out(self, phone: str | None) -> None:
        refusal = (
            given_account(phone_only, verified).when(update_profile, phone=phone).refused(PhoneIsOnlyKey)
        )
        assert refusal.code == "PHONE_IS_ONLY_KEY"

    def test_they_change_it_by_verifying_the_new_one(self) -> None:
        given_account(phone_only, verified).when(verify_phone, phone=NEW_PHONE).then(
            PhoneVerified(phone=NEW_PHONE)
        )
