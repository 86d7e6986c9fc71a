"""Access and refresh tokens: JSON Web Tokens, signed with HS256 and a secret for each kind.

What RFC 8725 asks for is done here: the algorithm is ours and never the token's; issuer, audience, kind and
times are required and checked; the two kinds differ in secret, in the `typ` of the header (RFC 9068) and in
the `typ` of the claims, so that neither passes as the other. Secrets rotate with an overlap: the header's
`kid` chooses among secrets that we hold, and is otherwise only data.

A token holds no personal data (requirements TOK-03). Whether it was revoked is not written in it: whoever
accepts one looks its `token_id` up in the deny list (TOK-12).
"""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import jwt
import msgspec

from infrastructure.security.secrets import Secret

ALGORITHM: Final = "HS256"
SECRET_CHARACTERS_MINIMUM: Final = 32
CLOCK_SKEW: Final = timedelta(seconds=60)
"""How far the clocks of two machines of ours may differ; it never lengthens a token's life."""

TOKEN_CHARACTERS_MAXIMUM: Final = 4096
"""Ours have some 500; whatever is longer is refused before any work is done for it."""


class TokenKind(StrEnum):
    """What a token is for: the `typ` of its claims."""

    ACCESS = "access"
    REFRESH = "refresh"


_HEADER_TYPES: Final = {TokenKind.ACCESS: "at+jwt", TokenKind.REFRESH: "rt+jwt"}


class TokenRefused(Exception):
    """A token does not open the door."""

    code = "INVALID_TOKEN"


class TokenExpired(TokenRefused):
    """The token is genuine, and its time is over."""

    code = "TOKEN_EXPIRED"


class TokenInvalid(TokenRefused):
    """The token is not one of ours, not of this kind, or was changed."""

    code = "INVALID_TOKEN"


class IssuedToken(msgspec.Struct, frozen=True, kw_only=True):
    """A new token, to be given to its owner and kept nowhere."""

    token: Secret
    expires_at: datetime


