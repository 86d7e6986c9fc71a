"""The directory finds accounts by id, email, role, status and part of a name, and tells strangers little."""

from uuid import UUID

import msgspec
import pytest

from domain.accounts.events import (
    AccountDeleted,
    AccountLoggedIn,
    AccountRegistered,
    AccountRenamed,
    AccountRoleChanged,
    AccountSuspended,
    AccountUnsuspended,
    AvatarChanged,
    ContactPhoneChanged,
    EmailVerified,
    InfluencerOnboardingCompleted,
    InfluencerProfileRevised,
    PhoneVerified,
    SalonOnboardingCompleted,
    SellerApplicationSubmitted,
    SellerApproved,
    SellerRejected,
)
from domain.accounts.presentation import InfluencerProfile
from domain.accounts.roles import (
    AccountKind,
    AccountStatus,
    LoginMethod,
    MailedProof,
    RegistrationChannel,
    Role,
)
from domain.shared.errors import InvalidInput
from infrastructure.identity import new_id
from projections.accounts.account_directory import AccountRow
from projections.accounts.account_questions import Accounts, like_pattern
from projections.shared.paging import PageRequest, SliceRequest
from tests.projections.listings.shop import NOON, Shop

pytestmark = pytest.mark.services
ADMIN = new_id()


def register(
    shop: Shop, name: str, email: str, *, role: Role = Role.CUSTOMER, phone: str | None = None
) -> UUID:
    account_id = new_id()
    seller = role is Role.SELLER
    shop.happened(
        account_id,
        AccountRegistered(
            email=email,
            name=name,
            phone=phone,
            role=role,
            status=AccountStatus.PENDING if seller else AccountStatus.APPROVED,
            kind=AccountKind.SELLER if seller else AccountKind.CUSTOMER,
            channel=RegistrationChannel.PASSWORD,
        ),
    )
    if seller:
        shop.happened(account_id, SellerApplicationSubmitted(business_name=f"{name} & Co"))
    return account_id


async def names(shop: Shop, search: str) -> list[str | None]:
    page = await Accounts(shop.reader).page(PageRequest(), search=search)
    assert page.total == len(page.items)
    return [account.name for account in page.items]


class TestFinding:
    async def test_an_account_is_found_by_its_id_with_its_last_sign_in(self, shop: Shop) -> None:
        account_id = register(shop, "Aziza", "aziza@example.com", phone="+998901234567")
        shop.happened(account_id, AccountLoggedIn(session_id=new_id(), method=LoginMethod.PASSWORD))
        account = await Accounts(shop.reader).by_id(account_id)
        assert account is not None
        assert (account.name, account.email, account.phone) == ("Aziza", "aziza@example.com", "+998901234567")
        assert account.last_login_at is not None
        assert account.last_login_at > account.registered_at > NOON

    async def test_an_account_is_found_by_its_email_in_any_case(self, shop: Shop) -> None:
        account_id = register(shop, "Aziza", "aziza@example.com")
        account = await Accounts(shop.reader).by_email("Aziza@Example.com")
        assert account is not None
        assert account.account_id == account_id

    @pytest.mark.parametrize("email", ["nobody@example.com", "", "a\0b@example.com", "ŭ@example.com", "%"])
    async def test_nobody_has_an_email_that_was_never_registered(self, shop: Shop, email: str) -> None:
        register(shop, "Aziza", "aziza@example.com")
        assert await Accounts(shop.reader).by_email(email) is None

    async def test_part_of_a_name_or_an_email_finds_it_in_any_case(self, shop: Shop) -> None:
        register(shop, "Ёлка Ivanova", "elka@example.com")
        register(shop, "Bobur", "bobur@shop.uz", role=Role.SELLER)
        assert await names(shop, "ёЛКА") == ["Ёлка Ivanova"]
        assert await names(shop, "SHOP.uz") == ["Bobur"]
        assert await names(shop, "bobur & co") == ["Bobur"]
        assert await names(shop, "nobody") == []

    @pytest.mark.parametrize("search", ["%", "_", "\\", "' OR 1=1 --", "a%a", "\0%", "\ud800_"])
    async def test_signs_in_a_search_are_only_signs(self, shop: Shop, search: str) -> None:
        register(shop, "Aziza", "aziza@example.com")
        assert await names(shop, search) == []

    async def test_a_percent_sign_in_a_name_is_found(self, shop: Shop) -> None:
        register(shop, "100% Silk_Shop\\", "silk@example.com")
        register(shop, "1000 Silks", "silks@example.com")
        assert await names(shop, "0% silk_shop\\") == ["100% Silk_Shop\\"]

    def test_a_pattern_stands_for_itself(self) -> None:
        assert like_pattern(r"50%_\x") == r"%50\%\_\\x%"


