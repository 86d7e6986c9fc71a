"""The connection to Redis, or to anything that speaks its protocol.

Redis only helps: limits, one-time codes and copies of what the log holds. So nothing waits long for it.
"""

from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from infrastructure.security.secrets import Secret

CONNECT_SECONDS: Final = 1.0
ANSWER_SECONDS: Final = 1.0
CONNECTIONS_MAXIMUM: Final = 64


def connect(url: Secret) -> Redis:
    """A client with a pool of its own; it connects when it is first used. Close it with `aclose()`.

    A call that finds its connection dead tries once more on a new one; it does not sleep in between.
    """
    return Redis.from_url(
        url.reveal(),
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        socket_keepalive=True,
        health_check_interval=30,
        max_connections=CONNECTIONS_MAXIMUM,
        retry=Retry(NoBackoff(), 1),
    )
