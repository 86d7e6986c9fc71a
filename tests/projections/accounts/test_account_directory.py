"""The directory finds accounts by id, email, role, status and part of a name, and tells strangers little."""

from uuid import UUID

import msgspec
import pytest

from domain.accounts.events import (
    AccountLoggedIn,
    AccountRegistered,
    SellerApplicationSubmitted,
    SellerApproved,
    SellerRejected,
)
from domain.accounts.roles import AccountKind, AccountStatus, LoginMethod, RegistrationChannel, Role
from domain.shared.errors import InvalidInput
from infrastructure.identity import new_id
from projections.accounts.account_directory import AccountRow, Accounts, like_pattern
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
