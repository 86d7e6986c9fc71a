"""Influencers and salons are found by what they say of themselves, as long as they may be found (DISC-01 to DISC-03)."""

import random
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest

from domain.accounts.events import (
    AccountDeleted,
    AccountEvent,
    AccountRegistered,
    AccountRenamed,
    AccountRoleChanged,
    AccountSuspended,
    AccountUnsuspended,
    AvatarChanged,
    EmailVerified,
    InfluencerOnboardingCompleted,
    InfluencerProfileRevised,
    PhoneVerified,
    SalonOnboardingCompleted,
    SalonProfileRevised,
)
from domain.accounts.presentation import clean_categories
from domain.accounts.roles import AccountKind, AccountStatus, MailedProof, RegistrationChannel, Role
from domain.shared.errors import InvalidInput
from domain.shared.events import Recorded
from infrastructure.identity import new_id
from projections.accounts.account_directory import AccountDirectory
from projections.discovery.discovery import DiscoveryProjection
from projections.discovery.questions import Discovery, Wanted
from projections.shared.paging import SliceRequest
from projections.shared.projection import Projection
from tests.projections.listings.shop import NOON, Shop
from tests.projections.orders.makers import rows_after

pytestmark = pytest.mark.services

ADMIN = new_id()
PICTURE = "https://pictures.example/zebo.png"
verified = EmailVerified(method=MailedProof.OTP)


def registered(role: Role, *, by_phone: bool = False) -> AccountRegistered:
    return AccountRegistered(
        email=None if by_phone else f"{new_id().hex}@example.uz",
        phone="+998901234567",
        name="Somebody",
        role=role,
        status=AccountStatus.PENDING if role is Role.SELLER else AccountStatus.APPROVED,
        kind=AccountKind(role.value),
        channel=RegistrationChannel.PHONE_OTP if by_phone else RegistrationChannel.PASSWORD,
    )


def influencer_onboarded(name: str = "Zebo", **more: Any) -> InfluencerOnboardingCompleted:
    fields = {"categories": ("nails",), "region": "Toshkent", **more}
    return InfluencerOnboardingCompleted(display_name=name, **fields)


def salon_onboarded(name: str = "Lola Salon", **more: Any) -> SalonOnboardingCompleted:
    fields = {"categories": ("hair",), "region": "Samarqand", **more}
    return SalonOnboardingCompleted(business_name=name, **fields)


def an_influencer(shop: Shop, name: str = "Zebo", **more: Any) -> UUID:
    account_id = new_id()
    shop.happened(account_id, registered(Role.INFLUENCER), verified, influencer_onboarded(name, **more))
    return account_id


def a_salon(shop: Shop, name: str = "Lola Salon", **more: Any) -> UUID:
    account_id = new_id()
    shop.happened(account_id, registered(Role.SALON), verified, salon_onboarded(name, **more))
    return account_id


async def influencers(shop: Shop, **wanted: Any) -> list[str]:
    found = await Discovery(shop.reader).influencers(Wanted(**wanted), SliceRequest())
    return [each.display_name for each in found.items]


async def salons(shop: Shop, **wanted: Any) -> list[str]:
    found = await Discovery(shop.reader).salons(Wanted(**wanted), SliceRequest())
    return [each.business_name for each in found.items]


