"""Sessions: opened once, prolonged by each token once, ended once, by their owner only. The security log counts."""

import hashlib
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import pytest

from domain.accounts.events import (
    LoginFailed,
    LoginFailureClass,
    ProofDenied,
    ProofPurpose,
    RefreshTokenReuseDetected,
    RefreshTokenRotated,
    SessionEnding,
    SessionOpened,
    SessionRevoked,
)
from domain.accounts.security_log import evolve as evolve_log
from domain.accounts.security_log import security_log_id
from domain.accounts.session import (
    RefreshTokenExpired,
    Session,
    SessionIsRevoked,
    SessionNotFound,
    access_token_id,
    evolve,
    first_refresh_token_id,
    refresh_token_hash,
    refresh_token_id,
)
from tests.domain.accounts.makers import NOON, SESSION, STRANGER
from tests.support.given import fold, given

WEEK = timedelta(days=7)
OWNER = UUID("01890000-0000-7000-8000-00000000000a")
opened = SessionOpened(account_id=OWNER, refresh_jti_hash="ab" * 32, expires_at=NOON, ip="192.0.2.1")
revoked = SessionRevoked(account_id=OWNER, reason=SessionEnding.LOGOUT)
given_session = partial(given, evolve, stream_id=SESSION)


class TestSigningOut:
    def test_the_owner_ends_the_session(self) -> None:
        given_session(opened).when(Session.log_out, by=OWNER).then(revoked)

    def test_twice_is_once(self) -> None:
        given_session(opened, revoked).when(Session.log_out, by=OWNER).then()

    def test_a_stranger_learns_nothing(self) -> None:
        given_session(opened).when(Session.log_out, by=STRANGER).refused(SessionNotFound)

    def test_a_stranger_learns_nothing_of_an_ended_one_either(self) -> None:
        given_session(opened, revoked).when(Session.log_out, by=STRANGER).refused(SessionNotFound)

    def test_an_ended_session_stays_ended(self) -> None:
        assert not given_session(opened).state.revoked
        assert given_session(opened, revoked).state.revoked

    def test_an_account_ends_it_for_a_reason_of_its_own_and_only_once(self) -> None:
        ended = SessionRevoked(account_id=OWNER, reason=SessionEnding.SUSPENDED)
        given_session(opened).when(Session.end, reason=SessionEnding.SUSPENDED).then(ended)
        given_session(opened, revoked).when(Session.end, reason=SessionEnding.SUSPENDED).then()


def token(number: int) -> str:
    return refresh_token_hash(refresh_token_id(SESSION, number))


def rotated(number: int, at: datetime) -> RefreshTokenRotated:
    """The token of this number was used, and made place for the next."""
    return RefreshTokenRotated(
        old_jti_hash=token(number),
        new_jti_hash=token(number + 1),
        expires_at=at + WEEK,
        rotated_at=at,
    )


fresh = SessionOpened(account_id=OWNER, refresh_jti_hash=token(1), expires_at=NOON + WEEK)
LATER = NOON + timedelta(hours=1)
refresh = partial(Session.rotate, at=LATER, expires_at=LATER + WEEK, grace=timedelta(seconds=10))
stolen = SessionRevoked(account_id=OWNER, reason=SessionEnding.REUSE)


