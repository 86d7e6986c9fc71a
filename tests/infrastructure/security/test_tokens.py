"""A token opens the door that it was made for, for as long as it says, and no other."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Any
from uuid import UUID

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from infrastructure.security.secrets import Secret, fresh_secret
from infrastructure.security.tokens import (
    AccessClaims,
    IssuedToken,
    RefreshClaims,
    TokenExpired,
    TokenInvalid,
    TokenIssuer,
    fingerprint,
)

ACCOUNT = UUID("01930000-0000-7000-8000-00000000000a")
SESSION = UUID("01930000-0000-7000-8000-00000000000b")
TOKEN = UUID("01930000-0000-7000-8000-00000000000c")
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
ACCESS_SECRET = Secret(fresh_secret())
REFRESH_SECRET = Secret(fresh_secret())


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def issuer_with(clock: Callable[[], datetime], **changes: Any) -> TokenIssuer:
    usual: dict[str, Any] = {
        "access_secret": ACCESS_SECRET,
        "refresh_secret": REFRESH_SECRET,
        "access_lifetime": timedelta(minutes=15),
        "refresh_lifetime": timedelta(days=7),
        "issuer": "ecommerce-api",
        "audience": "ecommerce-frontend",
        "clock": clock,
    }
    return TokenIssuer(**(usual | changes))


@pytest.fixture
def issuer(clock: Clock) -> TokenIssuer:
    return issuer_with(clock)


def access(issuer: TokenIssuer, token_id: UUID = TOKEN) -> str:
    issued = issuer.issue_access(account_id=ACCOUNT, role="seller", session_id=SESSION, token_id=token_id)
    return issued.token.reveal()


def refresh(issuer: TokenIssuer) -> str:
    issued = issuer.issue_refresh(account_id=ACCOUNT, role="seller", session_id=SESSION, token_id=TOKEN)
    return issued.token.reveal()


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload, _ = token.split(".")
    return tuple(json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, payload))  # type: ignore[return-value]


def signed(header: dict[str, Any], payload: dict[str, Any], secret: Secret = ACCESS_SECRET) -> str:
    """A token made by hand with a right signature, whatever it says."""
    written = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header, payload)
    )
    digest = {"HS384": "sha384", "HS512": "sha512"}.get(str(header["alg"]), "sha256")
    signature = hmac.digest(secret.reveal().encode(), written.encode(), digest)
    return f"{written}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


class TestIssuing:
    def test_an_access_token_says_who_asks(self, issuer: TokenIssuer) -> None:
        assert issuer.verify_access(access(issuer)) == AccessClaims(
            account_id=ACCOUNT,
            role="seller",
            session_id=SESSION,
            token_id=TOKEN,
            issued_at=NOON,
            expires_at=NOON + timedelta(minutes=15),
        )

    def test_a_refresh_token_says_which_session_goes_on(self, issuer: TokenIssuer) -> None:
        assert issuer.verify_refresh(refresh(issuer)) == RefreshClaims(
            account_id=ACCOUNT,
            session_id=SESSION,
            token_id=TOKEN,
            issued_at=NOON,
            expires_at=NOON + timedelta(days=7),
        )

    def test_a_token_holds_the_agreed_claims_and_nothing_else(self, issuer: TokenIssuer) -> None:
        _, payload = parts_of(access(issuer))
        assert payload == {
            "sub": str(ACCOUNT),
            "role": "seller",
            "sid": str(SESSION),
            "jti": str(TOKEN),
            "typ": "access",
            "iat": int(NOON.timestamp()),
            "exp": int(NOON.timestamp()) + 900,
            "iss": "ecommerce-api",
            "aud": "ecommerce-frontend",
        }

    def test_any_standard_library_can_check_a_token(self, issuer: TokenIssuer) -> None:
        claims = jwt.decode(
            access(issuer),
            ACCESS_SECRET.reveal(),
            algorithms=["HS256"],
            audience="ecommerce-frontend",
            issuer="ecommerce-api",
            options={"verify_exp": False, "verify_iat": False},
        )
        assert claims["sub"] == str(ACCOUNT)

    def test_a_new_token_is_told_when_it_ends_and_does_not_show_itself(self, issuer: TokenIssuer) -> None:
        issued = issuer.issue_access(account_id=ACCOUNT, role="seller", session_id=SESSION, token_id=TOKEN)
        assert isinstance(issued, IssuedToken)
        assert issued.expires_at == NOON + timedelta(minutes=15)
        assert issued.token.reveal() not in repr(issued)

    def test_short_secrets_are_refused(self, clock: Clock) -> None:
        with pytest.raises(ValueError, match="32 characters"):
            issuer_with(clock, access_secret=Secret("short"))

    def test_one_secret_for_both_kinds_is_refused(self, clock: Clock) -> None:
        with pytest.raises(ValueError, match="of their own"):
            issuer_with(clock, refresh_secret=ACCESS_SECRET)

    def test_an_old_access_secret_does_not_return_as_the_refresh_secret(self, clock: Clock) -> None:
        with pytest.raises(ValueError, match="of their own"):
            issuer_with(clock, previous_access_secrets=[REFRESH_SECRET])


class TestTimes:
    def test_a_token_is_good_until_the_second_that_it_ends(self, issuer: TokenIssuer, clock: Clock) -> None:
        token = access(issuer)
        clock.now = NOON + timedelta(minutes=15) - timedelta(microseconds=1)
        assert issuer.verify_access(token).account_id == ACCOUNT
        clock.now = NOON + timedelta(minutes=15)
        with pytest.raises(TokenExpired):
            issuer.verify_access(token)

    def test_a_token_that_was_used_before_still_expires(self, issuer: TokenIssuer, clock: Clock) -> None:
        token = access(issuer)
        issuer.verify_access(token)
        clock.now = NOON + timedelta(hours=1)
        for _ in range(2):
            with pytest.raises(TokenExpired):
                issuer.verify_access(token)

    def test_a_refresh_token_expires(self, issuer: TokenIssuer, clock: Clock) -> None:
        token = refresh(issuer)
        clock.now = NOON + timedelta(days=7)
        with pytest.raises(TokenExpired):
            issuer.verify_refresh(token)

    def test_a_clock_that_lags_a_little_does_no_harm(self, issuer: TokenIssuer, clock: Clock) -> None:
        token = access(issuer)
        clock.now = NOON - timedelta(seconds=60)
        assert issuer.verify_access(token)

    def test_a_token_from_the_future_is_refused(self, issuer: TokenIssuer, clock: Clock) -> None:
        token = access(issuer)
        clock.now = NOON - timedelta(seconds=62)
        with pytest.raises(TokenInvalid):
            issuer.verify_access(token)

    def test_a_token_that_begins_later_is_refused_until_then(self, issuer: TokenIssuer) -> None:
        header, payload = parts_of(access(issuer))
        with pytest.raises(TokenInvalid):
            issuer.verify_access(signed(header, payload | {"nbf": int(NOON.timestamp()) + 3600}))

    def test_an_expired_forgery_is_called_a_forgery(self, issuer: TokenIssuer, clock: Clock) -> None:
        header, payload = parts_of(access(issuer))
        clock.now = NOON + timedelta(days=1)
        with pytest.raises(TokenInvalid):
            issuer.verify_access(signed(header, payload, Secret(fresh_secret())))


class TestConfusion:
    def test_a_refresh_token_does_not_pass_as_an_access_token(self, issuer: TokenIssuer) -> None:
        with pytest.raises(TokenInvalid):
            issuer.verify_access(refresh(issuer))

    def test_an_access_token_does_not_pass_as_a_refresh_token(self, issuer: TokenIssuer) -> None:
        with pytest.raises(TokenInvalid):
            issuer.verify_refresh(access(issuer))

    def test_the_kind_counts_even_where_the_signature_is_right(self, issuer: TokenIssuer) -> None:
        header, payload = parts_of(access(issuer))
        with pytest.raises(TokenInvalid):
            issuer.verify_access(signed(header, payload | {"typ": "refresh"}))
        with pytest.raises(TokenInvalid):
            issuer.verify_access(signed(header | {"typ": "rt+jwt"}, payload))
        with pytest.raises(TokenInvalid):
            issuer.verify_access(signed({key: header[key] for key in ("alg", "kid")}, payload))

    @pytest.mark.parametrize(
        "algorithm", ["none", "None", "NONE", "nOnE", "", None, "HS384", "HS512", "RS256"]
    )
    def test_no_token_chooses_its_own_algorithm(self, issuer: TokenIssuer, algorithm: str | None) -> None:
        header, payload = parts_of(access(issuer))
        changed = signed(header | {"alg": algorithm}, payload)
        unsigned = changed.rsplit(".", 1)[0] + "."
        for token in (changed, unsigned):
            with pytest.raises(TokenInvalid):
                issuer.verify_access(token)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"iss": "somebody-else"},
            {"aud": "somebody-else"},
            {"aud": ["somebody-else"]},
            {"sub": "not an id"},
            {"sid": 7},
            {"jti": ""},
            {"role": None},
            {"exp": "tomorrow"},
            {"exp": 10**30},
            {"iat": -(10**30)},
            {"nbf": "now"},
            {"typ": "other"},
        ],
    )
    def test_a_claim_that_is_wrong_is_refused(self, issuer: TokenIssuer, wrong: dict[str, Any]) -> None:
        header, payload = parts_of(access(issuer))
        assert issuer.verify_access(signed(header, payload)), (
            "the token made by hand is right without the change"
        )
        with pytest.raises(TokenInvalid):
            issuer.verify_access(signed(header, payload | wrong))

    @pytest.mark.parametrize("claim", ["sub", "role", "sid", "jti", "typ", "iat", "exp", "iss", "aud"])
    def test_a_claim_that_is_missing_is_refused(self, issuer: TokenIssuer, claim: str) -> None:
        header, payload = parts_of(access(issuer))
        del payload[claim]
        with pytest.raises(TokenInvalid):
            issuer.verify_access(signed(header, payload))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"kid": "00000000"},
            {"kid": None},
            {"kid": 7},
            {"kid": ["x"]},
            {"kid": "../../etc/passwd"},
            {"crit": ["exp"]},
            {"crit": ["unknown"]},
            {"b64": False, "crit": ["b64"]},
        ],
    )
    def test_a_header_that_is_wrong_is_refused(self, issuer: TokenIssuer, wrong: dict[str, Any]) -> None:
        header, payload = parts_of(access(issuer))
        with pytest.raises(TokenInvalid):
            issuer.verify_access(signed(header | wrong, payload))


class TestForgeries:
    @given(st.data())
    def test_a_token_with_any_character_changed_is_refused(self, data: st.DataObject) -> None:
        issuer = issuer_with(Clock())
        token = access(issuer)
        place = data.draw(st.integers(0, len(token) - 1))
        other = data.draw(
            st.sampled_from("ABCxyz019-_.=+/ \u00e9\0").filter(lambda each: each != token[place])
        )
        changed = token[:place] + other + token[place + 1 :]
        try:
            claims = issuer.verify_access(changed)
        except TokenInvalid:
            return
        # The last character of a base64 text holds spare bits: the same bytes may be spelt in several ways.
        assert place == len(token) - 1
        assert claims == issuer.verify_access(token)

    @given(st.text(max_size=300))
    def test_any_other_text_is_refused(self, text: str) -> None:
        with pytest.raises(TokenInvalid):
            issuer_with(Clock()).verify_access(text)

    @pytest.mark.parametrize(
        "text",
        ["", ".", "..", "...", "a.b.c", "\ud800", "é.é.é", "e30.e30.", "." * 4096, "a" * 1_000_000],
    )
    def test_nonsense_is_refused(self, issuer: TokenIssuer, text: str) -> None:
        for verify in (issuer.verify_access, issuer.verify_refresh):
            with pytest.raises(TokenInvalid):
                verify(text)

    def test_a_header_nested_very_deep_is_refused(self, issuer: TokenIssuer) -> None:
        deep = base64.urlsafe_b64encode(b'{"alg":' + b"[" * 2900).rstrip(b"=").decode()
        with pytest.raises(TokenInvalid):
            issuer.verify_access(f"{deep}.e30.x")

    def test_a_refusal_does_not_repeat_the_token(self, issuer: TokenIssuer) -> None:
        token = refresh(issuer)
        with pytest.raises(TokenInvalid) as caught:
            issuer.verify_access(token)
        assert token not in str(caught.value)


class TestRotation:
    def test_tokens_of_the_previous_secret_stay_good_until_they_expire(
        self, issuer: TokenIssuer, clock: Clock
    ) -> None:
        new = issuer_with(
            clock,
            access_secret=Secret(fresh_secret()),
            refresh_secret=Secret(fresh_secret()),
            previous_access_secrets=[ACCESS_SECRET],
            previous_refresh_secrets=[REFRESH_SECRET],
        )
        assert new.verify_access(access(issuer)).account_id == ACCOUNT
        assert new.verify_refresh(refresh(issuer)).session_id == SESSION

    def test_new_tokens_are_signed_with_the_current_secret(self, issuer: TokenIssuer, clock: Clock) -> None:
        new = issuer_with(
            clock, access_secret=Secret(fresh_secret()), previous_access_secrets=[ACCESS_SECRET]
        )
        with pytest.raises(TokenInvalid):
            issuer.verify_access(access(new))

    def test_tokens_of_a_secret_that_is_gone_are_refused(self, issuer: TokenIssuer, clock: Clock) -> None:
        with pytest.raises(TokenInvalid):
            issuer_with(clock, access_secret=Secret(fresh_secret())).verify_access(access(issuer))

    def test_the_key_id_of_a_token_does_not_show_its_secret(self, issuer: TokenIssuer) -> None:
        header, _ = parts_of(access(issuer))
        assert header["kid"] not in ACCESS_SECRET.reveal()
        assert header["kid"] not in hashlib.sha256(ACCESS_SECRET.reveal().encode()).hexdigest()


class TestRemembering:
    def test_the_same_token_is_checked_in_under_five_microseconds(self, clock: Clock) -> None:
        issuer = issuer_with(lambda: datetime.now(UTC))
        token = access(issuer)
        issuer.verify_access(token)
        batches = []
        for _ in range(20):
            begun = perf_counter()
            for _ in range(500):
                issuer.verify_access(token)
            batches.append((perf_counter() - begun) / 500)
        assert min(batches) < 5e-6

    def test_no_more_tokens_are_remembered_than_allowed(self, clock: Clock) -> None:
        issuer = issuer_with(clock, remembered_maximum=3)
        for number in range(10):
            assert issuer.verify_access(access(issuer, UUID(int=number))).token_id == UUID(int=number)
        assert len(issuer._verified._claims) == 3

    def test_the_token_used_longest_ago_is_forgotten_first(self, clock: Clock) -> None:
        issuer = issuer_with(clock, remembered_maximum=2)
        first, second, third = (access(issuer, UUID(int=number)) for number in range(3))
        issuer.verify_access(first)
        issuer.verify_access(second)
        issuer.verify_access(first)
        issuer.verify_access(third)
        remembered = {claims.token_id for claims in issuer._verified._claims.values()}
        assert remembered == {UUID(int=0), UUID(int=2)}

    def test_refused_tokens_are_not_remembered(self, issuer: TokenIssuer) -> None:
        for text in ("nonsense", refresh(issuer)):
            with pytest.raises(TokenInvalid):
                issuer.verify_access(text)
        assert not issuer._verified._claims

    def test_what_is_remembered_gives_no_token_away(self, issuer: TokenIssuer) -> None:
        token = access(issuer)
        issuer.verify_access(token)
        assert token not in repr(issuer._verified._claims)


def test_a_session_keeps_only_the_fingerprint_of_a_token() -> None:
    assert fingerprint(TOKEN) == hashlib.sha256(TOKEN.bytes).hexdigest()
