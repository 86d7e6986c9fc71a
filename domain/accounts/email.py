"""Email addresses: one spelling each, so that nobody has two accounts and everybody finds theirs (ACC-02)."""

import re
from typing import Final

from domain.shared.errors import InvalidInput, Problem

EMAIL_CHARACTERS_MINIMUM: Final = 5
EMAIL_CHARACTERS_MAXIMUM: Final = 255
LOCAL_CHARACTERS_MAXIMUM: Final = 64
"""RFC 5321 §4.5.3.1.1."""

_ATOM: Final = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ADDRESS: Final = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}")


class EmailInvalid(InvalidInput):
    """A text is no email address that mail can be sent to."""

    def __init__(self, message: str) -> None:
        """The address itself is never echoed: it is personal data."""
        super().__init__(message, problems=[Problem("email", message, "email")])


def normalise_email(text: str) -> str:
    """The one spelling of an email address: trimmed and in lower case.

    Accepted is what RFC 5321 §4.1.2 calls a dot-string at a domain of at least two labels: the addresses that every
    mail server takes. Quoted local parts, address literals and letters beyond ASCII (RFC 6531) are refused, for
    many servers do; an internationalised domain is written in its `xn--` form, since turning it into that is not the
    same everywhere and would send mail to somebody else (IDNA 2003 against 2008).

    Raises:
        EmailInvalid: it is not such an address, or not of 5 to 255 characters.
    """
    trimmed = text.strip()
    if not EMAIL_CHARACTERS_MINIMUM <= len(trimmed) <= EMAIL_CHARACTERS_MAXIMUM:
        raise EmailInvalid(
            f"An email address has {EMAIL_CHARACTERS_MINIMUM} to {EMAIL_CHARACTERS_MAXIMUM} characters."
        )
    # Before lower-casing, which turns some letters (the Kelvin sign) into ASCII ones: look-alikes stay out.
    if not trimmed.isascii():
        raise EmailInvalid("An email address is written in ASCII; an international domain begins with xn--.")
    email = trimmed.lower()
    if not _ADDRESS.fullmatch(email) or email.index("@") > LOCAL_CHARACTERS_MAXIMUM:
        raise EmailInvalid("This is not a valid email address.")
    return email