class TestFinding:
    async def test_each_is_shown_by_what_they_say_of_themselves(self, shop: Shop) -> None:
        zebo = an_influencer(shop, bio="Nails,\nand more.", phone="+998907654321")
        lola = a_salon(shop, description="Since 1999.", address="Registon 1")

        [influencer] = (await Discovery(shop.reader).influencers(Wanted(), SliceRequest())).items
        [salon] = (await Discovery(shop.reader).salons(Wanted(), SliceRequest())).items

        assert influencer.onboarded_at == shop.log[2].at
        assert msgspec.structs.asdict(influencer) == {
            "account_id": zebo,
            "display_name": "Zebo",
            "bio": "Nails,\nand more.",
            "categories": ["nails"],
            "region": "Toshkent",
            "avatar_url": None,
            "onboarded_at": influencer.onboarded_at,
        }
        assert msgspec.structs.asdict(salon) == {
            "account_id": lola,
            "business_name": "Lola Salon",
            "description": "Since 1999.",
            "categories": ["hair"],
            "region": "Samarqand",
            "address": "Registon 1",
            "avatar_url": None,
            "onboarded_at": salon.onboarded_at,
        }
        assert "Zebo" not in repr(influencer)
        assert "Lola" not in repr(salon)

    async def test_every_word_of_a_search_begins_a_word_of_the_name_in_any_case(self, shop: Shop) -> None:
        an_influencer(shop, "Zebo Karimova")
        an_influencer(shop, "Ёлка Karim")
        a_salon(shop, "Goʻzal Salon 24")
        assert await influencers(shop, search="karim") == ["Ёлка Karim", "Zebo Karimova"]
        assert await influencers(shop, search="  KARIMOVA zeb ") == ["Zebo Karimova"]
        assert await influencers(shop, search="елка") == ["Ёлка Karim"]
        assert await influencers(shop, search="zebo ёлка") == []
        assert await influencers(shop, search="arimova") == []
        assert await salons(shop, search="go'zal") == ["Goʻzal Salon 24"]
        assert await salons(shop, search="salon 24") == ["Goʻzal Salon 24"]

    @pytest.mark.parametrize("search", ["%", "'", "\\", "' OR 1=1 --", "&|!", "\0", "\ud800", "<->"])
    async def test_signs_in_a_search_are_only_signs(self, shop: Shop, search: str) -> None:
        an_influencer(shop)
        assert await influencers(shop, search=search) == []
        assert await influencers(shop, region=f"{search}x") == []
        assert await influencers(shop, categories=[f"{search}x"]) == []

    async def test_a_blank_wish_narrows_nothing(self, shop: Shop) -> None:
        an_influencer(shop)
        assert await influencers(shop, search=" ", region=" ", categories=[" "]) == ["Zebo"]

    async def test_any_of_the_categories_will_do(self, shop: Shop) -> None:
        an_influencer(shop, "Nails", categories=("nails", "make-up"))
        an_influencer(shop, "Hair", categories=("hair",))
        an_influencer(shop, "Travel", categories=("travel",))
        an_influencer(shop, "Jazz", categories=clean_categories(("J̌",), "categories"))
        assert await influencers(shop, categories=["Hair ", "NAILS"]) == ["Hair", "Nails"]
        assert await influencers(shop, categories=["make"]) == []
        assert await influencers(shop, categories=["ǰ"]) == ["Jazz"]

    async def test_a_region_is_the_same_in_any_case_and_all_wishes_hold(self, shop: Shop) -> None:
        a_salon(shop, "Lola", region="Тошкент")
        a_salon(shop, "Gul", region="Тошкент вилояти", categories=("nails",))
        assert await salons(shop, region=" ТОШКЕНТ ") == ["Lola"]
        assert await salons(shop, region="тошкент", categories=["nails"]) == []
        assert await salons(shop, region="Тошкент вилояти", categories=["nails"], search="g") == ["Gul"]

    async def test_nobody_is_on_the_screen_of_the_others(self, shop: Shop) -> None:
        an_influencer(shop)
        assert await salons(shop) == []


class TestReadingOn:
    @pytest.mark.parametrize("wanted", [Wanted(), Wanted(search="zebo")], ids=["all", "found"])
    async def test_newest_onboarded_come_first_and_a_cursor_leads_to_everybody_once(
        self, shop: Shop, wanted: Wanted
    ) -> None:
        ids = [an_influencer(shop, f"Zebo {number}") for number in range(5)]
        discovery, seen, cursor = Discovery(shop.reader), [], None
        while True:
            part = await discovery.influencers(wanted, SliceRequest(limit=2, cursor=cursor))
            seen += [each.account_id for each in part.items]
            cursor = part.next_cursor
            if cursor is None:
                break
            # Whoever changes, comes back, or is new meanwhile, moves nobody.
            revised = InfluencerProfileRevised(display_name="Zebo A", categories=("a",), region="A")
            shop.happened(ids[4], revised)
            shop.happened(ids[1], AccountSuspended(by=ADMIN), AccountUnsuspended(by=ADMIN))
            an_influencer(shop, "New")
        assert seen == ids[::-1]

    async def test_a_made_up_cursor_is_refused(self, shop: Shop) -> None:
        with pytest.raises(InvalidInput) as refused:
            await Discovery(shop.reader).salons(Wanted(), SliceRequest(cursor="WzEsMl0"))
        assert refused.value.problems[0].rule == "cursor"


