"""Guessing the password of one account from many addresses (requirement SEC-09).

The limit by address and identifier (`api.limits`) stops one guesser. Somebody with a thousand addresses would have five guesses
from each, so all attempts on one identifier have a ceiling of their own, wherever they come from.

A ceiling alone would be a way to keep an owner out: anybody could fill it. So it binds only those who come from a network from
which nobody has signed in with this identifier lately: owners at home are held to the limit by address alone. An owner who is
somewhere new while somebody guesses waits for the window to end, or signs in with a one-time code or a new password, which
prove more than a guess. OWASP describes the same with cookies in place of networks ("Slow Down Online Guessing Attacks with
Device Cookies"); programs that call an API keep none.

Whether the identifier has an account makes no difference, so nothing can be learnt about that.
"""

from typing import Any

from litestar import Request

from api.context import application_of, context_of
from api.errors import TooManyRequests
from api.limits import network_of, one_spelling

AnyRequest = Request[Any, Any, Any]


async def limit_guesses(request: AnyRequest, identifier: str) -> None:
    """Count one attempt to sign in with a password; to be called after `limit_sign_ins` and before the password is looked at.

    The answer does not carry the state of this ceiling: it would tell what others do.

    Raises:
        TooManyRequests: too many have tried, and never has anybody signed in from here.
    """
    limits = application_of(request).limits
    if not limits.enabled:
        return
    identifier = one_spelling(identifier)
    if await limits.places.know(identifier, network_of(context_of(request).client_address)):
        return
    verdict = await limits.counters.take(limits.guessing, identifier)
    if not verdict.allowed:
        raise TooManyRequests(verdict)


async def remember_place(request: AnyRequest, identifier: str) -> None:
    """Somebody has proved here that the identifier is theirs."""
    limits = application_of(request).limits
    if limits.enabled:
        address = network_of(context_of(request).client_address)
        await limits.places.remember(one_spelling(identifier), address)