class TestLists:
    async def test_role_and_status_narrow_the_list_and_its_total(self, shop: Shop) -> None:
        register(shop, "Customer", "c@example.com")
        pending = register(shop, "Pending", "p@example.com", role=Role.SELLER)
        approved = register(shop, "Approved", "a@example.com", role=Role.SELLER)
        shop.happened(approved, SellerApproved(approved_by=ADMIN))
        accounts = Accounts(shop.reader)
        sellers = await accounts.page(PageRequest(limit=1), role=Role.SELLER)
        assert ([a.account_id for a in sellers.items], sellers.total) == ([approved], 2)
        waiting = await accounts.page(PageRequest(), role=Role.SELLER, status=AccountStatus.PENDING)
        assert ([a.account_id for a in waiting.items], waiting.total) == ([pending], 1)

    async def test_a_cursor_leads_through_all_accounts_once(self, shop: Shop) -> None:
        ids = [register(shop, f"Name {n}", f"n{n}@example.com") for n in range(5)]
        accounts, seen, cursor = Accounts(shop.reader), [], None
        while True:
            part = await accounts.slice(SliceRequest(limit=2, cursor=cursor))
            seen += [account.account_id for account in part.items]
            cursor = part.next_cursor
            if cursor is None:
                break
        assert seen == ids[::-1]

    async def test_a_made_up_cursor_is_refused(self, shop: Shop) -> None:
        with pytest.raises(InvalidInput) as refused:
            await Accounts(shop.reader).slice(SliceRequest(cursor="WzEsMl0"))
        assert refused.value.problems[0].rule == "cursor"

    async def test_applications_show_what_was_decided_and_why(self, shop: Shop) -> None:
        rejected = register(shop, "Rejected", "r@example.com", role=Role.SELLER)
        waiting = register(shop, "Waiting", "w@example.com", role=Role.SELLER)
        register(shop, "Customer", "c@example.com")
        shop.happened(rejected, SellerRejected(rejected_by=ADMIN, reason="No licence."))
        accounts = Accounts(shop.reader)
        every = await accounts.applications(PageRequest())
        assert [a.account_id for a in every.items] == [waiting, rejected]
        assert every.items[0].business_name == "Waiting & Co"
        assert every.items[0].decided_at is None
        [turned_down] = (await accounts.applications(PageRequest(), status=AccountStatus.REJECTED)).items
        assert (turned_down.rejection_reason, turned_down.decided_by) == ("No licence.", ADMIN)
        assert turned_down.decided_at is not None


class TestStrangers:
    async def test_a_profile_tells_no_email_phone_or_status(self, shop: Shop) -> None:
        account_id = register(shop, "Aziza", "aziza@example.com", phone="+998901234567")
        profile = await Accounts(shop.reader).public_profile(account_id)
        assert profile is not None
        assert profile.name == "Aziza"
        told = msgspec.json.encode(profile).decode()
        assert not any(secret in told for secret in ("aziza@", "+998", "approved"))

    async def test_nobody_is_shown_under_an_unknown_id(self, shop: Shop) -> None:
        assert await Accounts(shop.reader).public_profile(new_id()) is None
        assert await Accounts(shop.reader).by_id(new_id()) is None

    async def test_no_repr_shows_personal_data(self, shop: Shop) -> None:
        account_id = register(shop, "Aziza", "aziza@example.com", role=Role.SELLER)
        accounts = Accounts(shop.reader)
        page, applications = await accounts.page(PageRequest()), await accounts.applications(PageRequest())
        row = AccountRow(
            account_id, "seller", "pending", "seller", NOON, email="aziza@example.com", name="Aziza"
        )
        shown = repr((page, applications, await accounts.public_profile(account_id), row))
        assert "aziza" not in shown.lower()