class TestWhoMayBeFound:
    async def test_nobody_before_they_are_onboarded_and_verified(self, shop: Shop) -> None:
        account_id = new_id()
        shop.happened(account_id, registered(Role.INFLUENCER), influencer_onboarded())
        shop.happened(new_id(), registered(Role.INFLUENCER), verified)
        assert await influencers(shop) == []
        shop.happened(account_id, verified)
        assert await influencers(shop) == ["Zebo"]

    async def test_who_came_in_by_a_phone_is_verified(self, shop: Shop) -> None:
        account_id = new_id()
        shop.happened(
            account_id,
            registered(Role.CUSTOMER, by_phone=True),
            PhoneVerified(phone="+998901234567"),
            AccountRoleChanged(old_role=Role.CUSTOMER, new_role=Role.SALON, by=ADMIN),
            salon_onboarded(),
        )
        assert await salons(shop) == ["Lola Salon"]

    async def test_nobody_while_they_are_suspended(self, shop: Shop) -> None:
        zebo = an_influencer(shop)
        shop.happened(zebo, AccountSuspended(by=ADMIN))
        assert await influencers(shop) == []
        shop.happened(zebo, InfluencerProfileRevised(display_name="Z", categories=("a",), region="A"))
        assert await influencers(shop) == []
        shop.happened(zebo, AccountUnsuspended(by=ADMIN))
        assert await influencers(shop) == ["Z"]

    async def test_everybody_as_what_they_are_now(self, shop: Shop) -> None:
        zebo = an_influencer(shop)
        shop.happened(zebo, AccountRoleChanged(old_role=Role.INFLUENCER, new_role=Role.SALON, by=ADMIN))
        assert (await influencers(shop), await salons(shop)) == ([], [])
        shop.happened(zebo, salon_onboarded())
        assert (await influencers(shop), await salons(shop)) == ([], ["Lola Salon"])
        shop.happened(zebo, AccountRoleChanged(old_role=Role.SALON, new_role=Role.INFLUENCER, by=ADMIN))
        assert (await influencers(shop), await salons(shop)) == (["Zebo"], [])

    async def test_no_seller_who_was_turned_into_one_while_the_application_waits(self, shop: Shop) -> None:
        account_id = new_id()
        shop.happened(
            account_id,
            registered(Role.SELLER),
            verified,
            AccountRoleChanged(old_role=Role.SELLER, new_role=Role.SALON, by=ADMIN),
            salon_onboarded(),
        )
        assert await salons(shop) == []


