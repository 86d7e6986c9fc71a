"""The memory of one-time codes: Redis, which all processes share (requirements OTP-02 to OTP-06, OTP-11).

| key | what | for how long |
| --- | --- | --- |
| `otp:<purpose>:{<destination>}` | digest of the code, wrong guesses, when it was asked for | the life of the code |
| `otp_attempts:{<destination>}` | codes that were asked for | a window that begins with the first of them |
| `otp_attempts:address:{<address>}` | the same, of one client address | the same |

Destinations and addresses are keyed hashes, and of a code there is only an HMAC that is bound to purpose and destination: who
reads Redis learns neither a code, nor whose it is, nor can make one code good for something else. The braces keep what one
script touches on one node of a cluster.

Each step is one script, so that fifty guesses at once are fifty guesses one after the other. A comparison of digests in Lua may
take a little longer the more of them is equal; that says nothing about the code, for without the key nobody can make a digest
that is nearly right.

Without Redis there are no codes (SEC-24): `Unavailable`, at once and for everybody while it is away. A Redis that comes back
empty has forgotten codes and counts; the former are asked for again, the latter begin anew.
"""

import asyncio
import hmac
import math
import secrets
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Final

from redis.asyncio import Redis
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from application.otp.ports import Checked, Outcome
from application.shared.command import Unavailable
from domain.otp.code import HIGHEST, LOWEST, OneTimeCode
from domain.otp.events import OtpPurpose
from domain.otp.refusals import OtpRateLimited
from infrastructure.cache.absence import Absence

PATIENCE_SECONDS: Final = 2.0
"""More than for a rate limit, which can be done without."""

ADDRESSES: Final = "otp_attempts:address:"
REQUESTS: Final = "otp_attempts:"
CODES: Final = "otp:"

# A counter gets its end when it is made (OTP-11); one that has lost it is begun anew. A refused request is not counted.
_COUNT: Final = """
local function count(key, quota, window)
  local left = redis.call('PTTL', key)
  local used = left > 0 and tonumber(redis.call('GET', key)) or 0
  if used >= quota then
    return left
  end
  if used == 0 then
    redis.call('SET', key, 1, 'PX', window)
  else
    redis.call('INCR', key)
  end
  return 0
end
"""

_COUNT_ADDRESS: Final = (
    _COUNT
    + """
return count(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]))
"""
)

_KEEP: Final = (
    _COUNT
    + """
local left = count(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]))
if left == 0 then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[2], 'digest', ARGV[3], 'attempts', 0, 'requested_at', ARGV[4])
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
end
return left
"""
)

# HINCRBY leaves the time to live alone. A code without one must not live for ever: it is as good as expired.
_CHECK: Final = """
local kept = redis.call('HMGET', KEYS[1], 'digest', 'attempts', 'requested_at')
if not kept[1] then
  return {'absent', 0, '0'}
end
if redis.call('PTTL', KEYS[1]) < 0 then
  redis.call('DEL', KEYS[1])
  return {'absent', 0, '0'}
end
local attempts = tonumber(kept[2])
if attempts >= tonumber(ARGV[2]) then
  redis.call('DEL', KEYS[1])
  return {'locked', attempts, kept[3]}
end
if kept[1] == ARGV[1] then
  redis.call('DEL', KEYS[1])
  return {'right', attempts, kept[3]}
end
return {'wrong', redis.call('HINCRBY', KEYS[1], 'attempts', 1), kept[3]}
"""


def draw_code() -> OneTimeCode:
    """A code from the system's own randomness (requirements OTP-01)."""
    return OneTimeCode(str(LOWEST + secrets.randbelow(HIGHEST - LOWEST + 1)))


