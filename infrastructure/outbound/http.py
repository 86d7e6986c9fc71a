"""How providers are asked over HTTP: one request a connection, and an end to it in any case.

Whoever asks learns whether the request may have left, since most providers know no idempotency keys. So no connection is kept
for a next request: one that the other side has closed meanwhile would leave that open. What comes back is read up to a bound and
never unpacked, and a redirection is an answer like any other: credentials follow nobody elsewhere (OWASP API10). Proxies and
certificates that the environment names are passed over: settings have one reader.
"""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

import msgspec

if TYPE_CHECKING:
    import httpx

SECONDS: Final = 10.0
"""For one request, from the first packet to the last byte of its answer (SEC-23 allows 30)."""

CONNECT_SHARE: Final = 0.4
"""How much of that for the connection alone, and as much again for TLS: the library closes what ran out of its own time, and
leaves open what is cancelled within a handshake."""

AT_ONCE: Final = 16
LONGEST_ANSWER: Final = 256 * 1024

Pairs = Sequence[tuple[str, str]]

_SENDING: Final = ".send_request_headers.started"
"""How what httpx tells of its progress ends, when the first byte of a request is about to leave."""


class NotReached(Exception):
    """The request has not left: no connection, no TLS, no turn in time."""


class NoAnswer(Exception):
    """The request has left, or may have, and no whole answer came: what the other side did is unknown."""


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. `retry_after` is the field of that name, as it was written."""

    status: int
    body: bytes
    retry_after: str | None

    def __repr__(self) -> str:
        """Without the body, in which others may repeat what they were sent."""
        return f"HttpAnswer(status={self.status})"

    @property
    def retry_after_seconds(self) -> float | None:
        """The wait that the other side asks for, as far as it gives seconds."""
        text = self.retry_after or ""
        return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


class HttpProvider:
    """One provider's HTTP interface under one base address."""

    def __init__(self, base_url: str, *, seconds: float = SECONDS) -> None:
        """`base_url` has no slash at its end. It opens nothing yet."""
        self._base_url = base_url
        self._seconds = seconds
        # Reading the machine's certificates takes tens of milliseconds: once is enough.
        self._tls = ssl.create_default_context() if base_url.startswith("https:") else None
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._closed = False

    async def ask(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        query: Pairs = (),
        form: Pairs | None = None,
        content: bytes | None = None,
    ) -> HttpAnswer:
        """Send one request, with `form` as its body, or `content` as it is.

        Raises:
            NotReached: it has not left.
            NoAnswer: it may have left.
        """
        if self._closed:
            raise NotReached("closed")
        fields = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Connection": "close",
            "User-Agent": "daftar",
            **headers,
        }
        if form is not None:
            content = urlencode(form).encode()
            fields["Content-Type"] = "application/x-www-form-urlencoded"
        target = self._base_url + path + (f"?{urlencode(query)}" if query else "")
        return await _Exchange(self._seconds, self._tls).run(self._turns, method, target, fields, content)

    def close(self) -> None:
        """Ask nobody any more; what is under way ends by its own time-out."""
        self._closed = True


class _Exchange:
    """One request and its answer."""

    def __init__(self, seconds: float, tls: ssl.SSLContext | None) -> None:
        self._seconds = seconds
        self._tls = tls
        self._begun = False

    async def run(
        self,
        turns: asyncio.Semaphore,
        method: str,
        target: str,
        headers: Mapping[str, str],
        content: bytes | None,
    ) -> HttpAnswer:
        """Do it all, when it is its turn.

        Raises:
            NotReached, NoAnswer: see `HttpProvider.ask`.
        """
        # A seventh of a second to import, for something that many installations never ask.
        import httpx

        try:
            async with (
                asyncio.timeout(self._seconds),
                turns,
                self._client() as client,
                client.stream(
                    method, target, headers=headers, content=content, extensions={"trace": self._note}
                ) as response,
            ):
                return HttpAnswer(
                    status=response.status_code,
                    body=await _bounded(response),
                    retry_after=response.headers.get("Retry-After", "").strip() or None,
                )
        except TimeoutError:
            raise self._failed("in time") from None
        # From nobody: addresses and headers are in what the library says.
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise self._failed(f"({type(error).__name__})") from None

    def _client(self) -> "httpx.AsyncClient":
        import httpx

        return httpx.AsyncClient(
            verify=self._tls or False,
            timeout=httpx.Timeout(self._seconds, connect=self._seconds * CONNECT_SHARE),
            limits=httpx.Limits(max_keepalive_connections=0),
            follow_redirects=False,
            trust_env=False,
        )

    async def _note(self, event: str, _: Mapping[str, Any]) -> None:
        self._begun = self._begun or event.endswith(_SENDING)

    def _failed(self, how: str) -> NotReached | NoAnswer:
        return NoAnswer(f"no answer {how}") if self._begun else NotReached(f"no connection {how}")


async def _bounded(response: "httpx.Response") -> bytes:
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > LONGEST_ANSWER:
            raise NoAnswer("the answer is too long")
    return bytes(body)
