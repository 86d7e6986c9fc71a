"""Which web pages may call (requirements SEC-01 to SEC-04); requests without an origin are no matter of CORS."""

from collections.abc import Iterable
from typing import Final

METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
REQUEST_HEADERS: Final = (
    b"Accept, Accept-Language, Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, "
    b"Last-Event-ID, Prefer, Traceparent, Tracestate, X-API-Key, X-Min-Position, X-Request-Id, X-Requested-With"
)
EXPOSED_HEADERS: Final = (
    b"ETag, Idempotent-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, X-Position, X-Request-Id"
)
PREFLIGHT_SECONDS: Final = b"600"

Headers = tuple[tuple[bytes, bytes], ...]


class Cors:
    """The allowed origins, and the headers that say so."""

    def __init__(self, origins: Iterable[str]) -> None:
        """`origins` as browsers send them; `*` is none, since credentials are allowed."""
        self._answers: dict[bytes, Headers] = {
            origin.encode(): (
                (b"access-control-allow-origin", origin.encode()),
                (b"access-control-allow-credentials", b"true"),
                (b"access-control-expose-headers", EXPOSED_HEADERS),
            )
            for origin in origins
            if origin != "*"
        }
        self._preflights: dict[bytes, Headers] = {
            origin: (
                *headers[:2],
                (b"access-control-allow-methods", METHODS),
                (b"access-control-allow-headers", REQUEST_HEADERS),
                (b"access-control-max-age", PREFLIGHT_SECONDS),
            )
            for origin, headers in self._answers.items()
        }

    def answer(self, origin: bytes) -> Headers:
        """What an answer to this origin carries: nothing when it is a foreign one."""
        return self._answers.get(origin, ())

    def preflight(self, origin: bytes) -> Headers | None:
        """What the answer to a preflight carries; `None` when the origin is a foreign one."""
        return self._preflights.get(origin)
