"""Where a request came from (requirements SEC-12).

Each proxy appends the address that it was called from to `X-Forwarded-For`. Only the last `hops` entries were written by
proxies of ours; what is left of them is whatever the client likes to say.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

from infrastructure.settings import Network

UNKNOWN: Final = "0.0.0.0"  # noqa: S104 -- the name of an unknown client, not an address to listen on


def client_address(peer: str, forwarded_for: Iterable[bytes], hops: int) -> str:
    """The client's address; `peer` is who holds the connection, `forwarded_for` all values of the header in order."""
    if hops == 0:
        return peer
    chain = [part.strip() for value in forwarded_for for part in value.decode("latin-1").split(",")]
    if not chain:
        return peer
    # The peer is the first hop; each further one is the next entry from the right.
    entry = chain[-hops] if len(chain) >= hops else chain[0]
    return address_in(entry) or peer


@lru_cache(maxsize=4096)
def address_in(entry: str) -> str | None:
    """The address in one entry, which may carry a port; `None` when it has none."""
    text = entry
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


@lru_cache(maxsize=4096)
def is_internal(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address belongs to one of the networks."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return any(parsed in network for network in networks)
