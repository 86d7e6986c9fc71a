"""A one-time code: six digits that are passed on and never shown (requirements OTP-01)."""

import hmac
import re
from typing import Final, NoReturn

from domain.otp.refusals import OtpInvalid

MASK: Final = "******"
LOWEST: Final = 100_000
HIGHEST: Final = 999_999

_SIX_DIGITS: Final = re.compile(r"[0-9]{6}")


class OneTimeCode:
    """Six decimal digits; only `reveal` gives them.

    It looks like `******` wherever it is printed, formatted or logged, cannot be pickled, and is unknown to msgspec, so that
    it can reach neither an event nor a message by accident.
    """

    __slots__ = ("_digits",)

    def __init__(self, digits: str) -> None:
        """Hold a code as it was drawn, or as somebody wrote it.

        Raises:
            OtpInvalid: these are not six digits.
        """
        if not _SIX_DIGITS.fullmatch(digits):
            raise OtpInvalid("A code has six digits.")
        self._digits = digits

    def reveal(self) -> str:
        """The digits, for whoever sends or compares them."""
        return self._digits

    def __repr__(self) -> str:
        return f"OneTimeCode('{MASK}')"

    def __str__(self) -> str:
        return MASK

    def __format__(self, format_spec: str) -> str:
        return format(MASK, format_spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, OneTimeCode):
            return NotImplemented
        return hmac.compare_digest(self._digits, other._digits)

    def __hash__(self) -> int:
        return hash((OneTimeCode, self._digits))

    def __reduce__(self) -> NoReturn:
        raise TypeError("A one-time code is not written anywhere.")
