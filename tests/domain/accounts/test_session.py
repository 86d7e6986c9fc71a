"""Sessions: opened once, ended once, by their owner only. The security log counts."""

import hashlib
from functools import partial
from uuid import UUID

from domain.accounts.events import (
    LoginFailed,
    LoginFailureClass,
    SessionEnding,
    SessionOpened,
    SessionRevoked,
)
from domain.accounts.security_log import evolve as evolve_log
from domain.accounts.security_log import security_log_id
from domain.accounts.session import (
    Session,
    SessionNotFound,
    evolve,
    first_refresh_token_id,
    refresh_token_hash,
)
from tests.domain.accounts.makers import NOON, SESSION, STRANGER
from tests.support.given import fold, given

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
        assert given_session(opened).state == Session(session_id=SESSION, account_id=OWNER, revoked=False)
        assert given_session(opened, revoked).state.revoked


class TestRefreshTokens:
    def test_a_repeated_request_finds_the_same_first_token(self) -> None:
        assert first_refresh_token_id(SESSION) == first_refresh_token_id(SESSION)
        assert first_refresh_token_id(SESSION) not in {first_refresh_token_id(OWNER), SESSION}

    def test_only_the_hash_of_a_tokens_id_is_kept(self) -> None:
        assert refresh_token_hash(SESSION) == hashlib.sha256(str(SESSION).encode()).hexdigest()


class TestSecurityLog:
    def test_failures_are_counted_by_identifier_and_day(self) -> None:
        failed = LoginFailed(identifier_hash="cd", reason_class=LoginFailureClass.CREDENTIALS)
        assert fold(evolve_log, [failed, failed, failed]).failures == 3

    def test_another_day_or_identifier_is_another_log(self) -> None:
        ids = {
            security_log_id("cd", NOON),
            security_log_id("cd", NOON.replace(hour=23)),
            security_log_id("cd", NOON.replace(day=2)),
            security_log_id("ce", NOON),
        }
        assert len(ids) == 3