class RedisCodeVault:
    """Implements `application.otp.ports.CodeVault`."""

    def __init__(
        self,
        redis: Redis | None,
        *,
        key: bytes,
        attempts_maximum: int,
        requests_maximum: int,
        requests_per_address_maximum: int,
        request_window: timedelta,
        patience_seconds: float = PATIENCE_SECONDS,
        absence: Absence | None = None,
    ) -> None:
        """`key` is secret and the same in all processes of an installation. No Redis: no codes.

        Raises:
            ValueError: the key is shorter than 32 bytes.
        """
        if len(key) < 32:
            raise ValueError("The key of one-time codes needs at least 32 bytes.")
        self._key = key
        self._attempts_maximum = attempts_maximum
        self._requests_maximum = requests_maximum
        self._requests_per_address_maximum = requests_per_address_maximum
        self._window_ms = _milliseconds(request_window)
        self._patience_seconds = patience_seconds
        self._absence = absence or Absence("one_time_codes_without_redis", "one_time_codes_with_redis")
        self._is_there = redis is not None
        if redis is not None:
            self._count_address = redis.register_script(_COUNT_ADDRESS)
            self._keep = redis.register_script(_KEEP)
            self._check = redis.register_script(_CHECK)

    async def keep(
        self,
        *,
        purpose: OtpPurpose,
        destination_hash: str,
        code: OneTimeCode | None,
        address: str | None,
        requested_at: datetime,
        lifetime: timedelta,
    ) -> None:
        """See the port. The address is counted first, and stays counted when the destination has had its share."""
        self._demand_redis()
        if address is not None:
            await self._count(
                self._count_address,
                [f"{ADDRESSES}{{{self._digest(b'address', _network_of(address))}}}"],
                [self._requests_per_address_maximum, self._window_ms],
            )
        digest = (
            self._digest_of(purpose, destination_hash, code) if code is not None else secrets.token_hex(32)
        )
        await self._count(
            self._keep,
            [f"{REQUESTS}{{{destination_hash}}}", _code_key(purpose, destination_hash)],
            [
                self._requests_maximum,
                self._window_ms,
                digest,
                _milliseconds(requested_at - _EPOCH),
                _milliseconds(lifetime),
            ],
        )

    async def check(self, *, purpose: OtpPurpose, destination_hash: str, code: OneTimeCode) -> Checked:
        """See the port."""
        self._demand_redis()
        outcome, attempts, requested_at = await self._ask(
            self._check,
            [_code_key(purpose, destination_hash)],
            [self._digest_of(purpose, destination_hash, code), self._attempts_maximum],
        )
        if outcome == b"absent":
            return Checked(outcome=Outcome.ABSENT)
        return Checked(
            outcome=Outcome(outcome.decode()),
            attempts=int(attempts),
            requested_at=_EPOCH + timedelta(milliseconds=int(requested_at)),
        )

    async def _count(self, script: AsyncScript, keys: list[str], arguments: list[Any]) -> None:
        left_ms = await self._ask(script, keys, arguments)
        if left_ms > 0:
            raise OtpRateLimited(max(1, math.ceil(left_ms / 1000)))

    async def _ask(self, script: AsyncScript, keys: list[str], arguments: list[Any]) -> Any:
        if not self._absence.may_ask():
            raise _away()
        try:
            async with asyncio.timeout(self._patience_seconds):
                answer = await script(keys=keys, args=arguments)
        except (RedisError, OSError, TimeoutError) as error:
            self._absence.begin(error)
            # From nobody: what a client says of a failed call may hold the call.
            raise _away() from None
        self._absence.end()
        return answer

    def _demand_redis(self) -> None:
        if not self._is_there:
            raise _away()

    def _digest_of(self, purpose: OtpPurpose, destination_hash: str, code: OneTimeCode) -> str:
        return self._digest(b"code", f"{purpose.value}\0{destination_hash}\0{code.reveal()}")

    def _digest(self, kind: bytes, text: str) -> str:
        return hmac.digest(self._key, kind + b"\0" + text.encode(), "sha256").hex()


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _milliseconds(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)


def _code_key(purpose: OtpPurpose, destination_hash: str) -> str:
    return f"{CODES}{purpose.value}:{{{destination_hash}}}"


def _network_of(address: str) -> str:
    """What counts as one address: a customer with IPv6 has a whole /64 to ask from."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
    return address


def _away() -> Unavailable:
    return Unavailable("One-time codes cannot be given or checked at the moment.")