class TestProlonging:
    def test_the_current_token_is_used_up_and_the_next_one_takes_its_place(self) -> None:
        given_session(fresh).when(refresh, jti_hash=token(1)).then(rotated(1, LATER))
        given_session(fresh, rotated(1, NOON)).when(refresh, jti_hash=token(2)).then(rotated(2, LATER))

    def test_each_use_gives_the_session_its_whole_time_again(self) -> None:
        state = given_session(fresh, rotated(1, LATER)).state
        assert state.expires_at == LATER + WEEK
        assert state.number == 2

    @pytest.mark.parametrize("seconds", [0, 1, 9.999])
    def test_an_honest_retry_gets_the_same_pair_again(self, seconds: float) -> None:
        soon = LATER + timedelta(seconds=seconds)
        given_session(fresh, rotated(1, LATER)).when(refresh, jti_hash=token(1), at=soon).then()

    @pytest.mark.parametrize("seconds", [10, 11, 100_000])
    def test_a_used_token_that_comes_later_ends_the_session(self, seconds: float) -> None:
        late = LATER + timedelta(seconds=seconds)
        given_session(fresh, rotated(1, LATER)).when(refresh, jti_hash=token(1), at=late).then(
            RefreshTokenReuseDetected(jti_hash=token(1)), stolen
        )

    def test_only_the_token_right_before_the_current_one_may_come_again(self) -> None:
        history = (fresh, rotated(1, LATER), rotated(2, LATER))
        given_session(*history).when(refresh, jti_hash=token(2)).then()
        given_session(*history).when(refresh, jti_hash=token(1)).then(
            RefreshTokenReuseDetected(jti_hash=token(1)), stolen
        )

    def test_without_a_grace_every_used_token_ends_the_session(self) -> None:
        given_session(fresh, rotated(1, LATER)).when(refresh, jti_hash=token(1), grace=timedelta()).then(
            RefreshTokenReuseDetected(jti_hash=token(1)), stolen
        )

    def test_a_token_of_ours_that_is_not_out_yet_ends_the_session_too(self) -> None:
        # Only we mint them; who has one from the future has our secret.
        given_session(fresh).when(refresh, jti_hash=token(2)).then(
            RefreshTokenReuseDetected(jti_hash=token(2)), stolen
        )

    @pytest.mark.parametrize("number", [1, 2])
    def test_an_ended_session_is_not_prolonged_by_any_token(self, number: int) -> None:
        refusal = (
            given_session(fresh, rotated(1, LATER), revoked)
            .when(refresh, jti_hash=token(number))
            .refused(SessionIsRevoked)
        )
        assert refusal.code == "TOKEN_REVOKED"

    def test_a_session_that_was_not_prolonged_in_time_is_over(self) -> None:
        refusal = (
            given_session(fresh).when(refresh, jti_hash=token(1), at=NOON + WEEK).refused(RefreshTokenExpired)
        )
        assert refusal.code == "REFRESH_TOKEN_EXPIRED"
        assert given_session(fresh).state.is_over(NOON + WEEK)
        assert not given_session(fresh).state.is_over(NOON + WEEK - timedelta(microseconds=1))


class TestRefreshTokens:
    def test_each_has_an_id_of_its_own_that_follows_from_the_session(self) -> None:
        ids = {make(SESSION, number) for make in (refresh_token_id, access_token_id) for number in (1, 2, 3)}
        assert len(ids) == 6
        assert refresh_token_id(SESSION, 1) == first_refresh_token_id(SESSION)
        assert refresh_token_id(OWNER, 1) not in ids

    def test_a_repeated_request_finds_the_same_first_token(self) -> None:
        assert first_refresh_token_id(SESSION) == first_refresh_token_id(SESSION)
        assert first_refresh_token_id(SESSION) not in {first_refresh_token_id(OWNER), SESSION}

    def test_only_the_hash_of_a_tokens_id_is_kept(self) -> None:
        assert refresh_token_hash(SESSION) == hashlib.sha256(str(SESSION).encode()).hexdigest()


class TestSecurityLog:
    def test_failures_are_counted_by_identifier_and_day(self) -> None:
        failed = LoginFailed(identifier_hash="cd", reason_class=LoginFailureClass.CREDENTIALS)
        assert fold(evolve_log, [failed, failed, failed]).failures == 3

    def test_mails_that_were_asked_for_in_vain_are_no_failures(self) -> None:
        denied = ProofDenied(identifier_hash="cd", purpose=ProofPurpose.RESET, ip="192.0.2.1")
        log = fold(evolve_log, [denied, denied])
        assert (log.failures, log.denied) == (0, 2)

    def test_another_day_or_identifier_is_another_log(self) -> None:
        ids = {
            security_log_id("cd", NOON),
            security_log_id("cd", NOON.replace(hour=23)),
            security_log_id("cd", NOON.replace(day=2)),
            security_log_id("ce", NOON),
        }
        assert len(ids) == 3
