"""Keys for programs: shown once, kept as a digest, worth no more than their owner."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import msgspec
import pytest

from application.accounts.authority import may
from application.accounts.commands import (
    ChangeAccountRole,
    DeleteAccount,
    SuspendAccount,
    UnsuspendAccount,
)
from application.api_keys.commands import IssueApiKey, RevokeApiKey
from application.api_keys.results import NewApiKey
from application.api_keys.using import caller_by_key
from application.shared.caller import ActorKind, Caller
from application.shared.command import Done, IdempotencyKey
from domain.accounts.account import AccountIsPending, AccountIsSuspended
from domain.accounts.permissions import PERMISSIONS, Permission
from domain.accounts.roles import AccountKind, Role
from domain.api_keys.api_key import (
    KEYS_MAXIMUM,
    ApiKeyExpired,
    ApiKeyInvalid,
    ApiKeyNotFound,
    ApiKeyUnfit,
    PermissionNotHeld,
    TooManyApiKeys,
    key_digest,
)
from domain.api_keys.events import ApiKeyIssued, ApiKeyRevoked
from domain.shared.claims import derived_id
from domain.shared.errors import NotAuthenticated, NotPermitted, RuleViolation
from infrastructure.identity import new_id
from infrastructure.security.passwords import PasswordHasher
from tests.application.identity import STRANGER, House, another_process, make_hasher, open_house
from tests.support.commands import NOON

READ = Permission.ORDERS_READ
MANAGE = Permission.ACCOUNTS_MANAGE


@pytest.fixture(scope="module")
def hasher() -> Iterator[PasswordHasher]:
    yield from make_hasher()


@pytest.fixture
async def house(hasher: PasswordHasher) -> AsyncIterator[House]:
    async with open_house(hasher) as opened:
        yield opened


def plain(key: NewApiKey) -> str:
    assert key.plain is not None
    return key.plain


class TestIssuing:
    async def test_a_key_is_shown_once_and_kept_as_a_digest(self, house: House) -> None:
        owner = await house.owner()
        key = await house.issuer.issue(name=" Till ", permissions=[READ], expires_in_days=30, caller=owner)
        shown, issued = plain(key), key.done.result
        assert shown.startswith("gm_")
        assert len(bytes.fromhex(shown.removeprefix("gm_"))) == 32
        assert issued.name == "Till"
        assert issued.display_prefix == shown[:11]
        assert issued.permissions == (READ,)
        assert (issued.issued_at, issued.expires_at) == (NOON, NOON + timedelta(days=30))
        digest = hashlib.sha256(shown.encode()).hexdigest()
        assert house.store.credentials[issued.key_id, "api_key"] == digest.encode()
        assert house.store.events()[-1] == ApiKeyIssued(
            owner_id=owner.actor_id or new_id(),
            owner_role="customer",
            name="Till",
            display_prefix=shown[:11],
            permissions=("orders:read",),
            expires_at=NOON + timedelta(days=30),
        )
        written = repr([msgspec.json.encode(new.event) for new in house.store.log])
        assert shown not in written
        assert digest not in written
        assert shown[3:] not in f"{key!r} {key.__rich_repr__()} {key.done.result!r}"

    async def test_the_digest_finds_the_key_and_no_other_has_it(self, house: House) -> None:
        owner = await house.owner()
        key = await house.issuer.issue(name="Till", caller=owner)
        claim = derived_id("api_key", key_digest(plain(key)))
        assert len(house.store.streams[claim]) == 1
        again = IssueApiKey(
            key_id=new_id(),
            name="Copy",
            permissions=(),
            digest=key_digest(plain(key)),
            display_prefix="gm_",
        )
        with pytest.raises(RuleViolation):
            await house.ask(again, owner)
        assert again.digest not in f"{again!r} {again.__rich_repr__()}"

    async def test_a_key_without_permissions_and_without_an_end_is_a_key(self, house: House) -> None:
        owner = await house.owner()
        key = await house.issuer.issue(name="Till", caller=owner)
        house.clock.forward(days=10_000)
        bearer = await house.key_door.admit(plain(key))
        assert (bearer.owner_id, bearer.permissions, bearer.unrestricted) == (
            owner.actor_id,
            frozenset(),
            False,
        )

    async def test_a_repeated_request_makes_no_second_key_and_shows_none(self, house: House) -> None:
        owner = await house.owner()
        once = IdempotencyKey(owner.actor_id or new_id(), "once", b"digest")
        first = await house.issuer.issue(name="Till", caller=owner, key=once)
        again = await house.issuer.issue(name="Till", caller=owner, key=once)
        assert again.done.replayed
        assert again.plain is None
        assert again.done.result == first.done.result
        assert len(house.store.events(ApiKeyIssued)) == 1
        [answer] = house.store.kept_answers.values()
        assert plain(first).encode()[11:] not in answer.result

    @pytest.mark.parametrize("days", [0, -1, 3651, 10**9])
    async def test_a_key_is_issued_for_days_that_can_be_counted(self, house: House, days: int) -> None:
        with pytest.raises(ApiKeyUnfit) as refusal:
            await house.issuer.issue(name="Till", expires_in_days=days, caller=await house.owner())
        assert [problem.field for problem in refusal.value.problems] == ["expiresInDays"]

    async def test_nobody_gives_what_they_do_not_have(self, house: House) -> None:
        owner, admin, chief = await house.owner(), await house.admin(), await house.chief()
        for permission in (MANAGE, Permission.EVERYTHING, Permission.LISTINGS_WRITE):
            with pytest.raises(PermissionNotHeld):
                await house.issuer.issue(name="Till", permissions=[READ, permission], caller=owner)
        for who in (admin, chief):
            await house.issuer.issue(name="All", permissions=[Permission.EVERYTHING], caller=who)
        assert len(house.store.events(ApiKeyIssued)) == 2

    async def test_a_role_that_a_token_speaks_of_counts_for_nothing(self, house: House) -> None:
        owner = await house.owner()
        claims_to_be = msgspec.structs.replace(owner, role="super_admin")
        with pytest.raises(PermissionNotHeld):
            await house.issuer.issue(name="Till", permissions=[MANAGE], caller=claims_to_be)

    async def test_neither_strangers_nor_programs_issue_or_revoke_keys(self, house: House) -> None:
        owner = await house.owner()
        key = await house.issuer.issue(name="Till", permissions=[READ], caller=owner)
        program = caller_by_key(await house.key_door.admit(plain(key)), STRANGER)
        assert program.actor_kind is ActorKind.API_KEY
        for by, refusal in ((program, NotPermitted), (STRANGER, NotAuthenticated)):
            with pytest.raises(refusal):
                await house.issuer.issue(name="More", caller=by)
            with pytest.raises(refusal):
                await house.ask(RevokeApiKey(key_id=key.done.result.key_id), by)

    async def test_who_may_not_act_issues_none(self, house: House) -> None:
        seller = (await house.register(kind=AccountKind.SELLER)).result
        with pytest.raises(AccountIsPending):
            await house.issuer.issue(name="Till", caller=Caller(actor_id=seller.account_id, role="seller"))


class TestNumbers:
    async def issue(self, house: House, owner: Caller, days: int | None = None) -> NewApiKey:
        return await house.issuer.issue(name="Till", expires_in_days=days, caller=owner)

    async def test_an_account_has_at_most_so_many_also_when_asked_for_at_once(
        self, house: House, hasher: PasswordHasher
    ) -> None:
        owner = await house.owner()
        async with another_process(house, hasher) as there:
            asked = [self.issue((house, there)[each % 2], owner) for each in range(KEYS_MAXIMUM + 5)]
            answers = await asyncio.gather(*asked, return_exceptions=True)
        refused = [each for each in answers if isinstance(each, TooManyApiKeys)]
        assert len(refused) == 5
        assert refused[0].code == "API_KEY_LIMIT_REACHED"
        assert len(house.store.events(ApiKeyIssued)) == KEYS_MAXIMUM

    async def test_a_revoked_key_makes_room(self, house: House) -> None:
        owner = await house.owner()
        keys = [await self.issue(house, owner) for _ in range(KEYS_MAXIMUM)]
        await house.ask(RevokeApiKey(key_id=keys[7].done.result.key_id), owner)
        await self.issue(house, owner)
        with pytest.raises(TooManyApiKeys):
            await self.issue(house, owner)

    async def test_an_expired_key_makes_room(self, house: House) -> None:
        owner = await house.owner()
        first = await self.issue(house, owner, days=1)
        for _ in range(KEYS_MAXIMUM - 1):
            await self.issue(house, owner)
        house.clock.forward(days=1)
        await self.issue(house, owner)
        assert house.secrets_kept(first.done.result.key_id) == set()
        with pytest.raises(TooManyApiKeys):
            await self.issue(house, owner)

    async def test_others_have_places_of_their_own(self, house: House) -> None:
        owner, other = await house.owner(), await house.owner("zebo@example.uz")
        for _ in range(KEYS_MAXIMUM):
            await self.issue(house, owner)
        await self.issue(house, other)


class TestUsing:
    async def test_the_bearer_acts_for_the_owner_within_the_bounds_of_the_key(self, house: House) -> None:
        admin = await house.admin()
        key = await house.issuer.issue(name="Reports", permissions=[READ], caller=admin)
        bearer = await house.key_door.admit(plain(key))
        assert (bearer.owner_id, bearer.role, bearer.permissions) == (
            admin.actor_id,
            Role.ADMIN,
            frozenset({READ}),
        )
        caller = caller_by_key(bearer, STRANGER)
        assert caller == msgspec.structs.replace(
            STRANGER,
            actor_id=admin.actor_id,
            actor_kind=ActorKind.API_KEY,
            role="admin",
            permissions=frozenset({"orders:read"}),
        )
        assert may(caller, READ)
        assert not may(caller, MANAGE)
        assert not caller.is_admin
        assert admin.is_admin

    async def test_a_key_with_everything_is_worth_its_owner(self, house: House) -> None:
        for who, role in ((await house.admin(), Role.ADMIN), (await house.chief(), Role.SUPER_ADMIN)):
            key = await house.issuer.issue(name="All", permissions=[Permission.EVERYTHING], caller=who)
            bearer = await house.key_door.admit(plain(key))
            assert bearer.unrestricted
            caller = caller_by_key(bearer, STRANGER)
            assert caller.permissions is None
            assert caller.is_admin
            assert {each for each in Permission if may(caller, each)} == {
                each for each in Permission if may(who, each)
            }
            assert bearer.permissions >= PERMISSIONS[role]

    async def test_a_promotion_does_not_widen_it_and_a_demotion_shrinks_it(self, house: House) -> None:
        admin, chief = await house.admin(), await house.chief()
        assert admin.actor_id is not None
        key = await house.issuer.issue(name="All", permissions=[Permission.EVERYTHING], caller=admin)
        await house.ask(ChangeAccountRole(account_id=admin.actor_id, role=Role.SUPER_ADMIN), chief)
        bearer = await house.key_door.admit(plain(key))
        assert Permission.EVERYTHING not in bearer.permissions
        assert not bearer.unrestricted
        assert not caller_by_key(bearer, STRANGER).is_admin
        await house.ask(ChangeAccountRole(account_id=admin.actor_id, role=Role.CUSTOMER), chief)
        assert (await house.key_door.admit(plain(key))).permissions == {READ}

    @pytest.mark.parametrize(
        "shown",
        [
            "",
            "gm_",
            "gm_" + "0" * 63,
            "gm_" + "0" * 64,
            "gm_" + "G" * 64,
            "xx_" + "0" * 64,
            "ключ",
            "0" * 10**6,
        ],
    )
    async def test_what_is_made_up_opens_nothing(self, house: House, shown: str) -> None:
        await house.issuer.issue(name="Till", caller=await house.owner())
        with pytest.raises(ApiKeyInvalid) as refusal:
            await house.key_door.admit(shown)
        assert refusal.value.code == "API_KEY_INVALID"

    async def test_a_claim_without_its_digest_opens_nothing(self, house: House) -> None:
        key = await house.issuer.issue(name="Till", caller=await house.owner())
        house.store.credentials[key.done.result.key_id, "api_key"] = b"0" * 64
        with pytest.raises(ApiKeyInvalid):
            await house.key_door.admit(plain(key))

    async def test_an_expired_key_says_so(self, house: House) -> None:
        key = await house.issuer.issue(name="Till", expires_in_days=1, caller=await house.owner())
        house.clock.forward(days=1)
        with pytest.raises(ApiKeyExpired):
            await house.key_door.admit(plain(key))

    async def test_it_is_useless_while_its_owner_is_suspended(self, house: House) -> None:
        owner, chief = await house.owner(), await house.chief()
        assert owner.actor_id is not None
        key = await house.issuer.issue(name="Till", permissions=[READ], caller=owner)
        await house.ask(SuspendAccount(account_id=owner.actor_id), chief)
        with pytest.raises(AccountIsSuspended):
            await house.key_door.admit(plain(key))
        await house.ask(UnsuspendAccount(account_id=owner.actor_id), chief)
        assert (await house.key_door.admit(plain(key))).permissions == {READ}

    async def test_it_ends_with_its_owner(self, house: House) -> None:
        owner, chief = await house.owner(), await house.chief()
        assert owner.actor_id is not None
        keys = [await house.issuer.issue(name="Till", caller=owner) for _ in range(3)]
        await house.ask(DeleteAccount(account_id=owner.actor_id), chief)
        for key in keys:
            with pytest.raises(ApiKeyInvalid):
                await house.key_door.admit(plain(key))
        assert len(house.store.events(ApiKeyRevoked)) == 3


class TestRevoking:
    async def test_the_owner_revokes_it_at_once_and_for_good(self, house: House) -> None:
        owner = await house.owner()
        key = await house.issuer.issue(name="Till", caller=owner)
        key_id = key.done.result.key_id
        done: Done[object] = await house.ask(RevokeApiKey(key_id=key_id), owner)
        assert house.store.events()[-1] == ApiKeyRevoked(by=owner.actor_id or new_id())
        assert done.version == 2
        assert house.secrets_kept(key_id) == set()
        with pytest.raises(ApiKeyInvalid):
            await house.key_door.admit(plain(key))
        assert await house.events_of_command(RevokeApiKey(key_id=key_id), owner) == []

    async def test_others_learn_nothing(self, house: House) -> None:
        owner, other = await house.owner(), await house.admin()
        key_id = (await house.issuer.issue(name="Till", caller=owner)).done.result.key_id
        for wanted in (key_id, new_id(), owner.actor_id or new_id()):
            with pytest.raises(ApiKeyNotFound):
                await house.ask(RevokeApiKey(key_id=wanted), other)
        assert not house.store.events(ApiKeyRevoked)
