"""Which limits apply to a request (requirements SEC-07 to SEC-09, SEC-11).

Everybody who is signed in has a limit of their own, and so has every API key; all strangers behind one address share
one. An IPv6 customer has a whole /64 to ask from, so that counts as one address.
"""

import ipaddress
import re
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final

from litestar import Request
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler

from api.context import Connection, application_of, context_of
from api.errors import TooManyRequests
from api.security import look_at_token, shown_key
from api.slowdown import Slowdown
from infrastructure.cache.familiar_places import FamiliarPlaces
from infrastructure.cache.rate_limits import Policy, RateLimits, Verdict
from infrastructure.settings import LimitSettings

_PUNCTUATION: Final = re.compile(r"[ ().\-]")
"""What phone numbers are written with, for the eye."""

UNLIMITED: Final = {"rate_limited": False}
"""`opt` of routes that are neither counted nor delayed: probes, and callbacks that providers send from few addresses."""


class Attempt(StrEnum):
    """What somebody tries who is not let in yet. Each is counted by itself, so that a new password, which is had by a code,
    is of use to those who have just tried the old one too often.
    """

    SIGN_IN = "sign in"
    """With a password, or with a new account."""

    ASK = "ask"
    """For a code or a link."""

    PROVE = "prove"
    """By a code or a link."""


class Limits:
    """The policies of the edge over the counters."""

    def __init__(self, settings: LimitSettings, counters: RateLimits, places: FamiliarPlaces) -> None:
        """`counters` and `places` are shared with all processes where Redis is there."""
        self.enabled = settings.enabled
        self.counters = counters
        self.places = places
        self.slowdown = Slowdown(settings)
        self.anonymous = Policy(name="anonymous", quota=settings.anonymous_maximum, window=settings.window)
        self.account = Policy(name="account", quota=settings.authenticated_maximum, window=settings.window)
        self.authentication = Policy(
            name="authentication", quota=settings.authentication_maximum, window=settings.window
        )
        self.guessing = Policy(name="guessing", quota=settings.guesses_maximum, window=settings.window)


async def count_request(connection: Connection, handler: BaseRouteHandler) -> None:
    """The guard before every route: one request of an account, of an API key, or of a stranger's address.

    A stranger may have to wait a while.

    Raises:
        TooManyRequests: the window has no more, or too many wait.
        ClientGone: the stranger did not wait.
    """
    if handler.opt.get("rate_limited") is False:
        return
    verdict = await take_one(connection)
    if (
        verdict is not None
        and handler.opt.get("slowed_down") is not False
        and connection.scope["type"] == ScopeType.HTTP
    ):
        await application_of(connection).limits.slowdown.hold(connection, verdict)


async def take_one(connection: Connection) -> Verdict | None:
    """Count one request; gives how a stranger's address stands, and nothing for those who are known.

    Raises:
        TooManyRequests: the window has no more.
    """
    context = context_of(connection)
    application = application_of(connection)
    services = application.services
    look_at_token(context, services)
    limits = application.limits
    shown = shown_key(context) if services.keys is not None else None
    key_id = services.keys.known(shown) if services.keys is not None and shown is not None else None
    if context.claims is not None:
        _apply(connection, await limits.counters.take(limits.account, str(context.claims.account_id)))
        return None
    if key_id is not None:
        _apply(connection, await limits.counters.take(limits.account, f"api key {key_id}"))
        return None
    # A key that nobody has seen here counts as a stranger once: guessing keys is what that limit is for, too.
    verdict = await limits.counters.take(limits.anonymous, network_of(context.client_address))
    _apply(connection, verdict)
    return verdict


async def limit_sign_ins(
    request: Request[Any, Any, Any], identifier: str, attempt: Attempt = Attempt.SIGN_IN
) -> None:
    """Count one attempt; to be called before any expensive work.

    `identifier` is the email, phone or token that is named: guessing one account from one address costs, and nobody else behind
    that address is locked out by it. One account from many addresses is for `api.guessing`.

    Raises:
        TooManyRequests: the window has no more.
    """
    limits = application_of(request).limits
    if not limits.enabled:
        return
    address = network_of(context_of(request).client_address)
    partition = f"{attempt.value} {address} {one_spelling(identifier)}"
    _apply(request, await limits.counters.take(limits.authentication, partition))


def _apply(connection: Connection, verdict: Verdict) -> None:
    context = context_of(connection)
    context.verdicts = (*context.verdicts, verdict)
    if not verdict.allowed:
        raise TooManyRequests(verdict)


def one_spelling(identifier: str) -> str:
    """An email or phone as it is counted: however it is written, it is the same."""
    plain = identifier.strip().casefold()
    return _PUNCTUATION.sub("", plain) if plain.startswith("+") else plain


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address