class TestChanges:
    async def test_what_owners_say_of_themselves_is_shown(self, shop: Shop) -> None:
        account_id = register(shop, "Aziza", "aziza@example.com")
        shop.happened(
            account_id,
            EmailVerified(method=MailedProof.LINK),
            PhoneVerified(phone="+998901234567"),
            AccountRenamed(name="Aziza Karimova"),
            AvatarChanged(url="https://pictures.example/aziza.png"),
        )
        account = await Accounts(shop.reader).by_id(account_id)
        assert account is not None
        assert (account.name, account.email_verified, account.verified_phone, account.avatar_url) == (
            "Aziza Karimova",
            True,
            "+998901234567",
            "https://pictures.example/aziza.png",
        )
        assert await names(shop, "karimova") == ["Aziza Karimova"]

    async def test_another_number_to_be_called_at_is_not_verified(self, shop: Shop) -> None:
        account_id = register(shop, "Aziza", "aziza@example.com")
        shop.happened(
            account_id, PhoneVerified(phone="+998901234567"), ContactPhoneChanged(phone="+998909999999")
        )
        account = await Accounts(shop.reader).by_id(account_id)
        assert account is not None
        assert (account.phone, account.verified_phone) == ("+998909999999", None)

    async def test_how_somebody_is_found_is_shown_to_all_and_the_phone_to_admins(self, shop: Shop) -> None:
        account_id = register(shop, "Aziza", "aziza@example.com", role=Role.INFLUENCER)
        shop.happened(
            account_id,
            PhoneVerified(phone="+998901234567"),
            InfluencerOnboardingCompleted(
                display_name="Zizi", categories=("nails",), region="Toshkent", phone="+998909999999"
            ),
            InfluencerProfileRevised(display_name="Zizi K.", categories=("hair",), region="Buxoro"),
        )
        accounts = Accounts(shop.reader)
        account, profile = await accounts.by_id(account_id), await accounts.public_profile(account_id)
        assert account is not None
        assert profile is not None
        assert (account.phone, account.verified_phone) == ("+998909999999", None)
        assert profile.influencer == account.influencer
        assert profile.influencer == InfluencerProfile(
            display_name="Zizi K.", bio=None, categories=("hair",), region="Buxoro"
        )
        assert await names(shop, "zizi k") == ["Aziza"]

    async def test_others_see_a_profile_only_of_what_somebody_is_now(self, shop: Shop) -> None:
        account_id = register(shop, "Aziza", "aziza@example.com", role=Role.SALON)
        onboarded = SalonOnboardingCompleted(business_name="Aziza", categories=("hair",), region="Xiva")
        shop.happened(account_id, onboarded)
        shop.happened(account_id, AccountRoleChanged(old_role=Role.SALON, new_role=Role.CUSTOMER, by=ADMIN))
        accounts = Accounts(shop.reader)
        account, profile = await accounts.by_id(account_id), await accounts.public_profile(account_id)
        assert account is not None
        assert profile is not None
        assert account.salon is not None
        assert profile.salon is None

    async def test_a_suspension_says_by_whom_and_why_and_ends_without_a_trace(self, shop: Shop) -> None:
        account_id = register(shop, "Dilshod", "dilshod@example.com", role=Role.SELLER)
        shop.happened(account_id, AccountSuspended(by=ADMIN, reason="Sold what was not theirs"))
        accounts = Accounts(shop.reader)
        suspended = await accounts.by_id(account_id)
        assert suspended is not None
        assert (suspended.status, suspended.suspended_by, suspended.suspension_reason) == (
            AccountStatus.SUSPENDED,
            ADMIN,
            "Sold what was not theirs",
        )
        shop.happened(account_id, AccountUnsuspended(by=ADMIN))
        again = await accounts.by_id(account_id)
        assert again is not None
        assert (again.status, again.suspended_at, again.suspension_reason) == (
            AccountStatus.PENDING,
            None,
            None,
        )

    async def test_a_new_role_is_shown(self, shop: Shop) -> None:
        account_id = register(shop, "Aziza", "aziza@example.com")
        shop.happened(account_id, AccountRoleChanged(old_role=Role.CUSTOMER, new_role=Role.ADMIN, by=ADMIN))
        page = await Accounts(shop.reader).page(PageRequest(), role=Role.ADMIN)
        assert [account.account_id for account in page.items] == [account_id]

    async def test_of_a_deleted_account_nothing_is_left_but_that_it_was(self, shop: Shop) -> None:
        account_id = register(shop, "Dilshod", "dilshod@example.com", role=Role.SELLER, phone="+998901234567")
        shop.happened(account_id, SellerRejected(rejected_by=ADMIN, reason="Dilshod is known to us"))
        shop.happened(account_id, AccountDeleted(by=ADMIN, reason="Asked for it"))
        accounts = Accounts(shop.reader)
        account = await accounts.by_id(account_id)
        assert account is not None
        assert (account.status, account.role) == (AccountStatus.DELETED, Role.SELLER)
        assert await names(shop, "dilshod") == []
        assert await accounts.by_email("dilshod@example.com") is None
        assert await accounts.public_profile(account_id) is None
        row = await shop.reader.one("SELECT * FROM account_directory WHERE account_id = %s", (account_id,))
        assert "ilshod" not in str(row)
        assert "998901234567" not in str(row)