class AccessClaims(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, according to a verified access token."""

    account_id: UUID
    role: str
    session_id: UUID
    token_id: UUID
    issued_at: datetime
    expires_at: datetime


class RefreshClaims(msgspec.Struct, frozen=True, kw_only=True):
    """Which session a verified refresh token prolongs.

    It gives no role on purpose: role and status are read from the account again (TOK-09).
    """

    account_id: UUID
    session_id: UUID
    token_id: UUID
    issued_at: datetime
    expires_at: datetime


class _Claims(msgspec.Struct, frozen=True):
    """The claims as they are written in a token."""

    sub: UUID
    role: str
    sid: UUID
    jti: UUID
    typ: TokenKind
    iat: int
    exp: int
    iss: str
    aud: str
    nbf: int | None = None


class TokenIssuer:
    """Issues tokens, and says whose a token is. Safe to share between threads."""

    def __init__(
        self,
        *,
        access_secret: Secret,
        refresh_secret: Secret,
        access_lifetime: timedelta,
        refresh_lifetime: timedelta,
        issuer: str,
        audience: str,
        clock: Callable[[], datetime],
        previous_access_secrets: Iterable[Secret] = (),
        previous_refresh_secrets: Iterable[Secret] = (),
        remembered_maximum: int = 10_000,
    ) -> None:
        """New tokens are signed with the current secrets; those signed with previous ones stay good.

        `clock` gives aware times. `remembered_maximum` bounds how many verified access tokens are
        remembered, so that the next request with the same token costs a look-up instead of a signature.

        Raises:
            ValueError: a secret is shorter than 32 characters, or serves both kinds.
        """
        self._rings = {
            TokenKind.ACCESS: _KeyRing(access_secret, previous_access_secrets),
            TokenKind.REFRESH: _KeyRing(refresh_secret, previous_refresh_secrets),
        }
        if self._rings[TokenKind.ACCESS].shares_a_secret_with(self._rings[TokenKind.REFRESH]):
            raise ValueError("Access and refresh tokens need secrets of their own.")
        self._lifetimes = {TokenKind.ACCESS: access_lifetime, TokenKind.REFRESH: refresh_lifetime}
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._verified = _RecentlyVerified(remembered_maximum)

    def issue_access(self, *, account_id: UUID, role: str, session_id: UUID, token_id: UUID) -> IssuedToken:
        """A new access token, good from now for its lifetime; `token_id` is new and unique."""
        return self._issue(TokenKind.ACCESS, account_id, role, session_id, token_id)

    def issue_refresh(self, *, account_id: UUID, role: str, session_id: UUID, token_id: UUID) -> IssuedToken:
        """A new refresh token, good from now for its lifetime; `token_id` is new and unique."""
        return self._issue(TokenKind.REFRESH, account_id, role, session_id, token_id)

    def verify_access(self, token: str) -> AccessClaims:
        """Who asks with this access token.

        Raises:
            TokenExpired: it was good once.
            TokenInvalid: it never was, here.
        """
        key = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = self._verified.get(key)
        if claims is None:
            genuine = self._verify(TokenKind.ACCESS, token)
            claims = AccessClaims(
                account_id=genuine.sub,
                role=genuine.role,
                session_id=genuine.sid,
                token_id=genuine.jti,
                issued_at=datetime.fromtimestamp(genuine.iat, UTC),
                expires_at=datetime.fromtimestamp(genuine.exp, UTC),
            )
            self._verified.put(key, claims)
        elif self._clock() >= claims.expires_at:
            self._verified.forget(key)
            raise TokenExpired("The access token has expired.")
        return claims

    def verify_refresh(self, token: str) -> RefreshClaims:
        """Which session this refresh token prolongs.

        Raises:
            TokenExpired: it was good once.
            TokenInvalid: it never was, here.
        """
        genuine = self._verify(TokenKind.REFRESH, token)
        return RefreshClaims(
            account_id=genuine.sub,
            session_id=genuine.sid,
            token_id=genuine.jti,
            issued_at=datetime.fromtimestamp(genuine.iat, UTC),
            expires_at=datetime.fromtimestamp(genuine.exp, UTC),
        )

    def _issue(
        self, kind: TokenKind, account_id: UUID, role: str, session_id: UUID, token_id: UUID
    ) -> IssuedToken:
        issued_at = int(self._clock().timestamp())
        expires_at = issued_at + int(self._lifetimes[kind].total_seconds())
        claims = _Claims(
            sub=account_id,
            role=role,
            sid=session_id,
            jti=token_id,
            typ=kind,
            iat=issued_at,
            exp=expires_at,
            iss=self._issuer,
            aud=self._audience,
        )
        payload: dict[str, Any] = msgspec.to_builtins(claims)
        del payload["nbf"]
        ring = self._rings[kind]
        token = jwt.encode(
            payload,
            ring.current,
            algorithm=ALGORITHM,
            headers={"typ": _HEADER_TYPES[kind], "kid": ring.current_id},
        )
        return IssuedToken(token=Secret(token), expires_at=datetime.fromtimestamp(expires_at, UTC))

    def _verify(self, kind: TokenKind, token: str) -> _Claims:
        claims = self._genuine(kind, token)
        now = self._clock()
        latest_start = (now + CLOCK_SKEW).timestamp()
        if claims.iat > latest_start or (claims.nbf is not None and claims.nbf > latest_start):
            raise TokenInvalid(f"The {kind} token is not good yet.")
        if now.timestamp() >= claims.exp:
            raise TokenExpired(f"The {kind} token has expired.")
        return claims

    def _genuine(self, kind: TokenKind, token: str) -> _Claims:
        if len(token) > TOKEN_CHARACTERS_MAXIMUM:
            raise TokenInvalid(f"The text is too long for the {kind} token that is needed here.")
        try:
            header = jwt.get_unverified_header(token)
            secret = self._rings[kind].secret_of(header.get("kid"))
            if secret is None or header.get("typ") != _HEADER_TYPES[kind]:
                raise TokenInvalid(f"The token is not the {kind} token that is needed here.")
            payload = jwt.decode(
                token,
                secret,
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                audience=self._audience,
                # Times are checked above, against the clock that was passed in.
                options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "strict_aud": True},
            )
            claims = msgspec.convert(payload, _Claims)
            if claims.typ is not kind:
                raise TokenInvalid(f"The token is not the {kind} token that is needed here.")
            _ = datetime.fromtimestamp(claims.iat, UTC), datetime.fromtimestamp(claims.exp, UTC)
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError, OverflowError, OSError) as error:
            raise TokenInvalid(f"The {kind} token is not one of ours, or was changed.") from error
        return claims


def fingerprint(token_id: UUID) -> str:
    """SHA-256 of a token's id: what a session record keeps of its refresh token (TOK-13)."""
    return hashlib.sha256(token_id.bytes).hexdigest()


class _KeyRing:
    """The secrets of one kind of token, by their ids."""

    def __init__(self, current: Secret, previous: Iterable[Secret]) -> None:
        secrets = [each.reveal() for each in (*previous, current)]
        if any(len(each) < SECRET_CHARACTERS_MINIMUM for each in secrets):
            raise ValueError(f"A token secret has at least {SECRET_CHARACTERS_MINIMUM} characters.")
        self.current = current.reveal()
        self.current_id = _key_id(self.current)
        self._by_id = {_key_id(each): each for each in secrets}

    def secret_of(self, key_id: object) -> str | None:
        return self._by_id.get(key_id) if isinstance(key_id, str) else None

    def shares_a_secret_with(self, other: "_KeyRing") -> bool:
        return not self._by_id.keys().isdisjoint(other._by_id)


def _key_id(secret: str) -> str:
    # Public in every token. Guessing a secret by it is no easier than by a signature, which is as public.
    return hashlib.sha256(b"daftar token key id\0" + secret.encode()).hexdigest()[:8]


class _RecentlyVerified:
    """Claims of access tokens whose signature was checked, by the token's SHA-256; the oldest use goes first.

    It keeps no token, so a dump of memory gives none away.
    """

    def __init__(self, maximum: int) -> None:
        self._maximum = maximum
        self._claims: OrderedDict[bytes, AccessClaims] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> AccessClaims | None:
        with self._lock:
            claims = self._claims.get(key)
            if claims is not None:
                self._claims.move_to_end(key)
            return claims

    def put(self, key: bytes, claims: AccessClaims) -> None:
        with self._lock:
            self._claims[key] = claims
            self._claims.move_to_end(key)
            if len(self._claims) > self._maximum:
                self._claims.popitem(last=False)

    def forget(self, key: bytes) -> None:
        with self._lock:
            self._claims.pop(key, None)
