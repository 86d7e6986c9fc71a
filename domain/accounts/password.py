"""What a password must be (ACC-03). How it is kept is the infrastructure's."""

from typing import Final

from domain.shared.errors import InvalidInput, Problem

PASSWORD_CHARACTERS_MINIMUM: Final = 8
PASSWORD_CHARACTERS_MAXIMUM: Final = 255


class PasswordUnfit(InvalidInput):
    """A password that no account may have."""

    def __init__(self, message: str, field: str) -> None:
        """The password is never echoed."""
        super().__init__(message, problems=[Problem(field, message, "length")])


def check_password(password: str, *, field: str = "password") -> None:
    """Let a password through that an account may have. It is taken as it is: spaces at its ends belong to it.

    `field` is the name of the field in requests.

    Raises:
        PasswordUnfit: it has not 8 to 255 characters.
    """
    if not PASSWORD_CHARACTERS_MINIMUM <= len(password) <= PASSWORD_CHARACTERS_MAXIMUM:
        raise PasswordUnfit(
            f"A password has {PASSWORD_CHARACTERS_MINIMUM} to {PASSWORD_CHARACTERS_MAXIMUM} characters.",
            field,
        )
