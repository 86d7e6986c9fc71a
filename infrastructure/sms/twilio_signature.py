"""Whether a callback is Twilio's (https://www.twilio.com/docs/usage/security#validating-requests).

The signature covers the address as Twilio called it. Behind a proxy that is not what the request says: build it from the
settings (`APP_URL`), not from forwarded headers, which anybody can write.
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import parse_qs, urlsplit

from infrastructure.security.secrets import Secret

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def is_genuine_form(
    auth_token: Secret, *, url: str, parameters: Iterable[tuple[str, str]], signature: str
) -> bool:
    """Whether the signature is that of a form with these fields; names may come several times, in any order."""
    fields = "".join(name + value for name, value in sorted(set(parameters)))
    return _matches(auth_token, url, fields, signature)


def is_genuine_json(auth_token: Secret, *, url: str, body: bytes, signature: str) -> bool:
    """Whether the signature is that of a body that is no form: the address carries its SHA-256 as `bodySHA256`."""
    named = parse_qs(urlsplit(url).query).get("bodySHA256", [])
    digest = hashlib.sha256(body).hexdigest()
    if len(named) != 1 or not hmac.compare_digest(named[0].encode(), digest.encode()):
        return False
    return _matches(auth_token, url, "", signature)


def _matches(auth_token: Secret, url: str, fields: str, signature: str) -> bool:
    shown = signature.encode("utf-8", "surrogatepass")
    found = False
    for spelling in _spellings(url):
        expected = hmac.digest(
            auth_token.reveal().encode(), (spelling + fields).encode("utf-8", "surrogatepass"), "sha1"
        )
        found |= hmac.compare_digest(b64encode(expected), shown)
    return found


def _spellings(url: str) -> tuple[str, str]:
    """The address with and without the port that goes without saying: Twilio signs now the one, now the other."""
    parts = urlsplit(url)
    usual = _DEFAULT_PORTS.get(parts.scheme)
    host, user = parts.netloc.rpartition("@")[2], parts.netloc.rpartition("@")[0]
    before = f"{user}@" if user else ""
    name = host.removesuffix(f":{usual}") if parts.port == usual else host
    bare = url.replace(f"{parts.scheme}://{parts.netloc}", f"{parts.scheme}://{before}{name}", 1)
    if usual is None or parts.port not in {None, usual}:
        return url, url
    ported = url.replace(f"{parts.scheme}://{parts.netloc}", f"{parts.scheme}://{before}{name}:{usual}", 1)
    return bare, ported
