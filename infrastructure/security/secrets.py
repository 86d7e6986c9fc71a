"""Secrets: texts that never show themselves by accident, made fresh where the shop needs new ones."""

import hmac
import secrets
from typing import Final, NoReturn

MASK: Final = "********"
"""What stands in a log, a traceback or an error in place of a secret."""

SECRET_BYTES: Final = 32
"""256 random bits: what HS256 and AES-256 ask for (RFC 8725 §3.5, NIST SP 800-38D)."""

_DEFAULTS: Final = frozenset(
    {
        "passw0rd",
        "postgres",
        "secret",
        "admin",
        "redis",
        "guest",
        "minioadmin",
        "default",
        "qwerty",
        "letmein",
    }
)
_PLACEHOLDERS: Final = (
    "ultramarket", "gogomarket", "techhub", "beautifulencer", "changeme", "changethis", "replaceme", "placeholder",
    "yoursecret", "yourkey", "yourpassword", "yourjwt", "yoursuper", "mysecret", "secretkey", "jwtsecret",
    "supersecret", "verysecret", "password", "insecure", "example", "12345678",
)  # fmt: skip
_DISTINCT_MINIMUM: Final = 6


class Secret:
    """A text that is used and never shown; only `reveal` gives it.

    It looks like `********` wherever it is printed, formatted or logged, refuses to be pickled, and is
    unknown to msgspec, so that it can reach neither a message nor a file by accident. Two secrets are
    compared in constant time.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        """Hold the text exactly as given."""
        self._value = value

    def reveal(self) -> str:
        """The text itself, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, format_spec: str) -> str:
        return format(MASK, format_spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __copy__(self) -> "Secret":
        return self

    def __deepcopy__(self, memo: object) -> "Secret":
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("A secret is not written anywhere.")


def is_well_known(secret: Secret) -> bool:
    """Whether anybody could guess it: a default of a product or a tutorial, or hardly any variety.

    A random secret is practically never taken for one.
    """
    plain = "".join(character for character in secret.reveal().lower() if character.isalnum())
    return (
        plain in _DEFAULTS
        or any(placeholder in plain for placeholder in _PLACEHOLDERS)
        or len(set(plain)) < _DISTINCT_MINIMUM
    )


def fresh_secret() -> str:
    """256 random bits from the system, as 64 hexadecimal characters."""
    return secrets.token_hex(SECRET_BYTES)


def fresh_secrets() -> dict[str, str]:
    """New values for every secret that the shop chooses itself, by the name of its variable.

    Secrets that others issue (payment providers, mail, SMS) are not among them. Replacing
    `ENCRYPTION_KEY` needs the old one in `ENCRYPTION_KEYS_PREVIOUS`; replacing `PASSWORD_PEPPER` makes
    every stored password unusable.
    """
    return {
        name: fresh_secret()
        for name in (
            "JWT_SECRET",
            "JWT_REFRESH_SECRET",
            "ENCRYPTION_KEY",
            "PASSWORD_PEPPER",
            "DB_PASSWORD",
            "REDIS_PASSWORD",
            "METRICS_TOKEN",
        )
    }