class TestChanges:
    async def test_who_presents_themselves_otherwise_is_found_by_that(self, shop: Shop) -> None:
        lola = a_salon(shop)
        shop.happened(
            lola,
            SalonProfileRevised(
                business_name="Lola & Co", categories=("nails",), region="Buxoro", address="Ark 1"
            ),
        )
        assert await salons(shop, search="salon") == []
        assert await salons(shop, search="co", categories=["nails"], region="buxoro") == ["Lola & Co"]

    async def test_a_picture_is_shown_whenever_it_was_chosen(self, shop: Shop) -> None:
        early, late = new_id(), an_influencer(shop, "Late")
        shop.happened(early, registered(Role.INFLUENCER), AvatarChanged(url=PICTURE), verified)
        shop.happened(early, influencer_onboarded("Early"))
        shop.happened(late, AvatarChanged(url=PICTURE))
        found = (await Discovery(shop.reader).influencers(Wanted(), SliceRequest())).items
        assert [each.avatar_url for each in found] == [PICTURE, PICTURE]
        shop.happened(early, AvatarChanged(url=None))
        found = (await Discovery(shop.reader).influencers(Wanted(), SliceRequest())).items
        assert [each.avatar_url for each in found] == [None, PICTURE]

    async def test_of_a_deleted_account_nothing_is_left(self, shop: Shop) -> None:
        zebo = an_influencer(shop, "Unmistakable", bio="Unmistakable")
        shop.happened(zebo, AvatarChanged(url=PICTURE))
        shop.happened(zebo, AccountRoleChanged(old_role=Role.INFLUENCER, new_role=Role.SALON, by=ADMIN))
        shop.happened(zebo, salon_onboarded("Unmistakable", address="Unmistakable 1"))
        shop.happened(zebo, AccountDeleted(by=ADMIN))
        for table in ("discovery_standing", "discovery_influencers", "discovery_salons"):
            assert shop.rows(table) == []
        assert "nmistakable" not in repr(shop.rows("account_directory"))


# --- rebuilding ----------------------------------------------------------------------------------------------


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """The projector's connection."""
    with psycopg.connect(database_url, autocommit=True) as opened:
        opened.execute("SET synchronous_commit = off")
        yield opened


def many_lives(seed: int, accounts: int) -> list[Recorded]:
    """What happens to many accounts, told at the same time as each other."""
    dice = random.Random(seed)
    lives = [list(_life(dice, number)) for number in range(accounts)]
    ids = [UUID(int=number + 1) for number in range(accounts)]
    versions = [0] * accounts
    told: list[Recorded] = []
    while running := [number for number, life in enumerate(lives) if versions[number] < len(life)]:
        number = dice.choice(running)
        event = lives[number][versions[number]]
        versions[number] += 1
        told.append(
            Recorded(
                position=len(told) + 1,
                stream_id=ids[number],
                version=versions[number],
                event=event,
                recorded_at=NOON + timedelta(minutes=len(told)),
            )
        )
    return told


def _life(dice: random.Random, number: int) -> Iterator[AccountEvent]:
    role = dice.choice([Role.CUSTOMER, Role.SELLER, Role.INFLUENCER, Role.SALON])
    yield registered(role)
    kept = {"categories": (dice.choice(["nails", "hair"]),), "region": dice.choice(["Buxoro", "Toshkent"])}
    later: list[AccountEvent] = [
        verified,
        AvatarChanged(url=f"{PICTURE}?{number}"),
        AccountRenamed(name=f"Renamed {number}"),
        influencer_onboarded(f"Zebo {number}", **kept),
        salon_onboarded(f"Lola {number}", **kept),
        InfluencerProfileRevised(display_name=f"Zebo {number} again", **kept),
        SalonProfileRevised(business_name=f"Lola {number} again", **kept),
        AccountRoleChanged(old_role=role, new_role=Role.SALON, by=ADMIN),
        AccountRoleChanged(old_role=role, new_role=Role.INFLUENCER, by=ADMIN),
        AccountSuspended(by=ADMIN),
        AccountUnsuspended(by=ADMIN),
    ]
    yield from dice.sample(later, dice.randint(2, len(later)))
    if dice.random() < 0.2:
        yield AccountDeleted(by=ADMIN)


@pytest.mark.parametrize(
    "projection", [AccountDirectory(), DiscoveryProjection()], ids=lambda each: each.name
)
def test_a_rebuild_shows_the_same_as_following_one_fact_at_a_time(
    connection: psycopg.Connection[Any], projection: Projection
) -> None:
    events = many_lives(seed=7, accounts=150)
    followed = rows_after(connection, projection, [[event] for event in events])
    assert all(followed.values())
    assert rows_after(connection, projection, [events]) == followed
    thirds = [events[start : start + 300] for start in range(0, len(events), 300)]
    assert rows_after(connection, projection, thirds) == followed
