"""Keys for programs: no more than their owner has, for as long as the owner wants."""

import hashlib
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from domain.api_keys.api_key import (
    ApiKey,
    ApiKeyExpired,
    ApiKeyInvalid,
    ApiKeyNotFound,
    ApiKeyUnfit,
    PermissionNotHeld,
    evolve,
    key_digest,
)
from domain.api_keys.events import ApiKeyIssued, ApiKeyRevoked
from tests.domain.accounts.makers import ADMIN, NOON, STRANGER
from tests.support.given import STREAM, given

OWNER = UUID("01890000-0000-7000-8000-00000000000a")
TOMORROW = NOON + timedelta(days=1)
given_key = partial(given, evolve)
issue = partial(
    ApiKey.issue,
    owner_id=OWNER,
    owner_role="seller",
    name="Till",
    display_prefix="gm_0123abcd",
    permissions=["listings:write"],
    grantable={"listings:write", "orders:read"},
    expires_at=None,
    at=NOON,
)
issued = ApiKeyIssued(
    owner_id=OWNER,
    owner_role="seller",
    name="Till",
    display_prefix="gm_0123abcd",
    permissions=("listings:write",),
)
expiring = ApiKeyIssued(
    owner_id=OWNER,
    owner_role="seller",
    name="Till",
    display_prefix="gm_0123abcd",
    permissions=(),
    expires_at=TOMORROW,
)
revoked = ApiKeyRevoked(by=OWNER)


class TestIssuing:
    def test_a_key_gets_what_its_owner_may_give(self) -> None:
        assert issue() == [issued]

    def test_a_key_may_be_given_nothing(self) -> None:
        assert issue(permissions=[], expires_at=TOMORROW) == [expiring]

    def test_what_is_given_twice_is_given_once(self) -> None:
        [event] = issue(permissions=["orders:read", "listings:write", "orders:read"])
        assert isinstance(event, ApiKeyIssued)
        assert event.permissions == ("orders:read", "listings:write")

    def test_nobody_gives_what_they_do_not_have(self) -> None:
        with pytest.raises(PermissionNotHeld) as refusal:
            issue(permissions=["payouts:manage", "orders:read", "*"])
        assert refusal.value.code == "INSUFFICIENT_PERMISSIONS"
        assert refusal.value.details == {"permissions": ["*", "payouts:manage"]}

    def test_a_name_is_trimmed_and_composed(self) -> None:
        [event] = issue(name="  Kassa nu\u0308mero 1 ")
        assert isinstance(event, ApiKeyIssued)
        assert event.name == "Kassa n\u00fcmero 1"

    @pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\x00b", "a\nb", "\ud800", "x" * 100_000])
    def test_a_key_has_a_name_that_can_be_read(self, name: str) -> None:
        with pytest.raises(ApiKeyUnfit) as refusal:
            issue(name=name)
        assert [problem.field for problem in refusal.value.problems] == ["name"]

    def test_no_key_is_issued_for_a_time_that_is_over(self) -> None:
        with pytest.raises(ApiKeyUnfit):
            issue(expires_at=NOON)


class TestUsing:
    def test_a_key_is_good_until_its_time_is_over(self) -> None:
        key = given_key(expiring).state
        key.check_good(TOMORROW - timedelta(microseconds=1))
        with pytest.raises(ApiKeyExpired) as refusal:
            key.check_good(TOMORROW)
        assert refusal.value.code == "API_KEY_EXPIRED"

    def test_a_key_without_an_end_has_none(self) -> None:
        given_key(issued).state.check_good(NOON + timedelta(days=100_000))

    def test_a_revoked_key_is_not_told_from_one_that_never_was(self) -> None:
        key = given_key(expiring, revoked).state
        for at in (NOON, TOMORROW):
            with pytest.raises(ApiKeyInvalid) as refusal:
                key.check_good(at)
            assert (refusal.value.code, refusal.value.message) == (
                "API_KEY_INVALID",
                ApiKeyInvalid().message,
            )


class TestRevoking:
    def test_the_owner_takes_it_back(self) -> None:
        given_key(issued).when(ApiKey.revoke, by=OWNER).then(revoked)

    def test_twice_is_once(self) -> None:
        given_key(issued, revoked).when(ApiKey.revoke, by=OWNER).then()

    @pytest.mark.parametrize("stranger", [STRANGER, ADMIN])
    def test_others_learn_nothing(self, stranger: UUID) -> None:
        for history in ((issued,), (issued, revoked)):
            refusal = given_key(*history).when(ApiKey.revoke, by=stranger).refused(ApiKeyNotFound)
            assert refusal.code == "API_KEY_NOT_FOUND"

    def test_the_end_of_the_account_is_its_end(self) -> None:
        given_key(issued).when(ApiKey.end, by=ADMIN).then(ApiKeyRevoked(by=ADMIN))


def test_the_state_belongs_to_the_owner_and_holds_no_secret() -> None:
    key = given_key(issued).state
    assert (key.stream_id, key.subject_id) == (STREAM, OWNER)
    assert "gm_" not in repr(key)


def test_what_is_kept_of_a_key_is_its_sha_256() -> None:
    assert key_digest("gm_ab") == hashlib.sha256(b"gm_ab").hexdigest()
